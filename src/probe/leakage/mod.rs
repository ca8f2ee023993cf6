//! The `leakage` probe: gates that a model must pass, or it may have seen what it should predict.
//!
//! Each gate is PASS, WARN, HALT or UNKNOWN. One that could not be judged is UNKNOWN, and the whole is then never PASS.

mod boundary;
mod config;
mod gate;
mod judge;
mod linear;
mod name_pattern;
mod random;
mod reading;
mod source;

pub use config::{
    BoundaryGate, DatesConfig, DatesInTable, DocumentValue, ImprovementGate, LagGate, LeakageConfig,
    LinearModel, NamesConfig, NumberCommand, NumberConfig, PredictionsConfig, RSquaredConfig, RSquaredGate,
    ShuffledConfig, ShuffledGate, SignsGate,
};
pub use name_pattern::NamePattern;
pub(super) use reading::LeakageReading;

use crate::base::Unit;

/// The flag that a gate stands at HALT, as the shipped scheme for RILA calls it.
const HALTED: (&str, Unit) = ("leakage_gate_halt", Unit::Flag);

/// The flag that a gate stands at WARN or worse.
const SUSPECTED: (&str, Unit) = ("leakage_suspected", Unit::Flag);

/// The metrics that it emits.
pub(super) fn metrics(name: &str, config: &LeakageConfig) -> Vec<(String, Unit)> {
    let gates = config.kinds().into_iter().map(|kind| (kind.metric(name), kind.unit()));
    let state = [(format!("{name}_state"), Unit::Number)];
    let flags = [HALTED, SUSPECTED].map(|(metric, unit)| (metric.to_owned(), unit));
    gates.chain(state).chain(flags).collect()
}
