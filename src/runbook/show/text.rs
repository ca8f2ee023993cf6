//! A runbook as a tree on a terminal.

use super::{Row, one_line, outline, timeline};
use crate::runbook::{Effect, Moment, RunbookConfig};

/// The runbook as lines of at most `width` columns.
pub fn text(runbook: &RunbookConfig, width: usize) -> String {
    let shown = outline(runbook);
    let width = width.clamp(60, 120);
    let mut out = vec![format!("{}: {}", shown.runbook, one_line(&shown.title))];
    let head = [
        shown.severity.clone(),
        shown.service.as_ref().map(|service| format!("service {service}")),
        shown.owner.as_ref().map(|owner| format!("owner {owner}")),
        shown.deadline.as_ref().map(|deadline| format!("deadline {deadline}")),
        runbook.review_by.map(|review| format!("review by {review}")),
    ];
    let head: Vec<_> = head.into_iter().flatten().collect();
    if !head.is_empty() {
        out.push(head.join(", "));
    }
    if let Some(description) = &runbook.description {
        out.push(String::new());
        let lines = wrapped("", &one_line(description), width);
        out.extend(lines.iter().map(|line| line.trim_start().to_owned()));
    }
    section(
        &mut out,
        "inputs",
        runbook.inputs.iter().map(|(name, input)| {
            let about = input
                .description
                .as_deref()
                .map(|about| format!(": {}", one_line(about)))
                .unwrap_or_default();
            format!("{name} ({}){about}", input.kind.as_str())
        }),
        width,
    );
    for (name, list) in runbook.checklists.iter().filter(|(_, list)| list.at == Moment::Before) {
        section(
            &mut out,
            list.title.as_deref().unwrap_or(name),
            list.items.iter().map(|item| format!("[ ] {}", one_line(item))),
            width,
        );
    }
    section(&mut out, "timeline", timeline(runbook).into_iter(), width);
    out.push(String::new());
    out.push("steps".to_owned());
    if shown.steps.is_empty() {
        out.push("  none".to_owned());
    }
    for row in &shown.steps {
        out.extend(line(row, width));
    }
    for (name, list) in runbook.checklists.iter().filter(|(_, list)| list.at != Moment::Before) {
        section(
            &mut out,
            list.title.as_deref().unwrap_or(name),
            list.items.iter().map(|item| format!("[ ] {}", one_line(item))),
            width,
        );
    }
    section(
        &mut out,
        "escalate",
        runbook.escalate.iter().map(|(name, one)| {
            let when = one.when.as_deref().map(|when| format!(": {}", one_line(when))).unwrap_or_default();
            format!("{name} ({}){when}", one.role)
        }),
        width,
    );
    section(
        &mut out,
        "read also",
        runbook.links.iter().map(|link| format!("{}: {}", one_line(&link.title), link.url)),
        width,
    );
    out.push(String::new());
    out.join("\n")
}

fn section(out: &mut Vec<String>, title: &str, lines: impl Iterator<Item = String>, width: usize) {
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() {
        return;
    }
    out.push(String::new());
    out.push(one_line(title));
    for line in lines {
        out.extend(wrapped("  ", &line, width));
    }
}

fn line(row: &Row, width: usize) -> Vec<String> {
    let indent = "  ".repeat(row.depth + 1);
    let mut out = match &row.id {
        None => wrapped(&indent, &format!("{} {}", row.number, row.text), width),
        Some(id) => {
            let effect = match row.effect {
                Some(Effect::Irreversible) => " (cannot be undone)",
                _ => "",
            };
            wrapped(&indent, &format!("{} {id}  {}: {}{effect}", row.number, row.kind, row.text), width)
        }
    };
    let deeper = format!("{indent}  ");
    for note in &row.notes {
        out.extend(wrapped(&deeper, &format!("- {note}"), width));
    }
    out
}

/// Lines of at most `width` columns; those after the first are indented further.
fn wrapped(indent: &str, text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = indent.to_owned();
    let mut empty = true;
    for word in text.split(' ') {
        if !empty && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut line, format!("{indent}    ")));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push(line);
    lines
}
