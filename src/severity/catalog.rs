//! The metrics that compiled conditions read: each gets a place (a slot) in a table, and its values are judged there.

use super::config::{Catalog, MetricConfig};
use super::expression::ExpressionError;
use super::expression::syntax::MetricName;
use super::wording;
use crate::base::{Duration, Unit};

/// The place of a metric in a frame of readings.
pub(crate) type SlotId = u16;

/// A metric as conditions use it.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    /// The metric's name.
    pub(crate) metric: String,
    /// The labels it is narrowed to.
    pub(crate) labels: Vec<(String, String)>,
    /// Name and labels as written.
    pub(crate) key: String,
    pub(crate) unit: Unit,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) optional: bool,
    pub(crate) max_age: Option<Duration>,
}

impl Slot {
    fn new(name: &MetricName, config: &MetricConfig) -> Self {
        let (low, high) = range(config);
        Self {
            metric: name.name.clone(),
            labels: name.labels.clone(),
            key: name.to_string(),
            unit: config.unit,
            low,
            high,
            optional: config.optional,
            max_age: config.max_age,
        }
    }

    /// Whether a value can be true at all; if not, why.
    pub(crate) fn refuse(&self, value: f64) -> String {
        if value.is_nan() {
            return format!("{} is not a number (NaN)", self.key);
        }
        if value.is_infinite() {
            return format!("{} is infinite", self.key);
        }
        let mut text = format!("{} ", self.key);
        wording::push_value(&mut text, self.unit, value);
        text.push_str(" is outside its range, ");
        wording::push_value(&mut text, self.unit, self.low);
        text.push_str(" to ");
        wording::push_value(&mut text, self.unit, self.high);
        text
    }

    /// Whether a value is finite and within the range.
    #[inline]
    pub(crate) fn accepts(&self, value: f64) -> bool {
        // A comparison with NaN is false.
        value >= self.low && value <= self.high && value.is_finite()
    }
}

/// The range that holds for a metric.
pub(crate) fn range(config: &MetricConfig) -> (f64, f64) {
    config.range.map_or_else(|| config.unit.range(), |[low, high]| (low, high))
}

/// All slots of a scheme or expression.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub(crate) slots: Vec<Slot>,
}

impl Table {
    /// The slot of a metric, made at its first use. A name that the catalog does not have is an error.
    pub(crate) fn intern(&mut self, name: &MetricName, catalog: &Catalog) -> Result<SlotId, ExpressionError> {
        if let Some(at) = self.slots.iter().position(|s| s.metric == name.name && s.labels == name.labels) {
            return id(at, name);
        }
        let Some(config) = catalog.get(&name.name) else { return Err(unknown(name, catalog)) };
        self.slots.push(Slot::new(name, config));
        id(self.slots.len() - 1, name)
    }

    pub(crate) fn get(&self, slot: SlotId) -> Option<&Slot> {
        self.slots.get(usize::from(slot))
    }

    /// The slot of this name, as an alert writes it.
    #[inline]
    pub(crate) fn find(&self, key: &str) -> Option<SlotId> {
        self.slots.iter().position(|slot| slot.key == key).and_then(|at| SlotId::try_from(at).ok())
    }
}

fn id(at: usize, name: &MetricName) -> Result<SlotId, ExpressionError> {
    SlotId::try_from(at)
        .map_err(|_| ExpressionError::new(name.span.start, name.span.length, "there are too many metrics"))
}

fn unknown(name: &MetricName, catalog: &Catalog) -> ExpressionError {
    let why = format!("`{}` is not a metric of this catalog", name.name.escape_debug());
    let wrong = ExpressionError::new(name.span.start, name.name.len(), why);
    match super::similar(&name.name, catalog.keys().map(String::as_str)) {
        Some(similar) => wrong.help(format!("did you mean `{similar}`?")),
        None => wrong.help("declare it under `metrics:` with its unit"),
    }
}
