//! Names: unique, well formed, and leading somewhere.

use std::collections::{BTreeMap, BTreeSet};

use super::super::problem::{Mistake, Problem, escaped, nearest};
use super::super::secrets::is_variable;
use super::super::{BranchConfig, Kind, LintConfig, OnFail, RunbookConfig, StepConfig, lint, walk};

pub(super) fn problems(runbook: &RunbookConfig) -> Vec<Problem> {
    let steps = walk::steps(runbook);
    let mut found = Vec::new();
    let mut first: BTreeMap<&str, &StepConfig> = BTreeMap::new();
    found.extend(declared(runbook));
    found.extend(timeline(runbook, &steps));
    for (pointer, step) in &steps {
        found.extend(identity(pointer, step));
        if first.insert(step.id.as_str(), step).is_some() {
            let message = format!("the id `{}` stands twice", step.id.escape_debug());
            let problem = Problem::new(format!("{pointer}/id"), Mistake::Duplicate, message);
            found.push(problem.help("give each step a name of its own"));
        }
        found.extend(branches(pointer, step));
    }
    for (pointer, step) in &steps {
        found.extend(ways_out(runbook, pointer, step, &first));
        found.extend(used(runbook, pointer, step));
        found.extend(allowed(&step.lint, &format!("{pointer}/lint")));
    }
    found.extend(allowed(&runbook.lint, "/lint"));
    found
}

/// Inputs and secrets as they are declared.
fn declared(runbook: &RunbookConfig) -> Vec<Problem> {
    let mut found = Vec::new();
    for (name, input) in &runbook.inputs {
        let base = format!("/inputs/{}", escaped(name));
        found.extend(word(&base, name, "input"));
        found.extend(under(&base, input.problems()));
    }
    for (name, secret) in &runbook.secrets {
        let base = format!("/secrets/{}", escaped(name));
        found.extend(word(&base, name, "secret"));
        if let Some(variable) = secret.variable.as_ref().filter(|variable| !is_variable(variable)) {
            found.push(no_variable(format!("{base}/variable"), variable));
        }
    }
    for name in runbook.escalate.keys() {
        found.extend(word(&format!("/escalate/{}", escaped(name)), name, "escalation"));
    }
    for name in runbook.checklists.keys() {
        found.extend(word(&format!("/checklists/{}", escaped(name)), name, "checklist"));
    }
    found
}

pub(super) fn under(base: &str, problems: Vec<Problem>) -> impl Iterator<Item = Problem> {
    problems
        .into_iter()
        .map(move |problem| Problem { pointer: format!("{base}{}", problem.pointer), ..problem })
}

pub(super) fn no_variable(pointer: String, name: &str) -> Problem {
    let message = format!("`{}` cannot be the name of a variable", name.escape_debug());
    Problem::new(pointer, Mistake::Invalid, message)
        .help("use letters, digits and `_`, and begin with no digit")
        .on_key()
}

/// A name that references use: no dots, which separate there.
pub(super) fn word(pointer: &str, name: &str, what: &str) -> Option<Problem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.len() <= 100 && name.chars().all(plain) {
        return None;
    }
    let message = format!("`{}` cannot be the name of this {what}", name.escape_debug());
    Some(Problem::new(pointer, Mistake::Invalid, message).help("use letters, digits, `-` and `_`").on_key())
}

fn identity(pointer: &str, step: &StepConfig) -> Option<Problem> {
    if !step.id.contains('.') {
        return None;
    }
    let message = format!("the id `{}` holds a dot", step.id.escape_debug());
    let problem = Problem::new(format!("{pointer}/id"), Mistake::Invalid, message);
    Some(problem.help("use letters, digits, `-` and `_`: dots separate the parts of {{ steps.ID.NAME }}"))
}

fn branches(pointer: &str, step: &StepConfig) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for (number, branch) in step.decide.iter().flatten().enumerate() {
        if !seen.insert(branch.name(number)) {
            let message = format!("two branches are called `{}`", branch.name(number).escape_debug());
            let place = match (&branch.branch, &branch.when) {
                (Some(_), _) => "/branch",
                (None, Some(_)) => "/when",
                (None, None) => "/else",
            };
            let problem =
                Problem::new(format!("{pointer}/decide/{number}{place}"), Mistake::Duplicate, message);
            let problem =
                problem.help("give each a name of its own; without one it is its number, or `else`");
            found.push(if branch.branch.is_some() { problem } else { problem.on_key() });
        }
    }
    found
}

fn timeline(runbook: &RunbookConfig, steps: &[(String, &StepConfig)]) -> Vec<Problem> {
    let mut found = Vec::new();
    for (number, point) in runbook.timeline.iter().enumerate() {
        let pointer = format!("/timeline/{number}");
        if !steps.iter().any(|(_, step)| step.id == point.expect) {
            let known = steps.iter().map(|(_, step)| step.id.as_str());
            found.push(dangling(format!("{pointer}/expect"), "step", &point.expect, known));
        }
        match (&point.otherwise, point.escalation()) {
            (Some(_), Some(name)) => found.extend(escalation(runbook, &format!("{pointer}/else"), name)),
            (Some(text), None) => {
                let message = format!("`{}` is nothing that can happen", text.escape_debug());
                let problem = Problem::new(format!("{pointer}/else"), Mistake::Invalid, message);
                found.push(problem.help("write `escalate.NAME`, with a name under `escalate:`"));
            }
            _ => {}
        }
    }
    found
}

pub(super) fn dangling<'a>(
    pointer: impl Into<String>,
    what: &str,
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Problem {
    let message = format!("there is no {what} `{}`", name.escape_debug());
    Problem::new(pointer, Mistake::Dangling, message).maybe_help(nearest(name, known, &format!("{what}s")))
}

fn escalation(runbook: &RunbookConfig, pointer: &str, name: &str) -> Option<Problem> {
    if runbook.escalate.contains_key(name) {
        return None;
    }
    let known: Vec<&str> = runbook.escalate.keys().map(String::as_str).collect();
    let problem = dangling(pointer, "escalation", name, known.iter().copied());
    if known.is_empty() {
        let shown = name.escape_debug();
        return Some(problem.help(format!("declare it: `escalate: {{{shown}: {{role: ROLE}}}}`")));
    }
    Some(problem)
}

/// Where a step goes when it fails.
fn ways_out(
    runbook: &RunbookConfig,
    pointer: &str,
    step: &StepConfig,
    all: &BTreeMap<&str, &StepConfig>,
) -> Vec<Problem> {
    match &step.on_fail {
        Some(OnFail::Escalate(name)) => {
            escalation(runbook, &format!("{pointer}/on_fail/escalate"), name).into_iter().collect()
        }
        Some(OnFail::Goto(goto)) => {
            let at = format!("{pointer}/on_fail/goto");
            let Some(target) = all.get(goto.step.as_str()) else {
                return vec![dangling(format!("{at}/step"), "step", &goto.step, all.keys().copied())];
            };
            let Some(Kind::Decide(branches)) = target.kind() else {
                let message = format!("`{}` decides nothing", goto.step.escape_debug());
                let problem = Problem::new(format!("{at}/step"), Mistake::Invalid, message);
                return vec![problem.help("name a `decide` step")];
            };
            no_branch(&format!("{at}/branch"), &goto.branch, branches).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn no_branch(pointer: &str, name: &str, branches: &[BranchConfig]) -> Option<Problem> {
    let known: Vec<String> =
        branches.iter().enumerate().map(|(number, branch)| branch.name(number)).collect();
    if known.iter().any(|known| known == name) {
        return None;
    }
    let message = format!("there is no branch `{}`", name.escape_debug());
    let problem = Problem::new(pointer, Mistake::Dangling, message);
    Some(problem.help(format!("branches there are: {}", known.join(", "))))
}

/// Secrets and checklists that a step names.
fn used(runbook: &RunbookConfig, pointer: &str, step: &StepConfig) -> Vec<Problem> {
    let mut found = Vec::new();
    let secrets = match step.kind() {
        Some(Kind::Run(run)) => Some(("run", &run.secrets)),
        Some(Kind::Shell(shell)) => Some(("shell", &shell.secrets)),
        _ => None,
    };
    if let Some((kind, names)) = secrets {
        for (number, name) in names.iter().enumerate() {
            if !runbook.secrets.contains_key(name) {
                let known = runbook.secrets.keys().map(String::as_str);
                found.push(dangling(format!("{pointer}/{kind}/secrets/{number}"), "secret", name, known));
            }
        }
    }
    if let Some(Kind::Manual(manual)) = step.kind()
        && let Some(name) = manual.details().and_then(|details| details.checklist.as_ref())
        && !runbook.checklists.contains_key(name)
    {
        let known = runbook.checklists.keys().map(String::as_str);
        found.push(dangling(format!("{pointer}/manual/checklist"), "checklist", name, known));
    }
    found
}

/// Rules that may be broken exist.
fn allowed(config: &LintConfig, pointer: &str) -> Vec<Problem> {
    let unknown = config.allow.iter().enumerate().filter(|(_, allowed)| lint::rule(&allowed.rule).is_none());
    unknown
        .map(|(number, allowed)| {
            let known = lint::RULES.iter().map(|rule| rule.id);
            dangling(format!("{pointer}/allow/{number}/rule"), "rule", &allowed.rule, known)
        })
        .collect()
}
