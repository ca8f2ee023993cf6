//! One analysis: its samples so far, and what they amount to.

use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

use super::super::condition::{Condition, Held};
use super::super::report::{SampleVerdict, SampleView};
use super::source::Number;
use super::{AnalysisConfig, Better, CompareConfig, VALUE};
use crate::base::{Unit, Verdict};
use crate::store::{Measurement, Sample};

/// What an analysis judges a sample by.
pub(super) struct Judge<'a> {
    pub config: &'a AnalysisConfig,
    pub condition: Condition,
    pub unit: Unit,
    /// The value to compare with, or why there is none; absent where nothing is compared.
    pub baseline: Option<Result<f64, String>>,
}

impl Judge<'_> {
    /// A sample that was taken at `now`.
    pub fn judge(&self, found: Result<Number, String>, now: DateTime<Utc>) -> SampleView {
        let number = match found {
            Ok(number) => number,
            Err(why) => return view(now, None, SampleVerdict::Inconclusive, why),
        };
        let measurement = Measurement::judged(number.value, self.unit);
        if let Measurement::Undecided(why) = &measurement {
            return view(now, None, SampleVerdict::Inconclusive, why.to_string());
        }
        let finding = self.condition.judge(&[self.sample(measurement, number.at)], None, now);
        let (verdict, mut reason) = match finding.held {
            Held::Yes => (SampleVerdict::Good, self.unit.show(number.value)),
            Held::No => (SampleVerdict::Bad, finding.reason),
            Held::Undecided => (SampleVerdict::Inconclusive, finding.reason),
        };
        let mut verdict = verdict;
        if let (SampleVerdict::Good, Some(compare), Some(baseline)) =
            (verdict, &self.config.compare, &self.baseline)
        {
            (verdict, reason) = self.compared(compare, number.value, baseline);
        }
        view(now, Some((number, self.unit)), verdict, reason)
    }

    fn sample(&self, measurement: Measurement, at: DateTime<Utc>) -> Sample {
        Sample {
            service: String::new(),
            probe: String::new(),
            metric: VALUE.to_owned(),
            labels: BTreeMap::new(),
            measurement,
            unit: self.unit,
            event_time: at,
            recorded_at: at,
            bucket: None,
            version: None,
            input: None,
            rows: 1,
        }
    }

    /// Whether a value is close enough to the baseline. Nothing but zero is a part of zero.
    fn compared(
        &self,
        compare: &CompareConfig,
        value: f64,
        baseline: &Result<f64, String>,
    ) -> (SampleVerdict, String) {
        let shown = |value: f64| self.unit.show(value);
        let baseline = match baseline {
            Ok(baseline) => *baseline,
            Err(why) => return (SampleVerdict::Inconclusive, format!("no baseline: {why}")),
        };
        let Ok(part) = compare.no_worse_than.to(Unit::Change) else {
            return (SampleVerdict::Inconclusive, "the comparison is not a part of a value".to_owned());
        };
        let worse = match compare.better {
            Better::Lower => value - baseline,
            Better::Higher => baseline - value,
        };
        if worse <= 0.0 {
            return (SampleVerdict::Good, format!("{}, no worse than {}", shown(value), shown(baseline)));
        }
        if baseline == 0.0 {
            let text = format!("{} cannot be compared with a baseline of {}", shown(value), shown(baseline));
            return (SampleVerdict::Inconclusive, text);
        }
        let by = worse / baseline.abs();
        let text = format!("{} is {} worse than {}", shown(value), Unit::Ratio.show(by), shown(baseline));
        (if by <= part { SampleVerdict::Good } else { SampleVerdict::Bad }, text)
    }
}

fn view(
    at: DateTime<Utc>,
    value: Option<(Number, Unit)>,
    verdict: SampleVerdict,
    reason: String,
) -> SampleView {
    SampleView {
        at,
        value: value.map(|(number, _)| number.value),
        true_at: value.map(|(number, _)| number.at),
        verdict,
        reason: reason.into(),
    }
}

/// What the samples so far amount to; `None` while more are needed.
pub(super) fn amounts_to(
    config: &AnalysisConfig,
    samples: &[SampleView],
    not_good: Verdict,
) -> Option<(Verdict, String)> {
    let count = |wanted: SampleVerdict| {
        u32::try_from(samples.iter().filter(|sample| sample.verdict == wanted).count()).unwrap_or(u32::MAX)
    };
    let (good, bad, inconclusive) =
        (count(SampleVerdict::Good), count(SampleVerdict::Bad), count(SampleVerdict::Inconclusive));
    let taken = good + bad + inconclusive;
    let first = |wanted: SampleVerdict| {
        let first = samples.iter().find(|sample| sample.verdict == wanted);
        first.map(|sample| format!("; the first: {}", sample.reason)).unwrap_or_default()
    };
    let of = if taken == 1 { "1 sample".to_owned() } else { format!("{taken} samples") };
    let over = |count: u32, what: &str, limit: u32, wanted: SampleVerdict| {
        let tolerated = if limit == 0 { "none".to_owned() } else { limit.to_string() };
        format!("{count} of {of} {what}, {tolerated} tolerated{}", first(wanted))
    };
    if bad > config.failure_limit {
        return Some((not_good, over(bad, "bad", config.failure_limit, SampleVerdict::Bad)));
    }
    if inconclusive > config.inconclusive_limit {
        let limit = config.inconclusive_limit;
        return Some((
            Verdict::Unknown,
            over(inconclusive, "inconclusive", limit, SampleVerdict::Inconclusive),
        ));
    }
    let row = samples.iter().rev().take_while(|sample| sample.verdict == SampleVerdict::Good).count();
    match config.consecutive_success {
        Some(wanted) if row >= wanted as usize => {
            return Some((Verdict::Ok, format!("{row} good samples in a row, {taken} taken")));
        }
        Some(wanted) if taken >= config.samples => {
            return Some((Verdict::Unknown, format!("no {wanted} good samples in a row among {of}")));
        }
        _ => {}
    }
    if taken < config.samples {
        return None;
    }
    // The limits alone would let nothing but tolerated samples pass.
    if good == 0 {
        return Some((Verdict::Unknown, format!("none of {of} was good")));
    }
    let last = samples.last().map(|sample| format!("; the last: {}", sample.reason)).unwrap_or_default();
    Some((Verdict::Ok, format!("{good} of {of} good{last}")))
}
