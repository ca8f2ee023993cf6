//! Taking what is queued to the channels.

use std::collections::BTreeMap;

use super::{Surroundings, held};
use crate::base::{Result, identity};
use crate::notify::{self, Courier, Summary, template};

/// Where a workspace keeps message templates of its own.
pub const TEMPLATES: &str = "config/templates";

/// How long to stay for a retry, so that one refused message need not wait for the next round.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);

/// Tries everything that is due. What does not get through stays queued; that is not an error.
pub fn deliver(surroundings: &Surroundings<'_>) -> Result<Summary> {
    let workspace = surroundings.workspace;
    if !workspace.can_notify() {
        // Messages that wait for a channel of a file with errors would fail for good.
        let waiting = surroundings.store.view(|session| {
            Ok(held::count(session)? + notify::outbox::waiting(session, surroundings.clock.now()?)?.len())
        })?;
        return Ok(Summary { waiting: u32::try_from(waiting).unwrap_or(u32::MAX), ..Summary::default() });
    }
    let now = surroundings.clock.now()?;
    if surroundings.store.view(held::count)? > 0 {
        surroundings.store.with(|session| held::let_go(session, workspace, now))?;
    }
    // One broken template of the workspace must not keep every message from being sent.
    let overrides = template::overrides(&workspace.root.join(TEMPLATES)).unwrap_or_else(|error| {
        tracing::warn!("the workspace's own templates are left out: {error}");
        BTreeMap::new()
    });
    let resolver = |reference: &crate::base::SecretReference| reference.resolve();
    let config = workspace.delivering();
    Courier {
        store: &*surroundings.store,
        config: &config,
        overrides: &overrides,
        root: &workspace.root,
        resolver: &resolver,
        clock: surroundings.clock,
        jitter: &jitter,
        patience: PATIENCE,
    }
    .deliver_due()
}

/// A number in [0, 1).
pub fn jitter() -> f64 {
    let digits = identity::random_hex(4).unwrap_or_default();
    u32::from_str_radix(&digits, 16).map_or(0.5, |number| f64::from(number) / (f64::from(u32::MAX) + 1.0))
}
