//! Maintenance windows: when a service is worked on. What happens then is measured and recorded as ever, and what harms
//! is stopped as ever; but nobody is called, and nothing is rolled back by itself, unless the window says so.

use chrono::{
    DateTime, Datelike as _, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _, Utc, Weekday,
};
use chrono_tz::Tz;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use super::diagnostic::code;
use super::finding::Finding;
use super::kind::Kind;
use super::{ServiceConfig, Workspace};
use crate::base::{Day, Error, ErrorCode, Result, Untrusted};

/// A maintenance window.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceConfig {
    /// Why; it is shown wherever the service is.
    pub reason: Untrusted,
    /// When: `{once: {from: …, to: …}}`, or `{weekly: {days: […], from: …, to: …}}`.
    pub window: WindowConfig,
    /// The time zone of its times; UTC where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "timezone"))]
    pub timezone: Option<String>,
    /// The services that it is for, in `config/irctl.yaml`; all where it is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Whether people are told of incidents all the same. Otherwise they are told when it is over, of what still is open.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub notices: bool,
    /// Whether policies roll back by themselves all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic_rollback: bool,
}

/// When a window is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WindowConfig {
    /// Once, from one time to another.
    Once(OnceConfig),
    /// Every week.
    Weekly(WeeklyConfig),
}

/// A window that comes once.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnceConfig {
    /// When it begins.
    pub from: LocalTime,
    /// When it is over.
    pub to: LocalTime,
}

/// A window that comes every week.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeeklyConfig {
    /// The days on which it begins.
    #[schemars(length(min = 1))]
    pub days: Vec<Day>,
    /// When it begins.
    pub from: TimeOfDay,
    /// When it is over; on the next day where that is not after `from`.
    pub to: TimeOfDay,
}

macro_rules! text_time {
    ($(#[$doc:meta])* $name:ident($inner:ty), $format:literal, $patterns:expr, $show:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub $inner);

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                let patterns: &[&str] = $patterns;
                let read = |pattern: &&str| <$inner>::parse_from_str(text.trim(), pattern).ok();
                patterns.iter().find_map(read).map(Self).ok_or_else(|| {
                    let message = format!("`{}` is not a time", text.escape_debug());
                    Error::new(ErrorCode::InvalidData, message).hint(concat!("write it like ", $example))
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0.format($show))
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(time: $name) -> Self {
                time.to_string()
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "format": $format,
                    "description": concat!("A time of the window's time zone, like ", $example, "."),
                    "examples": [$example]
                })
            }
        }
    };
}

text_time!(
    /// A date and a time of day in a zone that is named elsewhere.
    LocalTime(NaiveDateTime),
    "local-time",
    &["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"],
    "%Y-%m-%dT%H:%M",
    "2026-11-21T22:00"
);

text_time!(
    /// A time of day in a zone that is named elsewhere.
    TimeOfDay(NaiveTime),
    "time-of-day",
    &["%H:%M"],
    "%H:%M",
    "02:30"
);

/// A window that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Maintenance {
    /// Why.
    pub reason: Untrusted,
    /// Since when (UTC).
    pub since: DateTime<Utc>,
    /// Until when (UTC).
    pub until: DateTime<Utc>,
    /// Whether people are told of incidents all the same.
    pub notices: bool,
    /// Whether policies roll back by themselves all the same.
    pub automatic_rollback: bool,
}

/// A service in maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct InMaintenance {
    /// The service.
    pub service: String,
    /// Its window.
    pub maintenance: Maintenance,
}

/// Every service that is in maintenance now.
pub fn all(workspace: &Workspace, now: DateTime<Utc>) -> Vec<InMaintenance> {
    let named = |service: &ServiceConfig| {
        let maintenance = active(workspace, service, now)?;
        Some(InMaintenance { service: service.service.clone(), maintenance })
    };
    workspace.services.values().filter_map(named).collect()
}

/// The window that a service is in now. Of several at once it is the one that ends last, and each may forbid.
pub fn active(workspace: &Workspace, service: &ServiceConfig, now: DateTime<Utc>) -> Option<Maintenance> {
    let shared = workspace.settings.maintenance.iter();
    let shared = shared.filter(|one| one.services.is_empty() || one.services.contains(&service.service));
    let open: Vec<Maintenance> = shared.chain(&service.maintenance).filter_map(|one| one.at(now)).collect();
    let notices = open.iter().all(|one| one.notices);
    let automatic_rollback = open.iter().all(|one| one.automatic_rollback);
    let last = open.into_iter().max_by_key(|one| one.until)?;
    Some(Maintenance { notices, automatic_rollback, ..last })
}

impl MaintenanceConfig {
    /// The window, if it is open at this instant. Its beginning belongs to it, its end does not.
    fn at(&self, now: DateTime<Utc>) -> Option<Maintenance> {
        let zone = self.timezone.as_deref().and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC);
        let (since, until) = match &self.window {
            WindowConfig::Once(once) => (begin(zone, once.from.0), end(zone, once.to.0)),
            WindowConfig::Weekly(weekly) => weekly.around(zone, now)?,
        };
        (since <= now && now < until).then(|| Maintenance {
            reason: self.reason.clone(),
            since,
            until,
            notices: self.notices,
            automatic_rollback: self.automatic_rollback,
        })
    }
}

impl WeeklyConfig {
    /// The occurrence that holds an instant.
    fn around(&self, zone: Tz, now: DateTime<Utc>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let today = now.with_timezone(&zone).date_naive();
        // One that began yesterday may go on today.
        let days = [today.checked_sub_days(Days::new(1)), Some(today)];
        let of = |day: NaiveDate| {
            let last = if self.to > self.from { day } else { day.checked_add_days(Days::new(1))? };
            Some((begin(zone, day.and_time(self.from.0)), end(zone, last.and_time(self.to.0))))
        };
        days.into_iter()
            .flatten()
            .filter(|day| self.days.iter().any(|one| Weekday::from(*one) == day.weekday()))
            .filter_map(of)
            .find(|(since, until)| *since <= now && now < *until)
    }
}

/// A local time as an instant: of two the first, and where the clocks skip it, the first there is after it.
fn begin(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    instant(zone, local, |found| found.earliest())
}

/// The same for an end: of two the second.
fn end(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    instant(zone, local, |found| found.latest())
}

fn instant(
    zone: Tz,
    local: NaiveDateTime,
    pick: impl Fn(chrono::LocalResult<DateTime<Tz>>) -> Option<DateTime<Tz>>,
) -> DateTime<Utc> {
    let later = |quarters: i64| local.checked_add_signed(chrono::TimeDelta::minutes(15 * quarters));
    let found = (0..=16).filter_map(later).find_map(|local| pick(zone.from_local_datetime(&local)));
    found.map_or_else(|| local.and_utc(), |found| found.with_timezone(&Utc))
}

/// Windows that can never be open, and services named where only one can be meant.
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let shared = workspace.settings.maintenance.iter().enumerate();
    let mut found: Vec<Finding> =
        shared.flat_map(|(at, one)| faults(one, Kind::Irctl, "", &format!("/maintenance/{at}"))).collect();
    for (name, service) in &workspace.services {
        for (at, one) in service.maintenance.iter().enumerate() {
            let pointer = format!("/maintenance/{at}");
            found.extend(faults(one, Kind::Service, name, &pointer));
            if !one.services.is_empty() {
                let text = "a service's own window is for that service alone";
                let pointer = format!("{pointer}/services");
                let finding = Finding::error(Kind::Service, name, &pointer, code::INVALID_VALUE, text);
                found.push(
                    finding
                        .help(Some("leave `services` out, or put the window into config/irctl.yaml".into())),
                );
            }
        }
    }
    found
}

fn faults(config: &MaintenanceConfig, kind: Kind, name: &str, pointer: &str) -> Vec<Finding> {
    let wrong = |place: &str, text: String, help: &str| {
        let pointer = format!("{pointer}/{place}");
        Finding::error(kind, name, &pointer, code::INVALID_VALUE, text).help(Some(help.to_owned()))
    };
    let mut found = Vec::new();
    match &config.window {
        WindowConfig::Once(once) if once.to <= once.from => {
            let text = format!("it is over at {}, before it begins at {}", once.to, once.from);
            found.push(wrong("window/once/to", text, "write an end that lies after the beginning"));
        }
        WindowConfig::Weekly(weekly) if weekly.to == weekly.from => {
            let text = "it begins and ends at the same time".to_owned();
            found.push(wrong(
                "window/weekly/to",
                text,
                "write another end; one before `from` is on the next day",
            ));
        }
        _ => {}
    }
    if config.reason.raw().trim().is_empty() {
        found.push(wrong("reason", "a window without a reason tells nobody anything".to_owned(), "say why"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::parse_instant;

    fn config(text: &str) -> MaintenanceConfig {
        let value: serde_json::Value = serde_yaml::from_str(&format!("reason: retraining\n{text}")).unwrap();
        serde_json::from_value(value).unwrap()
    }

    fn open(config: &MaintenanceConfig, at: &str) -> bool {
        config.at(parse_instant(at).unwrap()).is_some()
    }

    #[test]
    fn a_window_begins_and_ends_by_itself() {
        let once = config(
            "timezone: America/New_York\nwindow: {once: {from: 2026-11-20T22:00, to: 2026-11-21T02:00}}",
        );
        for (at, expected) in [
            ("2026-11-21T02:59:59Z", false),
            ("2026-11-21T03:00:00Z", true),
            ("2026-11-21T06:59:59Z", true),
            ("2026-11-21T07:00:00Z", false),
        ] {
            assert_eq!(open(&once, at), expected, "{at}");
        }
    }

    #[test]
    fn a_weekly_window_goes_over_midnight() {
        let weekly =
            config("timezone: Europe/Berlin\nwindow: {weekly: {days: [sunday], from: '23:00', to: '01:30'}}");
        // 2026-11-22 is a Sunday; Berlin is an hour ahead of UTC.
        for (at, expected) in [
            ("2026-11-22T21:59:00Z", false),
            ("2026-11-22T22:00:00Z", true),
            ("2026-11-23T00:29:00Z", true),
            ("2026-11-23T00:30:00Z", false),
            ("2026-11-23T22:30:00Z", false),
        ] {
            assert_eq!(open(&weekly, at), expected, "{at}");
        }
    }

    #[test]
    fn clocks_that_change_neither_lose_nor_shorten_a_window() {
        // On 2027-03-28 Berlin skips 02:00 to 03:00, on 2026-10-25 it has that hour twice.
        let night =
            config("timezone: Europe/Berlin\nwindow: {weekly: {days: [sunday], from: '02:30', to: '04:00'}}");
        assert!(open(&night, "2027-03-28T01:15:00Z") && !open(&night, "2027-03-28T00:59:00Z"));
        assert!(open(&night, "2026-10-25T00:30:00Z") && open(&night, "2026-10-25T02:59:00Z"));
        assert!(!open(&night, "2026-10-25T03:00:00Z"));
    }

    #[test]
    fn what_can_never_be_open_is_an_error() {
        let backwards = config("window: {once: {from: 2026-11-21T02:00, to: 2026-11-20T22:00}}");
        assert_eq!(faults(&backwards, Kind::Irctl, "", "/maintenance/0").len(), 1);
        assert!("25:00".parse::<TimeOfDay>().is_err());
        assert!("2026-11-21".parse::<LocalTime>().is_err());
    }
}
