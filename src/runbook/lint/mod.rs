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

#[cfg(test)]
mod tests;
