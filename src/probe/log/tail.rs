//! The end of a log, as far back as is needed: from the file itself, and from the one that it was rotated to.

use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::probe::Outcome;

/// How much is read at first, in bytes; eight times as much each time that this does not reach back far enough.
const FIRST: u64 = 256 * 1024;

/// The end of a file.
pub(super) struct Part {
    /// Whole lines.
    pub bytes: Vec<u8>,
    /// Where they begin in the file.
    offset: u64,
    length: u64,
    path: PathBuf,
}

/// What there is of the file that the log was rotated to.
enum Rotated {
    /// The log itself reaches back far enough.
    NotNeeded,
    Read,
    Missing,
    Unreadable(String),
}

/// The end of a log, the oldest part first.
pub(super) struct Log {
    pub parts: Vec<Part>,
    rotated: Rotated,
    /// The place of the file that it is rotated to.
    place: PathBuf,
    most: u64,
}

impl Log {
    /// Reads the end of a log until `reaches` says of it that it begins early enough, `most` bytes are read, or there is
    /// nothing more. `places` are the log and the file that it is rotated to.
    pub fn read(places: &[PathBuf; 2], most: u64, reaches: impl Fn(&[u8]) -> bool) -> Result<Self, String> {
        // Somebody may rotate it just now: what was read may then be there twice, or not at all.
        for _ in 0..3 {
            if let Some(log) = Self::attempt(places, most, &reaches)? {
                return Ok(log);
            }
        }
        Err("was rotated or cut off each time that it was read".to_owned())
    }

    fn attempt(
        [path, place]: &[PathBuf; 2],
        most: u64,
        reaches: &impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Self>, String> {
        let (file, metadata) = open(path)?.ok_or("does not exist")?;
        let Some(part) = tail(path, &file, metadata.len(), most, reaches)? else { return Ok(None) };
        let enough = part.offset > 0 || reaches(&part.bytes);
        let left = most.saturating_sub(part.length);
        let mut log = Self { parts: vec![part], rotated: Rotated::NotNeeded, place: place.clone(), most };
        if !enough {
            match open(place) {
                Ok(None) => log.rotated = Rotated::Missing,
                Err(why) => log.rotated = Rotated::Unreadable(why),
                Ok(Some((_, older))) if identity(&older) == identity(&metadata) => return Ok(None),
                Ok(Some((file, older))) => match tail(place, &file, older.len(), left, reaches) {
                    Ok(None) => return Ok(None),
                    Err(why) => log.rotated = Rotated::Unreadable(why),
                    Ok(Some(part)) => {
                        log.parts.insert(0, part);
                        log.rotated = Rotated::Read;
                    }
                },
            }
        }
        let still = std::fs::metadata(path)
            .is_ok_and(|now| identity(&now) == identity(&metadata) && now.len() >= metadata.len());
        Ok(still.then_some(log))
    }

    /// Whether all that there is was read: nothing was left out and nothing was cut off, as far as can be seen.
    pub fn whole(&self) -> bool {
        let read = self.parts.iter().all(|part| part.offset == 0 && !part.has_hole());
        read && match self.rotated {
            Rotated::Unreadable(_) => false,
            Rotated::Missing => self.compressed().is_none(),
            Rotated::Read | Rotated::NotNeeded => true,
        }
    }

    /// Why nothing older was read.
    pub fn why_not_further(&self) -> String {
        if let Some(part) = self.parts.iter().find(|part| part.has_hole()) {
            return format!("{} was cut off while somebody wrote on: it begins with a hole", part.name());
        }
        if self.parts.iter().any(|part| part.offset > 0) {
            return format!("only the last {} MiB are read", self.most / 1024 / 1024);
        }
        let place = name(&self.place);
        match &self.rotated {
            Rotated::Unreadable(why) => format!("{place}: {why}"),
            Rotated::Read | Rotated::NotNeeded => format!("{place} begins there"),
            Rotated::Missing => match self.compressed() {
                Some(compressed) => format!("{} is compressed, and not read", name(&compressed)),
                None => {
                    format!(
                        "the log begins there and {place} does not exist: it is new, or was cut off or rotated away"
                    )
                }
            },
        }
    }

    /// The rotated file as logrotate compresses it.
    fn compressed(&self) -> Option<PathBuf> {
        ["gz", "xz", "zst", "bz2"].into_iter().find_map(|ending| {
            let mut place = self.place.clone().into_os_string();
            place.push(format!(".{ending}"));
            let place = PathBuf::from(place);
            place.exists().then_some(place)
        })
    }

    /// Says what was read, and what was not.
    pub fn report(&self, outcome: &mut Outcome) {
        for part in &self.parts {
            outcome.fact(
                "read",
                format!("{}: {} of {} bytes", part.name(), part.length - part.offset, part.length),
            );
            if part.has_hole() {
                outcome.problem(
                    None,
                    format!("{} begins with a hole: it was cut off while somebody wrote on", part.name()),
                );
            }
        }
        if let Rotated::Unreadable(why) = &self.rotated {
            outcome.problem(None, format!("{}: {why}", name(&self.place)));
        }
    }
}

impl Part {
    fn name(&self) -> String {
        name(&self.path)
    }

    /// Whether it begins with NULs: its writer went on where it was after somebody had emptied the file.
    fn has_hole(&self) -> bool {
        self.bytes.first() == Some(&0)
    }
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// A regular file, open for reading; `None` if there is none.
fn open(path: &Path) -> Result<Option<(File, Metadata)>, String> {
    // A pipe or a device in a file's place must not keep anybody waiting.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let opened = File::options().read(true).custom_flags(flags).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(Some((file, metadata))),
        Ok(_) => Err("is not a regular file".to_owned()),
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}

/// The last whole lines of a file of that length; `None` if it is shorter by now.
fn tail(
    path: &Path,
    file: &File,
    length: u64,
    most: u64,
    reaches: &impl Fn(&[u8]) -> bool,
) -> Result<Option<Part>, String> {
    let mut size = FIRST.min(most);
    loop {
        let offset = length.saturating_sub(size);
        let wanted = usize::try_from(length - offset).map_err(|_| "is too large".to_owned())?;
        let mut bytes = vec![0; wanted];
        match file.read_exact_at(&mut bytes, offset) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(format!("cannot be read: {error}")),
        }
        let mut part = Part { bytes, offset, length, path: path.to_path_buf() };
        if offset > 0 {
            // The first line is whole only where the file begins with it.
            let begin = memchr::memchr(b'\n', &part.bytes).map_or(part.bytes.len(), |at| at + 1);
            part.bytes.drain(..begin);
            part.offset += begin as u64;
        }
        if offset == 0 || size >= most || reaches(&part.bytes) {
            return Ok(Some(part));
        }
        size = size.saturating_mul(8).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(folder: &Path) -> [PathBuf; 2] {
        [folder.join("log"), folder.join("log.1")]
    }

    fn text(log: &Log) -> String {
        log.parts.iter().map(|part| String::from_utf8_lossy(&part.bytes).into_owned()).collect()
    }

    #[test]
    fn reads_back_only_as_far_as_needed() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        let lines: String = (0..200_000).map(|number| format!("{number:08}\n")).collect();
        fs_err::write(&places[0], &lines).unwrap();
        let late = Log::read(&places, 1 << 30, |bytes| bytes < &b"00199990"[..]).unwrap();
        assert!(text(&late).len() < 300_000 && !late.whole() && text(&late).ends_with("00199999\n"));
        assert!(lines.ends_with(&text(&late)), "whole lines");
        let all = Log::read(&places, 1 << 30, |bytes| bytes < &b"00000001"[..]).unwrap();
        assert!(all.whole() && text(&all) == lines);
        let limited = Log::read(&places, 1024 * 1024, |_| false).unwrap();
        assert!(!limited.whole() && limited.why_not_further() == "only the last 1 MiB are read");
    }

    #[test]
    fn goes_on_in_the_rotated_file() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        assert!(Log::read(&places, 1000, |_| false).err().unwrap().contains("does not exist"));
        fs_err::write(&places[0], "3\n").unwrap();
        let missing = Log::read(&places, 1000, |_| false).unwrap();
        assert!(missing.whole() && missing.why_not_further().contains("log.1 does not exist"));
        fs_err::write(folder.path().join("log.1.gz"), "x").unwrap();
        let compressed = Log::read(&places, 1000, |_| false).unwrap();
        assert!(!compressed.whole() && compressed.why_not_further().contains("log.1.gz is compressed"));
        fs_err::write(&places[1], "1\n2\n").unwrap();
        assert_eq!(text(&Log::read(&places, 1000, |_| false).unwrap()), "1\n2\n3\n");
        assert_eq!(text(&Log::read(&places, 1000, |bytes| bytes.starts_with(b"3")).unwrap()), "3\n");
        fs_err::remove_file(&places[1]).unwrap();
        fs_err::create_dir(&places[1]).unwrap();
        let folder_there = Log::read(&places, 1000, |_| false).unwrap();
        assert!(!folder_there.whole() && folder_there.why_not_further().contains("not a regular file"));
    }

    #[test]
    fn rotation_while_it_is_read_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        fs_err::write(&places[0], "1\n2\n").unwrap();
        // The first look at the text is when the log has been opened: it is rotated just then.
        let rotated = std::cell::Cell::new(false);
        let log = Log::read(&places, 1000, |_| {
            if !rotated.replace(true) {
                fs_err::rename(&places[0], &places[1]).unwrap();
                fs_err::write(&places[0], "3\n").unwrap();
            }
            false
        });
        assert_eq!(text(&log.unwrap()), "1\n2\n3\n", "each line once");
        // Copied and emptied, as `copytruncate` has it.
        let rotated = std::cell::Cell::new(false);
        let log = Log::read(&places, 1000, |_| {
            if !rotated.replace(true) {
                fs_err::copy(&places[0], &places[1]).unwrap();
                fs_err::write(&places[0], "").unwrap();
            }
            false
        });
        assert_eq!(text(&log.unwrap()), "3\n");
        let always = Log::read(&places, 1000, |_| {
            fs_err::remove_file(&places[0]).unwrap();
            fs_err::write(&places[0], "4\n").unwrap();
            false
        });
        assert!(always.err().unwrap().contains("each time"));
    }
}
