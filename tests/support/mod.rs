//! The hermetic harness: a workspace of its own, a HOME, a PATH and a clock of its own, and the real binary.

#![allow(dead_code)] // Each test program uses a part of it.

pub mod http;
pub mod outside;
pub mod prometheus;
pub mod rollback;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The instant at which the fixtures are taken, plus the seven minutes until cron runs.
pub const NIGHT: &str = "2026-11-20T03:07:00Z";

/// The repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A copy of the fixtures with the shipped configuration, in a directory that goes away.
pub struct Workspace {
    directory: tempfile::TempDir,
    clock: PathBuf,
}

/// What a run of irctl printed and how it ended.
#[derive(Debug)]
pub struct Run {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The exit status; 1000 plus the signal when one ended it.
    pub status: i32,
}

impl Run {
    /// Fails with everything that was printed unless the status is this one.
    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, status, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}:\n{}\n{}", self.stdout, self.stderr))
    }
}

impl Workspace {
    /// The healthy workspace.
    pub fn healthy() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = directory.path().join("clock");
        let workspace = Self { directory, clock };
        std::fs::create_dir_all(workspace.root()).unwrap();
        std::fs::create_dir_all(workspace.path("../home")).unwrap();
        copy_tree(&repository().join("fixtures/rila_6y20b/base"), &workspace.root());
        copy_tree(&repository().join("config"), &workspace.root().join("config"));
        copy_tree(&repository().join("runbooks"), &workspace.root().join("runbooks"));
        workspace.set_clock(NIGHT);
        workspace
    }

    /// An empty directory, for commands without configuration.
    pub fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = directory.path().join("clock");
        let workspace = Self { directory, clock };
        std::fs::create_dir_all(workspace.root()).unwrap();
        std::fs::create_dir_all(workspace.path("../home")).unwrap();
        workspace.set_clock(NIGHT);
        workspace
    }

    /// Lays a variant of the fixtures over the workspace.
    pub fn lay_over(&self, variant: &str) {
        let folder = repository().join("fixtures/rila_6y20b/variants").join(variant);
        if folder.join("overlay").exists() {
            copy_tree(&folder.join("overlay"), &self.root());
        }
        if let Ok(removed) = std::fs::read_to_string(folder.join("removed.txt")) {
            for name in removed.lines().filter(|line| !line.is_empty()) {
                std::fs::remove_file(self.path(name)).unwrap();
            }
        }
    }

    /// A variant of the fixtures.
    pub fn variant(name: &str) -> Self {
        let workspace = Self::healthy();
        workspace.lay_over(name);
        workspace
    }

    /// Where the workspace is.
    pub fn root(&self) -> PathBuf {
        self.directory.path().join("workspace")
    }

    /// Where its state is.
    pub fn state(&self) -> PathBuf {
        self.directory.path().join("home/.local/state/irctl/rila")
    }

    /// A path inside it.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root().join(name)
    }

    /// A file's text.
    pub fn read(&self, name: impl AsRef<Path>) -> String {
        String::from_utf8(std::fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// Writes a file.
    pub fn write(&self, name: impl AsRef<Path>, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Sets irctl's clock.
    pub fn set_clock(&self, instant: &str) {
        std::fs::write(&self.clock, instant).unwrap();
    }

    /// Runs a shell command in the workspace.
    pub fn shell(&self, command: &str) -> std::process::ExitStatus {
        Command::new("sh").args(["-c", command]).current_dir(self.root()).status().unwrap()
    }

    /// irctl with these arguments, ready to run here.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_irctl"));
        command
            .args(arguments)
            .current_dir(self.root())
            .env_clear()
            .env("HOME", self.directory.path().join("home"))
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("TZ", "UTC")
            .env("IRCTL_ACTOR", "on-call")
            .env("IRCTL_TEST_CLOCK", format!("@{}", self.clock.display()))
            .stdin(Stdio::null());
        command
    }

    /// Runs irctl to its end.
    pub fn irctl(&self, arguments: &[&str]) -> Run {
        finished(self.command(arguments).output().unwrap())
    }

    /// Runs irctl with these variables set.
    pub fn irctl_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Run {
        finished(self.command(arguments).envs(variables.iter().copied()).output().unwrap())
    }
}

fn finished(output: Output) -> Run {
    use std::os::unix::process::ExitStatusExt as _;
    Run {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        status: output.status.code().unwrap_or_else(|| 1000 + output.status.signal().unwrap_or(0)),
    }
}

/// Copies a folder with everything in it, permissions included.
pub fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    let written = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_795_143_600);
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
            // The fixtures are of one night; so are their times.
            std::fs::File::options().write(true).open(&target).unwrap().set_modified(written).unwrap();
        }
    }
}
