//! JUnit XML: CRIT is a failure, UNKNOWN an error, BLOCKED skipped; WARN is a failure only where it fails the run.

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

use super::super::report::{Check, Report, Summary};
use super::{Style, text};
use crate::base::untrusted::{Sink, escape};
use crate::base::{Error, ErrorCode, Result, Verdict};

pub(super) fn render(summary: &Summary, style: &Style<'_>) -> Result<String> {
    let mut document = Document::new("irctl verify");
    document.set_time(Duration::from_millis(summary.suites.iter().map(|suite| suite.elapsed_ms).sum()));
    if summary.suites.is_empty() {
        let mut nothing = TestSuite::new("irctl verify");
        let mut status = match &summary.nothing {
            Some(_) => TestCaseStatus::skipped(),
            None => TestCaseStatus::non_success(NonSuccessKind::Error),
        };
        status.set_type(Verdict::Unknown.as_str()).set_message(
            summary.nothing.as_deref().unwrap_or("no suite was selected, so nothing was verified"),
        );
        nothing.add_test_case(TestCase::new("selection", status));
        document.add_test_suite(nothing);
    }
    for report in &summary.suites {
        document.add_test_suite(suite(report, style));
    }
    document
        .to_string()
        .map_err(|error| Error::new(ErrorCode::Bug, format!("a JUnit report cannot be written: {error}")))
}

fn suite(report: &Report, style: &Style<'_>) -> TestSuite {
    let mut suite = TestSuite::new(escape(&report.suite, Sink::Terminal));
    suite.set_timestamp(report.started_at);
    suite.set_time(Duration::from_millis(report.elapsed_ms));
    for (name, value) in [("service", &report.service), ("title", &report.title)] {
        if let Some(value) = value {
            suite.add_property((name, escape(value, Sink::Terminal).as_str()));
        }
    }
    for check in &report.checks {
        suite.add_test_case(case(report, check, style));
    }
    suite
}

fn case(report: &Report, check: &Check, style: &Style<'_>) -> TestCase {
    let message = check.reason.to_string();
    let mut status = match check.verdict {
        Verdict::Ok => TestCaseStatus::success(),
        Verdict::Warn if !style.warn_fails => TestCaseStatus::success(),
        Verdict::Crit | Verdict::Warn => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Unknown => TestCaseStatus::non_success(NonSuccessKind::Error),
        Verdict::Blocked => TestCaseStatus::skipped(),
    };
    let description = description(report, check);
    let passed = matches!(status, TestCaseStatus::Success { .. });
    if !passed {
        status.set_type(check.verdict.as_str()).set_message(message).set_description(description.as_str());
    }
    let mut case = TestCase::new(escape(&check.id, Sink::Terminal), status);
    case.set_classname(escape(&report.suite, Sink::Terminal));
    if passed {
        case.set_system_out(description);
    }
    for value in &check.values {
        case.add_property((
            escape(&value.metric, Sink::Terminal).as_str(),
            escape(value.text.raw(), Sink::Plain).as_str(),
        ));
    }
    case
}

/// Everything a reader of the failure needs, in lines.
fn description(report: &Report, check: &Check) -> String {
    let mut lines = vec![
        format!("{}: {}", check.verdict, check.reason),
        format!("expected: {}", escape(&check.expected, Sink::Plain)),
    ];
    lines.extend(check.description.iter().map(|why| format!("why: {}", escape(why, Sink::Plain))));
    lines.extend(text::looked_at(report, check));
    lines.extend(check.samples.iter().map(text::sample_line));
    lines.join("\n")
}
