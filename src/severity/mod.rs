//! Severity: schemes, the expression language, and classification with reasons.
//!
//! A scheme's YAML ([`SchemeConfig`]) is compiled once ([`Scheme`]); evidence ([`Evidence`]: samples or an alert)
//! is classified by it ([`classify`]) into a level with every rule's outcome and reason ([`Classification`]).

mod alert;
mod blocks;
mod brief;
mod catalog;
mod circumstances;
mod classification;
mod classify;
mod compile;
mod condition;
mod config;
mod evidence;
pub mod expression;
mod frame;
mod history;
pub mod input;
mod json;
mod persistence;
mod quantity;
mod ruling;
mod scheme;
mod shipped;
mod stream;
mod stretch;
mod sustain;
mod symptom;
pub mod thresholds;
mod truth;
mod wording;

pub use alert::{Alert, AlertClassifier, Given};
pub use circumstances::{Began, Cause, Circumstances};
pub use classification::{Classification, Held, Kept, LookedAt, Outcome, RuleResult, UnknownMetric};
pub use classify::{classify, classify_in};
pub use compile::{CompiledExpression, Judgement};
pub use config::{
    Catalog, LevelConfig, MetricConfig, PostmortemConfig, PostmortemKind, Proposes, RecurrenceConfig,
    RuleConfig, SchemeConfig,
};
pub use evidence::Evidence;
pub use expression::{Expression, ExpressionError};
pub use persistence::Persistence;
pub use quantity::{Quantity, Suffix};
pub use scheme::{Scheme, SchemeProblem};
pub use shipped::{DEFAULT_SCHEME, resolve_scheme, shipped, shipped_scheme};
pub use stream::{Framing, Handler, Input, LineError, StreamSummary, classify_stream};
pub use sustain::{KeepConfig, OnNoData, WarmUp};
pub use symptom::SymptomSummary;
pub use truth::Truth;

/// The name most like `wanted`, if one is like it at all.
pub(crate) fn similar<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // The comparison is quadratic in the names' lengths, and what comes from outside may be long.
    if wanted.len() > 100 {
        return None;
    }
    names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(wanted, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}
