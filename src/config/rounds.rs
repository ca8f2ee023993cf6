//! `check:` in config/irctl.yaml: the limits of a round, and who hears that it ran.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use crate::base::{Duration, SecretReference, Verdict};

/// How rounds of `irctl check` run.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoundsConfig {
    /// How long a probe may take before it counts as UNKNOWN and nobody waits for it any longer; 30 seconds
    /// otherwise. A service's `timeouts:` give single probes another limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How long a round may measure altogether; `cadence` otherwise. What is not measured by then is UNKNOWN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Duration>,
    /// How many things are measured at the same time; twice the number of processors otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub jobs: Option<u16>,
    /// A file of metrics that each round writes for Prometheus' textfile collector, as
    /// `/var/lib/prometheus/node-exporter/irctl.prom`. Relative paths are relative to the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub textfile: Option<PathBuf>,
    /// Who is told that a round begins and how it ends, so that somebody notices when none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<HeartbeatConfig>,
}

/// Addresses that are asked when a round begins, when it ends well and when it does not, as healthchecks has them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeartbeatConfig {
    /// Where the address stands: it is asked as it is after a good round, with `/start` behind its path when one
    /// begins and with `/fail` when one is not good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<SecretReference>,
    /// Another address for the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<SecretReference>,
    /// Another address for a good end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<SecretReference>,
    /// Another address for any other end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail: Option<SecretReference>,
    /// How long to wait for an answer; 5 seconds otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// The verdicts of a round that are no good end; CRIT and UNKNOWN otherwise. A round that could not be run never
    /// has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_on: Option<Vec<Verdict>>,
}

impl HeartbeatConfig {
    /// Whether a round of this verdict is no good end.
    pub fn fails(&self, verdict: Verdict) -> bool {
        match &self.fail_on {
            Some(listed) => listed.contains(&verdict),
            None => matches!(verdict, Verdict::Crit | Verdict::Unknown | Verdict::Blocked),
        }
    }
}
