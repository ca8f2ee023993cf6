//! Rows of a table: all of them, or those of a stretch of days.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use super::Outcome;
use super::dataset::{Batch, Kind, NO_DAY, Pass, Want};
use super::zone::{Zone, date_of, day_of};
use crate::base::Duration;

/// Rows of a file: CSV, Parquet or JSON lines; what it is, its bytes say. All of its rows, or those of some days.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// The file, relative to the workspace.
    pub file: PathBuf,
    /// The column with the date of a row. Rows without a date and rows dated after today then do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// The first day that counts. It needs `date`, as all limits do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<NaiveDate>,
    /// The last day that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<NaiveDate>,
    /// How many days back from today rows count, both ends included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Duration>,
    /// How many days back from today rows begin to count: what `within: 30 days` leaves out, `older_than: 30 days` takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_than: Option<Duration>,
}

impl SourceConfig {
    /// All rows of a file.
    pub fn all(file: PathBuf) -> Self {
        Self { file, date: None, from: None, until: None, within: None, older_than: None }
    }
}

/// Rows that count, while a file is read.
#[derive(Debug)]
pub(super) struct Window<'a> {
    pub(super) config: &'a SourceConfig,
    pub(super) zone: Tz,
    today: i32,
    /// The first and the last day that count.
    span: (i32, i32),
    /// Rows that count.
    pub(super) rows: u64,
    /// The oldest and the newest day among them.
    days: Option<(i32, i32)>,
    undated: u64,
    future: u64,
    keep: Vec<bool>,
}

impl<'a> Window<'a> {
    /// A window that has seen nothing yet.
    pub(super) fn new(config: &'a SourceConfig, zone: Zone, now: DateTime<Utc>) -> Self {
        let today = zone.day(now);
        let ago = |length: Duration| {
            today.saturating_sub(i32::try_from(length.approximate().num_days()).unwrap_or(i32::MAX))
        };
        let firsts = [config.from.map(day_of), config.within.map(ago)];
        let lasts = [config.until.map(day_of), config.older_than.map(|length| ago(length).saturating_sub(1))];
        let first = firsts.into_iter().flatten().max().unwrap_or(NO_DAY + 1);
        let last = lasts.into_iter().flatten().min().unwrap_or(today).min(today);
        Self {
            config,
            zone: zone.0,
            today,
            span: (first, last),
            rows: 0,
            days: None,
            undated: 0,
            future: 0,
            keep: Vec::new(),
        }
    }

    /// The dates, if they are looked at.
    pub(super) fn want(&self) -> Option<Want> {
        self.config.date.as_ref().map(|date| Want::new(date, Kind::Day(self.zone)))
    }

    /// Looks at some rows: those that count are marked in [`Window::kept`].
    pub(super) fn take(&mut self, batch: &Batch) {
        self.keep.clear();
        let days = self.config.date.as_ref().map(|date| batch.days(date, self.zone));
        let Some(days) = days else {
            self.keep.resize(batch.rows, true);
            self.rows += batch.rows as u64;
            return;
        };
        let Some(days) = days else {
            self.keep.resize(batch.rows, false);
            return;
        };
        let (first, last) = self.span;
        for day in days {
            let kept = *day != NO_DAY && (first..=last).contains(day);
            self.keep.push(kept);
            if kept {
                self.rows += 1;
                let (oldest, newest) = self.days.unwrap_or((*day, *day));
                self.days = Some((oldest.min(*day), newest.max(*day)));
            } else if *day == NO_DAY {
                self.undated += 1;
            } else if *day > self.today {
                self.future += 1;
            }
        }
    }

    /// Which of the rows of the batch that was taken last count.
    pub(super) fn kept(&self) -> &[bool] {
        &self.keep
    }

    /// Whether rows of both can be the same ones.
    pub(super) fn overlaps(&self, other: &Window<'_>) -> bool {
        let apart = self.span.1 < other.span.0 || other.span.1 < self.span.0;
        self.config.file == other.config.file && !(apart && self.config.date == other.config.date)
    }

    /// Why its rows say nothing.
    pub(super) fn objection(&self, pass: &Pass) -> Option<String> {
        let SourceConfig { from, until, within, older_than, .. } = self.config;
        let limited = from.is_some() || until.is_some() || within.is_some() || older_than.is_some();
        let file = self.config.file.display();
        if limited && self.config.date.is_none() {
            return Some(format!("{file}: days are limited and `date` does not say which column has them"));
        }
        if let Some(objection) = self.want().and_then(|want| pass.objection(&want)) {
            return Some(format!("{file}: {objection}"));
        }
        match (self.rows, pass.rows) {
            (0, 0) => Some(format!("{file} has no rows")),
            (0, rows) => Some(format!("none of the {rows} rows of {file} is of these days")),
            _ => None,
        }
    }

    /// Says what was looked at.
    pub(super) fn facts(&self, label: &str, pass: &Pass, outcome: &mut Outcome) {
        let rows = match (self.rows, pass.rows) {
            (used, all) if used == all => format!("{all} rows"),
            (used, all) => format!("{used} of {all} rows"),
        };
        let days = self.days.map(|(oldest, newest)| format!(", {} to {}", date_of(oldest), date_of(newest)));
        let file = self.config.file.display();
        let text = format!("{file} ({}), {rows}{}", pass.format.as_str(), days.unwrap_or_default());
        outcome.fact(label, text);
        for (count, what) in [(self.undated, "have no date"), (self.future, "are dated after today")] {
            if count > 0 {
                outcome.fact("also", format!("{count} rows of {file} {what} and do not count"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::parse_instant;

    fn source(yaml: &str) -> SourceConfig {
        serde_saphyr::from_str(yaml).unwrap()
    }

    fn span(config: &SourceConfig) -> (i32, i32) {
        let now = parse_instant("2026-11-20T03:00:00Z").unwrap();
        let (first, last) = Window::new(config, Zone::default(), now).span;
        let today = Zone::default().day(now);
        (first.saturating_sub(today).max(-1000), last - today)
    }

    #[test]
    fn days_are_limited_from_both_ends() {
        assert_eq!(span(&source("{file: a}")), (-1000, 0));
        assert_eq!(span(&source("{file: a, within: 30 days}")), (-30, 0));
        assert_eq!(span(&source("{file: a, older_than: 30 days}")), (-1000, -31));
        assert_eq!(span(&source("{file: a, within: 90 days, older_than: 30 days}")), (-90, -31));
        assert_eq!(span(&source("{file: a, from: 2026-11-01, until: 2026-11-10}")), (-19, -10));
        assert_eq!(span(&source("{file: a, until: 2027-01-01}")), (-1000, 0), "not after today");
    }

    #[test]
    fn windows_of_one_file_overlap_or_not() {
        let now = parse_instant("2026-11-20T03:00:00Z").unwrap();
        let overlap = |a: &str, b: &str| {
            let (a, b) = (source(a), source(b));
            Window::new(&a, Zone::default(), now).overlaps(&Window::new(&b, Zone::default(), now))
        };
        assert!(overlap("{file: a}", "{file: a}"));
        assert!(!overlap("{file: a}", "{file: b}"));
        assert!(!overlap("{file: a, date: d, older_than: 30 days}", "{file: a, date: d, within: 30 days}"));
        assert!(overlap("{file: a, date: d, within: 90 days}", "{file: a, date: d, within: 30 days}"));
        assert!(overlap("{file: a, date: d, older_than: 30 days}", "{file: a, date: e, within: 30 days}"));
    }
}
