//! Taking a snapshot: look at every target, keep what its kind can keep, seal it, and make it appear at once.

use chrono::{DateTime, Utc};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::manifest::{FORMAT, KeptFile, Snapshot, Stored, TargetRecord};
use super::{blobs, conceal, settle, shelf, work_tree};
use crate::base::{Digest, Error, ErrorCode, Result, Untrusted, fault, file, identity};
use crate::rollback::config::TargetConfig;
use crate::rollback::environment::{Environment, Subject, VersionName};
use crate::rollback::evidence;
use crate::rollback::serving::{self, Proof, Served};
use crate::rollback::targets::{self, Kept, KeptAt, Observed, Target};

/// What is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// What people call it.
    pub name: Option<&'a str>,
    /// Files of the configuration that go into it, by the name under which they are shown.
    pub files: &'a [(String, PathBuf)],
    /// An open incident: the version that it blames (whichever serves, where it names none), and its identifier.
    pub blamed: Option<(Option<&'a Digest>, &'a str)>,
}

/// Takes a snapshot. Nothing of it is seen before it is whole and on disk.
///
/// # Errors
/// A target that cannot be looked at or is no whole version: what is not known is not known to be good. Nothing is
/// recorded then.
pub fn take(environment: &Environment<'_>, subject: &Subject, asked: &Asked<'_>) -> Result<Snapshot> {
    let state = environment.state;
    let lock = shelf::lock(state)?;
    shelf::sweep(state, &lock)?;
    settle::all(environment, &subject.service, &lock)?;
    let now = environment.clock.now()?;
    let served = served(subject)?;
    let work = Work::begin(state, &subject.service, now)?;
    let targets = work.targets(subject, environment)?;
    let files =
        asked.files.iter().map(|(name, path)| work.configuration(name, path)).collect::<Result<_>>()?;
    let not_adopted = match &served {
        None => Some("the service has no version as a whole".to_owned()),
        Some(served) => why_not_adopted(environment, subject, served, asked, now)?,
    };
    let snapshot = Snapshot {
        format: FORMAT,
        id: work.id.clone(),
        service: subject.service.clone(),
        phase: subject.phase.clone(),
        environment: subject.environment.clone(),
        name: asked.name.map(Untrusted::from),
        at: now,
        actor: environment.actor.to_string(),
        proof: served.as_ref().map(|served| served.proof.clone()),
        served: served.map(|served| VersionName {
            name: served.on_disk.shown().to_owned(),
            digest: served.on_disk.digest,
        }),
        not_adopted: not_adopted.map(Untrusted::from),
        commit: work_tree::commit(&subject.root).ok(),
        targets,
        files,
        digest: Digest::of(b""),
    };
    let snapshot = snapshot.sealed()?;
    work.finish(&snapshot)?;
    settle::one(environment, &work.folder.join(&work.id), &snapshot)?;
    Ok(snapshot)
}

/// What serves, where the service has versions; refused where it is known to be something else than what is on disk.
fn served(subject: &Subject) -> Result<Option<Served>> {
    if subject.rollback.targets.is_empty() {
        return Ok(None);
    }
    let served = serving::served(subject)?;
    if let Some(defect) = &served.on_disk.defect {
        return Err(Error::new(
            ErrorCode::Refused,
            format!("what is in place is no whole version: {defect}"),
        )
        .hint("nothing was recorded; only a whole version can be known to be good"));
    }
    if let Proof::Different { .. } = served.proof {
        return Err(Error::new(ErrorCode::Refused, format!("what would be recorded is {}", served.proof))
            .hint("nothing was recorded; let the service take up what is on disk, or put back what serves"));
    }
    Ok(Some(served))
}

/// Why nobody should go back to what serves, whatever was recorded of it.
fn why_not_adopted(
    environment: &Environment<'_>,
    subject: &Subject,
    served: &Served,
    asked: &Asked<'_>,
    now: DateTime<Utc>,
) -> Result<Option<String>> {
    let Some(digest) = &served.digest else {
        return Ok(Some("it is not known which version serves".to_owned()));
    };
    if let Proof::Silent { why } = &served.proof {
        return Ok(Some(format!("the service does not say what it serves: {}", why.raw())));
    }
    if let Some((version, incident)) = asked.blamed
        && version.is_none_or(|version| version == digest)
    {
        return Ok(Some(format!("{incident} is open on it")));
    }
    let known = evidence::load(environment.state, &subject.service)?;
    let quarantine = known.quarantined(digest, now);
    Ok(quarantine.map(|quarantine| format!("it is quarantined: {}", quarantine.reason)))
}

/// Every target of the service once, with what it is for.
fn everything(subject: &Subject) -> Vec<(String, &TargetConfig)> {
    let config = &subject.rollback;
    let mut all: Vec<(String, &TargetConfig)> = Vec::new();
    let own = match &subject.phase {
        Some(phase) => format!("phase {phase}"),
        None => "target".to_owned(),
    };
    all.extend(config.targets.iter().map(|target| (own.clone(), target)));
    all.extend(config.contain.iter().map(|target| ("contain".to_owned(), target)));
    if subject.phase.is_none() {
        for (name, phase) in &config.phases {
            let targets = phase.immediate.iter().chain(&phase.recovery);
            all.extend(targets.map(|target| (format!("phase {name}"), target)));
        }
    }
    let mut seen = Vec::new();
    all.retain(|(_, target)| {
        let key = serde_json::to_string(target).ok();
        let new = !seen.contains(&key);
        seen.push(key);
        new
    });
    all
}

/// A snapshot in the making, in a folder of its own that goes away unless it is finished.
struct Work<'a> {
    state: &'a Path,
    id: String,
    /// Where the snapshots of the service stand.
    folder: PathBuf,
    new: PathBuf,
}

impl<'a> Work<'a> {
    fn begin(state: &'a Path, service: &str, now: DateTime<Utc>) -> Result<Self> {
        let folder = shelf::folder_of(state, service)?;
        crate::operation::directory::make(&folder)?;
        let base = identity::stamped("SNAP", now);
        let mut ids = std::iter::once(base.clone()).chain((2..10_000).map(|n| format!("{base}-{n}")));
        let id = ids
            .find(|id| folder.join(id).symlink_metadata().is_err())
            .ok_or_else(|| Error::new(ErrorCode::StateDirectory, format!("{} is full", folder.display())))?;
        let new = folder.join(format!("{}{id}", shelf::UNFINISHED));
        make(&new)?;
        fault::point("snapshot:begun");
        Ok(Self { state, id, folder, new })
    }

    fn targets(&self, subject: &Subject, environment: &Environment<'_>) -> Result<Vec<TargetRecord>> {
        let ground = subject.ground();
        let mut records = Vec::new();
        for (number, (role, config)) in everything(subject).into_iter().enumerate() {
            if environment.stop.is_requested() {
                return Err(Error::new(ErrorCode::Refused, "stopped").hint("nothing was recorded"));
            }
            let target = targets::build(config, &ground);
            let into = self.new.join(number.to_string());
            make(&into)?;
            let record = self.target(target.as_ref(), role, &into).map_err(|error| Error {
                message: format!("{} cannot be recorded: {}", target.name(), error.message),
                hint: error.hint.or_else(|| Some("nothing was recorded".to_owned())),
                ..error
            })?;
            fs_err::remove_dir_all(&into)?;
            records.push(record);
        }
        if records.is_empty() {
            let why = format!("{} has no targets: there is nothing to record", subject.service);
            return Err(Error::new(ErrorCode::InvalidConfiguration, why).hint("`rollback: {targets: […]}`"));
        }
        Ok(records)
    }

    fn target(&self, target: &dyn Target, role: String, into: &Path) -> Result<TargetRecord> {
        let before = target.observe()?;
        let kept = target.keep(into)?;
        let kept = kept.into_iter().map(|kept| self.keep(kept)).collect::<Result<Vec<_>>>()?;
        let after = target.observe()?;
        if before.digest != after.digest {
            return Err(Error::new(ErrorCode::Drifted, "it changed while it was looked at")
                .hint("nothing was recorded; wait until nobody deploys, then take it again"));
        }
        let (shown, _) = conceal::secrets(before.shown.raw());
        let observed = Observed { shown: shown.into(), ..before };
        Ok(TargetRecord { name: target.name(), kind: target.kind().to_owned(), role, observed, kept })
    }

    fn keep(&self, kept: Kept) -> Result<KeptFile> {
        let stored = match kept.at {
            KeptAt::Written(path) | KeptAt::Live(path) => {
                blobs::put(self.state, &path, &kept.digest)?;
                Stored::Store
            }
            KeptAt::InPlace(path) => Stored::Version(path),
        };
        Ok(KeptFile {
            name: kept.name.into(),
            digest: kept.digest,
            size: kept.size,
            stored,
            left_out: kept.left_out.into_iter().map(Untrusted::from).collect(),
        })
    }

    /// A file of the configuration.
    fn configuration(&self, name: &str, path: &Path) -> Result<KeptFile> {
        let bytes = file::read_limited(path, 16 * 1024 * 1024)?;
        let (text, left_out) = conceal::secrets(&String::from_utf8_lossy(&bytes));
        let into = self.new.join("configuration");
        make(&into)?;
        let kept = Kept::written(&into, name, text.as_bytes())?;
        let kept = self.keep(Kept { left_out, ..kept })?;
        fs_err::remove_dir_all(&into)?;
        Ok(kept)
    }

    /// Makes it appear, whole and on disk.
    fn finish(&self, snapshot: &Snapshot) -> Result<()> {
        fault::point("snapshot:before-manifest");
        file::write_atomic(&shelf::manifest(&self.new), &snapshot.bytes()?, 0o600)?;
        fault::point("snapshot:before-rename");
        fs_err::rename(&self.new, self.folder.join(&self.id))?;
        file::sync_directory(&self.folder)?;
        fault::point("snapshot:taken");
        Ok(())
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        if self.new.exists()
            && let Err(error) = fs_err::remove_dir_all(&self.new)
        {
            // The next snapshot sweeps it.
            tracing::warn!("what was begun stays until the next snapshot: {error}");
        }
    }
}

fn make(folder: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().mode(0o700).create(folder);
    made.map_err(|error| {
        Error::io(format!("cannot make {}", folder.display()), error).hint("nothing was recorded")
    })
}
