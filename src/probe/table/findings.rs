//! What a `table` probe says after its pass.

use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

use super::count::Tally;
use super::reading::TableReading;
use super::{TableConfig, metrics, named};
use crate::base::{Digest, Unit};
use crate::probe::dataset::{Kind, Pass, Want};
use crate::probe::scan::Input;
use crate::probe::zone::date_of;
use crate::probe::{Outcome, Request, VersionSource};
use crate::store::{Measurement, Sample};

/// How many items of a kind are named in a fact.
const NAMED: usize = 12;

pub(super) fn outcome(reading: &TableReading<'_>, input: Option<&Input>) -> Outcome {
    let mut outcome = Outcome::new(reading.name);
    outcome.version_source = Some(VersionSource::Adopted);
    match input {
        Some(Input::Read(pass)) => Findings { reading, pass, outcome: &mut outcome }.all(),
        Some(Input::Absent(reason)) => {
            all_undecided(reading, reason, &mut outcome);
            if let Some(exists) = outcome.samples.first_mut() {
                exists.measurement = Measurement::Value(0.0);
            }
        }
        Some(other) => all_undecided(reading, other.reason().unwrap_or("not read"), &mut outcome),
        None => all_undecided(reading, "not read", &mut outcome),
    }
    outcome
}

fn all_undecided(reading: &TableReading<'_>, reason: &str, outcome: &mut Outcome) {
    for (metric, unit) in metrics(reading.name, reading.config) {
        outcome.samples.push(reading.request.undecided(reading.name, &metric, unit, reason));
    }
    outcome.problem(None, reason);
}

/// The rows of one version, or of none that is known.
struct Owned {
    version: Option<Digest>,
    tally: Tally,
}

struct Findings<'r> {
    reading: &'r TableReading<'r>,
    pass: &'r Pass,
    outcome: &'r mut Outcome,
}

impl Findings<'_> {
    fn all(&mut self) {
        let (config, name) = (self.reading.config, self.reading.name);
        self.facts();
        self.sample(&TableConfig::exists_metric(name), Unit::Flag, Ok(1.0), self.request().now);
        let owned = self.owned();
        self.rows(&owned);
        let minimum = config.minimum();
        if self.pass.rows < minimum {
            let reason = match self.pass.rows {
                0 => "there are no rows".to_owned(),
                rows => format!("{rows} rows, fewer than the {minimum} that are needed"),
            };
            return self.rest_undecided(&reason);
        }
        if let Some(nulls) = &config.nulls {
            let metric = named(nulls.metric.as_ref(), name, "nulls");
            self.by_version(&metric, &owned, &|tally| Ok(tally.nulls));
        }
        for (place, metric) in self.reading.range_metrics.iter().enumerate() {
            self.by_version(metric, &owned, &|tally| out_of_range(tally, place));
        }
        self.freshness();
        self.coverage();
    }

    fn request(&self) -> &Request<'_> {
        self.reading.request
    }

    /// Adds a sample of the served version, or why there is none.
    fn sample(&mut self, metric: &str, unit: Unit, value: Result<f64, String>, at: DateTime<Utc>) {
        let sample = self.make(metric, unit, value, at);
        self.outcome.samples.push(sample);
    }

    fn make(&mut self, metric: &str, unit: Unit, value: Result<f64, String>, at: DateTime<Utc>) -> Sample {
        let (request, name) = (self.reading.request, self.reading.name);
        let mut sample = match value {
            Ok(value) => request.sample(name, metric, value, unit),
            Err(reason) => {
                self.outcome.problem(Some(metric), reason.clone());
                request.undecided(name, metric, unit, reason)
            }
        };
        sample.event_time = at;
        sample.rows = self.pass.rows;
        sample.input = Some(self.pass.digest.clone());
        sample
    }

    fn rest_undecided(&mut self, reason: &str) {
        let all = metrics(self.reading.name, self.reading.config);
        for (metric, unit) in all {
            if !self.outcome.samples.iter().any(|sample| sample.metric == metric) {
                self.sample(&metric, unit, Err(reason.to_owned()), self.request().now);
            }
        }
    }

    /// When what the rows say was true: the newest row's day, if days are looked at at all.
    fn row_time(&self) -> DateTime<Utc> {
        let newest = self.reading.days.as_ref().and_then(|days| days.newest);
        let now = self.request().now;
        newest.map_or(now, |day| self.reading.config.timezone.start_of(day).min(now))
    }

    /// The tallies by version. Labels of one version are added up; those of no known version stand apart.
    fn owned(&mut self) -> Vec<Owned> {
        let served = self.request().versions.served.clone();
        let tallies = &self.reading.counts.tallies;
        let whole = |version| {
            let mut sum = Tally::default();
            tallies.iter().for_each(|(_, tally)| sum.add(tally));
            vec![Owned { version, tally: sum }]
        };
        if self.version_objection().is_some() || !self.splits() {
            return whole(served);
        }
        self.outcome.version_source = Some(VersionSource::Column);
        let mut known: BTreeMap<Digest, Tally> = BTreeMap::new();
        let mut unknown = (Tally::default(), Vec::new());
        let mut shares = Vec::new();
        for (label, tally) in tallies.iter().filter(|(_, tally)| tally.rows > 0) {
            let text = label.as_ref().map(|label| String::from_utf8_lossy(label).into_owned());
            let version = text.as_deref().and_then(|text| self.request().versions.named(text));
            match version {
                Some(version) => {
                    known.entry(version.clone()).or_default().add(tally);
                }
                None => {
                    unknown.0.add(tally);
                    unknown.1.push(text.unwrap_or_else(|| "no version".to_owned()));
                }
            }
        }
        for (version, tally) in &known {
            let serves = if Some(version) == served.as_ref() { ", serves" } else { "" };
            shares.push(format!("{} {} rows{serves}", version.short(), tally.rows));
        }
        if unknown.0.rows > 0 {
            let labels: Vec<String> = unknown.1.iter().take(NAMED).map(|label| shorten(label)).collect();
            shares.push(format!("unknown {} rows", unknown.0.rows));
            let reason = format!(
                "{} rows come from versions that are not known: {}",
                unknown.0.rows,
                labels.join(", ")
            );
            self.outcome.problem(None, reason);
        }
        self.outcome.fact("versions", shares.join("; "));
        known.into_iter().map(|(version, tally)| Owned { version: Some(version), tally }).collect()
    }

    /// Whether rows are told apart by version. Where no version is known at all, there is nothing to tell apart.
    fn splits(&mut self) -> bool {
        if self.reading.config.version_column.is_none() || self.pass.rows == 0 {
            return false;
        }
        let versions = self.request().versions;
        if versions.names.is_empty() && versions.served.is_none() {
            self.outcome.problem(None, "no version is known: the version column is not used");
            return false;
        }
        true
    }

    /// Why the version column cannot be used.
    fn version_objection(&self) -> Option<String> {
        let column = self.reading.config.version_column.as_ref()?;
        let objection = self.pass.objection(&Want::new(column, Kind::Text));
        let many = || format!("`{column}` has so many different values that they cannot be versions");
        objection.or_else(|| self.reading.counts.too_many.then(many))
    }

    fn rows(&mut self, owned: &[Owned]) {
        let metric = self.reading.config.rows_metric(self.reading.name);
        if self.pass.rows == 0 {
            return self.sample(&metric, Unit::Count, Ok(0.0), self.request().now);
        }
        self.by_version(&metric, owned, &|tally| Ok(tally.rows));
    }

    fn by_version(&mut self, metric: &str, owned: &[Owned], figure: &dyn Fn(&Tally) -> Result<u64, String>) {
        let at = self.row_time();
        if let Some(objection) = self.version_objection().or_else(|| self.objection_to(metric)) {
            return self.sample(metric, Unit::Count, Err(objection), at);
        }
        for Owned { version, tally } in owned {
            let mut sample = self.make(metric, Unit::Count, figure(tally).map(|count| count as f64), at);
            sample.version.clone_from(version);
            sample.rows = tally.rows;
            self.outcome.samples.push(sample);
        }
    }

    /// Why a metric of nulls or ranges cannot be decided: a column is not there, or cannot be read.
    fn objection_to(&self, metric: &str) -> Option<String> {
        let mut objections = self.reading.objections.iter();
        if let Some((_, reason)) = objections.find(|(other, _)| other == metric) {
            return Some(reason.clone());
        }
        let place = self.reading.range_metrics.iter().position(|other| other == metric)?;
        let mut columns = self.reading.counts.bounded.iter().filter(|bounded| bounded.metric == place);
        columns.find_map(|bounded| self.pass.objection(&Want::new(&bounded.column, Kind::Number)))
    }

    fn freshness(&mut self) {
        let Some(freshness) = &self.reading.config.freshness else { return };
        let metric = named(freshness.metric.as_ref(), self.reading.name, "age");
        let zone = self.reading.config.timezone;
        let objection = self.pass.objection(&Want::new(&freshness.column, Kind::Day(zone.0)));
        let newest = self.reading.days.as_ref().and_then(|days| days.newest);
        let value = match (objection, newest) {
            (Some(objection), _) => Err(objection),
            (None, None) => Err(format!("`{}` has no date in any row", freshness.column)),
            (None, Some(newest)) if newest > self.reading.today => Err(format!(
                "the newest date is {}, after today, {}",
                date_of(newest),
                date_of(self.reading.today)
            )),
            (None, Some(newest)) => Ok(f64::from(self.reading.today) - f64::from(newest)),
        };
        self.sample(&metric, Unit::Days, value, self.request().now);
    }

    fn coverage(&mut self) {
        let (Some(check), Some(coverage)) = (&self.reading.config.coverage, &self.reading.coverage) else {
            return;
        };
        let name = self.reading.name;
        let missing = named(check.metric.as_ref(), name, "missing");
        let sparse = named(check.sparse_metric.as_ref(), name, "sparse");
        let undated = (check.within.is_some() && check.date.is_none())
            .then(|| "`within` needs `date`, the column with the date of a row".to_owned());
        let objection =
            undated.or_else(|| coverage.wants().iter().find_map(|want| self.pass.objection(want)));
        let absent = coverage.counts.iter().filter(|rows| **rows == 0).count() as f64;
        let few = |rows: u64| rows > 0 && rows < check.sparse_below;
        let thin = coverage.counts.iter().filter(|rows| few(**rows)).count() as f64;
        let now = self.request().now;
        for (metric, value) in [(missing, absent), (sparse, thin)] {
            let value = objection.clone().map_or(Ok(value), Err);
            self.sample(&metric, Unit::Count, value, now);
        }
        let groups = check.groups.iter().zip(&coverage.counts).map(|(group, rows)| match *rows {
            0 => format!("{group} missing"),
            rows if few(rows) => format!("{group} {rows} (sparse)"),
            rows => format!("{group} {rows}"),
        });
        let groups: Vec<String> = groups.collect();
        self.outcome.fact("groups", groups.join(", "));
        for (rows, what) in [
            (coverage.others, "rows are of groups that are not expected"),
            (coverage.future, "rows are dated after today and do not count"),
            (coverage.unplaced, "rows have no group, or no date"),
        ] {
            if rows > 0 {
                self.outcome.fact("also", format!("{rows} {what}"));
            }
        }
    }

    fn facts(&mut self) {
        let (reading, pass) = (self.reading, self.pass);
        self.outcome.fact("file", format!("{} ({})", reading.config.file.display(), pass.format.as_str()));
        self.outcome.fact("rows", pass.rows.to_string());
        if let Some(days) = &reading.days {
            if let (Some(oldest), Some(newest)) = (days.oldest, days.newest) {
                self.outcome.fact("dates", format!("{} to {}", date_of(oldest), date_of(newest)));
            }
            if days.missing > 0 {
                self.outcome.fact("rows without a date", days.missing.to_string());
            }
        }
        let nulls = reading.counts.nulls.iter().filter(|(_, count)| *count > 0);
        let nulls: Vec<String> =
            nulls.take(NAMED).map(|(column, count)| format!("{column} {count}")).collect();
        if !nulls.is_empty() {
            self.outcome.fact("nulls", nulls.join(", "));
        }
        for bounded in &reading.counts.bounded {
            if let Some((least, greatest)) = bounded.worst {
                let values =
                    if least == greatest { least.to_string() } else { format!("{least} to {greatest}") };
                self.outcome.fact("out of range", format!("{}: {values}", bounded.column));
            }
        }
        self.outcome.fact("input", pass.digest.to_string());
    }
}

fn out_of_range(tally: &Tally, place: usize) -> Result<u64, String> {
    let (rows, missing) = tally.ranges.get(place).copied().unwrap_or_default();
    // Bad rows are bad whatever the missing values would have been; good ones are not known to be all.
    if rows == 0 && missing > 0 {
        return Err(format!("{missing} values are missing and could be anything"));
    }
    Ok(rows)
}

fn shorten(label: &str) -> String {
    match label.char_indices().nth(12) {
        Some((end, _)) => format!("{}…", label.get(..end).unwrap_or_default()),
        None => label.to_owned(),
    }
}
