//! A runbook to print: boxes to tick, blanks for who and when.

use super::{Row, one_line, outline, timeline};
use crate::runbook::{Moment, RunbookConfig};

const BLANKS: &str = "who ____________ when ____________";

/// The runbook as a checklist with blanks.
pub fn checklist(runbook: &RunbookConfig) -> String {
    let shown = outline(runbook);
    let mut out =
        format!("{}\n{}\n\n", one_line(&shown.title), "=".repeat(one_line(&shown.title).chars().count()));
    out.push_str(&format!("Runbook {}", shown.runbook));
    for (name, value) in
        [("severity", &shown.severity), ("owner", &shown.owner), ("deadline", &shown.deadline)]
    {
        if let Some(value) = value {
            out.push_str(&format!(", {name} {value}"));
        }
    }
    out.push_str(
        "\n\nIncident ______________________   started ______________________   by ______________________\n",
    );
    for (name, input) in &runbook.inputs {
        let about = input.description.as_deref().map(one_line).unwrap_or_default();
        out.push_str(&format!("{name} ({}) ______________________ {about}\n", input.kind.as_str()));
    }
    boxes(&mut out, runbook, Moment::Before);
    let points = timeline(runbook);
    if !points.is_empty() {
        out.push_str("\nTimeline\n");
        for point in points {
            out.push_str(&format!("  [ ] {point}   at ____________\n"));
        }
    }
    out.push_str("\nSteps\n");
    for row in &shown.steps {
        step(&mut out, row);
    }
    boxes(&mut out, runbook, Moment::During);
    boxes(&mut out, runbook, Moment::After);
    out.push_str("\nFinished ______________________   by ______________________\n");
    out
}

fn boxes(out: &mut String, runbook: &RunbookConfig, at: Moment) {
    for (name, list) in runbook.checklists.iter().filter(|(_, list)| list.at == at) {
        out.push_str(&format!("\n{}\n", one_line(list.title.as_deref().unwrap_or(name))));
        for item in &list.items {
            out.push_str(&format!("  [ ] {}   {BLANKS}\n", one_line(item)));
        }
    }
}

fn step(out: &mut String, row: &Row) {
    let indent = "  ".repeat(row.depth + 1);
    match &row.id {
        None => out.push_str(&format!("{indent}( ) {} {}\n", row.number, row.text)),
        Some(id) => {
            out.push_str(&format!("{indent}[ ] {} {id}: {}\n", row.number, row.text));
            for note in &row.notes {
                let answer = if note.starts_with("answer ") { " ______________________" } else { "" };
                out.push_str(&format!("{indent}      {note}{answer}\n"));
            }
            out.push_str(&format!("{indent}      {BLANKS}\n"));
        }
    }
}
