//! Other tools doing the same checks, each a whole process from a virtual environment of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A tool.
pub struct Peer {
    /// The name of its script.
    pub name: &'static str,
    /// What it is called in the table.
    pub shown: &'static str,
    /// What pip installs.
    packages: &'static [&'static str],
    script: &'static str,
    /// Whether it prints the same figures, so that they can be compared, and whether it is the one not to be slower than.
    pub tells: bool,
    /// How often it is run at most.
    pub runs: usize,
    python: PathBuf,
}

/// Those that are asked for.
pub struct Peers(Vec<Peer>);

impl Peers {
    /// Installs what `IRCTL_BENCH_DUCKDB` and `IRCTL_BENCH_PEERS` ask for below a folder.
    pub fn asked(folder: &Path) -> Self {
        let others = std::env::var_os("IRCTL_BENCH_PEERS").is_some();
        let duckdb = others || std::env::var_os("IRCTL_BENCH_DUCKDB").is_some();
        let mut peers = all();
        peers.retain(|peer| if peer.tells { duckdb } else { others });
        for peer in &mut peers {
            peer.python = installed(&folder.join(peer.name), peer.packages);
        }
        Self(peers)
    }

    /// All of them.
    pub fn all(&self) -> &[Peer] {
        &self.0
    }
}

fn all() -> Vec<Peer> {
    let peer = |name, shown, packages, script, tells, runs| Peer {
        name,
        shown,
        packages,
        script,
        tells,
        runs,
        python: PathBuf::new(),
    };
    vec![
        peer("duckdb", "Python's DuckDB", &["duckdb"][..], include_str!("duckdb.py"), true, 15),
        peer(
            "soda",
            "Soda on DuckDB",
            &["soda-core-duckdb", "setuptools<81"],
            include_str!("soda.py"),
            false,
            3,
        ),
        peer(
            "great_expectations",
            "Great Expectations",
            &["great_expectations", "pyarrow"],
            include_str!("great_expectations.py"),
            false,
            3,
        ),
        peer(
            "evidently",
            "Evidently",
            &["evidently", "pandas<3", "pyarrow"],
            include_str!("evidently.py"),
            false,
            3,
        ),
    ]
}

fn installed(place: &Path, packages: &[&str]) -> PathBuf {
    output(Command::new("python3").arg("-m").arg("venv").arg(place));
    output(Command::new(place.join("bin/pip")).args(["install", "--quiet"]).args(packages));
    place.join("bin/python")
}

fn output(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().expect("a process");
    assert!(output.status.success(), "{command:?}: {}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

impl Peer {
    /// Runs the checks on `rates.FORM` in a folder: how long the process takes, and what it prints.
    pub fn check(&self, folder: &Path, form: &str) -> (Duration, String) {
        let mut command = Command::new(&self.python);
        // Nobody is told that it is run, and what it warns of is not what is measured.
        command.args(["-W", "ignore", "-c", self.script, &format!("rates.{form}")]).current_dir(folder);
        command.env("DO_NOT_TRACK", "1").env("GX_ANALYTICS_ENABLED", "false");
        command.env("SODA_SEND_ANONYMOUS_USAGE_STATS", "false");
        let begun = Instant::now();
        let said = output(&mut command);
        (begun.elapsed(), said)
    }
}
