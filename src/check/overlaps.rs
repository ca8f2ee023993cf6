//! Rounds that found another one running: they did nothing, and whoever looks later should know.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lock::Holder;
use crate::base::{Error, ErrorCode, Result};
use crate::store::{Session, Store};

const KEY: &str = "check.overlaps";

/// How many rounds the last one, or the one that still runs, kept out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Overlaps {
    /// How many.
    pub count: u32,
    /// When the last of them wanted to begin (UTC).
    pub last: DateTime<Utc>,
    /// The round that kept it out; absent where nobody knows.
    pub holder: Option<Holder>,
}

/// The rounds that were kept out, if any.
pub fn read(session: &mut dyn Session) -> Result<Option<Overlaps>> {
    // What cannot be read is no reason not to check.
    Ok(session.value(KEY)?.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Counts one more.
pub fn count(store: &dyn Store, holder: Option<Holder>, now: DateTime<Utc>) -> Result<()> {
    store.write_relaxed(&mut |session| {
        let before = read(session)?.map_or(0, |overlaps| overlaps.count);
        let overlaps = Overlaps { count: before.saturating_add(1), last: now, holder: holder.clone() };
        let text = serde_json::to_string(&overlaps)
            .map_err(|error| Error::new(ErrorCode::Bug, format!("overlapping rounds: {error}")))?;
        session.set_value(KEY, &text)
    })
}

/// Begins to count anew.
pub fn forget(session: &mut dyn Session) -> Result<()> {
    match read(session)? {
        Some(_) => session.set_value(KEY, ""),
        None => Ok(()),
    }
}
