//! The manifest: its entries, and what is wrong with single ones.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::base::{Error, ErrorCode, Result, clock, file, path};
use crate::rollback::versions::{DateSource, Dated};

/// The largest manifest that is read.
const LIMIT: u64 = 64 * 1024 * 1024;

/// One entry.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its id; `entry 3` for the third one if it has none.
    pub id: String,
    /// All of it.
    pub value: Arc<Value>,
    /// When it dates from, by itself or by its place.
    pub dated: Option<Dated>,
    /// Where its model is, relative to the registry's folder.
    pub path: Option<String>,
    /// Why it cannot be used, as far as the manifest tells.
    pub defect: Option<String>,
}

/// The text of a manifest.
pub fn text(path: &Path) -> Result<String> {
    let bytes = file::read_limited(path, LIMIT)
        .map_err(|error| Error { message: format!("{}: {}", path.display(), error.message), ..error })?;
    String::from_utf8(bytes).map_err(|_| wrong(path, "is not UTF-8 text"))
}

/// The entries of a manifest, newest first.
pub fn read(path: &Path, pointer: Option<&str>) -> Result<Vec<Entry>> {
    let mut whole: Value =
        serde_json::from_str(&text(path)?).map_err(|error| wrong(path, &format!("is not JSON: {error}")))?;
    let list = match pointer {
        None => Some(&mut whole),
        Some(pointer) => whole.pointer_mut(pointer),
    };
    let Some(Value::Array(list)) = list else {
        let what = pointer.map_or("is not a list".to_owned(), |at| format!("has no list at `{at}`"));
        return Err(wrong(path, &what).hint(
            "`entries:` is the JSON pointer to the list, as `/models`; without it the manifest is the list",
        ));
    };
    let list = std::mem::take(list).into_iter();
    let mut entries: Vec<Entry> = list.enumerate().map(|(place, value)| entry(place, value)).collect();
    refuse_twins(&mut entries);
    newest_first(&mut entries);
    Ok(entries)
}

fn wrong(path: &Path, why: &str) -> Error {
    Error::new(ErrorCode::InvalidData, format!("the manifest {} {why}", path.display()))
        .hint("a manifest is a JSON list of {id, created_at, schema_hash, thresholds, path, notes}")
}

fn entry(place: usize, value: Value) -> Entry {
    let number = place + 1;
    let mut entry = Entry {
        id: format!("entry {number}"),
        value: Arc::default(),
        dated: value
            .get("created_at")
            .and_then(instant)
            .map(|at| Dated { at, source: DateSource::CreatedAt }),
        path: value.get("path").and_then(Value::as_str).map(str::to_owned),
        defect: None,
    };
    let id = match value.get("id") {
        Some(Value::String(id)) => Some(id.clone()),
        Some(Value::Number(id)) => Some(id.to_string()),
        _ => None,
    };
    entry.defect = match &id {
        _ if !value.is_object() => Some(format!("entry {number} of the manifest is no object")),
        None => Some(format!("entry {number} of the manifest has no id")),
        Some(id) => path::single_name(id).err().map(|_| format!("the id of entry {number} is no plain name")),
    };
    if let (Some(id), None) = (id, &entry.defect) {
        entry.id = id;
    }
    if entry.path.as_deref().is_none_or(str::is_empty) {
        entry.defect.get_or_insert_with(|| "it has no path".to_owned());
    }
    entry.value = Arc::new(value);
    entry
}

/// Which of two entries of one id is meant nobody can tell: neither is.
fn refuse_twins(entries: &mut [Entry]) {
    let mut counts: HashMap<&str, u32> = HashMap::with_capacity(entries.len());
    for entry in entries.iter() {
        *counts.entry(&entry.id).or_default() += 1;
    }
    let counts: Vec<u32> =
        entries.iter().map(|entry| counts.get(entry.id.as_str()).copied().unwrap_or_default()).collect();
    for (entry, count) in entries.iter_mut().zip(counts) {
        if count > 1 {
            entry.defect = Some(format!("its id stands in the manifest {count} times"));
        }
    }
}

/// An instant as registries write it: RFC 3339, the same without a zone (then UTC), a day, seconds since 1970.
fn instant(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::String(text) => {
            let naive = || {
                ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
                    .iter()
                    .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
            };
            let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
            clock::parse_instant(text).ok().or_else(|| Some(naive().or_else(day)?.and_utc()))
        }
        Value::Number(seconds) => {
            let milliseconds = seconds.as_f64()? * 1000.0;
            let sane = milliseconds.is_finite() && milliseconds.abs() < 1e15;
            #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds, in range")]
            DateTime::from_timestamp_millis(if sane { milliseconds as i64 } else { return None })
        }
        _ => None,
    }
}

/// Brings entries into order: by `created_at` where all have one, else as they stand. What has no date of its own, or
/// the same as the entry before it, gets one between its neighbours, so that "before what serves" has a meaning.
fn newest_first(entries: &mut [Entry]) {
    let at = |entry: &Entry| entry.dated.map(|dated| dated.at);
    let (first, last) = (entries.iter().find_map(at), entries.iter().rev().find_map(at));
    if first > last {
        entries.reverse();
    }
    if entries.iter().all(|entry| entry.dated.is_some()) {
        entries.sort_by_key(at);
    }
    let mut before: Option<DateTime<Utc>> = None;
    for entry in entries.iter_mut() {
        let own = at(entry).filter(|at| before.is_none_or(|before| *at > before));
        if own.is_none() {
            let place = before.and_then(|before| before.checked_add_signed(TimeDelta::milliseconds(1)));
            entry.dated = place.map(|at| Dated { at, source: DateSource::ManifestOrder });
        }
        before = at(entry).or(before);
    }
    // Those before the first date of all count back from it.
    let known = entries.iter().position(|entry| entry.dated.is_some());
    if let Some((undated, [first, ..])) = known.and_then(|known| entries.split_at_mut_checked(known)) {
        let mut after = at(first);
        for entry in undated.iter_mut().rev() {
            after = after.and_then(|after| after.checked_sub_signed(TimeDelta::milliseconds(1)));
            entry.dated = after.map(|at| Dated { at, source: DateSource::ManifestOrder });
        }
    }
    entries.reverse();
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entries(value: &Value, pointer: Option<&str>) -> Result<Vec<Entry>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.json");
        fs_err::write(&path, value.to_string()).unwrap();
        read(&path, pointer)
    }

    fn ids(value: &Value) -> Vec<String> {
        entries(value, None).unwrap().into_iter().map(|entry| entry.id).collect()
    }

    #[test]
    fn newest_first_however_it_is_written() {
        let oldest_first = json!([
            {"id": "a", "path": "a", "created_at": "2026-10-01T00:00:00Z"},
            {"id": "b", "path": "b", "created_at": "2026-10-02"},
            {"id": "c", "path": "c", "created_at": 1_791_072_000},
        ]);
        assert_eq!(ids(&oldest_first), ["c", "b", "a"]);
        let newest_first = json!([
            {"id": "c", "path": "c", "created_at": "2026-10-03 12:00:00"},
            {"id": "b", "path": "b"},
            {"id": "a", "path": "a", "created_at": "2026-10-01T00:00:00+02:00"},
        ]);
        assert_eq!(ids(&newest_first), ["c", "b", "a"]);
        assert_eq!(ids(&json!([{"id": "a", "path": "a"}, {"id": "b", "path": "b"}])), ["b", "a"]);
    }

    #[test]
    fn every_entry_between_dated_ones_has_a_place_of_its_own() {
        let same_day = json!([
            {"id": "z", "path": "z"},
            {"id": "a", "path": "a", "created_at": "2026-10-01"},
            {"id": "b", "path": "b", "created_at": "2026-10-01"},
            {"id": "c", "path": "c"},
            {"id": "d", "path": "d", "created_at": "2026-10-02"},
        ]);
        let entries = entries(&same_day, None).unwrap();
        let dates: Vec<_> = entries.iter().map(|entry| entry.dated.unwrap()).collect();
        assert!(dates.is_sorted_by(|a, b| a.at > b.at), "{dates:?}");
        let sources: Vec<_> = dates.iter().map(|dated| dated.source).collect();
        use DateSource::{CreatedAt, ManifestOrder};
        assert_eq!(sources, [CreatedAt, ManifestOrder, ManifestOrder, CreatedAt, ManifestOrder]);
    }

    #[test]
    fn what_is_wrong_with_one_entry_is_said_of_that_one() {
        let manifest = json!([
            {"id": "a", "path": "a"},
            {"id": "a", "path": "a2"},
            {"path": "b"},
            {"id": "../x", "path": "x"},
            {"id": "c"},
            7,
            {"id": 5, "path": "five", "extra": {"kept": true}},
        ]);
        let entries = entries(&manifest, None).unwrap();
        let mut defects: Vec<_> = entries
            .iter()
            .rev()
            .map(|entry| format!("{}: {}", entry.id, entry.defect.as_deref().unwrap_or("good")))
            .collect();
        assert_eq!(entries.first().unwrap().value["extra"]["kept"], true);
        defects.dedup();
        assert_eq!(
            defects,
            [
                "a: its id stands in the manifest 2 times",
                "entry 3: entry 3 of the manifest has no id",
                "entry 4: the id of entry 4 is no plain name",
                "c: it has no path",
                "entry 6: entry 6 of the manifest is no object",
                "5: good",
            ]
        );
    }

    #[test]
    fn the_list_may_stand_inside() {
        let manifest = json!({"active": "a", "models": [{"id": "a", "path": "a"}]});
        assert_eq!(entries(&manifest, Some("/models")).unwrap().len(), 1);
        for pointer in [None, Some("/active"), Some("/nothing")] {
            assert!(entries(&manifest, pointer).unwrap_err().hint.unwrap().contains("/models"));
        }
    }
}
