//! `config/verify/*.yaml`: a suite, its probes, and what it expects of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::analysis::AnalysisConfig;
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
    /// A suite that comes with irctl, whose probes and expectations are added to these: `protocol-25`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// What the template leaves open, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, String>,
}

/// One expectation: a condition that has to hold, a probe that has to measure, or an analysis of several samples.
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
    /// Several samples, taken one after the other, of which enough have to be good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<AnalysisConfig>,
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
        match (&self.that, &self.probe, &self.analysis) {
            (Some(that), ..) => that.source().trim().to_owned(),
            (None, Some(probe), _) => format!("probe {probe}"),
            (None, None, Some(analysis)) => analysis.text(),
            (None, None, None) => "nothing".to_owned(),
        }
    }
}
