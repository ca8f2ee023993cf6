//! Verification by metric analysis: against odd answers with a clock that jumps, and against a real Prometheus.

mod support;

use chrono::{DateTime, Utc};
use irctl::base::Verdict;
use irctl::base::clock::parse_instant;
use irctl::probe::{ProbeConfig, Request, VersionMap};
use irctl::verify::reporters::{Reporter, Style};
use irctl::verify::{Report, SampleVerdict, SuiteConfig, Summary, problems, run};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use support::http::{self, Server};

const NOW: &str = "2026-11-20T03:07:00Z";

fn now() -> DateTime<Utc> {
    parse_instant(NOW).unwrap()
}

fn vector(value: &str, at: f64) -> String {
    series(&[("{}", value)], at)
}

fn series(all: &[(&str, &str)], at: f64) -> String {
    let all: Vec<_> = all
        .iter()
        .map(|(labels, value)| format!(r#"{{"metric":{labels},"value":[{at},"{value}"]}}"#))
        .collect();
    format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#, all.join(","))
}

/// The instant that a request asks for.
fn asked(request: &http::Request) -> f64 {
    request.field("time").unwrap().parse().unwrap()
}

/// Answers with these values, one after the other, dated as asked.
fn values(values: &'static [&'static str]) -> Server {
    Server::start(move |request, number| (200, vector(values[number.min(values.len() - 1)], asked(request))))
}

fn suite(server: &str, analysis: &str) -> SuiteConfig {
    let text = format!(
        "suite: s\nexpect:\n  - id: errors\n    analysis:\n      prometheus: {{url: '{server}', query: 'sum(rate(e[1m]))', \
         unit: ratio}}\n      success: value < 5%\n{}\n",
        analysis.lines().map(|line| format!("      {line}\n")).collect::<String>()
    );
    serde_saphyr::from_str(&text).unwrap()
}

fn verify(suite: &SuiteConfig, root: &Path, waits: &RefCell<Vec<i64>>) -> Report {
    let versions = VersionMap::default();
    let request = Request { service: "s", root, now: now(), versions: &versions, untrusted: false };
    let wait = |at: DateTime<Utc>| {
        waits.borrow_mut().push((at - now()).num_seconds());
        Ok(at)
    };
    Report { elapsed_ms: 0, ..run(suite, &BTreeMap::new(), &request, &wait) }
}

fn check(server: &Server, analysis: &str) -> (Verdict, String, Vec<SampleVerdict>, Vec<i64>) {
    let waits = RefCell::default();
    let report = verify(&suite(&server.url(), analysis), Path::new("/"), &waits);
    let check = &report.checks[0];
    let samples = check.samples.iter().map(|sample| sample.verdict).collect();
    (report.verdict, check.reason.to_string(), samples, waits.into_inner())
}

#[test]
fn samples_are_taken_when_they_are_due_and_every_one_is_shown() {
    let server = values(&["0.01", "0.02", "0.03"]);
    let waits = RefCell::default();
    let report =
        verify(&suite(&server.url(), "samples: 3\nevery: 10s\nwarm_up: 30s"), Path::new("/"), &waits);
    assert_eq!(*waits.borrow(), [30, 40, 50]);
    assert_eq!(report.verdict, Verdict::Ok);
    assert!(server.requests()[0].line.starts_with("POST /api/v1/query "));
    assert_eq!(server.requests()[0].field("query").unwrap(), "sum(rate(e[1m]))");
    assert_eq!(server.requests()[1].field("time").unwrap(), "1795144060.000");
    let summary = Summary::new(vec![report]);
    let text = Reporter::Text.render(&summary, &Style::plain(false)).unwrap();
    insta::assert_snapshot!("text", text);
    let json = Reporter::Json.render(&summary, &Style::plain(false)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["suites"][0]["checks"][0]["samples"][2]["value"], 0.03);
    assert_eq!(json["suites"][0]["checks"][0]["samples"][2]["at"], "2026-11-20T03:07:50Z");
}

#[test]
fn limits_decide_and_end_it_early() {
    use SampleVerdict::{Bad, Good, Inconclusive};
    let bad = check(&values(&["0.5"]), "samples: 5");
    assert_eq!((bad.0, bad.2), (Verdict::Crit, vec![Bad]), "{}", bad.1);
    let tolerated = check(&values(&["0.01", "0.5", "0.01"]), "samples: 3\nfailure_limit: 1");
    assert_eq!((tolerated.0, tolerated.2), (Verdict::Ok, vec![Good, Bad, Good]));
    let too_many = check(&values(&["0.01", "0.5", "0.5", "0.01"]), "samples: 5\nfailure_limit: 1");
    assert_eq!((too_many.0, too_many.2), (Verdict::Crit, vec![Good, Bad, Bad]));
    let nothing = check(&values(&["0.01", "NaN"]), "samples: 5");
    assert_eq!((nothing.0, nothing.2), (Verdict::Unknown, vec![Good, Inconclusive]));
    let some = check(&values(&["0.01", "NaN", "0.01"]), "samples: 3\ninconclusive_limit: 1");
    assert_eq!((some.0, some.2.len()), (Verdict::Ok, 3));
    let row =
        check(&values(&["0.5", "0.01", "0.01"]), "samples: 9\nfailure_limit: 2\nconsecutive_success: 2");
    assert_eq!((row.0, row.2), (Verdict::Ok, vec![Bad, Good, Good]));
    let no_row = check(
        &values(&["0.01", "0.5", "0.01", "0.5", "0.01"]),
        "samples: 5\nfailure_limit: 3\nconsecutive_success: 2",
    );
    assert_eq!((no_row.0, no_row.2.len()), (Verdict::Unknown, 5), "{}", no_row.1);
}

/// Nothing but one finite, fresh number is evidence: every other answer is UNKNOWN, and its reason says why.
#[test]
fn odd_answers_never_promote() {
    let answer = |make: fn(f64) -> String| Server::start(move |request, _| (200, make(asked(request))));
    let fixed = |status: u16, body: &'static str| Server::start(move |_, _| (status, body.to_owned()));
    let warned = |at| vector("0.01", at).replacen('{', r#"{"warnings":["store x is down"],"#, 1);
    let odd = [
        ("NaN", answer(|at| vector("NaN", at))),
        ("+Inf", answer(|at| vector("+Inf", at))),
        ("-Inf", answer(|at| vector("-Inf", at))),
        ("out of range", answer(|at| vector("1.5", at))),
        ("negative", answer(|at| vector("-0.5", at))),
        ("empty", answer(|at| series(&[], at))),
        ("two series", answer(|at| series(&[(r#"{"a":"1"}"#, "0"), (r#"{"a":"2"}"#, "0")], at))),
        ("old", answer(|at| vector("0.01", at - 200.0))),
        ("future", answer(|at| vector("0.01", at + 60.0))),
        ("partial", answer(warned)),
        ("matrix", fixed(200, r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#)),
        ("text", fixed(200, r#"{"status":"success","data":{"resultType":"string","result":[1,"0"]}}"#)),
        ("error", fixed(422, r#"{"status":"error","errorType":"execution","error":"query timed out"}"#)),
        ("error as success", fixed(200, r#"{"status":"error","errorType":"internal","error":"boom"}"#)),
        ("page", fixed(200, "<html>Sign in</html>")),
        ("redirect", fixed(302, "")),
        ("gateway", fixed(502, "bad gateway")),
        ("hang up", fixed(0, "")),
        ("endless", Server::start(|_, _| (200, " ".repeat(5 * 1024 * 1024)))),
    ];
    let mut said = Vec::new();
    for (name, server) in &odd {
        let (verdict, reason, samples, _) = check(server, "samples: 2\ninconclusive_limit: 1");
        assert_eq!(verdict, Verdict::Unknown, "{name}: {reason}");
        assert!(samples.iter().all(|sample| *sample == SampleVerdict::Inconclusive), "{name}");
        said.push(format!("{name}: {reason}"));
    }
    let gone = Server::start(|_, _| (200, String::new())).url();
    let report = verify(&suite(&gone, "samples: 1"), Path::new("/"), &RefCell::default());
    assert_eq!(report.verdict, Verdict::Unknown);
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_baseline_is_compared_and_no_baseline_is_no_evidence() {
    let before = |old: &'static str, value: &'static str| {
        Server::start(move |request, _| {
            let at = asked(request);
            (200, vector(if at < 1_795_144_020.0 - 300.0 { old } else { value }, at))
        })
    };
    let compare = "samples: 1\ncompare: {before: 10m, no_worse_than: 10%}";
    let server = before("0.02", "0.021");
    assert_eq!(check(&server, compare).0, Verdict::Ok);
    assert_eq!(server.requests()[0].field("time").unwrap(), "1795143420.000");
    let worse = check(&before("0.02", "0.03"), compare);
    assert_eq!(worse.0, Verdict::Crit);
    assert!(worse.1.contains("3 % is 50 % worse than 2 %"), "{}", worse.1);
    assert_eq!(check(&before("0.02", "0.01"), compare).0, Verdict::Ok);
    assert_eq!(check(&before("NaN", "0.01"), compare).0, Verdict::Unknown);
    assert_eq!(check(&before("0", "0"), compare).0, Verdict::Ok);
    assert_eq!(check(&before("0", "0.01"), compare).0, Verdict::Unknown, "nothing is a part of zero");
    let other = Server::start(|request, _| {
        let value = if request.field("query").unwrap() == "canary" { "0.04" } else { "0.01" };
        (200, vector(value, asked(request)))
    });
    let higher = "samples: 1\ncompare: {query: canary, no_worse_than: 10%, better: higher}";
    assert_eq!(check(&other, higher).0, Verdict::Crit, "75 % lower");
}

#[test]
fn a_metric_of_a_probe_is_measured_anew_for_each_sample() {
    let root = tempfile::tempdir().unwrap();
    let text = "suite: s\nprobes: {load: {json: {file: load.json, pointer: /load, unit: ratio, time: /at}}}\n\
                expect: [{id: load, analysis: {metric: load, success: value < 80%, samples: 3, every: 1m, max_age: 90s}}]";
    let suite: SuiteConfig = serde_saphyr::from_str(text).unwrap();
    assert_eq!(problems(&suite, &BTreeMap::<String, ProbeConfig>::new()), []);
    let versions = VersionMap::default();
    let request =
        Request { service: "s", root: root.path(), now: now(), versions: &versions, untrusted: false };
    let look = |loads: &[f64]| {
        let taken = std::cell::Cell::new(0);
        let wait = |at: DateTime<Utc>| {
            let load = loads[taken.replace(taken.get() + 1)];
            let at_text = at.to_rfc3339();
            std::fs::write(
                root.path().join("load.json"),
                format!(r#"{{"load": {load}, "at": "{at_text}"}}"#),
            )
            .unwrap();
            Ok(at)
        };
        run(&suite, &BTreeMap::new(), &request, &wait)
    };
    assert_eq!(look(&[0.5, 0.6, 0.7]).verdict, Verdict::Ok);
    let report = look(&[0.5, 0.9, 0.7]);
    assert_eq!(report.verdict, Verdict::Crit);
    assert_eq!(report.checks[0].samples.len(), 2);
    // A file that nobody writes any more is no evidence of the present.
    std::fs::write(root.path().join("load.json"), format!(r#"{{"load": 0.5, "at": "{NOW}"}}"#)).unwrap();
    let report = run(&suite, &BTreeMap::new(), &request, &Ok);
    assert_eq!(report.verdict, Verdict::Unknown);
    assert_eq!(report.checks[0].samples.len(), 3);
    assert!(report.checks[0].reason.raw().contains("2 min old"), "{}", report.checks[0].reason);
}

#[test]
fn secrets_reach_the_server_and_nothing_else() {
    let server = Server::start(|request, _| {
        let said = request.header("authorization").unwrap_or("nothing").to_owned();
        (400, format!(r#"{{"status":"error","errorType":"bad_data","error":"you said {said}"}}"#))
    });
    let root = tempfile::tempdir().unwrap();
    let token = root.path().join("token");
    std::fs::write(&token, "Bearer hunter2hunter2").unwrap();
    std::os::unix::fs::PermissionsExt::set_mode(&mut std::fs::metadata(&token).unwrap().permissions(), 0o600);
    let text = format!(
        "suite: s\nprobes:\n  e: {{prometheus: {{url: '{0}', query: e, headers: {{authorization: 'file:{1}'}}}}}}\n\
         expect:\n  - {{that: e < 1}}\n  - analysis: {{prometheus: {{url: '{0}', query: e, headers: {{authorization: \
         'file:{1}'}}}}, success: value < 1, samples: 1}}\n",
        server.url(),
        token.display()
    );
    let suite: SuiteConfig = serde_saphyr::from_str(&text).unwrap();
    let report = verify(&suite, root.path(), &RefCell::default());
    assert_eq!(server.requests()[0].header("authorization"), Some("Bearer hunter2hunter2"));
    let all = format!("{report:?}{suite:?}");
    assert!(!all.contains("hunter2"), "{all}");
    assert!(all.contains("you said"), "{all}");
}

#[test]
fn what_is_wrong_with_an_analysis_is_said_before_anything_is_sampled() {
    let mut said = Vec::new();
    for (analysis, more) in [
        ("success: value < 5%", ""),
        ("success: value < 5%\nmetric: load", "prometheus: {url: http://x.example.org, query: q}"),
        ("success: value < 5%\nmetric: laod", ""),
        ("success: value < 5 days\nmetric: load", ""),
        ("success: load < 5%\nmetric: load", ""),
        ("success: value < 5%\nmetric: load\nsamples: 2\nfailure_limit: 1\ninconclusive_limit: 1", ""),
        ("success: value < 5%\nmetric: load\nsamples: 2\nconsecutive_success: 3", ""),
        ("success: value < 5%\nmetric: load\ncompare: {before: 10m, no_worse_than: 10%}", ""),
        ("success: value < 5%\nmetric: load\ncompare: {metric: load, query: x, no_worse_than: 10%}", ""),
        ("success: value < 5%\nmetric: load\ncompare: {metric: load, no_worse_than: 10s}", ""),
        ("success: value < 5\nlabels: x", "prometheus: {url: http://x.example.org, query: q, labels: [a]}"),
    ] {
        let analysis: String = format!("{}\n{more}", analysis.replace("\nlabels: x", ""))
            .lines()
            .map(|line| format!("      {line}\n"))
            .collect();
        let text = format!(
            "suite: s\nprobes: {{load: {{json: {{file: l, pointer: /l, unit: ratio}}}}}}\nexpect:\n  - analysis:\n{analysis}"
        );
        let suite: SuiteConfig = serde_saphyr::from_str(&text).unwrap();
        let found = problems(&suite, &BTreeMap::new());
        assert!(!found.is_empty(), "{text}");
        said.extend(found.iter().map(|problem| format!("{}: {}", problem.pointer, problem.fault)));
        let report = verify(&suite, Path::new("/"), &RefCell::default());
        assert_eq!(report.verdict, Verdict::Unknown, "{text}");
    }
    insta::assert_snapshot!(said.join("\n"));
}

const PROTOCOL_25: &str = "template: protocol-25\nwith:\n  error_rate: sum(model_errors) / sum(model_requests)\n  \
                           latency_p95: max(model_latency_p95_milliseconds)\n  availability: avg(up)\n";

#[test]
fn a_template_is_filled_in_and_says_what_it_lacks() {
    let read = |text: &str| serde_saphyr::from_str::<SuiteConfig>(text).unwrap();
    let none = BTreeMap::new();
    let full = read(&format!("suite: s\n{PROTOCOL_25}  prometheus: http://prometheus.example.org:9090\n"));
    assert_eq!(problems(&full, &none), []);
    let said: Vec<_> = [
        format!("suite: s\n{PROTOCOL_25}"),
        format!("suite: s\n{PROTOCOL_25}  prometheus: http://u:hunter2@example.org\n"),
        format!("suite: s\n{PROTOCOL_25}  prometheus: http://example.org\n  erorr_rate: x\n"),
        "suite: s\ntemplate: protocol-26\n".to_owned(),
        "suite: s\nwith: {a: b}\nexpect: []\n".to_owned(),
    ]
    .iter()
    .flat_map(|text| problems(&read(text), &none))
    .map(|problem| format!("{}: {}", problem.pointer, problem.fault))
    .collect();
    let said = said.join("\n");
    assert!(!said.contains("hunter2"), "{said}");
    insta::assert_snapshot!(said);
    let broken = verify(&read("suite: s\ntemplate: protocol-26\n"), Path::new("/"), &RefCell::default());
    assert_eq!(broken.verdict, Verdict::Unknown);
}

#[test]
fn the_examples_in_the_documentation_are_valid() {
    let text = std::fs::read_to_string(support::repository().join("docs/verify.md")).unwrap();
    let blocks: Vec<_> =
        text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect();
    let suites = blocks.iter().filter(|block| block.starts_with("suite:"));
    let mut seen = 0;
    for block in suites {
        let kind = irctl::config::Kind::Verify;
        let report = irctl::config::check_bytes(kind, "example.yaml", block.as_bytes());
        assert_eq!(report.errors(), 0, "{}", irctl::config::render(&report, false));
        seen += 1;
    }
    assert_eq!(seen, 3);
    let probe = blocks.iter().find(|block| block.starts_with("psi:")).unwrap();
    let probes: BTreeMap<String, ProbeConfig> = serde_saphyr::from_str(probe).unwrap();
    assert_eq!(probes.len(), 1);
}

#[test]
fn protocol_25s_criteria_hold_against_a_real_prometheus() {
    let metrics = |errors: u32, latency: u32| {
        format!("model_errors {errors}\nmodel_requests 1000\nmodel_latency_p95_milliseconds {latency}\n")
    };
    let exporter = support::prometheus::Exporter::start(&metrics(10, 120));
    let prometheus = support::prometheus::Prometheus::start(&exporter);
    prometheus.wait_until("model_requests > 0");
    let text = format!("suite: recovered\n{PROTOCOL_25}  prometheus: {}\n", prometheus.url());
    let suite: SuiteConfig = serde_saphyr::from_str(&text).unwrap();
    let versions = VersionMap::default();
    let look = |suite: &SuiteConfig| {
        let root = Path::new("/");
        let now = Utc::now();
        let request = Request { service: "s", root, now, versions: &versions, untrusted: false };
        // The thirty seconds of settling are not waited for: the server is asked about now.
        run(suite, &BTreeMap::new(), &request, &|_| Ok(Utc::now()))
    };
    let report = look(&suite);
    assert_eq!(report.verdict, Verdict::Ok, "{report:#?}");
    assert!(report.checks.iter().all(|check| check.samples.len() == 3));
    exporter.set(&metrics(70, 120));
    prometheus.wait_until("model_errors > 50");
    let report = look(&suite);
    assert_eq!(report.checks[0].verdict, Verdict::Crit);
    assert!(report.checks[0].reason.raw().contains("7 %"), "{}", report.checks[0].reason);
    assert_eq!(report.checks[1].verdict, Verdict::Ok);
    // No requests at all: 0 / 0 is NaN, which is no proof that nothing fails.
    exporter.set("model_errors 0\nmodel_requests 0\nmodel_latency_p95_milliseconds 250\n");
    prometheus.wait_until("model_requests == 0");
    let report = look(&suite);
    assert_eq!(report.checks[0].verdict, Verdict::Unknown);
    assert!(report.checks[0].reason.raw().contains("NaN"), "{}", report.checks[0].reason);
    assert_eq!(report.checks[1].verdict, Verdict::Crit);
    // Nobody exports it any more.
    exporter.set("other 1\n");
    prometheus.wait_until("absent(model_requests)");
    assert_eq!(look(&suite).checks[0].verdict, Verdict::Unknown);
    let wrong: SuiteConfig = serde_saphyr::from_str(&text.replace("avg(up)", "avg(up")).unwrap();
    let report = look(&wrong);
    assert!(report.checks[2].reason.raw().contains("bad_data"), "{}", report.checks[2].reason);
    client_reads_ranges(&prometheus);
    real_probe(&prometheus, &exporter);
}

fn client_reads_ranges(prometheus: &support::prometheus::Prometheus) {
    use irctl::probe::prometheus::{Client, Found};
    let second = std::time::Duration::from_secs(1);
    let client = Client::new(&prometheus.url().parse().unwrap(), &BTreeMap::new(), second * 10).unwrap();
    let end = Utc::now();
    let answer = client.range("vector(time() * 0 + 7)", end - second * 5, end, second).unwrap();
    let Found::Matrix(series) = answer.found else { panic!() };
    assert_eq!(series[0].points.len(), 6);
    assert!(series[0].points.iter().all(|point| point.value == 7.0));
    assert!(matches!(client.instant("scalar(vector(1))", None).unwrap().found, Found::Scalar(_)));
}

/// The trading desk's gauges, one name for each feature, become one metric with a label.
fn real_probe(prometheus: &support::prometheus::Prometheus, exporter: &support::prometheus::Exporter) {
    exporter.set("psi_feature_spread 0.31\npsi_feature_depth 0.02\n");
    prometheus.wait_until("psi_feature_spread");
    let query =
        r#"label_replace({__name__=~"psi_feature_.+"}, "feature", "$1", "__name__", "psi_feature_(.+)")"#;
    let text = format!(
        "psi: {{prometheus: {{url: '{}', query: '{query}', metric: psi_feature, labels: [feature], time: \
         'max(timestamp(up))'}}}}",
        prometheus.url()
    );
    let probes: BTreeMap<String, ProbeConfig> = serde_saphyr::from_str(&text).unwrap();
    let versions = VersionMap::default();
    let (root, now) = (Path::new("/"), Utc::now());
    let request = Request { service: "s", root, now, versions: &versions, untrusted: false };
    let outcome = irctl::probe::measure_all(&probes, &request).remove(0);
    let found: Vec<_> = outcome
        .samples
        .iter()
        .map(|sample| (sample.labels["feature"].as_str(), sample.measurement.value()))
        .collect();
    assert_eq!(found, [("depth", Some(0.02)), ("spread", Some(0.31))], "{outcome:?}");
    let blocked = irctl::probe::measure_all(&probes, &Request { untrusted: true, ..request }).remove(0);
    assert!(blocked.samples.iter().all(|sample| sample.measurement.value().is_none()));
}
