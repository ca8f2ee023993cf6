//! The figures of calibration, from rows with a known outcome.
//!
//! With p the probability and y the outcome, 1 or 0: Brier = mean of (p − y)². Brier (1950), Monthly Weather Review 78.
//! ECE = Σ over bins of (rows in the bin / all rows) · |mean of y − mean of p|. Naeini, Cooper and Hauskrecht (2015), AAAI.
//! Bins are of equal width, open below and closed above, as those of scikit-learn's `calibration_curve`: (0.1, 0.2]; zero
//! is in the first. A perfectly calibrated model has an ECE above zero, too: with v = Σ p(1 − p) over the rows of a bin,
//! about √(2v/π) / all rows, summed over the bins.

/// The rows of one bin.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Bin {
    rows: u64,
    probabilities: f64,
    outcomes: u64,
    variance: f64,
}

/// Sums over rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sums {
    bins: Vec<Bin>,
    squares: f64,
    /// Rows whose outcome is known and whose numbers are what they should be.
    pub(super) rows: u64,
    /// Rows whose outcome is not known yet.
    pub(super) pending: u64,
    outcomes: u64,
    least: Option<f64>,
    greatest: Option<f64>,
    missing: u64,
    wrong: Option<(u64, String)>,
}

/// What a cohort of rows comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figures {
    /// Expected calibration error.
    pub(super) ece: f64,
    /// What it is for a perfectly calibrated model.
    pub(super) expected: f64,
    /// Brier score.
    pub(super) brier: f64,
}

impl Sums {
    /// Takes a row. NaN is what is missing.
    pub(super) fn take(&mut self, probability: f64, outcome: f64, bins: u32) {
        if outcome.is_nan() {
            self.pending += 1;
        } else if probability.is_nan() {
            self.missing += 1;
        } else if !(0.0..=1.0).contains(&probability) {
            self.refuse(format!("{probability} is not a probability"));
        } else if outcome != 0.0 && outcome != 1.0 {
            self.refuse(format!("{outcome} is not an outcome: 1 or 0"));
        } else {
            self.add(probability, outcome == 1.0, bins);
        }
    }

    fn refuse(&mut self, reason: String) {
        let (count, first) = self.wrong.take().unwrap_or((0, reason));
        self.wrong = Some((count + 1, first));
    }

    fn add(&mut self, probability: f64, happened: bool, bins: u32) {
        self.bins.resize(bins as usize, Bin::default());
        let y = f64::from(u8::from(happened));
        self.rows += 1;
        self.outcomes += u64::from(happened);
        self.squares += (probability - y).powi(2);
        self.least = Some(self.least.map_or(probability, |least| least.min(probability)));
        self.greatest = Some(self.greatest.map_or(probability, |greatest| greatest.max(probability)));
        if let Some(bin) = self.bins.get_mut(place(probability, bins)) {
            bin.rows += 1;
            bin.probabilities += probability;
            bin.outcomes += u64::from(happened);
            bin.variance += probability * (1.0 - probability);
        }
    }

    /// What the rows come to, or why they say nothing.
    pub(super) fn figures(&self, minimum: u64) -> Result<Figures, String> {
        if let Some((count, first)) = &self.wrong {
            return Err(format!("{count} rows cannot be used: the first because {first}"));
        }
        if self.missing > 0 {
            return Err(format!("{} rows have an outcome and no probability", self.missing));
        }
        if self.rows < minimum.max(2) {
            let minimum = minimum.max(2);
            return Err(format!(
                "{} rows have a known outcome, fewer than the {minimum} that are needed",
                self.rows
            ));
        }
        if self.outcomes == 0 || self.outcomes == self.rows {
            let all = u8::from(self.outcomes > 0);
            return Err(format!("all {} outcomes are {all}", self.rows));
        }
        if self.least == self.greatest {
            let all = self.least.unwrap_or_default();
            return Err(format!("all {} probabilities are {all}", self.rows));
        }
        let n = self.rows as f64;
        let error = |bin: &Bin| (bin.outcomes as f64 - bin.probabilities).abs();
        let chance = |bin: &Bin| (2.0 * bin.variance / std::f64::consts::PI).sqrt();
        Ok(Figures {
            ece: self.bins.iter().map(error).sum::<f64>() / n,
            expected: self.bins.iter().map(chance).sum::<f64>() / n,
            brier: self.squares / n,
        })
    }

    /// The part of the rows whose outcome is 1.
    pub(super) fn rate(&self) -> f64 {
        self.outcomes as f64 / self.rows.max(1) as f64
    }
}

/// The bin of a probability. The ends are multiples of one bin's width as computers multiply, as NumPy's `linspace` has
/// them.
fn place(probability: f64, bins: u32) -> usize {
    let width = 1.0 / f64::from(bins);
    let mut place = ((probability * f64::from(bins)).ceil() - 1.0).max(0.0) as u32;
    while place > 0 && f64::from(place) * width >= probability {
        place -= 1;
    }
    while place + 1 < bins && f64::from(place + 1) * width < probability {
        place += 1;
    }
    place as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sums(rows: &[(f64, f64)]) -> Sums {
        let mut sums = Sums::default();
        rows.iter().for_each(|(probability, outcome)| sums.take(*probability, *outcome, 10));
        sums
    }

    #[test]
    fn figures_as_worked_out_by_hand() {
        // Bin (0.1, 0.2]: means 0.15 and 0.5; bin (0.8, 0.9]: 0.9 and 1.
        let figures = sums(&[(0.1, 0.0), (0.2, 1.0), (0.2, 0.0), (0.9, 1.0)]).figures(2).unwrap();
        let ece = 0.25 * 0.1 + 0.5 * (0.5 - 0.2) + 0.25 * 0.1;
        assert!((figures.ece - ece).abs() < 1e-15, "{figures:?}");
        assert!((figures.brier - (0.01 + 0.64 + 0.04 + 0.01) / 4.0).abs() < 1e-15);
    }

    #[test]
    fn bins_are_closed_above_as_numpy_has_them() {
        for (probability, bin) in [
            (0.0, 0),
            (0.1, 0),
            (0.100_000_1, 1),
            (0.3, 2),
            (0.300_000_000_000_000_04, 2),
            (0.7, 6),
            (1.0, 9),
        ] {
            assert_eq!(place(probability, 10), bin, "{probability}");
        }
        assert_eq!(place(0.5, 1), 0);
    }

    #[test]
    fn what_is_undefined_is_undecided() {
        let reason = |rows: &[(f64, f64)]| sums(rows).figures(2).unwrap_err();
        assert!(reason(&[]).starts_with("0 rows"));
        assert!(reason(&[(0.5, 1.0)]).starts_with("1 rows"));
        assert_eq!(reason(&[(0.5, 1.0), (0.6, 1.0)]), "all 2 outcomes are 1");
        assert_eq!(reason(&[(0.5, 0.0), (0.5, 1.0)]), "all 2 probabilities are 0.5");
        assert!(reason(&[(0.5, 0.0), (f64::NAN, 1.0)]).contains("no probability"));
        assert!(reason(&[(1.1, 0.0), (0.1, 1.0)]).contains("1.1 is not a probability"));
        assert!(reason(&[(f64::INFINITY, 0.0)]).contains("not a probability"));
        assert!(reason(&[(0.1, 2.0)]).contains("2 is not an outcome"));
        assert!(reason(&[(0.1, f64::NAN), (0.2, f64::NAN)]).starts_with("0 rows have a known outcome"));
    }

    proptest! {
        #[test]
        fn figures_are_within_bounds_whatever_the_order(
            rows in proptest::collection::vec((0.0..=1.0_f64, 0..2_u8), 2..100),
        ) {
            let rows: Vec<(f64, f64)> = rows.into_iter().map(|(p, y)| (p, f64::from(y))).collect();
            let back: Vec<(f64, f64)> = rows.iter().rev().copied().collect();
            if let (Ok(one), Ok(other)) = (sums(&rows).figures(2), sums(&back).figures(2)) {
                prop_assert!((0.0..=1.0).contains(&one.ece) && (0.0..=1.0).contains(&one.brier));
                prop_assert!((one.ece - other.ece).abs() < 1e-12 && (one.brier - other.brier).abs() < 1e-12);
            }
        }

        #[test]
        fn a_worse_probability_never_lowers_the_brier_score(
            rows in proptest::collection::vec((0.0..=1.0_f64, 0..2_u8), 4..60), worse in 0.0..=1.0_f64,
        ) {
            let mut rows: Vec<(f64, f64)> = rows.into_iter().map(|(p, y)| (p, f64::from(y))).collect();
            let before = sums(&rows).figures(2);
            let (p, y) = rows[0];
            rows[0].0 = p + (1.0 - y - p) * worse;
            if let (Ok(before), Ok(after)) = (before, sums(&rows).figures(2)) {
                prop_assert!(after.brier >= before.brier - 1e-12);
            }
        }
    }
}
