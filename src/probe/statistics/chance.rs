//! What chance alone does to samples of a finite size.

/// 1/n + 1/m: what the spread of every comparison of two samples is made of. Infinite where one is empty.
pub(in crate::probe) fn scatter(n: u64, m: u64) -> f64 {
    1.0 / n as f64 + 1.0 / m as f64
}

/// The value that a chi-squared variable with `degrees` degrees of freedom stays below, `deviations` standard
/// deviations of the normal distribution up: 1.645 for 95 %, 3.090 for 99.9 %.
///
/// Wilson and Hilferty (1931), Proceedings of the National Academy of Sciences 17, 684–688; within 3 % for one degree,
/// within 1 % from three on.
pub(in crate::probe) fn chi_squared(degrees: u64, deviations: f64) -> f64 {
    let k = degrees as f64;
    if degrees == 0 {
        return 0.0;
    }
    let spread = 2.0 / (9.0 * k);
    k * (1.0 - spread + deviations * spread.sqrt()).powi(3)
}

/// One in twenty, one side of the normal distribution.
pub(in crate::probe) const ONE_IN_TWENTY: f64 = 1.644_853_626_951_472_7;

/// One in a thousand, one side of the normal distribution.
pub(in crate::probe) const ONE_IN_A_THOUSAND: f64 = 3.090_232_306_167_813_5;

/// One in twenty, both sides of the normal distribution.
pub(in crate::probe) const ONE_IN_TWENTY_EITHER_WAY: f64 = 1.959_963_984_540_054;

/// One in a thousand, both sides of the normal distribution.
pub(in crate::probe) const ONE_IN_A_THOUSAND_EITHER_WAY: f64 = 3.290_526_731_491_896;

/// A statistic, and what chance makes of it where nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::probe) struct Compared {
    /// The value that was measured.
    pub(in crate::probe) value: f64,
    /// The mean of such values where nothing has changed.
    pub(in crate::probe) expected: f64,
    /// What one in twenty such values would reach.
    pub(in crate::probe) usual: f64,
    /// Whether fewer than one in a thousand would reach this one.
    pub(in crate::probe) significant: bool,
}

impl Compared {
    /// The value; or why it decides nothing: chance alone would reach `resolution` too often, or `doubt` says so.
    ///
    /// A value that is large and hardly chance is told all the same: what is bad stays bad.
    pub(in crate::probe) fn decided(self, resolution: f64, doubt: Option<&str>) -> Result<f64, String> {
        if self.value >= resolution && self.significant {
            return Ok(self.value);
        }
        if let Some(doubt) = doubt {
            return Err(doubt.to_owned());
        }
        // Written so that what is not a number is not decided.
        if self.usual <= resolution {
            return Ok(self.value);
        }
        Err(format!(
            "too few rows: where nothing has changed, one sample in twenty reaches {:.3} (here: {:.3}); {resolution} has \
             to be told from chance",
            self.usual, self.value
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chi_squared_as_in_tables() {
        for (degrees, deviations, table) in [
            (1, ONE_IN_TWENTY, 3.841),
            (3, ONE_IN_TWENTY, 7.815),
            (9, ONE_IN_TWENTY, 16.919),
            (9, ONE_IN_A_THOUSAND, 27.877),
            (99, ONE_IN_TWENTY, 123.225),
        ] {
            let found = chi_squared(degrees, deviations);
            assert!((found / table - 1.0).abs() < 0.03, "{degrees}: {found} is not {table}");
        }
        assert_eq!(chi_squared(0, ONE_IN_TWENTY), 0.0);
    }

    #[test]
    fn small_samples_decide_only_what_is_plain() {
        let compared = |value, usual, significant| Compared { value, expected: 0.1, usual, significant };
        assert_eq!(compared(0.3, 0.05, true).decided(0.1, None), Ok(0.3));
        assert_eq!(compared(0.05, 0.05, false).decided(0.1, None), Ok(0.05));
        assert!(compared(0.3, 0.35, false).decided(0.1, None).unwrap_err().contains("too few rows"));
        assert_eq!(compared(3.0, 0.35, true).decided(0.1, None), Ok(3.0));
        assert_eq!(compared(0.05, 0.01, true).decided(0.1, Some("constant")), Err("constant".to_owned()));
        assert!(compared(0.0, f64::NAN, false).decided(0.1, None).is_err());
        assert!(compared(f64::NAN, f64::INFINITY, true).decided(0.1, None).is_err());
    }
}
