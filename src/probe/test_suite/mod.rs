//! The `test_suite` probe: runs a project's tests and reads the JUnit XML that they wrote.
//!
//! Nothing passes on one source alone: the report has to be of this run, to have tests in it that ran, and to say the same
//! as the exit status.

mod junit;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::dataset::Identity;
use super::{Emits, Outcome, Request, VersionSource};
use crate::base::file::read_limited;
use crate::base::process::{Ending, Invocation, Output};
use crate::base::{Digest, Duration, Unit, path};
pub use junit::{Tally, read};

/// How long the tests may run if the configuration does not say.
const TIMEOUT: Duration = Duration::minutes(10);

/// The largest report that is read, in bytes.
const LIMIT: u64 = 64 * 1024 * 1024;

/// How many failing tests are named.
const NAMED: usize = 5;

/// A program that runs tests and writes a JUnit XML report. Emits `NAME_total`, `NAME_failures`, `NAME_errors`,
/// `NAME_skipped` (counts) and `NAME_failed` (flag: a test failed or ended with an error).
///
/// It runs only from trusted configuration, in the workspace, without a shell. No report, one from before the run, one
/// without tests that ran, and one that disagrees with the exit status leave everything undecided.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestSuiteConfig {
    /// The program and its arguments: `[python3, -m, pytest, --junit-xml=target/tests.xml]`.
    pub argv: Vec<String>,
    /// The report that it writes, relative to the workspace.
    pub report: PathBuf,
    /// How long it may run; 10 minutes otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Variables added to its environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// With fewer tests than this nothing is decided.
    #[serde(default = "one")]
    pub minimum: u64,
    /// Metric names of its own for parts of it: `{feature_broken: failed}`. The others are called `NAME_…` as above.
    #[serde(default, skip_serializing_if = "Emits::is_empty")]
    pub emits: Emits,
}

fn one() -> u64 {
    1
}

impl TestSuiteConfig {
    /// How long the tests may run.
    pub fn limit(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT)
    }
}

/// The metrics that it emits.
pub(super) fn metrics(name: &str, _config: &TestSuiteConfig) -> Vec<(String, Unit)> {
    let counts =
        ["total", "failures", "errors", "skipped"].map(|what| (format!("{name}_{what}"), Unit::Count));
    counts.into_iter().chain([(format!("{name}_failed"), Unit::Flag)]).collect()
}

/// Measures.
pub(super) fn measure(name: &str, config: &TestSuiteConfig, request: &Request<'_>) -> Outcome {
    let mut outcome = Outcome::new(name);
    outcome.fact("command", config.argv.join(" "));
    match run(config, request, &mut outcome) {
        Ok((tally, input)) => {
            outcome.version_source = Some(VersionSource::Adopted);
            counted(name, config, request, &tally, &input, &mut outcome);
            outcome
        }
        Err(reason) => {
            let mut undecided = Outcome::undecided(name, &metrics(name, config), request, reason);
            undecided.examined = outcome.examined;
            undecided
        }
    }
}

fn counted(
    name: &str,
    config: &TestSuiteConfig,
    request: &Request<'_>,
    tally: &Tally,
    input: &Digest,
    outcome: &mut Outcome,
) {
    outcome.fact("tests", tally.to_string());
    if !tally.failing.is_empty() {
        let named: Vec<&str> = tally.failing.iter().take(NAMED).map(String::as_str).collect();
        let more = tally.failing.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        outcome.fact("failing", format!("{}{more}", named.join(", ")));
    }
    let failed = u64::from(tally.failures + tally.errors > 0);
    let values = [tally.total, tally.failures, tally.errors, tally.skipped, failed];
    for ((metric, unit), value) in metrics(name, config).into_iter().zip(values) {
        let mut sample = request.sample(name, &metric, value as f64, unit);
        sample.input = Some(input.clone());
        sample.rows = tally.total;
        outcome.samples.push(sample);
    }
}

/// Runs the tests and reads their report; `Err` says why it proves nothing.
fn run(
    config: &TestSuiteConfig,
    request: &Request<'_>,
    outcome: &mut Outcome,
) -> Result<(Tally, Digest), String> {
    let shown = config.report.display();
    let path = path::inside(request.root, &config.report).map_err(|error| error.message)?;
    let before = Identity::of_path(&path).ok();
    let program = config.argv.first().map(String::as_str).unwrap_or_default();
    let mut invocation =
        Invocation::new(config.argv.clone()).directory(request.root).timeout(config.limit().to_std());
    for (variable, value) in &config.environment {
        invocation = invocation.environment(variable, value);
    }
    let output = invocation.run().map_err(|error| error.message)?;
    outcome.fact("ended with", output.ending.to_string());
    let Ending::Exit(status) = output.ending else {
        return Err(format!("`{program}` ended with {}{}", output.ending, words(&output)));
    };
    outcome.fact("report", shown.to_string());
    // What the tests left at its place may lead elsewhere.
    let path = path::inside(request.root, &config.report).map_err(|error| error.message)?;
    let bytes = fresh(&path, before.as_ref()).map_err(|why| format!("{shown}: {why}{}", words(&output)))?;
    let tally = read(&bytes).map_err(|why| format!("{shown}: {why}"))?;
    proves(config, &tally, status).map_err(|why| format!("{shown}: {why}{}", words(&output)))?;
    Ok((tally, Digest::of(&bytes)))
}

fn words(output: &Output) -> String {
    let words = output.last_words();
    if words.is_empty() { String::new() } else { format!("; it said: {words}") }
}

/// The report's bytes, if it was written by the run.
fn fresh(path: &Path, before: Option<&Identity>) -> Result<Vec<u8>, String> {
    let after = Identity::of_path(path).map_err(|_| "the tests wrote no report".to_owned())?;
    if before == Some(&after) {
        return Err("the report is from before the run".to_owned());
    }
    read_limited(path, LIMIT).map_err(|error| error.message)
}

/// Whether a report shows that tests ran, and says what the exit status says.
fn proves(config: &TestSuiteConfig, tally: &Tally, status: i32) -> Result<(), String> {
    let bad = tally.failures + tally.errors;
    if tally.total == 0 {
        return Err("there are no tests in it".to_owned());
    }
    if tally.total < config.minimum {
        return Err(format!("{} tests, fewer than the {} that are needed", tally.total, config.minimum));
    }
    if tally.skipped >= tally.total {
        return Err(format!("all {} tests were skipped", tally.total));
    }
    match (status, bad) {
        (0, 1..) => Err(format!("{bad} tests failed, but the exit status is 0")),
        (1.., 0) | (..0, 0) => Err(format!("no test failed, but the exit status is {status}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> TestSuiteConfig {
        let yaml = "{argv: [pytest], report: r.xml, minimum: 3}";
        serde_saphyr::from_str(yaml).unwrap()
    }

    #[test]
    fn a_report_and_an_exit_status_have_to_agree() {
        let tally = |total, failures, errors, skipped| Tally {
            total,
            failures,
            errors,
            skipped,
            failing: Vec::new(),
        };
        for (tally, status, expected) in [
            (tally(3, 0, 0, 1), 0, ""),
            (tally(3, 1, 0, 0), 1, ""),
            (tally(3, 0, 1, 0), 2, ""),
            (tally(3, 1, 1, 0), 0, "2 tests failed, but the exit status is 0"),
            (tally(3, 0, 0, 0), 1, "no test failed, but the exit status is 1"),
            (tally(0, 0, 0, 0), 5, "there are no tests in it"),
            (tally(0, 0, 0, 0), 0, "there are no tests in it"),
            (tally(2, 0, 0, 0), 0, "2 tests, fewer than the 3 that are needed"),
            (tally(3, 0, 0, 3), 0, "all 3 tests were skipped"),
        ] {
            let found = proves(&config(), &tally, status).err().unwrap_or_default();
            assert_eq!(found, expected, "{tally:?} {status}");
        }
    }
}
