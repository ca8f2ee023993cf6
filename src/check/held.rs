//! What is to be told while nobody knows whom to tell: notify.yaml or contacts.yaml has errors. It is kept as it is
//! and routed when they are mended.

use chrono::{DateTime, Utc};

use crate::base::{Error, ErrorCode, Result};
use crate::config::Workspace;
use crate::notify::{self, Notice};
use crate::store::Session;

const KEY: &str = "notices.held";

/// Keeps notices for later.
pub fn hold(session: &mut dyn Session, notices: &[Notice]) -> Result<()> {
    if notices.is_empty() {
        return Ok(());
    }
    let mut held = held(session)?;
    held.extend(notices.iter().cloned());
    write(session, &held)
}

/// How many are kept.
pub fn count(session: &mut dyn Session) -> Result<usize> {
    Ok(held(session)?.len())
}

/// Queues what was kept, now that it is known whom to tell.
pub fn let_go(session: &mut dyn Session, workspace: &Workspace, now: DateTime<Utc>) -> Result<()> {
    let held = held(session)?;
    if held.is_empty() {
        return Ok(());
    }
    for notice in &held {
        notify::enqueue(session, &workspace.notify, &workspace.contacts, notice, now)?;
    }
    write(session, &[])
}

fn held(session: &mut dyn Session) -> Result<Vec<Notice>> {
    let Some(text) = session.value(KEY)? else { return Ok(Vec::new()) };
    serde_json::from_str(&text).map_err(|error| {
        Error::new(ErrorCode::InvalidData, format!("the notices that were kept cannot be read: {error}"))
    })
}

fn write(session: &mut dyn Session, notices: &[Notice]) -> Result<()> {
    let text = serde_json::to_string(notices)
        .map_err(|error| Error::new(ErrorCode::Bug, format!("notices cannot be kept: {error}")))?;
    session.set_value(KEY, &text)
}
