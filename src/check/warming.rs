//! What is warming is said once: a version that waits for evidence of its own may wait for weeks.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

use super::measure::Measured;
use crate::base::{Digest, Error, ErrorCode, Result};
use crate::config::ServiceConfig;
use crate::severity::Outcome;
use crate::store::Session;

/// Which rules were said to be warming, of which version.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Said {
    version: Option<Digest>,
    rules: BTreeSet<String>,
}

/// Whether some rule is warming of which this was not said yet; from now on it was.
pub fn is_news(session: &mut dyn Session, service: &ServiceConfig, measured: &Measured) -> Result<bool> {
    let warming = measured.classification.with(Outcome::Warming);
    let rules: BTreeSet<String> = warming.map(|rule| rule.rule.clone()).collect();
    let key = format!("check.warming.{}", service.service);
    if rules.is_empty() {
        // The next time that something warms up is another one.
        if session.value(&key)?.is_some_and(|text| !text.is_empty()) {
            session.set_value(&key, "")?;
        }
        return Ok(false);
    }
    let version = measured.versions.served.clone();
    // What cannot be read is said again.
    let said: Said = session
        .value(&key)?
        .and_then(|text| serde_json::from_str(&text).ok())
        .filter(|said: &Said| said.version == version)
        .unwrap_or_default();
    if rules.is_subset(&said.rules) {
        return Ok(false);
    }
    let said = Said { version, rules: said.rules.union(&rules).cloned().collect() };
    let text = serde_json::to_string(&said)
        .map_err(|error| Error::new(ErrorCode::Bug, format!("what is warming: {error}")))?;
    session.set_value(&key, &text)?;
    Ok(true)
}
