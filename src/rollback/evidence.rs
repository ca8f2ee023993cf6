//! What is known about each version of a service: when it served, what verified it, which incidents it had.
//!
//! One JSON file for each service, so that it is there when the event store is not.

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::{Digest, Error, ErrorCode, Result, file, path};
use crate::operation::directory;

const FORMAT: u32 = 1;
const LIMIT: u64 = 64 * 1024 * 1024;

/// How good the evidence for a version is; more is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Nothing is known about it.
    Unproven,
    /// Somebody recorded it as good.
    Adopted,
    /// It served and had no incident.
    Served,
    /// A suite verified it.
    Verified,
}

impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Tier::Unproven => "unproven",
            Tier::Adopted => "adopted",
            Tier::Served => "served without an incident",
            Tier::Verified => "verified",
        })
    }
}

/// Why a version is not gone back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quarantine {
    /// Since when (UTC).
    pub since: DateTime<Utc>,
    /// Until when; without it, until an undo lifts it.
    pub until: Option<DateTime<Utc>>,
    /// Why.
    pub reason: String,
    /// The operation that put it there.
    pub operation: Option<String>,
}

/// A stretch of time in which one version was seen to serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Period {
    /// The version.
    pub version: Digest,
    /// First seen (UTC).
    pub from: DateTime<Utc>,
    /// Last seen (UTC).
    pub until: DateTime<Utc>,
}

/// What is known about one version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VersionEvidence {
    /// When suites verified it (UTC).
    #[serde(default)]
    pub verified: Vec<DateTime<Utc>>,
    /// Its incidents and when they began (UTC).
    #[serde(default)]
    pub incidents: BTreeMap<String, DateTime<Utc>>,
    /// When it was recorded as good (UTC).
    #[serde(default)]
    pub adopted: Option<DateTime<Utc>>,
    /// Why it is not gone back to.
    #[serde(default)]
    pub quarantine: Option<Quarantine>,
    /// The quarantine of a rollback, where a human's stands too. The one that ends later counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<Quarantine>,
}

impl VersionEvidence {
    /// Puts it into a quarantine; one of a human and one of an operation stand beside each other.
    pub fn put_in(&mut self, quarantine: Quarantine, now: DateTime<Utc>) {
        let known = [self.quarantine.take(), self.rolled_back.take()].into_iter().flatten();
        let by_hand = quarantine.operation.is_none();
        let other = known.filter(|known| known.holds(now)).find(|known| known.operation.is_none() != by_hand);
        let (human, operation) = if by_hand { (Some(quarantine), other) } else { (other, Some(quarantine)) };
        (self.quarantine, self.rolled_back) =
            if human.is_some() { (human, operation) } else { (operation, None) };
    }

    /// Takes it out of the quarantine of an operation that was undone; a human's stands until a human lifts it.
    pub fn undone(&mut self) {
        self.rolled_back = None;
        self.quarantine = self.quarantine.take().filter(|known| known.operation.is_none());
    }

    /// Takes it out of every quarantine.
    pub fn lift(&mut self) {
        (self.quarantine, self.rolled_back) = (None, None);
    }

    /// The quarantine that holds now, and of two the one that ends later.
    pub fn quarantined(&self, now: DateTime<Utc>) -> Option<&Quarantine> {
        let holding = |known: &Option<Quarantine>| known.as_ref().is_some_and(|known| known.holds(now));
        let both = [&self.rolled_back, &self.quarantine].into_iter().filter(|known| holding(known)).flatten();
        both.max_by_key(|known| (known.until.is_none(), known.until))
    }
}

impl Quarantine {
    fn holds(&self, now: DateTime<Utc>) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

/// What is known about the versions of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    format: u32,
    /// By version.
    pub versions: BTreeMap<String, VersionEvidence>,
    /// What served when, oldest first.
    pub periods: Vec<Period>,
}

impl Default for Evidence {
    fn default() -> Self {
        Self { format: FORMAT, versions: BTreeMap::new(), periods: Vec::new() }
    }
}

impl Evidence {
    /// What is known about a version.
    pub fn of(&self, digest: &Digest) -> VersionEvidence {
        self.versions.get(digest.hex()).cloned().unwrap_or_default()
    }

    /// For changing what is known about a version.
    pub fn entry(&mut self, digest: &Digest) -> &mut VersionEvidence {
        self.versions.entry(digest.hex().to_owned()).or_default()
    }

    /// How good the evidence for a version is. An incident takes back what came before it.
    pub fn tier(&self, digest: &Digest) -> Tier {
        let known = self.of(digest);
        let last_incident = known.incidents.values().max();
        let since = |at: &DateTime<Utc>| last_incident.is_none_or(|incident| at > incident);
        if known.verified.iter().any(since) {
            Tier::Verified
        } else if last_incident.is_none() && self.has_served(digest) {
            Tier::Served
        } else if known.adopted.as_ref().is_some_and(since) {
            Tier::Adopted
        } else {
            Tier::Unproven
        }
    }

    /// Whether it was seen to serve more than once in a row: one look is no evidence of anything.
    fn has_served(&self, digest: &Digest) -> bool {
        self.periods.iter().any(|period| period.version == *digest && period.until > period.from)
    }

    /// Whether it served a whole day in one stretch without an incident.
    pub fn is_stable(&self, digest: &Digest) -> bool {
        let incidents = self.of(digest).incidents;
        self.periods.iter().any(|period| {
            period.version == *digest
                && period.until - period.from >= TimeDelta::hours(24)
                && !incidents.values().any(|at| (period.from..=period.until).contains(at))
        })
    }

    /// The quarantine of a version, if it is in one now.
    pub fn quarantined(&self, digest: &Digest, now: DateTime<Utc>) -> Option<Quarantine> {
        self.of(digest).quarantined(now).cloned()
    }

    /// Whether it differs from `before` in nothing but when the newest period was last seen.
    fn extends(&self, mut before: Evidence) -> bool {
        if let (Some(last), Some(now)) = (before.periods.last_mut(), self.periods.last()) {
            last.until = now.until;
        }
        *self == before
    }

    /// Takes in that a version was seen to serve.
    pub fn served(&mut self, digest: &Digest, now: DateTime<Utc>) {
        match self.periods.last_mut() {
            Some(last) if last.version == *digest => last.until = last.until.max(now),
            _ => self.periods.push(Period { version: digest.clone(), from: now, until: now }),
        }
    }
}

fn place(state: &Path, service: &str) -> Result<PathBuf> {
    Ok(state.join("versions").join(format!("{}.json", path::single_name(service)?)))
}

/// What is known about the versions of a service; nothing, on the first day.
pub fn load(state: &Path, service: &str) -> Result<Evidence> {
    let path = place(state, service)?;
    if !path.exists() {
        return Ok(Evidence::default());
    }
    let evidence: Evidence = serde_json::from_slice(&file::read_limited(&path, LIMIT)?).map_err(|error| {
        Error::new(ErrorCode::InvalidData, format!("{} cannot be read: {error}", path.display()))
            .hint("move it away: versions then count as unproven, and nothing else is lost")
    })?;
    if evidence.format > FORMAT {
        return Err(Error::new(
            ErrorCode::StoreTooNew,
            format!("{} was written by a newer irctl", path.display()),
        ));
    }
    Ok(evidence)
}

/// Changes what is known, one process at a time.
pub fn update<T>(state: &Path, service: &str, change: impl FnOnce(&mut Evidence) -> T) -> Result<T> {
    let path = place(state, service)?;
    directory::make(file::parent(&path))?;
    let lock = path.with_extension("lock");
    let lock = fs_err::OpenOptions::new().write(true).create(true).truncate(false).open(lock)?;
    lock.file().lock()?;
    let mut evidence = load(state, service)?;
    let before = evidence.clone();
    let result = change(&mut evidence);
    if evidence == before {
        return Ok(result);
    }
    let bytes = serde_json::to_vec_pretty(&evidence)
        .map_err(|error| Error::new(ErrorCode::Bug, format!("evidence: {error}")))?;
    // After a crash the old file says the same but for when the newest period was last seen: it need not be waited for
    // that the new one has its name.
    if evidence.extends(before) {
        file::replace(&path, &bytes, 0o600)?;
    } else {
        file::write_atomic(&path, &bytes, 0o600)?;
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::parse_instant;

    #[test]
    fn an_incident_takes_back_what_came_before_it() {
        let at = |text: &str| parse_instant(text).unwrap();
        let digest = Digest::of(b"a");
        let mut evidence = Evidence::default();
        assert_eq!(evidence.tier(&digest), Tier::Unproven);
        evidence.entry(&digest).adopted = Some(at("2026-11-01T00:00:00Z"));
        assert_eq!(evidence.tier(&digest), Tier::Adopted);
        evidence.served(&digest, at("2026-11-02T00:00:00Z"));
        assert_eq!(evidence.tier(&digest), Tier::Adopted, "seen once");
        evidence.served(&digest, at("2026-11-02T00:30:00Z"));
        assert_eq!(evidence.tier(&digest), Tier::Served);
        assert!(!evidence.is_stable(&digest));
        evidence.served(&digest, at("2026-11-03T00:00:00Z"));
        assert!(evidence.is_stable(&digest));
        evidence.entry(&digest).verified.push(at("2026-11-03T00:00:00Z"));
        assert_eq!(evidence.tier(&digest), Tier::Verified);
        evidence.entry(&digest).incidents.insert("INC-1".into(), at("2026-11-03T00:00:00Z"));
        assert_eq!(evidence.tier(&digest), Tier::Unproven);
        assert!(!evidence.is_stable(&digest));
        evidence.entry(&digest).verified.push(at("2026-11-04T00:00:00Z"));
        assert_eq!(evidence.tier(&digest), Tier::Verified);
    }

    #[test]
    fn changes_survive_and_do_not_overwrite_each_other() {
        let state = tempfile::tempdir().unwrap();
        let digest = Digest::of(b"a");
        let at = parse_instant("2026-11-20T03:00:00Z").unwrap();
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let (state, digest) = (state.path().to_path_buf(), digest.clone());
                std::thread::spawn(move || {
                    update(&state, "s", |evidence| {
                        evidence.entry(&digest).incidents.insert(format!("INC-{n}"), at);
                    })
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap().unwrap();
        }
        assert_eq!(load(state.path(), "s").unwrap().of(&digest).incidents.len(), 8);
    }
}
