//! Reports of verification, one file per form.

mod github;
#[cfg(test)]
mod hostile;
mod json;
mod junit;
mod nagios;
mod prometheus;
mod tap;
mod text;

use std::str::FromStr;

use super::report::Summary;
use crate::base::{Error, ErrorCode, Result, Verdict};

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reporter {
    /// For people.
    Text,
    /// For programs: [`Summary`] as it is.
    Json,
    /// JUnit XML, for CI systems.
    Junit,
    /// TAP 14.
    Tap,
    /// GitHub Actions: a log with annotations.
    Github,
    /// One line, as monitoring plugins print it.
    Nagios,
    /// Prometheus' text format.
    Prometheus,
}

/// What a reporter is told beside the results.
pub struct Style<'a> {
    /// Whether WARN is a failure for whoever reads the report.
    pub warn_fails: bool,
    /// The width to wrap text at, in columns.
    pub width: usize,
    /// Shows a verdict's word, in colour where there is colour.
    pub verdict: &'a dyn Fn(Verdict) -> String,
    /// Shows a text in the background.
    pub faint: &'a dyn Fn(&str) -> String,
}

impl Style<'static> {
    /// For files: no colour, 110 columns.
    pub fn plain(warn_fails: bool) -> Self {
        Self {
            warn_fails,
            width: 110,
            verdict: &|verdict| verdict.as_str().to_owned(),
            faint: &|text| text.to_owned(),
        }
    }
}

impl Reporter {
    /// Every reporter with its name.
    pub const ALL: [(&'static str, Reporter); 7] = [
        ("text", Reporter::Text),
        ("json", Reporter::Json),
        ("junit", Reporter::Junit),
        ("tap", Reporter::Tap),
        ("github", Reporter::Github),
        ("nagios", Reporter::Nagios),
        ("prometheus", Reporter::Prometheus),
    ];

    /// The report as text; it ends with a line break.
    pub fn render(self, summary: &Summary, style: &Style<'_>) -> Result<String> {
        match self {
            Reporter::Text => Ok(text::render(summary, style)),
            Reporter::Json => json::render(summary),
            Reporter::Junit => junit::render(summary, style),
            Reporter::Tap => Ok(tap::render(summary, style)),
            Reporter::Github => Ok(github::render(summary, style)),
            Reporter::Nagios => Ok(nagios::render(summary)),
            Reporter::Prometheus => Ok(prometheus::render(summary)),
        }
    }
}

impl FromStr for Reporter {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, reporter)| reporter).ok_or_else(|| {
            let known = Self::ALL.map(|(known, _)| known).join(", ");
            Error::new(ErrorCode::Usage, format!("there is no report `{}`", name.escape_debug()))
                .hint(format!("reports: {known}; write it like --report junit=target/verify.xml"))
        })
    }
}

/// What goes into the summary of a GitHub job, in Markdown.
pub fn step_summary(summary: &Summary) -> String {
    github::step_summary(summary)
}

#[cfg(test)]
mod tests {
    use super::super::config::ExpectationSeverity;
    use super::super::report::{Check, Examination, Report, Value};
    use super::*;
    use crate::base::clock::parse_instant;
    use crate::base::{Unit, Untrusted};
    use crate::probe::{Fact, Problem, VersionSource};

    pub(super) fn check(id: &str, verdict: Verdict, reason: &str) -> Check {
        Check {
            id: id.to_owned(),
            description: Some("MAPE stays under a quarter".to_owned()),
            expected: "mape_weekly < 25%".to_owned(),
            severity: ExpectationSeverity::Fail,
            verdict,
            reason: reason.into(),
            values: vec![Value {
                metric: "mape_weekly".to_owned(),
                value: Some(0.31),
                unit: Unit::Ratio,
                text: "31 %".into(),
            }],
            distance: Some(0.06),
            probes: vec!["accuracy".to_owned()],
            rows: 7,
            newest: Some(parse_instant("2026-11-16T05:00:00Z").unwrap()),
            samples: Vec::new(),
        }
    }

    pub(super) fn summary() -> Summary {
        let hostile = "\u{1b}[31m]]>&<\u{0}\nnext: ::error::";
        let examination = Examination {
            probe: "accuracy".to_owned(),
            facts: vec![
                Fact { label: "rows".to_owned(), value: "420".into() },
                Fact { label: "join rate".to_owned(), value: "98.5 %".into() },
                Fact { label: "file".to_owned(), value: Untrusted::new(hostile) },
            ],
            problems: vec![Problem { metric: None, reason: "2 duplicate keys".into() }],
            samples: 9,
            undecided: 1,
            version_source: Some(VersionSource::Adopted),
        };
        let long = "mape_weekly is 31 %, and a reason may be so long that it does not fit into one line of a \
                    terminal, so that it has to be wrapped under its own column";
        let report = Report {
            suite: "rila-smoke".to_owned(),
            title: Some("After a switch".to_owned()),
            service: Some("rila_6y20b".to_owned()),
            verdict: Verdict::Crit,
            checks: vec![
                check("accuracy", Verdict::Crit, long),
                Check { distance: None, ..check("fresh", Verdict::Ok, "tde_age is 3 days") },
                check("coverage", Verdict::Warn, "interval_coverage is 84 %"),
                check("signs", Verdict::Unknown, hostile),
                check("score", Verdict::Blocked, "not run"),
            ],
            examined: vec![examination],
            started_at: parse_instant("2026-11-20T03:00:00Z").unwrap(),
            elapsed_ms: 12,
        };
        let good = Report {
            suite: "calm".to_owned(),
            title: None,
            service: None,
            verdict: Verdict::Ok,
            checks: vec![check("accuracy", Verdict::Ok, "fine")],
            examined: Vec::new(),
            ..report.clone()
        };
        Summary::new(vec![good, report])
    }

    #[test]
    fn every_form() {
        let style = Style::plain(false);
        for (name, reporter) in Reporter::ALL {
            let report = reporter.render(&summary(), &style).unwrap();
            assert!(!report.contains('\u{1b}') && !report.contains('\0'), "{name}");
            insta::assert_snapshot!(name, report);
        }
        insta::assert_snapshot!("step_summary", step_summary(&summary()));
        let narrow = Style { width: 60, ..Style::plain(false) };
        insta::assert_snapshot!("narrow", Reporter::Text.render(&summary(), &narrow).unwrap());
    }

    #[test]
    fn nothing_at_all_is_not_green() {
        let nothing = Summary::new(Vec::new());
        assert_eq!(nothing.verdict, Verdict::Unknown);
        for (name, reporter) in Reporter::ALL.into_iter().filter(|(name, _)| *name != "prometheus") {
            let report = reporter.render(&nothing, &Style::plain(false)).unwrap();
            assert!(report.contains("UNKNOWN"), "{name}: {report}");
        }
        let report = Reporter::Prometheus.render(&nothing, &Style::plain(false)).unwrap();
        assert!(report.contains("irctl_verify_verdict 3\n"), "{report}");
        assert!(step_summary(&nothing).contains("UNKNOWN"));
    }
}
