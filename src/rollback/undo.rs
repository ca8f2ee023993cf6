//! Undo: a new operation that goes back to what an earlier one displaced, byte for byte, and lifts its quarantine.

use std::path::Path;

use super::config::SwitchMode;
use super::environment::{Environment, Request, Subject};
use super::evidence::Tier;
use super::plan::Plan;
use super::planning::Aim;
use super::prepare::{Prepared, prepare_with};
use super::serving::Served;
use super::settings::Wanted;
use super::steps::StepSpec;
use super::versions::{self, Version};
use crate::base::{Error, ErrorCode, Result, host};
use crate::operation::directory::Pinned;
use crate::operation::{Directory, Ending, Progress, listing};

/// The newest rollback of a service that switched; of any service where none is named.
pub fn last_switched(state: &Path, service: Option<&str>) -> Result<String> {
    let fits = |one: &listing::Summary| {
        matches!(one.kind.as_str(), "rollback" | "undo")
            && matches!(one.ending, Some(Ending::Restored | Ending::Unproven))
            && service.is_none_or(|service| service == one.service)
    };
    listing::list(state)?.into_iter().rfind(fits).map(|one| one.id).ok_or_else(|| {
        Error::new(ErrorCode::NotFound, "there is no rollback to undo").hint("`irctl rollback history`")
    })
}

/// Prepares taking an earlier rollback back. The configuration is the one that it was made with.
pub fn prepare_undo(
    environment: &Environment<'_>,
    id: &str,
    reason: Option<&str>,
    attended: bool,
) -> Result<Prepared> {
    let directory = Directory::open(environment.state, id)?;
    let none =
        || Error::new(ErrorCode::Refused, format!("{id} switched nothing, so there is nothing to undo"));
    let (pinned, digest) = directory.pinned()?.ok_or_else(none)?;
    let progress = Progress::of(&directory.records(&digest)?);
    match progress.ended.as_ref().map(|(ending, _)| *ending) {
        Some(Ending::Restored | Ending::Unproven) => {}
        _ if listing::summary(&pinned, &progress).resumable => {
            return Err(Error::new(ErrorCode::Refused, format!("{id} is unfinished"))
                .hint(format!("`irctl rollback abort {id}` undoes it")));
        }
        _ => return Err(none()),
    }
    if pinned.host != host::host_name() {
        return Err(Error::new(ErrorCode::NotPermitted, format!("{id} was made on {}", pinned.host)));
    }
    let wrong = |error: serde_json::Error| {
        Error::new(ErrorCode::InvalidData, format!("the plan of {id} cannot be read: {error}"))
    };
    let subject: Subject = serde_json::from_value(pinned.configuration.clone()).map_err(wrong)?;
    let plan: Plan = serde_json::from_value(pinned.plan.clone()).map_err(wrong)?;
    let request = Request {
        to: super::Selector::Named(plan.served.shown()),
        incident: pinned.incident.clone(),
        reason: reason.map(str::to_owned),
        attended,
        failing: None,
    };
    let choose = |served: &Served| aim(id, &pinned, &subject, &plan, served);
    prepare_with(environment, &subject, &request, "undo", &choose)
}

fn aim(id: &str, pinned: &Pinned, subject: &Subject, plan: &Plan, served: &Served) -> Result<Aim> {
    let expected = plan.files.iter().all(|change| {
        let there = served.on_disk.artifacts.get(&change.file).map(|artifact| &artifact.digest);
        there == change.to.as_ref().map(|state| &state.digest)
    });
    if !expected {
        return Err(Error::new(
            ErrorCode::Drifted,
            format!("what serves is not what {id} put there ({}): it was changed since", plan.to.shown()),
        )
        .hint("roll back to a version by name instead: `irctl rollback versions`"));
    }
    Ok(Aim {
        to: kept(id, subject, plan)?,
        tier: Tier::Unproven,
        why: format!("it is what {id} displaced"),
        skipped: Vec::new(),
        evaluated: Vec::new(),
        settings: settings(pinned)?,
    })
}

/// What the operation kept, checked against what its plan says it displaced.
fn kept(id: &str, subject: &Subject, plan: &Plan) -> Result<Version> {
    let files = subject.rollback.files()?;
    let (folder, _) = versions::folder(&subject.live()?, files)?;
    let name = plan.backup.clone().unwrap_or_default();
    let path = folder.join(crate::base::path::single_name(&name)?);
    if !path.is_dir() {
        return Err(Error::new(ErrorCode::NotFound, format!("{} is gone", path.display()))
            .hint("what stood there before cannot be put back from it; take a version by name"));
    }
    let version = versions::read(&path, &name, files)?;
    let whole = plan.files.iter().all(|change| {
        version.artifacts.get(&change.file).map(|artifact| &artifact.digest)
            == change.from.as_ref().map(|state| &state.digest)
    });
    if !whole && files.mode == SwitchMode::PerFile {
        return Err(Error::new(
            ErrorCode::Drifted,
            format!("{} is not what {id} kept there: somebody changed it", path.display()),
        ));
    }
    Ok(version)
}

/// The settings that the operation switched, as they were.
fn settings(pinned: &Pinned) -> Result<Vec<Wanted>> {
    let mut wanted = Vec::new();
    for step in &pinned.steps {
        if let Ok(StepSpec::SwitchSettings { edit }) = serde_json::from_value(step.clone()) {
            let keys = edit.keys.into_iter().map(|change| (change.key, change.was)).collect();
            let whole = Some((edit.after, edit.image));
            wanted.push(Wanted { file: edit.shown.into(), keys, whole });
        }
    }
    Ok(wanted)
}
