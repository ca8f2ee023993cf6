//! Rolling back without a human: only where the policy says so, nobody is at it, and it would help.

use super::act::AutomaticRollback;
use super::after::Hand;
use super::failing;
use super::measure::Measured;
use super::{Surroundings, scope};
use crate::base::{ErrorCode, Result};
use crate::config::ServiceConfig;
use crate::incident::{Incident, Observed};
use crate::operation::{Stop, Summary};
use crate::rollback::{self, Request, Selector};
use crate::severity::{CompiledExpression, Evidence, Expression, Scheme, Truth};

/// Rolls back where the service's policy says so, and says why not where it does not.
pub fn run(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    measured: &Measured,
    observed: &[Observed],
) -> Option<AutomaticRollback> {
    let policy = service.rollback.as_ref()?.auto.as_ref()?;
    let incident =
        observed.iter().filter_map(|one| one.incident.as_ref()).find(|incident| incident.is_open())?;
    match asked(&policy.when, scheme, measured, surroundings) {
        Ok(None) => None,
        Ok(Some(why)) => Some(match attempt(surroundings, service, scheme, measured, incident, &why) {
            Ok(rollback) => rollback,
            Err(error) => held(error.message),
        }),
        Err(error) => Some(held(error.message)),
    }
}

/// Somebody is at it already.
pub fn yielded(running: &Summary) -> AutomaticRollback {
    let summary = format!("{} by {} is running; automation leaves it alone", running.id, running.actor);
    AutomaticRollback { operation: Some(running.id.clone()), summary, exit: None }
}

fn held(why: String) -> AutomaticRollback {
    AutomaticRollback { operation: None, summary: format!("not begun: {why}"), exit: None }
}

/// Whether the policy's condition holds, and why. What is undecided does not roll anything back.
fn asked(
    when: &str,
    scheme: &Scheme,
    measured: &Measured,
    surroundings: &Surroundings<'_>,
) -> Result<Option<String>> {
    let expression: Expression = when.parse()?;
    let wrong = |errors: Vec<crate::severity::ExpressionError>| {
        let first = errors.first().map(|error| error.message.clone()).unwrap_or_default();
        crate::base::Error::new(ErrorCode::InvalidConfiguration, format!("rollback.auto.when: {first}"))
    };
    let compiled = CompiledExpression::compile(&expression, &scheme.config().metrics).map_err(wrong)?;
    let now = surroundings.clock.now()?;
    let evidence = Evidence::from_samples(&measured.samples, measured.versions.served.as_ref(), now);
    let judgement = compiled.judge(&evidence, None);
    Ok((judgement.truth == Truth::True).then_some(judgement.reason))
}

fn attempt(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    measured: &Measured,
    incident: &Incident,
    why: &str,
) -> Result<AutomaticRollback> {
    if let Some(moment) = &incident.acknowledged {
        return Ok(held(format!(
            "{} has taken {} up; automation leaves it to a human",
            moment.by, incident.id
        )));
    }
    let subject = scope::subject(surroundings.workspace, service)?;
    let served = rollback::served(&subject)?.digest;
    if served.is_none() || served != measured.versions.served {
        return Ok(held("another version serves than the one that was measured".to_owned()));
    }
    let hand = Hand::of(surroundings);
    let outcome = hand.with_environment(&Stop::default(), &|_| {}, &mut |environment| {
        let judged = failing::Failing::of(scheme, incident);
        let fails = |value| judged.as_ref().and_then(|judged| judged.fails(value));
        let request = Request {
            to: Selector::Prev,
            incident: Some(incident.id.clone()),
            reason: Some(why.to_owned()),
            attended: false,
            failing: judged.as_ref().map(|judged| judged.rule(&fails)),
            saved: None,
        };
        let prepared = rollback::prepare(environment, &subject, &request)?;
        if prepared.plan.binds_automation().is_none()
            && let Err(error) = hand.rollback_started(service, &prepared.plan)
        {
            tracing::warn!("nobody was told that a rollback begins: {error}");
        }
        rollback::execute(environment, prepared)
    })?;
    hand.rolled_back(service, Some(&incident.id), &outcome)?;
    Ok(AutomaticRollback {
        operation: Some(outcome.operation.clone()),
        summary: outcome.summary.clone(),
        exit: Some(outcome.ending.exit()),
    })
}
