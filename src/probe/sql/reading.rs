//! From the rows of a query to samples.

use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

use super::cell::Cell;
use super::{MOST_ROWS, NewestRead, RowsRead, SqlConfig, SqlRead, Table};
use crate::base::Unit;
use crate::base::clock::{Elapsed, format_instant};
use crate::probe::server::{add, quoted};
use crate::probe::{Outcome, Request, VersionSource, file};
use crate::store::{Measurement, Sample};

/// What a query found, as samples; or why nothing can be said at all.
pub(super) fn read(
    name: &str,
    config: &SqlConfig,
    request: &Request<'_>,
    table: &Table,
) -> Result<Outcome, String> {
    let (metric, unit) = config.metric(name);
    let mut outcome = Outcome::new(name);
    outcome.version_source = Some(VersionSource::Adopted);
    match &config.read {
        SqlRead::Scalar(_) | SqlRead::Count(_) => {
            let value = only(table)?.number(unit)?;
            outcome
                .fact("rows", if matches!(config.read, SqlRead::Count(_)) { value } else { 1.0 }.to_string());
            let mut sample = request.sample(name, &metric, value, unit);
            sample.rows = 1;
            add(&mut outcome, sample);
        }
        SqlRead::Newest(read) => {
            let sample = newest(name, &metric, read, request, table, &mut outcome)?;
            add(&mut outcome, sample);
        }
        SqlRead::Rows(read) => {
            let samples = Rows { name, metric: &metric, unit, read, request, table }.samples(&mut outcome)?;
            samples.into_iter().for_each(|sample| add(&mut outcome, sample));
        }
    }
    Ok(outcome)
}

/// The one value of the one row.
fn only(table: &Table) -> Result<&Cell, String> {
    match (table.columns.len(), table.rows.as_slice()) {
        (1, [row]) => row.first().ok_or_else(|| "the row is empty".to_owned()),
        (1, []) => Err("the query found no row".to_owned()),
        (1, rows) => Err(format!("the query found {} where one is expected", counted(rows.len()))),
        (columns, _) => Err(format!("the query has {columns} columns where one is expected")),
    }
}

fn counted(rows: usize) -> String {
    if rows > MOST_ROWS { format!("more than {MOST_ROWS} rows") } else { format!("{rows} rows") }
}

fn newest(
    name: &str,
    metric: &str,
    read: &NewestRead,
    request: &Request<'_>,
    table: &Table,
    outcome: &mut Outcome,
) -> Result<Sample, String> {
    let cell = only(table)?;
    if *cell == Cell::Null {
        return Err("the query found no time (NULL)".to_owned());
    }
    let at = cell.instant(read.timezone.unwrap_or_default())?;
    outcome.fact("newest", format_instant(at));
    let mut sample = match file::age(at, request.now) {
        Ok(days) => request.sample(name, metric, days, Unit::Days),
        Err(why) => request.undecided(name, metric, Unit::Days, why),
    };
    sample.rows = 1;
    Ok(sample)
}

/// Rows that become samples.
struct Rows<'a> {
    name: &'a str,
    metric: &'a str,
    unit: Unit,
    read: &'a RowsRead,
    request: &'a Request<'a>,
    table: &'a Table,
}

impl Rows<'_> {
    fn samples(&self, outcome: &mut Outcome) -> Result<Vec<Sample>, String> {
        let rows = &self.table.rows;
        if self.read.max_age.is_some() && self.read.time.is_none() {
            return Err("`max_age` needs `time`: the column with the time of a row".to_owned());
        }
        if rows.is_empty() {
            return Err("the query found no row".to_owned());
        }
        if rows.len() > MOST_ROWS || (self.read.labels.is_empty() && rows.len() > 1) {
            let most =
                if self.read.labels.is_empty() { "one is".to_owned() } else { format!("{MOST_ROWS} are") };
            return Err(format!("the query found {} where {most} expected", counted(rows.len())));
        }
        outcome.fact("rows", rows.len().to_string());
        if self.read.version.is_some() {
            outcome.version_source = Some(VersionSource::Column);
        }
        let mut seen = BTreeSet::new();
        let mut samples = Vec::new();
        for row in rows {
            let labels = self.labels(row)?;
            if !seen.insert(labels.clone()) {
                return Err(format!("several rows have the same {}", self.read.labels.join(", ")));
            }
            samples.push(self.sample(row, labels, outcome)?);
        }
        if let Some(newest) =
            samples.iter().map(|sample| sample.event_time).max().filter(|_| self.read.time.is_some())
        {
            outcome.fact("newest", format_instant(newest));
        }
        Ok(samples)
    }

    fn column<'row>(&self, row: &'row [Cell], column: &str) -> Result<&'row Cell, String> {
        let mut places = self.table.columns.iter().enumerate().filter(|(_, name)| *name == column);
        let missing = || {
            let there: Vec<_> = self.table.columns.iter().map(|name| quoted(name)).collect();
            format!("the query has no column {}; it has {}", quoted(column), there.join(", "))
        };
        let (at, _) = places.next().ok_or_else(missing)?;
        row.get(at).ok_or_else(missing)
    }

    fn labels(&self, row: &[Cell]) -> Result<BTreeMap<String, String>, String> {
        let label = |column: &String| Ok((column.clone(), self.column(row, column)?.label(column)?));
        self.read.labels.iter().map(label).collect()
    }

    fn sample(
        &self,
        row: &[Cell],
        labels: BTreeMap<String, String>,
        outcome: &mut Outcome,
    ) -> Result<Sample, String> {
        let value = self.column(row, &self.read.value)?;
        let at = match &self.read.time {
            Some(column) => Some(self.column(row, column)?.instant(self.read.timezone.unwrap_or_default())),
            None => None,
        };
        let judged = at.clone().transpose().and_then(|at| {
            at.map_or(Ok(()), |at| self.fresh(at))?;
            value.number(self.unit)
        });
        let mut sample = match judged {
            Ok(value) => self.request.sample(self.name, self.metric, value, self.unit),
            Err(why) => self.request.undecided(self.name, self.metric, self.unit, why),
        };
        if let Some(Ok(at)) = at {
            sample.event_time = at.min(self.request.now);
        }
        if let Some(column) = &self.read.version {
            let label = self.column(row, column)?.label(column).unwrap_or_default();
            sample.version = self.request.versions.named(&label).cloned();
            if sample.version.is_none() {
                let why =
                    format!("{} names {}, which is no version known here", quoted(column), quoted(&label));
                if self.request.versions.knows_any() {
                    sample.measurement = Measurement::Undecided(why.into());
                } else {
                    outcome.problem(Some(self.metric), why);
                }
            }
        }
        sample.labels = labels;
        sample.rows = 1;
        Ok(sample)
    }

    /// Whether a row of that instant counts now.
    fn fresh(&self, at: DateTime<Utc>) -> Result<(), String> {
        let now = self.request.now;
        file::age(at, now)?;
        match self.read.max_age {
            Some(limit) if limit.after(at) < now => Err(format!(
                "as of {} it is {} old; {limit} is allowed",
                format_instant(at),
                Elapsed(now - at)
            )),
            _ => Ok(()),
        }
    }
}
