//! Failures of parity: in logs, in documents, in a real Prometheus.

use chrono::Utc;
use irctl::probe::Outcome;
use irctl::store::Sample;

use crate::support::prometheus::{Exporter, Prometheus};
use crate::{Folder, at, fact, nothing_decided, reason, value};

const LOG: &str =
    "{parity: {of: {log: {file: p.log, failures: [PARITY FAIL], checked: [parity ok], rotated: p.log.1}}}}";

/// Measures, and remembers what was measured for the next look.
fn look(folder: &mut Folder, time: &str, yaml: &str) -> Outcome {
    folder.now = at(time);
    let outcome = folder.measure(yaml);
    let mut earlier: Vec<Sample> = folder.versions.earlier.take().unwrap_or_default();
    earlier.extend(outcome.samples.iter().cloned());
    folder.versions.earlier = Some(earlier);
    outcome
}

#[test]
fn a_log_is_counted_from_one_look_to_the_next() {
    let mut folder = Folder::new();
    nothing_decided(&look(&mut folder, "2026-11-20T01:00:00Z", LOG), "p.log does not exist");
    folder.write("p.log", "");
    let empty = look(&mut folder, "2026-11-20T01:10:00Z", LOG);
    assert_eq!(reason(&empty, "p_failures"), "no line says that anything was ever compared");
    folder.write("p.log", "start\n1 PARITY FAIL row 7\n2 parity ok\n");
    let mut fresh = Folder::new();
    fresh.write("p.log", "start\n1 PARITY FAIL row 7\n2 parity ok\n");
    let first = look(&mut fresh, "2026-11-20T02:00:00Z", LOG);
    assert!(
        reason(&first, "p_failures").contains("1 in all; there was no look before this one"),
        "{first:#?}"
    );
    assert_eq!(value(&first, "p_total"), 1.0);
    let quiet = look(&mut fresh, "2026-11-20T02:10:00Z", LOG);
    assert_eq!((value(&quiet, "p_failures"), value(&quiet, "p_total")), (0.0, 1.0));
    fresh.write("p.log", "start\n1 PARITY FAIL row 7\n2 parity ok\n3 PARITY FAIL row 9\n4 PARITY FAIL row 9");
    let more = look(&mut fresh, "2026-11-20T02:20:00Z", LOG);
    assert_eq!(
        (value(&more, "p_failures"), fact(&more, "lines").as_str()),
        (2.0, "5, 4 of them of comparisons")
    );
    // A round that is run again at the same instant finds the same.
    assert_eq!(value(&look(&mut fresh, "2026-11-20T02:20:00Z", LOG), "p_failures"), 2.0);
    assert_eq!(value(&look(&mut fresh, "2026-11-20T02:30:00Z", LOG), "p_failures"), 0.0);
}

#[test]
fn a_rotated_log_loses_nothing() {
    let mut folder = Folder::new();
    folder.write("p.log", "day one\n1 PARITY FAIL\nparity ok\n");
    look(&mut folder, "2026-11-20T01:00:00Z", LOG);
    folder.write("p.log.1", "day one\n1 PARITY FAIL\nparity ok\n2 PARITY FAIL\n");
    folder.write("p.log", "day two\nparity ok\n");
    let both = look(&mut folder, "2026-11-20T02:00:00Z", LOG);
    assert_eq!(value(&both, "p_failures"), 1.0);
    assert!(fact(&both, "counted").contains("1 more in the old one, 0 in the new one"));
    assert_eq!(value(&look(&mut folder, "2026-11-20T02:30:00Z", LOG), "p_failures"), 0.0);
    // Where the old one is gone, what stood at its end is not known.
    folder.write("p.log", "day nine\nparity ok\n");
    let lost = look(&mut folder, "2026-11-20T03:00:00Z", LOG);
    assert!(reason(&lost, "p_failures").contains("what came last in that one was not seen"), "{lost:#?}");
    folder.write("p.log", "day ten\n5 PARITY FAIL\n");
    assert_eq!(
        value(&look(&mut folder, "2026-11-20T04:00:00Z", LOG), "p_failures"),
        1.0,
        "what was seen counts"
    );
}

#[test]
fn a_window_counts_by_the_times_of_the_lines() {
    let folder = Folder::new();
    let yaml = "{parity: {of: {log: {file: p.log, failures: [FAIL], checked: [ok]}}, window: 1h, metric: onnx_parity_failures}}";
    for (content, expected) in [
        ("2026-11-20T01:00:00Z FAIL\n2026-11-20T02:30:00Z ok\n", Ok(0.0)),
        ("2026-11-20T02:30:00Z Traceback\n  FAIL in step 3\n", Ok(1.0)),
        ("2026-11-20 02:30:00,123 FAIL\n[2026-11-20 02:31:00] FAIL\n", Ok(2.0)),
        ("2026-11-20T01:00:00Z ok\n", Err("says that anything was compared")),
        ("2026-11-20T02:30:00Z starting\n", Err("says that anything was compared")),
        ("", Err("says that anything was compared")),
        ("FAIL\n2026-11-20T02:30:00Z ok\n", Err("1 failures stand in lines without a time")),
    ] {
        folder.write("p.log", content);
        let outcome = folder.measure(yaml);
        match expected {
            Ok(count) => assert_eq!(value(&outcome, "onnx_parity_failures"), count, "{content}"),
            Err(why) => {
                assert!(reason(&outcome, "onnx_parity_failures").contains(why), "{content}: {outcome:#?}")
            }
        }
    }
    folder.write("p.log", "2026-11-21T02:30:00Z ok\n");
    nothing_decided(&folder.measure(yaml), "dated in the future");
    nothing_decided(&folder.measure("{parity: {of: {log: {file: p.log, failures: ['']}}}}"), "names no text");
}

#[test]
fn documents_have_counts_and_counters() {
    let mut folder = Folder::new();
    let count = "{parity: {of: {json: {file: p.json, pointer: /failures}}}}";
    let counter = "{parity: {of: {json: {file: p.json, pointer: /failures, counter: true}}}}";
    folder.write("p.json", r#"{"failures": 3}"#);
    assert_eq!(value(&folder.measure(count), "p_failures"), 3.0);
    assert!(
        reason(&look(&mut folder, "2026-11-20T01:00:00Z", counter), "p_failures").contains("no look before")
    );
    folder.write("p.json", r#"{"failures": 5}"#);
    assert_eq!(value(&look(&mut folder, "2026-11-20T01:10:00Z", counter), "p_failures"), 2.0);
    folder.write("p.json", r#"{"failures": 1}"#);
    let reset = look(&mut folder, "2026-11-20T01:20:00Z", counter);
    assert_eq!(value(&reset, "p_failures"), 1.0);
    assert!(fact(&reset, "counter").contains("began again at zero"));
    for content in [r#"{"failures": null}"#, r#"{"failures": -1}"#, r#"{"failures": "1"}"#, "{}"] {
        folder.write("p.json", content);
        nothing_decided(&folder.measure(count), "has no count at /failures");
    }
    folder.write("p.json", "NaN");
    nothing_decided(&folder.measure(count), "is not JSON");
    // What could not be measured in between loses nothing.
    look(&mut folder, "2026-11-20T01:30:00Z", counter);
    folder.write("p.json", r#"{"failures": 4}"#);
    assert_eq!(value(&look(&mut folder, "2026-11-20T01:40:00Z", counter), "p_failures"), 3.0);
    let mut fresh = Folder::new();
    fresh.write("p.json", r#"{"failures": 0}"#);
    assert_eq!(
        value(&look(&mut fresh, "2026-11-20T01:00:00Z", counter), "p_failures"),
        0.0,
        "zero is certain"
    );
    nothing_decided(
        &fresh.measure(&count.replace("}}}}", "}}, window: 1h}}")),
        "a window needs a log or Prometheus",
    );
    fresh.now = at("2100-01-01T00:00:00Z");
    nothing_decided(&fresh.measure(&count.replace("failures}", "failures, max_age: 1d}")), "is allowed");
}

#[test]
fn a_real_prometheus_counts_through_resets() {
    let exporter = Exporter::start("onnx_parity_failures_total{host=\"a\"} 7\n");
    let prometheus = Prometheus::start(&exporter);
    prometheus.wait_until("onnx_parity_failures_total == 7");
    let mut folder = Folder::new();
    let probe = |window: &str, counter: &str| {
        format!(
            "{{parity: {{of: {{prometheus: {{url: '{}', counter: '{counter}'}}}}{window}}}}}",
            prometheus.url()
        )
    };
    let since = probe("", "onnx_parity_failures_total");
    folder.now = Utc::now();
    nothing_decided(&folder.measure(&since), "there was no look before this one");
    // The first look by itself, as a round would have stored it.
    std::thread::sleep(std::time::Duration::from_millis(600));
    folder.now = Utc::now();
    let mut first = folder.measure(&probe(", window: 1h", "onnx_parity_failures_total"));
    assert_eq!(value(&first, "p_failures"), 7.0, "new series count from zero");
    folder.versions.earlier = Some(std::mem::take(&mut first.samples));
    for (value, host) in [(9, "a"), (2, "a")] {
        exporter.set(&format!("onnx_parity_failures_total{{host=\"{host}\"}} {value}\n"));
        prometheus.wait_until(&format!("onnx_parity_failures_total == {value}"));
    }
    exporter.set("onnx_parity_failures_total{host=\"a\"} 2\nonnx_parity_failures_total{host=\"b\"} 1\n");
    prometheus.wait_until("onnx_parity_failures_total{host=\"b\"}");
    folder.now = Utc::now();
    let grown = folder.measure(&since);
    // 7 to 9, then from zero to 2, and a new series at 1.
    assert_eq!(value(&grown, "p_failures"), 5.0, "{grown:#?}");
    let said = fact(&grown, "looked at");
    assert!(said.contains("1 began again at zero") && said.contains("1 new, counted from zero"), "{said}");
    nothing_decided(&folder.measure(&probe(", window: 1h", "no_such_counter")), "no such counter");
    nothing_decided(&folder.measure(&probe(", window: 1h", "sum(up)")), "400");
    exporter.set("onnx_parity_failures_total{host=\"a\"} NaN\n");
    prometheus.wait_until("onnx_parity_failures_total != onnx_parity_failures_total");
    folder.now = Utc::now();
    nothing_decided(&folder.measure(&since), "the counter stands at NaN");
    folder.now += chrono::TimeDelta::hours(2);
    nothing_decided(&folder.measure(&probe(", window: 3h", "onnx_parity_failures_total")), "does not count");
    folder.untrusted = true;
    nothing_decided(&folder.measure(&since), "untrusted");
}
