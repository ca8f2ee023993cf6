//! What a drill found: a file for `check` and for people, and an event.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use crate::base::{Error, ErrorCode, Result, Untrusted, Verdict, fault, file};
use crate::operation::directory;
use crate::rollback::environment::{Environment, VersionName};

/// The format of a drill's file that this irctl writes.
pub const FORMAT: u32 = 1;

/// A rollback that was rehearsed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Drill {
    /// The format of the file.
    pub format: u32,
    /// Its identifier.
    pub id: String,
    /// The service.
    pub service: String,
    /// The phase; absent where the service was rehearsed as a whole.
    pub phase: Option<String>,
    /// The environment whose values were used.
    pub environment: Option<String>,
    /// When it began (UTC).
    pub at: DateTime<Utc>,
    /// Who ran it.
    pub actor: String,
    /// The version that serves.
    pub from: Option<VersionName>,
    /// The version that would come back.
    pub to: Option<VersionName>,
    /// OK where all went well and fits; WARN where a part could not be rehearsed; UNKNOWN where a whole target could
    /// not, or it was stopped; CRIT where something failed or does not fit the budget.
    pub verdict: Verdict,
    /// Every part, in order.
    pub parts: Vec<DrillPart>,
    /// How long all parts took together, in milliseconds.
    pub total_ms: u64,
    /// How long a rollback may take, in milliseconds.
    pub budget_ms: u64,
    /// Whether all parts together fit the budget; absent where some part was not rehearsed.
    pub fits: Option<bool>,
    /// The same for the immediate part of a phase.
    pub immediate: Option<Share>,
    /// In one sentence.
    pub summary: String,
}

/// A part of a budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Share {
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// How long it may take, in milliseconds.
    pub budget_ms: u64,
    /// Whether it fits.
    pub fits: bool,
}

/// One part of a drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DrillPart {
    /// The target, or what else was rehearsed: `candidate`, `load`, `evaluate`, `suite NAME`, `activate`.
    pub target: String,
    /// What it is for: `target`, `contain`, `immediate`, `recovery`, or `prepare`.
    pub part: String,
    /// What was tried.
    pub what: Untrusted,
    /// How long it took, in milliseconds; absent where it was not rehearsed.
    pub took_ms: Option<u64>,
    /// Which share of the budget that is.
    pub share: Option<f64>,
    /// How it went.
    pub outcome: Outcome,
    /// What went wrong, or why it was not rehearsed.
    pub why: Option<Untrusted>,
    /// Whether it can never be rehearsed, because it acts on what serves. Then it says nothing about the drill.
    #[serde(default)]
    pub never: bool,
}

/// How a part went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Well.
    Passed,
    /// Badly.
    Failed,
    /// It could not be tried, and shows nothing.
    NotRun,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "FAILED",
            Outcome::NotRun => "not run",
        })
    }
}

/// How many drills of one plan are kept; the journal of events has them all.
const KEPT: usize = 100;

/// Where drills are recorded.
pub fn root(state: &Path) -> PathBuf {
    state.join("drills")
}

/// Where a drill is recorded.
pub fn place(state: &Path, id: &str) -> PathBuf {
    root(state).join(format!("{id}.json"))
}

/// Records a drill. The event comes first: without the file the drill counts as not run, which only errs on the safe
/// side.
pub fn write(environment: &Environment<'_>, drill: &Drill) -> Result<()> {
    fault::point("drill:before-record");
    environment.tell("drill.completed", &drill.service, None, None, drill)?;
    fault::point("drill:told");
    directory::make(&root(environment.state))?;
    let bytes = serde_json::to_vec_pretty(drill)
        .map_err(|error| Error::new(ErrorCode::Bug, format!("a drill: {error}")))?;
    file::write_atomic(&place(environment.state, &drill.id), &bytes, 0o600)?;
    fault::point("drill:recorded");
    forget_oldest(environment.state, drill)
}

/// Takes away what is more than [`KEPT`] of a plan, the oldest first. The newest that went well says how old that is, and
/// stays; what cannot be read stays, too.
fn forget_oldest(state: &Path, newest: &Drill) -> Result<()> {
    let (drills, _) = list(state, Some(&newest.service))?;
    let same: Vec<_> = drills.iter().filter(|drill| drill.phase == newest.phase).collect();
    let well = same.iter().rfind(|drill| drill.verdict == Verdict::Ok).map(|drill| &drill.id);
    let old = same.iter().take(same.len().saturating_sub(KEPT));
    for old in old.filter(|old| Some(&old.id) != well) {
        match fs_err::remove_file(place(state, &old.id)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// The drills of a service, or of all, oldest first; and what could not be read of them.
pub fn list(state: &Path, service: Option<&str>) -> Result<(Vec<Drill>, Vec<String>)> {
    let (mut drills, mut problems) = (Vec::new(), Vec::new());
    let entries = match fs_err::read_dir(root(state)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((drills, problems)),
        Err(error) => return Err(error.into()),
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !name.ends_with(".json") || name.starts_with('.') {
            continue;
        }
        let read = file::read_limited(&path, 16 * 1024 * 1024);
        let drill = read.and_then(|bytes| {
            serde_json::from_slice::<Drill>(&bytes)
                .map_err(|error| Error::new(ErrorCode::InvalidData, format!("{}: {error}", path.display())))
        });
        match drill {
            Ok(drill) if service.is_none_or(|service| drill.service == service) => drills.push(drill),
            Ok(_) => {}
            Err(error) => problems.push(error.message),
        }
    }
    drills.sort_by(|one, other| (one.at, one.id.len(), &one.id).cmp(&(other.at, other.id.len(), &other.id)));
    Ok((drills, problems))
}

/// The newest drill of a service, or of one of its phases.
pub fn newest(state: &Path, service: &str, phase: Option<&str>) -> Result<Option<Drill>> {
    let (drills, _) = list(state, Some(service))?;
    Ok(drills.into_iter().rev().find(|drill| drill.phase.as_deref() == phase))
}
