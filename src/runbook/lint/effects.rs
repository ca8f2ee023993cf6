//! What steps do to the world: proven, stated, and not repeated where that could harm.

use super::rule::{self as rules, Finding};
use crate::runbook::{Effect, Kind, RunbookConfig, StepConfig, walk};

pub(super) fn findings(runbook: &RunbookConfig) -> Vec<Finding> {
    let mut found = Vec::new();
    walk::lists(runbook, &mut |steps, base| {
        for (number, step) in steps.iter().enumerate() {
            let later = steps.get(number + 1..).unwrap_or_default();
            if let Some(kind) = step.kind() {
                found.extend(of_step(step, kind, &format!("{base}/{number}"), later));
            }
        }
    });
    found
}

fn of_step(step: &StepConfig, kind: Kind<'_>, pointer: &str, later: &[StepConfig]) -> Vec<Finding> {
    let mut found = Vec::new();
    let effect = step.effect();
    let place = format!("{pointer}/{}", kind.name());
    let inner = pointer.contains("/undo/");
    if effect.writes()
        && !kind.proves_itself()
        && !inner
        && step.proof().is_none()
        && !later.iter().any(proves)
    {
        let message = format!("the step `{}` changes something and nothing proves that it worked", step.id);
        let help =
            "add `verify: SUITE` or `verify: {expect: […]}`, or let a `verify` step follow in the same list";
        found.push(Finding::new(&rules::UNVERIFIED_WRITE, &place, message).help(help).on_key());
    }
    if step.retry.is_some() && effect == Effect::Irreversible {
        let message = format!("the step `{}` cannot be taken back and is tried again", step.id);
        let help = if step.effect.is_none() {
            "leave `retry` out; or, if that is true, say `effect: read` or `effect: reversible`"
        } else {
            "leave `retry` out"
        };
        found.push(
            Finding::new(&rules::RETRY_OF_IRREVERSIBLE, format!("{pointer}/retry"), message)
                .help(help)
                .on_key(),
        );
    }
    if effect == Effect::Compensable && step.undo.is_empty() && kind.recipe().is_none() {
        let message = format!("nothing says how the step `{}` is made good", step.id);
        let help = "undo: [{id: …, run: {argv: […]}}]";
        found.push(
            Finding::new(&rules::COMPENSABLE_WITHOUT_UNDO, format!("{pointer}/effect"), message).help(help),
        );
    }
    if step.effect.is_none() && matches!(kind, Kind::Run(_) | Kind::Shell(_)) {
        let message = format!("nothing says what the step `{}` does to the world", step.id);
        let help = "effect: read, if it only looks; else reversible, compensable or irreversible";
        found.push(Finding::new(&rules::EFFECT_NOT_STATED, &place, message).help(help).on_key());
    }
    // Programs may do less than the worst; what irctl does itself is known.
    let known = !matches!(kind, Kind::Run(_) | Kind::Shell(_) | Kind::Recipe(_));
    if step.effect.is_some_and(|stated| stated < kind.effect()) && known {
        let message =
            format!("a `{}` step is {}, not {}", kind.name(), kind.effect().as_str(), effect.as_str());
        let help = format!("leave `effect` out, or write `effect: {}`", kind.effect().as_str());
        found.push(Finding::new(&rules::EFFECT_UNDERSTATED, format!("{pointer}/effect"), message).help(help));
    }
    found
}

/// Whether a step shows that what came before it worked.
fn proves(step: &StepConfig) -> bool {
    match step.kind() {
        Some(Kind::Verify(_)) => true,
        Some(Kind::Probe(probe)) => probe.details().is_some_and(|details| details.that.is_some()),
        Some(Kind::Wait(wait)) => wait.until.is_some(),
        _ => step.proof().is_some(),
    }
}
