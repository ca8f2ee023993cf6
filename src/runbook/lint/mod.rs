//! What is unwise about a runbook that can be read: rules with stable names, each finding with its place and the way
//! out. One file for each group of rules.

mod command;
mod commands;
mod effects;
mod flow;
mod rule;
mod secrets;
mod shell;
mod sql;
mod suppress;
mod upkeep;

use chrono::NaiveDate;
use std::collections::{BTreeMap, BTreeSet};

use super::{RunbookConfig, Surroundings};
pub use rule::{Finding, Level, RULES, Rule, rule};

/// Every finding about a runbook, in the order of the groups. `today` is for dates of reviews.
pub fn lint(runbook: &RunbookConfig, today: NaiveDate, around: &Surroundings<'_>) -> Vec<Finding> {
    let mut found = flow::findings(runbook, around);
    found.extend(effects::findings(runbook));
    found.extend(upkeep::findings(runbook, today));
    found.extend(secrets::findings(runbook));
    found.extend(commands::findings(runbook));
    suppress::apply(runbook, found)
}

/// Every finding about a runbook of which nothing else is known: a draft.
pub fn alone(runbook: &RunbookConfig, today: NaiveDate) -> Vec<Finding> {
    let (runbooks, recipes) = (BTreeMap::new(), BTreeMap::new());
    let around = Surroundings {
        services: BTreeMap::new(),
        service_names: BTreeSet::new(),
        suites: BTreeSet::new(),
        runbooks: &runbooks,
        runbook_names: BTreeSet::new(),
        recipes: &recipes,
        recipe_names: BTreeSet::new(),
        roles: None,
        has_template: &|_| true,
    };
    lint(runbook, today, &around)
}

/// A command of a script, in words.
pub(crate) struct CommandWords {
    /// Its words, quotes taken off.
    pub words: Vec<String>,
    /// Whether no variable, pattern, assignment, pipe or text to read belongs to it.
    pub is_plain: bool,
    /// Whether what it prints goes to a file.
    pub redirects: bool,
}

/// The commands of a script.
pub(crate) fn commands_of(script: &str) -> Vec<CommandWords> {
    let words = |command: shell::Command| {
        let loose = command.words.iter().any(|word| word.expands || word.glob || word.text.starts_with('~'));
        let assigned = command.words.first().is_some_and(|word| command::is_assignment(&word.text));
        CommandWords {
            is_plain: !loose && !assigned && !command.piped && command.input.is_empty(),
            redirects: command.redirects,
            words: command.words.into_iter().map(|word| word.text).collect(),
        }
    };
    shell::commands(script).into_iter().map(words).collect()
}

/// The text with everything starred out that looks like a secret.
pub(crate) fn masked(text: &str) -> String {
    secrets::masked(text)
}

#[cfg(test)]
mod tests;
