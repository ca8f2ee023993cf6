//! A runbook for people: as a tree on a terminal, as Markdown, as a checklist to print.

mod checklist;
mod describe;
mod markdown;
mod text;

use schemars::JsonSchema;
use serde::Serialize;

use super::walk::{self, Nest};
use super::{BranchConfig, Condition, Effect, Kind, RunbookConfig, StepConfig};
pub use checklist::checklist;
pub use describe::{condition, describe};
pub use markdown::markdown;
pub use text::text;

/// A runbook as it is shown.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Outline {
    /// Its name.
    pub runbook: String,
    /// What it is for.
    pub title: String,
    /// The level it is written for.
    pub severity: Option<String>,
    /// The role that keeps it.
    pub owner: Option<String>,
    /// The service it is about.
    pub service: Option<String>,
    /// How long all of it may take.
    pub deadline: Option<String>,
    /// Its steps, in the order of the file, with the branches they stand in.
    pub steps: Vec<Row>,
}

/// One line of an outline: a step, or the head of a branch.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Row {
    /// Its number: `2`, and `2.1.3` for the third step in the first branch of it; of a branch, `2.1`.
    pub number: String,
    /// How deep it stands: 0 for steps of the runbook itself.
    pub depth: usize,
    /// The step's id; absent for the head of a branch.
    pub id: Option<String>,
    /// What the step does, as its key is written; `branch`, `arm` or `undo` for the head of a list of steps.
    pub kind: &'static str,
    /// What it does to the world; absent for heads.
    pub effect: Option<Effect>,
    /// In words.
    pub text: String,
    /// What belongs to it: when it is done, how it is proven, what happens when it fails, how long it may take.
    pub notes: Vec<String>,
}

/// The outline of a runbook.
pub fn outline(runbook: &RunbookConfig) -> Outline {
    let mut steps = Vec::new();
    rows(&runbook.steps, "", 0, &mut steps);
    Outline {
        runbook: runbook.runbook.clone(),
        title: runbook.title.clone(),
        severity: runbook.severity.clone(),
        owner: runbook.owner.clone(),
        service: runbook.service.clone(),
        deadline: runbook.deadline.map(|deadline| deadline.to_string()),
        steps,
    }
}

fn rows(steps: &[StepConfig], prefix: &str, depth: usize, rows: &mut Vec<Row>) {
    for (number, step) in steps.iter().enumerate() {
        let number = format!("{prefix}{}", number + 1);
        rows.push(Row {
            number: number.clone(),
            depth,
            id: Some(step.id.clone()),
            kind: step.kind().map_or("nothing", Kind::name),
            effect: Some(step.effect()),
            text: describe(step),
            notes: describe::notes(step),
        });
        for (place, (nest, pointer, inner)) in walk::children(step, "").into_iter().enumerate() {
            let head = format!("{number}.{}", place + 1);
            let (kind, text) = match nest {
                Nest::Branch(at) => {
                    ("branch", step.decide.iter().flatten().nth(at).map_or_else(String::new, branch))
                }
                Nest::Arm => {
                    ("arm", format!("at the same time: {}", pointer.rsplit('/').next().unwrap_or_default()))
                }
                Nest::Undo => ("undo", "to undo it".to_owned()),
            };
            rows.push(Row {
                number: head.clone(),
                depth: depth + 1,
                id: None,
                kind,
                effect: None,
                text,
                notes: Vec::new(),
            });
            self::rows(inner, &format!("{head}."), depth + 2, rows);
        }
    }
}

fn branch(branch: &BranchConfig) -> String {
    match (&branch.when, &branch.branch) {
        (Some(when), None) => format!("if {}", condition(when)),
        (Some(when), Some(name)) => format!("{name}: if {}", condition(when)),
        (None, Some(name)) => format!("{name}: otherwise"),
        (None, None) => "otherwise".to_owned(),
    }
}

/// The points of the timeline, in words.
fn timeline(runbook: &RunbookConfig) -> Vec<String> {
    let points = runbook.timeline.iter().map(|point| {
        let otherwise = match point.escalation() {
            Some(name) => {
                let role =
                    runbook.escalate.get(name).map(|one| format!(" ({})", one.role)).unwrap_or_default();
                format!(", else escalate to {name}{role}")
            }
            None => String::new(),
        };
        format!("T+{} {} is done{otherwise}", point.at, point.expect)
    });
    points.collect()
}

/// Blanks and line breaks become single blanks.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a condition needs a human.
pub fn asks(condition: &Condition) -> bool {
    matches!(condition, Condition::Ask(_))
}
