//! Failures as a JSON document has them.

use serde_json::Value;
use std::os::unix::fs::MetadataExt as _;

use super::{Counted, ParityDocument, counting};
use crate::base::clock::{Elapsed, format_instant};
use crate::base::file::read_limited;
use crate::base::{Digest, path};
use crate::probe::{Request, file};
use crate::store::Sample;

/// The largest document that is read, in bytes.
const LIMIT: u64 = 16 * 1024 * 1024;

/// Counts.
pub(super) fn count(
    config: &ParityDocument,
    last: Option<&Sample>,
    request: &Request<'_>,
) -> Result<Counted, String> {
    let shown = config.file.display();
    let path = path::inside(request.root, &config.file).map_err(|error| error.message)?;
    let bytes = read_limited(&path, LIMIT).map_err(|error| format!("{shown}: {}", error.message))?;
    fresh(config, &path, request)?;
    let document: Value =
        serde_json::from_slice(&bytes).map_err(|error| format!("{shown} is not JSON: {error}"))?;
    let number = document.pointer(&config.pointer).and_then(Value::as_f64);
    let number = number.filter(|number| number.is_finite() && *number >= 0.0);
    let number = number.ok_or_else(|| format!("{shown} has no count at {}", config.pointer))?;
    let mut facts = vec![("document", format!("{shown} {}", config.pointer))];
    let failures = if config.counter {
        let (failures, looked) = counting::since(last, number);
        facts.push(("counter", looked));
        failures
    } else {
        Ok(number)
    };
    let total = config.counter.then_some(number);
    Ok(Counted { failures, total, input: Digest::of(&bytes), rows: 1, facts })
}

fn fresh(config: &ParityDocument, path: &std::path::Path, request: &Request<'_>) -> Result<(), String> {
    let Some(limit) = config.max_age else { return Ok(()) };
    let shown = config.file.display();
    let metadata = std::fs::metadata(path).map_err(|error| format!("{shown}: {error}"))?;
    let nanoseconds = u32::try_from(metadata.mtime_nsec()).unwrap_or(0);
    let written = chrono::DateTime::from_timestamp(metadata.mtime(), nanoseconds)
        .ok_or_else(|| format!("{shown}: when it was written cannot be read"))?;
    file::age(written, request.now).map_err(|why| format!("{shown}: {why}"))?;
    if limit.after(written) < request.now {
        let age = Elapsed(request.now - written);
        return Err(format!("{shown} is {age} old ({}); {limit} is allowed", format_instant(written)));
    }
    Ok(())
}
