//! Going through the steps of a runbook, nested ones included, always with the place.

use serde_json::Value;

use super::problem::escaped;
use super::{Kind, RunbookConfig, StepConfig};

/// How a list of steps hangs on the step that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nest {
    /// A branch of a decision, by its number from 0.
    Branch(usize),
    /// An arm of what goes on side by side.
    Arm,
    /// The way back.
    Undo,
}

/// The lists of steps that a step holds, each with its JSON pointer.
pub fn children<'a>(step: &'a StepConfig, pointer: &str) -> Vec<(Nest, String, &'a [StepConfig])> {
    let mut lists: Vec<(Nest, String, &[StepConfig])> = Vec::new();
    for (number, branch) in step.decide.iter().flatten().enumerate() {
        let (key, steps) = branch.steps();
        lists.push((Nest::Branch(number), format!("{pointer}/decide/{number}/{key}"), steps));
    }
    for (name, steps) in step.parallel.iter().flatten() {
        lists.push((Nest::Arm, format!("{pointer}/parallel/{}", escaped(name)), steps));
    }
    if !step.undo.is_empty() {
        lists.push((Nest::Undo, format!("{pointer}/undo"), &step.undo));
    }
    lists
}

/// Visits every list of steps, outer ones first, with its JSON pointer.
pub fn lists<'a>(runbook: &'a RunbookConfig, visit: &mut dyn FnMut(&'a [StepConfig], &str)) {
    inner("/steps", &runbook.steps, visit);
}

fn inner<'a>(pointer: &str, steps: &'a [StepConfig], visit: &mut dyn FnMut(&'a [StepConfig], &str)) {
    visit(steps, pointer);
    for (number, step) in steps.iter().enumerate() {
        for (_, pointer, steps) in children(step, &format!("{pointer}/{number}")) {
            inner(&pointer, steps, visit);
        }
    }
}

/// Every step in the order of the file, with its JSON pointer.
pub fn steps(runbook: &RunbookConfig) -> Vec<(String, &StepConfig)> {
    let mut found = Vec::new();
    collect("/steps", &runbook.steps, &mut found);
    found
}

fn collect<'a>(pointer: &str, steps: &'a [StepConfig], found: &mut Vec<(String, &'a StepConfig)>) {
    for (number, step) in steps.iter().enumerate() {
        let pointer = format!("{pointer}/{number}");
        found.push((pointer.clone(), step));
        for (_, pointer, steps) in children(step, &pointer) {
            collect(&pointer, steps, found);
        }
    }
}

/// The texts of a step itself, with their JSON pointers from the step on; not those of steps that it holds.
pub fn texts(step: &StepConfig) -> Vec<(String, String)> {
    let Ok(Value::Object(mut value)) = serde_json::to_value(step) else { return Vec::new() };
    for key in ["undo", "parallel", "lint", "id"] {
        value.remove(key);
    }
    for branch in value.get_mut("decide").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(branch) = branch.as_object_mut() {
            branch.remove("steps");
            branch.remove("else");
        }
    }
    let mut found = Vec::new();
    walk(&Value::Object(value), String::new(), &mut found);
    found
}

/// Every text in a value, with its JSON pointer.
pub fn walk(value: &Value, pointer: String, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.push((pointer, text.clone())),
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                walk(item, format!("{pointer}/{number}"), found);
            }
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                walk(value, format!("{pointer}/{}", escaped(key)), found);
            }
        }
        _ => {}
    }
}

/// The step of this id.
pub fn find<'a>(runbook: &'a RunbookConfig, id: &str) -> Option<&'a StepConfig> {
    steps(runbook).into_iter().map(|(_, step)| step).find(|step| step.id == id)
}

/// The names of what a step saves: its `save`, and the answers of a human.
pub fn outputs(step: &StepConfig) -> Vec<&str> {
    let mut names: Vec<&str> = step.save.keys().map(String::as_str).collect();
    if let Some(Kind::Manual(manual)) = step.kind() {
        names.extend(manual.answers().map(|(name, _)| name));
    }
    names
}
