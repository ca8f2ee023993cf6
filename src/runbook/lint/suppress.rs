//! Exceptions: findings that are meant to be so, with the reason beside them.

use super::rule::{self as rules, Finding};
use crate::runbook::{LintConfig, RunbookConfig, walk};

/// An exception, and whether something needed it.
struct Exception<'a> {
    rule: &'a str,
    /// Where it holds: every pointer that begins like this.
    scope: String,
    pointer: String,
    used: bool,
}

/// Takes out what is allowed; an exception that nothing needs is a finding itself.
pub(super) fn apply(runbook: &RunbookConfig, found: Vec<Finding>) -> Vec<Finding> {
    let mut exceptions = Vec::new();
    let mut collect = |config: &'_ LintConfig, scope: &str| {
        for (number, allowed) in config.allow.iter().enumerate() {
            exceptions.push(Exception {
                rule: rules::rule(&allowed.rule).map_or("", |rule| rule.id),
                scope: scope.to_owned(),
                pointer: format!("{scope}/lint/allow/{number}/rule"),
                used: false,
            });
        }
    };
    collect(&runbook.lint, "");
    for (pointer, step) in walk::steps(runbook) {
        collect(&step.lint, &pointer);
    }
    let mut kept: Vec<Finding> = Vec::new();
    for finding in found {
        let mut allowed = false;
        for exception in exceptions
            .iter_mut()
            .filter(|one| one.rule == finding.rule.id && holds(&one.scope, &finding.pointer))
        {
            exception.used = true;
            allowed = true;
        }
        if !allowed {
            kept.push(finding);
        }
    }
    // A rule that does not exist is reported where names are.
    let unused = exceptions.into_iter().filter(|one| !one.used && !one.rule.is_empty());
    kept.extend(unused.map(|one| {
        let message = format!("nothing here breaks `{}`", one.rule);
        Finding::new(&rules::UNUSED_SUPPRESSION, one.pointer, message).help("take this exception out")
    }));
    kept
}

fn holds(scope: &str, pointer: &str) -> bool {
    pointer.strip_prefix(scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
