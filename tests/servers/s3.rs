//! S3, by the s3s crates.

use crate::api_server::HttpServer;
use crate::s3_server::{DENIED, KEY, S3Server, SECRET};
use crate::{Bench, Flaky, NOW, dead_port, fact, reason, value};
use irctl::probe::Outcome;
use std::time::{Duration, Instant};

struct Scene {
    bench: Bench,
    server: S3Server,
}

impl Scene {
    fn new() -> Self {
        let server = S3Server::start(&["signals", "empty", "public", DENIED]);
        server.put("signals", "live/2026-11-19.json", 100, NOW - 2 * 86_400);
        server.put("signals", "live/2026-11-20.json", 50, NOW - 3600);
        server.put("signals", "archive/old.json", 7, NOW - 90 * 86_400);
        server.put("signals", "later/ahead.json", 1, NOW + 86_400);
        server.put("public", "index", 1, NOW - 60);
        Self { bench: Bench::new(), server }
    }

    fn probe(&self, bucket: &str, look: &str, key: &str, secret: &str) -> String {
        let (key, secret) = (self.bench.secret("key", key), self.bench.secret("secret", secret));
        format!(
            "{{s3: {{bucket: {bucket}, endpoint: '{}', look: {look}, access_key: '{key}', secret_key: '{secret}', \
             timeout: 10s}}}}",
            self.server.url()
        )
    }

    fn look(&self, bucket: &str, look: &str) -> Outcome {
        self.bench.measure(&self.probe(bucket, look, KEY, SECRET))
    }

    /// Why a look with this key says nothing, for a list and for an object alike.
    #[track_caller]
    fn refused(&self, bucket: &str, key: &str, secret: &str) -> String {
        let list = self.bench.measure(&self.probe(bucket, "{list: {prefix: live/}}", key, secret));
        let object =
            self.bench.measure(&self.probe(bucket, "{object: {key: live/2026-11-20.json}}", key, secret));
        // s3s-fs says of an object in a bucket that is not there that it is the object.
        if bucket == "missing" {
            return reason(&list, "p_objects");
        }
        let (list, object) = (reason(&list, "p_objects"), reason(&object, "p_exists"));
        assert_eq!(list, object, "HEAD has no body that says why, and says so all the same");
        list
    }
}

#[test]
fn objects_are_counted_summed_and_dated() {
    let scene = Scene::new();
    let outcome = scene.look("signals", "{list: {prefix: live/}}");
    assert_eq!((value(&outcome, "p_objects"), value(&outcome, "p_size")), (2.0, 150.0));
    assert_eq!(value(&outcome, "p_unavailable"), 0.0);
    assert!((value(&outcome, "p_age") * 24.0 - 1.0).abs() < 1e-9);
    assert!(fact(&outcome, "newest").starts_with("live/2026-11-20.json"));
    let part = scene.look("signals", "{list: {prefix: live/2026-11-1}}");
    assert_eq!(value(&part, "p_objects"), 1.0, "a prefix is not a folder");
    assert_eq!(value(&scene.look("signals", "{list: {}}"), "p_objects"), 4.0);
    for (bucket, prefix) in [("empty", ""), ("signals", "none/")] {
        let empty = scene.look(bucket, &format!("{{list: {{prefix: '{prefix}'}}}}"));
        assert_eq!(value(&empty, "p_objects"), 0.0);
        assert!(
            reason(&empty, "p_size").contains("no object") && reason(&empty, "p_age").contains("no object")
        );
    }
    let ahead = scene.look("signals", "{list: {prefix: later/}}");
    assert!(reason(&ahead, "p_age").contains("lies in the future"));
    let outcome = scene.look("signals", "{object: {key: archive/old.json}}");
    let found = ["p_exists", "p_size", "p_age"].map(|metric| value(&outcome, metric));
    assert_eq!(found, [1.0, 7.0, 90.0]);
    let missing = scene.look("signals", "{object: {key: archive/none.json}}");
    assert_eq!((value(&missing, "p_exists"), value(&missing, "p_unavailable")), (0.0, 0.0));
    assert!(reason(&missing, "p_age").contains("no such object"));
    let open = scene.probe("public", "{list: {}}", KEY, SECRET);
    let open = format!("{}, anonymous: true}}}}", open.split(", access_key").next().unwrap());
    assert_eq!(value(&scene.bench.measure(&open), "p_objects"), 1.0);
}

#[test]
fn more_than_a_page() {
    let scene = Scene::new();
    for number in 0..1203 {
        scene.server.put("empty", &format!("many/{number:05}"), 2, NOW - 10_000 + number);
    }
    let outcome = scene.look("empty", "{list: {prefix: many/}}");
    assert_eq!((value(&outcome, "p_objects"), value(&outcome, "p_size")), (1203.0, 2406.0));
    assert!(fact(&outcome, "newest").starts_with("many/01202"));
}

#[test]
fn every_refusal_has_its_own_words() {
    let scene = Scene::new();
    let mut seen = std::collections::BTreeSet::new();
    for (bucket, key, secret, words, way_out) in [
        ("signals", "ended", "hunter2-x", "have expired", "log in again"),
        ("signals", "unknown", "hunter2-x", "does not know the access key", "was deleted"),
        ("signals", KEY, "hunter2-x", "does not belong to the access key", "copy the secret key again"),
        (DENIED, KEY, SECRET, "denies access", "s3:ListBucket"),
        ("missing", KEY, SECRET, "no such bucket", "spelling"),
        ("signals", "skewed", "hunter2-x", "too far apart", "NTP"),
        ("signals", "busy", "hunter2-x", "cannot answer now", "passes"),
    ] {
        let outcome = scene.bench.measure(&scene.probe(bucket, "{list: {}}", key, secret));
        match key {
            "skewed" => assert!(reason(&outcome, "p_unavailable").contains("too far apart")),
            _ => assert_eq!(value(&outcome, "p_unavailable"), 1.0, "{words}"),
        }
        let why = scene.refused(bucket, key, secret);
        assert!(why.contains(words) && why.contains(way_out), "{why}");
        assert!(seen.insert(why.clone()), "twice: {why}");
    }
}

#[test]
fn who_is_not_there_and_who_is_not_s3() {
    let scene = Scene::new();
    let at = |port: u16| {
        let probe = scene.probe("signals", "{list: {}}", KEY, SECRET);
        probe.replace(&scene.server.url(), &format!("http://127.0.0.1:{port}")).replace("10s", "1s")
    };
    let why = |yaml: &str| {
        let outcome = scene.bench.measure(yaml);
        let region = reason(&outcome, "p_objects").contains("another region");
        let refused = outcome.samples.iter().find(|sample| sample.metric == "p_unavailable").unwrap();
        assert_eq!(refused.measurement.value(), (!region).then_some(1.0), "{outcome:?}");
        reason(&outcome, "p_objects")
    };
    let dead = why(&at(dead_port()));
    assert!(dead.contains("cannot be reached") && dead.contains("endpoint:"), "{dead}");
    let named = at(dead_port()).replace("timeout: 1s", "timeout: 1s, emits: {s3_unavailable: unavailable}");
    assert_eq!(value(&scene.bench.measure(&named), "s3_unavailable"), 1.0);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let begun = Instant::now();
    let late = why(&at(silent.local_addr().unwrap().port()));
    assert!(late.contains("does not answer in time"), "{late}");
    assert!(begun.elapsed() < Duration::from_secs(4));
    let portal =
        HttpServer::start(|_| (200, Vec::new(), "<html><body>Please log in</body></html>".to_owned()));
    let said = why(&at(portal.port));
    assert!(said.contains("does not speak S3"), "a page for people is no empty list: {said}");
    let broken = HttpServer::start(|_| (200, Vec::new(), "<ListBucketResult><Contents>".to_owned()));
    assert!(why(&at(broken.port)).contains("does not speak S3"));
    let cut = HttpServer::start(|_| {
        let page = "<?xml version=\"1.0\"?><ListBucketResult><Name>signals</Name><IsTruncated>true</IsTruncated>\
            </ListBucketResult>";
        (200, Vec::new(), page.to_owned())
    });
    let said = why(&at(cut.port));
    assert!(said.contains("cut off"), "a part of a list is not the list: {said}");
    let elsewhere = HttpServer::start(|_| {
        let body = "<Error><Code>PermanentRedirect</Code><Message>Use eu-west-3.</Message></Error>";
        (301, vec![("Location".to_owned(), "http://127.0.0.1:1/".to_owned())], body.to_owned())
    });
    let region = why(&at(elsewhere.port));
    assert!(region.contains("another region") && region.contains("eu-west-3"), "{region}");
    let hostile = HttpServer::start(|_| {
        (
            403,
            Vec::new(),
            "<Error><Code>AccessDenied</Code><Message>\u{1b}[31mred</Message></Error>".to_owned(),
        )
    });
    assert!(!why(&at(hostile.port)).contains('\u{1b}'));
}

#[test]
fn a_connection_that_breaks_is_made_once_more() {
    let scene = Scene::new();
    let through = |flaky: &Flaky| {
        let probe = scene.probe("signals", "{list: {prefix: live/}}", KEY, SECRET);
        scene.bench.measure(&probe.replace(&scene.server.url(), &format!("http://127.0.0.1:{}", flaky.port)))
    };
    let once = Flaky::to(scene.server.port, 1);
    assert_eq!(value(&through(&once), "p_objects"), 2.0);
    let always = Flaky::to(scene.server.port, 99);
    assert!(reason(&through(&always), "p_objects").contains("cannot be reached"));
}

#[test]
fn what_is_written_wrongly_is_said() {
    let scene = Scene::new();
    let probe = scene.probe("signals", "{list: {}}", KEY, SECRET);
    let half = format!("{}}}}}", probe.split(", secret_key").next().unwrap());
    let why = |yaml: &str| reason(&scene.bench.measure(yaml), "p_objects");
    assert!(why(&half).contains("belong together"), "{half}");
    assert!(
        reason(&scene.bench.measure(&half), "p_unavailable").contains("belong together"),
        "nobody was asked"
    );
    assert!(
        why(&probe.replace("bucket: signals", "bucket: a/b?c")).contains("cannot be the name of a bucket")
    );
    let untrusted = scene.bench.measured(&probe, true);
    assert!(reason(&untrusted, "p_objects").contains("untrusted"));
    let missing = probe.replace(&scene.bench.secret("key", KEY), "env:IRCTL_TEST_NO_SUCH_VARIABLE");
    assert!(why(&missing).contains("IRCTL_TEST_NO_SUCH_VARIABLE"));
}
