//! Which file it is, and whether it has been written to.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::base::{Error, Result};

/// What changes when a file is replaced or written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::probe) struct Identity {
    device: u64,
    inode: u64,
    /// Length in bytes.
    pub(in crate::probe) size: u64,
    /// Seconds and nanoseconds of the last write, and of the last change of anything, which cannot be set back.
    written: (i64, i64),
    touched: (i64, i64),
}

impl Identity {
    fn new(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            written: (metadata.mtime(), metadata.mtime_nsec()),
            touched: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Of the file behind an open handle.
    pub(in crate::probe) fn of_file(file: &std::fs::File) -> Result<Self> {
        file.metadata().map(|metadata| Self::new(&metadata)).map_err(|error| Error::io("cannot read", error))
    }

    /// Of the file that stands at a path now.
    pub(in crate::probe) fn of_path(path: &Path) -> Result<Self> {
        std::fs::metadata(path)
            .map(|metadata| Self::new(&metadata))
            .map_err(|error| Error::io(path.display().to_string(), error))
    }
}
