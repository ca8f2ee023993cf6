//! Whether a snapshot is still what it was: everything that it keeps is hashed again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use super::manifest::{KeptFile, Stored};
use super::shelf::Found;
use super::{blobs, rehash};
use crate::base::{Digest, ErrorCode, Result, Untrusted, Verdict};

/// What was found when everything was hashed again.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Verification {
    /// The snapshot.
    pub snapshot: String,
    /// The service.
    pub service: String,
    /// OK where everything matches, CRIT where something does not, UNKNOWN where something cannot be read.
    pub verdict: Verdict,
    /// The digest over all of it; absent where the manifest cannot be trusted.
    pub digest: Option<Digest>,
    /// How many files were hashed.
    pub files: usize,
    /// How many bytes those have.
    pub bytes: u64,
    /// What does not match.
    pub faults: Vec<Fault>,
}

/// Something kept that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fault {
    /// What it belongs to, and its name.
    pub what: Untrusted,
    /// Where its bytes are.
    pub place: PathBuf,
    /// In what way.
    pub kind: FaultKind,
    /// More about it.
    pub why: Untrusted,
}

/// In what way something kept is not what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// It is not there.
    Missing,
    /// Its bytes are others.
    Changed,
    /// It cannot be read, so nobody knows.
    Unreadable,
}

impl Fault {
    /// The verdict that stands for it.
    pub fn verdict(&self) -> Verdict {
        match self.kind {
            FaultKind::Missing | FaultKind::Changed => Verdict::Crit,
            FaultKind::Unreadable => Verdict::Unknown,
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.what, self.why)
    }
}

/// Where the bytes of something kept are.
pub fn place(state: &Path, file: &KeptFile) -> PathBuf {
    match &file.stored {
        Stored::Store => blobs::place(state, &file.digest),
        Stored::Version(path) => path.clone(),
    }
}

/// Hashes everything that a snapshot keeps.
pub fn verify(state: &Path, found: &Found) -> Result<Verification> {
    let mut verification = Verification {
        snapshot: found.id.clone(),
        service: found.service.clone(),
        verdict: Verdict::Unknown,
        digest: None,
        files: 0,
        bytes: 0,
        faults: Vec::new(),
    };
    match &found.snapshot {
        Err(error) => verification.faults.push(manifest_fault(found, error)),
        Ok(snapshot) => {
            verification.digest = Some(snapshot.digest.clone());
            for (owner, file) in snapshot.kept() {
                verification.files += 1;
                verification.bytes += file.size;
                let place = place(state, file);
                let hashed = Digest::of_file(&place).map(|(digest, _)| digest);
                verification.faults.extend(compared(owner, &file.name, place, &file.digest, hashed));
            }
        }
    }
    let faults = verification.faults.iter().map(Fault::verdict);
    verification.verdict = faults.fold(Verdict::Ok, Verdict::worst);
    // What rounds of checks found may have been put right: they begin anew.
    if let Err(error) = rehash::forget(state, &found.service) {
        tracing::warn!("rounds of checks go on where they were: {error}");
    }
    Ok(verification)
}

/// A manifest that cannot be read, or is not what was written.
pub fn manifest_fault(found: &Found, error: &crate::base::Error) -> Fault {
    Fault {
        what: format!("{} itself", found.id).into(),
        place: super::shelf::manifest(&found.folder),
        kind: kind_of(error.code),
        why: error.message.as_str().into(),
    }
}

fn kind_of(code: ErrorCode) -> FaultKind {
    match code {
        ErrorCode::NotFound => FaultKind::Missing,
        ErrorCode::InvalidData => FaultKind::Changed,
        _ => FaultKind::Unreadable,
    }
}

/// What there is to say about bytes that were hashed; nothing where they are what they should be.
pub fn compared(
    owner: &str,
    name: &Untrusted,
    place: PathBuf,
    expected: &Digest,
    hashed: Result<Digest>,
) -> Option<Fault> {
    let (kind, why) = match hashed {
        Ok(digest) if digest == *expected => return None,
        Ok(digest) => (
            FaultKind::Changed,
            format!("is not what was kept: {} instead of {}", digest.short(), expected.short()),
        ),
        Err(error) if error.code == ErrorCode::NotFound => {
            (FaultKind::Missing, format!("is gone: {}", place.display()))
        }
        Err(error) => (FaultKind::Unreadable, format!("cannot be read: {}", error.message)),
    };
    Some(Fault { what: format!("{owner}: {}", name.raw()).into(), place, kind, why: why.into() })
}
