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
    let text = untrusted.stdout.to_ascii_uppercase();
    assert!(!text.contains("\"VERDICT\": \"OK\"") && text.contains("UNTRUSTED"), "{}", untrusted.stdout);
}
