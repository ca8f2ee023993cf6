//! `config/verify/*.yaml`: a suite, its probes, and what it expects of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::base::Verdict;
use crate::probe::ProbeConfig;
use crate::severity::Expression;

/// A suite as written in `config/verify/*.yaml`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuiteConfig {
    /// Its name.
    pub suite: String,
    /// What it shows, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The service it verifies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Probes of that service, by name.
    #[serde(default, rename = "use", skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<String>,
    /// Probes of its own, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub probes: BTreeMap<String, ProbeConfig>,
    /// What is expected.
    #[serde(default)]
    pub expect: Vec<ExpectationConfig>,
}

/// One expectation: either a condition that has to hold, or a probe that has to measure.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectationConfig {
    /// Its name in reports; the condition or the probe otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A condition on metrics that has to hold; of a metric with labels, for every one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub that: Option<Expression>,
    /// A probe that has to measure everything it is there for, and to find that it exists or succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
    /// What it means if it does not hold.
    #[serde(default)]
    pub severity: ExpectationSeverity,
    /// Why it is expected, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What it means if an expectation does not hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExpectationSeverity {
    /// The suite fails (CRIT).
    #[default]
    Fail,
    /// It is worth a word (WARN).
    Warn,
}

impl ExpectationSeverity {
    /// The verdict of an expectation that does not hold.
    pub const fn verdict(self) -> Verdict {
        match self {
            ExpectationSeverity::Fail => Verdict::Crit,
            ExpectationSeverity::Warn => Verdict::Warn,
        }
    }
}

impl ExpectationConfig {
    /// What is expected, as it is written.
    pub fn text(&self) -> String {
        match (&self.that, &self.probe) {
            (Some(that), _) => that.source().trim().to_owned(),
            (None, Some(probe)) => format!("probe {probe}"),
            (None, None) => "nothing".to_owned(),
        }
    }
}
