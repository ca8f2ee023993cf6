//! A plan of five targets (files, settings, git, SQLite, PostgreSQL) carried out by irctl, against a program that does
//! the same to the same data with nothing but the calls that cannot be spared: `cargo bench --bench plan`.
//!
//! The floor copies, renames, commits and moves the branch as often as the plan does, and forces as much to disk: the
//! fsyncs of both are counted with strace, and the floor makes up the difference on a journal of its own. What irctl
//! takes beyond that is planning, comparing, proving and writing down. It is measured again with a thousand operations
//! behind it.

#[path = "floor/mod.rs"]
mod floor;
#[path = "../tests/support/postgres.rs"]
mod postgres;
mod table;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use irctl::operation::directory::{Directory, Pinned};
use irctl::operation::listing;
use postgres::Server;
use table::{Row, median, ms, ratio, show, timed};

const RUNS: usize = 9;
const PAST: u32 = 1000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, folder, server, port, fill] = arguments.as_slice()
        && word == "floor"
    {
        let database = floor::Database { folder: server, port: port.parse().expect("a port") };
        floor::run(Path::new(folder), &database, fill.parse().expect("a number"));
        return;
    }
    let directory = match std::env::var_os("IRCTL_BENCH_DIR") {
        Some(parent) => tempfile::tempdir_in(parent),
        None => tempfile::tempdir(),
    };
    let directory = directory.expect("a temporary directory");
    println!("a plan of five targets, medians of {RUNS} runs in turn with what they are compared to\n");
    table::head();
    let server = Server::start();
    let bench = Bench {
        ours: Ground::new(&directory.path().join("ours"), &server, "ours"),
        theirs: Ground::new(&directory.path().join("theirs"), &server, "theirs"),
        server,
    };
    bench.overhead();
    bench.history();
}

struct Bench {
    server: Server,
    ours: Ground,
    theirs: Ground,
}

/// A workspace and its state.
struct Ground {
    folder: PathBuf,
    table: String,
}

impl Bench {
    fn rollback(&self) -> Command {
        self.ours.irctl(&["rollback", "--service", "engine", "--to", "prev", "--yes"])
    }

    fn once(&self) -> Duration {
        let (took, status) = timed(self.rollback(), None);
        assert_eq!(status, Some(0), "it is rolled back");
        self.undo();
        took
    }

    fn undo(&self) {
        let undo = self.ours.irctl(&["rollback", "undo", "--service", "engine", "--yes"]);
        assert_eq!(timed(undo, None).1, Some(0), "it is taken back");
        let live = self.ours.folder.join("workspace/model");
        for entry in std::fs::read_dir(live).expect("a folder") {
            let entry = entry.expect("an entry");
            if entry.file_name().to_string_lossy().starts_with("backup_emergency") {
                std::fs::remove_dir_all(entry.path()).expect("removed");
            }
        }
    }

    fn floor(&self, fill: u32) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg("floor").arg(self.theirs.folder.join("workspace")).arg(&self.server.folder);
        command.args([self.server.port.to_string(), fill.to_string()]);
        command
    }

    fn floor_once(&self, fill: u32) -> Duration {
        let (took, status) = timed(self.floor(fill), None);
        assert_eq!(status, Some(0), "the floor does it");
        self.theirs.restore(&self.server);
        took
    }

    fn overhead(&self) {
        self.once();
        let ours = Counted::of(&self.rollback());
        self.undo();
        let theirs = Counted::of(&self.floor(0));
        self.theirs.restore(&self.server);
        let fill = ours.syncs.saturating_sub(theirs.syncs);
        let (mut times, mut floor) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            floor.push(self.floor_once(fill));
            times.push(self.once());
        }
        let (times, floor) = (median(times), median(floor));
        let over = ms(times) - ms(floor);
        Row {
            what: "a plan of five targets, yes to proof",
            ours: show(times),
            against: format!("raw, {} fsyncs too {}", ours.syncs, show(floor)),
            comes_to: format!("+ {over:.1} ms"),
            asked: "under + 100 ms",
            holds: Some(over < 100.0),
        }
        .print();
        Row {
            what: "  of it the processes of git",
            ours: format!("{}", ours.gits),
            against: format!("raw {}", theirs.gits),
            comes_to: String::new(),
            asked: "",
            holds: None,
        }
        .print();
    }

    /// The same when a thousand operations lie behind it.
    fn history(&self) {
        let before = median((0..RUNS).map(|_| self.once()).collect());
        self.ours.live_through(PAST);
        // What changed less than two seconds ago is not remembered.
        std::thread::sleep(Duration::from_millis(2100));
        let first = self.once();
        let after = median((0..RUNS).map(|_| self.once()).collect());
        Row {
            what: "  with 1,000 operations behind it",
            ours: show(after),
            against: format!("without them {}", show(before)),
            comes_to: format!("ratio {:.2}", ratio(after, before)),
            asked: "at most 1.2",
            holds: Some(ratio(after, before) <= 1.2),
        }
        .print();
        Row {
            what: "  the first time, every journal read",
            ours: show(first),
            against: String::new(),
            comes_to: String::new(),
            asked: "",
            holds: None,
        }
        .print();
    }
}

/// What strace counts of a run.
struct Counted {
    syncs: u32,
    gits: usize,
}

impl Counted {
    fn of(command: &Command) -> Self {
        let log = tempfile::NamedTempFile::new().expect("a file");
        let place = log.path().to_string_lossy().into_owned();
        let calls = "trace=fsync,fdatasync,sync,syncfs,msync,execve";
        let strace = table::under("strace", &["-f", "-qq", "-e", calls, "-o", &place], command);
        assert_eq!(timed(strace, None).1, Some(0), "it runs under strace");
        let text = std::fs::read_to_string(&place).expect("strace wrote its log");
        let lines = || text.lines().filter(|line| !line.contains("resumed"));
        let syncs = lines().filter(|line| line.contains("sync(")).count();
        // A name is looked for along PATH: only the last attempt of each process succeeds.
        let gits = text.lines().filter(|line| line.contains("execve(") && line.contains("/git\", [\"git\""));
        let gits = gits.filter(|line| !line.contains("ENOENT")).count();
        Self { syncs: u32::try_from(syncs).unwrap_or(u32::MAX), gits }
    }
}

impl Ground {
    fn new(folder: &Path, server: &Server, table: &str) -> Self {
        let ground = Self { folder: folder.to_path_buf(), table: table.to_owned() };
        let root = folder.join("workspace");
        for version in ["model", "model/backup_2026-10-26"] {
            let number = version.len();
            let weights: String = (0..4000).map(|at| format!("{}, ", at * number % 977)).collect();
            put(&root.join(version).join("model.json"), &format!("{{\"weights\": [{weights}0]}}\n"));
        }
        put(&root.join("model/metadata.json"), r#"{"version": "2", "deployed_at": "2026-11-02T04:00:00Z"}"#);
        put(
            &root.join("model/backup_2026-10-26/metadata.json"),
            r#"{"version": "1", "deployed_at": "2026-10-26T04:00:00Z"}"#,
        );
        put(&root.join("rollout.yml"), "rollout:\n  mode: live # who sees it\n  fraction: 1.0\n");
        ground.repository();
        let settings = rusqlite::Connection::open(root.join("settings.db")).expect("a database");
        settings.execute_batch(floor::SETTINGS).expect("a table");
        server.sql(&format!(
            "CREATE SCHEMA {table}; CREATE TABLE {table}.deployments (id int PRIMARY KEY, version text); \
             INSERT INTO {table}.deployments VALUES (1, '2')"
        ));
        ground.configure(server);
        ground
    }

    fn repository(&self) {
        let code = self.folder.join("workspace/code");
        std::fs::create_dir_all(&code).expect("a folder");
        floor::git(&code, &["init", "--quiet", "--initial-branch=main"]);
        floor::git(&code, &["config", "user.name", "bench"]);
        floor::git(&code, &["config", "user.email", "bench@example.org"]);
        for version in ["1", "2"] {
            for name in ["load", "score", "serve"] {
                put(&code.join(format!("{name}.py")), &format!("# {name} {version}\n"));
            }
            floor::git(&code, &["add", "."]);
            floor::git(&code, &["commit", "--quiet", "-m", version]);
            floor::git(&code, &["tag", &format!("v{version}")]);
        }
    }

    fn configure(&self, server: &Server) {
        let root = self.folder.join("workspace");
        put(&root.join("config/irctl.yaml"), "workspace: engine\n");
        let schemes = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/severity/protocol-25.yaml");
        let scheme = std::fs::read_to_string(schemes).expect("a scheme");
        put(&root.join("config/severity/protocol-25.yaml"), &scheme);
        let (host, port, table) = (server.folder.display(), server.port, &self.table);
        let service = format!(
            r#"service: engine
kind: service
scheme: protocol-25
rollback:
  targets:
    - files: {{live: model, artifacts: [model.json, metadata.json], share: nothing}}
    - settings: {{file: rollout.yml, set: {{rollout.mode: disabled}}}}
    - git: {{repository: code, to: "v{{version}}"}}
    - sql:
        database: {{sqlite: {{file: settings.db}}}}
        change:
          statements:
            run: [{{sql: "UPDATE settings SET rebalance = 0 WHERE client = 'a'", rows: 1}}]
            keep: [{{table: settings, where: "client = 'a'"}}]
    - sql:
        database: {{postgres: {{host: {host}, port: {port}, user: irctl, database: postgres, tls: disable}}}}
        marker: {table}.irctl_operations
        change:
          statements:
            run: [{{sql: "UPDATE {table}.deployments SET version = :version WHERE id = 1", rows: 1}}]
            keep: [{{table: {table}.deployments, where: "id = 1"}}]
"#
        );
        put(&root.join("config/services/engine.yaml"), &service);
    }

    fn irctl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(table::binary());
        command.args(arguments).current_dir(self.folder.join("workspace"));
        command.env("XDG_STATE_HOME", self.folder.join("state")).env("IRCTL_ACTOR", "bench");
        command
    }

    /// As it was before the floor ran.
    fn restore(&self, server: &Server) {
        let root = self.folder.join("workspace");
        floor::restore(&root);
        server.sql(&format!("UPDATE {}.deployments SET version = '2'", self.table));
        let settings = rusqlite::Connection::open(root.join("settings.db")).expect("a database");
        settings.execute_batch("UPDATE settings SET rebalance = 1").expect("restored");
    }

    /// Copies of a real operation, each with a name and a day of its own.
    fn live_through(&self, operations: u32) {
        let state = self.folder.join("state/irctl/engine");
        let all = listing::list(&state).expect("operations");
        let last = all.iter().rfind(|one| one.kind == "rollback").expect("a rollback");
        let directory = Directory::open(&state, &last.id).expect("its folder");
        let (pinned, digest) = directory.pinned().expect("its plan").expect("its plan");
        let records = directory.records(&digest).expect("its journal");
        for number in 0..operations {
            let at = pinned.created_at - chrono::TimeDelta::hours(i64::from(number) + 48);
            let made = Directory::create(&state, at).expect("a folder");
            let pinned = Pinned { id: made.id.clone(), created_at: at, ..pinned.clone() };
            let mut journal = made.pin(&pinned).expect("a plan");
            for record in &records {
                journal.append(at, record.kind.clone()).expect("a line");
            }
        }
    }
}

fn put(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}
