//! What a containment is to set: looked at and staged target by target, so that one that cannot be reached does not
//! keep the others from stopping harm.

use super::contain::Held;
use super::environment::{Environment, Subject};
use super::targets::{self, Goal, Target};
use super::versions::Version;
use crate::base::Result;
use crate::operation::Observation;

/// Calls on each target that the configuration contains with.
pub(super) fn each_target<T>(
    environment: &Environment<'_>,
    subject: &Subject,
    (operation, reason): (Option<&str>, Option<&str>),
    mut work: impl FnMut(usize, &dyn Target, &Goal<'_>) -> Result<T>,
) -> Result<Vec<(String, Result<T>)>> {
    let ground = subject.ground();
    // Containing goes to no version; a template that names one has no value here.
    let (contained, served) = (Version::named("contained"), Version::named("as it stands"));
    let actor = environment.actor.to_string();
    let goal = Goal {
        version: &contained,
        served: &served,
        operation,
        incident: None,
        reason,
        actor: &actor,
        now: environment.clock.now()?,
    };
    let targets = subject.rollback.contain.iter().map(|config| targets::build(config, &ground));
    // One that cannot be reached must not keep the others from stopping harm.
    let each = targets.enumerate().map(|(number, target)| {
        let done = work(number, target.as_ref(), &goal);
        (target.name(), done)
    });
    Ok(each.collect())
}

/// Whether everything that the configuration names stands as the containment set it.
///
/// What stood so before there was anything to set is not recorded, and needs no setting either.
pub(super) fn is_asserted(environment: &Environment<'_>, subject: &Subject) -> Result<bool> {
    let stands = each_target(environment, subject, (None, None), |_, target, goal| {
        Ok(target.predict(goal)?.changes_nothing())
    })?;
    Ok(stands.into_iter().all(|(_, stands)| stands.unwrap_or(false)))
}

/// What could be staged, and what could not with why.
///
/// # Errors
/// The first failure, where nothing could be staged.
pub(super) fn sorted(staged: Vec<(String, Result<Vec<Held>>)>) -> Result<(Vec<Held>, Vec<String>)> {
    let (mut held, mut missing, mut first) = (Vec::new(), Vec::new(), None);
    let (mut any, all) = (false, staged.len());
    for (name, staged) in staged {
        match staged {
            Ok(staged) => {
                any = true;
                held.extend(staged);
            }
            Err(error) => {
                missing.push(format!("NOT {name}: {}", error.message));
                first.get_or_insert(error);
            }
        }
    }
    match first {
        Some(error) if !any && all > 0 => Err(error),
        _ => Ok((held, missing)),
    }
}

/// Why something that was to stop consumers does not; none where it does.
pub(super) fn not_in_force(held: &Held) -> Option<String> {
    match held.spec.switch().observe() {
        Ok(Observation::After) => None,
        Ok(_) => Some(format!("NOT {}: it is not as it was set", held.key)),
        Err(error) => Some(format!("NOT {}: {}", held.key, error.message)),
    }
}
