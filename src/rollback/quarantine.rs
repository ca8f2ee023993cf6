//! Keeping a version from being gone back to, by a human's word.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::candidates;
use super::environment::{Environment, Subject};
use super::evidence::{self, Quarantine};
use super::plan::VersionView;
use super::versions::Version;
use crate::base::{Digest, Duration, Error, ErrorCode, Result};

/// What became of a version's quarantine.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct QuarantineOutcome {
    /// The service.
    pub service: String,
    /// The version.
    pub version: VersionView,
    /// The quarantine that is in force now; absent when it was lifted.
    pub quarantine: Option<Quarantine>,
    /// In one sentence.
    pub summary: String,
}

/// Puts a version into quarantine; nothing goes back to it until `length` is over, or until it is lifted.
///
/// # Errors
/// `not-found` for a version that the service does not have.
pub fn put(
    environment: &Environment<'_>,
    subject: &Subject,
    name: &str,
    length: Option<Duration>,
    reason: &str,
) -> Result<QuarantineOutcome> {
    let now = environment.clock.now()?;
    let until = length.map(|length| length.after(now));
    let quarantine = Quarantine { since: now, until, reason: reason.to_owned(), operation: None };
    change(environment, subject, name, Some(quarantine))
}

/// Lifts a version's quarantine.
///
/// # Errors
/// `refused` where it is in none.
pub fn lift(environment: &Environment<'_>, subject: &Subject, name: &str) -> Result<QuarantineOutcome> {
    change(environment, subject, name, None)
}

fn change(
    environment: &Environment<'_>,
    subject: &Subject,
    name: &str,
    quarantine: Option<Quarantine>,
) -> Result<QuarantineOutcome> {
    let version = find(subject, name)?;
    let digest = digest(&version)?;
    let now = environment.clock.now()?;
    let shown = version.shown().to_owned();
    let known = evidence::load(environment.state, &subject.service)?.quarantined(digest, now);
    if quarantine.is_none() && known.is_none() {
        return Err(Error::new(ErrorCode::Refused, format!("{} is in no quarantine", shown.escape_debug())));
    }
    let mut in_force = None;
    evidence::update(environment.state, &subject.service, |evidence| {
        let entry = evidence.entry(digest);
        match &quarantine {
            Some(quarantine) => entry.put_in(quarantine.clone(), now),
            None => entry.lift(),
        }
        in_force = entry.quarantined(now).cloned();
    })?;
    let summary = summary(&shown, quarantine.as_ref(), in_force.as_ref());
    let kind = if quarantine.is_some() { "rollback.quarantined" } else { "rollback.unquarantined" };
    let outcome = QuarantineOutcome {
        service: subject.service.clone(),
        version: VersionView::from(&version),
        quarantine: in_force,
        summary,
    };
    environment.tell(kind, &subject.service, None, None, &outcome)?;
    Ok(outcome)
}

/// `asked` is what a human said; `in_force` is what holds, which may be a rollback's that ends later.
fn summary(shown: &str, asked: Option<&Quarantine>, in_force: Option<&Quarantine>) -> String {
    let said = |one: &Quarantine| format!("{}: {}", until(one.until), one.reason);
    match (asked, in_force) {
        (Some(asked), Some(longer)) if longer != asked => format!(
            "{shown} is in quarantine{}; what was asked for stands beside it{}",
            said(longer),
            said(asked)
        ),
        (Some(asked), _) => format!("{shown} is in quarantine{}", said(asked)),
        (None, _) => format!("{shown} is out of quarantine"),
    }
}

fn until(until: Option<DateTime<Utc>>) -> String {
    until.map_or(String::new(), |at| format!(" until {}", crate::base::clock::format_minute(at)))
}

fn digest(version: &Version) -> Result<&Digest> {
    version.digest.as_ref().ok_or_else(|| {
        let why = version.defect.as_deref().unwrap_or("it has no digest");
        Error::new(ErrorCode::Refused, format!("{} is no whole version: {why}", version.name.escape_debug()))
    })
}

fn find(subject: &Subject, name: &str) -> Result<Version> {
    let ground = subject.ground();
    let lead = subject.lead(&ground)?;
    let mut all = lead.versions()?;
    all.push(lead.served()?);
    let mut found: Vec<_> = all.into_iter().filter(|one| candidates::is_named(one, name)).collect();
    found.dedup_by(|a, b| a.digest == b.digest);
    match found.len() {
        1 => found.pop(),
        0 => lead.find(name)?,
        _ => {
            return Err(Error::new(
                ErrorCode::Usage,
                format!("`{}` names more than one version", name.escape_debug()),
            )
            .hint("use the folder's name or the digest"));
        }
    }
    .ok_or_else(|| {
        Error::new(ErrorCode::NotFound, format!("there is no version `{}`", name.escape_debug()))
            .hint("`irctl rollback versions` lists them")
    })
}
