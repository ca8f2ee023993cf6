//! What really serves: the service's own word where it gives one, else what is on disk.

pub mod http;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::config::{JsonServing, ServingConfig};
use super::digests::DigestCache;
use super::environment::Subject;
use super::evidence;
use super::targets::Target;
use super::versions::{self, Version};
use crate::base::{Digest, Error, ErrorCode, Result, Untrusted, file, path};
use crate::probe::VersionMap;

/// How it is known what serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// The service says so itself.
    Serving,
    /// It is on disk; nothing proves that it serves.
    OnDisk,
    /// The service says that it serves something else than what is on disk.
    Different {
        /// What it says.
        says: Untrusted,
    },
    /// The service was asked and gave no answer.
    Silent {
        /// Why.
        why: Untrusted,
    },
}

impl std::fmt::Display for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Proof::Serving => f.write_str("proven to serve"),
            Proof::OnDisk => f.write_str("on disk, not proven to serve"),
            Proof::Different { says } => write!(f, "on disk, but the service says it serves {says}"),
            Proof::Silent { why } => write!(f, "on disk, not proven to serve: {why}"),
        }
    }
}

/// What serves now.
#[derive(Debug, Clone)]
pub struct Served {
    /// The version that is on disk.
    pub on_disk: Version,
    /// The version that serves, as far as that is known.
    pub digest: Option<Digest>,
    /// How that is known.
    pub proof: Proof,
}

/// Looks at what serves. Every byte of it is read.
pub fn served(subject: &Subject) -> Result<Served> {
    served_with(subject, &DigestCache::none())
}

/// [`served`], with the digests of files that are known taken as known.
fn served_with(subject: &Subject, digests: &DigestCache) -> Result<Served> {
    let ground = subject.ground();
    let lead = subject.lead(&ground)?;
    let on_disk = lead.served_with(digests)?;
    let (proof, digest) = match said(subject) {
        None => (Proof::OnDisk, on_disk.digest.clone()),
        Some(Err(error)) => (Proof::Silent { why: error.message.into() }, on_disk.digest.clone()),
        Some(Ok(says)) if answers(subject, lead.as_ref(), &on_disk, &says) => {
            (Proof::Serving, on_disk.digest.clone())
        }
        Some(Ok(says)) => {
            let known = lead.versions_with(digests).unwrap_or_default();
            let other = known.iter().find(|version| answers(subject, lead.as_ref(), version, &says));
            (Proof::Different { says: says.into() }, other.and_then(|version| version.digest.clone()))
        }
    };
    Ok(Served { on_disk, digest, proof })
}

/// What the service says it serves; none where it is not asked.
pub fn said(subject: &Subject) -> Option<Result<String>> {
    Some(match subject.serving.as_ref()? {
        ServingConfig::Json(json) => in_file(subject, json),
        ServingConfig::Http(asked) => {
            asked.ask().and_then(|said| http::text_at(&said, &asked.pointer, &asked.url.to_string()))
        }
    })
}

fn in_file(subject: &Subject, json: &JsonServing) -> Result<String> {
    let path = path::inside(&subject.root, &json.file)?;
    let bytes = file::read_limited(&path, 16 * 1024 * 1024)?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| {
        Error::new(ErrorCode::InvalidData, format!("{}: not JSON: {error}", path.display()))
    })?;
    http::text_at(&value, &json.pointer, &path.display().to_string())
}

/// Whether what the service says stands for this version.
fn answers(subject: &Subject, lead: &dyn Target, version: &Version, says: &str) -> bool {
    let Some(serving) = &subject.serving else { return false };
    lead.answers(version, says, serving.artifact())
}

/// Whether the service says it serves this version; with what it says where it does not.
pub fn proves(subject: &Subject, version: &Version) -> Result<Proof> {
    let ground = subject.ground();
    let lead = subject.lead(&ground)?;
    Ok(match said(subject) {
        None => Proof::OnDisk,
        Some(Err(error)) => Proof::Silent { why: error.message.into() },
        Some(Ok(says)) if answers(subject, lead.as_ref(), version, &says) => Proof::Serving,
        Some(Ok(says)) => Proof::Different { says: says.into() },
    })
}

/// The versions of a service, by every name they go by, and when each was deployed.
///
/// A name that stands for two versions stands for neither.
pub fn version_map(subject: &Subject, state: &std::path::Path) -> Result<VersionMap> {
    known_versions(subject, state).map(|(versions, _)| versions)
}

/// [`version_map`], and how it is known which version serves.
pub fn known_versions(subject: &Subject, state: &std::path::Path) -> Result<(VersionMap, Proof)> {
    let (ground, digests) = (subject.ground(), DigestCache::open(state));
    let served = served_with(subject, &digests)?;
    let mut names: BTreeMap<String, Option<Digest>> = BTreeMap::new();
    let mut deployments = Vec::new();
    let mut all = subject.lead(&ground)?.versions_with(&digests)?;
    digests.save();
    all.push(served.on_disk);
    for version in &all {
        let Some(digest) = &version.digest else { continue };
        let artifacts = version.artifacts.values().map(|artifact| artifact.digest.hex().to_owned());
        let own = [version.name.clone(), digest.to_string(), digest.hex().to_owned()];
        for name in artifacts.chain(own).chain(version.label.clone()) {
            let entry = names.entry(name).or_insert_with(|| Some(digest.clone()));
            if entry.as_ref() != Some(digest) {
                *entry = None;
            }
        }
        if let Some(dated) = version.dated
            && dated.source == versions::DateSource::DeployedAt
        {
            deployments.push((dated.at, digest.clone()));
        }
    }
    // Deployments by irctl are known better than from metadata: a version that came back has served twice.
    let evidence = evidence::load(state, &subject.service)?;
    deployments.extend(evidence.periods.into_iter().map(|period| (period.from, period.version)));
    deployments.sort();
    deployments.dedup();
    let names = names.into_iter().filter_map(|(name, digest)| Some((name, digest?))).collect();
    Ok((VersionMap { served: served.digest, names, deployments, earlier: None }, served.proof))
}
