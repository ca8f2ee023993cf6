//! Trying it without doing it: what we may do, and what the API would make of each write.

use std::time::Instant;

use super::config::Mode;
use super::moves::{Move, Side};
use super::plan::{Planned, Site};
use super::resource::Resource;
use crate::base::connect::kubernetes::Failure;
use crate::base::untrusted::{Sink, escape};
use crate::base::{ErrorCode, Result};
use crate::rollback::targets::{Fidelity, Rehearsed};

/// What came of a write that was only tried.
pub enum Tried {
    /// The API would do it.
    Would,
    /// The API cannot try it, or would make something else of it.
    Unsure(String),
    /// The API would refuse it.
    WouldNot(String),
}

impl Tried {
    /// How sure a line of the plan is after that.
    pub fn fidelity(&self) -> Fidelity {
        match self {
            Tried::Would => Fidelity::Proven,
            Tried::Unsure(_) | Tried::WouldNot(_) => Fidelity::Predicted,
        }
    }
}

/// Lets the API try a write.
///
/// # Errors
/// The cluster cannot be reached.
pub fn dry_run(site: &Site<'_>, object: &serde_json::Value, change: &Move) -> Result<Tried> {
    let write = change.write(object, Side::After)?;
    let what = format!("the dry run of {}/{}", change.resource().shown(), write.name);
    Ok(match site.cluster.write(&write, true) {
        Ok(answer) if write.subresource.is_some() || change.stands(&answer, Side::After) => Tried::Would,
        Ok(answer) => {
            let found = escape(&change.found(&answer), Sink::Terminal);
            Tried::Unsure(format!("{what}: something in the cluster makes {found} of it"))
        }
        Err(Failure::Conflict(why)) => {
            Tried::Unsure(format!("{what}: somebody writes at this moment: {why}"))
        }
        Err(Failure::Missing(why)) => Tried::WouldNot(format!("{what}: {why}")),
        // A webhook may have side effects that it cannot leave out.
        Err(Failure::Refused(error))
            if error.message.contains("dry run") && error.code == ErrorCode::Refused =>
        {
            Tried::Unsure(format!("{what}: {}", error.message))
        }
        Err(Failure::Refused(error)) => Tried::WouldNot(format!("{what}: {}", error.message)),
        Err(failure) => return Err(failure.into_error(&what)),
    })
}

/// What a target must be allowed to do: verb, resource, part of it.
fn permissions(mode: Mode<'_>, planned: &Planned) -> Vec<(&'static str, Resource, Option<&'static str>)> {
    let mut needed = vec![
        ("get", Resource::Deployment, None),
        ("list", Resource::Deployment, None),
        ("watch", Resource::Deployment, None),
    ];
    match mode {
        Mode::Traffic { .. } => needed.extend([
            ("get", Resource::Service, None),
            ("list", Resource::Service, None),
            ("list", Resource::EndpointSlice, None),
            ("list", Resource::Pod, None),
            ("patch", Resource::Service, None),
        ]),
        Mode::Revision { .. } => {
            needed.extend([("list", Resource::ReplicaSet, None), ("patch", Resource::Deployment, None)]);
        }
        Mode::Scale(_) => needed.push(("patch", Resource::Deployment, Some("scale"))),
    }
    let scales = planned.moves.iter().any(|(_, change)| matches!(change, Move::Replicas(_)));
    if scales && matches!(mode, Mode::Traffic { .. }) {
        needed.push(("patch", Resource::Deployment, Some("scale")));
    }
    needed
}

/// Asks for each permission, and lets the API try each write.
pub fn rehearse(site: &Site<'_>, planned: &Planned) -> Result<Vec<Rehearsed>> {
    let mut parts = Vec::new();
    for (verb, resource, part) in permissions(site.config.mode()?, planned) {
        let begun = Instant::now();
        let denied = site.cluster.may_not(verb, resource, part)?;
        let (_, name) = resource.group_and_name();
        let name = part.map_or_else(|| name.to_owned(), |part| format!("{name}/{part}"));
        parts.push(Rehearsed {
            what: format!("permission to {verb} {name} in namespace {}", site.access.namespace),
            elapsed_ms: elapsed(begun),
            failure: denied,
            not_run: None,
        });
    }
    for refusal in &planned.refusals {
        let what = "the plan".to_owned();
        parts.push(Rehearsed { what, elapsed_ms: 0, failure: Some(refusal.clone()), not_run: None });
    }
    for (object, change) in &planned.moves {
        let begun = Instant::now();
        let tried = dry_run(site, object, change)?;
        let what = format!(
            "server-side dry run: {}/{} to {}",
            change.resource().shown(),
            super::objects::name(object),
            change.shown(Side::After)
        );
        let (failure, not_run) = match tried {
            Tried::Would => (None, None),
            Tried::Unsure(why) => (None, Some(why)),
            Tried::WouldNot(why) => (Some(why), None),
        };
        let what = escape(&what, Sink::Terminal);
        parts.push(Rehearsed { what, elapsed_ms: elapsed(begun), failure, not_run });
    }
    if planned.moves.is_empty() && planned.refusals.is_empty() {
        parts.push(Rehearsed {
            what: "server-side dry run".to_owned(),
            elapsed_ms: 0,
            failure: None,
            not_run: Some("it is as it should be already: there is nothing to write".to_owned()),
        });
    }
    Ok(parts)
}

fn elapsed(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}
