//! Letting a contained service back: by a condition that holds long enough, or only after the postmortem.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::after::Hand;
use super::measure::Measured;
use super::{Surroundings, act, scope};
use crate::base::clock::format_minute;
use crate::base::{Error, ErrorCode, Result, Verdict};
use crate::config::ServiceConfig;
use crate::incident::{self, Incident, State};
use crate::operation::{Ending, Stop};
use crate::rollback::config::{ReleaseMode, ReleaseWhenConfig};
use crate::rollback::{self, Containment, Subject, contain, guards, watch};
use crate::severity::{
    CompiledExpression, Evidence, Expression, Outcome, Persistence, RuleResult, Scheme, Truth,
};
use crate::store::{Sample, SampleFilter, Session, Store};

/// What a round did about a service that is to be let back by a condition.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ReleaseReport {
    /// Whether its consumers were let back.
    pub released: bool,
    /// The operation, where there is one.
    pub operation: Option<String>,
    /// In one sentence.
    pub summary: String,
}

/// Lets a contained service back if its condition holds, or says why not yet.
pub fn settle(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    measured: &Measured,
    now: DateTime<Utc>,
) -> Option<ReleaseReport> {
    let rollback = service.rollback.as_ref()?;
    let when = rollback.release_when.as_ref().filter(|_| rollback.release == ReleaseMode::When)?;
    let waits = |why: String| {
        let summary = format!("{} stays contained: {why}", service.service);
        Some(ReleaseReport { released: false, operation: None, summary })
    };
    let containment = match contain::current(&surroundings.workspace.state, &service.service) {
        Ok(containment) => containment?,
        Err(error) => return waits(error.message),
    };
    let judged = holds(surroundings, service, scheme, measured, when, now);
    match judged.and_then(|why| ready(surroundings, service, measured, &containment).map(|()| why)) {
        Ok(why) => match let_back(surroundings, service, measured, &containment, &why) {
            Ok(report) => Some(report),
            Err(error) => waits(error.message),
        },
        Err(why) => waits(why),
    }
}

/// Whether the condition holds, for every series and for as long as it has to; why it does, or why not.
fn holds(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    scheme: &Scheme,
    measured: &Measured,
    when: &ReleaseWhenConfig,
    now: DateTime<Utc>,
) -> std::result::Result<String, String> {
    if measured.classification.verdict == Verdict::Crit {
        return Err("its evidence is critical".to_owned());
    }
    let expression = Expression::parse(&when.condition).map_err(|error| error.to_string())?;
    let compiled = CompiledExpression::compile(&expression, &scheme.config().metrics).map_err(|errors| {
        errors.first().map_or_else(String::new, |error| format!("release_when: {}", error.message))
    })?;
    open_question(service, scheme, measured, &expression).map_or(Ok(()), Err)?;
    let stored = earlier(surroundings, service, when, now).map_err(|error| error.message)?;
    let served = measured.versions.served.as_ref();
    let evidence = Evidence::with_history(&stored, &measured.samples, served, now);
    let judgement = compiled.judge_every(&evidence, when.sustained.map(Persistence::Duration));
    match judgement.truth {
        Truth::True => Ok(judgement.reason),
        Truth::False => Err(judgement.reason),
        Truth::Undecided => Err(format!("not decided: {}", judgement.reason)),
    }
}

/// What has to be known before it is let back, and is not: whether what the condition reads hangs on something broken, and
/// whether anything that would contain it holds. What is only held, as it was decided earlier, is not known now.
fn open_question(
    service: &ServiceConfig,
    scheme: &Scheme,
    measured: &Measured,
    expression: &Expression,
) -> Option<String> {
    let metrics = expression.metrics();
    let blocked = metrics.iter().find_map(|metric| Some((metric, measured.blocked.get(*metric)?)));
    if let Some((metric, cause)) = blocked {
        return Some(format!("not decided: {metric} is blocked by {}: {}", cause.name, cause.why));
    }
    let contains = |rule: &&RuleResult| {
        let verdict = scheme.level(&rule.level).map_or(Verdict::Crit, |level| level.verdict);
        act::level_asks(service, &rule.level, verdict)
            || scheme.rule(&rule.rule).is_some_and(|rule| rule.contain)
    };
    let unknown = |rule: &&RuleResult| {
        matches!(rule.outcome, Outcome::Undecided | Outcome::Blocked) || rule.held.is_some()
    };
    let rule = measured.classification.rules.iter().filter(contains).find(unknown)?;
    Some(format!("whether {} {} holds is not known: {}", rule.level, rule.rule, rule.reason))
}

/// What earlier rounds measured, as far back as the condition looks.
fn earlier(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    when: &ReleaseWhenConfig,
    now: DateTime<Utc>,
) -> Result<Vec<Sample>> {
    let Some(sustained) = when.sustained else { return Ok(Vec::new()) };
    // Twice as long, so that the sample before the stretch is seen too.
    let since = Some(now - sustained.approximate() * 2);
    let filter = SampleFilter { service: Some(service.service.clone()), since, ..SampleFilter::default() };
    surroundings.store.view(|session| session.samples(&filter))
}

/// Whether what serves is proven: what a rollback brought back by that rollback, anything else by its suite.
fn ready(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    measured: &Measured,
    containment: &Containment,
) -> std::result::Result<(), String> {
    let state = &surroundings.workspace.state;
    let last = guards::last(state, &service.service).map_err(|error| error.message)?;
    if let Some(last) = last.filter(|last| last.at >= containment.since || !last.proven) {
        if !last.proven {
            return Err(format!("{} did not prove what it switched to", last.operation));
        }
        if last.to.is_none() || last.to != measured.versions.served {
            return Err(format!("what serves is not what {} brought back", last.operation));
        }
        return Ok(());
    }
    let subject = scope::subject(surroundings.workspace, service).map_err(|error| error.message)?;
    let Some(suite) = &subject.rollback.verify else { return Ok(()) };
    let said = scope::run_suite(suite, &subject.suites, surroundings.clock);
    if said.passes() { Ok(()) } else { Err(said.summary) }
}

fn let_back(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    measured: &Measured,
    containment: &Containment,
    why: &str,
) -> Result<ReleaseReport> {
    let subject = scope::subject(surroundings.workspace, service)?;
    let hand = Hand::of(surroundings);
    let incident = hand.incident(&service.service, containment.incident.as_deref())?;
    let id = incident.as_ref().map(|incident| incident.id.clone());
    let served = measured.versions.served.as_ref();
    let (outcome, watched) = hand.with_environment(&Stop::default(), &|_| {}, &mut |environment| {
        // Without a reason of its own it is refused while the last rollback is not proven.
        let outcome = rollback::release(environment, &subject, None, id.as_deref())?;
        let released = outcome.ending == Ending::Restored && !outcome.contained;
        let watched = if released { watch::begin(environment, &subject, served)? } else { None };
        Ok((outcome, watched))
    })?;
    hand.contained(service, &outcome, incident.as_ref(), Some(why))?;
    let until = watched.map(|watch| format!(", watched until {}", format_minute(watch.until)));
    let summary = match outcome.contained {
        true => outcome.summary.clone(),
        false => format!("{}: {why}{}", outcome.summary, until.unwrap_or_default()),
    };
    Ok(ReleaseReport { released: !outcome.contained, operation: outcome.operation, summary })
}

/// Whether a human may let a service back now; the incident that this answers, where it is known.
///
/// With `release: after-postmortem` it has to be written up first, unless the human gives a reason.
///
/// # Errors
/// `refused` while the postmortem is not completed, or nobody knows whether it is.
pub fn may(
    store: Option<&dyn Store>,
    subject: &Subject,
    state: &std::path::Path,
    named: Option<&str>,
    reason: Option<&str>,
) -> Result<Option<String>> {
    let mode = subject.rollback.release;
    let Some(containment) = contain::current(state, &subject.service)? else { return Ok(None) };
    let known = named.or(containment.incident.as_deref()).map(str::to_owned);
    if mode != ReleaseMode::AfterPostmortem {
        return Ok(known);
    }
    let found = match store {
        Some(store) => store.view(|session| answered(session, subject, &containment, named)),
        None => Err(Error::new(ErrorCode::StoreUnavailable, "the incidents are not known")),
    };
    if reason.is_some() {
        return Ok(found.ok().and_then(|all| all.first().map(|incident| incident.id.clone())).or(known));
    }
    let refused = |why: String, hint: String| {
        let text = format!("{} is let back only after the postmortem: {why}", subject.service);
        Err(Error::new(ErrorCode::Refused, text).hint(hint))
    };
    const ANYWAY: &str = "or say why it has to be now: `irctl release --reason …`";
    let incidents = match found {
        Ok(incidents) => incidents,
        Err(error) => return refused(error.message, format!("mend that, {ANYWAY}")),
    };
    if let Some(open) = incidents.iter().find(|incident| !written_up(incident)) {
        let id = &open.id;
        let steps = match open.state {
            State::Resolved => format!("`irctl postmortem draft {id}`, then `irctl incident close {id}`"),
            _ => format!("`irctl incident resolve {id}`, write it up, then `irctl incident close {id}`"),
        };
        return refused(
            format!("that of {id} is not completed, it is {}", open.state),
            format!("{steps}; {ANYWAY}"),
        );
    }
    match incidents.first() {
        Some(incident) => Ok(Some(incident.id.clone())),
        None => refused(
            "no incident is known that it was contained for".to_owned(),
            format!("name it with `--incident`, {ANYWAY}"),
        ),
    }
}

fn written_up(incident: &Incident) -> bool {
    matches!(incident.state, State::Closed | State::Cancelled)
}

/// The incidents that a containment answers: the named one, else its own and every one that says that it is contained.
fn answered(
    session: &mut dyn Session,
    subject: &Subject,
    containment: &Containment,
    named: Option<&str>,
) -> Result<Vec<Incident>> {
    if let Some(name) = named {
        return Ok(vec![incident::book::get(session, name)?]);
    }
    let all = incident::book::list(session, Some(&subject.service))?;
    let own = |incident: &&Incident| {
        incident.contained.is_some() || Some(&incident.id) == containment.incident.as_ref()
    };
    // What goes on as another incident is written up there.
    let goes_on = |incident: &Incident| match &incident.merged_into {
        Some(other) => all.iter().find(|one| one.id == *other).unwrap_or(incident).clone(),
        None => incident.clone(),
    };
    let ours: Vec<&Incident> = all.iter().filter(own).collect();
    Ok(ours.into_iter().map(goes_on).collect())
}
