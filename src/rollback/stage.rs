//! Staging: a copy of the version beside what serves, on the same file system, hashed and loadable. Everything
//! slow happens here, before anybody is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::config::{CommandConfig, SwitchMode};
use super::copying::{self, Manner, Sharing};
use super::digests::DigestCache;
use super::evaluate::with_folder;
use super::versions::Artifact;
use crate::base::process::Invocation;
use crate::base::{Digest, Error, ErrorCode, Result, Untrusted, file, path};

/// The staging folder of an operation: in `live` for files, beside it for a whole folder.
pub fn folder(live: &Path, mode: SwitchMode, operation: &str) -> PathBuf {
    match mode {
        SwitchMode::PerFile => live.join(format!(".irctl-stage-{operation}")),
        SwitchMode::Exchange => {
            let name = live.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            file::parent(live).join(format!(".irctl-stage-{name}-{operation}"))
        }
    }
}

/// Copies files, forces them to disk, and compares them with what they must be.
pub fn copy(
    from: &Path,
    into: &Path,
    artifacts: &BTreeMap<String, Artifact>,
    like: Option<&Path>,
) -> Result<()> {
    copy_with(from, into, artifacts, like, Sharing::default(), &DigestCache::none())
}

/// [`copy`], sharing what may be shared; digests that are known spare reading what is shared.
pub fn copy_with(
    from: &Path,
    into: &Path,
    artifacts: &BTreeMap<String, Artifact>,
    like: Option<&Path>,
    sharing: Sharing,
    digests: &DigestCache,
) -> Result<()> {
    fs_err::create_dir_all(into).map_err(|error| cannot(into, error))?;
    let mut folders = BTreeSet::from([into.to_path_buf()]);
    for (name, artifact) in artifacts {
        let source = path::inside(from, Path::new(name))?;
        let target = into.join(name);
        let place = like.map(|like| like.join(name));
        fs_err::create_dir_all(file::parent(&target))?;
        folders.insert(file::parent(&target).to_path_buf());
        // A second name for the same file cannot have an owner and permissions of its own.
        let alike = place.as_deref().is_none_or(|place| resembles(&source, place));
        let sharing = if sharing == Sharing::HardLink && !alike { Sharing::Reflink } else { sharing };
        let copied = copying::copy(&source, &target, sharing, digests)?;
        if copied.digest != artifact.digest {
            return Err(changed(&source));
        }
        if let Some(place) = place.filter(|_| copied.manner != Manner::HardLink) {
            resemble(&target, &place)?;
        }
    }
    folders.iter().try_for_each(|folder| file::sync_directory(folder))
}

/// Copies one file, forces it and its name to disk, and returns the digest of what was copied.
pub fn copy_file(from: &Path, to: &Path) -> Result<Digest> {
    let copied = copying::copy(from, to, Sharing::default(), &DigestCache::none())?;
    file::sync_directory(file::parent(to))?;
    Ok(copied.digest)
}

/// Whether a file has the permissions and the owner of the one at another place, or there is none.
fn resembles(file: &Path, place: &Path) -> bool {
    let of = |path: &Path| fs_err::metadata(path).map(|m| (m.mode() & 0o7777, m.uid(), m.gid())).ok();
    of(place).is_none_or(|there| of(file) == Some(there))
}

/// Gives a staged file the permissions and, where we may, the owner of the one whose place it takes.
pub fn resemble(staged: &Path, like: &Path) -> Result<()> {
    let Ok(there) = fs_err::metadata(like) else { return Ok(()) };
    fs_err::set_permissions(staged, std::fs::Permissions::from_mode(there.mode() & 0o7777))?;
    let ours = fs_err::metadata(staged)?;
    if (ours.uid(), ours.gid()) != (there.uid(), there.gid())
        && std::os::unix::fs::chown(staged, Some(there.uid()), Some(there.gid())).is_err()
    {
        tracing::warn!("{} cannot get the owner of {}", staged.display(), like.display());
    }
    Ok(())
}

/// Copies a whole folder, links as links.
pub fn copy_tree(from: &Path, into: &Path) -> Result<()> {
    copy_tree_with(from, into, Sharing::default(), &DigestCache::none())
}

/// [`copy_tree`], sharing what may be shared.
pub fn copy_tree_with(from: &Path, into: &Path, sharing: Sharing, digests: &DigestCache) -> Result<()> {
    copy_noting(from, into, sharing, digests, &mut BTreeMap::new())
}

/// Copies the whole folder of a version, each file once, and compares its artifacts with what they must be.
pub fn copy_version(
    from: &Path,
    into: &Path,
    artifacts: &BTreeMap<String, Artifact>,
    sharing: Sharing,
) -> Result<()> {
    let mut copied = BTreeMap::new();
    copy_noting(from, into, sharing, &DigestCache::none(), &mut copied)?;
    for (name, artifact) in artifacts {
        let target = into.join(name);
        let found = match copied.remove(&target) {
            Some(digest) => Some(digest),
            // It stands behind a link of the folder.
            None => Digest::of_file(&path::inside(into, Path::new(name))?).ok().map(|(digest, _)| digest),
        };
        if found.as_ref() != Some(&artifact.digest) {
            return Err(changed(&from.join(name)));
        }
    }
    Ok(())
}

fn changed(source: &Path) -> Error {
    Error::new(ErrorCode::Drifted, format!("{} changed while it was copied", source.display()))
        .hint("somebody writes there; wait for that to end, then make a new plan")
}

/// [`copy_tree_with`], noting the digest of every file that is copied.
fn copy_noting(
    from: &Path,
    into: &Path,
    sharing: Sharing,
    digests: &DigestCache,
    copied: &mut BTreeMap<PathBuf, Digest>,
) -> Result<()> {
    fs_err::create_dir_all(into).map_err(|error| cannot(into, error))?;
    for entry in fs_err::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), into.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_noting(&source, &target, sharing, digests, copied)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs_err::read_link(&source)?, &target)
                .map_err(|error| cannot(&target, error))?;
        } else {
            let digest = copying::copy(&source, &target, sharing, digests)?.digest;
            copied.insert(target, digest);
        }
    }
    fs_err::set_permissions(into, fs_err::metadata(from)?.permissions())?;
    file::sync_directory(into)
}

/// Runs the check that a staged version loads.
pub fn load(root: &Path, command: &CommandConfig, folder: &Path) -> Result<()> {
    let mut invocation = Invocation::new(with_folder(&command.command, folder)).directory(root);
    if let Some(timeout) = command.timeout {
        invocation = invocation.timeout(timeout.to_std());
    }
    let output = invocation.run()?;
    if output.success() {
        return Ok(());
    }
    let words = Untrusted::new(output.last_words());
    Err(Error::new(ErrorCode::Refused, format!("the version does not load: {} ({words})", output.ending))
        .hint("nothing was switched; take another version"))
}

/// Takes a staging folder away. What somebody else's writing left in it is moved to `keep` first.
pub fn remove(folder: &Path, known: &[Digest], keep: &Path) -> Result<Vec<PathBuf>> {
    let mut kept = Vec::new();
    if folder.symlink_metadata().is_err() {
        return Ok(kept);
    }
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() && !known.contains(&Digest::of_file(&path)?.0) {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let target = keep.join(format!("displaced-{name}"));
            fs_err::copy(&path, &target)?;
            kept.push(target);
        }
    }
    fs_err::remove_dir_all(folder)?;
    file::sync_directory(file::parent(folder))?;
    Ok(kept)
}

fn cannot(path: &Path, error: std::io::Error) -> Error {
    Error::io(format!("cannot write {}", path.display()), error).hint("nothing was switched")
}
