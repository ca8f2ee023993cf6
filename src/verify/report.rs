//! What a suite found: the documented shape of `irctl verify --output json`.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::config::ExpectationSeverity;
use crate::base::{Unit, Untrusted, Verdict};
use crate::probe::{Fact, Problem, VersionSource};

/// All suites of one run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Summary {
    /// The worst verdict of all suites; UNKNOWN if there is none.
    pub verdict: Verdict,
    /// The suites, in the order of their names.
    pub suites: Vec<Report>,
    /// Why it is no failure that no suite was selected, where it is none. `verdict` is UNKNOWN even so; the exit status
    /// is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nothing: Option<String>,
}

impl Summary {
    /// Sums up.
    pub fn new(suites: Vec<Report>) -> Self {
        Self { verdict: Verdict::worst_of(suites.iter().map(|suite| suite.verdict)), suites, nothing: None }
    }
}

/// One suite's result.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Report {
    /// The suite's name.
    pub suite: String,
    /// What it shows.
    pub title: Option<String>,
    /// The service it verified.
    pub service: Option<String>,
    /// The worst verdict of its checks; UNKNOWN if there is none.
    pub verdict: Verdict,
    /// Its checks, in the order of the expectations.
    pub checks: Vec<Check>,
    /// What its probes looked at.
    pub examined: Vec<Examination>,
    /// When it looked (UTC).
    pub started_at: DateTime<Utc>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

/// One expectation's result.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Check {
    /// Its name, unique in the suite.
    pub id: String,
    /// Why it is expected.
    pub description: Option<String>,
    /// What is expected, as it is written.
    pub expected: String,
    /// What it means if it does not hold.
    pub severity: ExpectationSeverity,
    /// OK: it holds. CRIT or WARN: it does not. UNKNOWN: not enough evidence. BLOCKED: a program was not run.
    pub verdict: Verdict,
    /// Why, in words.
    pub reason: Untrusted,
    /// The values that it used.
    pub values: Vec<Value>,
    /// Value minus threshold of the comparison that decided, in its metric's unit.
    pub distance: Option<f64>,
    /// The probes behind it, by name.
    pub probes: Vec<String>,
    /// How many rows or readings stand behind it.
    pub rows: u64,
    /// The newest event time behind it (UTC).
    pub newest: Option<DateTime<Utc>>,
    /// Every sample of an analysis, in the order in which they were taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<SampleView>,
}

/// One sample of an analysis.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SampleView {
    /// When it was taken (UTC).
    pub at: DateTime<Utc>,
    /// The value, in the unit of what is sampled; absent where there is no usable one.
    pub value: Option<f64>,
    /// When the value was true (UTC).
    pub true_at: Option<DateTime<Utc>>,
    /// What it is worth.
    pub verdict: SampleVerdict,
    /// The value for people, or what is wrong with it.
    pub reason: Untrusted,
}

/// What a sample of an analysis is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SampleVerdict {
    /// It fulfils what is expected.
    Good,
    /// It does not.
    Bad,
    /// It has no usable value: never good.
    Inconclusive,
}

impl SampleVerdict {
    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            SampleVerdict::Good => "good",
            SampleVerdict::Bad => "bad",
            SampleVerdict::Inconclusive => "inconclusive",
        }
    }
}

/// A metric's value.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Value {
    /// The metric, with its labels.
    pub metric: String,
    /// The value, in `unit`; absent where it is undecided.
    pub value: Option<f64>,
    /// The metric's unit.
    pub unit: Unit,
    /// The value for people, or why there is none.
    pub text: Untrusted,
}

/// What one probe looked at.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Examination {
    /// The probe's name.
    pub probe: String,
    /// What it looked at: rows, newest date, join rate, digest of the input.
    pub facts: Vec<Fact>,
    /// What went wrong or is doubtful.
    pub problems: Vec<Problem>,
    /// How many samples it took.
    pub samples: usize,
    /// How many of them have no usable value.
    pub undecided: usize,
    /// Where the versions of its samples come from.
    pub version_source: Option<VersionSource>,
}
