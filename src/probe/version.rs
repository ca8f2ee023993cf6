//! Which version a row belongs to.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::base::Digest;
use crate::base::clock::format_instant;
use crate::store::Sample;

/// The versions of a service that irctl knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VersionMap {
    /// The version that serves now.
    pub served: Option<Digest>,
    /// What data calls a version (a label, the hexadecimal SHA-256 of an artifact) and the version it means.
    pub names: BTreeMap<String, Digest>,
    /// Which version serves from which instant on, oldest first.
    pub deployments: Vec<(DateTime<Utc>, Digest)>,
    /// What was measured in earlier rounds of the metrics that probes ask for, oldest first; absent where there is
    /// nothing that remembers (see [`super::earlier`]).
    pub earlier: Option<Vec<Sample>>,
}

/// A version and when it served without a break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The version.
    pub version: Digest,
    /// From when (UTC).
    pub from: DateTime<Utc>,
    /// Until when (UTC): when the next version was deployed.
    pub until: DateTime<Utc>,
}

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (from, until) = (format_instant(self.from), format_instant(self.until));
        write!(f, "{} (served {from} to {until})", self.version.short())
    }
}

/// Where the version of a sample comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VersionSource {
    /// From a column of the data.
    Column,
    /// From the times at which versions were deployed.
    Deployments,
    /// From nothing: the data was taken as that of the served version.
    Adopted,
}

impl VersionMap {
    /// The version that data calls `label`: a known name, or the digest of a known version itself.
    pub fn named(&self, label: &str) -> Option<&Digest> {
        let label = label.trim();
        let bare = label.strip_prefix("sha256:").unwrap_or(label);
        let known = self.names.get(label).or_else(|| self.names.get(bare));
        known.or_else(|| self.names.get(&bare.to_ascii_lowercase())).or_else(|| {
            let all = self.served.iter().chain(self.names.values());
            let mut all = all.chain(self.deployments.iter().map(|(_, version)| version));
            all.find(|version| version.hex().eq_ignore_ascii_case(bare))
        })
    }

    /// Whether any version is known, so that another one is a stranger and not the only one there is.
    pub fn knows_any(&self) -> bool {
        self.served.is_some() || !self.names.is_empty()
    }

    /// The version that served directly before the one that serves now. `Err` says why that is not known.
    pub fn previous_release(&self) -> Result<Release, String> {
        let served = self.served.as_ref().ok_or("it is not known which version serves")?;
        let mut deployments: Vec<_> = self.deployments.iter().collect();
        deployments.sort();
        let mut newest_first = deployments.into_iter().rev().peekable();
        let mut until = None;
        while let Some((at, _)) = newest_first.next_if(|(_, version)| version == served) {
            until = Some(*at);
        }
        let until = until.ok_or("it is not known when the version that serves was deployed")?;
        let (mut from, version) =
            newest_first.next().cloned().ok_or("no version is known to have served before this one")?;
        while let Some((at, _)) = newest_first.next_if(|(_, other)| *other == version) {
            from = *at;
        }
        Ok(Release { version, from, until })
    }

    /// The version that served at an instant; `None` before the first deployment that irctl knows.
    pub fn deployed(&self, at: DateTime<Utc>) -> Option<&Digest> {
        self.deployments
            .iter()
            .filter(|(since, _)| *since <= at)
            .max_by_key(|(since, _)| *since)
            .map(|(_, v)| v)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::parse_instant;

    #[test]
    fn labels_are_names_or_digests() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let artifact = Digest::of(b"model.json");
        let names = BTreeMap::from([("v1".to_owned(), a.clone()), (artifact.hex().to_owned(), b.clone())]);
        let map = VersionMap { served: Some(a.clone()), names, ..VersionMap::default() };
        assert_eq!(map.named(" v1 "), Some(&a));
        assert_eq!(map.named(&artifact.to_string()), Some(&b));
        assert_eq!(map.named(&artifact.hex().to_uppercase()), Some(&b));
        assert_eq!(map.named(a.hex()), Some(&a));
        assert_eq!(map.named("v2"), None);
        assert_eq!(map.named(""), None);
    }

    #[test]
    fn deployments_hold_until_the_next() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let at = |text| parse_instant(text).unwrap();
        let deployments =
            vec![(at("2026-11-02T00:00:00Z"), a.clone()), (at("2026-11-09T00:00:00Z"), b.clone())];
        let map = VersionMap { deployments, ..VersionMap::default() };
        assert_eq!(map.deployed(at("2026-11-01T23:59:59Z")), None);
        assert_eq!(map.deployed(at("2026-11-02T00:00:00Z")), Some(&a));
        assert_eq!(map.deployed(at("2026-12-01T00:00:00Z")), Some(&b));
    }

    #[test]
    fn the_release_before_is_the_one_directly_before() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let at = |day: u32| parse_instant(&format!("2026-11-{day:02}T00:00:00Z")).unwrap();
        let map = |served: Option<&Digest>, deployments: &[(u32, &Digest)]| VersionMap {
            served: served.cloned(),
            deployments: deployments.iter().map(|(day, version)| (at(*day), (*version).clone())).collect(),
            ..VersionMap::default()
        };
        let release = |version: &Digest, from, until| {
            Ok(Release { version: version.clone(), from: at(from), until: at(until) })
        };
        // Said twice, by metadata and by the operation, it is one stretch.
        let twice = map(Some(&b), &[(9, &b), (2, &a), (3, &a), (8, &b)]);
        assert_eq!(twice.previous_release(), release(&a, 2, 8));
        // After a rollback the version before is the one that was left.
        let back = map(Some(&a), &[(2, &a), (5, &b), (9, &a)]);
        assert_eq!(back.previous_release(), release(&b, 5, 9));
        for (map, why) in [
            (map(None, &[(2, &a)]), "which version serves"),
            (map(Some(&b), &[(2, &b)]), "before this one"),
            (map(Some(&b), &[(2, &b), (5, &a)]), "when the version"),
            (map(Some(&b), &[]), "when the version"),
        ] {
            assert!(map.previous_release().unwrap_err().contains(why), "{why}");
        }
    }
}
