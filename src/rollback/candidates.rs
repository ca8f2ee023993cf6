//! Which version to go back to, and why not the others.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::convert::Infallible;
use std::str::FromStr;

use super::evidence::{Evidence, Tier};
use super::serving::Served;
use super::versions::{Dated, EMERGENCY, Version};
use crate::base::{Digest, Error, ErrorCode, Result, Untrusted, clock, path};

/// Where to go back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selector {
    /// The newest of the best tier at hand before the served one.
    Prev,
    /// The newest that served 24 hours without an incident.
    LastStable,
    /// The one with this name or digest.
    Named(String),
}

impl FromStr for Selector {
    type Err = Infallible;

    fn from_str(text: &str) -> std::result::Result<Self, Infallible> {
        Ok(match text {
            "prev" | "previous" => Selector::Prev,
            "last-stable" => Selector::LastStable,
            name => Selector::Named(name.to_owned()),
        })
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Selector::Prev => "prev",
            Selector::LastStable => "last-stable",
            Selector::Named(name) => name,
        })
    }
}

/// A version that is not gone back to, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// Its name.
    pub name: Untrusted,
    /// Its digest, where it has one.
    pub digest: Option<Digest>,
    /// Why not.
    pub why: String,
}

/// A version with what is known about it.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The version.
    pub version: Version,
    /// Its digest.
    pub digest: Digest,
    /// How good the evidence for it is.
    pub tier: Tier,
}

/// The versions one can go back to, newest first, and those one cannot.
#[derive(Debug, Clone, Default)]
pub struct Candidates {
    /// Those one can go back to.
    pub usable: Vec<Candidate>,
    /// The others.
    pub skipped: Vec<Skipped>,
}

/// What was chosen.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The version.
    pub to: Candidate,
    /// Why this one.
    pub why: String,
    /// Why not the others.
    pub skipped: Vec<Skipped>,
}

fn skip(version: &Version, why: impl Into<String>) -> Skipped {
    Skipped { name: version.name.as_str().into(), digest: version.digest.clone(), why: why.into() }
}

/// Sorts versions (newest first) into those one can go back to and those one cannot.
pub fn sort(versions: Vec<Version>, served: &Served, evidence: &Evidence, now: DateTime<Utc>) -> Candidates {
    let mut candidates = Candidates::default();
    let mut names = HashMap::new();
    for version in versions {
        match judge(&version, served, evidence, &names, now) {
            Err(why) => candidates.skipped.push(skip(&version, why)),
            Ok(digest) => {
                let tier = evidence.tier(&digest);
                names.insert(digest.clone(), version.name.clone());
                candidates.usable.push(Candidate { version, digest, tier });
            }
        }
    }
    candidates
}

fn judge(
    version: &Version,
    served: &Served,
    evidence: &Evidence,
    earlier: &HashMap<Digest, String>,
    now: DateTime<Utc>,
) -> std::result::Result<Digest, String> {
    if version.name.starts_with(EMERGENCY) {
        return Err("emergency backup: it holds what was bad".to_owned());
    }
    if let Some(defect) = &version.defect {
        return Err(defect.clone());
    }
    let Some(digest) = version.digest.clone() else { return Err("it has no digest".to_owned()) };
    if served.digest.as_ref() == Some(&digest) || served.on_disk.digest.as_ref() == Some(&digest) {
        return Err("same as what serves".to_owned());
    }
    if let Some(quarantine) = evidence.quarantined(&digest, now) {
        let until = quarantine.until.map(clock::format_minute);
        let until = until.map_or(String::new(), |until| format!(" until {until}"));
        return Err(format!("quarantined{until}: {}", quarantine.reason));
    }
    if let Some(twin) = earlier.get(&digest) {
        return Err(format!("same as {twin}"));
    }
    Ok(digest)
}

/// Whether a name means this version: its folder's or target's name, its label, or its digest.
pub fn is_named(version: &Version, name: &str) -> bool {
    let digest = version.digest.as_ref().is_some_and(|digest| digest.matches(name));
    version.name == name || version.label.as_deref() == Some(name) || digest
}

/// Chooses.
pub fn choose(
    selector: &Selector,
    candidates: &Candidates,
    served: &Served,
    evidence: &Evidence,
) -> Result<Choice> {
    match selector {
        Selector::Prev => previous(candidates, served.on_disk.dated),
        Selector::LastStable => last_stable(candidates, evidence),
        Selector::Named(name) => named(candidates, name),
    }
}

fn none_left(skipped: &[Skipped], what: &str) -> Error {
    let each: Vec<_> = skipped.iter().map(|one| format!("{}: {}", one.name, one.why)).collect();
    let reasons = if each.is_empty() { "there are no versions".to_owned() } else { each.join("; ") };
    Error::new(ErrorCode::Refused, format!("there is no {what} to go back to ({reasons})"))
        .hint("`irctl rollback versions` shows every version and what is known about it")
}

fn dated(dated: Option<Dated>) -> String {
    dated.map_or("of unknown date".to_owned(), |dated| {
        format!("of {} ({})", clock::format_minute(dated.at), dated.source)
    })
}

fn previous(candidates: &Candidates, served: Option<Dated>) -> Result<Choice> {
    let mut skipped = candidates.skipped.clone();
    let is_before = |candidate: &&Candidate| match (candidate.version.dated, served) {
        (Some(own), Some(served)) => own.at < served.at,
        _ => true,
    };
    let (before, after): (Vec<_>, Vec<_>) = candidates.usable.iter().partition(is_before);
    skipped.extend(after.iter().map(|one| skip(&one.version, "newer than what serves")));
    let Some(best) = before.iter().map(|one| one.tier).max() else {
        return Err(none_left(&skipped, "earlier version"));
    };
    let mut chosen = None;
    for one in before {
        if one.tier < best {
            skipped.push(skip(&one.version, format!("{}; there is a better proven one ({best})", one.tier)));
        } else if chosen.is_none() {
            chosen = Some(one);
        } else {
            skipped.push(skip(&one.version, "older"));
        }
    }
    let Some(to) = chosen else { return Err(none_left(&skipped, "earlier version")) };
    let why = match best {
        Tier::Unproven => "the newest version before what serves; nothing shows yet how good any is",
        Tier::Adopted => "the newest adopted version before what serves",
        Tier::Served => "the newest version before what serves that served without an incident",
        Tier::Verified => "the newest verified version before what serves",
    };
    Ok(Choice { to: to.clone(), why: why.to_owned(), skipped })
}

fn last_stable(candidates: &Candidates, evidence: &Evidence) -> Result<Choice> {
    let mut skipped = candidates.skipped.clone();
    let mut chosen = None;
    for one in &candidates.usable {
        if !evidence.is_stable(&one.digest) {
            skipped.push(skip(&one.version, "not known to have served 24 hours without an incident"));
        } else if chosen.is_none() {
            chosen = Some(one);
        } else {
            skipped.push(skip(&one.version, "older"));
        }
    }
    let Some(to) = chosen else {
        return Err(none_left(&skipped, "stable version").hint("`--to prev` takes the best one there is"));
    };
    let why = format!("the newest that served 24 hours without an incident, {}", dated(to.version.dated));
    Ok(Choice { to: to.clone(), why, skipped })
}

fn named(candidates: &Candidates, name: &str) -> Result<Choice> {
    let is = |folder: &str, digest: Option<&Digest>| {
        folder == name || digest.is_some_and(|digest| digest.matches(name))
    };
    if let Some(one) = candidates.skipped.iter().find(|one| is(one.name.raw(), one.digest.as_ref())) {
        return Err(Error::new(ErrorCode::Refused, format!("{} is no candidate: {}", one.name, one.why))
            .hint("take another one, or `irctl rollback undo` if a rollback is to be taken back"));
    }
    let matches = |one: &&Candidate| is_named(&one.version, name);
    let (found, others): (Vec<_>, Vec<_>) = candidates.usable.iter().partition(matches);
    let mut skipped = candidates.skipped.clone();
    skipped.extend(others.iter().map(|one| skip(&one.version, "another one was asked for")));
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(to), None) => {
            let why = format!("asked for by name, {}", dated(to.version.dated));
            Ok(Choice { to: to.clone(), why, skipped })
        }
        (Some(_), Some(_)) => Err(Error::new(
            ErrorCode::Usage,
            format!("`{}` names more than one version", name.escape_debug()),
        )
        .hint("use the folder's name or the digest")),
        _ => {
            path::single_name(name)?;
            let known: Vec<_> = others.iter().map(|one| one.version.name.as_str()).collect();
            Err(Error::new(ErrorCode::NotFound, format!("there is no version `{}`", name.escape_debug()))
                .hint(format!("there are: {}", known.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::serving::Proof;
    use super::super::versions::DateSource;
    use super::*;
    use crate::base::clock::parse_instant;

    fn version(name: &str, content: &str, day: u32) -> Version {
        let at = parse_instant(&format!("2026-11-{day:02}T04:00:00Z")).unwrap();
        Version {
            name: name.into(),
            folder: Some(name.into()),
            digest: Some(Digest::of(content.as_bytes())),
            artifacts: Default::default(),
            label: None,
            metadata: Default::default(),
            dated: Some(Dated { at, source: DateSource::DeployedAt }),
            defect: None,
        }
    }

    fn served() -> Served {
        let on_disk = version("live", "bad", 10);
        Served { digest: on_disk.digest.clone(), on_disk, proof: Proof::Serving }
    }

    fn now() -> DateTime<Utc> {
        parse_instant("2026-11-20T03:07:00Z").unwrap()
    }

    fn pick(
        selector: &Selector,
        versions: Vec<Version>,
        evidence: &Evidence,
    ) -> Result<(String, Vec<String>)> {
        let served = served();
        let choice = choose(selector, &sort(versions, &served, evidence, now()), &served, evidence)?;
        let skipped = choice.skipped.iter().map(|one| format!("{}: {}", one.name, one.why)).collect();
        Ok((choice.to.version.name, skipped))
    }

    #[test]
    fn every_version_is_chosen_or_skipped_with_its_reason() {
        let mut evidence = Evidence::default();
        evidence.entry(&Digest::of(b"q")).quarantine = Some(super::super::evidence::Quarantine {
            since: now(),
            until: None,
            reason: "rolled back".into(),
            operation: None,
        });
        let mut broken = version("backup_b", "b", 8);
        broken.defect = Some("missing artifact model.json".into());
        let versions = vec![
            version("backup_n", "n", 12),
            version("backup_same", "bad", 10),
            version("backup_emergency_x", "e", 9),
            version("backup_q", "q", 9),
            broken,
            version("backup_c", "c", 7),
            version("backup_c2", "c", 6),
            version("backup_d", "d", 5),
        ];
        let (chosen, skipped) = pick(&Selector::Prev, versions, &evidence).unwrap();
        assert_eq!(chosen, "backup_c");
        assert_eq!(
            skipped,
            [
                "backup_same: same as what serves",
                "backup_emergency_x: emergency backup: it holds what was bad",
                "backup_q: quarantined: rolled back",
                "backup_b: missing artifact model.json",
                "backup_c2: same as backup_c",
                "backup_n: newer than what serves",
                "backup_d: older",
            ]
        );
    }

    #[test]
    fn better_evidence_wins_over_a_newer_date() {
        let mut evidence = Evidence::default();
        evidence.entry(&Digest::of(b"old")).adopted = Some(now());
        let versions = || vec![version("backup_new", "new", 9), version("backup_old", "old", 2)];
        assert_eq!(pick(&Selector::Prev, versions(), &evidence).unwrap().0, "backup_old");
        assert!(pick(&Selector::LastStable, versions(), &evidence).is_err());
        evidence.served(&Digest::of(b"new"), parse_instant("2026-11-09T04:00:00Z").unwrap());
        evidence.served(&Digest::of(b"new"), parse_instant("2026-11-10T04:00:00Z").unwrap());
        assert_eq!(pick(&Selector::LastStable, versions(), &evidence).unwrap().0, "backup_new");
    }

    #[test]
    fn names_and_digests_are_exact_and_traps_are_refused() {
        let evidence = Evidence::default();
        let versions = || vec![version("backup_new", "new", 9), version("backup_emergency_x", "e", 2)];
        let named = |name: &str| pick(&Selector::Named(name.into()), versions(), &evidence);
        let digest = Digest::of(b"new");
        assert_eq!(named("backup_new").unwrap().0, "backup_new");
        assert_eq!(named(digest.short()).unwrap().0, "backup_new");
        assert_eq!(named("backup_emergency_x").unwrap_err().code, ErrorCode::Refused);
        assert_eq!(named("backup").unwrap_err().code, ErrorCode::NotFound);
        assert_eq!(named("../live").unwrap_err().code, ErrorCode::OutsideRoot);
    }
}
