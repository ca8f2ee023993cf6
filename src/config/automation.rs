//! What automation hangs on: conditions made of the metrics of the service's scheme, and keys that need each other.

use super::diagnostic::{Severity, code};
use super::finding::Finding;
use super::kind::Kind;
use super::{ServiceConfig, Workspace};
use crate::notify::AUDIT_CHANNEL;
use crate::rollback::RollbackConfig;
use crate::rollback::config::ReleaseMode;
use crate::severity::{CompiledExpression, Expression, ExpressionError};

/// When irctl rolls back on its own.
pub fn policies(workspace: &Workspace) -> Vec<Finding> {
    each(workspace, |service, rollback| {
        let Some(auto) = &rollback.auto else { return Vec::new() };
        let mut found = Vec::new();
        if auto.when.is_none() && auto.triggers.is_empty() {
            found.push(
                wrong(service, "/rollback/auto", "this policy never asks for a rollback")
                    .help(Some("add `when:` or `triggers:`, or leave `auto:` out".to_owned())),
            );
        }
        if let Some(when) = &auto.when {
            found.extend(expression(workspace, service, "/rollback/auto/when", when));
        }
        let mut reasons = std::collections::BTreeSet::new();
        for (place, trigger) in auto.triggers.iter().enumerate() {
            let pointer = format!("/rollback/auto/triggers/{place}");
            found.extend(expression(workspace, service, &format!("{pointer}/when"), &trigger.when));
            if !reasons.insert(&trigger.reason) {
                let text = format!("the reason `{}` stands twice", trigger.reason);
                found.push(wrong(service, &format!("{pointer}/reason"), text));
            }
        }
        found
    })
}

/// When consumers are let back.
pub fn releases(workspace: &Workspace) -> Vec<Finding> {
    each(workspace, |service, rollback| {
        let when = rollback.release_when.as_ref();
        match (rollback.release, when) {
            (ReleaseMode::When, None) => {
                let help = "add `release_when: {condition: depth_normal_minutes >= 5 min}`";
                vec![
                    wrong(service, "/rollback/release", "nothing says when consumers are let back")
                        .help(Some(help.to_owned())),
                ]
            }
            (ReleaseMode::When, Some(when)) => {
                let mut found =
                    expression(workspace, service, "/rollback/release_when/condition", &when.condition);
                found.extend(too_short(workspace, service, rollback));
                found
            }
            (_, Some(_)) => {
                let text = "this condition is never looked at: consumers are let back otherwise";
                vec![
                    wrong(service, "/rollback/release_when", text)
                        .help(Some("write `release: when`, or leave this out".to_owned())),
                ]
            }
            (_, None) => Vec::new(),
        }
    })
}

/// Samples come as often as rounds do: what has to hold for less than that can never be seen to.
fn too_short(workspace: &Workspace, service: &ServiceConfig, rollback: &RollbackConfig) -> Option<Finding> {
    let cadence = workspace.settings.cadence?;
    let sustained = rollback.release_when.as_ref()?.sustained?;
    if sustained.approximate() >= cadence.approximate() {
        return None;
    }
    let text = format!("rounds come every {cadence}, so none can see that this holds for {sustained}");
    let help =
        "measure how long it has held already, as `depth_normal_minutes >= 5 min`, or check more often";
    let finding = wrong(service, "/rollback/release_when/for", text).help(Some(help.to_owned()));
    Some(Finding { severity: Severity::Warning, ..finding })
}

/// The channel that `audit:` makes is nobody else's.
pub fn audit(workspace: &Workspace) -> Vec<Finding> {
    if workspace.settings.audit.is_none() || !workspace.notify.channels.contains_key(AUDIT_CHANNEL) {
        return Vec::new();
    }
    let text = format!("`{AUDIT_CHANNEL}` is the channel that `audit:` in irctl.yaml makes");
    let pointer = format!("/channels/{AUDIT_CHANNEL}");
    let finding = Finding::error(Kind::Notify, "", &pointer, code::INVALID_VALUE, text);
    vec![finding.help(Some("give this channel another name".to_owned()))]
}

fn each(
    workspace: &Workspace,
    check: impl Fn(&ServiceConfig, &RollbackConfig) -> Vec<Finding>,
) -> Vec<Finding> {
    let services = workspace.services.values();
    let able = services.filter_map(|service| service.rollback.as_ref().map(|rollback| (service, rollback)));
    able.flat_map(|(service, rollback)| check(service, rollback)).collect()
}

fn wrong(service: &ServiceConfig, pointer: &str, message: impl Into<String>) -> Finding {
    Finding::error(Kind::Service, &service.service, pointer, code::INVALID_VALUE, message)
}

/// What is wrong with a condition; one that cannot be read at all is reported where formats are.
fn expression(workspace: &Workspace, service: &ServiceConfig, pointer: &str, text: &str) -> Vec<Finding> {
    let Some(scheme) = workspace.schemes.get(&service.scheme) else { return Vec::new() };
    let Ok(expression) = Expression::parse(text) else { return Vec::new() };
    let errors = CompiledExpression::compile(&expression, &scheme.metrics).err().unwrap_or_default();
    let finding = |error: ExpressionError| {
        let span = error.offset..error.offset + error.length;
        wrong(service, pointer, error.message).help(error.help).at(Some(span))
    };
    errors.into_iter().map(finding).collect()
}
