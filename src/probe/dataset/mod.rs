//! Tables on disk, whatever their format: opened by content, read once, in batches of the columns somebody wants.

mod ahead;
mod batch;
mod csv;
mod date;
mod identity;
mod json_lines;
mod parquet;
mod parquet_column;
mod parquet_groups;
mod text;

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::pattern::nearest;
use crate::base::{Digest, Error, ErrorCode, Result};
pub(super) use batch::{Batch, Kind, NO_DAY, NO_WORD, Unreadable, Want, Words};
pub(super) use identity::Identity;

/// How many rows are handed on at once: few enough for the columns of a batch to stay in the processor's cache.
const BATCH_ROWS: usize = 8192;

/// What a file is, by its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Nothing at all.
    Empty,
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// Its name, for people.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Format::Empty => "empty",
            Format::Csv => "CSV",
            Format::JsonLines => "JSON lines",
            Format::Parquet => "Parquet",
        }
    }
}

/// An open table.
pub(super) struct Dataset {
    path: PathBuf,
    file: std::fs::File,
    identity: Identity,
    format: Format,
    columns: Vec<String>,
    source: Source,
}

enum Source {
    Empty,
    Csv,
    JsonLines,
    Parquet(Box<parquet::Opened>),
}

/// What one pass over a table saw.
#[derive(Debug, Clone)]
pub(super) struct Pass {
    /// What the file is.
    pub(super) format: Format,
    /// How many rows it has.
    pub(super) rows: u64,
    /// Its content: the SHA-256 of its bytes; of a Parquet file over [`parquet::WHOLE`] bytes, of its size and footer.
    pub(super) digest: Digest,
    /// The names of its columns.
    pub(super) columns: Vec<String>,
    /// Values that could not be read as what they were wanted as.
    pub(super) unreadable: Vec<(Want, Unreadable)>,
}

impl Pass {
    /// Why a column cannot be used for what it was wanted for; `None` if it can.
    pub(super) fn objection(&self, want: &Want) -> Option<String> {
        if !self.columns.contains(&want.column) {
            return Some(absent(&want.column, &self.columns));
        }
        let (_, unreadable) = self.unreadable.iter().find(|(other, _)| other == want)?;
        let first = unreadable.first.as_ref()?;
        Some(format!(
            "{} of the values of `{}` cannot be read as {}: the first is {} in row {}",
            unreadable.count,
            want.column,
            want.kind.as_str(),
            first.1,
            first.0,
        ))
    }
}

/// That there is no such column, and which one may have been meant.
fn absent(column: &str, columns: &[String]) -> String {
    let known = columns.iter().map(String::as_str);
    match nearest(column, known) {
        Some(near) => format!("there is no column `{column}`; did you mean `{near}`?"),
        None => format!("there is no column `{column}`; there are: {}", columns.join(", ")),
    }
}

impl Dataset {
    /// Opens a table and reads as much of it as is needed to know its format and columns.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let failed = |error| Error::io(path.display().to_string(), error);
        let metadata = std::fs::metadata(path).map_err(failed)?;
        // Opening a pipe would wait for a writer.
        if !metadata.is_file() {
            let what = if metadata.is_dir() { "a directory" } else { "not a regular file" };
            return Err(Error::new(ErrorCode::InvalidData, format!("{} is {what}", path.display())));
        }
        let mut file = std::fs::File::open(path).map_err(failed)?;
        let identity = Identity::of_file(&file)?;
        let format = recognise(&mut file, identity.size)?;
        let (columns, source) = match format {
            Format::Empty => (Vec::new(), Source::Empty),
            Format::Csv => (csv::columns(&mut file)?, Source::Csv),
            Format::JsonLines => (json_lines::columns(&mut file)?, Source::JsonLines),
            Format::Parquet => {
                let opened = parquet::Opened::new(&file)?;
                (opened.columns(), Source::Parquet(Box::new(opened)))
            }
        };
        Ok(Self { path: path.to_owned(), file, identity, format, columns, source })
    }

    /// The names of its columns.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Whether the file at its path is another one than when it was opened, or has been written to.
    pub(super) fn changed(&self) -> bool {
        let now = [Identity::of_file(&self.file).ok(), Identity::of_path(&self.path).ok()];
        now.iter().any(|identity| identity.as_ref() != Some(&self.identity))
    }

    /// Reads it to its end, once, and hands on batches of the columns that are wanted and exist.
    pub(super) fn read(&mut self, wants: &[Want], take: &mut dyn FnMut(&Batch)) -> Result<Pass> {
        let wants = wants.iter().filter(|want| self.columns.contains(&want.column));
        let mut batch = Batch::new(wants.cloned());
        self.file.seek(SeekFrom::Start(0)).map_err(|error| Error::io("cannot read", error))?;
        let (rows, digest) = match &mut self.source {
            Source::Empty => (0, Digest::of(b"")),
            Source::Csv => csv::read(&mut self.file, self.identity.size, &mut batch, take)?,
            Source::JsonLines => json_lines::read(&mut self.file, &mut batch, take)?,
            Source::Parquet(opened) => {
                let rows = opened.read(&mut batch, take)?;
                (rows, parquet::digest(&mut self.file, self.identity.size)?)
            }
        };
        Ok(Pass {
            format: self.format,
            rows,
            digest,
            columns: self.columns.clone(),
            unreadable: batch.unreadable(),
        })
    }
}

/// A name that stands twice.
fn duplicate(names: &[String]) -> Option<&String> {
    names
        .iter()
        .enumerate()
        .find(|(at, name)| names.iter().take(*at).any(|other| other == *name))
        .map(|(_, n)| n)
}

const MAGIC: &[u8] = b"PAR1";

/// What the bytes at both ends say that the file is.
fn recognise(file: &mut std::fs::File, size: u64) -> Result<Format> {
    let io = |error| Error::io("cannot read", error);
    let mut head = Vec::new();
    file.by_ref().take(4096).read_to_end(&mut head).map_err(io)?;
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(size.saturating_sub(4))).map_err(io)?;
    file.by_ref().take(4).read_to_end(&mut tail).map_err(io)?;
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    let wrong = |what: &str| Err(Error::new(ErrorCode::InvalidData, what.to_owned()));
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    if head.is_empty() {
        Ok(Format::Empty)
    } else if head.starts_with(MAGIC) {
        if size < 12 || tail != MAGIC {
            wrong("the Parquet file is cut off: it has no footer")
        } else {
            Ok(Format::Parquet)
        }
    } else if head.starts_with(b"PARE") {
        wrong("the Parquet file is encrypted")
    } else if head.starts_with(b"\x1f\x8b")
        || head.starts_with(b"\x28\xb5\x2f\xfd")
        || head.starts_with(b"PK\x03\x04")
    {
        wrong("the file is compressed: CSV, JSON lines or Parquet can be read")
    } else if head.contains(&0) {
        wrong("the file is neither Parquet nor text (it has NUL bytes)")
    } else if first == Some(&b'{') {
        Ok(Format::JsonLines)
    } else if first == Some(&b'[') {
        wrong("the file is a JSON array: one object a line is needed (JSON lines)")
    } else if first.is_none() {
        Ok(Format::Empty)
    } else {
        Ok(Format::Csv)
    }
}
