//! Questions to git about a work tree.

use chrono::{DateTime, Utc};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::git;
use crate::base::process::{Ending, Output};
use crate::probe::file;

/// The most of a listing that is read, in bytes.
const LISTING: usize = 256 * 1024 * 1024;

/// A work tree.
pub(super) struct Repository {
    top: PathBuf,
    timeout: Duration,
}

impl Repository {
    /// The work tree whose top is this folder. One that merely lies inside of another does not pass for it.
    pub fn open(folder: &Path, timeout: Duration) -> Result<Self, String> {
        let top = folder.canonicalize().map_err(|error| format!("cannot look at the folder: {error}"))?;
        let repository = Self { top, timeout };
        let output = repository.run(&["rev-parse", "--is-bare-repository"])?;
        if !output.success() {
            return Err(format!("it is no work tree of git: {}", output.last_words()));
        }
        if text(&output)? == "true" {
            return Err("it is a bare repository, without a work tree".to_owned());
        }
        Ok(repository)
    }

    fn run(&self, arguments: &[&str]) -> Result<Output, String> {
        let invocation = git::invocation(&self.top, [], arguments.iter().copied());
        let invocation = invocation.timeout(self.timeout).keep(LISTING);
        // Up from here there may be another repository, of which nobody asked.
        let above = self.top.parent().unwrap_or(&self.top).display().to_string();
        let output = invocation.environment("GIT_CEILING_DIRECTORIES", above).run();
        let output = output.map_err(|error| error.message)?;
        match output.ending {
            Ending::Exit(_) if output.truncated => Err("git printed more than is read".to_owned()),
            Ending::Exit(_) => Ok(output),
            ending => Err(format!("git ended with {ending}")),
        }
    }

    fn asked(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.run(arguments)?;
        if !output.success() {
            return Err(format!("git: {}", output.last_words()));
        }
        text(&output)
    }

    /// The commit that a name stands for; `None` if there is none.
    pub fn commit(&self, name: &str) -> Result<Option<String>, String> {
        let name = format!("{name}^{{commit}}");
        let output = self.run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &name])?;
        match output.ending {
            Ending::Exit(0) => text(&output).map(Some),
            Ending::Exit(1 | 128) => Ok(None),
            ending => Err(format!("git ended with {ending}: {}", output.last_words())),
        }
    }

    /// The branch that HEAD is on; `None` if it is detached.
    pub fn branch(&self) -> Result<Option<String>, String> {
        let output = self.run(&["symbolic-ref", "--quiet", "--short", "HEAD"])?;
        match output.ending {
            Ending::Exit(0) => text(&output).map(Some),
            Ending::Exit(1) => Ok(None),
            ending => Err(format!("git ended with {ending}: {}", output.last_words())),
        }
    }

    /// The name of the upstream of HEAD's branch; `None` if none is set. It need not exist.
    pub fn upstream(&self) -> Result<Option<String>, String> {
        let head = self.asked(&["symbolic-ref", "HEAD"])?;
        let upstream = self.asked(&["for-each-ref", "--format=%(upstream)", "--", &head])?;
        Ok(Some(upstream).filter(|upstream| !upstream.is_empty()))
    }

    /// How many commits only the one has, and only the other.
    pub fn apart(&self, head: &str, other: &str) -> Result<(usize, usize), String> {
        if head == other {
            return Ok((0, 0));
        }
        if self.asked(&["rev-parse", "--is-shallow-repository"])? != "false" {
            return Err("it is a shallow clone: the commits between the two are not all there".to_owned());
        }
        let counted = self.asked(&["rev-list", "--left-right", "--count", &format!("{head}...{other}")])?;
        let mut numbers = counted.split_whitespace().map(str::parse::<usize>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(ahead)), Some(Ok(behind))) => Ok((ahead, behind)),
            _ => Err(format!("git counts commits as `{}`", counted.escape_debug())),
        }
    }

    /// How many files differ from HEAD, untracked ones included; a folder with nothing but such ones counts once.
    pub fn dirty(&self, paths: &[String]) -> Result<usize, String> {
        let mut arguments = vec![
            "status",
            "--porcelain=v2",
            "-z",
            "--untracked-files=normal",
            "--ignore-submodules=none",
            "--",
        ];
        arguments.extend(paths.iter().map(String::as_str));
        let output = self.run(&arguments)?;
        if !output.success() {
            return Err(format!("git: {}", output.last_words()));
        }
        Ok(entries(&output.stdout))
    }

    /// When something was last fetched; `None` if git has noted nothing.
    pub fn fetched(&self) -> Result<Option<DateTime<Utc>>, String> {
        // A work tree notes its own fetches; those of the others are in the common folder and beside it.
        let mut times = Vec::new();
        for place in [&["rev-parse", "--git-path", "FETCH_HEAD"][..], &["rev-parse", "--git-common-dir"]] {
            let path = self.top.join(self.asked(place)?);
            let path = if path.ends_with("FETCH_HEAD") { path } else { path.join("FETCH_HEAD") };
            match std::fs::metadata(&path) {
                Ok(metadata) => times.extend(file::modified(&metadata)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("cannot look at {}: {error}", path.display())),
            }
        }
        Ok(times.into_iter().max())
    }
}

fn text(output: &Output) -> Result<String, String> {
    let text = std::str::from_utf8(&output.stdout).map_err(|_| "git printed no UTF-8".to_owned())?;
    Ok(text.trim_end_matches('\n').to_owned())
}

/// The entries of `git status --porcelain=v2 -z`: each ends with a NUL, a renamed one (`2`) has its old name behind it.
fn entries(listing: &[u8]) -> usize {
    let mut fields = listing.split(|byte| *byte == 0);
    let mut count = 0;
    while let Some(field) = fields.next() {
        match field.first() {
            None | Some(b'#' | b'!') => {}
            Some(kind) => {
                if *kind == b'2' {
                    fields.next();
                }
                count += 1;
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_counted_once() {
        assert_eq!(entries(b""), 0);
        let listing = b"1 .M N... 100644 100644 100644 a a x.txt\x002 R. N... 100644 100644 100644 a a R100 new\x00? old\x00\
                        ? a file\nwith a line\x00u UU x\x00";
        assert_eq!(entries(listing), 4);
    }
}
