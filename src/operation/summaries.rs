//! Summaries of operations that have ended, so that a long history is not read again for every plan.
//!
//! One line for each: a checksum, what its plan and its journal are known by, and the summary. A line that a crash tore
//! does not agree with its checksum, and the operation is read again; so nothing here is ever waited for to be on disk.
//! The files of an operation that changed within two seconds are not remembered: a later change might leave no trace.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::directory;
use super::listing::Listed;
use crate::base::{Digest, file};

/// The file in the state directory; another format is another name.
const NAME: &str = "summaries.1";

/// The most that is read, in bytes.
const LIMIT: u64 = 256 * 1024 * 1024;

/// Digits of a checksum.
const CHECKSUM: usize = 16;

/// What the plan and the journal of an operation are known by: device, inode, length, modification and change time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity([[i64; 7]; 2]);

impl Identity {
    /// Of an operation whose files have both been left alone for a while; none otherwise.
    pub fn of(state: &Path, id: &str) -> Option<Self> {
        let folder = directory::root(state).join(id);
        let one = |name: &str| {
            let found = folder.join(name).symlink_metadata().ok().filter(std::fs::Metadata::is_file)?;
            let number = |number: u64| i64::from_ne_bytes(number.to_ne_bytes());
            file::settled(&found).then(|| {
                [
                    number(found.dev()),
                    number(found.ino()),
                    number(found.size()),
                    found.mtime(),
                    found.mtime_nsec(),
                    found.ctime(),
                    found.ctime_nsec(),
                ]
            })
        };
        Some(Self([one("plan.json")?, one("journal.jsonl")?]))
    }
}

#[derive(Serialize, Deserialize)]
struct Line {
    files: Identity,
    listed: Listed,
}

/// What is known of operations that have ended.
pub struct Summaries {
    path: PathBuf,
    known: HashMap<String, Line>,
    /// How many lines the file has, and how many of them are of use.
    lines: usize,
    learnt: Vec<u8>,
}

impl Summaries {
    /// What a state directory knows. A file that is missing or damaged is as good as none.
    pub fn open(state: &Path) -> Self {
        let path = state.join(NAME);
        let bytes = file::read_limited(&path, LIMIT).unwrap_or_default();
        let mut known = HashMap::new();
        let mut lines = 0;
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            lines += 1;
            if let Some(line) = read(line) {
                known.insert(line.listed.summary.id.clone(), line);
            }
        }
        Self { path, known, lines, learnt: Vec::new() }
    }

    /// The summary of an operation whose files are as they were.
    pub fn get(&self, id: &str, identity: &Identity) -> Option<Listed> {
        self.known.get(id).filter(|line| line.files == *identity).map(|line| line.listed.clone())
    }

    /// Remembers the summary of an operation that has ended.
    pub fn learn(&mut self, identity: &Identity, listed: &Listed) {
        let line = Line { files: identity.clone(), listed: listed.clone() };
        if let Ok(text) = serde_json::to_vec(&line) {
            write(&mut self.learnt, &text);
            self.lines += 1;
            self.known.insert(listed.summary.id.clone(), line);
        }
    }

    /// Keeps what was learnt. That it cannot be kept costs time the next time, and nothing else.
    pub fn keep(self) {
        if self.learnt.is_empty() {
            return;
        }
        let many = self.lines > 2 * self.known.len() + 100;
        let kept = if many { self.rewrite() } else { self.append() };
        if let Err(error) = kept {
            tracing::debug!("{}: {error}", self.path.display());
        }
    }

    fn append(&self) -> std::io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut file = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        // The line before may be torn.
        file.write_all(&[b"\n", self.learnt.as_slice()].concat())
    }

    fn rewrite(&self) -> std::io::Result<()> {
        let mut all = Vec::new();
        for line in self.known.values() {
            write(&mut all, &serde_json::to_vec(line)?);
        }
        let mut file = tempfile::Builder::new().prefix(".irctl-").tempfile_in(file::parent(&self.path))?;
        file.write_all(&all)?;
        file.persist(&self.path).map(|_| ()).map_err(|error| error.error)
    }
}

fn checksum(text: &[u8]) -> String {
    Digest::of(text).hex().chars().take(CHECKSUM).collect()
}

fn write(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(checksum(text).as_bytes());
    out.push(b' ');
    out.extend_from_slice(text);
    out.push(b'\n');
}

fn read(line: &[u8]) -> Option<Line> {
    let (sum, text) = line.split_at_checked(CHECKSUM)?;
    let text = text.strip_prefix(b" ")?;
    (checksum(text).as_bytes() == sum).then(|| serde_json::from_slice(text).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::parse_instant;
    use crate::operation::directory::{Directory, Pinned};
    use crate::operation::ending::Ending;
    use crate::operation::listing;
    use crate::operation::record::RecordKind;
    use crate::store::Actor;

    fn operation(state: &Path, ended: bool) -> Directory {
        let at = parse_instant("2026-11-20T03:07:00Z").unwrap();
        let directory = Directory::create(state, at).unwrap();
        let digest = Digest::of(b"model").to_string();
        let mut journal = directory
            .pin(&Pinned {
                format: Pinned::format(),
                id: directory.id.clone(),
                kind: "rollback".into(),
                service: "pricing".into(),
                created_at: at,
                actor: Actor::Automation,
                incident: None,
                reason: None,
                host: "here".into(),
                claims: Vec::new(),
                plan: serde_json::json!({"served": {"digest": digest}, "to": {"digest": digest}}),
                steps: Vec::new(),
                configuration: serde_json::Value::Null,
            })
            .unwrap();
        if ended {
            let summary = "back".to_owned();
            let kind = RecordKind::Ended { ending: Ending::Restored, summary, duration_ms: 7 };
            journal.append(at, kind).unwrap();
        }
        directory
    }

    /// A change time cannot be set back.
    fn settle() {
        std::thread::sleep(std::time::Duration::from_millis(2100));
    }

    fn known(state: &Path) -> usize {
        Summaries::open(state).known.len()
    }

    #[test]
    fn what_has_ended_is_read_once_and_again_when_its_files_change() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        let ended = operation(state, true);
        operation(state, false);
        let fresh = listing::list_all(state).unwrap();
        assert_eq!((fresh.len(), known(state)), (2, 0), "what changed just now is not remembered");
        settle();
        for _ in 0..3 {
            let all = listing::list_all(state).unwrap();
            assert_eq!(format!("{all:?}"), format!("{fresh:?}"));
            assert_eq!(known(state), 1, "what has not ended is not remembered");
        }
        assert_eq!(fresh[0].from, Some(Digest::of(b"model")));
        // Somebody changes its journal: the list says so again, whatever was known.
        let journal = ended.path.join("journal.jsonl");
        let text = fs_err::read_to_string(&journal).unwrap();
        fs_err::write(&journal, text.replace("\"back\"", "\"back?\"")).unwrap();
        assert!(listing::list_all(state).unwrap().iter().any(|one| one.summary.summary == "back?"));
    }

    #[test]
    fn a_torn_or_changed_line_is_as_good_as_none() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        operation(state, true);
        settle();
        let fresh = format!("{:?}", listing::list_all(state).unwrap());
        let kept = fs_err::read(state.join(NAME)).unwrap();
        for at in (0..kept.len()).step_by(41) {
            let mut changed = kept.clone();
            changed[at] ^= 1;
            for bytes in [&kept[..at], &changed[..]] {
                fs_err::write(state.join(NAME), bytes).unwrap();
                assert_eq!(format!("{:?}", listing::list_all(state).unwrap()), fresh, "{at}");
            }
        }
        // What is of no use is cleared away now and then.
        fs_err::write(state.join(NAME), "rubbish\n".repeat(300)).unwrap();
        listing::list_all(state).unwrap();
        assert!(fs_err::metadata(state.join(NAME)).unwrap().len() < 2000);
        assert_eq!(known(state), 1);
    }
}
