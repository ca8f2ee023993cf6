//! Dates and times as people and programs write them, brought down to a calendar day.

use chrono::{DateTime, NaiveDate, Offset as _, TimeZone as _};
use chrono_tz::Tz;

use super::batch::NO_DAY;
use crate::probe::zone::day_of;

const SECONDS_OF_DAY: i64 = 86_400;

/// The day of `2026-11-17`, of a date and time without an offset, or of an RFC 3339 instant in `zone`.
pub(super) fn parse(text: &[u8], zone: &mut ZonedDays) -> Option<i32> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let date = text.get(..10)?;
    let rest = text.get(10..)?;
    if rest.is_empty() {
        return parse_date(date);
    }
    let time = rest.strip_prefix(['T', 't', ' '])?;
    let normal = format!("{date}T{time}");
    if let Ok(local) = chrono::NaiveDateTime::parse_from_str(&normal, "%Y-%m-%dT%H:%M:%S%.f") {
        return Some(day_of(local.date()));
    }
    if chrono::NaiveDateTime::parse_from_str(&normal, "%Y-%m-%dT%H:%M").is_ok() {
        return parse_date(date);
    }
    let instant = DateTime::parse_from_rfc3339(&normal)
        .or_else(|_| DateTime::parse_from_str(&normal, "%Y-%m-%dT%H:%M:%S%.f%#z"))
        .ok()?;
    Some(zone.day(instant.timestamp()))
}

fn parse_date(text: &str) -> Option<i32> {
    let bytes: &[u8; 10] = text.as_bytes().try_into().ok()?;
    let [a, b, c, d, b'-', e, f, b'-', g, h] = bytes else { return None };
    let number = |digits: &[u8]| {
        digits
            .iter()
            .try_fold(0_u32, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0')))
    };
    let year = i32::try_from(number(&[*a, *b, *c, *d])?).ok()?;
    NaiveDate::from_ymd_opt(year, number(&[*e, *f])?, number(&[*g, *h])?).map(day_of)
}

/// Days of instants in one zone. Offsets are remembered by quarter of an hour, in which no zone changes twice.
#[derive(Debug)]
pub(super) struct ZonedDays {
    zone: Tz,
    offsets: Vec<(i64, i64)>,
}

const REMEMBERED: usize = 1024;
const QUARTER: i64 = 900;

impl ZonedDays {
    pub(super) fn new(zone: Tz) -> Self {
        Self { zone, offsets: Vec::new() }
    }

    /// The calendar day of an instant (seconds from 1970-01-01T00:00:00Z).
    pub(super) fn day(&mut self, seconds: i64) -> i32 {
        if self.zone == Tz::UTC {
            return whole_day(seconds);
        }
        if self.offsets.is_empty() {
            self.offsets.resize(REMEMBERED, (i64::MIN, 0));
        }
        let quarter = seconds.div_euclid(QUARTER);
        let slot = quarter.rem_euclid(REMEMBERED as i64) as usize;
        if let Some((known, offset)) = self.offsets.get(slot)
            && *known == quarter
        {
            return whole_day(seconds.saturating_add(*offset));
        }
        let offset = DateTime::from_timestamp(seconds, 0)
            .map_or(0, |at| self.zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc());
        if let Some(entry) = self.offsets.get_mut(slot) {
            *entry = (quarter, i64::from(offset));
        }
        whole_day(seconds.saturating_add(i64::from(offset)))
    }
}

/// The day of a time on a clock without offset; beyond the calendar there is none.
pub(super) fn whole_day(seconds: i64) -> i32 {
    let day = i32::try_from(seconds.div_euclid(SECONDS_OF_DAY)).unwrap_or(NO_DAY);
    in_calendar(day)
}

/// 0001-01-01 and 9999-12-31: what lies beyond is a sentinel or damage.
const CALENDAR: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;

/// A day as it is stored in a file; beyond the calendar there is none.
pub(super) fn in_calendar(day: i32) -> i32 {
    if CALENDAR.contains(&day) { day } else { NO_DAY }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::zone::date_of;

    fn read(text: &str, zone: Tz) -> Option<String> {
        parse(text.as_bytes(), &mut ZonedDays::new(zone)).map(|day| date_of(day).to_string())
    }

    #[test]
    fn reads_dates_as_they_are_written() {
        let new_york = Tz::America__New_York;
        for text in [
            "2026-11-17",
            " 2026-11-17 ",
            "2026-11-17 00:00:00",
            "2026-11-17T23:59:59.999",
            "2026-11-17T10:00",
        ] {
            assert_eq!(read(text, new_york).as_deref(), Some("2026-11-17"), "{text}");
        }
        for text in ["2026-11-17T03:00:00Z", "2026-11-17 03:00:00+00:00", "2026-11-17T04:00:00+0100"] {
            assert_eq!(read(text, new_york).as_deref(), Some("2026-11-16"), "{text}");
            assert_eq!(read(text, Tz::UTC).as_deref(), Some("2026-11-17"), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_date() {
        for text in [
            "",
            "2026-13-01",
            "2026-02-30",
            "17.11.2026",
            "20261117",
            "2026-11-17x",
            "2026-11-17Tnoon",
            "ä026-11-17",
        ] {
            assert_eq!(read(text, Tz::UTC), None, "{text}");
        }
    }

    #[test]
    fn remembered_offsets_change_with_the_clocks() {
        let mut days = ZonedDays::new(Tz::America__New_York);
        // 2026-11-01: clocks go back at 06:00 UTC. 04:30 UTC is 00:30 EDT; next day 04:30 UTC is 23:30 EST.
        let at = |text: &str| crate::base::clock::parse_instant(text).unwrap().timestamp();
        assert_eq!(date_of(days.day(at("2026-11-01T04:30:00Z"))).to_string(), "2026-11-01");
        assert_eq!(date_of(days.day(at("2026-11-02T04:30:00Z"))).to_string(), "2026-11-01");
        assert_eq!(date_of(days.day(at("1969-12-31T12:00:00Z"))).to_string(), "1969-12-31");
    }

    #[test]
    fn the_calendar_ends() {
        assert_eq!(whole_day(i64::MAX), NO_DAY);
        assert_eq!(in_calendar(i32::MAX), NO_DAY);
        assert_eq!(in_calendar(20_000), 20_000);
        assert_eq!(date_of(*CALENDAR.start()).to_string(), "0001-01-01");
        assert_eq!(date_of(*CALENDAR.end()).to_string(), "9999-12-31");
    }
}
