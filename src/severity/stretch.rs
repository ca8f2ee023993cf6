//! What is said of a condition that has to hold for longer: the stretch that was looked at, and what is missing of it.

use chrono::{DateTime, TimeDelta, Utc};

use super::Persistence;
use super::classification::Outcome;
use super::classify::Finding;
use crate::base::clock::Elapsed;
use crate::store::Bucket;

/// A stretch that was good, of which nothing new is known.
pub(super) fn no_longer_measured(
    mut last: Finding,
    newest: DateTime<Utc>,
    length: TimeDelta,
    now: DateTime<Utc>,
) -> Finding {
    last.outcome = Outcome::Undecided;
    last.distance = None;
    let (age, length) = (Elapsed(now - newest), Elapsed(length));
    last.reason.push_str(&format!(
        ", but that was {age} ago, longer than the {length} that it looks at, and nothing measures it now"
    ));
    last
}

/// A stretch with a gap.
pub(super) fn unknown_before(mut last: Finding, time: DateTime<Utc>, since: DateTime<Utc>) -> Finding {
    last.outcome = Outcome::Undecided;
    last.reason.push_str(&format!(
        ", but nothing is known for {} before {}",
        Elapsed(since - time),
        since.format("%Y-%m-%d %H:%M UTC")
    ));
    last
}

/// What an earlier sample of it says.
pub(super) fn earlier_decides(mut earlier: Finding, time: DateTime<Utc>) -> Finding {
    earlier.reason.push_str(&format!(" at {}", time.format("%Y-%m-%d %H:%M UTC")));
    earlier
}

/// What one undated value says about a condition that has to hold for longer.
pub(super) fn once(mut finding: Finding, persistence: Persistence) -> Finding {
    if finding.outcome == Outcome::Matched && persistence != Persistence::Buckets(1) {
        finding.outcome = Outcome::Undecided;
        push_once(&mut finding.reason, persistence);
    }
    finding
}

/// Says that one value does not show what a rule asks for.
pub(crate) fn push_once(reason: &mut String, persistence: Persistence) {
    use std::fmt::Write as _;
    let _ = write!(reason, "; one value cannot show that it holds for {persistence}");
}

/// A bucket as people name it: by its first day, in the time zone that it starts in.
fn day(bucket: Bucket) -> String {
    let length = bucket.end - bucket.start;
    if length < TimeDelta::hours(23) {
        return bucket.start.format("%Y-%m-%d %H:%M UTC").to_string();
    }
    // Local midnight lies within twelve hours of midnight UTC for nearly all zones.
    (bucket.start + TimeDelta::hours(12)).format("%Y-%m-%d").to_string()
}

fn kind(bucket: Bucket) -> &'static str {
    // A day or week in which the clocks change is an hour shorter or longer.
    match (bucket.end - bucket.start).num_hours() {
        23..=25 => "day",
        167..=169 => "week",
        671..=745 => "month",
        _ => "bucket",
    }
}

/// A bucket as a sentence names it.
pub(super) fn named(bucket: Bucket) -> String {
    format!("the {} of {}", kind(bucket), day(bucket))
}

/// Buckets, newest first, as people name them, oldest first.
pub(super) fn weeks(buckets: &[Bucket]) -> String {
    let days: Vec<String> = buckets.iter().rev().map(|bucket| day(*bucket)).collect();
    let kind = buckets.first().map_or("bucket", |bucket| kind(*bucket));
    match days.as_slice() {
        [one] => format!("the {kind} of {one}"),
        [one, two] => format!("the {kind}s of {one} and {two}"),
        [first, .., last] => format!("the {} {kind}s from {first} to {last}", days.len()),
        [] => "no bucket".to_owned(),
    }
}
