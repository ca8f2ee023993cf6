//! `check:` in config/irctl.yaml: the limits of a round, and who hears that it ran.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use super::Workspace;
use super::diagnostic::{Severity, code};
use super::finding::Finding;
use super::kind::Kind;
use super::schema::suggestion;
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

/// Limits that can be kept, of probes that there are, and a heartbeat that goes somewhere.
pub fn limits(workspace: &Workspace) -> Vec<Finding> {
    let mut found = of_rounds(workspace);
    for (name, service) in &workspace.services {
        for (probe, limit) in &service.timeouts {
            let pointer = format!("/timeouts/{}", probe.replace('~', "~0").replace('/', "~1"));
            if !service.probes.contains_key(probe) {
                let known: Vec<&str> = service.probes.keys().map(String::as_str).collect();
                let message = format!("{name} has no probe `{}`", probe.escape_debug());
                let finding =
                    Finding::error(Kind::Service, name, &pointer, code::DANGLING_REFERENCE, message);
                let finding = finding.help(suggestion(probe, &known));
                found.push(Finding { on_key: true, ..finding });
            }
            found.extend(zero(Kind::Service, name, &pointer, Some(*limit)));
        }
    }
    found
}

fn of_rounds(workspace: &Workspace) -> Vec<Finding> {
    let rounds = &workspace.settings.check;
    let mut found = Vec::new();
    found.extend(zero(Kind::Irctl, "", "/check/timeout", rounds.timeout));
    found.extend(zero(Kind::Irctl, "", "/check/deadline", rounds.deadline));
    if let (Some(deadline), Some(cadence)) = (rounds.deadline, workspace.settings.cadence)
        && deadline.approximate() > cadence.approximate()
    {
        let message = format!(
            "a round that measures for {deadline} keeps out the next one, which comes after {cadence}"
        );
        let finding = Finding::error(Kind::Irctl, "", "/check/deadline", code::CADENCE, message);
        let finding = finding.help(Some(format!("measure for {cadence} at most, or check less often")));
        found.push(Finding { severity: Severity::Warning, ..finding });
    }
    if let Some(heartbeat) = &rounds.heartbeat {
        let addresses = [&heartbeat.url, &heartbeat.start, &heartbeat.success, &heartbeat.fail];
        if addresses.iter().all(|address| address.is_none()) {
            let message = "the heartbeat has no address";
            let finding = Finding::error(Kind::Irctl, "", "/check/heartbeat", code::MISSING_KEY, message);
            found.push(finding.help(Some("give it a `url:`, as `url: env:HEARTBEAT_URL`".to_owned())));
        }
        found.extend(zero(Kind::Irctl, "", "/check/heartbeat/timeout", heartbeat.timeout));
    }
    found
}

/// Within no time nothing can be measured.
fn zero(kind: Kind, name: &str, pointer: &str, limit: Option<Duration>) -> Option<Finding> {
    limit.filter(|limit| limit.approximate().is_zero())?;
    Some(Finding::error(kind, name, pointer, code::OUT_OF_RANGE, "nothing can be measured within no time"))
}
