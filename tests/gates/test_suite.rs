//! A project's tests: Python's own runner behind a small script that writes JUnit XML.

use crate::{Folder, fact, nothing_decided, value};
use irctl::probe::Outcome;

const GOOD: &str = r#"<testsuites tests="3"><testsuite name="t" tests="3">
    <testcase classname="t.a" name="one"/><testcase classname="t.a" name="two"/>
    <testcase classname="t.a" name="three"><skipped/></testcase></testsuite></testsuites>"#;

const BAD: &str = r#"<testsuite tests="3"><testcase classname="t.a" name="one"><failure/></testcase>
    <testcase classname="t.a" name="two"><error/></testcase><testcase name="three"/></testsuite>"#;

/// Tests that write this report and end with this status.
fn run(folder: &Folder, report: Option<&str>, status: i32) -> Outcome {
    let write = report.map(|text| {
        folder.write("report.txt", text);
        "open('out/report.xml', 'w').write(open('report.txt').read());"
    });
    std::fs::create_dir_all(folder.path("out")).unwrap();
    let script = format!("import sys; {} sys.exit({status})", write.unwrap_or_default());
    folder.write("run.py", script);
    folder.measure("{test_suite: {argv: [python3, run.py], report: out/report.xml, timeout: 20s}}")
}

#[test]
fn tests_are_counted_and_the_failing_ones_named() {
    let folder = Folder::new();
    let good = run(&folder, Some(GOOD), 0);
    let counts = |outcome: &Outcome| {
        ["total", "failures", "errors", "skipped", "failed"].map(|what| value(outcome, &format!("p_{what}")))
    };
    assert_eq!(counts(&good), [3.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!(fact(&good, "tests"), "3: 0 failed, 0 ended with an error, 1 skipped");
    let bad = run(&folder, Some(BAD), 1);
    assert_eq!(counts(&bad), [3.0, 1.0, 1.0, 0.0, 1.0]);
    assert_eq!(fact(&bad, "failing"), "t.a.one, t.a.two");
    assert_eq!(bad.samples[0].rows, 3);
}

#[test]
fn what_proves_nothing_decides_nothing() {
    let folder = Folder::new();
    nothing_decided(&run(&folder, None, 0), "the tests wrote no report");
    for (report, status, expected) in [
        (GOOD, 1, "no test failed, but the exit status is 1"),
        (BAD, 0, "2 tests failed, but the exit status is 0"),
        ("<testsuites/>", 0, "there are no tests in it"),
        ("<testsuite tests='0'/>", 5, "there are no tests in it"),
        ("<testsuite><testcase><skipped/></testcase></testsuite>", 0, "all 1 tests were skipped"),
        ("<testsuite tests='9'><testcase/></testsuite>", 0, "claims 9 tests and lists 1"),
        ("<testsuite><testcase/>", 0, "cut off"),
        ("", 0, "empty"),
    ] {
        nothing_decided(&run(&folder, Some(report), status), expected);
    }
}

#[test]
fn a_report_from_before_the_run_says_nothing() {
    let folder = Folder::new();
    run(&folder, Some(GOOD), 0);
    let stale = run(&folder, None, 0);
    nothing_decided(&stale, "the report is from before the run");
    // Even one that fits the exit status.
    run(&folder, Some(BAD), 1);
    nothing_decided(&run(&folder, None, 1), "the report is from before the run");
}

#[test]
fn what_does_not_end_by_itself_decides_nothing() {
    let folder = Folder::new();
    folder.write("out/report.xml", GOOD);
    let with = |argv: &str| {
        folder.measure(&format!("{{test_suite: {{argv: {argv}, report: out/report.xml, timeout: 1s}}}}"))
    };
    nothing_decided(&with("[sleep, '30']"), "a timeout");
    nothing_decided(&with("[sh, -c, 'kill -9 $$']"), "signal 9");
    nothing_decided(&with("[not-a-program]"), "cannot start");
    nothing_decided(&with("[]"), "no program");
    nothing_decided(&folder.measure("{test_suite: {argv: ['true'], report: ../report.xml}}"), "climbs out");
    let mut untrusted = folder;
    untrusted.untrusted = true;
    nothing_decided(
        &untrusted.measure("{test_suite: {argv: [touch, ran], report: out/report.xml}}"),
        "untrusted",
    );
    assert!(!untrusted.path("ran").exists());
}

/// unittest really runs, through a runner that writes what pytest and its kind write.
#[test]
fn a_real_test_runner_is_believed() {
    let folder = Folder::new();
    folder.write(
        "test_model.py",
        "import unittest\n\nclass Model(unittest.TestCase):\n    def test_holds(self):\n        self.assertEqual(1, 1)\n\n    \
         def test_fails(self):\n        self.assertLess(2, 1)\n",
    );
    folder.write(
        "runner.py",
        r#"
import sys, unittest
from xml.etree import ElementTree as tree

suite = unittest.defaultTestLoader.loadTestsFromName("test_model")
cases = [case for group in suite for case in group]
root = tree.Element("testsuite", tests=str(len(cases)))
result = unittest.TestResult()
for case in cases:
    element = tree.SubElement(root, "testcase", classname=type(case).__name__, name=case._testMethodName)
    before = len(result.failures)
    case.run(result)
    if len(result.failures) > before:
        tree.SubElement(element, "failure").text = result.failures[-1][1]
tree.ElementTree(root).write("report.xml", encoding="utf-8", xml_declaration=True)
sys.exit(0 if result.wasSuccessful() else 1)
"#,
    );
    let outcome =
        folder.measure("{test_suite: {argv: [python3, -B, runner.py], report: report.xml, timeout: 60s}}");
    assert_eq!((value(&outcome, "p_total"), value(&outcome, "p_failures")), (2.0, 1.0));
    assert_eq!(fact(&outcome, "failing"), "Model.test_fails");
}
