//! The figures of accuracy, from matched rows alone.
//!
//! With p the prediction and a the actual: MAPE is the mean of |a − p| / |a| over rows with a ≠ 0; bias is
//! Σ(p − a) / Σ|a|; WAPE is Σ|a − p| / Σ|a|; coverage is the part of rows with lower ≤ a ≤ upper. Figures of a window
//! are those of all its rows together, not means of means.

/// A prediction and what really happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Matched {
    /// The calendar day.
    pub(super) day: i32,
    pub(super) mean: f64,
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) actual: f64,
}

/// Sums over rows, from which every figure follows; sums of buckets add up to those of a window.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sums {
    /// Rows.
    pub(super) rows: u64,
    /// Rows whose actual is zero: they have no relative error.
    pub(super) zeros: u64,
    relative: f64,
    absolute: f64,
    signed: f64,
    actual: f64,
    /// Rows with an interval.
    pub(super) bounded: u64,
    /// Rows whose actual lies in its interval, ends included.
    pub(super) inside: u64,
}

impl Sums {
    /// Of one row.
    fn of(row: &Matched) -> Self {
        let error = row.mean - row.actual;
        let zero = row.actual == 0.0;
        let bounded = !row.lower.is_nan() && !row.upper.is_nan();
        let inside = bounded && row.lower <= row.actual && row.actual <= row.upper;
        Self {
            rows: 1,
            zeros: u64::from(zero),
            relative: if zero { 0.0 } else { error.abs() / row.actual.abs() },
            absolute: error.abs(),
            signed: error,
            actual: row.actual.abs(),
            bounded: u64::from(bounded),
            inside: u64::from(inside),
        }
    }

    /// Of many rows, in the order of their days.
    pub(super) fn of_rows<'a>(rows: impl IntoIterator<Item = &'a Matched>) -> Self {
        rows.into_iter().map(Sums::of).fold(Sums::default(), Sums::plus)
    }

    /// Of the rows of both.
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            zeros: self.zeros + other.zeros,
            relative: self.relative + other.relative,
            absolute: self.absolute + other.absolute,
            signed: self.signed + other.signed,
            actual: self.actual + other.actual,
            bounded: self.bounded + other.bounded,
            inside: self.inside + other.inside,
        }
    }

    /// The mean absolute percentage error, as a fraction.
    pub(super) fn mape(&self) -> Result<f64, String> {
        match self.rows - self.zeros {
            0 => Err("every actual is zero".to_owned()),
            rows => Ok(self.relative / rows as f64),
        }
    }

    /// The error's sum, as a fraction of the actuals' sum: above zero, too much was predicted.
    pub(super) fn bias(&self) -> Result<f64, String> {
        self.of_actuals(self.signed)
    }

    /// The absolute error's sum, as a fraction of the actuals' sum.
    pub(super) fn wape(&self) -> Result<f64, String> {
        self.of_actuals(self.absolute)
    }

    fn of_actuals(&self, sum: f64) -> Result<f64, String> {
        if self.actual == 0.0 { Err("the actuals are all zero".to_owned()) } else { Ok(sum / self.actual) }
    }

    /// The part of actuals that lies in its interval.
    pub(super) fn coverage(&self) -> Result<f64, String> {
        match self.rows - self.bounded {
            0 if self.rows == 0 => Err("there are no rows".to_owned()),
            0 => Ok(self.inside as f64 / self.rows as f64),
            missing => Err(format!("{missing} of {} rows have no interval", self.rows)),
        }
    }
}

/// The Wilson score interval of a proportion at 95 %: where the true proportion is likely to lie.
///
/// Wilson (1927), Journal of the American Statistical Association 22, 209–212.
pub(in crate::probe) fn wilson(successes: u64, trials: u64) -> Option<(f64, f64)> {
    const Z: f64 = 1.959_963_984_540_054;
    if trials == 0 {
        return None;
    }
    let (n, p) = (trials as f64, successes as f64 / trials as f64);
    let middle = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let whole = 1.0 + Z * Z / n;
    Some((((middle - half) / whole).max(0.0), ((middle + half) / whole).min(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(mean: f64, actual: f64) -> Matched {
        Matched { day: 0, mean, lower: mean - 10.0, upper: mean + 10.0, actual }
    }

    fn near(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-12, "{left} is not {right}");
    }

    #[test]
    fn figures_as_worked_out_by_hand() {
        // Errors +10, −20, +5; relative 0.1, 0.1, 0.1; actuals 100 + 200 + 50 = 350.
        let sums = Sums::of_rows(&[row(110.0, 100.0), row(180.0, 200.0), row(55.0, 50.0)]);
        near(sums.mape().unwrap(), 0.1);
        near(sums.bias().unwrap(), -5.0 / 350.0);
        near(sums.wape().unwrap(), 35.0 / 350.0);
        // 100 lies at the very end of 100…120; 200 lies outside 170…190; 50 lies in 45…65.
        near(sums.coverage().unwrap(), 2.0 / 3.0);
    }

    #[test]
    fn zero_actuals_have_no_relative_error() {
        let sums = Sums::of_rows(&[row(110.0, 100.0), row(30.0, 0.0)]);
        assert_eq!((sums.rows, sums.zeros), (2, 1));
        near(sums.mape().unwrap(), 0.1);
        near(sums.wape().unwrap(), 0.4);
        let sums = Sums::of_rows(&[row(30.0, 0.0)]);
        assert!(sums.mape().is_err() && sums.wape().is_err() && sums.bias().is_err());
    }

    #[test]
    fn a_row_without_interval_leaves_coverage_undecided() {
        let sums = Sums::of_rows(&[row(1.0, 1.0), Matched { lower: f64::NAN, ..row(1.0, 1.0) }]);
        assert_eq!(sums.coverage().unwrap_err(), "1 of 2 rows have no interval");
        assert!(Sums::default().coverage().is_err());
    }

    #[test]
    fn wilson_as_published() {
        // Agresti & Coull (1998): 0 of 10 gives 0 … 0.278; 5 of 10 gives 0.237 … 0.763.
        let (low, high) = wilson(0, 10).unwrap();
        assert!(low == 0.0 && (high - 0.2775).abs() < 1e-3, "{high}");
        let (low, high) = wilson(5, 10).unwrap();
        assert!((low - 0.2366).abs() < 1e-3 && (high - 0.7634).abs() < 1e-3);
        assert_eq!(wilson(0, 0), None);
    }
}
