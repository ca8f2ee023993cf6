//! What others wrote — names, reasons, values, facts — commands no reader of any report.

use super::super::config::ExpectationSeverity;
use super::super::report::{Check, Examination, Report, Summary, Value};
use super::{Reporter, Style, step_summary};
use crate::base::clock::parse_instant;
use crate::base::untrusted::{Sink, escape};
use crate::base::{Unit, Untrusted, Verdict};
use crate::probe::Fact;

/// Each begins a command, a directive, a tag or a field somewhere.
const HOSTILE: [&str; 12] = [
    "\n::error::owned",
    "\n::set-output name=x::owned",
    "x\n##[error]owned",
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "\nok 99 - owned\nBail out! owned",
    "x # SKIP owned # TODO owned",
    "]]></failure><testcase name=\"owned\"/>&owned;",
    "|owned=0;;;; 'owned'=1",
    "\" owned=\"1\"} 0\nowned 1\n",
    "`owned` [owned](https://owned.example.org) <b> @owned | owned |\n# owned",
    "\u{202e}owned\u{200b}\u{2028}owned\u{85}owned",
    "%0A::error::owned\r\n...\n---\nowned: 1",
];

fn summary(text: &str) -> Summary {
    let check = |verdict| Check {
        id: text.to_owned(),
        description: Some(text.to_owned()),
        expected: text.to_owned(),
        severity: ExpectationSeverity::Fail,
        verdict,
        reason: Untrusted::new(text),
        values: vec![Value {
            metric: text.to_owned(),
            value: Some(0.5),
            unit: Unit::Ratio,
            text: text.into(),
        }],
        distance: Some(0.25),
        probes: vec![text.to_owned()],
        rows: 1,
        newest: None,
        samples: Vec::new(),
    };
    let verdicts = [Verdict::Ok, Verdict::Warn, Verdict::Crit, Verdict::Unknown, Verdict::Blocked];
    let examination = Examination {
        probe: text.to_owned(),
        facts: vec![Fact { label: text.to_owned(), value: text.into() }],
        problems: Vec::new(),
        samples: 1,
        undecided: 0,
        version_source: None,
    };
    Summary::new(vec![Report {
        suite: text.to_owned(),
        title: Some(text.to_owned()),
        service: Some(text.to_owned()),
        verdict: Verdict::Crit,
        checks: verdicts.map(check).into_iter().collect(),
        examined: vec![examination],
        started_at: parse_instant("2026-11-20T03:07:00Z").unwrap(),
        elapsed_ms: 1,
    }])
}

/// Letters, as many as the text has where it is shown.
fn harmless(hostile: &str) -> String {
    "h".repeat(escape(hostile, Sink::Terminal).chars().count())
}

/// As many lines as the same report of harmless text has: nothing that was quoted began one.
fn same_shape(name: &str, hostile: &str, report: &str, harmless: &str) {
    let lines = |text: &str| text.split('\n').count();
    assert_eq!(lines(report), lines(harmless), "{name}: {hostile:?}\n{report}");
}

#[test]
fn nothing_that_was_quoted_is_obeyed() {
    let style = Style { width: 100_000, ..Style::plain(false) };
    for hostile in HOSTILE {
        for (name, reporter) in Reporter::ALL {
            let report = reporter.render(&summary(hostile), &style).unwrap();
            let harmless = reporter.render(&summary(&harmless(hostile)), &style).unwrap();
            let hidden = |c: char| c.is_control() && c != '\n' && c != '\t';
            let disguised = ['\u{202e}', '\u{200b}', '\u{2028}'];
            // JSON holds texts as they came; what writes it to a terminal makes them visible.
            if name != "json" {
                assert!(!report.chars().any(hidden), "{name}: {hostile:?}\n{report:?}");
                assert!(!report.contains(disguised), "{name}: {hostile:?}\n{report:?}");
            }
            if name != "junit" {
                same_shape(name, hostile, &report, &harmless);
            }
            let lines = || report.lines();
            match name {
                "text" => assert!(
                    !crate::base::untrusted::commandless(&report)
                        .lines()
                        .any(|line| line.trim_start().starts_with("::"))
                ),
                "github" => {
                    let own = |line: &str| {
                        line.starts_with("::error title=") || line.starts_with("::warning title=")
                    };
                    assert!(lines().filter(|line| line.trim_start().starts_with("::")).all(own), "{report}");
                    assert_eq!(lines().filter(|line| own(line)).count(), 4, "{report}");
                    assert!(!report.contains("##["), "{report}");
                    let commands = lines().filter(|line| own(line));
                    assert!(commands.into_iter().all(|line| !line.contains("%0A")), "{report}");
                }
                "tap" => {
                    let tests = lines().filter(|line| line.starts_with("ok ") || line.starts_with("not ok "));
                    assert_eq!(tests.count(), 5, "{report}");
                    let directives = lines().filter(|line| !line.starts_with(' ') && line.contains(" # "));
                    assert_eq!(directives.count(), 1, "only BLOCKED is skipped\n{report}");
                }
                "nagios" => {
                    assert_eq!(report.matches('|').count(), 1, "{report}");
                    let (_, data) = report.split_once('|').unwrap();
                    let quoted = data.trim().trim_start_matches('\'');
                    assert!(quoted.contains("'="), "{report}");
                    assert_eq!(data.matches('=').count(), harmless.matches('=').count(), "{report}");
                }
                "prometheus" => {
                    assert!(
                        lines().all(|line| line.starts_with("irctl_") || line.starts_with("# ")),
                        "{report}"
                    );
                }
                "junit" => {
                    assert_eq!(report.matches("<testcase").count(), 5, "{report}");
                    assert!(!report.contains("<testcase name=\"owned\""), "{report}");
                }
                _ => {}
            }
        }
        let markdown = step_summary(&summary(hostile));
        same_shape("step summary", hostile, &markdown, &step_summary(&summary(&harmless(hostile))));
        let rows = markdown.lines().filter(|line| line.starts_with("| "));
        for row in rows {
            assert_eq!(row.replace("\\|", "").matches('|').count(), 5, "{row}");
            assert!(!row.replace("\\]", "").contains("](") && !row.replace("\\<", "").contains('<'), "{row}");
        }
    }
}

#[test]
fn github_is_told_how_many_it_is_not_shown() {
    let mut many = summary("x");
    let check = many.suites[0].checks[2].clone();
    many.suites[0].checks =
        (0..25).map(|number| Check { id: format!("c{number}"), ..check.clone() }).collect();
    let report = Reporter::Github.render(&many, &Style::plain(false)).unwrap();
    let errors: Vec<_> = report.lines().filter(|line| line.starts_with("::error")).collect();
    assert_eq!(errors.len(), 10);
    assert!(errors[9].contains("and 16 more"), "{}", errors[9]);
    many.suites[0].checks.truncate(10);
    let report = Reporter::Github.render(&many, &Style::plain(false)).unwrap();
    assert_eq!(report.lines().filter(|line| line.starts_with("::error")).count(), 10);
    assert!(!report.contains("more:"));
    let long = "x".repeat(1000);
    many.suites[0].checks =
        (0..2000).map(|_| Check { reason: long.as_str().into(), ..check.clone() }).collect();
    let markdown = step_summary(&many);
    assert!(markdown.len() < 1024 * 1024 && markdown.contains("do not fit"), "{}", markdown.len());
}
