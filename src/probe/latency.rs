//! Latencies over a few tries: percentiles by nearest rank, in which a try without an answer took longest of all.

use std::time::Duration;

use super::{Outcome, Request};
use crate::base::Unit;

/// How long each try took, in milliseconds, sorted; and how many had no answer.
pub(super) struct Latencies {
    answered: Vec<f64>,
    failed: usize,
}

impl Latencies {
    /// Of tries; `None` is one that had no answer that counts.
    pub fn new(tries: impl IntoIterator<Item = Option<Duration>>) -> Self {
        let mut latencies = Self { answered: Vec::new(), failed: 0 };
        for one in tries {
            match one {
                Some(one) => latencies.answered.push(one.as_secs_f64() * 1000.0),
                None => latencies.failed += 1,
            }
        }
        latencies.answered.sort_by(f64::total_cmp);
        latencies
    }

    /// How many tries there were.
    pub fn tries(&self) -> usize {
        self.answered.len() + self.failed
    }

    /// The part of the tries that failed; NaN without tries.
    #[expect(clippy::cast_precision_loss, reason = "there are a thousand tries at most")]
    pub fn failed(&self) -> f64 {
        self.failed as f64 / self.tries() as f64
    }

    /// The part of the tries that did not fail; NaN without tries.
    #[expect(clippy::cast_precision_loss, reason = "there are a thousand tries at most")]
    pub fn good(&self) -> f64 {
        self.answered.len() as f64 / self.tries() as f64
    }

    /// The percentile by nearest rank: the smallest latency that `percent` of all tries did not exceed (definition 1 of
    /// Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996). Under twenty tries the 95th is the largest.
    pub fn percentile(&self, percent: usize) -> Result<f64, String> {
        let rank = (percent * self.tries()).div_ceil(100).max(1);
        if self.tries() == 0 {
            return Err("there was no try".to_owned());
        }
        self.answered.get(rank - 1).copied().ok_or_else(|| {
            format!("{} of {} tries failed, and it falls on one of these", self.failed, self.tries())
        })
    }

    /// Adds the samples of the 50th and the 95th percentile and of the longest try.
    pub fn report(&self, name: &str, request: &Request<'_>, outcome: &mut Outcome) {
        for (suffix, percent) in PERCENTILES {
            let metric = format!("{name}_{suffix}");
            let mut sample = match self.percentile(percent) {
                Ok(value) => request.sample(name, &metric, value, Unit::Milliseconds),
                Err(why) => request.undecided(name, &metric, Unit::Milliseconds, why),
            };
            sample.rows = self.tries() as u64;
            outcome.samples.push(sample);
        }
    }
}

const PERCENTILES: [(&str, usize); 3] = [("p50", 50), ("p95", 95), ("max", 100)];

/// The metrics of the percentiles.
pub(super) fn metrics(name: &str) -> impl Iterator<Item = (String, Unit)> {
    PERCENTILES.into_iter().map(move |(suffix, _)| (format!("{name}_{suffix}"), Unit::Milliseconds))
}

/// How often each of these stands there: `2 × no answer within 5s; 1 × HTTP 503`.
pub(super) fn tally<'text>(texts: impl IntoIterator<Item = &'text str>) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for text in texts {
        match counts.iter_mut().find(|(known, _)| *known == text) {
            Some((_, count)) => *count += 1,
            None => counts.push((text, 1)),
        }
    }
    let each: Vec<_> = counts.into_iter().map(|(text, count)| format!("{count} × {text}")).collect();
    each.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(milliseconds: &[u64], failed: usize) -> Latencies {
        let answered = milliseconds.iter().map(|one| Some(Duration::from_millis(*one)));
        Latencies::new(answered.chain(std::iter::repeat_n(None, failed)))
    }

    #[test]
    fn nearest_rank_as_textbooks_have_it() {
        // The classic example: the 30th, 40th and 50th of 15, 20, 35, 40, 50 are 20, 20 and 35.
        let five = of(&[50, 15, 40, 20, 35], 0);
        let ranks = [5, 30, 40, 50, 95, 100].map(|percent| five.percentile(percent).unwrap());
        assert_eq!(ranks, [15.0, 20.0, 20.0, 35.0, 50.0, 50.0]);
        let twenty: Vec<u64> = (1..=20).collect();
        assert_eq!(of(&twenty, 0).percentile(95).unwrap(), 19.0);
        assert_eq!(of(&[7], 0).percentile(50).unwrap(), 7.0);
    }

    #[test]
    fn a_failed_try_took_longest() {
        let some = of(&[10, 20, 30], 1);
        assert_eq!(some.percentile(50).unwrap(), 20.0);
        assert_eq!(some.percentile(95).unwrap_err(), "1 of 4 tries failed, and it falls on one of these");
        assert_eq!(some.failed(), 0.25);
        assert!(of(&[], 2).percentile(50).is_err());
        assert!(of(&[], 0).percentile(50).is_err() && of(&[], 0).failed().is_nan());
    }

    #[test]
    fn fractions_of_a_millisecond_stay() {
        let one = Latencies::new([Some(Duration::from_micros(900))]);
        assert_eq!(one.percentile(50).unwrap(), 0.9);
    }

    #[test]
    fn reasons_are_counted() {
        assert_eq!(tally(["a", "b", "a"]), "2 × a; 1 × b");
    }
}
