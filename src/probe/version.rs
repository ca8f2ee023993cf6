//! Which version a row belongs to.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::base::Digest;

/// The versions of a service that irctl knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionMap {
    /// The version that serves now.
    pub served: Option<Digest>,
    /// What data calls a version (a label, the hexadecimal SHA-256 of an artifact) and the version it means.
    pub names: BTreeMap<String, Digest>,
    /// Which version serves from which instant on, oldest first.
    pub deployments: Vec<(DateTime<Utc>, Digest)>,
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
        let map = VersionMap { served: Some(a.clone()), names, deployments: Vec::new() };
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
}
