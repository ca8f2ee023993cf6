//! What a crash left of earlier containing and releasing.

use std::time::Instant;

use super::contain::Containment;
use super::environment::Environment;
use super::steps::{self, StepSpec};
use super::targets::SwitchSpec;
use crate::base::Result;
use crate::operation::{Conclusion, Directory, Ending, Summary, listing};

/// What is left of them.
pub(super) fn left(environment: &Environment<'_>, service: &str) -> Result<Vec<Summary>> {
    let mut all = listing::list(environment.state)?;
    all.retain(|one| {
        one.service == service && one.resumable && matches!(one.kind.as_str(), "contain" | "release")
    });
    Ok(all)
}

/// Closes them: the one that comes now does it anyway. Returns what they may have left beside what they switched, as
/// far as `held` does not name it: what still stops consumers is cleared when they are let back.
pub(super) fn close(
    environment: &Environment<'_>,
    service: &str,
    held: Option<&Containment>,
) -> Result<Vec<SwitchSpec>> {
    let mut leavings = Vec::new();
    for one in left(environment, service)? {
        let directory = Directory::open(environment.state, &one.id)?;
        let Some((pinned, digest)) = directory.pinned()? else { continue };
        let (mut journal, _) = directory.reopen(&digest)?;
        let conclusion = Conclusion { ending: Ending::Undone, reason: None, step: None };
        steps::end(environment, &mut journal, &conclusion, "taken over by a later one", Instant::now())?;
        let specs = pinned.steps.into_iter().filter_map(|step| serde_json::from_value(step).ok());
        leavings.extend(specs.filter_map(|spec| no_longer_held(spec, held)));
    }
    Ok(leavings)
}

fn no_longer_held(spec: StepSpec, containment: Option<&Containment>) -> Option<SwitchSpec> {
    let (StepSpec::Contain { held } | StepSpec::Release { held }) = spec else { return None };
    let held_now = containment.into_iter().flat_map(|known| &known.held).any(|known| known.key == held.key);
    (!held_now).then_some(held.spec)
}

/// Takes away what switches left beside what they switched. It fails nobody: everything that counts is done.
pub(super) fn tidy<'a>(operation: &str, specs: impl IntoIterator<Item = &'a SwitchSpec>) {
    for spec in specs {
        if let Err(error) = spec.switch().tidy() {
            tracing::warn!("{operation}: clearing what {} left: {}", spec.switch().id(), error.message);
        }
    }
}
