//! Redis.

use crate::redis_server::RedisServer;
use crate::{Bench, Flaky, NOW, dead_port, fact, reason, value};

fn probe(url: &str, ask: &str) -> String {
    format!("{{redis: {{url: '{url}', ask: {ask}, timeout: 2s}}}}")
}

#[test]
fn whether_a_server_answers_is_a_measurement() {
    let (bench, server) = (Bench::new(), RedisServer::start(&["--requirepass", "hunter2"]));
    let url =
        |user: &str| bench.secret("url", &server.url().replace("unix://", &format!("redis+unix://{user}")));
    let with = |password: &str| {
        let path = server.url().replace("unix://", "");
        bench.secret("url", &format!("redis+unix://{path}?pass={password}"))
    };
    let outcome = bench.measure(&probe(&with("hunter2"), "{ping: {}}"));
    assert_eq!(value(&outcome, "p_answers"), 1.0);
    assert!(value(&outcome, "p_latency") < 2000.0);
    for bad in [with("hunter2wrong"), url("")] {
        let outcome = bench.measure(&probe(&bad, "{ping: {}}"));
        assert!(!reason(&outcome, "p_answers").is_empty(), "who may not ask does not know");
    }
    let dead = bench.secret("dead", &format!("redis://:hunter2@127.0.0.1:{}", dead_port()));
    let outcome = bench.measure(&probe(&dead, "{ping: {}}"));
    assert_eq!(value(&outcome, "p_answers"), 0.0);
    assert!(reason(&outcome, "p_latency").contains("refused"));
    assert!(!outcome.problems.is_empty());
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent =
        bench.secret("silent", &format!("redis://127.0.0.1:{}", silent.local_addr().unwrap().port()));
    let outcome = bench.measure(&probe(&silent, "{ping: {}}").replace("timeout: 2s", "timeout: 200ms"));
    assert_eq!(value(&outcome, "p_answers"), 0.0, "nobody says a word");
    for url in ["hunter2", "gopher://hunter2"] {
        let garbage = bench.secret("garbage", url);
        let outcome = bench.measure(&probe(&garbage, "{ping: {}}"));
        assert!(reason(&outcome, "p_answers").contains("not the address"));
    }
    let outcome = bench.measured(&probe(&dead, "{ping: {}}"), true);
    assert!(reason(&outcome, "p_answers").contains("untrusted"));
}

#[test]
fn streams() {
    let (bench, server) = (Bench::new(), RedisServer::start(&[]));
    let stream =
        |key: &str| bench.measure(&probe(&server.secret(), &format!("{{stream: {{key: '{key}'}}}}")));
    let hour_ago = format!("{}-0", (NOW - 3600) * 1000);
    let _: String = server.run(&["XADD", "signals", &format!("{}-0", (NOW - 7200) * 1000), "n", "1"]);
    let _: String = server.run(&["XADD", "signals", &hour_ago, "n", "2"]);
    let before = server.everything();
    let outcome = stream("signals");
    assert_eq!((value(&outcome, "p_exists"), value(&outcome, "p_length")), (1.0, 2.0));
    assert!((value(&outcome, "p_age") * 24.0 - 1.0).abs() < 1e-9);
    assert_eq!(fact(&outcome, "newest"), hour_ago);
    let missing = stream("none");
    assert_eq!(value(&missing, "p_exists"), 0.0);
    assert!(reason(&missing, "p_length").contains("no such stream"), "a wrong name is not an empty queue");
    assert_eq!(server.everything(), before, "nothing is changed");
    let _: i64 = server.run(&["RPUSH", "list", "1"]);
    assert!(reason(&stream("list"), "p_length").contains("not a stream"));
    let _: String = server.run(&["XADD", "empty", "1-1", "n", "1"]);
    let _: i64 = server.run(&["XDEL", "empty", "1-1"]);
    let empty = stream("empty");
    assert_eq!(value(&empty, "p_length"), 0.0);
    assert!(reason(&empty, "p_age").contains("empty"));
    let _: String = server.run(&["XADD", "ahead", &format!("{}-0", (NOW + 86_400) * 1000), "n", "1"]);
    assert!(reason(&stream("ahead"), "p_age").contains("lies in the future"));
    let _: String = server.run(&["XADD", "odd", "18446744073709551615-1", "n", "1"]);
    assert!(reason(&stream("odd"), "p_age").contains("no time"));
}

#[test]
fn a_replica_that_lost_its_primary_says_nothing_that_counts() {
    let (bench, server) = (Bench::new(), RedisServer::start(&[]));
    let _: String = server.run(&["SET", "mode", "live"]);
    let look = || bench.measure(&probe(&server.secret(), "{key: {key: mode, value: {equals: live}}}"));
    assert_eq!(value(&look(), "p"), 1.0);
    let _: String = server.run(&["REPLICAOF", "127.0.0.1", &dead_port().to_string()]);
    for metric in ["p", "p_exists", "p_length"] {
        let why = reason(&look(), metric);
        assert!(why.contains("lost its primary"), "{metric}: {why}");
    }
    let stream = bench.measure(&probe(&server.secret(), "{stream: {key: mode}}"));
    assert!(reason(&stream, "p_length").contains("lost its primary"));
    // It still answers, and may be asked how it stands.
    assert_eq!(value(&bench.measure(&probe(&server.secret(), "{ping: {}}")), "p_answers"), 1.0);
    let link = "{info: {field: master_link_status, equals: up}}";
    assert_eq!(value(&bench.measure(&probe(&server.secret(), link)), "p"), 0.0);
}

#[test]
fn keys() {
    let (bench, server) = (Bench::new(), RedisServer::start(&[]));
    let key = |ask: &str| bench.measure(&probe(&server.secret(), &format!("{{key: {ask}}}")));
    let _: String = server.run(&["SET", "limit", "2.5", "PX", "90000"]);
    let _: String = server.run(&["SET", "mode", "halted"]);
    let _: String = server.run(&["SET", "document", r#"{"open": {"orders": 7}}"#]);
    let _: i64 = server.run(&["HSET", "hash", "a", "1", "b", "x"]);
    let _: i64 = server.run(&["RPUSH", "list", "1", "2", "3"]);
    let _: i64 = server.run(&["ZADD", "ranks", "1", "one"]);
    let before = server.run::<Vec<String>>(&["KEYS", "*"]).len();
    let outcome = key("{key: limit, type: string, value: {metric: limit, unit: number}}");
    assert_eq!((value(&outcome, "p_exists"), value(&outcome, "limit")), (1.0, 2.5));
    assert_eq!(value(&outcome, "p_length"), 3.0, "bytes of a string");
    let lives = value(&outcome, "p_ttl");
    assert!((80.0..=90.0).contains(&lives), "{lives}");
    let halted = key("{key: mode, value: {equals: halted}}");
    assert_eq!(value(&halted, "p"), 1.0);
    assert!(reason(&halted, "p_ttl").contains("does not expire"));
    assert!(halted.problems.is_empty(), "{:?}", halted.problems);
    assert_eq!(value(&key("{key: mode, value: {equals: live}}"), "p"), 0.0);
    assert_eq!(value(&key("{key: document, value: {pointer: /open/orders, unit: count}}"), "p"), 7.0);
    assert_eq!(value(&key("{key: hash, value: {field: a}}"), "p"), 1.0);
    assert_eq!(value(&key("{key: list}"), "p_length"), 3.0);
    assert_eq!(value(&key("{key: ranks, type: zset}"), "p_length"), 1.0);
    for (ask, metric, words) in [
        ("{key: mode, value: {}}", "p", "not a number"),
        ("{key: hash, value: {field: b}}", "p", "not a number"),
        ("{key: hash, value: {field: c}}", "p", "no such value"),
        ("{key: hash, value: {}}", "p", "not a string"),
        ("{key: document, value: {pointer: /open}}", "p", "neither a number nor a text"),
        ("{key: list, type: set}", "p_length", "not a set"),
        ("{key: none, value: {}}", "p", "no such key"),
        ("{key: none}", "p_length", "no such key"),
    ] {
        let outcome = key(ask);
        let why = reason(&outcome, metric);
        assert!(why.contains(words), "{ask}: {why}");
    }
    assert_eq!(value(&key("{key: none}"), "p_exists"), 0.0);
    assert_eq!(server.run::<Vec<String>>(&["KEYS", "*"]).len(), before);
}

#[test]
fn information() {
    let (bench, server) = (Bench::new(), RedisServer::start(&[]));
    let _: String = server.run(&["SET", "a", "1"]);
    let info = |ask: &str| bench.measure(&probe(&server.secret(), &format!("{{info: {ask}}}")));
    assert!(value(&info("{field: connected_clients, unit: count}"), "p") >= 1.0);
    assert_eq!(value(&info("{field: role, equals: master, metric: primary}"), "primary"), 1.0);
    assert_eq!(value(&info("{field: role, equals: slave}"), "p"), 0.0);
    assert_eq!(value(&info("{field: db0, part: keys, unit: count}"), "p"), 1.0);
    assert!(value(&info("{field: cmdstat_set, part: calls, section: commandstats}"), "p") >= 1.0);
    for (ask, words) in [
        ("{field: redis_mode}", "not a number"),
        ("{field: used_memory_human}", "not a number"),
        ("{field: no_such_field}", "no field"),
        ("{field: db0, part: none}", "no part"),
        ("{field: db7, part: keys}", "no field"),
    ] {
        let outcome = info(ask);
        assert!(reason(&outcome, "p").contains(words), "{ask}: {outcome:?}");
    }
}

#[test]
fn a_connection_that_breaks_is_made_once_more() {
    let (bench, server) = (Bench::new(), RedisServer::on_a_port(&[]));
    let ask = |flaky: &Flaky| {
        let url = bench.secret("url", &format!("redis://127.0.0.1:{}", flaky.port));
        bench.measure(&probe(&url, "{info: {field: role, equals: master}}"))
    };
    let once = Flaky::to(server.port, 1);
    assert_eq!(value(&ask(&once), "p"), 1.0);
    assert_eq!(once.connections(), 2);
    let always = Flaky::to(server.port, 99);
    assert!(!reason(&ask(&always), "p").is_empty());
    assert_eq!(always.connections(), 2, "once more, and no more");
}
