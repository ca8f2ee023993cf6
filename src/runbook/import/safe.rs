//! What a draft must not hold: commands that are unwise, references that lead nowhere, secrets. Each becomes an
//! instruction that says what stood there, and what to write instead.

use super::{Draft, Note, plain, shortened};
use crate::runbook::kinds::ManualStep;
use crate::runbook::lint::{self, Level};
use crate::runbook::{Allowed, LintConfig, RunbookConfig, StepConfig, problems};

/// How often what is found is looked at again: an instruction may have to be changed once more.
const ROUNDS: usize = 4;

pub(super) fn make(draft: &mut Draft) {
    for _ in 0..ROUNDS {
        let found = faults(&draft.runbook);
        if found.is_empty() {
            return;
        }
        for fault in found {
            mend(draft, fault);
        }
    }
    // What still is not right is left to a human, as nothing but words.
    for step in &mut draft.runbook.steps {
        *step = words(step, "");
    }
    if !faults(&draft.runbook).is_empty() {
        bare(&mut draft.runbook);
    }
}

struct Fault {
    step: Option<usize>,
    rule: Option<&'static str>,
    text: String,
}

fn number(pointer: &str) -> Option<usize> {
    pointer.strip_prefix("/steps/")?.split('/').next()?.parse().ok()
}

fn faults(runbook: &RunbookConfig) -> Vec<Fault> {
    let mut found: Vec<Fault> = problems(runbook)
        .into_iter()
        .map(|problem| Fault { step: number(&problem.pointer), rule: None, text: problem.message })
        .collect();
    // Dates of reviews are no matter of a draft.
    let today = chrono::NaiveDate::MIN;
    let errors = lint::alone(runbook, today).into_iter().filter(|one| one.rule.level == Level::Error);
    found.extend(errors.map(|one| Fault {
        step: number(&one.pointer),
        rule: Some(one.rule.id),
        text: format!("{}. Instead: {}", one.message, one.help),
    }));
    found
}

fn mend(draft: &mut Draft, fault: Fault) {
    let Some(number) = fault.step else { return bare(&mut draft.runbook) };
    let Some(step) = draft.runbook.steps.get_mut(number) else { return };
    if fault.rule == Some("unverified-write") {
        let reason = "Imported; name a suite that proves it".to_owned();
        let allowed = Allowed { rule: "unverified-write".to_owned(), reason };
        step.lint = LintConfig { allow: vec![allowed] };
        return;
    }
    let id = step.id.clone();
    let name = fault.rule.map(|rule| format!(" ({rule})")).unwrap_or_default();
    let why = format!("Not run as it stands{name}: {}", fault.text);
    *step = words(step, &why);
    draft.notes.push(Note { line: 0, text: format!("step {id}: {}", plain(&why)) });
}

/// The step as an instruction: what it did, in words that run nothing.
fn words(step: &StepConfig, why: &str) -> StepConfig {
    let said = crate::runbook::show::describe(&StepConfig { title: None, ..step.clone() });
    let text = if why.is_empty() || said.starts_with("Not run as it stands") {
        said
    } else {
        format!("{}\n{said}", plain(why))
    };
    StepConfig {
        id: step.id.clone(),
        title: step.title.as_deref().map(harmless),
        manual: Some(ManualStep::Short(harmless(&text))),
        ..StepConfig::default()
    }
}

/// Text in which nothing is a command, a reference or a secret.
fn harmless(text: &str) -> String {
    let mut text = shortened(&text.replace('`', "'"), 4000);
    while text.contains("{{") {
        text = text.replace("{{", "{ {");
    }
    let text = lint::masked(&text);
    if text.is_empty() { "See the source.".to_owned() } else { text }
}

/// Takes out whatever names something, and masks what is left of the head.
fn bare(runbook: &mut RunbookConfig) {
    runbook.inputs.clear();
    runbook.secrets.clear();
    runbook.timeline.clear();
    runbook.title = harmless(&runbook.title);
    runbook.description = runbook.description.as_deref().map(harmless);
    for list in runbook.checklists.values_mut() {
        list.title = list.title.as_deref().map(harmless);
        list.items = list.items.iter().map(|item| harmless(item)).collect();
    }
}
