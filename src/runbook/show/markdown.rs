//! A runbook as Markdown.

use super::{one_line, outline, timeline};
use crate::base::untrusted::{Sink, escape};
use crate::runbook::{Effect, RunbookConfig};

/// The runbook as a page of Markdown.
pub fn markdown(runbook: &RunbookConfig) -> String {
    let safe = |text: &str| escape(&one_line(text), Sink::Markdown);
    let shown = outline(runbook);
    let mut out = format!("# {}\n\n", safe(&shown.title));
    if let Some(description) = &runbook.description {
        out.push_str(&format!("{}\n\n", safe(description)));
    }
    let facts = [
        ("Runbook", Some(shown.runbook.clone())),
        ("Severity", shown.severity.clone()),
        ("Service", shown.service.clone()),
        ("Owner", shown.owner.clone()),
        ("Deadline", shown.deadline.clone()),
        ("Review by", runbook.review_by.map(|review| review.to_string())),
        ("Symptoms", (!runbook.symptoms.is_empty()).then(|| runbook.symptoms.join(", "))),
    ];
    out.push_str("| | |\n|---|---|\n");
    for (name, value) in facts {
        if let Some(value) = value {
            out.push_str(&format!("| {name} | {} |\n", safe(&value)));
        }
    }
    list(
        &mut out,
        "Inputs",
        runbook.inputs.iter().map(|(name, input)| {
            let about = input.description.as_deref().unwrap_or("");
            format!("{} ({}) {}", safe(name), input.kind.as_str(), safe(about))
        }),
    );
    list(&mut out, "Timeline", timeline(runbook).iter().map(|point| safe(point)));
    out.push_str("\n## Steps\n\n");
    for row in &shown.steps {
        let indent = "    ".repeat(row.depth);
        let text = match &row.id {
            None => format!("*{}*", safe(&row.text)),
            Some(id) => {
                let effect =
                    if row.effect == Some(Effect::Irreversible) { " (cannot be undone)" } else { "" };
                format!("**{}** {}: {}{effect}", safe(id), row.kind, safe(&row.text))
            }
        };
        out.push_str(&format!("{indent}- {} {text}\n", row.number.replace('.', "\\.")));
        for note in &row.notes {
            out.push_str(&format!("{indent}    - {}\n", safe(note)));
        }
    }
    for (name, checklist) in &runbook.checklists {
        let title = safe(checklist.title.as_deref().unwrap_or(name));
        list(&mut out, &title, checklist.items.iter().map(|item| format!("[ ] {}", safe(item))));
    }
    list(
        &mut out,
        "Escalate",
        runbook.escalate.iter().map(|(name, one)| {
            let when = one.when.as_deref().map(|when| format!(": {}", safe(when))).unwrap_or_default();
            format!("{} ({}){when}", safe(name), safe(&one.role))
        }),
    );
    list(
        &mut out,
        "Read also",
        runbook.links.iter().map(|link| format!("{}: {}", safe(&link.title), safe(&link.url))),
    );
    out
}

fn list(out: &mut String, title: &str, items: impl Iterator<Item = String>) {
    let items: Vec<_> = items.map(|item| format!("- {}\n", item.trim_end())).collect();
    if !items.is_empty() {
        out.push_str(&format!("\n## {title}\n\n{}", items.concat()));
    }
}
