//! Collects predictions and actuals by day.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use super::ForecastConfig;
use crate::probe::dataset::{Batch, Kind, NO_DAY, NO_WORD, Want};
use crate::probe::scan::{Input, Reading};
use crate::probe::{Outcome, Request};

/// What is predicted for a day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Prediction {
    pub(super) mean: f64,
    pub(super) lower: f64,
    pub(super) upper: f64,
}

impl Prediction {
    /// The same numbers; NaN is the same as NaN.
    fn same(self, other: Self) -> bool {
        let same = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan());
        same(self.mean, other.mean) && same(self.lower, other.lower) && same(self.upper, other.upper)
    }
}

/// Something that should stand once for its key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Once<T> {
    pub(super) value: T,
    /// Whether it stood there again with another value.
    pub(super) conflict: bool,
}

/// What was read of both files.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// Version labels; a prediction names one by its place.
    pub(super) labels: Vec<Vec<u8>>,
    index: HashMap<Vec<u8>, u32>,
    /// Predictions by day and label.
    pub(super) predictions: BTreeMap<(i32, u32), Once<Prediction>>,
    /// Actuals by day.
    pub(super) actuals: BTreeMap<i32, Once<f64>>,
    /// Rows whose key had been there before.
    pub(super) duplicates: u64,
    /// Rows of predictions and of actuals without a date.
    pub(super) undated: u64,
    /// Actuals that are null or NaN: not known yet.
    pub(super) unknown_actuals: u64,
    /// Whether there were so many labels that they cannot be versions.
    pub(super) too_many: bool,
}

/// How many different versions one table may name before it is taken for something else.
const LABELS: usize = 1000;

/// A `forecast` probe at work.
pub(in crate::probe) struct ForecastReading<'a> {
    pub(super) name: &'a str,
    pub(super) config: &'a ForecastConfig,
    pub(super) request: &'a Request<'a>,
    pub(super) collected: Collected,
}

impl<'a> ForecastReading<'a> {
    /// A reading that has seen nothing yet.
    pub(in crate::probe) fn new(name: &'a str, config: &'a ForecastConfig, request: &'a Request<'a>) -> Self {
        Self { name, config, request, collected: Collected::default() }
    }

    /// What is wanted of the predictions, of the actuals.
    pub(super) fn wants(&self, input: usize) -> Vec<Want> {
        let (config, zone) = (self.config, self.config.bucket.timezone.0);
        if input == 0 {
            let numbers = [&config.mean, &config.lower, &config.upper];
            let mut wants = vec![Want::new(&config.on, Kind::Day(zone))];
            wants.extend(numbers.map(|column| Want::new(column, Kind::Number)));
            wants.extend(config.version_column.iter().map(|column| Want::new(column, Kind::Text)));
            wants
        } else {
            let on = config.actuals_on.as_ref().unwrap_or(&config.on);
            vec![Want::new(on, Kind::Day(zone)), Want::new(&config.actual, Kind::Number)]
        }
    }

    fn take_predictions(&mut self, batch: &Batch) {
        let (config, zone) = (self.config, self.config.bucket.timezone.0);
        let (Some(days), Some(means)) = (batch.days(&config.on, zone), batch.numbers(&config.mean)) else {
            return;
        };
        let (lowers, uppers) = (batch.numbers(&config.lower), batch.numbers(&config.upper));
        let words = config.version_column.as_ref().and_then(|column| batch.words(column));
        let labels: Vec<u32> = words
            .map(|words| words.words.iter().map(|word| self.collected.label(word)).collect())
            .unwrap_or_default();
        let at =
            |column: Option<&[f64]>, row: usize| column.and_then(|c| c.get(row)).copied().unwrap_or(f64::NAN);
        for (row, (day, mean)) in days.iter().zip(means).enumerate() {
            let code = words.and_then(|words| words.codes.get(row)).copied().unwrap_or(NO_WORD);
            let label = labels.get(code as usize).copied().unwrap_or(NO_WORD);
            let prediction = Prediction { mean: *mean, lower: at(lowers, row), upper: at(uppers, row) };
            self.collected.predict(*day, label, prediction);
        }
    }

    fn take_actuals(&mut self, batch: &Batch) {
        let (config, zone) = (self.config, self.config.bucket.timezone.0);
        let on = config.actuals_on.as_ref().unwrap_or(&config.on);
        let (Some(days), Some(actuals)) = (batch.days(on, zone), batch.numbers(&config.actual)) else {
            return;
        };
        for (day, actual) in days.iter().zip(actuals) {
            self.collected.happen(*day, *actual);
        }
    }
}

impl Collected {
    fn label(&mut self, word: &[u8]) -> u32 {
        if let Some(label) = self.index.get(word) {
            return *label;
        }
        if self.labels.len() >= LABELS {
            self.too_many = true;
            return NO_WORD;
        }
        let label = u32::try_from(self.labels.len()).unwrap_or(NO_WORD);
        self.labels.push(word.to_vec());
        self.index.insert(word.to_vec(), label);
        label
    }

    fn predict(&mut self, day: i32, label: u32, prediction: Prediction) {
        if day == NO_DAY {
            self.undated += 1;
            return;
        }
        let entry = self.predictions.entry((day, label));
        let duplicates = &mut self.duplicates;
        entry
            .and_modify(|known| {
                *duplicates += 1;
                known.conflict |= !known.value.same(prediction);
            })
            .or_insert(Once { value: prediction, conflict: false });
    }

    fn happen(&mut self, day: i32, actual: f64) {
        if day == NO_DAY {
            self.undated += 1;
            return;
        }
        if actual.is_nan() {
            self.unknown_actuals += 1;
            return;
        }
        let duplicates = &mut self.duplicates;
        self.actuals
            .entry(day)
            .and_modify(|known| {
                *duplicates += 1;
                known.conflict |= known.value != actual;
            })
            .or_insert(Once { value: actual, conflict: false });
    }
}

impl Reading for ForecastReading<'_> {
    fn inputs(&self) -> Vec<PathBuf> {
        vec![self.config.predictions.clone(), self.config.actuals.clone()]
    }

    fn begin(&mut self, input: usize, _: &[String]) -> Vec<Want> {
        self.wants(input)
    }

    fn take(&mut self, input: usize, batch: &Batch) {
        if input == 0 { self.take_predictions(batch) } else { self.take_actuals(batch) }
    }

    fn finish(&mut self, inputs: &[Input]) -> Outcome {
        super::findings::outcome(self, inputs)
    }
}
