//! The way through a runbook: branches that are missing or cannot be taken, values that may not be there, conditions that
//! nobody measures, declarations that nobody uses.

use std::collections::BTreeSet;

use super::rule::{self as rules, Finding};
use crate::runbook::problem::escaped;
use crate::runbook::template::{Reference, Template};
use crate::runbook::{
    Condition, Kind, OnFail, RunbookConfig, StepConfig, Surroundings, doubtful, unmeasured, walk,
};

pub(super) fn findings(runbook: &RunbookConfig, around: &Surroundings<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (pointer, step) in walk::steps(runbook) {
        found.extend(branches(step, &pointer));
    }
    for doubt in doubtful(runbook) {
        let message = format!("the step `{}` may not have been done", doubt.step);
        let help = "use the value in the same branch, or right after a step that always is done";
        found.push(
            Finding::new(&rules::OUTPUT_MAY_BE_MISSING, doubt.pointer, message)
                .help(help)
                .at(Some(doubt.span)),
        );
    }
    for condition in unmeasured(runbook, around) {
        let message = format!("nothing measures `{}`", condition.metric);
        let help =
            "measure it with a probe of the service, or of an earlier step: `probe: {name: …, measure: {…}}`";
        found.push(
            Finding::new(&rules::UNMEASURED_CONDITION, condition.pointer, message)
                .help(help)
                .at(condition.span),
        );
    }
    found.extend(unused(runbook));
    found
}

fn branches(step: &StepConfig, pointer: &str) -> Vec<Finding> {
    let Some(Kind::Decide(branches)) = step.kind() else { return Vec::new() };
    let mut found = Vec::new();
    let last = branches.iter().position(|branch| branch.otherwise.is_some());
    if last.is_none() {
        let message = "nothing says what happens when no branch is taken";
        let help = "end with `- else: [{id: …, note: \"…\"}]`";
        found.push(
            Finding::new(&rules::MISSING_ELSE, format!("{pointer}/decide"), message).help(help).on_key(),
        );
    }
    let mut seen = BTreeSet::new();
    for (number, branch) in branches.iter().enumerate() {
        let place = format!("{pointer}/decide/{number}");
        let unreachable = |message: &str, place: String| {
            let finding = Finding::new(&rules::UNREACHABLE_BRANCH, place, message);
            finding.help("take it out, or move it before").on_key()
        };
        if last.is_some_and(|last| number > last) {
            let key = if branch.when.is_some() { "when" } else { "else" };
            let message = "this branch stands after `else` and is never taken";
            found.push(unreachable(message, format!("{place}/{key}")));
            continue;
        }
        let condition = branch.when.as_ref().map(|when| match when {
            Condition::Probe(expression) => format!("probe {expression}"),
            Condition::Ask(question) => format!("ask {}", question.trim()),
            Condition::Value(value) => format!("value {} {:?}", value.of.trim(), value.is),
        });
        if condition.is_some_and(|condition| !seen.insert(condition)) {
            found.push(unreachable("a branch before has the same condition", format!("{place}/when")));
        }
    }
    found
}

/// Everything that the steps name.
#[derive(Default)]
struct Used {
    inputs: BTreeSet<String>,
    secrets: BTreeSet<String>,
    escalations: BTreeSet<String>,
    checklists: BTreeSet<String>,
}

fn unused(runbook: &RunbookConfig) -> Vec<Finding> {
    let used = used(runbook);
    let mut found = Vec::new();
    let mut report = |kind: &str, what: &str, name: &str| {
        let message = format!("nothing uses the {what} `{}`", name.escape_debug());
        let finding = Finding::new(&rules::UNUSED_DECLARATION, format!("/{kind}/{}", escaped(name)), message);
        found.push(finding.help("take it out, or use it").on_key());
    };
    for name in runbook.inputs.keys().filter(|name| !used.inputs.contains(*name)) {
        report("inputs", "input", name);
    }
    for name in runbook.secrets.keys().filter(|name| !used.secrets.contains(*name)) {
        report("secrets", "secret", name);
    }
    // One that says when to call by hand is for people.
    let by_hand = |name: &&String| runbook.escalate.get(*name).is_some_and(|one| one.when.is_some());
    for name in runbook.escalate.keys().filter(|name| !used.escalations.contains(*name) && !by_hand(name)) {
        report("escalate", "escalation", name);
    }
    let in_steps = |name: &&String| {
        runbook.checklists.get(*name).is_some_and(|list| list.at == crate::runbook::Moment::During)
    };
    for name in runbook.checklists.keys().filter(|name| !used.checklists.contains(*name) && in_steps(name)) {
        report("checklists", "checklist", name);
    }
    found
}

fn used(runbook: &RunbookConfig) -> Used {
    let mut used = Used::default();
    let note = |text: &str, inputs: &mut BTreeSet<String>| {
        for (_, reference) in Template(text).references() {
            if let Ok(Reference::Input(name)) = reference {
                inputs.insert(name.to_owned());
            }
        }
    };
    for text in runbook.service.iter().chain(runbook.escalate.values().filter_map(|one| one.message.as_ref()))
    {
        note(text, &mut used.inputs);
    }
    used.escalations
        .extend(runbook.timeline.iter().filter_map(|point| point.escalation()).map(str::to_owned));
    for (_, step) in walk::steps(runbook) {
        for (_, text) in walk::texts(step).iter().filter(|(_, text)| text.contains("{{")) {
            note(text, &mut used.inputs);
        }
        if let Some(OnFail::Escalate(name)) = &step.on_fail {
            used.escalations.insert(name.clone());
        }
        match step.kind() {
            Some(Kind::Run(run)) => used.secrets.extend(run.secrets.iter().cloned()),
            Some(Kind::Shell(shell)) => used.secrets.extend(shell.secrets.iter().cloned()),
            Some(Kind::Manual(manual)) => {
                used.checklists.extend(manual.details().and_then(|details| details.checklist.clone()));
            }
            _ => {}
        }
    }
    used
}
