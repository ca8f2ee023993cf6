//! PostgreSQL.

use crate::postgres_server::Server;
use crate::{Bench, Flaky, dead_port, fact, reason, value, values};
use irctl::base::Digest;
use std::time::{Duration, Instant};

struct Scene {
    bench: Bench,
    server: &'static Server,
    schema: String,
    url: String,
}

impl Scene {
    fn new() -> Self {
        let (bench, server) = (Bench::new(), Server::shared());
        let schema = server.schema();
        let url = bench.secret("url", &server.url(&schema));
        let scene = Self { bench, server, schema, url };
        scene.server.sql(&format!(
            "SET search_path = {}; CREATE TABLE trades (route text, won numeric, version text, at timestamptz);
             INSERT INTO trades VALUES ('a', 0.25, 'v1', '2026-11-20 02:00:00+00'), ('b', 0.75, 'v2', \
             '2026-11-20 02:30:00+00'), ('c', NULL, 'v9', '2026-11-20 02:59:00+00');
             CREATE SEQUENCE numbers",
            scene.schema
        ));
        scene
    }

    /// A probe of a query, read as this says.
    fn probe(&self, query: &str, read: &str) -> String {
        let query = serde_json::to_string(query).unwrap();
        format!(
            "{{sql: {{database: {{postgres: {{url: '{}'}}}}, query: {query}, read: {read}, timeout: 5s}}}}",
            self.url
        )
    }

    /// What somebody else sees.
    fn sql(&self, sql: &str) -> String {
        self.server.sql(&format!("SET search_path = {}; {sql}", self.schema)).trim().to_owned()
    }

    fn why(&self, query: &str, read: &str) -> String {
        self.bench.reason(&self.probe(query, read))
    }
}

#[test]
fn what_is_one_number_is_measured_and_nothing_else() {
    let scene = Scene::new();
    let outcome =
        scene.bench.measure(&scene.probe("SELECT 42.5 -- all of it\n ;", "{scalar: {unit: seconds}}"));
    assert_eq!(value(&outcome, "p"), 42.5);
    assert!(fact(&outcome, "database").starts_with("PostgreSQL postgres at 127.0.0.1:"), "{outcome:?}");
    assert!(fact(&outcome, "query").starts_with("SELECT 42.5"));
    let measured = |query: &str, read: &str| value(&scene.bench.measure(&scene.probe(query, read)), "p");
    assert_eq!(measured("SELECT count(*) FROM trades -- every one", "{scalar: {}}"), 3.0);
    assert_eq!(measured("SELECT true", "{scalar: {unit: flag}}"), 1.0);
    assert_eq!(measured("VALUES (7)", "{scalar: {}}"), 7.0);
    for (query, words) in [
        ("SELECT won FROM trades WHERE false", "found no row"),
        ("SELECT won FROM trades", "found 3 rows where one is expected"),
        ("SELECT 1 AS a, 2 AS b", "has 2 columns"),
        ("SELECT max(won) FROM trades WHERE false", "NULL"),
        ("SELECT 'NaN'::float8", "NaN"),
        ("SELECT 'Infinity'::float8", "infinite"),
        ("SELECT '5 minutes'::interval", "not a number"),
        ("SELECT 'no'", "not a number"),
        ("SELECT 1/0", "division by zero"),
        ("SELECT x FROM nowhere", "does not exist"),
        ("SELEC 1", "syntax error"),
        ("", "syntax error"),
    ] {
        let why = scene.why(query, "{scalar: {}}");
        assert!(why.contains(words), "{query}: {why}");
    }
    assert!(scene.why("SELECT 0.9", "{scalar: {unit: flag}}").contains("neither true nor false"));
    assert!(scene.why("SELECT -1", "{scalar: {unit: count}}").contains("outside the range"));
}

#[test]
fn rows_counts_and_newest_times() {
    let scene = Scene::new();
    let all = "SELECT route, won, version, at FROM trades ORDER BY route";
    let outcome = scene.bench.measure(&scene.probe(
        all,
        "{rows: {metric: winrate, value: won, labels: [route], unit: ratio, time: at, max_age: 45m, version: version}}",
    ));
    let found = values(&outcome, "winrate");
    assert_eq!(
        found,
        [("route=a".to_owned(), None), ("route=b".to_owned(), Some(0.75)), ("route=c".to_owned(), None)],
        "a is too old, c is NULL"
    );
    let versions: Vec<_> = outcome.samples.iter().map(|sample| sample.version.clone()).collect();
    assert_eq!(versions, [Some(Digest::of(b"v1")), Some(Digest::of(b"v2")), None]);
    assert_eq!(outcome.samples[1].event_time.to_rfc3339(), "2026-11-20T02:30:00+00:00");
    assert_eq!(fact(&outcome, "newest"), "2026-11-20T02:59:00Z");
    for (query, read, words) in [
        (all, "{rows: {value: won}}", "found 3 rows where one is expected"),
        (
            "SELECT 1 AS won, 'v9' AS version",
            "{rows: {value: won, version: version}}",
            "no version known here",
        ),
        (all, "{rows: {value: none, labels: [route]}}", "has no column"),
        (all, "{rows: {value: won, labels: [route], max_age: 1h}}", "`max_age` needs `time`"),
        ("SELECT 'a' AS r, won FROM trades", "{rows: {value: won, labels: [r]}}", "the same r"),
        ("SELECT NULL AS r, 1 AS n", "{rows: {value: n, labels: [r]}}", "NULL"),
        ("SELECT 1 AS n WHERE false", "{rows: {value: n}}", "no row"),
        (
            "SELECT n FROM generate_series(1, 1001) AS n",
            "{rows: {value: n, labels: [n]}}",
            "more than 1000 rows",
        ),
        ("SELECT 1 AS n, '2026-11-21'::date AS t", "{rows: {value: n, time: t}}", "lies in the future"),
    ] {
        let why = scene.why(query, read);
        assert!(why.contains(words), "{query} {read}: {why}");
    }
    let count = |query: &str| value(&scene.bench.measure(&scene.probe(query, "{count: {}}")), "p_rows");
    assert_eq!((count("SELECT * FROM trades"), count("SELECT * FROM trades WHERE false")), (3.0, 0.0));
    let newest = scene.bench.measure(&scene.probe("SELECT max(at) FROM trades;", "{newest: {}}"));
    assert!((value(&newest, "p_age") * 1440.0 - 1.0).abs() < 1e-9, "one minute");
    for (query, words) in [
        ("SELECT max(at) FROM trades WHERE false", "found no time"),
        ("SELECT '2026-11-20 09:00:00+00'::timestamptz", "lies in the future"),
        ("SELECT 'infinity'::timestamptz", "no time"),
        ("SELECT at FROM trades", "3 rows"),
    ] {
        let why = scene.why(query, "{newest: {}}");
        assert!(why.contains(words), "{query}: {why}");
    }
    let zoned = scene.bench.measure(
        &scene.probe("SELECT '2026-11-19 21:00:00'::timestamp", "{newest: {timezone: America/New_York}}"),
    );
    assert!((value(&zoned, "p_age") * 24.0 - 1.0).abs() < 1e-9, "02:00 UTC is an hour ago");
}

#[test]
fn nothing_is_ever_written() {
    let scene = Scene::new();
    for query in [
        "DELETE FROM trades",
        "INSERT INTO trades VALUES ('x', 1, NULL, NULL) RETURNING won",
        "WITH gone AS (DELETE FROM trades RETURNING won) SELECT won FROM gone",
        "SELECT nextval('numbers')",
        "COMMIT; DELETE FROM trades",
        "SELECT 1) AS asked; COMMIT; DELETE FROM trades; --",
        "DROP TABLE trades",
        "SELECT won FROM trades FOR UPDATE",
        "COPY trades TO PROGRAM 'touch /tmp/irctl-should-not-be-here'",
    ] {
        scene.why(query, "{scalar: {}}");
        scene.why(query, "{count: {}}");
        assert_eq!(scene.sql("SELECT count(*) FROM trades"), "3", "{query}");
    }
    assert_eq!(scene.sql("SELECT is_called FROM numbers"), "f");
    assert!(!std::path::Path::new("/tmp/irctl-should-not-be-here").exists());
    let probe = scene.probe("SELECT 1", "{scalar: {}}");
    let outcome = scene.bench.measured(&probe, true);
    assert!(reason(&outcome, "p").contains("untrusted"));
}

#[test]
fn what_does_not_answer_is_undecided() {
    let scene = Scene::new();
    let begun = Instant::now();
    let slow =
        scene.probe("SELECT pg_sleep(20)::text", "{scalar: {}}").replace("timeout: 5s", "timeout: 300ms");
    let why = scene.bench.reason(&slow);
    assert!(why.contains("statement timeout"), "{why}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    let database = |parts: &str| {
        format!(
            "{{sql: {{database: {{postgres: {parts}}}, query: SELECT 1, read: {{scalar: {{}}}}, timeout: 2s}}}}"
        )
    };
    let port = scene.server.port;
    scene.server.sql("CREATE ROLE locked LOGIN PASSWORD 'hunter2-right'");
    let password = scene.bench.secret("password", "hunter2-wrong");
    let why = scene.bench.reason(&database(&format!(
        "{{host: 127.0.0.1, port: {port}, user: locked, database: postgres, password: '{password}'}}"
    )));
    assert!(why.contains("password authentication failed") && why.contains("another user"), "{why}");
    let right = scene.bench.secret("password", "hunter2-right");
    let outcome = scene.bench.measure(&database(&format!(
        "{{host: 127.0.0.1, port: {port}, user: locked, database: postgres, password: '{right}'}}"
    )));
    assert_eq!(value(&outcome, "p"), 1.0);
    let why = scene.bench.reason(&database(&format!("{{host: 127.0.0.1, port: {}, user: a}}", dead_port())));
    assert!(why.contains("not available"), "{why}");
    let why = scene.bench.reason(&database("{url: 'env:IRCTL_TEST_NO_SUCH_VARIABLE'}"));
    assert!(why.contains("IRCTL_TEST_NO_SUCH_VARIABLE"), "{why}");
    let garbage = scene.bench.secret("garbage", "hunter2");
    let why = scene.bench.reason(&database(&format!("{{url: '{garbage}'}}")));
    assert!(why.contains("cannot be read"), "{why}");
    let why = scene.bench.reason(&database(&format!(
        "{{host: 127.0.0.1, port: {port}, user: irctl, database: postgres, tls: verify-full, root_certificate: none.pem}}"
    )));
    assert!(why.contains("none.pem"), "{why}");
    std::fs::write(scene.bench.path("root.pem"), scene.server.certificate()).unwrap();
    // The certificate is that of an authority, and so of no server.
    let why = scene.bench.reason(&database(&format!(
        "{{host: localhost, port: {port}, user: irctl, database: postgres, tls: verify-full, root_certificate: root.pem}}"
    )));
    assert!(why.contains("certificate"), "{why}");
    let outcome = scene.bench.measure(&database(&format!(
        "{{host: localhost, port: {port}, user: irctl, database: postgres, tls: require}}"
    )));
    assert_eq!(value(&outcome, "p"), 1.0);
}

#[test]
fn a_connection_that_breaks_is_made_once_more() {
    let scene = Scene::new();
    let through = |flaky: &Flaky| {
        format!(
            "{{sql: {{database: {{postgres: {{host: 127.0.0.1, port: {}, user: irctl, database: postgres, tls: disable}}}}, \
             query: SELECT 5, read: {{scalar: {{}}}}, timeout: 3s}}}}",
            flaky.port
        )
    };
    let once = Flaky::to(scene.server.port, 1);
    assert_eq!(value(&scene.bench.measure(&through(&once)), "p"), 5.0);
    assert_eq!(once.connections(), 2);
    let always = Flaky::to(scene.server.port, 99);
    assert!(scene.bench.reason(&through(&always)).contains("not available"));
    assert_eq!(always.connections(), 2, "once more, and no more");
}
