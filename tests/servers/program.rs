//! The whole program: from YAML to a verdict.

use crate::redis_server::RedisServer;
use crate::s3_server::{KEY, S3Server, SECRET};
use crate::support::{NIGHT, Workspace};
use rusqlite::Connection;

#[test]
fn suites_judge_what_servers_say() {
    let (workspace, redis, s3) = (Workspace::empty(), RedisServer::start(&[]), S3Server::start(&["signals"]));
    s3.put("signals", "live/one.json", 10, crate::NOW - 600);
    workspace.write("config/irctl.yaml", "workspace: servers\n");
    workspace.write("config/key", KEY);
    workspace.write("config/secret", SECRET);
    let database = Connection::open(workspace.path("data.db")).unwrap();
    database.execute_batch("CREATE TABLE orders (state TEXT); INSERT INTO orders VALUES ('stuck')").unwrap();
    let _: String = redis.run(&["SET", "mode", "halted"]);
    let suite = format!(
        "suite: servers\nprobes:\n  stuck: {{sql: {{database: {{sqlite: {{file: data.db}}}}, query: \"SELECT count(*) FROM \
         orders WHERE state = 'stuck'\", read: {{scalar: {{unit: count}}}}}}}}\n  halted: {{redis: {{url: '{}', ask: \
         {{key: {{key: mode, value: {{equals: halted}}}}}}}}}}\n  signals: {{s3: {{bucket: signals, endpoint: '{}', \
         access_key: 'file:{}', secret_key: 'file:{}', look: {{list: {{prefix: live/}}}}}}}}\n  gone: {{s3: {{bucket: \
         nowhere, endpoint: '{}', access_key: 'file:{}', secret_key: 'file:{}', look: {{list: {{}}}}}}}}\nexpect:\n\
         \x20 - {{id: stuck, that: stuck < 10}}\n  - {{id: halted, that: not halted}}\n  - {{id: fresh, that: signals_age < \
         1h}}\n  - {{id: gone, that: gone_objects < 10}}\n",
        redis.secret(),
        s3.url(),
        workspace.path("config/key").display(),
        workspace.path("config/secret").display(),
        s3.url(),
        workspace.path("config/key").display(),
        workspace.path("config/secret").display(),
    );
    workspace.write("config/verify/servers.yaml", suite);
    let run = workspace.irctl(&["verify", "servers", "--output", "json"]);
    assert!(!run.stdout.contains(SECRET) && !run.stderr.contains(SECRET), "{run:?}");
    let report = run.json();
    let verdict = |id: &str| {
        let checks = report["suites"][0]["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("{report:#}"));
        (check["verdict"].as_str().unwrap().to_ascii_uppercase(), check["reason"].to_string())
    };
    assert_eq!(verdict("stuck").0, "OK", "{NIGHT}: {report:#}");
    assert_eq!(verdict("halted").0, "CRIT");
    assert_eq!(verdict("fresh").0, "OK");
    let (gone, why) = verdict("gone");
    assert_eq!(gone, "UNKNOWN");
    assert!(why.contains("no such bucket"), "{why}");
    let untrusted = workspace.irctl(&["verify", "servers", "--untrusted", "--output", "json"]);
    let checks = untrusted.json()["suites"][0]["checks"].as_array().unwrap().clone();
    assert!(checks.len() == 4 && checks.iter().all(|check| check["verdict"] != "OK"), "{checks:#?}");
    assert!(untrusted.stdout.contains("untrusted"), "{}", untrusted.stdout);
}

#[test]
fn the_environment_says_who_asks_s3() {
    let (workspace, s3) = (Workspace::empty(), S3Server::start(&["signals"]));
    s3.put("signals", "one", 10, crate::NOW - 600);
    workspace.write("config/irctl.yaml", "workspace: servers\n");
    workspace.write(
        "config/verify/bucket.yaml",
        "suite: bucket\nprobes:\n  signals: {s3: {bucket: signals, look: {list: {}}, timeout: 8s}}\nexpect:\n  - {id: one, that: \
         signals_objects == 1}\n",
    );
    let url = s3.url();
    let dead = format!("http://127.0.0.1:{}", crate::dead_port());
    let ask = |more: &[(&str, &str)]| {
        let mut all = vec![("AWS_ENDPOINT_URL", url.as_str()), ("AWS_METADATA_ENDPOINT", dead.as_str())];
        all.extend(more);
        let run = workspace.irctl_with(&all, &["verify", "bucket", "--output", "json"]);
        assert!(!run.stdout.contains("hunter2") && !run.stderr.contains("hunter2"), "{run:?}");
        let check = run.json()["suites"][0]["checks"][0].clone();
        (check["verdict"].as_str().unwrap().to_owned(), check["reason"].to_string())
    };
    let (verdict, why) = ask(&[("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)]);
    assert_eq!(verdict, "OK", "{why}");
    let (verdict, why) = ask(&[]);
    assert_eq!(verdict, "UNKNOWN");
    assert!(why.contains("no credentials for S3 are found"), "{why}");
    let (verdict, why) = ask(&[
        ("AWS_ACCESS_KEY_ID", "ended"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2-x"),
        ("AWS_SESSION_TOKEN", "hunter2-of-a-session"),
    ]);
    assert_eq!(verdict, "UNKNOWN");
    assert!(why.contains("have expired"), "{why}");
}
