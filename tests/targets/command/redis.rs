//! The Redis recipes on a real Redis.

use irctl::rollback::targets::command::{CommandTarget, CommandTargetConfig};
use irctl::rollback::targets::{Ground, Target};
use irctl::rollback::versions::Version;
use serde_json::{Value, json};
use std::path::Path;

use super::adapter::{Asked, sweep};
use super::{ground, recipe, versions};
use crate::conformance::{self, Fixture};

#[path = "../../support/redis.rs"]
mod server;
use server::RedisServer;

/// A database with keys of every type, some of which expire.
fn filled() -> RedisServer {
    let server = RedisServer::start(&[]);
    let words: [&[&str]; 9] = [
        &["SET", "mode", "real", "EX", "9000"],
        &["SET", "signals:a", "1", "PX", "8000000"],
        &["SET", "signals:text", "a text with\nlines"],
        &["RPUSH", "signals:list", "x", "y", "z"],
        &["SADD", "signals:set", "x", "y", "z"],
        &["ZADD", "signals:sorted", "1.5", "x", "2", "y"],
        &["XADD", "signals:stream", "1-1", "field", "value"],
        &["SET", "orders:1", "kept"],
        &["SET", "orders:2", "kept too", "EX", "7000"],
    ];
    for words in words {
        let _: redis::Value = server.run(words);
    }
    // More fields than fit into the compact form: its order depends on the server's memory.
    let mut hash = redis::cmd("HSET");
    hash.arg("signals:hash");
    for number in 0..600 {
        hash.arg(format!("field-{number}")).arg(number);
    }
    let _: i64 = hash.query(&mut server.connect()).unwrap();
    server
}

struct Database {
    server: RedisServer,
    config: CommandTargetConfig,
    ground: Ground,
    meddle: &'static [&'static str],
    notices: bool,
    forgives: bool,
}

impl Database {
    fn new(name: &str, mut with: Value, meddle: &'static [&'static str]) -> Self {
        let server = filled();
        with["url"] = json!(server.secret());
        let (config, ground) = (recipe(name, with), ground(&server.folder()));
        Self { server, config, ground, meddle, notices: true, forgives: false }
    }
}

impl Fixture for Database {
    fn target(&self) -> Box<dyn Target + '_> {
        Box::new(CommandTarget { config: &self.config, ground: &self.ground })
    }

    fn versions(&self) -> (Version, Version) {
        versions()
    }

    fn fingerprint(&self) -> String {
        self.server.everything()
    }

    fn meddle(&self) {
        let _: redis::Value = self.server.run(self.meddle);
    }

    fn notices_meddling(&self) -> bool {
        self.notices
    }

    fn forgive(&self, fingerprint: String) -> String {
        // What is set for a time is set for as long again when it is set again.
        let timed = |line: &str| line.starts_with("irctl:purged:") || line.starts_with("mode string paper");
        let line = |line: &str| match line.rsplit_once(' ') {
            Some((rest, _)) if timed(line) => rest.to_owned(),
            _ => line.to_owned(),
        };
        let fingerprint = fingerprint.lines().map(line).collect::<Vec<_>>().join("\n");
        if !self.forgives {
            return fingerprint;
        }
        // Entries of the stream stay; the mode that the last one names is what counts.
        let other = fingerprint.lines().filter(|line| !line.starts_with("control:events"));
        let entries: Vec<(String, Vec<String>)> =
            self.server.run(&["XREVRANGE", "control:events", "+", "-", "COUNT", "1"]);
        let fields = &entries[0].1;
        let mode = fields.chunks(2).find(|pair| pair[0] == "to").map(|pair| pair[1].clone());
        format!("{}\n{mode:?}", other.collect::<Vec<_>>().join("\n"))
    }
}

#[test]
fn redis_key_conforms() {
    conformance::run(|| {
        let with =
            json!({"key": "mode", "value": "paper", "set": ["fresh=a b, c"], "delete": ["signals:hash"]});
        Database::new("redis-key", with, &["SET", "mode", "halted"])
    });
}

#[test]
fn redis_key_with_an_expiry_conforms() {
    conformance::run(|| {
        let with = json!({"key": "mode", "value": "paper", "expire": "15m"});
        Database::new("redis-key", with, &["DEL", "mode"])
    });
}

#[test]
fn redis_event_conforms() {
    conformance::run(|| {
        let with = json!({"to": "paper", "reason": "{reason}"});
        let theirs = &["XADD", "control:events", "*", "event", "MODE_SWITCH", "from", "x", "to", "halted"];
        let mut database = Database::new("redis-event", with, theirs);
        let first = &["XADD", "control:events", "*", "event", "MODE_SWITCH", "from", "paper", "to", "real"];
        let _: String = database.server.run(first);
        database.forgives = true;
        database
    });
}

#[test]
fn redis_purge_conforms_exactly() {
    conformance::run(|| {
        let with = json!({"pattern": "signals:*", "exact": true});
        Database::new("redis-purge", with, &["SET", "signals:theirs", "1"])
    });
}

#[test]
fn redis_purge_conforms_on_a_cache_that_lives() {
    conformance::run(|| {
        let with = json!({"pattern": "signals:*"});
        let mut database = Database::new("redis-purge", with, &["SET", "signals:theirs", "1"]);
        database.notices = false;
        database
    });
}

#[test]
fn an_event_says_who_and_why_and_is_sent_once() {
    let server = RedisServer::start(&[]);
    let with = json!({"url": server.url(), "from": "real", "to": "paper", "severity": "CRIT"});
    let asked = Asked::staged("redis-event", with);
    asked.ask("apply").good();
    asked.ask("apply").good();
    let entries: Vec<(String, Vec<String>)> = server.run(&["XRANGE", "control:events", "-", "+"]);
    assert_eq!(entries.len(), 1, "{entries:?}");
    let text = entries[0].1.join(" ");
    for part in
        ["event MODE_SWITCH", "from real", "to paper", "severity CRIT", "operation OP-20261120-030700"]
    {
        assert!(text.contains(part), "{text}");
    }
    asked.ask("undo").good();
    asked.ask("undo").good();
    let entries: Vec<(String, Vec<String>)> = server.run(&["XRANGE", "control:events", "-", "+"]);
    assert_eq!(entries.len(), 2);
    assert!(entries[1].1.join(" ").contains("from paper to real severity INFO"), "{entries:?}");
    let unknown = Asked::new("redis-event", json!({"url": server.url(), "stream": "none", "to": "paper"}));
    unknown.ask("observe").bad(65, "the mode is not known");
}

#[test]
fn what_was_written_since_is_left_and_named() {
    let server = filled();
    let asked = Asked::staged("redis-purge", json!({"url": server.url(), "pattern": "signals:*"}));
    // Written between plan and switch: purged too, and kept too.
    let _: () = server.run(&["SET", "signals:late", "kept"]);
    asked.ask("apply").good();
    assert_eq!(server.run::<Vec<String>>(&["KEYS", "signals:*"]), Vec::<String>::new());
    assert_eq!(server.run::<String>(&["GET", "orders:1"]), "kept");
    let _: () = server.run(&["SET", "signals:text", "fresh"]);
    let answer = asked.ask("undo").good();
    let detail = answer["detail"].as_str().unwrap();
    assert!(detail.contains("left as they are: signals:text"), "{detail}");
    assert_eq!(server.run::<String>(&["GET", "signals:text"]), "fresh");
    assert_eq!(server.run::<String>(&["GET", "signals:late"]), "kept");
    assert_eq!(server.run::<Vec<String>>(&["LRANGE", "signals:list", "0", "-1"]), ["x", "y", "z"]);
    // Exactly, the same is refused, and the keys are named.
    let exact = json!({"url": server.url(), "pattern": "signals:*", "exact": true});
    let asked = Asked::staged("redis-purge", exact);
    asked.ask("apply").good();
    let _: () = server.run(&["SET", "signals:text", "fresh"]);
    asked.ask("undo").bad(11, "written since: signals:text");
}

#[test]
fn what_is_killed_anywhere_is_finished_or_taken_back() {
    let server = filled();
    let with = json!({"url": server.url(), "pattern": "signals:*"});
    let kills = sweep(|| Asked::staged("redis-purge", with.clone()), || server.everything());
    super::adapter::enough(kills, 5);
    let with = json!({"url": server.url(), "key": "mode", "value": "paper", "delete": ["signals:hash"]});
    let kills = sweep(|| Asked::staged("redis-key", with.clone()), || server.everything());
    super::adapter::enough(kills, 4);
}

#[test]
fn budgets_patterns_and_replicas_are_refused() {
    let server = filled();
    let before = server.everything();
    for (mut with, words) in [
        (json!({"pattern": "signals:*", "max_keys": 3}), "more than 3 keys"),
        (json!({"pattern": "signals:*", "max_bytes": 10}), "more than the 10 that may be kept"),
        (json!({"pattern": "*"}), "matches everything"),
        (json!({"pattern": "?**"}), "matches everything"),
    ] {
        with["url"] = json!(server.url());
        Asked::new("redis-purge", with).ask("observe").bad(12, words);
    }
    let primary = RedisServer::on_a_port(&[]);
    let replica = RedisServer::start(&["--replicaof", &format!("127.0.0.1 {}", primary.port)]);
    let mut asked = Asked::new("redis-key", json!({"url": replica.url(), "key": "mode", "value": "paper"}));
    asked.before = asked.ask("observe").good()["state"].clone();
    let predicted = asked.ask("predict").good();
    assert!(predicted["refusals"][0].as_str().unwrap().contains("not the primary"), "{predicted}");
    asked.after = predicted["after"].clone();
    asked.ask("apply").bad(12, "not the primary");
    assert_eq!(before, server.everything());
}

#[test]
fn a_node_of_a_cluster_is_not_written_to() {
    let node = RedisServer::on_a_port(&["--cluster-enabled", "yes"]);
    let mut asked = Asked::new("redis-key", json!({"url": node.url(), "key": "mode", "value": "paper"}));
    asked.before = json!({"mode": null});
    asked.ask("apply").bad(12, "cluster");
}

#[test]
fn another_client_in_the_same_instant_is_noticed() {
    let server = filled();
    let with = json!({"url": server.url(), "key": "mode", "value": "paper"});
    let asked = Asked::staged("redis-key", with);
    let _: () = server.run(&["SET", "mode", "halted"]);
    asked.ask("apply").bad(11, "somebody else changed it");
    assert_eq!(server.run::<String>(&["GET", "mode"]), "halted");
}

#[test]
fn passwords_and_values_stay_where_they_are() {
    let server = RedisServer::on_a_port(&["--requirepass", "hunter2-right"]);
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}/0", server.port);
    let wrong =
        Asked::new("redis-key", json!({"url": url("hunter2-wrong"), "key": "token", "value": "hunter3"}));
    for verb in ["observe", "predict", "apply"] {
        let answer = wrong.ask(verb);
        assert_ne!(answer.status, Some(0));
        assert!(!answer.words.contains("hunter"), "{}", answer.words);
    }
    let right =
        Asked::staged("redis-key", json!({"url": url("hunter2-right"), "key": "token", "value": "hunter3"}));
    let said = format!("{} {} {}", right.before, right.after, right.ask("apply").good());
    assert!(!said.contains("hunter"), "{said}");
    let nonsense = Asked::new("redis-key", json!({"url": "hunter2", "key": "a", "value": "b"}));
    assert!(!nonsense.ask("observe").bad(78, "is not the address").contains("hunter2"));
    let nobody =
        Asked::new("redis-key", json!({"url": "redis://:hunter2@127.0.0.1:1/0", "key": "a", "value": "b"}));
    assert!(!nobody.ask("observe").bad(69, "Redis").contains("hunter2"));
}

#[test]
fn speaks_tls() {
    let folder = tempfile::tempdir().unwrap();
    let script = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test-ca \
                  -keyout ca.key -out ca.crt && openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
                  -subj /CN=localhost -keyout server.key -out server.csr && printf subjectAltName=DNS:localhost > ext && \
                  openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out server.crt";
    let made =
        std::process::Command::new("sh").args(["-ec", script]).current_dir(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let file = |name: &str| folder.path().join(name).display().to_string();
    let server = RedisServer::on_a_port(&[
        "--tls-port",
        "PORT",
        "--tls-cert-file",
        &file("server.crt"),
        "--tls-key-file",
        &file("server.key"),
        "--tls-ca-cert-file",
        &file("ca.crt"),
        "--tls-auth-clients",
        "no",
    ]);
    let url = format!("rediss://localhost:{}/0", server.port);
    let mut asked = Asked::new("redis-key", json!({"url": url, "key": "mode", "value": "paper"}));
    let stranger = asked.ask("observe");
    assert_ne!(stranger.status, Some(0), "a certificate that nobody vouches for is refused");
    asked.environment.push(("SSL_CERT_FILE".to_owned(), file("ca.crt")));
    asked.stage();
    asked.ask("apply").good();
    assert_eq!(server.run::<String>(&["GET", "mode"]), "paper");
}

/// Emptying a whole database is in no adapter, whatever the parameters.
#[test]
fn no_adapter_can_empty_a_database() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rollback")];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                read += 1;
                let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).to_ascii_lowercase();
                assert!(!text.contains("flushdb") && !text.contains("flushall"), "{}", path.display());
            }
        }
    }
    assert!(read > 50);
}
