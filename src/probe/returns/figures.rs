//! The figures of a series of returns.
//!
//! With r the returns, f the return without risk and N the periods of a year: Sharpe = mean(r − f) / s · √N, with s the
//! standard deviation of r − f with n − 1. Sharpe (1994), Journal of Portfolio Management 21. Drawdown = the largest part
//! of a peak that is lost: with E₀ = 1 and Eₜ = Eₜ₋₁ · (1 + rₜ), the maximum of 1 − Eₜ / max(E₀ … Eₜ). Win rate = rows with
//! r > 0 / all rows; a return of zero is no win.

use super::ReturnsConfig;

/// Sums over the rows of a series, in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sums {
    /// Rows with a return.
    pub(super) rows: u64,
    /// Rows with a return above zero.
    pub(super) wins: u64,
    /// Rows without a return.
    pub(super) missing: u64,
    infinite: u64,
    mean: f64,
    squares: f64,
    range: Option<(f64, f64)>,
    /// The logarithm of what one became, and of the most that it was.
    equity: f64,
    peak: f64,
    drawdown: f64,
    day: Option<i32>,
    /// How many rows are of an earlier day than a row before them.
    disordered: u64,
}

impl Sums {
    /// Takes a row; its day, if days are looked at. NaN is a missing return.
    pub(super) fn take(&mut self, value: f64, day: Option<i32>) {
        if value.is_nan() {
            self.missing += 1;
            return;
        }
        if value.is_infinite() {
            self.infinite += 1;
            return;
        }
        self.rows += 1;
        self.wins += u64::from(value > 0.0);
        // Welford (1962), Technometrics 4, 419–420.
        let before = value - self.mean;
        self.mean += before / self.rows as f64;
        self.squares += before * (value - self.mean);
        let (least, greatest) = self.range.unwrap_or((value, value));
        self.range = Some((least.min(value), greatest.max(value)));
        self.lose(value);
        if day.is_some() {
            self.disordered += u64::from(day < self.day);
            self.day = self.day.max(day);
        }
    }

    /// Whoever has lost all has lost all, whatever comes after.
    fn lose(&mut self, value: f64) {
        if value <= -1.0 {
            self.drawdown = 1.0;
            return;
        }
        self.equity += value.ln_1p();
        self.peak = self.peak.max(self.equity);
        self.drawdown = self.drawdown.max(-(self.equity - self.peak).exp_m1());
    }

    /// Why the series says nothing.
    pub(super) fn objection(&self, config: &ReturnsConfig) -> Option<String> {
        let minimum = config.minimum.max(2);
        if self.infinite > 0 {
            return Some(format!("{} returns are infinite", self.infinite));
        }
        if self.missing > 0 && !config.allow_missing {
            return Some(format!("{} returns are missing and could be anything", self.missing));
        }
        if self.rows < minimum {
            return Some(format!("{} returns, fewer than the {minimum} that are needed", self.rows));
        }
        match self.range {
            Some((least, greatest)) if least == greatest => {
                Some(format!("all {} returns are {least}", self.rows))
            }
            _ => None,
        }
    }

    /// The annual Sharpe ratio.
    pub(super) fn sharpe(&self, config: &ReturnsConfig) -> Result<f64, String> {
        if !(config.periods_per_year > 0.0 && config.periods_per_year.is_finite()) {
            return Err("`periods_per_year` has to be above zero".to_owned());
        }
        let deviation = (self.squares / (self.rows as f64 - 1.0)).sqrt();
        if deviation > 0.0 {
            Ok((self.mean - config.risk_free) / deviation * config.periods_per_year.sqrt())
        } else {
            Err("the returns do not vary".to_owned())
        }
    }

    /// The maximum drawdown.
    pub(super) fn drawdown(&self) -> Result<f64, String> {
        match self.disordered {
            0 => Ok(self.drawdown),
            rows => Err(format!(
                "{rows} rows are of an earlier day than a row before them: sort the file by date"
            )),
        }
    }

    /// The win rate.
    pub(super) fn winrate(&self) -> f64 {
        self.wins as f64 / self.rows as f64
    }
}

/// A win rate less a baseline's, and the mean of |that| where nothing has changed: √(2/π · p(1 − p) · (1/n + 1/m)) with p
/// the win rate of both together; of a fixed baseline, its own and 1/n.
pub(super) fn delta(series: &Sums, baseline: Baseline<'_>) -> (f64, f64) {
    let (own, n) = (series.winrate(), series.rows as f64);
    let (other, common, scatter) = match baseline {
        Baseline::Value(rate) => (rate, rate, 1.0 / n),
        Baseline::Rows(rows) => {
            let (all, wins) = (series.rows + rows.rows, series.wins + rows.wins);
            (rows.winrate(), wins as f64 / all as f64, 1.0 / n + 1.0 / rows.rows as f64)
        }
    };
    (own - other, (std::f64::consts::FRAC_2_PI * common * (1.0 - common) * scatter).sqrt())
}

/// What a win rate is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Baseline<'a> {
    Value(f64),
    Rows(&'a Sums),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn config(yaml: &str) -> ReturnsConfig {
        serde_saphyr::from_str(&format!("{{rows: {{file: a}}, {yaml}}}")).unwrap()
    }

    fn sums(values: &[f64]) -> Sums {
        let mut sums = Sums::default();
        values.iter().for_each(|value| sums.take(*value, None));
        sums
    }

    fn near(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-12, "{left} is not {right}");
    }

    #[test]
    fn figures_as_worked_out_by_hand() {
        // 1 → 1.5 → 0.75 → 0.9: the peak is 1.5, the trough 0.75. Mean 0.4/3.
        let sums = sums(&[0.5, -0.5, 0.2]);
        near(sums.drawdown().unwrap(), 0.5);
        near(sums.winrate(), 2.0 / 3.0);
        let (mean, variance) = (0.2 / 3.0, 0.526_666_666_666_666_7 / 2.0_f64);
        near(sums.sharpe(&config("periods_per_year: 4")).unwrap(), mean / variance.sqrt() * 2.0);
        near(
            sums.sharpe(&config("periods_per_year: 1, risk_free: 0.01")).unwrap(),
            (mean - 0.01) / variance.sqrt(),
        );
    }

    #[test]
    fn losses_from_the_start_count_and_all_is_all() {
        near(sums(&[-0.1, -0.1]).drawdown().unwrap(), 0.19);
        near(sums(&[0.1, 0.1]).drawdown().unwrap(), 0.0);
        near(sums(&[0.1, -1.0, 5.0]).drawdown().unwrap(), 1.0);
        near(sums(&[0.1, -1.5, 5.0]).drawdown().unwrap(), 1.0);
    }

    #[test]
    fn a_file_that_goes_back_in_time_has_no_drawdown() {
        let mut sums = Sums::default();
        for (value, day) in [(0.1, 1), (0.1, 1), (-0.1, 3), (0.1, 2)] {
            sums.take(value, Some(day));
        }
        assert!(sums.drawdown().unwrap_err().starts_with("1 rows are of an earlier day"));
    }

    #[test]
    fn what_is_undefined_is_undecided() {
        let config = config("minimum: 3");
        let reason = |values: &[f64]| sums(values).objection(&config).unwrap();
        assert_eq!(reason(&[]), "0 returns, fewer than the 3 that are needed");
        assert_eq!(reason(&[0.1, 0.2]), "2 returns, fewer than the 3 that are needed");
        assert_eq!(reason(&[0.1, 0.1, 0.1]), "all 3 returns are 0.1");
        assert_eq!(reason(&[0.1, f64::NAN, 0.2, 0.3]), "1 returns are missing and could be anything");
        assert_eq!(reason(&[0.1, f64::INFINITY, 0.2, 0.3]), "1 returns are infinite");
        assert_eq!(sums(&[0.1, 0.2, 0.3]).objection(&config), None);
        let open = super::tests::config("minimum: 3, allow_missing: true");
        assert_eq!(sums(&[0.1, f64::NAN, 0.2, 0.3]).objection(&open), None);
        assert!(sums(&[0.1, 0.2]).sharpe(&super::tests::config("periods_per_year: 0")).is_err());
    }

    #[test]
    fn a_win_rate_beside_a_baseline() {
        let (value, chance) = delta(&sums(&[0.1, -0.1, 0.1, -0.1]), Baseline::Value(0.6));
        near(value, -0.1);
        near(chance, (std::f64::consts::FRAC_2_PI * 0.24 / 4.0).sqrt());
        let (value, _) = delta(&sums(&[0.1, -0.1]), Baseline::Rows(&sums(&[0.1, 0.1, 0.1, -0.1])));
        near(value, -0.25);
    }

    proptest! {
        #[test]
        fn a_further_loss_never_lowers_the_drawdown_nor_raises_the_win_rate(
            values in proptest::collection::vec(-0.5..0.5_f64, 2..100), loss in -0.9..0.0_f64,
        ) {
            let before = sums(&values);
            let mut after = before.clone();
            after.take(loss, None);
            prop_assert!((0.0..=1.0).contains(&after.drawdown().unwrap()));
            prop_assert!(after.drawdown().unwrap() >= before.drawdown().unwrap());
            prop_assert!(after.winrate() <= before.winrate());
        }
    }
}
