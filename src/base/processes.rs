//! Running processes, found by what they exactly are: the file that runs and the first arguments, never a part of a name.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::{Error, ErrorCode, Result};
use super::host::{self, ProcessIdentity};

/// Programs that run other programs: their path alone says nothing of what runs.
const INTERPRETERS: [&str; 15] = [
    "python", "pypy", "sh", "bash", "dash", "zsh", "busybox", "perl", "ruby", "node", "java", "php", "lua",
    "env", "dotnet",
];

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    executable: PathBuf,
    /// Its name as it was written: the kernel's short name of a process is that of the link it was started by.
    written: PathBuf,
    arguments: Vec<String>,
    directory: Option<PathBuf>,
    /// Its arguments name a script only together with the folder in which it was started.
    relative: bool,
    root: PathBuf,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The processes that are exactly that, sorted by number.
    pub running: Vec<ProcessIdentity>,
    /// Processes of other users that may be it: what they run may not be read.
    pub unreadable: Vec<u32>,
    /// Whether this user sees the processes of others at all.
    pub others_hidden: bool,
}

impl Wanted {
    /// Processes of an executable whose first arguments are these, word for word, and which work in that folder where
    /// one is named. A script that is named without its full path counts only below `root`.
    ///
    /// # Errors
    /// An interpreter without arguments.
    pub fn new(
        executable: &Path,
        arguments: Vec<String>,
        directory: Option<&Path>,
        root: &Path,
    ) -> Result<Self> {
        let written = executable.to_path_buf();
        // The kernel knows the file behind the links: a virtual environment's python is the system's.
        let executable = real(executable);
        if arguments.is_empty() && is_interpreter(&executable) {
            let message =
                format!("{} runs many programs: its path alone is too broad a name", executable.display());
            return Err(Error::new(ErrorCode::NotPermitted, message)
                .hint("add `arguments:` with the script, word for word, as `ps -o args` shows it"));
        }
        let relative = is_interpreter(&executable) && !arguments.iter().any(|one| one.starts_with('/'));
        Ok(Self {
            executable,
            written,
            arguments,
            directory: directory.map(real),
            relative,
            root: real(root),
        })
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

    /// Looks through the processes of this machine.
    pub fn look(&self) -> Found {
        let mut found = Found { others_hidden: !Path::new("/proc/1").exists(), ..Found::default() };
        let Ok(entries) = std::fs::read_dir("/proc") else {
            return Found { others_hidden: true, ..Found::default() };
        };
        for entry in entries.flatten() {
            let Some(number) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            // Who it is comes first and is asked again at the end: the number may change hands in between.
            let process = host::identity(number);
            if process.started == 0 {
                continue;
            }
            match self.is(number) {
                Some(false) => {}
                Some(true) if host::identity(number) == process => found.running.push(process),
                Some(true) => {}
                None => found.unreadable.push(number),
            }
        }
        found.running.sort_by_key(|process| process.pid);
        found.unreadable.sort_unstable();
        found
    }

    /// Whether a process is that; `None` where this user may not know.
    fn is(&self, number: u32) -> Option<bool> {
        let folder = PathBuf::from(format!("/proc/{number}"));
        if !self.has_arguments(&folder) {
            return Some(false);
        }
        match std::fs::read_link(folder.join("exe")) {
            Ok(executable) if undeleted(&executable) != self.executable => return Some(false),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return if self.bears_its_name(&folder) { None } else { Some(false) };
            }
            Err(_) => return Some(false),
        }
        let works_in = |fits: &dyn Fn(&Path) -> bool| match std::fs::read_link(folder.join("cwd")) {
            Ok(place) => Some(fits(&place)),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => None,
            Err(_) => Some(false),
        };
        match &self.directory {
            Some(directory) => works_in(&|place| place == directory),
            // `python serve.py` runs in many a workspace; only this one's is meant.
            None if self.relative => works_in(&|place| place.starts_with(&self.root)),
            None => Some(true),
        }
    }

    fn has_arguments(&self, folder: &Path) -> bool {
        if self.arguments.is_empty() {
            return true;
        }
        let Ok(line) = std::fs::read(folder.join("cmdline")) else { return false };
        let mut arguments = line.split(|byte| *byte == 0).skip(1);
        self.arguments.iter().all(|wanted| arguments.next() == Some(wanted.as_bytes()))
    }

    /// Whether a process whose executable may not be read has its name: in its command line, or as the kernel's name.
    fn bears_its_name(&self, folder: &Path) -> bool {
        let line = std::fs::read(folder.join("cmdline")).unwrap_or_default();
        let first = line.split(|byte| *byte == 0).next().unwrap_or_default();
        if first.is_empty() {
            // A thread of the kernel runs no file.
            return false;
        }
        let first = first.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let kernel = std::fs::read(folder.join("comm")).unwrap_or_default();
        let names = [&self.executable, &self.written];
        names.into_iter().filter_map(|path| path.file_name()).any(|name| {
            let name = name.as_encoded_bytes();
            // The kernel keeps fifteen bytes.
            first == name || kernel.trim_ascii_end() == name.get(..15).unwrap_or(name)
        })
    }
}

/// How long a process has run, in seconds, by the clock of the boot (it also runs while the machine sleeps).
pub fn age(process: &ProcessIdentity) -> Option<f64> {
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "ticks since boot are far below 2^53")]
    let started = process.started as f64 / ticks_per_second()?;
    Some((uptime - started).max(0.0))
}

/// The bytes of memory that a process has resident (`VmRSS`), pages shared with others included.
pub fn resident(process: &ProcessIdentity) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid)).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    (host::identity(process.pid) == *process).then_some(kibibytes * 1024.0)
}

/// The kernel's ticks a second, as it told this process when it began (entry 17, `AT_CLKTCK`, of the auxiliary vector).
fn ticks_per_second() -> Option<f64> {
    const WORD: usize = size_of::<usize>();
    const AT_CLKTCK: usize = 17;
    let vector = std::fs::read("/proc/self/auxv").ok()?;
    let words: Vec<usize> =
        vector.as_chunks::<WORD>().0.iter().map(|word| usize::from_ne_bytes(*word)).collect();
    let ticks =
        words.as_chunks::<2>().0.iter().find_map(|[key, value]| (*key == AT_CLKTCK).then_some(*value))?;
    #[expect(clippy::cast_precision_loss, reason = "a hundred, or a thousand")]
    (ticks > 0).then_some(ticks as f64)
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

fn is_interpreter(executable: &Path) -> bool {
    let name = executable.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    INTERPRETERS.contains(&plain)
}

/// A file that was replaced since the process began is shown with this at its end: it is still that program.
fn undeleted(path: &Path) -> PathBuf {
    let text = path.to_string_lossy();
    text.strip_suffix(" (deleted)").map_or_else(|| path.to_path_buf(), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    /// A child that ends with the test.
    struct Running(Child);

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn start(program: &Path, arguments: &[&str]) -> Running {
        let mut command = Command::new(program);
        let child = Running(command.args(arguments).stdin(Stdio::null()).spawn().unwrap());
        // Between fork and exec it still is the test itself.
        let folder = format!("/proc/{}/exe", child.0.id());
        while std::fs::read_link(&folder).is_ok_and(|exe| undeleted(&exe) != real(program)) {
            std::thread::yield_now();
        }
        child
    }

    fn numbers(executable: &Path, arguments: &[&str]) -> Vec<u32> {
        let arguments = arguments.iter().map(|one| (*one).to_owned()).collect();
        let wanted = Wanted::new(executable, arguments, None, Path::new("/")).unwrap();
        wanted.look().running.iter().map(|process| process.pid).collect()
    }

    #[test]
    fn interpreters_are_known_with_their_versions() {
        for name in ["/usr/bin/python3.11", "/bin/sh", "/usr/bin/java", "/opt/node", "/usr/bin/perl5.36.0"] {
            assert!(is_interpreter(Path::new(name)), "{name}");
        }
        for name in ["/usr/local/bin/rebalancer", "/usr/bin/shutdown", "/usr/sbin/nginx"] {
            assert!(!is_interpreter(Path::new(name)), "{name}");
        }
        assert!(Wanted::new(Path::new("/bin/sh"), Vec::new(), None, Path::new("/")).is_err());
    }

    #[test]
    fn a_replaced_executable_is_still_itself() {
        assert_eq!(undeleted(Path::new("/a/b (deleted)")), Path::new("/a/b"));
        assert_eq!(undeleted(Path::new("/a/b")), Path::new("/a/b"));
    }

    #[test]
    fn only_the_exact_executable_and_arguments_count() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (directory.path().join("worker"), directory.path().join("worker-two"));
        for program in [&one, &other] {
            fs_err::copy("/bin/sleep", program).unwrap();
        }
        let children = [start(&one, &["71"]), start(&one, &["72"]), start(&other, &["71"])];
        let [first, second, _] = children.each_ref().map(|child| child.0.id());
        let mut both = vec![first, second];
        both.sort_unstable();
        assert_eq!(numbers(&one, &[]), both);
        assert_eq!(numbers(&one, &["71"]), [first]);
        assert_eq!(numbers(&one, &["7"]), [0u32; 0]);
        // The path is an argument of this shell, and of no process that counts.
        let shell = format!("kill -STOP $$; : {}", one.display());
        let _shell = start(Path::new("/bin/sh"), &["-c", &shell]);
        assert_eq!(numbers(&one, &[]), both);
        let process = host::identity(first);
        assert!(age(&process).unwrap() < 60.0, "{:?}", age(&process));
        assert!(resident(&process).unwrap() > 4096.0);
        fs_err::remove_file(&one).unwrap();
        assert_eq!(numbers(&one, &["71"]), [first], "it runs on, though its file is gone");
    }

    #[test]
    fn this_process_has_an_age_and_memory() {
        let me = host::current();
        assert!(age(&me).is_some() && resident(&me).is_some());
        assert_eq!(ticks_per_second(), Some(100.0));
    }
}
