//! Bytes by digest: the same bytes are kept once, for the owner only.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::shelf;
use crate::base::{Digest, Error, ErrorCode, Result, fault, file};
use crate::operation::directory;

/// What a file is called until it is whole.
const NEW: &str = ".new-";

fn root(state: &Path) -> PathBuf {
    shelf::root(state).join("blobs")
}

/// Where bytes with this digest stand, if they are kept.
pub fn place(state: &Path, digest: &Digest) -> PathBuf {
    let folder = digest.hex().get(..2).unwrap_or_default().to_owned();
    root(state).join(folder).join(digest.hex())
}

/// Keeps a file's bytes; on a file system that can share them, without a second copy. Bytes that are kept already are
/// read again, and replaced where they are not what they should be.
///
/// # Errors
/// `drifted` when the file is not what it was a moment ago.
pub fn put(state: &Path, source: &Path, digest: &Digest) -> Result<()> {
    let place = place(state, digest);
    if place.exists() && Digest::of_file(&place).is_ok_and(|(found, _)| found == *digest) {
        return Ok(());
    }
    let folder = file::parent(&place);
    directory::make(folder)?;
    fault::point("snapshot:before-copy");
    let cannot = |error: std::io::Error| {
        Error::io(format!("cannot keep {}", source.display()), error).hint("nothing was recorded")
    };
    let mut new = tempfile::Builder::new().prefix(NEW).tempfile_in(folder).map_err(cannot)?;
    copy(source, new.as_file_mut()).map_err(cannot)?;
    if Digest::of_file(new.path())?.0 != *digest {
        return Err(Error::new(
            ErrorCode::Drifted,
            format!("{} changed while it was kept", source.display()),
        )
        .hint("somebody writes there; wait for that to end, then take the snapshot again"));
    }
    file::sync_file(new.as_file())?;
    fault::point("snapshot:before-keep");
    new.persist(&place).map_err(|error| cannot(error.error))?;
    file::sync_directory(folder)?;
    fault::point("snapshot:kept");
    Ok(())
}

fn copy(source: &Path, into: &mut std::fs::File) -> std::io::Result<()> {
    let mut source = fs_err::File::open(source)?;
    // Shares the blocks where the file system can; elsewhere the kernel copies.
    if rustix::fs::ioctl_ficlone(&*into, source.file()).is_err() {
        std::io::copy(source.file_mut(), into)?;
    }
    Ok(())
}

/// Takes away unfinished files, and what no snapshot needs; without knowing what is needed, only the former.
pub fn sweep(state: &Path, needed: Option<&BTreeSet<String>>) -> Result<()> {
    let folders = match fs_err::read_dir(root(state)) {
        Ok(folders) => folders,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for folder in folders {
        for entry in fs_err::read_dir(folder?.path())? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let superfluous = needed.is_some_and(|needed| !needed.contains(&name));
            if name.starts_with(NEW) || superfluous {
                fs_err::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}
