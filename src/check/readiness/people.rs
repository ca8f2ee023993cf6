//! Whether people can be reached: the list of contacts, who is on call, to whom it escalates, and over which channels.

use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

use crate::base::clock::Elapsed;
use crate::base::{Duration, Verdict};
use crate::config::{Kind, ServiceConfig, Workspace};
use crate::rollback::snapshot::readiness::Check;
use crate::rollback::snapshot::work_tree;

/// Whether a role can be reached: it has a contact, or a channel that exists.
fn is_reachable(workspace: &Workspace, role: &str) -> bool {
    workspace.contacts.roles.get(role).is_some_and(|role| {
        role.contact.as_ref().is_some_and(|contact| !contact.trim().is_empty())
            || role.channels.iter().any(|channel| workspace.notify.channels.contains_key(channel))
    })
}

/// The list of contacts exists, is not older than allowed, and everybody on it can be reached.
pub fn contacts(workspace: &Workspace, within: Duration, now: DateTime<Utc>) -> Check {
    let check = |verdict, evidence: String| {
        Check::new("contacts-updated", "Team contact list updated", verdict, evidence)
            .next("bring config/contacts.yaml up to date, and commit it")
    };
    if workspace.lacks(Kind::Contacts) {
        return check(Verdict::Unknown, "the list of contacts has errors: irctl config check".to_owned());
    }
    let roles = &workspace.contacts.roles;
    let Some(file) = workspace.source(Kind::Contacts, None).filter(|_| !roles.is_empty()) else {
        return check(Verdict::Crit, "there is no list of contacts, or nobody is on it".to_owned());
    };
    let unreachable: Vec<&str> =
        roles.keys().map(String::as_str).filter(|role| !is_reachable(workspace, role)).collect();
    if !unreachable.is_empty() {
        return check(Verdict::Crit, format!("nobody can reach {}", unreachable.join(", ")));
    }
    let committed = work_tree::committed(&workspace.root, &file);
    let (at, how) = match committed.and_then(|seconds| DateTime::from_timestamp(seconds, 0)) {
        Some(at) => (at, "committed"),
        None => match fs_err::metadata(&file).and_then(|metadata| metadata.modified()) {
            Ok(modified) => (DateTime::<Utc>::from(modified), "written"),
            Err(error) => return check(Verdict::Unknown, format!("{}: {error}", file.display())),
        },
    };
    let said =
        format!("{} roles, all with a way to reach them; {how} {} ago", roles.len(), Elapsed(now - at));
    if at > now {
        return check(Verdict::Unknown, format!("{said}, which is in the future"));
    }
    if within.after(at) < now {
        return check(Verdict::Warn, format!("{said}, which is more than {within}"));
    }
    check(Verdict::Ok, said)
}

/// Every level of the scheme names somebody, and they can be reached.
pub fn on_call(workspace: &Workspace, service: &ServiceConfig) -> Check {
    let check = |verdict, evidence: String| {
        Check::new("on-call", "On-call rotation established", verdict, evidence)
            .next("give each level `roles:` of config/contacts.yaml")
    };
    let Ok(scheme) = workspace.scheme(&service.scheme) else {
        return check(Verdict::Unknown, format!("the scheme {} cannot be used", service.scheme));
    };
    let serious = scheme.levels.iter().filter(|(_, level)| level.verdict != Verdict::Ok);
    let mut nobody = Vec::new();
    let mut roles = BTreeSet::new();
    for (name, level) in serious {
        let own: BTreeSet<&String> = level.roles.iter().chain(level.team.values()).collect();
        if !own.iter().any(|role| is_reachable(workspace, role)) {
            nobody.push(name.as_str());
        }
        roles.extend(own);
    }
    if !nobody.is_empty() {
        return check(Verdict::Crit, format!("nobody who can be reached answers for {}", nobody.join(", ")));
    }
    if roles.is_empty() {
        return check(
            Verdict::Unknown,
            format!("the scheme {} has no level that anybody answers for", scheme.scheme),
        );
    }
    let lost: Vec<_> =
        roles.iter().filter(|role| !is_reachable(workspace, role)).map(|role| role.as_str()).collect();
    if !lost.is_empty() {
        return check(Verdict::Warn, format!("cannot be reached: {}", lost.join(", ")));
    }
    check(Verdict::Ok, format!("{} roles answer for the levels of {}", roles.len(), scheme.scheme))
}

/// Somebody is told when the first does not answer, and it does not go round in circles.
pub fn escalation(workspace: &Workspace) -> Check {
    let check = |verdict, evidence: String| {
        Check::new("escalation", "Escalation procedures documented", verdict, evidence)
            .next("give roles `escalates_to:` in config/contacts.yaml")
    };
    let roles = &workspace.contacts.roles;
    let mut paths = 0;
    for (name, role) in roles {
        let mut seen = BTreeSet::from([name.as_str()]);
        let mut next = role.escalates_to.as_deref();
        paths += usize::from(next.is_some());
        while let Some(to) = next {
            if !seen.insert(to) {
                return check(Verdict::Crit, format!("{name} escalates in a circle, over {to}"));
            }
            let Some(role) = roles.get(to) else {
                return check(Verdict::Crit, format!("{name} escalates to {to}, who is not on the list"));
            };
            next = role.escalates_to.as_deref();
        }
    }
    if paths == 0 {
        return check(Verdict::Crit, "no role escalates to anybody".to_owned());
    }
    check(Verdict::Ok, format!("{paths} of {} roles escalate to another", roles.len()))
}

/// Messages go somewhere.
pub fn channels(workspace: &Workspace) -> Check {
    let check = |verdict, evidence: String| {
        Check::new("channels", "Communication channels configured", verdict, evidence)
            .next("declare channels and routes in config/notify.yaml, then: irctl notify test CHANNEL")
    };
    if workspace.lacks(Kind::Notify) {
        return check(Verdict::Unknown, "config/notify.yaml has errors: irctl config check".to_owned());
    }
    let notify = &workspace.notify;
    let routed: BTreeSet<&String> =
        notify.routes.iter().flat_map(|route| &route.channels).chain(&notify.default).collect();
    let used: Vec<_> =
        routed.iter().filter(|name| notify.channels.contains_key(**name)).map(|name| name.as_str()).collect();
    match (notify.channels.len(), used.len()) {
        (0, _) => check(Verdict::Crit, "there is no channel".to_owned()),
        (_, 0) => check(Verdict::Crit, "there are channels, but no route leads to one".to_owned()),
        (_, _) => check(Verdict::Ok, format!("messages go to {}", used.join(", "))),
    }
}
