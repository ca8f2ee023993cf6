//! A round without a store: nothing can be remembered, but what harms can still be stopped.

use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::after::Hand;
use super::arrivals::Arrivals;
use super::measuring::{RoundJob, Taken};
use super::{Orders, act, measure, pool, scope};
use crate::base::{Clock, ErrorCode, Result};
use crate::config::{ServiceConfig, Workspace};
use crate::operation::{self, Ending, Stop};
use crate::rollback;
use crate::severity::{Classification, Outcome};
use crate::store::{Actor, Store};

/// Whether a failure of a round is one of where state is kept, so that [`contain`] is what is left to do.
pub const fn is_state(code: ErrorCode) -> bool {
    use ErrorCode::{Io, NotPermitted, StateDirectory, StoreTooNew, StoreUnavailable};
    matches!(code, StoreUnavailable | StoreTooNew | StateDirectory | Io | NotPermitted)
}

/// Measures the services once more, contains those that harm, and says what it did. The next round that has a store
/// opens the incidents and tells people.
pub fn contain(workspace: &Arc<Workspace>, clock: &Clock, orders: &Orders) -> Vec<String> {
    let selected = orders.select(workspace).unwrap_or_default();
    let can =
        |one: &&ServiceConfig| one.rollback.as_ref().is_some_and(|rollback| !rollback.contain.is_empty());
    let able: Vec<&ServiceConfig> = selected.into_iter().filter(can).collect();
    let now = match clock.now() {
        Ok(now) => now,
        Err(error) => return vec![format!("nothing could be contained: {}", error.message)],
    };
    let taken = pool::start(
        RoundJob {
            workspace: Arc::clone(workspace),
            services: able.iter().map(|service| service.service.clone()).collect(),
            now,
            timeout: orders.probe_timeout(workspace),
            earlier: BTreeMap::new(),
        },
        able.len(),
        orders.limits(workspace, Instant::now()),
    );
    let said = Arrivals::new(taken, BTreeMap::new()).filter_map(|taken| {
        let service = able.get(taken.number)?;
        match one(workspace, clock, service, taken, now) {
            Ok(said) => said,
            Err(error) => Some(format!("{} could not be contained: {}", service.service, error.message)),
        }
    });
    said.collect()
}

fn one(
    workspace: &Workspace,
    clock: &Clock,
    service: &ServiceConfig,
    taken: Taken,
    now: DateTime<Utc>,
) -> Result<Option<String>> {
    let scheme = measure::scheme(workspace, &service.scheme)?;
    let measured = measure::alone(service, &scheme, taken, now);
    let Some(why) = harm(service, &scheme, &measured.classification) else { return Ok(None) };
    let own = |one: &operation::Summary| one.service == service.service;
    if operation::list(&workspace.state).unwrap_or_default().iter().any(|one| one.running && own(one)) {
        return Ok(None);
    }
    let subject = scope::subject(workspace, service)?;
    let hand = Hand { workspace, store: None::<Arc<dyn Store>>, clock, actor: Actor::Automation };
    let outcome = hand.with_environment(&Stop::default(), &|_| {}, &mut |environment| {
        rollback::contain(environment, &subject, Some(&why), None)
    })?;
    let level = measured.classification.level.unwrap_or_default();
    let state = if outcome.ending == Ending::Restored { "" } else { " (NOT CONTAINED)" };
    Ok(Some(format!("{} is {level}: {why}; {}{state}", service.service, outcome.summary)))
}

/// Why the service is to be contained, if it is.
fn harm(
    service: &ServiceConfig,
    scheme: &crate::severity::Scheme,
    classification: &Classification,
) -> Option<String> {
    let level = classification.level.as_deref()?;
    let verdict = scheme.level(level)?.verdict;
    let matched: Vec<_> = classification.with(Outcome::Matched).collect();
    let asks = act::level_asks(service, level, verdict)
        || matched.iter().any(|rule| scheme.rule(&rule.rule).is_some_and(|rule| rule.contain));
    asks.then(|| matched.first().map_or_else(String::new, |rule| format!("{} {}", rule.rule, rule.reason)))
}
