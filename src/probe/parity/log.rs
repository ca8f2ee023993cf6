//! Failures as lines of a log.

use chrono::{DateTime, NaiveDateTime, TimeZone as _, Utc};
use memchr::memmem;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use super::{Counted, ParityLog, counting};
use crate::base::clock::format_instant;
use crate::base::{Digest, Duration, path};
use crate::probe::Request;
use crate::probe::dataset::Identity;
use crate::probe::prometheus::SKEW;
use crate::probe::zone::Zone;
use crate::store::Sample;

/// How long a line may be, in bytes; the rest of it is a line of its own.
const LONGEST: u64 = 1024 * 1024;

/// How many bytes at the start of a log tell it apart from the one that is begun after it.
const HEAD: usize = 4096;

/// What a log has in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    lines: u64,
    checked: u64,
    failures: u64,
    /// Failures of which no line says when they happened.
    undated: u64,
    /// The digest of the first line; of nothing while there is no whole line.
    head: Digest,
    newest: Option<DateTime<Utc>>,
}

/// Counts.
pub(super) fn count(
    config: &ParityLog,
    window: Option<Duration>,
    last: Option<&Sample>,
    request: &Request<'_>,
) -> Result<Counted, String> {
    if config.failures.iter().all(String::is_empty) {
        return Err("`failures` names no text".to_owned());
    }
    match window {
        Some(window) => within(config, window, request),
        None => since(config, last, request),
    }
}

fn within(config: &ParityLog, window: Duration, request: &Request<'_>) -> Result<Counted, String> {
    let start = request.now - window.approximate();
    let seen = look(config, &config.file, request, Some(start))?;
    if let Some(newest) = seen.newest.filter(|newest| *newest > request.now + SKEW) {
        return Err(format!("a line is dated in the future: {}", format_instant(newest)));
    }
    let facts = facts(config, &seen, Some(format!("since {}", format_instant(start))));
    let failures = if seen.failures > 0 {
        Ok(seen.failures as f64)
    } else if seen.undated > 0 {
        Err(format!("{} failures stand in lines without a time", seen.undated))
    } else if seen.checked == 0 {
        Err(format!("no line since {} says that anything was compared", format_instant(start)))
    } else {
        Ok(0.0)
    };
    Ok(Counted { failures, total: None, input: seen.head, rows: seen.lines, facts })
}

fn since(config: &ParityLog, last: Option<&Sample>, request: &Request<'_>) -> Result<Counted, String> {
    let seen = look(config, &config.file, request, None)?;
    let total = seen.failures as f64;
    // A log that had no whole line yet is the one that was begun then.
    let known = [Some(&seen.head), Some(&nothing())];
    let same = last.is_none_or(|last| known.contains(&last.input.as_ref()));
    let (failures, looked) = match last {
        Some(last) if !same => after_rotation(config, last, total, request),
        last => counting::since(last, total),
    };
    let failures = match failures {
        Ok(0.0) if seen.checked == 0 => Err("no line says that anything was ever compared".to_owned()),
        failures => failures,
    };
    let facts = facts(config, &seen, Some(looked));
    Ok(Counted { failures, total: Some(total), input: seen.head, rows: seen.lines, facts })
}

/// The log is another one than at the last look. What stood at the end of that one may be in the rotated file.
fn after_rotation(
    config: &ParityLog,
    last: &Sample,
    total: f64,
    request: &Request<'_>,
) -> (Result<f64, String>, String) {
    let old = config.rotated.as_ref().map(|file| look(config, file, request, None));
    let old = old.and_then(Result::ok).filter(|old| last.input.as_ref() == Some(&old.head));
    let at = format_instant(last.event_time);
    match old {
        Some(old) => {
            let before = last.measurement.value().unwrap_or(0.0);
            let rest = (old.failures as f64 - before).max(0.0);
            (
                Ok(rest + total),
                format!("rotated since {at}: {rest} more in the old one, {total} in the new one"),
            )
        }
        None => {
            let looked = format!("another log than at {at}: what came last in that one was not seen");
            let failures = if total > 0.0 { Ok(total) } else { Err(looked.clone()) };
            (failures, looked)
        }
    }
}

fn facts(config: &ParityLog, seen: &Seen, looked: Option<String>) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("log", config.file.display().to_string()),
        ("lines", format!("{}, {} of them of comparisons", seen.lines, seen.checked)),
    ];
    facts.extend(looked.map(|looked| ("counted", looked)));
    facts.extend(seen.newest.map(|newest| ("newest line", format_instant(newest))));
    facts
}

/// Looks at the lines of a log; with `start` only at those from then on.
fn look(
    config: &ParityLog,
    file: &Path,
    request: &Request<'_>,
    start: Option<DateTime<Utc>>,
) -> Result<Seen, String> {
    let shown = file.display();
    let failed = |error: std::io::Error| format!("{shown}: {error}");
    let path = path::inside(request.root, file).map_err(|error| error.message)?;
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(format!("{shown} is not a regular file")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(format!("{shown} does not exist"));
        }
        Err(error) => return Err(failed(error)),
    }
    let handle = std::fs::File::open(&path).map_err(failed)?;
    // A log that is written to is read as far as it went when it was opened, so that every count has its moment.
    let length = Identity::of_file(&handle).map_err(|error| error.message)?.size;
    let mut reader = BufReader::with_capacity(256 * 1024, handle.take(length));
    let wanted = |texts: &[String]| -> Vec<memmem::Finder<'static>> {
        let texts = texts.iter().filter(|text| !text.is_empty());
        texts.map(|text| memmem::Finder::new(text.as_bytes()).into_owned()).collect()
    };
    let (failures, checked) = (wanted(&config.failures), wanted(&config.checked));
    let has =
        |line: &[u8], texts: &[memmem::Finder<'static>]| texts.iter().any(|text| text.find(line).is_some());
    let mut seen = Seen { lines: 0, checked: 0, failures: 0, undated: 0, head: nothing(), newest: None };
    let mut line = Vec::new();
    let mut time = None;
    let mut first = true;
    loop {
        line.clear();
        if reader.by_ref().take(LONGEST).read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok(seen);
        }
        if std::mem::take(&mut first) && line.ends_with(b"\n") {
            seen.head = Digest::of(line.get(..HEAD).unwrap_or(&line));
        }
        if start.is_some() {
            // A line without a time belongs to the one before it.
            time = time_of(&line, config.timezone).or(time);
            seen.newest = seen.newest.max(time);
        }
        let failure = has(&line, &failures);
        match (start, time) {
            (Some(_), None) => {
                seen.undated += u64::from(failure);
                continue;
            }
            (Some(start), Some(time)) if time <= start => continue,
            _ => {}
        }
        seen.lines += 1;
        seen.failures += u64::from(failure);
        seen.checked += u64::from(checked.is_empty() || failure || has(&line, &checked));
    }
}

/// The digest of no line at all.
fn nothing() -> Digest {
    Digest::of(b"")
}

/// The time with which a line begins: RFC 3339, or a date and a time, with a point or a comma before the fraction.
fn time_of(line: &[u8], zone: Zone) -> Option<DateTime<Utc>> {
    let text = String::from_utf8_lossy(line.get(..64).unwrap_or(line));
    let text = text.trim_start_matches(['[', ' ']);
    let mut words = text.split([' ', ']', '\t', '\n', '\r']).filter(|word| !word.is_empty());
    let first = words.next()?.replace(',', ".");
    let joined =
        if first.contains('T') { first } else { format!("{first}T{}", words.next()?.replace(',', ".")) };
    if let Ok(instant) = DateTime::parse_from_rfc3339(&joined) {
        return Some(instant.to_utc());
    }
    let local = NaiveDateTime::parse_from_str(&joined, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
    // Of an hour that comes twice, the later one: what is new is not taken for old.
    zone.0.from_local_datetime(&local).latest().map(|instant| instant.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(line: &str, zone: &str) -> Option<String> {
        time_of(line.as_bytes(), zone.parse().unwrap()).map(format_instant)
    }

    #[test]
    fn lines_begin_with_times() {
        let at = Some("2026-11-20T02:59:01Z".to_owned());
        for line in [
            "2026-11-20T02:59:01Z parity ok",
            "2026-11-20T03:59:01+01:00 x",
            "2026-11-20 02:59:01 x",
            "2026-11-20 02:59:01,000 - ERROR - x",
            "[2026-11-20 02:59:01] x",
            "2026-11-20T02:59:01\n",
        ] {
            assert_eq!(time(line, "UTC"), at, "{line}");
        }
        assert_eq!(time("2026-11-19 21:59:01 x", "America/New_York"), at);
        // In the night of 2026-11-01 there was 01:30 twice.
        assert_eq!(time("2026-11-01 01:30:00 x", "America/New_York").unwrap(), "2026-11-01T06:30:00Z");
        for line in
            ["", "\n", "Traceback (most recent call last):", "2026-11-20", "ERROR 2026-11-20 02:59:01"]
        {
            assert_eq!(time(line, "UTC"), None, "{line}");
        }
    }
}
