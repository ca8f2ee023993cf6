//! Whether the parts of one step fit together. Pointers begin at the step.

use std::path::{Component, Path};

use super::super::kinds::{HttpStep, RequestConfig, SqlStep, WaitConfig};
use super::super::problem::{Mistake, Problem, escaped};
use super::super::secrets::is_variable;
use super::super::template::Template;
use super::super::{BranchConfig, Kind, Permission, RunbookConfig, StepConfig, walk};
use super::misplaced;
use super::names::{no_variable, under, word};
use crate::rollback::config::TargetConfig;

pub(super) fn problems(runbook: &RunbookConfig, step: &StepConfig) -> Vec<Problem> {
    let mut found = kinds(step);
    found.extend(saved(step));
    let Some(kind) = step.kind() else { return found };
    found.extend(of_kind(runbook, kind));
    found.extend(targets(step, kind));
    found
}

/// Exactly one key says what it does.
fn kinds(step: &StepConfig) -> Vec<Problem> {
    match step.kinds().as_slice() {
        [_] => Vec::new(),
        [] => {
            let message = format!("the step `{}` says nothing that it does", step.id.escape_debug());
            let help = format!("give it one of {}", Kind::NAMES.join(", "));
            vec![Problem::new("/id", Mistake::OneKind, message).help(help)]
        }
        [first, second, ..] => {
            let message = format!(
                "the step `{}` does two things: `{}` and `{}`",
                step.id.escape_debug(),
                first.name(),
                second.name()
            );
            let help = "make two steps of it; only `verify` may stand beside another kind, as its proof";
            vec![Problem::new(format!("/{}", second.name()), Mistake::OneKind, message).help(help).on_key()]
        }
    }
}

fn of_kind(runbook: &RunbookConfig, kind: Kind<'_>) -> Vec<Problem> {
    match kind {
        Kind::Run(run) => {
            let mut found = environment("/run/env", run.env.keys());
            found.extend(run.directory.as_deref().and_then(|path| outside("/run/directory", path)));
            found.extend(run.argv.first().filter(|program| program.trim().is_empty()).map(|_| {
                Problem::new("/run/argv/0", Mistake::Invalid, "there is no program")
                    .help("write the program and its arguments: [python3, scripts/health_check.py]")
            }));
            found
        }
        Kind::Shell(shell) => {
            let mut found = environment("/shell/env", shell.env.keys());
            found.extend(shell.directory.as_deref().and_then(|path| outside("/shell/directory", path)));
            if !runbook.allow.contains(&Permission::Shell) {
                let message = "this runbook does not allow scripts for a shell";
                let help = "use `run:` with a list of arguments; where it must be a shell, add `allow: [shell]` at the top";
                found.push(misplaced("/shell", message, help));
            }
            found.extend(no_values("/shell/script", &shell.script));
            for (number, part) in shell.interpreter.iter().enumerate() {
                found.extend(no_values(&format!("/shell/interpreter/{number}"), part));
            }
            found
        }
        Kind::Copy(copy) => {
            let paths = [("/copy/from", copy.from.as_path()), ("/copy/to", copy.to.as_path())];
            paths.into_iter().filter_map(|(pointer, path)| outside(pointer, path)).collect()
        }
        Kind::Sql(SqlStep::Read(query)) => no_values("/sql/read/query", &query.query),
        Kind::Http(HttpStep::Get(request)) => address("/http/get", request, false),
        Kind::Http(HttpStep::Send(request)) => address("/http/send", request, true),
        Kind::Wait(wait) => waits(wait),
        Kind::Decide(branches) => {
            branches.iter().enumerate().filter_map(|(number, branch)| shape(number, branch)).collect()
        }
        Kind::Parallel(arms) if arms.is_empty() => {
            let problem = Problem::new("/parallel", Mistake::Missing, "nothing goes on side by side");
            vec![problem.help("parallel: {one: [steps], two: [steps]}").on_key()]
        }
        Kind::Parallel(arms) => arms
            .keys()
            .filter_map(|name| word(&format!("/parallel/{}", escaped(name)), name, "arm"))
            .collect(),
        Kind::Manual(manual) => {
            let Some(details) = manual.details() else { return Vec::new() };
            let mut found = Vec::new();
            found.extend(details.answer.iter().flat_map(|answer| under("/manual/answer", answer.problems())));
            for (name, answer) in &details.answers {
                let base = format!("/manual/answers/{}", escaped(name));
                found.extend(word(&base, name, "answer"));
                found.extend(under(&base, answer.problems()));
            }
            found
        }
        _ => Vec::new(),
    }
}

fn environment<'a>(base: &str, names: impl Iterator<Item = &'a String>) -> Vec<Problem> {
    let wrong = names.filter(|name| !is_variable(name));
    wrong.map(|name| no_variable(format!("{base}/{}", escaped(name)), name)).collect()
}

fn outside(pointer: &str, path: &Path) -> Option<Problem> {
    let stays = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if path.components().all(stays) {
        return None;
    }
    let problem = Problem::new(pointer, Mistake::Outside, "this path leaves the workspace");
    Some(problem.help("write it relative to the workspace's root, without `..`"))
}

/// Values are never written into a script or a query.
fn no_values(pointer: &str, text: &str) -> Vec<Problem> {
    let (message, help) = if pointer.ends_with("query") {
        (
            "a value is not written into a query: it is bound",
            "write `:name` in the query, and `with: {name: \"{{ … }}\"}`",
        )
    } else {
        (
            "a value is not written into a script: it reaches it by the environment",
            "write `env: {NAME: \"{{ … }}\"}`, and \"$NAME\" in the script",
        )
    };
    let found = Template(text).references();
    found
        .into_iter()
        .map(|(span, _)| Problem::new(pointer, Mistake::Invalid, message).help(help).at(Some(span)))
        .collect()
}

fn address(pointer: &str, request: &RequestConfig, sends: bool) -> Vec<Problem> {
    let mut found = Vec::new();
    let url = &request.url;
    if !(url.starts_with("https://") || url.starts_with("http://") || url.starts_with("{{")) {
        let problem = Problem::new(format!("{pointer}/url"), Mistake::Invalid, "this is no http address");
        found.push(problem.help("begin with https://"));
    }
    if !sends && request.body.is_some() {
        found.push(misplaced(
            format!("{pointer}/body"),
            "a question has no body",
            "write `send:` in place of `get:`",
        ));
    }
    found
}

fn waits(wait: &WaitConfig) -> Vec<Problem> {
    let wrong = |message: &str, help: &str| {
        vec![Problem::new("/wait", Mistake::Missing, message).help(help).on_key()]
    };
    match (wait.length, &wait.until) {
        (None, None) => {
            wrong("it does not say how long", "wait: {for: 10m}, or {until: CONDITION, at_most: 10m}")
        }
        (Some(_), Some(_)) => {
            wrong("it says both how long and until when", "write `for`, or `until` with `at_most`")
        }
        (None, Some(_)) if wait.at_most.is_none() => {
            wrong("it could wait for ever", "say after how long it fails: `at_most: 10m`")
        }
        (Some(_), None) => {
            let foreign = [("every", wait.every.is_some()), ("at_most", wait.at_most.is_some())];
            let foreign = foreign.into_iter().filter(|(_, there)| *there);
            foreign
                .map(|(key, _)| {
                    misplaced(format!("/wait/{key}"), format!("`{key}` belongs to `until`"), "leave it out")
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

/// A branch has a condition and steps, or is the `else`.
fn shape(number: usize, branch: &BranchConfig) -> Option<Problem> {
    let pointer = format!("/decide/{number}");
    match (&branch.when, &branch.steps, &branch.otherwise) {
        (Some(_), Some(_), None) | (None, None, Some(_)) => None,
        (None, steps, None) => {
            let place = if steps.is_some() { format!("{pointer}/steps") } else { pointer };
            let problem = Problem::new(place, Mistake::Missing, "this branch does not say when it is taken");
            let help = "when: {probe: CONDITION} or {ask: QUESTION}; the last one is `else: [steps]`";
            Some(problem.help(help).on_key())
        }
        (Some(_), None, None) => {
            let place = format!("{pointer}/when");
            let problem = Problem::new(place, Mistake::Missing, "this branch has no steps");
            Some(problem.help("steps: [{id: stay, note: \"Nothing to do\"}]").on_key())
        }
        (_, _, Some(_)) => {
            let key = if branch.when.is_some() { "when" } else { "steps" };
            let message = format!("`{key}` cannot stand beside `else`");
            Some(misplaced(format!("{pointer}/{key}"), message, "`else: [steps]` is a branch of its own"))
        }
    }
}

/// What is saved is something that the kind gives.
fn saved(step: &StepConfig) -> Vec<Problem> {
    let Some(kind) = step.kind() else { return Vec::new() };
    let mut found = Vec::new();
    let gives = match kind {
        Kind::Run(_) | Kind::Shell(_) => "program",
        Kind::Http(HttpStep::Get(_) | HttpStep::Send(_)) => "request",
        Kind::Sql(SqlStep::Read(_)) => "query",
        Kind::Probe(_) => "probe",
        _ if step.save.is_empty() => return found,
        _ => {
            let message = format!("a `{}` step gives nothing that could be saved", kind.name());
            let help = "programs, requests, queries and probes do; a human's answer stands under `answer`";
            return vec![misplaced("/save", message, help)];
        }
    };
    for (name, save) in &step.save {
        let base = format!("/save/{}", escaped(name));
        found.extend(word(&base, name, "output"));
        let parts = [
            ("pointer", save.pointer.is_some(), &["program", "request"][..]),
            ("line", save.line.is_some(), &["program", "request"]),
            ("metric", save.metric.is_some(), &["probe"]),
            ("column", save.column.is_some(), &["query"]),
        ];
        let written: Vec<_> = parts.iter().filter(|(_, there, _)| *there).collect();
        for (key, _, of) in &written {
            if !of.contains(&gives) {
                let message = format!("`{key}` is taken from a {}, not from a {gives}", of.join(" or a "));
                found.push(misplaced(format!("{base}/{key}"), message, "leave it out"));
            }
        }
        if let [_, (second, ..), ..] = written.as_slice() {
            let message = "a value is taken from one place";
            found.push(misplaced(format!("{base}/{second}"), message, "leave one of them out"));
        }
        let needed = match gives {
            "probe" if save.metric.is_none() => Some("metric"),
            "query" if save.column.is_none() => Some("column"),
            _ => None,
        };
        if let Some(key) = needed.filter(|_| written.is_empty()) {
            let message = format!("it does not say which {key}");
            let problem =
                Problem::new(&base, Mistake::Missing, message).help(format!("{name}: {{{key}: NAME}}"));
            found.push(problem.on_key());
        }
    }
    found
}

/// What is a target of rollback is checked as one. `{{ … }}` stands for letters there.
fn targets(step: &StepConfig, kind: Kind<'_>) -> Vec<Problem> {
    let (key, pointer) = match kind {
        Kind::Set(_) => ("settings", "/set"),
        Kind::Git(_) => ("git", "/git"),
        Kind::Kubernetes(_) => ("kubernetes", "/kubernetes"),
        Kind::Sql(SqlStep::Write(_)) => ("sql", "/sql/write"),
        _ => return Vec::new(),
    };
    let value = serde_json::to_value(step).ok();
    let Some(mut value) = value.and_then(|value| value.pointer(pointer).cloned()) else { return Vec::new() };
    mask(&mut value);
    let Ok(target) = serde_json::from_value::<TargetConfig>(serde_json::json!({ key: value })) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if let Err(error) = target.check() {
        found.push(Problem::new(pointer, Mistake::Invalid, error.message).maybe_help(error.hint).on_key());
    }
    for template in target.templates() {
        if let Some(fault) = template.fault(false) {
            let place = format!("{pointer}{}", template.pointer);
            let known: Vec<_> = fault.known.iter().map(|word| format!("{{{word}}}")).collect();
            let help = format!("known here are {}, and {{{{ inputs.NAME }}}}", known.join(", "));
            found.push(Problem::new(place, Mistake::Invalid, fault.message).help(help).at(Some(fault.span)));
        }
    }
    let mut paths = Vec::new();
    walk::walk(&value, String::new(), &mut paths);
    for (at, text) in paths {
        let key = at.rsplit('/').next().unwrap_or_default();
        if matches!(key, "file" | "repository") {
            found.extend(outside(&format!("{pointer}{at}"), Path::new(&text)));
        }
    }
    found
}

/// Replaces the values that will go in by letters.
pub(crate) fn mask(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => *text = Template(text).masked(),
        serde_json::Value::Array(items) => items.iter_mut().for_each(mask),
        serde_json::Value::Object(entries) => entries.values_mut().for_each(mask),
        _ => {}
    }
}
