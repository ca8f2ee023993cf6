//! Copies of whole folders, and putting one in another's place at once.

use rustix::fs::{CWD, RenameFlags};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::process::Invocation;
use crate::base::{Error, ErrorCode, Result, fault, file};

/// Copies a folder with everything that belongs to it: modes, times, links. Blocks are shared where that is possible.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    remove(to)?;
    let text = |path: &Path| path.display().to_string();
    let argv = ["cp", "--archive", "--reflink=auto", "--no-target-directory", "--"].map(str::to_owned);
    let argv = argv.into_iter().chain([text(from), text(to)]).collect();
    let output = Invocation::new(argv).timeout(Duration::from_secs(540)).run()?;
    if !output.success() {
        let message = format!("cannot copy {}: {}", from.display(), output.last_words());
        return Err(Error::new(ErrorCode::Io, message).hint("is there room for a second copy?"));
    }
    Ok(())
}

/// Puts a copy of `kept` in the place of `live` at one instant. May be repeated after a crash anywhere in it.
pub fn put_back(kept: &Path, live: &Path) -> Result<()> {
    let beside = beside(live)?;
    copy(kept, &beside)?;
    // What is half copied must not be put in place by the next boot.
    sync(&beside)?;
    fault::point("pip-environment:before-exchange");
    let moved = if live.symlink_metadata().is_ok() {
        rustix::fs::renameat_with(CWD, &beside, CWD, live, RenameFlags::EXCHANGE)
    } else {
        rustix::fs::renameat_with(CWD, &beside, CWD, live, RenameFlags::NOREPLACE)
    };
    moved.map_err(|error| Error::io(format!("cannot put {} back", live.display()), error.into()))?;
    file::sync_directory(file::parent(live))?;
    fault::point("pip-environment:after-exchange");
    remove(&beside)
}

fn beside(live: &Path) -> Result<PathBuf> {
    let name = live.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.ok_or_else(|| Error::new(ErrorCode::NotPermitted, "an environment without a name"))?;
    Ok(file::parent(live).join(format!(".irctl-environment.{name}")))
}

fn remove(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        fs_err::remove_dir_all(path)?;
    }
    Ok(())
}

/// Forces the file system to disk: one call for thousands of small files.
fn sync(folder: &Path) -> Result<()> {
    let folder = fs_err::File::open(folder)?;
    rustix::fs::syncfs(folder.file())
        .map_err(|error| Error::io("cannot force the copy to disk", error.into()))
}
