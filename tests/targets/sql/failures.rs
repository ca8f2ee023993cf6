//! What goes wrong ends in the right state, with a clear error and a way out.

use super::postgres::{self, Server};
use super::{Case, Fixture as _, Kind, goal, read, statements};
use irctl::base::ErrorCode;
use irctl::operation::Observation;
use irctl::rollback::targets::sql::{SqlConfig, SqlSwitch, SqlTarget};
use irctl::rollback::targets::{Ground, Switch as _, Target as _};
use std::io::Write as _;
use std::time::{Duration, Instant};

fn one_row(kind: Kind, statement: &str, more: &str) -> Case {
    let rest =
        format!("{more}\nchange: {{statements: {{run: [{{sql: \"{statement}\"}}], keep: [{{table: a}}]}}}}");
    Case::new(
        kind,
        "CREATE TABLE a (id integer PRIMARY KEY, v integer CHECK (v < 100)); INSERT INTO a VALUES (1, 1)",
        &["a"],
        &rest,
        "",
    )
}

/// A case whose database is this connection string.
fn elsewhere(url: &str) -> (Case, SqlConfig) {
    let case = statements(Kind::Sqlite);
    let path = case.images("secret").join("url");
    std::fs::write(&path, url).unwrap();
    let text = format!(
        "database: {{postgres: {{url: 'file:{}'}}}}\nchange: {{statements: {{run: [{{sql: 'DELETE FROM a'}}], keep: [{{table: a}}]}}}}",
        path.display()
    );
    let config = read(&text);
    (case, config)
}

fn observe(case: &Case, config: &SqlConfig) -> irctl::base::Error {
    let ground = Ground { root: case.file().parent().unwrap().to_path_buf(), service: "s".to_owned() };
    SqlTarget { config, ground: &ground }.observe().unwrap_err()
}

#[test]
fn a_database_that_is_down_says_so_and_no_secret_is_told() {
    let port = postgres::free_port();
    let (case, config) = elsewhere(&format!("postgresql://ada:hunter2secret@127.0.0.1:{port}/acis"));
    let error = observe(&case, &config);
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert!(
        error
            .message
            .contains(&format!("PostgreSQL acis at 127.0.0.1:{port}: the database is not available")),
        "{}",
        error.message
    );
    assert!(error.message.contains("refused") && error.hint.is_some(), "{}", error.message);
    assert!(!format!("{error:?}").contains("hunter2"));
    let ground = Ground { root: "/".into(), service: "s".to_owned() };
    let (to, from) = case.versions();
    let target = SqlTarget { config: &config, ground: &ground };
    assert_eq!(target.predict(&goal(&to, &from)).unwrap_err().code, ErrorCode::Unavailable);
    assert!(target.rehearse(&goal(&to, &from), std::path::Path::new("/")).unwrap()[0].failure.is_some());

    // Somebody takes the connection and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let (case, mut config) =
        elsewhere(&format!("postgresql://ada:hunter2secret@127.0.0.1:{port}/acis?sslmode=disable"));
    config.timeouts.connect = irctl::base::Duration::seconds(1);
    let begun = Instant::now();
    let error = observe(&case, &config);
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert!(error.message.contains("no answer within 1000 ms"), "{}", error.message);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(!format!("{error:?}").contains("hunter2"));

    // The wrong password.
    let server = Server::shared();
    server.sql("DROP ROLE IF EXISTS locked; CREATE ROLE locked LOGIN PASSWORD 'right'");
    let (case, config) =
        elsewhere(&format!("postgresql://locked:hunter2secret@127.0.0.1:{}/postgres", server.port));
    let error = observe(&case, &config);
    assert_eq!(error.code, ErrorCode::NotPermitted, "{error:?}");
    assert!(!format!("{error:?}").contains("hunter2"));
    let (case, config) = elsewhere(&format!("postgresql://irctl@127.0.0.1:{}/no_such_database", server.port));
    assert_eq!(observe(&case, &config).code, ErrorCode::NotFound);
}

#[test]
fn connections_are_encrypted_and_servers_are_proven() {
    let server = Server::shared();
    server.sql("DROP ROLE IF EXISTS encrypted; CREATE ROLE encrypted LOGIN SUPERUSER");
    let url =
        |host: &str, more: &str| format!("postgresql://encrypted@{host}:{}/postgres{more}", server.port);
    let missing_table = |error: irctl::base::Error| {
        assert!(error.message.contains("there is no table a"), "it got in: {error:?}");
    };
    let (case, config) = elsewhere(&url("127.0.0.1", "?sslmode=require"));
    missing_table(observe(&case, &config));
    let (case, config) = elsewhere(&url("127.0.0.1", "?sslmode=disable"));
    assert_eq!(observe(&case, &config).code, ErrorCode::NotPermitted, "the server insists");
    // A certificate that nobody vouches for.
    let (case, config) = elsewhere(&url("localhost", "?sslmode=verify-full"));
    let error = observe(&case, &config);
    assert!(error.message.contains("certificate"), "{error:?}");
    // One that is trusted, for this name and no other.
    let (case, mut config) = elsewhere(&url("localhost", "?sslmode=verify-full"));
    let root = case.images("tls").join("root.pem");
    std::fs::write(&root, server.certificate()).unwrap();
    let trust = |config: &mut SqlConfig| {
        if let irctl::rollback::targets::sql::DatabaseConfig::Postgres(postgres) = &mut config.database {
            postgres.root_certificate = Some("tls/root.pem".into());
        }
    };
    trust(&mut config);
    let error = observe(&case, &config);
    // The shipped test certificate signs itself and is no authority; both answers prove that it is looked at.
    assert!(
        error.message.contains("there is no table a") || error.message.contains("CaUsedAsEndEntity"),
        "{error:?}"
    );
    let (other, mut config) = elsewhere(&url("127.0.0.1", "?sslmode=verify-full"));
    std::fs::write(other.images("tls").join("root.pem"), server.certificate()).unwrap();
    trust(&mut config);
    assert!(observe(&other, &config).message.contains("certificate"), "another name");
}

#[test]
fn a_lock_of_somebody_else_is_named() {
    let case = one_row(Kind::Postgres, "UPDATE a SET v = 2", "timeouts: {lock: 1s}");
    let switch = case.staged("OP-1");
    let mut session = Server::shared().session();
    let stdin = session.stdin.as_mut().unwrap();
    let schema = case.value("SELECT current_schema()");
    writeln!(stdin, "SET application_name = 'nightly report'; BEGIN; SELECT 1 FROM {schema}.a FOR UPDATE;")
        .unwrap();
    stdin.flush().unwrap();
    let held = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE application_name = 'nightly report' AND relation IS NOT NULL AND mode = 'RowShareLock'";
    while Server::shared().sql(held).trim() == "0" {
        std::thread::sleep(Duration::from_millis(20));
    }
    let error = case.with(|context| switch.act(context)).unwrap_err();
    assert_eq!(error.code, ErrorCode::Busy, "{error:?}");
    assert!(error.message.contains("nightly report of irctl, idle in transaction"), "{}", error.message);
    session.kill().unwrap();
    session.wait().unwrap();
    case.with(|context| switch.act(context)).unwrap();

    let case = one_row(Kind::Sqlite, "UPDATE a SET v = 2", "timeouts: {lock: 1s}");
    let switch = case.staged("OP-1");
    let other = rusqlite::Connection::open(case.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = case.with(|context| switch.act(context)).unwrap_err();
    assert_eq!(error.code, ErrorCode::Busy, "{error:?}");
    assert!(error.hint.unwrap().contains("another program"));
    drop(other);
    case.with(|context| switch.act(context)).unwrap();
}

#[test]
fn what_takes_too_long_is_stopped_and_changes_nothing() {
    let slow = "UPDATE a SET v = 2 WHERE pg_sleep(5) IS NOT NULL";
    let endless = "UPDATE a SET v = 2 WHERE (WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n) > 0";
    for (kind, statement) in [(Kind::Postgres, slow), (Kind::Sqlite, endless)] {
        let case = one_row(kind, statement, "timeouts: {statement: 1s}");
        let before = case.all();
        let begun = Instant::now();
        let error = case.stage_as("OP-1").unwrap_err();
        assert_eq!(error.code, ErrorCode::TimedOut, "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert_eq!(case.all(), before);
    }
}

#[test]
fn a_constraint_and_a_wrong_count_are_refusals() {
    for kind in [Kind::Postgres, Kind::Sqlite] {
        let case = one_row(kind, "UPDATE a SET v = 100", "");
        let error = case.stage_as("OP-1").unwrap_err();
        assert_eq!(error.code, ErrorCode::Refused);
        assert!(error.message.contains("constraint"), "{}", error.message);
        // It was possible when it was planned, and is not any more: a deferred constraint, a count.
        let case = statements(kind);
        let switch = case.staged("OP-1");
        case.sql("DELETE FROM events; DELETE FROM settings WHERE name = 'active'");
        let before = case.all();
        assert!(matches!(switch.observe().unwrap(), Observation::Other { .. }));
        assert_eq!(case.with(|context| switch.act(context)).unwrap_err().code, ErrorCode::Drifted);
        assert_eq!(case.all(), before);
    }
}

/// A folder that is gone stands for a disk that is full: both refuse the same call.
#[test]
fn without_room_for_the_rows_nothing_is_changed() {
    let case = one_row(Kind::Postgres, "UPDATE a SET v = 2", "");
    let before = case.all();
    let switch = sleeping(&case, 2);
    let kept = case.images("kept");
    std::thread::scope(|scope| {
        let acting = scope.spawn(|| case.with(|context| switch.act(context)));
        let asleep = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(2)%' AND state = 'active' AND pid <> pg_backend_pid()";
        while Server::shared().sql(asleep).trim() == "0" {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::fs::rename(&switch.images, kept.join("images")).unwrap();
        let error = acting.join().unwrap().unwrap_err();
        assert!(error.message.contains("cannot be kept"), "{error:?}");
        assert!(error.hint.is_some());
    });
    assert_eq!(case.all(), before);
    std::fs::rename(kept.join("images"), &switch.images).unwrap();
    assert!(matches!(switch.observe().unwrap(), Observation::Before(_)));
}

/// A switch that sleeps in its statement, running in a thread of its own.
fn sleeping(case: &Case, seconds: u32) -> SqlSwitch {
    let mut switch = case.staged("OP-1");
    if let irctl::rollback::targets::sql::Work::Statements { statements, .. } = &mut switch.work {
        for statement in statements {
            statement.bound.sql = format!("UPDATE a SET v = 2 WHERE pg_sleep({seconds}) IS NOT NULL");
        }
    }
    switch
}

#[test]
fn a_session_that_is_ended_in_its_transaction_changes_nothing() {
    let case = one_row(Kind::Postgres, "UPDATE a SET v = 2", "");
    let before = case.all();
    let switch = sleeping(&case, 20);
    std::thread::scope(|scope| {
        let acting = scope.spawn(|| case.with(|context| switch.act(context)));
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'irctl' AND query LIKE '%pg_sleep(20)%' AND state = 'active'";
        while Server::shared().sql(end).trim() == "0" {
            std::thread::sleep(Duration::from_millis(20));
        }
        let error = acting.join().unwrap().unwrap_err();
        assert_eq!(error.code, ErrorCode::Unavailable, "{error:?}");
        assert!(error.message.contains("administrator"), "{}", error.message);
    });
    assert_eq!(case.all(), before);
    assert!(matches!(switch.observe().unwrap(), Observation::Before(_)));
}

#[test]
fn a_second_client_of_the_same_operation_waits_for_the_first() {
    let case = one_row(Kind::Postgres, "UPDATE a SET v = 2", "timeouts: {lock: 1s}");
    let (first, second) = (sleeping(&case, 3), case.staged("OP-1"));
    let second = SqlSwitch { step: first.step.clone(), ..second };
    std::thread::scope(|scope| {
        let acting = scope.spawn(|| case.with(|context| first.act(context)));
        let asleep = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3)%' AND state = 'active' AND pid <> pg_backend_pid()";
        while Server::shared().sql(asleep).trim() == "0" {
            std::thread::sleep(Duration::from_millis(20));
        }
        let error = second.observe().unwrap_err();
        assert_eq!(error.code, ErrorCode::Busy, "nobody can tell yet: {error:?}");
        acting.join().unwrap().unwrap();
    });
    assert_eq!(second.observe().unwrap(), Observation::After);
    assert_eq!(case.with(|context| second.act(context)).unwrap().unwrap(), "it was committed before");
}

/// The connection is cut while the commit is on its way: the mark tells, whichever way it went.
#[test]
fn a_connection_lost_in_the_commit_is_settled_by_the_mark() {
    for passes in [true, false] {
        let case = one_row(Kind::Postgres, "UPDATE a SET v = 2", "");
        let switch = case.staged("OP-1");
        let proxy = Proxy::start(Server::shared().port, passes);
        let url = case.images("url-of-proxy").join("url");
        let schema = case.value("SELECT current_schema()");
        let through = Server::shared()
            .url(&schema)
            .replace(&format!(":{}/", Server::shared().port), &format!(":{}/", proxy.port));
        std::fs::write(&url, through).unwrap();
        let mut cut = switch.clone();
        cut.database = serde_json::from_value(
            serde_json::json!({"postgres": {"url": format!("file:{}", url.display())}}),
        )
        .unwrap();
        let outcome = case.with(|context| cut.act(context));
        match (passes, outcome) {
            (true, outcome) => assert!(outcome.is_ok(), "it was committed: {outcome:?}"),
            (false, outcome) => {
                let error = outcome.unwrap_err();
                assert_eq!(error.code, ErrorCode::Unavailable, "{error:?}");
                assert!(error.message.contains("It was not committed"), "{}", error.message);
            }
        }
        assert_eq!(case.value("SELECT v FROM a"), if passes { "2" } else { "1" });
        assert_eq!(matches!(switch.observe().unwrap(), Observation::After), passes);
    }
}

/// Hands bytes to a server and back, until a client says COMMIT: that is handed on or not, and never answered.
struct Proxy {
    port: u16,
}

impl Proxy {
    fn start(server: u16, passes: bool) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, upstream) =
                    (client.unwrap(), std::net::TcpStream::connect(("127.0.0.1", server)).unwrap());
                std::thread::spawn(move || Self::carry(client, upstream, passes));
            }
        });
        Self { port }
    }

    fn carry(mut client: std::net::TcpStream, mut upstream: std::net::TcpStream, passes: bool) {
        use std::io::Read as _;
        let (mut answers, mut back) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
        let mut buffer = [0; 8192];
        while let Ok(read) = client.read(&mut buffer) {
            let bytes = &buffer[..read];
            if read == 0 {
                break;
            }
            if bytes.windows(7).any(|window| window == b"COMMIT\0") {
                client.shutdown(std::net::Shutdown::Both).unwrap();
                if passes {
                    upstream.write_all(bytes).unwrap();
                    std::thread::sleep(Duration::from_millis(200));
                }
                break;
            }
            if upstream.write_all(bytes).is_err() {
                break;
            }
        }
        let _ = upstream.shutdown(std::net::Shutdown::Both);
        let _ = client.shutdown(std::net::Shutdown::Both);
    }
}

#[test]
fn a_server_that_dies_is_asked_again_when_it_is_back() {
    let mut server = Server::start();
    server.sql("CREATE TABLE a (id integer PRIMARY KEY, v integer); INSERT INTO a VALUES (1, 1)");
    let (case, config) = elsewhere(&server.url("public"));
    let ground = Ground { root: case.file().parent().unwrap().to_path_buf(), service: "s".to_owned() };
    let target = SqlTarget { config: &config, ground: &ground };
    let images = case.images("OP-1");
    let (to, from) = case.versions();
    let staging = irctl::rollback::targets::Staging { images: &images, operation: "OP-1" };
    let specs = target.stage(&goal(&to, &from), &staging).unwrap();
    let switch = specs[0].switch();
    case.with(|context| switch.act(context)).unwrap();
    server.kill();
    assert_eq!(switch.observe().unwrap_err().code, ErrorCode::Unavailable);
    assert_eq!(case.with(|context| switch.undo(context)).unwrap_err().code, ErrorCode::Unavailable);
    server.run();
    assert_eq!(switch.observe().unwrap(), Observation::After, "what was committed is there");
    case.with(|context| switch.undo(context)).unwrap();
    assert_eq!(server.sql("SELECT v FROM a").trim(), "1");
}

#[test]
fn a_role_without_rights_and_a_missing_file_are_told() {
    let case = one_row(Kind::Postgres, "UPDATE a SET v = 2", "");
    let schema = case.value("SELECT current_schema()");
    let server = Server::shared();
    server.sql(&format!("DROP ROLE IF EXISTS reader_{schema}; CREATE ROLE reader_{schema} LOGIN; GRANT USAGE ON SCHEMA {schema} TO reader_{schema}; GRANT SELECT, UPDATE ON {schema}.a TO reader_{schema}"));
    let url = server.url(&schema).replace("irctl@", &format!("reader_{schema}@"));
    let (other, config) = elsewhere(&url);
    let config = SqlConfig {
        change: read("{statements: {run: [{sql: 'UPDATE a SET v = 2'}], keep: [{table: a}]}}"),
        ..config
    };
    let ground = Ground { root: other.file().parent().unwrap().to_path_buf(), service: "s".to_owned() };
    let (to, from) = other.versions();
    let error = SqlTarget { config: &config, ground: &ground }.predict(&goal(&to, &from)).unwrap_err();
    assert_eq!(error.code, ErrorCode::NotPermitted);
    assert!(error.hint.unwrap().contains("CREATE TABLE IF NOT EXISTS \"irctl_operations\""));

    let case = one_row(Kind::Sqlite, "UPDATE a SET v = 2", "");
    let switch = case.staged("OP-1");
    std::fs::remove_file(case.file()).unwrap();
    assert_eq!(switch.observe().unwrap_err().code, ErrorCode::NotFound);
    std::fs::write(
        case.file(),
        "this is no database, but it is long enough to be looked at by somebody who cares",
    )
    .unwrap();
    assert_eq!(switch.observe().unwrap_err().code, ErrorCode::InvalidData);
}
