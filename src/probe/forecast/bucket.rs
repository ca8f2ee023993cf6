//! The calendar of buckets.

use chrono::{Datelike as _, Days, Months, NaiveDate, Weekday};

use super::{BucketConfig, Every};
use crate::probe::zone::{date_of, day_of};
use crate::store::Bucket;

/// A bucket by its days, counted from 1970-01-01: the first, and the first after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) first: i32,
    pub(super) end: i32,
}

impl Span {
    /// How many days it has.
    pub(super) const fn days(self) -> u32 {
        self.end.abs_diff(self.first)
    }
}

/// The bucket that a day falls into.
pub(super) fn span_of(config: &BucketConfig, day: i32) -> Span {
    let date = date_of(day);
    match config.every {
        Every::Day => Span { first: day, end: day.saturating_add(1) },
        Every::Week => {
            let back = date.weekday().days_since(Weekday::from(config.starts));
            let first = day.saturating_sub(i32::try_from(back).unwrap_or(0));
            Span { first, end: first.saturating_add(7) }
        }
        Every::Month => {
            let first = date.with_day(1).unwrap_or(date);
            let end = first.checked_add_months(Months::new(1)).unwrap_or(NaiveDate::MAX);
            Span { first: day_of(first), end: day_of(end) }
        }
    }
}

/// The first day of the window of this many buckets that ends with a bucket.
pub(super) fn window_start(config: &BucketConfig, last: Span, buckets: u32) -> i32 {
    let back = buckets.saturating_sub(1);
    match config.every {
        Every::Day => last.first.saturating_sub_unsigned(back),
        Every::Week => last.first.saturating_sub_unsigned(back.saturating_mul(7)),
        Every::Month => {
            let first = date_of(last.first).checked_sub_months(Months::new(back));
            day_of(first.unwrap_or(NaiveDate::MIN + Days::new(1)))
        }
    }
}

/// On how many days a bucket must have matched rows to be closed.
pub(super) fn needed(config: &BucketConfig, span: Span) -> u32 {
    let configured = config.complete.map(|complete| complete.approximate().num_days());
    configured.and_then(|days| u32::try_from(days).ok()).unwrap_or(span.days()).clamp(1, span.days())
}

/// A bucket in time.
pub(super) fn in_time(config: &BucketConfig, span: Span) -> Bucket {
    Bucket { start: config.timezone.start_of(span.first), end: config.timezone.start_of(span.end) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Day;

    fn day(text: &str) -> i32 {
        day_of(text.parse().unwrap())
    }

    fn config(every: Every, starts: Day) -> BucketConfig {
        BucketConfig { every, starts, timezone: "America/New_York".parse().unwrap(), complete: None }
    }

    #[test]
    fn weeks_start_where_they_are_told_to() {
        // 2026-11-19 is a Thursday.
        let monday = span_of(&config(Every::Week, Day::Monday), day("2026-11-19"));
        assert_eq!((monday.first, monday.end), (day("2026-11-16"), day("2026-11-23")));
        let sunday = span_of(&config(Every::Week, Day::Sunday), day("2026-11-15"));
        assert_eq!((sunday.first, sunday.days()), (day("2026-11-15"), 7));
        let saturday = span_of(&config(Every::Week, Day::Sunday), day("2026-11-14"));
        assert_eq!(saturday.first, day("2026-11-08"));
    }

    #[test]
    fn months_are_as_long_as_they_are() {
        let february = span_of(&config(Every::Month, Day::Monday), day("2028-02-29"));
        assert_eq!((february.first, february.days()), (day("2028-02-01"), 29));
        let config = config(Every::Month, Day::Monday);
        assert_eq!(window_start(&config, february, 13), day("2027-02-01"));
    }

    #[test]
    fn windows_count_buckets_with_the_last() {
        let config = config(Every::Week, Day::Monday);
        let last = span_of(&config, day("2026-11-15"));
        assert_eq!(window_start(&config, last, 13), day("2026-08-17"));
        assert_eq!(window_start(&config, last, 1), last.first);
    }

    #[test]
    fn buckets_end_at_midnight_of_their_zone() {
        let config = config(Every::Week, Day::Monday);
        let bucket = in_time(&config, span_of(&config, day("2026-11-01")));
        // Clocks went back on the Sunday: an hour more than seven days.
        assert_eq!(bucket.start.to_rfc3339(), "2026-10-26T04:00:00+00:00");
        assert_eq!(bucket.end.to_rfc3339(), "2026-11-02T05:00:00+00:00");
    }
}
