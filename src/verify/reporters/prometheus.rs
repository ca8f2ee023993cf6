//! Prometheus' text format: the verdict of each suite and expectation, and the values behind them.

use super::super::report::Summary;
use crate::base::Verdict;
use crate::base::exposition::Exposition;

const VERDICTS: &str = "0 OK, 1 WARN, 2 CRIT, 3 UNKNOWN or BLOCKED.";

pub(super) fn render(summary: &Summary) -> String {
    let mut text = Exposition::default();
    // Where nothing had to be verified there is no verdict: neither a good one nor a bad one.
    if summary.nothing.is_some() {
        return text.finish();
    }
    text.single(
        "irctl_verify_verdict",
        &format!("Worst verdict of all suites: {VERDICTS}"),
        number(summary.verdict),
    );
    let suites =
        summary.suites.iter().map(|report| (vec![("suite", report.suite.clone())], number(report.verdict)));
    text.gauge("irctl_verify_suite_verdict", &format!("Verdict of a suite: {VERDICTS}"), suites);
    #[expect(clippy::cast_precision_loss, reason = "no suite runs so long")]
    let durations = summary
        .suites
        .iter()
        .map(|report| (vec![("suite", report.suite.clone())], report.elapsed_ms as f64 / 1000.0));
    text.gauge("irctl_verify_suite_duration_seconds", "How long a suite took.", durations);
    let checks = || {
        summary.suites.iter().flat_map(|report| {
            report.checks.iter().map(move |check| {
                (vec![("suite", report.suite.clone()), ("expectation", check.id.clone())], check)
            })
        })
    };
    let verdicts = checks().map(|(labels, check)| (labels, number(check.verdict)));
    text.gauge(
        "irctl_verify_expectation_verdict",
        &format!("Verdict of an expectation: {VERDICTS}"),
        verdicts,
    );
    let values = checks().flat_map(|(labels, check)| {
        check.values.iter().filter_map(move |value| {
            let mut labels = labels.clone();
            labels.push(("metric", value.metric.clone()));
            labels.push(("unit", value.unit.to_string()));
            Some((labels, value.value?))
        })
    });
    // The same value may stand behind several parts of one expectation; a series stands once.
    let mut seen = std::collections::BTreeSet::new();
    let values: Vec<_> = values.filter(|(labels, _)| seen.insert(labels.clone())).collect();
    text.gauge("irctl_verify_value", "Value that an expectation used, in its unit.", values);
    text.finish()
}

fn number(verdict: Verdict) -> f64 {
    f64::from(verdict.exit())
}
