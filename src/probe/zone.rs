//! Time zones by name, and the calendar days of instants in them.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeZone as _, Utc};
use chrono_tz::Tz;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

use crate::base::{Error, ErrorCode, Result};

/// The number of 1970-01-01 in the count of days that starts with the first day of year 1.
const EPOCH_FROM_YEAR_ONE: i32 = 719_163;

/// A time zone of the IANA database, `UTC` otherwise: it decides which calendar day an instant falls on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(pub Tz);

impl Zone {
    /// The calendar day of an instant here, counted from 1970-01-01.
    pub fn day(self, instant: DateTime<Utc>) -> i32 {
        day_of(instant.with_timezone(&self.0).date_naive())
    }

    /// The first instant of a calendar day here; where midnight is skipped, the first one after it.
    pub fn start_of(self, day: i32) -> DateTime<Utc> {
        let midnight = date_of(day).and_time(NaiveTime::MIN);
        (0..24)
            .filter_map(|quarters| midnight.checked_add_signed(chrono::TimeDelta::minutes(15 * quarters)))
            .find_map(|local| self.0.from_local_datetime(&local).earliest())
            .map_or_else(|| midnight.and_utc(), |local| local.with_timezone(&Utc))
    }
}

/// The day's number, counted from 1970-01-01.
pub fn day_of(date: NaiveDate) -> i32 {
    use chrono::Datelike as _;
    date.num_days_from_ce() - EPOCH_FROM_YEAR_ONE
}

/// The date of a day's number; beyond the calendar, its nearest end.
pub fn date_of(day: i32) -> NaiveDate {
    let epoch = DateTime::UNIX_EPOCH.date_naive();
    let distance = Days::new(u64::from(day.unsigned_abs()));
    if day < 0 {
        epoch.checked_sub_days(distance).unwrap_or(NaiveDate::MIN)
    } else {
        epoch.checked_add_days(distance).unwrap_or(NaiveDate::MAX)
    }
}

impl Default for Zone {
    fn default() -> Self {
        Zone(Tz::UTC)
    }
}

impl FromStr for Zone {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse().map(Zone).map_err(|_| {
            Error::new(ErrorCode::InvalidData, format!("`{}` is not a time zone", text.escape_debug()))
                .hint("write its name in the IANA database: UTC, America/New_York, Europe/Berlin")
        })
    }
}

impl TryFrom<String> for Zone {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.0.name().to_owned()
    }
}

impl JsonSchema for Zone {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Zone".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "timezone",
            "description": "A time zone of the IANA database.",
            "examples": ["UTC", "America/New_York"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::parse_instant;

    #[test]
    fn days_follow_the_zone() {
        let instant = parse_instant("2026-11-20T03:00:00Z").unwrap();
        let zone: Zone = "America/New_York".parse().unwrap();
        assert_eq!(date_of(zone.day(instant)).to_string(), "2026-11-19");
        assert_eq!(date_of(Zone::default().day(instant)).to_string(), "2026-11-20");
        assert_eq!(zone.start_of(zone.day(instant)), parse_instant("2026-11-19T05:00:00Z").unwrap());
    }

    #[test]
    fn a_skipped_midnight_starts_later() {
        // Clocks in Havana went from 00:00 to 01:00 on 2026-03-08.
        let zone: Zone = "America/Havana".parse().unwrap();
        let day = day_of(NaiveDate::from_ymd_opt(2026, 3, 8).unwrap());
        assert_eq!(zone.start_of(day), parse_instant("2026-03-08T05:00:00Z").unwrap());
    }

    #[test]
    fn unknown_zones_are_refused() {
        assert!("Mars/Olympus".parse::<Zone>().is_err());
    }
}
