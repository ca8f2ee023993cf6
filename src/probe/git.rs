//! The `git` probe: what a work tree stands on, whether it was changed, how far it is from where it should be.
//!
//! Nothing is fetched: how old the last fetch is belongs to the answer.

mod call;

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use super::{Outcome, Request, VersionSource, file};
use crate::base::clock::{Elapsed, format_instant};
use crate::base::{Duration, Unit};
use call::Repository;

/// A git work tree. Emits `NAME_dirty` (count of files that differ from HEAD, untracked ones included), `NAME_detached`
/// (flag), `NAME_ahead` and `NAME_behind` (counts of commits against the upstream or `against`), `NAME_fetch_age` (days
/// since the last fetch); with `head` also `NAME_head` (flag: HEAD is that commit).
///
/// The network is not asked. A folder that is no work tree, a branch without commits, a shallow clone (unless both stand
/// on one commit) and references that do not exist leave undecided what they touch.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GitConfig {
    /// The work tree's top folder: absolute, or relative to the workspace; the workspace otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<PathBuf>,
    /// The branch, tag or commit that HEAD is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// What HEAD is compared with; the upstream of its branch otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// Files and folders that `NAME_dirty` is about; all otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// How old the last fetch may be before `NAME_ahead` and `NAME_behind` no longer count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_fetch_age: Option<Duration>,
    /// How long one call of git may take; 30s otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// The metrics that it emits.
pub(super) fn metrics(name: &str, config: &GitConfig) -> Vec<(String, Unit)> {
    let mut metrics = vec![
        (format!("{name}_dirty"), Unit::Count),
        (format!("{name}_detached"), Unit::Flag),
        (format!("{name}_ahead"), Unit::Count),
        (format!("{name}_behind"), Unit::Count),
        (format!("{name}_fetch_age"), Unit::Days),
    ];
    if config.head.is_some() {
        metrics.push((format!("{name}_head"), Unit::Flag));
    }
    metrics
}

/// Measures.
pub(super) fn measure(name: &str, config: &GitConfig, request: &Request<'_>) -> Outcome {
    let written = config.repository.as_deref().unwrap_or(Path::new("."));
    let timeout = config.timeout.unwrap_or(Duration::seconds(30)).to_std();
    let mut outcome = match Repository::open(&request.root.join(written), timeout) {
        Ok(repository) => looked_at(name, config, request, &repository),
        Err(why) => Outcome::undecided(name, &metrics(name, config), request, why),
    };
    outcome.fact("repository", written.display().to_string());
    outcome
}

fn looked_at(name: &str, config: &GitConfig, request: &Request<'_>, repository: &Repository) -> Outcome {
    let mut outcome = Outcome::new(name);
    outcome.version_source = Some(VersionSource::Adopted);
    let head = repository.commit("HEAD").and_then(|head| head.ok_or("there is no commit yet".to_owned()));
    let branch = repository.branch();
    match (&head, &branch) {
        (Ok(head), Ok(Some(branch))) => outcome.fact("head", format!("{head} ({branch})")),
        (Ok(head), _) => outcome.fact("head", format!("{head} (detached)")),
        (Err(why), _) => outcome.fact("head", why.clone()),
    }
    let fetched = fetched(repository, request.now, &mut outcome);
    let apart = head.clone().and_then(|head| {
        let other = other(config, repository, branch.clone()?, &mut outcome)?;
        recent(config, &fetched)?;
        repository.apart(&head, &other)
    });
    let mut values = vec![
        repository.dirty(&config.paths).map(count),
        branch.map(|branch| f64::from(u8::from(branch.is_none()))),
        apart.clone().map(|(ahead, _)| count(ahead)),
        apart.map(|(_, behind)| count(behind)),
        fetched,
    ];
    if let Some(wanted) = &config.head {
        values.push(head.and_then(|head| {
            let commit = repository.commit(wanted)?;
            let commit = commit.ok_or_else(|| format!("`{}` is not known there", wanted.escape_debug()))?;
            outcome.fact("wanted", format!("{commit} ({wanted})"));
            Ok(f64::from(u8::from(head == commit)))
        }));
    }
    for ((metric, unit), value) in metrics(name, config).into_iter().zip(values) {
        outcome.samples.push(match value {
            Ok(value) => request.sample(name, &metric, value, unit),
            Err(why) => request.undecided(name, &metric, unit, why),
        });
    }
    outcome
}

#[expect(clippy::cast_precision_loss, reason = "no repository has 2^53 files or commits")]
fn count(number: usize) -> f64 {
    number as f64
}

/// The commit that HEAD is compared with.
fn other(
    config: &GitConfig,
    repository: &Repository,
    branch: Option<String>,
    outcome: &mut Outcome,
) -> Result<String, String> {
    let name = match (&config.against, branch) {
        (Some(against), _) => against.clone(),
        (None, None) => return Err("HEAD is detached and has no upstream: set `against`".to_owned()),
        (None, Some(branch)) => {
            let upstream = repository.upstream()?;
            upstream.ok_or_else(|| format!("the branch {branch} has no upstream: set `against`"))?
        }
    };
    let commit = repository.commit(&name)?;
    let commit = commit.ok_or_else(|| format!("`{}` is not known there", name.escape_debug()))?;
    outcome.fact("against", format!("{commit} ({name})"));
    Ok(commit)
}

/// Days since the last fetch.
fn fetched(repository: &Repository, now: DateTime<Utc>, outcome: &mut Outcome) -> Result<f64, String> {
    let fetched = repository.fetched()?.ok_or("nothing was ever fetched there, as far as git noted it")?;
    outcome.fact("last fetch", format_instant(fetched));
    file::age(fetched, now)
}

fn recent(config: &GitConfig, fetched: &Result<f64, String>) -> Result<(), String> {
    let Some(limit) = config.max_fetch_age else { return Ok(()) };
    let days = fetched.clone()?;
    #[expect(clippy::cast_possible_truncation, reason = "the age of a file in milliseconds")]
    let age = TimeDelta::milliseconds((days * 86_400_000.0) as i64);
    if age > limit.approximate() {
        return Err(format!("the last fetch is {} old; {limit} is allowed", Elapsed(age)));
    }
    Ok(())
}
