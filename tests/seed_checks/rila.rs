//! RILA: `config/services/templates/rila-production.yaml` over the fixtures of `fixtures/rila_6y20b` and
//! `fixtures/checks/rila`, a real S3 server, a port, and this machine.

use serde_json::Value;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::s3_server::{KEY, S3Server, SECRET};
use crate::support::Workspace;
use crate::{Round, lay_over, only, rule, rules, set, template, told_by_an_alert};

/// The night of the fixtures, in seconds since 1970.
const NIGHT: u64 = 1_795_143_600;

/// What fails, by the rule that has to fire: a folder of the fixtures that is laid over the good data.
const FAILING: &[(&str, &str)] = &[
    ("predictions-fail", "rila_6y20b/variants/predictions-nan/overlay"),
    ("model-does-not-load", "checks/rila/failing-model-does-not-load"),
    ("mape-sustained", "rila_6y20b/variants/mape-two-weeks/overlay"),
    ("mape-rolling-rising", "checks/rila/failing-mape-rolling-rising"),
    ("bias-high", "checks/rila/failing-bias-high"),
    ("mape-week-high", "rila_6y20b/variants/mape-one-week/overlay"),
    ("mape-week-elevated", "rila_6y20b/variants/mape-elevated/overlay"),
    ("signs-flip", "rila_6y20b/variants/sign-flip/overlay"),
    ("predictions-out-of-range", "rila_6y20b/variants/out-of-range/overlay"),
    ("features-out-of-range", "checks/rila/failing-features-out-of-range"),
    ("leakage-halt", "checks/rila/failing-leakage-r-squared"),
    ("leakage-halt", "checks/rila/failing-leakage-improvement"),
    ("leakage-halt", "checks/rila/failing-leakage-lag-0"),
    ("leakage-halt", "checks/rila/failing-leakage-boundary"),
    ("leakage-halt", "checks/rila/failing-leakage-shuffled"),
    ("leakage-halt", "rila_6y20b/variants/sign-flip/overlay"),
    ("leakage-suspected", "checks/rila/failing-leakage-suspected"),
    ("tde-warning", "checks/rila/failing-tde-seven-days"),
    ("tde-stale", "rila_6y20b/variants/stale-8-days/overlay"),
    ("tde-unusable", "rila_6y20b/variants/stale-15-days/overlay"),
    ("tde-refresh-failed", "checks/rila/failing-tde-refresh"),
    ("wink-carriers-missing", "rila_6y20b/variants/carriers-one-missing/overlay"),
    ("wink-carriers-missing", "rila_6y20b/variants/carriers-two-missing/overlay"),
    ("wink-refresh-blocked", "rila_6y20b/variants/carriers-three-missing/overlay"),
    ("wink-sparse", "checks/rila/failing-wink-sparse"),
    ("wink-refresh-failed", "checks/rila/failing-wink-refresh"),
    ("wink-refresh-failed", "checks/rila/failing-competitor-nulls"),
    ("interval-coverage", "rila_6y20b/variants/interval-miscalibrated/overlay"),
    ("feature-shift", "checks/rila/failing-feature-shift"),
    ("tests-failed", "checks/rila/failing-tests"),
    ("import-failed", "checks/rila/failing-import"),
];

/// Those that need more than files.
const ELSEWHERE: [&str; 4] =
    ["s3-unavailable", "instance-failed", "host-exhausted", "infrastructure-degraded"];

struct Scene {
    workspace: Workspace,
    bucket: S3Server,
    instance: TcpListener,
}

impl Scene {
    fn new() -> Self {
        let workspace = Workspace::healthy();
        lay_over(&workspace, "checks/rila/passing");
        let bucket = S3Server::start(&["rila-data"]);
        Self { workspace, bucket, instance: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    /// The template with this test's instance.
    fn service(&self) -> Value {
        let port = self.instance.local_addr().unwrap().port();
        template(
            "rila-production",
            &[("host: notebook.example.org, port: 22", &format!("host: 127.0.0.1, port: {port}"))],
        )
    }

    fn round(&self, service: &Value, key: &str) -> Round {
        self.workspace.write("config/services/rila_6y20b.yaml", service.to_string());
        let address = self.bucket.url();
        let variables = [
            ("AWS_ENDPOINT_URL", address.as_str()),
            ("AWS_ACCESS_KEY_ID", key),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
        ];
        Round::of(self.workspace.irctl_with(&variables, &["check", "--output", "json"]))
    }

    /// A round of only those probes that a rule reads.
    fn round_of(&self, id: &str, key: &str) -> Result<(), String> {
        let (level, metrics) = rule("rila", id);
        let metrics: Vec<&str> = metrics.iter().map(String::as_str).collect();
        self.round(&only(&self.service(), &metrics), key).fired(id, &level)
    }
}

#[test]
fn good_data_leave_every_rule_quiet() {
    let scene = Scene::new();
    scene.bucket.put("rila-data", "rila/sales/latest/2026-11-17.parquet", 400, NIGHT - 3 * 86_400);
    let mut service = scene.service();
    // This machine may be busy while tests run; `the_machine_is_judged_by_its_numbers` is about it.
    service["probes"].as_object_mut().unwrap().remove("host");
    let round = scene.round(&service, KEY);
    assert_eq!(round.rules("matched"), BTreeSet::new(), "{}", round.shown());
    // Nobody has said anything of the infrastructure, and the machine was left out.
    let unreported = set(["infrastructure-degraded", "host-exhausted"]);
    assert_eq!(round.rules("unreported"), unreported, "{}", round.shown());
    assert_eq!(round.rules("undecided"), BTreeSet::new(), "{}", round.shown());
    round.buckets_are_as_their_kind_says(&service);
    assert_eq!((round.service["verdict"].as_str(), round.run.status), (Some("OK"), 0), "{}", round.shown());
}

#[test]
fn bad_data_fire_their_rule_at_its_level() {
    let one = |(id, folder): &(&str, &str)| {
        let scene = Scene::new();
        scene.bucket.put("rila-data", "rila/sales/latest/2026-11-17.parquet", 400, NIGHT - 3 * 86_400);
        lay_over(&scene.workspace, folder);
        scene.round_of(id, KEY).err().map(|why| format!("{folder}: {why}"))
    };
    // Each has a workspace of its own, so that several go at a time.
    let mut wrong: Vec<String> = std::thread::scope(|scope| {
        let parts = FAILING.chunks(FAILING.len().div_ceil(4));
        let running: Vec<_> =
            parts.map(|part| scope.spawn(move || part.iter().filter_map(one).collect::<Vec<_>>())).collect();
        running.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    let scene = Scene::new();
    std::fs::remove_file(scene.workspace.path("outputs/production/rila_6y20b/latest_predictions.csv"))
        .unwrap();
    wrong.extend(scene.round_of("predictions-fail", KEY).err());
    // The bucket is empty in this scene.
    wrong.extend(scene.round_of("tde-refresh-failed", KEY).err());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_has_a_case() {
    let mut cases: BTreeSet<String> = FAILING.iter().map(|(id, _)| (*id).to_owned()).collect();
    cases.extend(set(ELSEWHERE));
    assert_eq!(cases, rules("rila"));
}

#[test]
fn a_bucket_that_refuses_and_an_instance_that_does_not_answer() {
    let scene = Scene::new();
    for key in ["ended", "unknown"] {
        scene.round_of("s3-unavailable", key).unwrap();
    }
    let port = scene.instance.local_addr().unwrap().port();
    let service = only(&scene.service(), &["instance_failed"]);
    let Scene { workspace, bucket, instance } = scene;
    drop(instance);
    let nobody = Scene { workspace, bucket, instance: TcpListener::bind("127.0.0.1:0").unwrap() };
    assert_ne!(nobody.instance.local_addr().unwrap().port(), port);
    nobody.round(&service, KEY).fired("instance-failed", "P1").unwrap();
}

/// Keeps every processor busy until it is dropped.
struct Busy(Arc<AtomicBool>);

impl Busy {
    fn begin() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        for _ in 0..2 * std::thread::available_parallelism().unwrap().get() {
            let over = Arc::clone(&over);
            std::thread::spawn(move || while !over.load(Ordering::Relaxed) {});
        }
        Self(over)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Whether every processor that the kernel counts is this process's to use.
fn has_the_machine() -> bool {
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    let processors = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
    std::thread::available_parallelism().unwrap().get() == processors
}

#[test]
fn the_machine_is_judged_by_its_numbers() {
    let scene = Scene::new();
    let service = only(&scene.service(), &["host_cpu"]);
    let judged = |round: &Round| {
        let over = round.value("host_cpu") > 0.9 || round.value("host_memory_available_ratio") < 0.1;
        let outcome = if over { "matched" } else { "missed" };
        assert!(round.rules(outcome).contains("host-exhausted"), "{}", round.shown());
    };
    judged(&scene.round(&service, KEY));
    let busy = Busy::begin();
    let round = scene.round(&service, KEY);
    drop(busy);
    judged(&round);
    if has_the_machine() {
        round.fired("host-exhausted", "P1").unwrap();
    } else {
        println!("not run: part of the machine is somebody else's, and cannot be kept busy");
    }
}

#[test]
fn what_somebody_reports_of_the_infrastructure() {
    told_by_an_alert("rila", "infrastructure-degraded");
}
