//! A real PostgreSQL server for tests: started on a free port and a socket of its own, stopped when the test process
//! ends, however it ends.

#![allow(dead_code)] // Each test program uses a part of it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The user of the server who may do everything.
pub const USER: &str = "irctl";

/// A running server.
pub struct Server {
    /// Its data, its socket and its certificate.
    pub folder: PathBuf,
    /// Its port on 127.0.0.1.
    pub port: u16,
    bin: PathBuf,
    /// When this is closed, as the end of the process does, the server is stopped and its folder removed.
    keeper: Option<(Child, ChildStdin)>,
    schemas: AtomicU32,
}

/// Runs the server and waits for the end of the test process at the other end of its standard input.
const KEEP: &str = r#"
folder=$1; bin=$2; port=$3
"$bin/postgres" -D "$folder/data" -p "$port" -k "$folder" -c listen_addresses=127.0.0.1 -c fsync=off \
    -c max_connections=60 -c shared_buffers=16MB -c ssl=on -c logging_collector=off \
    -c log_min_messages=fatal </dev/null >"$folder/log" 2>&1 &
server=$!
echo "$server"
read -r _
kill -QUIT "$server" 2>/dev/null
wait "$server" 2>/dev/null
cd / && rm -rf "$folder"
"#;

/// Makes a data folder once for all test processes of this machine.
const INITIALIZE: &str = r#"
set -e
folder=$1; bin=$2
"$bin/initdb" -D "$folder" -U irctl -A trust --no-sync -E UTF8 --locale=C >/dev/null
cat >"$folder/pg_hba.conf" <<'RULES'
local all all trust
host all locked 127.0.0.1/32 scram-sha-256
hostssl all encrypted 127.0.0.1/32 trust
host all encrypted 127.0.0.1/32 reject
host all all 127.0.0.1/32 trust
RULES
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout "$folder/server.key" -out "$folder/server.crt" 2>/dev/null
chmod 600 "$folder/server.key"
chmod 700 "$folder"
"#;

impl Server {
    /// The server of this test process.
    pub fn shared() -> &'static Server {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(Server::start)
    }

    /// A server of its own, for tests that stop it.
    pub fn start() -> Self {
        let bin = programs();
        let template = template(&bin);
        let folder = owned_folder("irctl-postgres-");
        let copied = unprivileged("cp").arg("-r").arg(&template).arg(folder.join("data")).status().unwrap();
        assert!(copied.success(), "the data folder is copied");
        let mut server = Self { folder, port: free_port(), bin, keeper: None, schemas: AtomicU32::new(0) };
        server.run();
        server
    }

    /// Starts it again after [`Server::kill`], on the same port.
    pub fn run(&mut self) {
        let mut keeper = unprivileged("sh")
            .args(["-c", KEEP, "keep"])
            .arg(&self.folder)
            .arg(&self.bin)
            .arg(self.port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdin = keeper.stdin.take().unwrap();
        self.keeper = Some((keeper, stdin));
        let begun = Instant::now();
        while !self.answers() {
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(60), "PostgreSQL does not start:\n{log}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Kills it as a power cut would; its data stay, and [`Server::run`] starts it again.
    pub fn kill(&mut self) {
        let Some((mut keeper, stdin)) = self.keeper.take() else { return };
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
        // The keeper goes first, so that it does not clear up.
        keeper.kill().unwrap();
        keeper.wait().unwrap();
        drop(stdin);
        Command::new("kill").args(["-QUIT", line.trim()]).status().unwrap();
        let begun = Instant::now();
        while Command::new("kill").args(["-0", line.trim()]).stderr(Stdio::null()).status().unwrap().success()
        {
            assert!(begun.elapsed() < Duration::from_secs(20), "it does not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = std::fs::remove_file(self.folder.join("data/postmaster.pid"));
    }

    fn answers(&self) -> bool {
        let mut psql = self.psql("postgres");
        psql.args(["-c", "SELECT 1"]).stdout(Stdio::null()).stderr(Stdio::null());
        psql.status().unwrap().success()
    }

    fn psql(&self, database: &str) -> Command {
        let mut command = Command::new(self.bin.join("psql"));
        command
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", database, "-h"])
            .arg(&self.folder)
            .args(["-p", &self.port.to_string()])
            .stdin(Stdio::null());
        command
    }

    /// Runs SQL as the user who may do everything; what it prints.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> String {
        let output = self.psql("postgres").args(["-c", sql]).output().unwrap();
        assert!(output.status.success(), "{sql}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A `psql` that reads statements from its standard input, as somebody else's session.
    pub fn session(&self) -> Child {
        self.psql("postgres")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// A schema of its own.
    pub fn schema(&self) -> String {
        let name = format!("test_{}", self.schemas.fetch_add(1, Ordering::SeqCst));
        self.sql(&format!("CREATE SCHEMA {name}"));
        name
    }

    /// A connection string in which this schema comes first.
    pub fn url(&self, schema: &str) -> String {
        format!(
            "postgresql://{USER}@127.0.0.1:{}/postgres?sslmode=disable&options=-csearch_path%3D{schema}",
            self.port
        )
    }

    /// The certificate of the server, which it has signed itself, for `localhost`.
    pub fn certificate(&self) -> String {
        let path = self.folder.join("data/server.crt");
        String::from_utf8(unprivileged("cat").arg(path).output().unwrap().stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((mut keeper, stdin)) = self.keeper.take() {
            drop(stdin);
            let _ = keeper.wait();
        } else {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim() == "0"
}

/// PostgreSQL refuses to run as root.
fn unprivileged(program: &str) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", program]).current_dir("/");
    command
}

fn owned_folder(prefix: &str) -> PathBuf {
    let folder = tempfile::Builder::new().prefix(prefix).tempdir_in("/tmp").unwrap().keep();
    if is_root() {
        let owned = Command::new("chown").arg("nobody:nogroup").arg(&folder).status().unwrap();
        assert!(owned.success(), "the folder belongs to nobody");
    }
    folder
}

/// Where the programs of PostgreSQL are: Debian keeps them out of PATH.
fn programs() -> PathBuf {
    let mut folders: Vec<PathBuf> =
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.map(|entry| entry.unwrap().path().join("bin")));
    }
    let complete =
        |folder: &PathBuf| ["postgres", "initdb", "psql"].iter().all(|program| folder.join(program).exists());
    folders.into_iter().find(complete).expect("PostgreSQL is not installed: apt-get install postgresql")
}

fn template(bin: &Path) -> PathBuf {
    let version = Command::new(bin.join("postgres")).arg("--version").output().unwrap().stdout;
    let version: String =
        String::from_utf8_lossy(&version).chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    let whose = if is_root() { "nobody".to_owned() } else { std::env::var("USER").unwrap_or_default() };
    let template = PathBuf::from(format!("/tmp/irctl-postgres-template-1-{version}-{whose}"));
    if template.join("data").exists() {
        return template.join("data");
    }
    let folder = owned_folder("irctl-postgres-template-new-");
    let made = unprivileged("sh")
        .args(["-c", INITIALIZE, "initialize"])
        .arg(folder.join("data"))
        .arg(bin)
        .status()
        .unwrap();
    assert!(made.success(), "initdb succeeds");
    // Whoever is first wins; the others take what is there.
    if std::fs::rename(&folder, &template).is_err() {
        let _ = std::fs::remove_dir_all(&folder);
    }
    template.join("data")
}
