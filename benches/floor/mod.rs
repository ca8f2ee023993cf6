//! What a plan of five targets comes to when nothing is planned, compared, proved or written down: copies, renames,
//! fsyncs, six calls of git, and one transaction on one connection for each database.

use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The table of the SQLite file.
pub const SETTINGS: &str = "CREATE TABLE settings (client TEXT PRIMARY KEY, rebalance INTEGER); \
                            INSERT INTO settings VALUES ('a', 1), ('b', 1)";

const MARKER: &str = "(operation text, step text, applied_at text, before_rows text, after_rows text, \
                      PRIMARY KEY (operation, step))";

const FILES: [&str; 2] = ["model.json", "metadata.json"];

/// A PostgreSQL server behind a socket.
pub struct Database<'a> {
    /// The folder of its socket.
    pub folder: &'a str,
    /// Its port.
    pub port: u16,
}

/// Does all of it in a workspace; `fill` more fsyncs go to a journal.
pub fn run(root: &Path, database: &Database<'_>, fill: u32) {
    let kept = root.join("kept");
    std::fs::create_dir_all(&kept).expect("a folder");
    files(&root.join("model"), &kept);
    settings(&root.join("rollout.yml"), &kept);
    branch(&root.join("code"));
    sqlite(&root.join("settings.db"));
    postgres(database);
    let mut journal = File::create(kept.join("journal")).expect("a journal");
    for _ in 0..fill {
        journal.write_all(&[b'.'; 500]).expect("written");
        journal.sync_all().expect("forced");
    }
}

fn files(live: &Path, kept: &Path) {
    let (stage, making) = (live.join(".stage"), live.join(".making"));
    copies(&live.join("backup_2026-10-26"), &stage);
    copies(live, &kept.join("images"));
    copies(live, &making);
    std::fs::rename(making, live.join("before")).expect("renamed");
    sync(live);
    for name in FILES {
        renameat_with(CWD, stage.join(name), CWD, live.join(name), RenameFlags::EXCHANGE).expect("swapped");
        sync(live);
        sync(&stage);
    }
    std::fs::remove_dir_all(stage).expect("removed");
    sync(live);
}

fn copies(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for name in FILES {
        write(&to.join(name), &std::fs::read(from.join(name)).expect("a file"));
    }
    sync(to);
}

fn write(path: &Path, bytes: &[u8]) {
    let part = path.with_extension("part");
    let mut file = File::create(&part).expect("a file");
    file.write_all(bytes).expect("written");
    file.sync_all().expect("forced");
    std::fs::rename(part, path).expect("renamed");
}

fn sync(folder: &Path) {
    File::open(folder).and_then(|folder| folder.sync_all()).expect("forced");
}

fn settings(path: &Path, kept: &Path) {
    let text = std::fs::read_to_string(path).expect("settings");
    write(&kept.join("rollout.yml"), text.as_bytes());
    sync(kept);
    write(path, text.replace("mode: live", "mode: disabled").as_bytes());
    sync(path.parent().expect("a folder"));
}

/// Runs git; what it prints.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "core.fsync=all", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0"]);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().expect("git runs");
    assert!(output.status.success(), "git {arguments:?}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

fn branch(code: &Path) {
    let old = git(code, &["rev-parse", "HEAD^{commit}"]);
    let new = git(code, &["rev-parse", "v1^{commit}"]);
    assert_eq!(git(code, &["status", "--porcelain"]), "", "nothing is uncommitted");
    git(code, &["update-ref", "refs/heads/backup/main", &old]);
    git(code, &["read-tree", "-m", "-u", &old, &new]);
    git(code, &["update-ref", "refs/heads/main", &new, &old]);
}

fn sqlite(path: &Path) {
    let database = rusqlite::Connection::open(path).expect("a database");
    database
        .execute_batch(&format!(
            "PRAGMA synchronous = EXTRA; BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS irctl_operations {MARKER}"
        ))
        .expect("a transaction");
    let select = "SELECT rebalance FROM settings WHERE client = 'a'";
    let was: i64 = database.query_row(select, [], |row| row.get(0)).expect("a row");
    assert_eq!(was, 1);
    database.execute("UPDATE settings SET rebalance = 0 WHERE client = 'a'", []).expect("updated");
    let mark = "INSERT OR REPLACE INTO irctl_operations VALUES ('op', 'step', 'now', 'a', 'b')";
    database.execute(mark, []).expect("marked");
    database.execute_batch("COMMIT").expect("committed");
}

fn postgres(database: &Database<'_>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut config = tokio_postgres::Config::new();
        config.host_path(database.folder).port(database.port).user("irctl").dbname("postgres");
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.expect("connected");
        tokio::spawn(connection);
        let begin = format!("BEGIN; CREATE TABLE IF NOT EXISTS theirs.irctl_operations {MARKER}");
        client.batch_execute(&begin).await.expect("a transaction");
        let select = "SELECT version FROM theirs.deployments WHERE id = 1 FOR UPDATE";
        let was: String = client.query_one(select, &[]).await.expect("a row").get(0);
        assert_eq!(was, "2");
        let update = "UPDATE theirs.deployments SET version = $1 WHERE id = 1";
        client.execute(update, &[&"1"]).await.expect("updated");
        let mark = "INSERT INTO theirs.irctl_operations VALUES ($1, 'step', 'now', 'a', 'b') \
                    ON CONFLICT (operation, step) DO UPDATE SET applied_at = 'now'";
        client.execute(mark, &[&"op"]).await.expect("marked");
        client.batch_execute("COMMIT").await.expect("committed");
    });
}

/// Puts everything back but the databases.
pub fn restore(root: &Path) {
    let (live, kept) = (root.join("model"), root.join("kept"));
    for name in FILES {
        std::fs::copy(kept.join("images").join(name), live.join(name)).expect("a copy");
    }
    std::fs::copy(kept.join("rollout.yml"), root.join("rollout.yml")).expect("a copy");
    for folder in [live.join("before"), kept] {
        remove(folder);
    }
    let code = root.join("code");
    git(&code, &["update-ref", "-d", "refs/heads/backup/main"]);
    git(&code, &["reset", "--quiet", "--hard", "v2"]);
}

fn remove(folder: PathBuf) {
    std::fs::remove_dir_all(folder).expect("removed");
}
