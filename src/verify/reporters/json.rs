//! JSON: the summary as its types document it.

use super::super::report::Summary;
use crate::base::{Error, ErrorCode, Result};

pub(super) fn render(summary: &Summary) -> Result<String> {
    let text = serde_json::to_string_pretty(summary).map_err(|error| {
        Error::new(ErrorCode::Bug, format!("a verification report cannot be written as JSON: {error}"))
    })?;
    Ok(text + "\n")
}
