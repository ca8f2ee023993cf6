//! Rollbacks that were let back provisionally: confirmed by evidence, or contained again.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::after::Hand;
use super::measure::Measured;
use super::{Surroundings, scope};
use crate::base::{Result, Verdict};
use crate::config::ServiceConfig;
use crate::operation::Stop;
use crate::rollback::{Subject, Watch, watch};
use crate::severity::Outcome;

/// What a round found about a watched rollback.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct WatchReport {
    /// The operation that brought the version back.
    pub operation: String,
    /// Whether it was not confirmed.
    pub failed: bool,
    /// Whether the service is contained again for that.
    pub contained: bool,
    /// In one sentence.
    pub summary: String,
}

/// What becomes of a watch.
enum Judgement {
    Wait,
    Confirm(String),
    Fail(String),
}

/// Looks at every watch of a service. Bad evidence ends one at once; good evidence confirms it when its time is over.
pub fn settle(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    measured: &Measured,
    now: DateTime<Utc>,
) -> Vec<WatchReport> {
    let watches = match watch::watches(&surroundings.workspace.state) {
        Ok(watches) => watches,
        Err(error) => return vec![broken("watches", &error.message)],
    };
    let own = watches.into_iter().filter(|watch| watch.service == service.service);
    own.filter_map(|watch| match one(surroundings, service, measured, &watch, now) {
        Ok(report) => report,
        Err(error) => Some(broken(&watch.operation, &error.message)),
    })
    .collect()
}

fn broken(operation: &str, why: &str) -> WatchReport {
    let summary = format!("{operation} cannot be confirmed: {why}");
    WatchReport { operation: operation.to_owned(), failed: true, contained: false, summary }
}

fn one(
    surroundings: &Surroundings<'_>,
    service: &ServiceConfig,
    measured: &Measured,
    watch: &Watch,
    now: DateTime<Utc>,
) -> Result<Option<WatchReport>> {
    let subject = scope::subject(surroundings.workspace, service)?;
    let hand = Hand::of(surroundings);
    let (failed, contained, summary) = match judge(surroundings, &subject, measured, watch, now) {
        Judgement::Wait => return Ok(None),
        Judgement::Confirm(evidence) => {
            hand.with_environment(&Stop::default(), &|_| {}, &mut |environment| {
                watch::confirm(environment, watch, &evidence)
            })?;
            (false, false, format!("{} is confirmed: {evidence}", watch.operation))
        }
        Judgement::Fail(why) => {
            let outcome = hand.with_environment(&Stop::default(), &|_| {}, &mut |environment| {
                watch::fail(environment, &subject, watch, &why)
            })?;
            let incident = hand.incident(&watch.service, watch.incident.as_deref())?;
            hand.contained(service, &outcome, incident.as_ref(), Some(&why))?;
            (
                true,
                outcome.contained,
                format!("{} was not confirmed, {} is contained again: {why}", watch.operation, watch.service),
            )
        }
    };
    Ok(Some(WatchReport { operation: watch.operation.clone(), failed, contained, summary }))
}

fn judge(
    surroundings: &Surroundings<'_>,
    subject: &Subject,
    measured: &Measured,
    watch: &Watch,
    now: DateTime<Utc>,
) -> Judgement {
    if measured.versions.served.as_ref() != Some(&watch.version) {
        return Judgement::Fail(format!("{} does not serve any more", watch.name));
    }
    let classification = &measured.classification;
    if classification.verdict == Verdict::Crit {
        let why = classification.deciding().next().map(|rule| rule.reason.clone());
        return Judgement::Fail(why.unwrap_or_else(|| "its evidence is critical".to_owned()));
    }
    if now < watch.until {
        return Judgement::Wait;
    }
    // What is only held, blocked or open is no sight of it.
    let good = classification.with(Outcome::Missed).filter(|rule| rule.held.is_none()).count();
    let seen = matches!(classification.verdict, Verdict::Ok | Verdict::Warn)
        && !classification.at_least
        && measured.doubt.is_none();
    match &subject.rollback.verify {
        Some(suite) => {
            let outcome = scope::run_suite(suite, &subject.suites, surroundings.clock);
            if outcome.passes() {
                Judgement::Confirm(outcome.summary)
            } else {
                Judgement::Fail(outcome.summary)
            }
        }
        None if good > 0 && seen => Judgement::Confirm(format!("{good} rules looked at it and none matched")),
        None => Judgement::Fail("nothing showed that it is good".to_owned()),
    }
}
