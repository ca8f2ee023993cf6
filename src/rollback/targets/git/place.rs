//! One end of a switch: where the branch, the index and the files stand.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::area::Area;
use super::call::Call;
use super::entries::{self, Name};
use super::lock::Marker;
use super::repository::{Head, Repository, short};
use super::snapshot::{Snapshot, Untracked};
use super::switch::GitSwitch;
use crate::base::{Digest, Result};

/// One end of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The commit that the branch, or a detached HEAD, stands at; absent where only paths are switched.
    pub tip: Option<String>,
    /// The files and the index; absent where the branch is checked out nowhere.
    pub files: Option<Files>,
}

/// Files and index at one end. Only what lies in the switch's area counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// The tree that the files are.
    pub work: String,
    /// The tree that the index stands for.
    pub index: String,
    /// The digest of the index's entries.
    pub listing: Digest,
    /// A copy of the index, for putting it back with everything that it knows.
    pub image: Option<PathBuf>,
}

impl Place {
    /// In a few words.
    pub fn shown(&self) -> String {
        let tip = self.tip.as_deref().map(|tip| format!("commit {}", short(tip)));
        let files = self.files.as_ref().map(|files| format!("files as in tree {}", short(&files.work)));
        [tip, files].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// What stands in a switch's place.
#[derive(Debug)]
pub struct Look {
    /// The branch's commit.
    pub tip: Option<String>,
    /// Whether HEAD is still where the switch expects it.
    pub head: bool,
    /// The digest of the index's entries.
    pub listing: Option<Digest>,
    /// The files.
    pub snapshot: Option<Snapshot>,
    /// Whether the switch has begun and not ended.
    pub begun: bool,
}

impl Look {
    /// Looks; `scratch` gets private indices.
    pub fn take(switch: &GitSwitch, repository: &Repository, scratch: &Path) -> Result<Self> {
        let tip = match &switch.reference {
            Some(reference) => repository.reference(reference)?,
            None => None,
        };
        let head = match (&switch.reference, &switch.before.files) {
            (Some(reference), Some(_)) => match repository.head()? {
                Head::Branch(name) => name == *reference,
                Head::Detached => reference == "HEAD",
            },
            _ => true,
        };
        let (mut listing, mut snapshot) = (None, None);
        if let (Some(before), Some(after)) = (&switch.before.files, &switch.after.files) {
            listing = Some(entries::digest(&entries::of_index(repository, None, &switch.area)?));
            let names = may_be_untracked(repository, before, after, &switch.area)?;
            let untracked = Untracked::Only(&names);
            snapshot = Some(Snapshot::take(repository, &switch.area, untracked, scratch)?);
        }
        let begun = Marker::of(repository, &switch.tag).exists();
        Ok(Self { tip, head, listing, snapshot, begun })
    }

    /// Whether it is exactly this end.
    pub fn is(&self, place: &Place, repository: &Repository, area: &Area) -> Result<bool> {
        if !self.head || self.tip != place.tip {
            return Ok(false);
        }
        let (Some(files), Some(snapshot)) = (&place.files, &self.snapshot) else { return Ok(true) };
        Ok(self.listing.as_ref() == Some(&files.listing)
            && entries::differing(repository, &snapshot.tree, &files.work, area)?.is_empty())
    }

    /// Whether a switch that was interrupted can have left it so: the branch and the index at one end or the other,
    /// each file as at one of them, missing, or the beginning of what was being written.
    pub fn is_between(&self, switch: &GitSwitch, repository: &Repository) -> Result<bool> {
        let ends: [&Place; 2] = [&switch.before, &switch.after];
        if !self.begun || !self.head || !ends.iter().any(|place| place.tip == self.tip) {
            return Ok(false);
        }
        let (Some(snapshot), [Some(before), Some(after)]) =
            (&self.snapshot, ends.map(|place| place.files.as_ref()))
        else {
            return Ok(true);
        };
        if ![before, after].iter().any(|files| self.listing.as_ref() == Some(&files.listing)) {
            return Ok(false);
        }
        let other_than_before = entries::differing(repository, &snapshot.tree, &before.work, &switch.area)?;
        let other_than_after = entries::differing(repository, &snapshot.tree, &after.work, &switch.area)?;
        for name in other_than_before.intersection(&other_than_after) {
            if !is_torn(repository, name, [before, after])? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// In a few words.
    pub fn shown(&self) -> String {
        let place = Place {
            tip: self.tip.clone(),
            files: self.snapshot.as_ref().map(|snapshot| Files {
                work: snapshot.tree.clone(),
                index: String::new(),
                listing: Digest::of(b""),
                image: None,
            }),
        };
        let moved = if self.head { "" } else { ", and HEAD is elsewhere" };
        format!("{}{moved}", place.shown())
    }
}

/// Files that an index may not know at one end or the other.
fn may_be_untracked(
    repository: &Repository,
    before: &Files,
    after: &Files,
    area: &Area,
) -> Result<BTreeSet<Name>> {
    let mut names = entries::differing(repository, &before.work, &after.work, area)?;
    names.extend(entries::differing(repository, &before.work, &before.index, area)?);
    names.extend(entries::differing(repository, &after.work, &after.index, area)?);
    Ok(names)
}

/// Whether a file is missing, or is the beginning of what stands there at one end: git writes files in place.
fn is_torn(repository: &Repository, name: &Name, ends: [&Files; 2]) -> Result<bool> {
    use std::os::unix::ffi::OsStrExt as _;
    let path = repository.top.join(Path::new(std::ffi::OsStr::from_bytes(name)));
    let Ok(metadata) = path.symlink_metadata() else { return Ok(true) };
    let (true, Ok(text)) = (metadata.is_file(), std::str::from_utf8(name)) else { return Ok(false) };
    let found = fs_err::read(&path)?;
    for files in ends {
        let whole =
            Call::new(["cat-file", "--filters", "--end-of-options"]).with(format!("{}:{text}", files.work));
        if repository.run(&whole).is_ok_and(|output| output.stdout.starts_with(&found)) {
            return Ok(true);
        }
    }
    Ok(false)
}
