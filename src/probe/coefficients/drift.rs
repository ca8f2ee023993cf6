//! Drift: how far each coefficient is from the mean of its history.

use std::collections::BTreeMap;

/// The sum of a coefficient's history.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct History {
    pub(super) rows: u64,
    pub(super) sum: f64,
}

impl History {
    /// Takes the values that are there.
    pub(super) fn take(&mut self, values: &[f64]) {
        for value in values.iter().filter(|value| !value.is_nan()) {
            self.rows += 1;
            self.sum += value;
        }
    }
}

/// What can be said of each coefficient that has a history, or that had one.
pub(super) type Drifts = BTreeMap<String, Result<f64, String>>;

/// The relative change of each from its mean: (now − mean) / |mean|.
pub(super) fn drifts(coefficients: &BTreeMap<String, f64>, histories: &BTreeMap<String, History>) -> Drifts {
    let of = |name: &String, history: &History| {
        let Some(now) = coefficients.get(name) else { return Err("the model has it no longer".to_owned()) };
        if history.rows == 0 {
            return Err("its history is empty".to_owned());
        }
        let mean = history.sum / history.rows as f64;
        if mean == 0.0 || !mean.is_finite() {
            return Err(format!("the mean of its history is {mean}"));
        }
        Ok((now - mean) / mean.abs())
    };
    histories.iter().map(|(name, history)| (name.clone(), of(name, history))).collect()
}

/// The coefficient that moved most, either way.
pub(super) fn largest(drifts: &Drifts) -> Option<(&str, f64)> {
    let decided = drifts.iter().filter_map(|(name, drift)| Some((name.as_str(), *drift.as_ref().ok()?)));
    decided.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_is_relative_to_the_mean() {
        let coefficients = [("a", 3.0), ("b", -1.0), ("c", 5.0)].map(|(n, v)| (n.to_owned(), v)).into();
        let mut histories: BTreeMap<String, History> = BTreeMap::new();
        for (name, values) in [("a", [1.0, 3.0]), ("b", [-4.0, -4.0]), ("c", [1.0, -1.0]), ("d", [1.0, 1.0])]
        {
            histories.entry(name.to_owned()).or_default().take(&values);
        }
        let drifts = drifts(&coefficients, &histories);
        assert_eq!(drifts["a"], Ok(0.5));
        assert_eq!(drifts["b"], Ok(0.75));
        assert!(drifts["c"].is_err(), "a mean of zero");
        assert!(drifts["d"].is_err(), "no longer there");
        assert_eq!(largest(&drifts), Some(("b", 0.75)));
    }

    #[test]
    fn an_empty_history_says_nothing() {
        let mut history = History::default();
        history.take(&[f64::NAN]);
        assert_eq!(history, History::default());
        assert_eq!(largest(&BTreeMap::new()), None);
    }
}
