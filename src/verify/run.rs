//! Running a suite: measure, judge every expectation, sum up.

use chrono::{DateTime, Utc};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::config::{ExpectationSeverity, SuiteConfig};
use super::judge::{self, Evidence};
use super::report::{Check, Examination, Report};
use super::selection::{Selection, select};
use super::{analysis, template};
use crate::base::{Result, Untrusted, Verdict};
use crate::probe::{Outcome, ProbeConfig, Request, measure_all};

/// Waits until an instant and returns the instant that it then is.
pub type Wait<'a> = &'a dyn Fn(DateTime<Utc>) -> Result<DateTime<Utc>>;

/// Runs a suite. It never fails: whatever goes wrong is a check that is UNKNOWN, with its reason.
///
/// `service_probes` are the probes of the suite's service, from which its `use:` chooses; `wait` waits until the next
/// sample of an analysis is due.
pub fn run(
    suite: &SuiteConfig,
    service_probes: &BTreeMap<String, ProbeConfig>,
    request: &Request<'_>,
    wait: Wait<'_>,
) -> Report {
    let begun = Instant::now();
    let (whole, wrong) = match template::whole(suite) {
        Ok(whole) => (whole, Vec::new()),
        Err(wrong) => (Cow::Borrowed(suite), wrong),
    };
    let selection = select(&whole, service_probes);
    let outcomes = measure_all(&selection.probes, request);
    let mut checks = checks(&whole, &selection, &outcomes, request, wait);
    checks.extend(wrong.iter().map(|(_, fault)| unknown("template", &fault.to_string())));
    make_unique(&mut checks);
    Report {
        suite: suite.suite.clone(),
        title: suite.title.clone(),
        service: suite.service.clone(),
        verdict: Verdict::worst_of(checks.iter().map(|check| check.verdict)),
        checks,
        examined: outcomes.iter().map(examination).collect(),
        started_at: request.now,
        elapsed_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

fn checks(
    suite: &SuiteConfig,
    selection: &Selection,
    outcomes: &[Outcome],
    request: &Request<'_>,
    wait: Wait<'_>,
) -> Vec<Check> {
    let evidence = Evidence::new(selection, outcomes, request);
    let mut checks: Vec<Check> =
        selection.missing.iter().map(|(name, why)| unknown(&format!("use {name}"), why)).collect();
    let first = checks.len();
    checks.extend(suite.expect.iter().map(|expectation| judge::judge(expectation, &evidence)));
    // What can be judged at once is judged before anything is waited for.
    for (place, analysed) in analysis::run(&suite.expect, selection, request, wait) {
        if let Some(check) = checks.get_mut(first + place).filter(|check| check.verdict != Verdict::Blocked) {
            analysed.fill(check);
        }
    }
    if suite.expect.is_empty() {
        checks.push(unknown("expectations", "the suite expects nothing, so nothing was verified"));
    }
    checks
}

/// A check that stands for something wrong with the suite itself.
fn unknown(id: &str, why: &str) -> Check {
    Check {
        id: id.to_owned(),
        description: None,
        expected: "a suite that can be run".to_owned(),
        severity: ExpectationSeverity::Fail,
        verdict: Verdict::Unknown,
        reason: Untrusted::new(why),
        values: Vec::new(),
        distance: None,
        probes: Vec::new(),
        rows: 0,
        newest: None,
        samples: Vec::new(),
    }
}

/// Readers of reports tell checks apart by their names.
fn make_unique(checks: &mut [Check]) {
    let mut seen = BTreeSet::new();
    for check in checks {
        let base = check.id.clone();
        let mut number = 1;
        while !seen.insert(check.id.clone()) {
            number += 1;
            check.id = format!("{base} ({number})");
        }
    }
}

fn examination(outcome: &Outcome) -> Examination {
    let undecided = outcome.samples.iter().filter(|sample| sample.measurement.value().is_none()).count();
    Examination {
        probe: outcome.probe.clone(),
        facts: outcome.examined.clone(),
        problems: outcome.problems.clone(),
        samples: outcome.samples.len(),
        undecided,
        version_source: outcome.version_source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::parse_instant;
    use crate::probe::VersionMap;
    use crate::verify::{problems, reporters};
    use std::path::Path;

    const SUITE: &str = r#"
suite: smoke
title: After a switch
service: desk
use: [health]
probes:
  model: {file: {file: model.json}}
  score:
    command:
      argv: [sh, -c, 'echo ''{"metrics": {"mape": 0.31}, "rows": 14}''']
      format: json
      metrics: {mape: {unit: ratio}}
expect:
  - {id: serves, that: health, description: It says that it serves}
  - {that: 'model_exists and model_size > 0 bytes'}
  - {id: mape, that: 'mape < 25%'}
  - {id: mape-calm, that: 'mape < 30%', severity: warn}
  - {probe: model}
  - {probe: score}
"#;

    fn suite(text: &str) -> SuiteConfig {
        serde_saphyr::from_str(text).unwrap()
    }

    fn service() -> BTreeMap<String, ProbeConfig> {
        let text = "health: {json: {file: health.json, pointer: /status, equals: ok}}\n\
                    count: {json: {file: health.json, pointer: /n, unit: count}}";
        serde_saphyr::from_str(text).unwrap()
    }

    fn root(status: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs_err::write(root.path().join("health.json"), format!("{{\"status\": \"{status}\", \"n\": null}}"))
            .unwrap();
        fs_err::write(root.path().join("model.json"), "{}").unwrap();
        let then = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_795_000_000);
        for name in ["health.json", "model.json"] {
            let file = fs_err::OpenOptions::new().append(true).open(root.path().join(name)).unwrap();
            file.file().set_modified(then).unwrap();
        }
        root
    }

    fn verify(text: &str, root: &Path, untrusted: bool) -> Report {
        let versions = VersionMap::default();
        let now = parse_instant("2026-11-20T03:00:00Z").unwrap();
        let request = Request { service: "desk", root, now, versions: &versions, untrusted };
        Report { elapsed_ms: 12, ..run(&suite(text), &service(), &request, &Ok) }
    }

    fn verdicts(report: &Report) -> Vec<(&str, Verdict)> {
        report.checks.iter().map(|check| (check.id.as_str(), check.verdict)).collect()
    }

    #[test]
    fn every_expectation_is_judged_and_explained() {
        let root = root("ok");
        let report = verify(SUITE, root.path(), false);
        assert_eq!(
            verdicts(&report),
            [
                ("serves", Verdict::Ok),
                ("model_exists and model_size > 0 bytes", Verdict::Ok),
                ("mape", Verdict::Crit),
                ("mape-calm", Verdict::Warn),
                ("probe model", Verdict::Ok),
                ("probe score", Verdict::Ok),
            ]
        );
        assert_eq!(report.verdict, Verdict::Crit);
        let mape = &report.checks[2];
        assert_eq!((mape.distance, mape.rows), (Some(0.06), 14));
        let lines: Vec<_> = report
            .checks
            .iter()
            .map(|check| format!("{} {}: {}", check.verdict, check.id, check.reason))
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
        assert_eq!(problems(&suite(SUITE), &service()), []);
    }

    #[test]
    fn programs_are_blocked_in_untrusted_configuration() {
        let root = root("down");
        let report = verify(SUITE, root.path(), true);
        assert_eq!(
            verdicts(&report),
            [
                ("serves", Verdict::Crit),
                ("model_exists and model_size > 0 bytes", Verdict::Ok),
                ("mape", Verdict::Blocked),
                ("mape-calm", Verdict::Blocked),
                ("probe model", Verdict::Ok),
                ("probe score", Verdict::Blocked),
            ]
        );
    }

    #[test]
    fn what_was_not_looked_at_is_never_good() {
        let root = root("ok");
        let look = |text: &str| verify(&format!("suite: s\nservice: desk\n{text}"), root.path(), false);
        let mut shown = Vec::new();
        for text in [
            "",
            "use: [health]",
            "expect: [{that: health}]",
            "use: [nothing]\nexpect: []",
            "use: [health, count]\nexpect: [{that: count > 1}]",
            "use: [health]\nexpect: [{that: healht}]",
            "use: [health]\nexpect: [{that: health > 5 days}]",
            "use: [health]\nexpect: [{}]",
            "use: [health]\nexpect: [{probe: other}]",
            "use: [health]\nexpect: [{that: health, probe: health}]",
            "use: [health]\nprobes: {health: {file: {file: x}}}\nexpect: [{that: health_exists}]",
            "use: [health]\nprobes: {again: {json: {file: health.json, pointer: /n, metric: health}}}\n\
             expect: [{that: health}]",
            "probes: {x: {file: {file: x}}}\nexpect: [{that: x_size > 1 bytes}, {that: x_exists}, {probe: x}]",
        ] {
            let report = look(text);
            assert_ne!(report.verdict, Verdict::Ok, "{text}");
            let found = problems(&suite(&format!("suite: s\nservice: desk\n{text}")), &service());
            shown.push(format!("# {}", text.replace('\n', "; ")));
            shown.extend(report.checks.iter().map(|c| format!("{} {}: {}", c.verdict, c.id, c.reason)));
            shown.extend(found.iter().map(|problem| format!("  problem at {}", problem.pointer)));
        }
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn names_of_checks_are_unique() {
        let root = root("ok");
        let text =
            "suite: s\nuse: [health]\nexpect: [{that: health}, {that: health}, {id: health, that: health}]";
        let report = verify(text, root.path(), false);
        assert_eq!(
            report.checks.iter().map(|check| check.id.as_str()).collect::<Vec<_>>(),
            ["health", "health (2)", "health (3)"]
        );
    }

    #[test]
    fn the_text_report_reads_well() {
        let root = root("ok");
        let summary = crate::verify::Summary::new(vec![verify(SUITE, root.path(), true)]);
        let text = reporters::Reporter::Text.render(&summary, &reporters::Style::plain(false)).unwrap();
        insta::assert_snapshot!(text);
    }
}
