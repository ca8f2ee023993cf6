//! Child processes: argv only, a process group of their own, a timeout, and a cap on what they may print.

use std::cell::Cell;
use std::fmt;
use std::io::{Read, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::error::{Error, ErrorCode, Result};
use super::host::{self, ProcessIdentity};

/// How much of a stream is kept; the rest is read and thrown away, so that the child does not block.
pub const OUTPUT_LIMIT: usize = 1024 * 1024;

thread_local! {
    /// When whatever this thread does has to be over.
    static UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Does some work on this thread; no program that it starts outlives `at`, whatever timeout of its own it has, nor what
/// it is already part of; and no connection that keeps [`within`] it.
pub fn until<T>(at: Instant, work: impl FnOnce() -> T) -> T {
    limited(Some(UNTIL.get().map_or(at, |sooner| sooner.min(at))), work)
}

/// The same work for another thread that works for this one: it has to be over when this one has.
pub fn carried<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let limit = UNTIL.get();
    move || limited(limit, work)
}

fn limited<T>(limit: Option<Instant>, work: impl FnOnce() -> T) -> T {
    /// Puts the limit back, also where the work panics.
    struct Before(Option<Instant>);
    impl Drop for Before {
        fn drop(&mut self) {
            UNTIL.set(self.0);
        }
    }
    let _before = Before(UNTIL.replace(limit));
    work()
}

/// How long something may take on this thread that may take `limit` by itself: no longer than the work that it is part of.
pub fn within(limit: Duration) -> Duration {
    UNTIL.get().map_or(limit, |until| until.saturating_duration_since(Instant::now()).min(limit))
}

/// A program to run.
#[derive(Debug, Clone)]
pub struct Invocation {
    argv: Vec<String>,
    directory: Option<PathBuf>,
    environment: Vec<(String, String)>,
    forgotten: Vec<String>,
    stdin: Vec<u8>,
    timeout: Duration,
    keep: usize,
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It exited with this status.
    Exit(i32),
    /// A signal ended it.
    Signal(i32),
    /// It ran longer than allowed and its process group was killed.
    TimedOut(Duration),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Exit(status) => write!(f, "exit status {status}"),
            Ending::Signal(signal) => write!(f, "signal {signal}"),
            Ending::TimedOut(limit) => write!(f, "a timeout after {} ms", limit.as_millis()),
        }
    }
}

/// What a child left.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended.
    pub ending: Ending,
    /// The first bytes of its standard output ([`OUTPUT_LIMIT`] unless more was asked for).
    pub stdout: Vec<u8>,
    /// The first bytes of its standard error.
    pub stderr: Vec<u8>,
    /// Whether more was printed than was kept.
    pub truncated: bool,
    /// How long it ran.
    pub elapsed: Duration,
}

impl Output {
    /// Whether it exited with status 0.
    pub fn success(&self) -> bool {
        self.ending == Ending::Exit(0)
    }

    /// The last non-empty line of its standard error, or of its standard output: the likeliest reason.
    pub fn last_words(&self) -> String {
        let last = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
        };
        last(&self.stderr).or_else(|| last(&self.stdout)).unwrap_or_default()
    }
}

impl Invocation {
    /// A program and its arguments. No shell looks at them.
    pub fn new(argv: Vec<String>) -> Self {
        Self {
            argv,
            directory: None,
            environment: Vec::new(),
            forgotten: Vec::new(),
            stdin: Vec::new(),
            timeout: Duration::from_secs(60),
            keep: OUTPUT_LIMIT,
        }
    }

    /// The working directory.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Adds a variable to the environment.
    #[must_use]
    pub fn environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Takes a variable out of the environment that it inherits: one that holds a secret.
    #[must_use]
    pub fn forget(mut self, name: impl Into<String>) -> Self {
        self.forgotten.push(name.into());
        self
    }

    /// How many bytes of each stream are kept; [`OUTPUT_LIMIT`] otherwise.
    #[must_use]
    pub fn keep(mut self, bytes: usize) -> Self {
        self.keep = bytes;
        self
    }

    /// What it reads on standard input; nothing otherwise.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// How long it may run before its process group is killed; a minute otherwise.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Result<Output> {
        self.run_recorded(|_| Ok(()))
    }

    /// Runs it to its end; `started` learns who it is before anything else is done with it.
    pub fn run_recorded(self, started: impl FnOnce(&ProcessIdentity) -> Result<()>) -> Result<Output> {
        let Some((program, arguments)) = self.argv.split_first() else {
            return Err(Error::new(ErrorCode::Subprocess, "there is no program to run: argv is empty"));
        };
        let mut command = Command::new(program);
        for name in &self.forgotten {
            command.env_remove(name);
        }
        command.args(arguments).envs(self.environment.iter().map(|(k, v)| (k, v))).process_group(0);
        command.stdin(if self.stdin.is_empty() { Stdio::null() } else { Stdio::piped() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        let begun = Instant::now();
        let timeout = within(self.timeout);
        let mut child = command.spawn().map_err(|error| {
            Error::new(ErrorCode::Subprocess, format!("cannot start `{program}`: {error}")).source(error)
        })?;
        let group = rustix::process::Pid::from_child(&child);
        if let Err(error) = started(&host::identity(child.id())) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            let _ = child.wait();
            return Err(error);
        }
        if let Some(mut pipe) = child.stdin.take() {
            let input = self.stdin;
            // A child that does not read its input must not hold us up; its broken pipe is not our failure.
            std::thread::spawn(move || pipe.write_all(&input));
        }
        let streams = [reader(child.stdout.take(), self.keep), reader(child.stderr.take(), self.keep)];
        let ending = wait(child, group, begun + timeout, timeout)?;
        let [stdout, stderr] = streams.map(|stream| collect(&stream));
        Ok(Output {
            ending,
            truncated: stdout.1 || stderr.1,
            stdout: stdout.0,
            stderr: stderr.0,
            elapsed: begun.elapsed(),
        })
    }
}

type Stream = mpsc::Receiver<(Vec<u8>, bool)>;

fn reader(pipe: Option<impl Read + Send + 'static>, keep: usize) -> Stream {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        let mut truncated = false;
        if let Some(mut pipe) = pipe {
            let _ = pipe.by_ref().take(keep as u64).read_to_end(&mut kept);
            truncated = std::io::copy(&mut pipe, &mut std::io::sink()).is_ok_and(|rest| rest > 0);
        }
        let _ = sender.send((kept, truncated));
    });
    receiver
}

/// What was read. A grandchild that keeps the pipe open is not waited for long.
fn collect(stream: &Stream) -> (Vec<u8>, bool) {
    stream.recv_timeout(Duration::from_secs(2)).unwrap_or((Vec::new(), true))
}

/// Waits on a thread of its own, so that the end is known when it comes: many children live for a millisecond.
fn wait(
    mut child: std::process::Child,
    group: rustix::process::Pid,
    deadline: Instant,
    limit: Duration,
) -> Result<Ending> {
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait()));
    let status = match ended.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(status) => status.map_err(|error| Error::io("cannot wait for a child", error))?,
        Err(_) => {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            let _ = ended.recv();
            return Ok(Ending::TimedOut(limit));
        }
    };
    Ok(match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exit(code),
        (None, signal) => Ending::Signal(signal.unwrap_or(0)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(argv: &[&str]) -> Invocation {
        Invocation::new(argv.iter().map(|part| (*part).to_owned()).collect())
    }

    #[test]
    fn passes_arguments_as_data() {
        let output = run(&["printf", "%s", "$(touch /tmp/x); `id`"]).run().unwrap();
        assert_eq!(output.stdout, b"$(touch /tmp/x); `id`");
    }

    #[test]
    fn kills_the_whole_group_in_time() {
        let begun = Instant::now();
        let output =
            run(&["sh", "-c", "sleep 30 & sleep 30"]).timeout(Duration::from_millis(100)).run().unwrap();
        assert!(matches!(output.ending, Ending::TimedOut(_)));
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn nothing_outlives_the_work_that_it_belongs_to() {
        let begun = Instant::now();
        let output = until(begun + Duration::from_millis(100), || run(&["sleep", "30"]).run().unwrap());
        assert!(matches!(output.ending, Ending::TimedOut(_)));
        assert!(begun.elapsed() < Duration::from_secs(10));
        assert!(run(&["sleep", "0.2"]).run().unwrap().success(), "the limit went with the work");
    }

    #[test]
    fn what_other_threads_do_for_the_work_ends_with_it_and_no_part_of_it_lasts_longer() {
        let begun = Instant::now();
        let (on_a_thread, inner) = until(begun + Duration::from_millis(100), || {
            let slow = || run(&["sleep", "30"]).run().unwrap().ending;
            let there = std::thread::scope(|scope| scope.spawn(carried(slow)).join().unwrap());
            (there, until(begun + Duration::from_secs(60), slow))
        });
        assert!(matches!(on_a_thread, Ending::TimedOut(_)), "{on_a_thread}");
        assert!(matches!(inner, Ending::TimedOut(_)), "{inner}");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn caps_what_is_kept() {
        let output = run(&["head", "-c", "3000000", "/dev/zero"]).run().unwrap();
        assert_eq!(output.stdout.len(), OUTPUT_LIMIT);
        assert!(output.truncated && output.success());
    }

    #[test]
    fn says_why_it_failed() {
        assert_eq!(run(&["/nonexistent"]).run().unwrap_err().code, ErrorCode::Subprocess);
        let output = run(&["sh", "-c", "echo no luck >&2; exit 3"]).run().unwrap();
        assert_eq!((output.ending, output.last_words().as_str()), (Ending::Exit(3), "no luck"));
    }

    #[test]
    fn feeds_standard_input() {
        let output = run(&["cat"]).stdin(b"hello".to_vec()).run().unwrap();
        assert_eq!(output.stdout, b"hello");
    }
}
