//! Files in a folder that serves, and the folders with their earlier versions.

mod file;
mod folder;
mod keep;
mod link;
mod preserve;

use std::path::{Path, PathBuf};

pub use file::FileSwitch;
pub use folder::FolderSwitch;
pub use link::LinkSwitch;
pub use preserve::Preserve;

use super::{
    Change, Fence, Fidelity, Goal, Ground, Kept, Observed, Prediction, Rehearsed, Staging, SwitchSpec,
    Target, rehearsal,
};
use crate::base::{Digest, Error, ErrorCode, Result, fault, file as files_on_disk, identity, path};
use crate::operation::claim;
use crate::rollback::config::{FilesConfig, SwitchMode};
use crate::rollback::digests::DigestCache;
use crate::rollback::plan::differences;
use crate::rollback::stage;
use crate::rollback::versions::{self, Artifact, EMERGENCY, Version};

/// How many values of metadata a prediction shows at most.
const METADATA_SHOWN: usize = 20;

/// See [`FilesConfig`].
pub struct FilesTarget<'a> {
    /// What is configured.
    pub config: &'a FilesConfig,
    /// Where it stands.
    pub ground: &'a Ground,
}

impl FilesTarget<'_> {
    /// The folder that serves.
    pub fn live(&self) -> Result<PathBuf> {
        let live = path::inside(&self.ground.root, &self.config.live)?;
        if live.is_dir() {
            return Ok(live);
        }
        Err(Error::new(ErrorCode::NotFound, format!("{} is not a folder", live.display()))
            .hint("`live:` names the folder that serves, relative to the workspace"))
    }

    /// What the live path says if it is a symbolic link that is switched as such.
    fn link(&self, live: &Path) -> Option<PathBuf> {
        (self.config.mode == SwitchMode::Exchange).then(|| link::read_link(live)).flatten()
    }

    fn manner(&self, live: &Path) -> &'static str {
        match self.config.mode {
            SwitchMode::PerFile => "file by file: for some milliseconds the folder holds a mix",
            SwitchMode::Exchange if self.link(live).is_some() => {
                "the symbolic link is pointed elsewhere at once"
            }
            SwitchMode::Exchange => "the whole folder at once",
        }
    }

    fn stage_folder(&self, live: &Path, to: &Version, operation: &str) -> Result<PathBuf> {
        let stage = stage::folder(live, self.config.mode, operation);
        if self.link(live).is_some() {
            return Ok(stage);
        }
        match self.config.mode {
            SwitchMode::PerFile => {
                let (share, digests) = (self.config.share, DigestCache::none());
                stage::copy_with(to.folder()?, &stage, &to.artifacts, Some(live), share, &digests)?;
            }
            SwitchMode::Exchange => {
                stage::copy_version(to.folder()?, &stage, &to.artifacts, self.config.share)?;
            }
        }
        Ok(stage)
    }

    /// What is switched, once it is staged.
    fn switches(
        &self,
        goal: &Goal<'_>,
        live: PathBuf,
        stage: PathBuf,
        staging: &Staging<'_>,
    ) -> Result<Vec<SwitchSpec>> {
        let here = versions::read(&live, "live", self.config)?;
        let (folder, _) = versions::folder(&live, self.config)?;
        let backup = backup_path(&folder, staging.operation)?;
        let artifacts = self.config.artifacts.clone();
        if let Some(before) = self.link(&live) {
            let folder = goal.version.folder()?;
            let beside = folder.strip_prefix(files_on_disk::parent(&live)).unwrap_or(folder);
            let (after, operation) = (beside.to_path_buf(), staging.operation.to_owned());
            return Ok(vec![SwitchSpec::Link(LinkSwitch { live, before, after, operation })]);
        }
        if self.config.mode == SwitchMode::Exchange {
            let after = goal.version.digest.clone().ok_or_else(|| {
                Error::new(ErrorCode::Refused, "a whole folder can only be exchanged for a whole version")
            })?;
            let before = here.digest;
            return Ok(vec![SwitchSpec::Folder(FolderSwitch {
                live,
                stage,
                artifacts,
                before,
                after,
                backup,
            })]);
        }
        let after = goal.version.artifacts.values().map(|artifact| artifact.digest.clone()).collect();
        let mut specs = vec![SwitchSpec::Preserve(Preserve {
            live: live.clone(),
            names: artifacts.clone(),
            artifacts: here.artifacts.clone(),
            after,
            backup,
            images: staging.images.to_path_buf(),
            stage: stage.clone(),
        })];
        for name in artifacts {
            let digest = |version: &Version| version.artifacts.get(&name).map(|one| one.digest.clone());
            let (before, after) = (digest(&here), digest(goal.version));
            if before != after {
                let (live, stage, image) = (live.clone(), stage.clone(), staging.images.join(&name));
                specs.push(SwitchSpec::File(FileSwitch { live, name, stage, before, after, image }));
            }
        }
        Ok(specs)
    }
}

impl Target for FilesTarget<'_> {
    fn kind(&self) -> &'static str {
        "files"
    }

    fn name(&self) -> String {
        format!("files {}", self.config.live.display())
    }

    fn fence(&self) -> Fence {
        Fence::Claim
    }

    fn claims(&self) -> Result<Vec<PathBuf>> {
        Ok(vec![claim::beside(&path::inside(&self.ground.root, &self.config.live)?)])
    }

    fn leads(&self) -> bool {
        true
    }

    fn versions(&self) -> Result<Vec<Version>> {
        versions::list(&path::inside(&self.ground.root, &self.config.live)?, self.config)
    }

    fn versions_with(&self, digests: &DigestCache) -> Result<Vec<Version>> {
        versions::list_with(&path::inside(&self.ground.root, &self.config.live)?, self.config, digests)
    }

    fn served(&self) -> Result<Version> {
        versions::read(&self.live()?, "live", self.config)
    }

    fn served_with(&self, digests: &DigestCache) -> Result<Version> {
        versions::read_with(&self.live()?, "live", self.config, digests)
    }

    fn answers(&self, version: &Version, says: &str, artifact: Option<&str>) -> bool {
        let Ok(says) = says.parse::<Digest>() else { return false };
        let of = |name: &str| version.artifacts.get(name).is_some_and(|artifact| artifact.digest == says);
        match artifact {
            Some(name) => of(name),
            None => {
                version.digest.as_ref() == Some(&says)
                    || self.config.artifacts.first().is_some_and(|name| of(name))
            }
        }
    }

    fn staged(&self, operation: &str) -> Option<PathBuf> {
        let live = self.live().ok()?;
        self.link(&live).is_none().then(|| stage::folder(&live, self.config.mode, operation))
    }

    fn sweep(&self, operation: &str) -> Result<()> {
        clear(&stage::folder(&self.live()?, self.config.mode, operation))
    }

    fn observe(&self) -> Result<Observed> {
        let here = self.served()?;
        let parts = here.artifacts.iter().map(|(name, artifact)| (name.as_str(), &artifact.digest));
        let digest = here.digest.clone().unwrap_or_else(|| Digest::of_parts(parts));
        Ok(Observed { digest, shown: here.shown().into() })
    }

    fn keep(&self, _into: &Path) -> Result<Vec<Kept>> {
        keep::artifacts(&self.live()?, self.config)
    }

    fn predict(&self, goal: &Goal<'_>) -> Result<Prediction> {
        let live = self.live()?;
        let here = versions::read(&live, "live", self.config)?;
        let mut changes = file_changes(&self.config.artifacts, &here, goal.version);
        let (ours, theirs) = (here.metadata.read()?, goal.version.metadata.read()?);
        for change in differences(ours.as_deref(), theirs.as_deref(), METADATA_SHOWN) {
            let place = format!("{} {}", self.config.metadata, change.place.raw()).into();
            changes.push(Change { place, from: change.from, to: change.to, fidelity: Fidelity::Proven });
        }
        let since = here.dated.map(|dated| crate::base::clock::format_minute(dated.at));
        let since = since.map_or(String::new(), |since| format!(" since {since}"));
        Ok(Prediction {
            changes,
            manner: Some(self.manner(&live).to_owned()),
            mixed: self.config.mode == SwitchMode::PerFile,
            cannot_be_undone: vec![format!("what consumers already did with {}{since}", here.shown())],
            could_undo_this: could_undo_this(&live),
            ..Prediction::default()
        })
    }

    fn stage(&self, goal: &Goal<'_>, staging: &Staging<'_>) -> Result<Vec<SwitchSpec>> {
        let live = self.live()?;
        let staged = self
            .stage_folder(&live, goal.version, staging.operation)
            .and_then(|stage| self.switches(goal, live.clone(), stage, staging));
        if staged.is_err() {
            self.sweep(staging.operation)?;
        }
        fault::point("stage:done");
        staged
    }

    fn rehearse(&self, goal: &Goal<'_>, scratch: &Path) -> Result<Vec<Rehearsed>> {
        let here = versions::read(&self.live()?, "live", self.config)?;
        let copy =
            FilesConfig { live: "live".into(), versions: "backup_*".to_owned(), ..self.config.clone() };
        stage::copy(&self.live()?, &scratch.join("live"), &here.artifacts, None)?;
        let ground = Ground { root: scratch.to_path_buf(), ..self.ground.clone() };
        rehearsal::on_copy(&FilesTarget { config: &copy, ground: &ground }, goal, scratch)
    }
}

fn file_changes(names: &[String], from: &Version, to: &Version) -> Vec<Change> {
    let shown = |artifact: Option<&Artifact>| {
        artifact.map(|one| format!("{} ({} bytes)", one.digest.short(), one.size).into())
    };
    let each = names.iter().map(|name| (name, from.artifacts.get(name), to.artifacts.get(name)));
    each.filter(|(_, from, to)| from != to)
        .map(|(name, from, to)| Change {
            place: name.as_str().into(),
            from: shown(from),
            to: shown(to),
            fidelity: Fidelity::Proven,
        })
        .collect()
}

/// A name for the safety backup that nothing has yet; it carries the instant of the operation.
pub(super) fn backup_path(folder: &Path, operation: &str) -> Result<PathBuf> {
    let instant = identity::instant_of(operation);
    let stamp = instant.map(|at| at.format("%Y-%m-%d_%H-%M-%S").to_string());
    let base = format!("{EMERGENCY}{}", stamp.as_deref().unwrap_or(operation));
    let names = std::iter::once(base.clone()).chain((2..1000).map(|n| format!("{base}-{n}")));
    names.map(|name| folder.join(name)).find(|path| path.symlink_metadata().is_err()).ok_or_else(|| {
        Error::new(ErrorCode::Io, format!("{} is full of emergency backups", folder.display()))
    })
}

/// What could put the bad version back without anybody meaning to.
fn could_undo_this(live: &Path) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(tree) = live.ancestors().find(|folder| folder.join(".git").exists()) {
        all.push(format!("a checkout, pull or deploy in the git work tree {}", tree.display()));
    }
    if live.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
        all.push("whatever moves the symbolic link that serves".to_owned());
    }
    all
}

fn clear(folder: &Path) -> Result<()> {
    match fs_err::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => files_on_disk::sync_directory(files_on_disk::parent(folder)),
    }
}
