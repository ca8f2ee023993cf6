//! Finding processes by what they exactly are.

use std::path::{Path, PathBuf};

use super::this;
use crate::base::host::{self, ProcessIdentity};
use crate::base::{Error, ErrorCode, Result};
use crate::rollback::adapters::{Given, Request};

/// Programs that run other programs: their path alone says nothing of what runs.
const INTERPRETERS: [&str; 15] = [
    "python", "pypy", "sh", "bash", "dash", "zsh", "busybox", "perl", "ruby", "node", "java", "php", "lua",
    "env", "dotnet",
];

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    executable: PathBuf,
    arguments: Vec<String>,
    directory: Option<PathBuf>,
    /// Its arguments name a script only together with the folder in which it was started.
    relative: bool,
    root: PathBuf,
}

impl Wanted {
    /// Reads the parameters.
    ///
    /// # Errors
    /// An interpreter without arguments, and parameters of the wrong kind.
    pub fn of(request: &Request) -> Result<Self> {
        let given = Given(request);
        let written = given.path("executable")?;
        // The kernel knows the file behind the links: a virtual environment's python is the system's.
        let executable = written.canonicalize().unwrap_or(written);
        let arguments = given.list("arguments")?;
        if arguments.is_empty() && is_interpreter(&executable) {
            let message =
                format!("{} runs many programs: its path alone is too broad a name", executable.display());
            return Err(Error::new(ErrorCode::NotPermitted, message)
                .hint("add `arguments:` with the script, word for word, as `ps -o args` shows it"));
        }
        let directory = given.path_if("directory")?;
        let directory = directory.map(|directory| directory.canonicalize().unwrap_or(directory));
        let relative = is_interpreter(&executable) && !arguments.iter().any(|one| one.starts_with('/'));
        let root = request.root.canonicalize().unwrap_or_else(|_| request.root.clone());
        Ok(Self { executable, arguments, directory, relative, root })
    }

    /// The folder it works in.
    pub fn directory(&self) -> &Path {
        self.directory.as_deref().unwrap_or(&self.root)
    }

    /// For people.
    pub fn shown(&self) -> String {
        let arguments: String = self.arguments.iter().map(|argument| format!(" {argument}")).collect();
        format!("{}{arguments}", self.executable.display())
    }
}

fn is_interpreter(executable: &Path) -> bool {
    let name = executable.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    INTERPRETERS.contains(&plain)
}

/// The processes that are exactly that, sorted by number.
pub fn running(wanted: &Wanted) -> Vec<ProcessIdentity> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut found: Vec<_> = numbers.filter_map(|number| matching(wanted, number)).collect();
    found.sort_by_key(|process| process.pid);
    found
}

fn matching(wanted: &Wanted, number: u32) -> Option<ProcessIdentity> {
    // Who it is comes first and is asked again at the end: the number may change hands in between.
    let process = host::identity(number);
    if process.started == 0 || !is(wanted, number) {
        return None;
    }
    (host::identity(number) == process).then_some(process)
}

fn is(wanted: &Wanted, number: u32) -> bool {
    let folder = PathBuf::from(format!("/proc/{number}"));
    let Ok(executable) = std::fs::read_link(folder.join("exe")) else { return false };
    if undeleted(&executable) != wanted.executable {
        return false;
    }
    if !wanted.arguments.is_empty() {
        let Ok(line) = std::fs::read(folder.join("cmdline")) else { return false };
        let mut arguments = line.split(|byte| *byte == 0).skip(1);
        if !wanted.arguments.iter().all(|wanted| arguments.next() == Some(wanted.as_bytes())) {
            return false;
        }
    }
    let works_in =
        |fits: &dyn Fn(&Path) -> bool| std::fs::read_link(folder.join("cwd")).is_ok_and(|place| fits(&place));
    match &wanted.directory {
        Some(directory) => works_in(&|place| place == directory),
        // `python serve.py` runs in many a workspace; only this one's is meant.
        None if wanted.relative => works_in(&|place| place.starts_with(&wanted.root)),
        None => true,
    }
}

/// A file that was replaced since the process began is shown with this at its end: just the ones to stop.
fn undeleted(path: &Path) -> PathBuf {
    let text = path.to_string_lossy();
    text.strip_suffix(" (deleted)").map_or_else(|| path.to_path_buf(), PathBuf::from)
}

/// Why a process must not be stopped, if that is so.
pub fn untouchable(process: &ProcessIdentity) -> Option<String> {
    if process.pid == 1 {
        return Some("process 1 keeps the system alive".to_owned());
    }
    let mut ancestor = Some(this().pid);
    while let Some(number) = ancestor.filter(|number| *number > 1) {
        if number == process.pid {
            return Some(format!("process {number} is irctl, or what started it"));
        }
        ancestor = parent(number);
    }
    None
}

fn parent(number: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters_are_known_with_their_versions() {
        for name in ["/usr/bin/python3.11", "/bin/sh", "/usr/bin/java", "/opt/node", "/usr/bin/perl5.36.0"] {
            assert!(is_interpreter(Path::new(name)), "{name}");
        }
        for name in ["/usr/local/bin/rebalancer", "/usr/bin/shutdown", "/usr/sbin/nginx"] {
            assert!(!is_interpreter(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn who_started_this_must_not_be_stopped() {
        assert!(untouchable(&this()).is_some());
        let parent = host::identity(parent(std::process::id()).unwrap());
        assert!(untouchable(&parent).is_some());
    }

    #[test]
    fn a_replaced_executable_is_still_itself() {
        assert_eq!(undeleted(Path::new("/a/b (deleted)")), Path::new("/a/b"));
        assert_eq!(undeleted(Path::new("/a/b")), Path::new("/a/b"));
    }
}
