//! SQLite.

use crate::{Bench, fact, value, values};
use rusqlite::Connection;
use std::time::{Duration, Instant};

fn scene() -> (Bench, Connection) {
    let bench = Bench::new();
    let connection = Connection::open(bench.path("data.db")).unwrap();
    let schema = "CREATE TABLE runs (name TEXT, score REAL, at TEXT);
        INSERT INTO runs VALUES ('a', 0.5, '2026-11-20 02:00:00'), ('b', NULL, '2026-11-20T02:30:00Z');";
    connection.execute_batch(schema).unwrap();
    (bench, connection)
}

fn probe(query: &str, read: &str) -> String {
    let query = serde_json::to_string(query).unwrap();
    format!("{{sql: {{database: {{sqlite: {{file: data.db}}}}, query: {query}, read: {read}, timeout: 2s}}}}")
}

#[test]
fn reads_numbers_rows_counts_and_times() {
    let (bench, _held) = scene();
    let outcome = bench
        .measure(&probe("SELECT max(score) FROM runs -- best\n;", "{scalar: {unit: ratio, metric: best}}"));
    assert_eq!(value(&outcome, "best"), 0.5);
    assert_eq!(fact(&outcome, "database"), "SQLite data.db");
    let outcome =
        bench.measure(&probe("SELECT name, score FROM runs", "{rows: {value: score, labels: [name]}}"));
    assert_eq!(values(&outcome, "p"), [("name=a".to_owned(), Some(0.5)), ("name=b".to_owned(), None)]);
    assert_eq!(value(&bench.measure(&probe("SELECT 1 FROM runs WHERE 0", "{count: {}}")), "p_rows"), 0.0);
    let newest = bench.measure(&probe("SELECT at FROM runs WHERE name = 'b'", "{newest: {metric: age}}"));
    assert!((value(&newest, "age") * 48.0 - 1.0).abs() < 1e-9, "half an hour");
    let seconds = bench.measure(&probe("SELECT 1795140000", "{newest: {}}"));
    assert!((value(&seconds, "p_age") * 24.0 - 1.0).abs() < 1e-9, "an hour");
    for (query, words) in [
        ("SELECT score FROM runs WHERE name = 'b'", "NULL"),
        ("SELECT name FROM runs LIMIT 1", "not a number"),
        ("SELECT x'00ff'", "2 bytes"),
        ("SELECT 9e999", "infinite"),
        ("SELECT score FROM runs", "2 rows"),
        ("SELECT score FROM runs WHERE 0", "no row"),
        ("SELECT * FROM nowhere", "no such table"),
        ("", "syntax error"),
    ] {
        let why = bench.reason(&probe(query, "{scalar: {}}"));
        assert!(why.contains(words), "{query}: {why}");
    }
}

#[test]
fn nothing_is_ever_written() {
    let (bench, connection) = scene();
    for query in [
        "DELETE FROM runs",
        "INSERT INTO runs VALUES ('c', 1, NULL) RETURNING score",
        "SELECT 1) AS asked; DELETE FROM runs; --",
        "PRAGMA query_only = OFF",
        "ATTACH 'other.db' AS other",
    ] {
        bench.reason(&probe(query, "{scalar: {}}"));
        bench.reason(&probe(query, "{count: {}}"));
        let count: i64 = connection.query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 2, "{query}");
    }
    assert!(!bench.path("other.db").exists());
}

#[test]
fn what_is_not_there_locked_damaged_or_slow_is_undecided() {
    let (bench, connection) = scene();
    for (file, words) in [("none.db", "no such file"), ("../x.db", "climbs out"), ("/etc/passwd", "absolute")]
    {
        let why = bench.reason(&probe("SELECT 1", "{scalar: {}}").replace("data.db", file));
        assert!(why.contains(words), "{file}: {why}");
        assert!(!bench.path("none.db").exists(), "it is not made");
    }
    std::fs::write(bench.path("text.db"), "this is no database, however long it may be ".repeat(50)).unwrap();
    let why =
        bench.reason(&probe("SELECT 1 FROM sqlite_master", "{scalar: {}}").replace("data.db", "text.db"));
    assert!(why.contains("not a database"), "{why}");
    let begun = Instant::now();
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let why = bench.reason(&probe(endless, "{scalar: {}}").replace("timeout: 2s", "timeout: 200ms"));
    assert!(why.contains("longer than 200 ms"), "{why}");
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    let locked = probe("SELECT count(*) FROM runs", "{scalar: {}}").replace("timeout: 2s", "timeout: 200ms");
    let why = bench.reason(&locked);
    assert!(why.contains("locked"), "{why}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}
