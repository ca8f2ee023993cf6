//! The journal: append-only lines, each forced to disk before anything else happens.

use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::ending::Ending;
use super::record::{Record, RecordKind};
use crate::base::digest::Digest;
use crate::base::host::{Liveness, ProcessIdentity};
use crate::base::{Error, ErrorCode, Result, fault, file};

/// The largest journal that is read.
const LIMIT: u64 = 64 * 1024 * 1024;

/// An open journal. Dropping it loses nothing: every line is already on disk.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: fs_err::File,
    sequence: u64,
    previous: Digest,
}

impl Journal {
    /// Starts the journal of a new operation; `plan` is the digest of its pinned plan.
    pub fn create(path: &Path, plan: &Digest) -> Result<Self> {
        use fs_err::os::unix::fs::OpenOptionsExt as _;
        let file = fs_err::OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        file::sync_directory(file::parent(path))?;
        Ok(Self { path: path.to_path_buf(), file, sequence: 0, previous: plan.clone() })
    }

    /// Opens a journal to go on with it: checks its chain and cuts off a last line that a crash tore.
    pub fn reopen(path: &Path, plan: &Digest) -> Result<(Self, Vec<Record>)> {
        let (records, previous, whole) = read_checked(path, plan)?;
        let file = fs_err::OpenOptions::new().append(true).open(path)?;
        if file.metadata()?.len() > whole {
            file.set_len(whole)?;
            file::sync_file(file.file())?;
        }
        let sequence = records.last().map_or(0, |record| record.sequence);
        Ok((Self { path: path.to_path_buf(), file, sequence, previous }, records))
    }

    /// Writes a line and forces it to disk.
    pub fn append(&mut self, at: DateTime<Utc>, kind: RecordKind) -> Result<()> {
        let record = Record { sequence: self.sequence + 1, at, previous: self.previous.clone(), kind };
        let mut line = serde_json::to_vec(&record)
            .map_err(|error| Error::new(ErrorCode::Bug, format!("a journal line: {error}")))?;
        self.previous = Digest::of(&line);
        self.sequence = record.sequence;
        line.push(b'\n');
        let failed = |error| Error::io(format!("cannot write the journal {}", self.path.display()), error);
        fault::point("journal:before-write");
        self.file.write_all(&line).map_err(failed)?;
        fault::point("journal:before-fsync");
        file::sync_file(self.file.file())?;
        fault::point("journal:after-fsync");
        Ok(())
    }
}

/// The lines of a journal, its chain checked; a torn last line is left out.
pub fn read(path: &Path, plan: &Digest) -> Result<Vec<Record>> {
    read_checked(path, plan).map(|(records, ..)| records)
}

/// The records, the digest of the last line, and the length of what is whole.
fn read_checked(path: &Path, plan: &Digest) -> Result<(Vec<Record>, Digest, u64)> {
    let bytes = file::read_limited(path, LIMIT)?;
    let mut records: Vec<Record> = Vec::new();
    let mut previous = plan.clone();
    let mut whole = 0_u64;
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        let last = lines.peek().is_none();
        let Some(body) = line.strip_suffix(b"\n") else { break };
        let expected = records.len() as u64 + 1;
        let record = match serde_json::from_slice::<Record>(body) {
            Ok(record) if record.previous == previous && record.sequence == expected => record,
            Err(_) if is_next(body, &previous, expected) => return Err(unknown(path, expected)),
            // What a crash left of the last line was never acted upon: the act comes after the line is whole.
            Err(_) if last => break,
            Ok(_) | Err(_) => return Err(broken(path, expected)),
        };
        previous = Digest::of(body);
        whole += line.len() as u64;
        records.push(record);
    }
    Ok((records, previous, whole))
}

/// Whether a line that says what this irctl does not know is whole and in its place: no crash tore it.
fn is_next(body: &[u8], previous: &Digest, expected: u64) -> bool {
    #[derive(serde::Deserialize)]
    struct Place {
        sequence: u64,
        previous: Digest,
    }
    serde_json::from_slice::<Place>(body)
        .is_ok_and(|place| place.sequence == expected && place.previous == *previous)
}

fn unknown(path: &Path, line: u64) -> Error {
    Error::new(ErrorCode::StoreTooNew, format!("{} line {line} was written by a newer irctl", path.display()))
        .hint("go on with that irctl")
}

fn broken(path: &Path, line: u64) -> Error {
    Error::new(
        ErrorCode::ChainBroken,
        format!("{} line {line} does not follow from the line before it", path.display()),
    )
    .hint("somebody changed the journal; look at what stands in place by hand before anything else")
}

/// What a journal says has happened so far.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Steps whose act is complete.
    pub done: BTreeSet<String>,
    /// Steps with an intent but no outcome.
    pub intended: BTreeSet<String>,
    /// Steps that ever meant to act.
    pub touched: BTreeSet<String>,
    /// Why steps are being undone, if they are.
    pub undoing: Option<String>,
    /// How it ended, if it ended.
    pub ended: Option<(Ending, String)>,
    /// When it began.
    pub began_at: Option<DateTime<Utc>>,
    /// When the last line was written.
    pub last_at: Option<DateTime<Utc>>,
    /// How long it took, if it ended.
    pub duration_ms: Option<u64>,
    /// Who runs it, or ran it last.
    pub process: Option<ProcessIdentity>,
    /// Children that were started and not seen to end.
    pub children: Vec<(ProcessIdentity, String)>,
    /// The newest failure.
    pub failure: Option<(String, String)>,
}

impl Progress {
    /// Folds a journal.
    pub fn of(records: &[Record]) -> Self {
        let mut progress = Progress::default();
        for record in records {
            progress.take(&record.kind, record.at);
        }
        progress
    }

    /// Takes one more line in.
    pub fn take(&mut self, kind: &RecordKind, at: DateTime<Utc>) {
        self.began_at.get_or_insert(at);
        self.last_at = Some(at);
        match kind {
            RecordKind::Began { process, .. } => self.process = Some(process.clone()),
            RecordKind::Resumed { process, .. } => {
                self.process = Some(process.clone());
                (self.ended, self.failure, self.duration_ms) = (None, None, None);
            }
            RecordKind::Intent { step, .. } => {
                self.intended.insert(step.clone());
                self.touched.insert(step.clone());
            }
            RecordKind::Outcome { step, undo, failure, .. } => {
                self.outcome(step, *undo, failure.as_deref());
            }
            RecordKind::Child { process, program, .. } => {
                self.children.push((process.clone(), program.clone()));
            }
            RecordKind::ChildEnded { pid, .. } => self.children.retain(|(child, _)| child.pid != *pid),
            RecordKind::Undoing { reason } => self.undoing = Some(reason.clone()),
            RecordKind::Note { .. } => {}
            RecordKind::Ended { ending, summary, duration_ms } => {
                self.ended = Some((*ending, summary.clone()));
                self.duration_ms = Some(*duration_ms);
            }
        }
    }

    fn outcome(&mut self, step: &str, undo: bool, failure: Option<&str>) {
        self.intended.remove(step);
        match failure {
            Some(failure) => self.failure = Some((step.to_owned(), failure.to_owned())),
            None if undo => {
                self.done.remove(step);
                self.touched.remove(step);
            }
            None => {
                self.done.insert(step.to_owned());
            }
        }
    }

    /// Whether it is neither ended nor beyond resuming.
    pub fn is_open(&self) -> bool {
        self.ended.as_ref().is_none_or(|(ending, _)| ending.is_open())
    }

    /// Whether its process still runs.
    pub fn is_running(&self) -> bool {
        self.ended.is_none()
            && self.process.as_ref().is_some_and(|process| process.liveness() == Liveness::Alive)
    }

    /// A child that still runs, or may: the operation must not go on beside it.
    pub fn living_child(&self) -> Option<&(ProcessIdentity, String)> {
        self.children.iter().find(|(process, _)| process.liveness() != Liveness::Dead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::parse_instant;

    fn journal(directory: &Path) -> (PathBuf, Digest, DateTime<Utc>) {
        let at = parse_instant("2026-11-20T03:07:00Z").unwrap();
        let (path, plan) = (directory.join("journal.jsonl"), Digest::of(b"plan"));
        let mut journal = Journal::create(&path, &plan).unwrap();
        for text in ["one", "two", "three"] {
            journal.append(at, RecordKind::Note { text: text.into() }).unwrap();
        }
        (path, plan, at)
    }

    #[test]
    fn a_torn_last_line_is_cut_off_wherever_it_is_torn() {
        let directory = tempfile::tempdir().unwrap();
        let (path, plan, at) = journal(directory.path());
        let whole = fs_err::read(&path).unwrap();
        let third = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        for length in third..whole.len() {
            fs_err::write(&path, &whole[..length]).unwrap();
            assert_eq!(read(&path, &plan).unwrap().len(), 2, "cut at {length}");
            let (mut journal, records) = Journal::reopen(&path, &plan).unwrap();
            assert_eq!(records.len(), 2);
            journal.append(at, RecordKind::Note { text: "again".into() }).unwrap();
            assert_eq!(read(&path, &plan).unwrap().len(), 3);
        }
    }

    #[test]
    fn what_a_newer_irctl_wrote_last_is_not_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let (path, plan, at) = journal(directory.path());
        let (mut writing, records) = Journal::reopen(&path, &plan).unwrap();
        writing.append(at, RecordKind::Note { text: "four".into() }).unwrap();
        let text = fs_err::read_to_string(&path).unwrap();
        let (before, last) = text.split_at(text.trim_end().rfind('\n').unwrap() + 1);
        let newer = format!("{before}{}", last.replace("{\"note\":{\"text\"", "{\"witnessed\":{\"by\""));
        assert_ne!(newer, text);
        fs_err::write(&path, &newer).unwrap();
        assert_eq!(Journal::reopen(&path, &plan).unwrap_err().code, ErrorCode::StoreTooNew);
        assert_eq!(
            fs_err::read_to_string(&path).unwrap(),
            newer,
            "it is still there, all {} of it",
            records.len()
        );
    }

    #[test]
    fn a_changed_line_or_plan_breaks_the_chain() {
        let directory = tempfile::tempdir().unwrap();
        let (path, plan, _) = journal(directory.path());
        let text = fs_err::read_to_string(&path).unwrap();
        assert_eq!(read(&path, &Digest::of(b"other")).unwrap_err().code, ErrorCode::ChainBroken);
        for (from, to) in [("\"one\"", "\"One\""), ("\"two\"", "\"Two\"")] {
            fs_err::write(&path, text.replace(from, to)).unwrap();
            assert_eq!(read(&path, &plan).unwrap_err().code, ErrorCode::ChainBroken);
        }
        let without_second: String =
            text.lines().enumerate().filter(|(n, _)| *n != 1).map(|(_, line)| format!("{line}\n")).collect();
        fs_err::write(&path, without_second).unwrap();
        assert_eq!(read(&path, &plan).unwrap_err().code, ErrorCode::ChainBroken);
    }
}
