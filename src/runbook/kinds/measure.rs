//! `verify` and `probe`: steps that look.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::probe::ProbeConfig;
use crate::runbook::shorthand::shorthand;
use crate::severity::Expression;
use crate::verify::{ExpectationConfig, SuiteConfig};

shorthand! {
    /// A suite by name, or expectations written here.
    Verification = InlineSuite, "The suite that must pass."
}

/// Expectations that are written where they are needed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InlineSuite {
    /// The service whose probes are used; the runbook's otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Probes of that service, by name.
    #[serde(default, rename = "use", skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<String>,
    /// Probes of its own, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub probes: BTreeMap<String, ProbeConfig>,
    /// What is expected.
    #[schemars(length(min = 1))]
    pub expect: Vec<ExpectationConfig>,
}

impl InlineSuite {
    /// The suite that it is, under a name.
    pub fn suite(&self, name: &str, service: Option<&str>) -> SuiteConfig {
        SuiteConfig {
            suite: name.to_owned(),
            title: None,
            service: service.map(str::to_owned),
            uses: self.uses.clone(),
            probes: self.probes.clone(),
            expect: self.expect.clone(),
            template: None,
            with: BTreeMap::new(),
        }
    }
}

impl Verification {
    /// In a few words.
    pub fn describe(&self) -> String {
        match self {
            Verification::Short(suite) => format!("suite {suite}"),
            Verification::Detailed(inline) => {
                inline.expect.iter().map(ExpectationConfig::text).collect::<Vec<_>>().join("; ")
            }
        }
    }
}

shorthand! {
    /// A probe of the service by name, or more about it.
    ProbeStep = ProbeStepDetails, "The probe of the service that measures."
}

/// A measurement.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeStepDetails {
    /// The service whose probe it is; the runbook's otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The probe's name; its metrics are named after it.
    #[schemars(extend("format" = "name"))]
    pub name: String,
    /// How it is measured, where it is no probe of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<Box<ProbeConfig>>,
    /// What has to hold of its metrics; the step fails otherwise, and where it cannot be decided a human is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub that: Option<Expression>,
}

impl ProbeStep {
    /// The probe's name.
    pub fn name(&self) -> &str {
        match self {
            ProbeStep::Short(name) => name,
            ProbeStep::Detailed(details) => &details.name,
        }
    }

    /// More about it, where more is written.
    pub fn details(&self) -> Option<&ProbeStepDetails> {
        match self {
            ProbeStep::Short(_) => None,
            ProbeStep::Detailed(details) => Some(details),
        }
    }
}
