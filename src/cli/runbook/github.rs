//! Findings as annotations of GitHub Actions.
//!
//! GitHub shows ten errors and ten warnings of a step and drops the rest without a word: what is dropped is said in the
//! last one (<https://docs.github.com/en/actions/reference/limits>).

use super::LintRow;
use crate::base::untrusted::{Sink, commandless, escape};
use crate::config::diagnostic::Severity;

/// How many annotations of one level GitHub shows of a step.
const MOST: usize = 10;

/// The commands, one to a line; errors first.
pub(super) fn annotations(rows: &[LintRow]) -> String {
    let mut out = String::new();
    for (severity, level) in [(Severity::Error, "error"), (Severity::Warning, "warning")] {
        let of: Vec<&LintRow> = rows.iter().filter(|row| row.severity == severity).collect();
        let shown = if of.len() > MOST { MOST - 1 } else { of.len() };
        for row in of.iter().take(shown) {
            out.push_str(&one(level, row));
        }
        if of.len() > shown {
            let more = of.len() - shown;
            out.push_str(&format!(
                "::{level} title=irctl runbook lint::and {more} more: run irctl runbook lint\n"
            ));
        }
    }
    out
}

fn one(level: &str, row: &LintRow) -> String {
    let mut properties = vec![format!("file={}", property(&row.file))];
    properties.extend(row.line.map(|line| format!("line={line}")));
    properties.extend(row.column.map(|column| format!("col={column}")));
    properties.extend(row.end_column.map(|column| format!("endColumn={column}")));
    properties.push(format!("title={}", property(&row.rule)));
    let help = row.help.as_deref().map(|help| format!(". Instead: {help}")).unwrap_or_default();
    format!("::{level} {}::{}\n", properties.join(","), data(&format!("{}{help}", row.message)))
}

fn data(text: &str) -> String {
    commandless(&escape(text, Sink::Terminal)).replace('%', "%25")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(message: &str) -> LintRow {
        LintRow {
            runbook: "r".into(),
            rule: "broad-kill".into(),
            severity: Severity::Error,
            file: "runbooks/a,b:c.yaml".into(),
            line: Some(3),
            column: Some(5),
            end_column: Some(9),
            message: message.into(),
            help: None,
            explanation: None,
        }
    }

    #[test]
    fn no_text_begins_a_command_of_its_own() {
        let text = annotations(&[row("100 %\n::warning::x")]);
        assert_eq!(
            text,
            "::error file=runbooks/a%2Cb%3Ac.yaml,line=3,col=5,endColumn=9,title=broad-kill::100 %25\\n::warning::x\n"
        );
    }

    #[test]
    fn what_github_would_drop_is_counted() {
        let rows: Vec<_> = (0..12).map(|_| row("x")).collect();
        let text = annotations(&rows);
        assert_eq!(text.lines().count(), 10);
        assert!(text.ends_with("and 3 more: run irctl runbook lint\n"), "{text}");
    }
}
