//! `manifest.json`: what was in place, and one digest over all of it.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use super::work_tree::Commit;
use crate::base::{Digest, Error, ErrorCode, Result, Untrusted, file};
use crate::rollback::environment::VersionName;
use crate::rollback::serving::Proof;
use crate::rollback::targets::Observed;

/// The format of `manifest.json` that this irctl writes.
pub const FORMAT: u32 = 1;

/// The largest manifest that is read.
const LIMIT: u64 = 64 * 1024 * 1024;

/// A known-good version over all targets of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// The format of the manifest.
    pub format: u32,
    /// Its identifier.
    pub id: String,
    /// The service.
    pub service: String,
    /// The phase that it is of; absent where it is of the whole service.
    pub phase: Option<String>,
    /// The environment whose values were used.
    pub environment: Option<String>,
    /// What people call it.
    pub name: Option<Untrusted>,
    /// When it was taken (UTC).
    pub at: DateTime<Utc>,
    /// Who took it.
    pub actor: String,
    /// The version that served; absent where the service has none as a whole.
    pub served: Option<VersionName>,
    /// How it was known what serves.
    pub proof: Option<Proof>,
    /// Why that version does not count as adopted from now on; absent where it does.
    pub not_adopted: Option<Untrusted>,
    /// The commit of the git work tree that the workspace stands in.
    pub commit: Option<Commit>,
    /// What each target was, those that contain the service included.
    pub targets: Vec<TargetRecord>,
    /// What else was kept: the service's own configuration.
    pub files: Vec<KeptFile>,
    /// The digest over all of the above, and so over every byte that is kept.
    pub digest: Digest,
}

/// What one target was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetRecord {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// What it is for: `target`, `contain`, or `phase NAME`.
    pub role: String,
    /// What was in place.
    pub observed: Observed,
    /// What of it is kept.
    pub kept: Vec<KeptFile>,
}

/// Bytes that are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KeptFile {
    /// What they are.
    pub name: Untrusted,
    /// Their digest.
    pub digest: Digest,
    /// Their length in bytes.
    pub size: u64,
    /// Where they are.
    pub stored: Stored,
    /// Keys whose values are secrets and were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<Untrusted>,
}

/// Where bytes are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// In the snapshots' own store, by digest.
    Store,
    /// In a folder that keeps an earlier version anyway.
    Version(PathBuf),
}

impl Snapshot {
    /// Everything that is kept, with the target that it belongs to; what belongs to none is the service's own.
    pub fn kept(&self) -> impl Iterator<Item = (&str, &KeptFile)> {
        let own = self.files.iter().map(|file| (self.service.as_str(), file));
        self.targets.iter().flat_map(kept_of).chain(own)
    }

    /// The digest over everything but itself.
    pub fn reckon(&self) -> Result<Digest> {
        let bug = |error| Error::new(ErrorCode::Bug, format!("a snapshot: {error}"));
        let mut value = serde_json::to_value(self).map_err(bug)?;
        if let Some(object) = value.as_object_mut() {
            object.remove("digest");
        }
        Ok(Digest::of(&serde_json::to_vec(&value).map_err(bug)?))
    }

    /// With its digest.
    pub fn sealed(mut self) -> Result<Self> {
        self.digest = self.reckon()?;
        Ok(self)
    }

    /// The manifest's bytes.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(self)
            .map_err(|error| Error::new(ErrorCode::Bug, format!("a snapshot: {error}")))
    }

    /// Reads a manifest and compares it with its digest.
    ///
    /// # Errors
    /// `invalid-data` for one that is not what was written; `store-too-new` for one of a newer irctl.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = file::read_limited(path, LIMIT)?;
        let wrong = |why: String| {
            Error::new(ErrorCode::InvalidData, format!("{}: {why}", path.display()))
                .hint("take a new snapshot; what this one recorded cannot be trusted")
        };
        let head: Head = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        if head.format > FORMAT {
            let why = format!("{} was written by a newer irctl (format {})", path.display(), head.format);
            return Err(Error::new(ErrorCode::StoreTooNew, why).hint("look at it with that irctl"));
        }
        let snapshot: Self = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        if snapshot.reckon()? != snapshot.digest {
            return Err(wrong("it does not match its digest any more".to_owned()));
        }
        Ok(snapshot)
    }
}

fn kept_of(target: &TargetRecord) -> impl Iterator<Item = (&str, &KeptFile)> {
    target.kept.iter().map(|file| (target.name.as_str(), file))
}

#[derive(Deserialize)]
struct Head {
    format: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        Snapshot {
            format: FORMAT,
            id: "SNAP-20261120-030700".into(),
            service: "pricing".into(),
            phase: None,
            environment: None,
            name: Some("before 2.4".into()),
            at: crate::base::clock::parse_instant("2026-11-20T03:07:00Z").unwrap(),
            actor: "ada".into(),
            served: None,
            proof: None,
            not_adopted: None,
            commit: None,
            targets: vec![TargetRecord {
                name: "files live".into(),
                kind: "files".into(),
                role: "target".into(),
                observed: Observed { digest: Digest::of(b"a"), shown: "v1".into() },
                kept: vec![KeptFile {
                    name: "model.json".into(),
                    digest: Digest::of(b"a"),
                    size: 1,
                    stored: Stored::Version("/srv/backup_1/model.json".into()),
                    left_out: Vec::new(),
                }],
            }],
            files: Vec::new(),
            digest: Digest::of(b""),
        }
    }

    #[test]
    fn every_change_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.json");
        let bytes = snapshot().sealed().unwrap().bytes().unwrap();
        fs_err::write(&path, &bytes).unwrap();
        assert_eq!(Snapshot::read(&path).unwrap().kept().count(), 1);
        let text = String::from_utf8(bytes).unwrap();
        for (from, to) in [("before 2.4", "before 2.5"), ("\"size\": 1", "\"size\": 2"), ("ada", "eve")] {
            fs_err::write(&path, text.replace(from, to)).unwrap();
            assert_eq!(Snapshot::read(&path).unwrap_err().code, ErrorCode::InvalidData, "{from}");
        }
        fs_err::write(&path, text.get(..text.len() / 2).unwrap()).unwrap();
        assert_eq!(Snapshot::read(&path).unwrap_err().code, ErrorCode::InvalidData);
        fs_err::write(&path, text.replace("\"format\": 1", "\"format\": 9")).unwrap();
        assert_eq!(Snapshot::read(&path).unwrap_err().code, ErrorCode::StoreTooNew);
    }
}
