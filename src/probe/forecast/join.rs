//! Predictions and actuals joined by day, by version, in buckets.

use std::collections::{BTreeMap, BTreeSet};

use super::ForecastConfig;
use super::bucket::{self, Span};
use super::figures::{Matched, Sums};
use super::reading::{Collected, Once, Prediction};
use crate::base::Digest;
use crate::base::digest::Hasher;
use crate::probe::dataset::NO_WORD;
use crate::probe::{Request, VersionSource};

/// A closed bucket of one version.
#[derive(Debug, Clone)]
pub(super) struct Closed {
    pub(super) span: Span,
    pub(super) sums: Sums,
    /// What it was computed from.
    pub(super) digest: Digest,
    /// Why it says nothing: a prediction is NaN, or a day stands twice.
    pub(super) flaw: Option<String>,
}

/// The buckets of one version, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Series {
    pub(super) closed: Vec<Closed>,
    /// Buckets with matched rows that are not closed: on how many days, of how many.
    pub(super) open: Vec<(Span, u32, u32)>,
}

/// The join.
#[derive(Debug, Default)]
pub(super) struct Joined {
    /// By version; `None` where the served version is not known.
    pub(super) series: BTreeMap<Option<Digest>, Series>,
    /// Predictions that have an actual.
    pub(super) matched: u64,
    /// Predictions for days on which there should be an actual: from the oldest to the newest.
    pub(super) due: u64,
    /// Days from the oldest to the newest prediction that have an actual and no prediction.
    pub(super) unpredicted: u64,
    /// Matched rows whose actual is zero.
    pub(super) zeros: u64,
    /// The newest day that matched.
    pub(super) newest: Option<i32>,
    /// Rows of versions that are not known, and what they call them.
    pub(super) strangers: (u64, BTreeSet<String>),
    /// Days that stand twice for one version under different names.
    pub(super) duplicates: u64,
}

/// Where the versions of predictions come from.
pub(super) fn source(config: &ForecastConfig, request: &Request<'_>) -> VersionSource {
    let versions = request.versions;
    let nothing_known = versions.names.is_empty() && versions.served.is_none();
    if config.version_column.is_some() && !nothing_known {
        VersionSource::Column
    } else if versions.deployments.is_empty() {
        VersionSource::Adopted
    } else {
        VersionSource::Deployments
    }
}

type ByDay = BTreeMap<i32, Once<Prediction>>;

/// Joins what was collected.
pub(super) fn join(collected: &Collected, config: &ForecastConfig, request: &Request<'_>) -> Joined {
    let mut joined = Joined::default();
    let by_version = by_version(collected, config, request, &mut joined);
    for (version, predictions) in &by_version {
        let series = series(predictions, collected, config, request, &mut joined);
        joined.series.insert(version.clone(), series);
    }
    extent(collected, &mut joined);
    joined
}

/// Predictions by version and day. What is of no known version is counted and left out.
fn by_version(
    collected: &Collected,
    config: &ForecastConfig,
    request: &Request<'_>,
    joined: &mut Joined,
) -> BTreeMap<Option<Digest>, ByDay> {
    let source = source(config, request);
    let mut all: BTreeMap<Option<Digest>, ByDay> = BTreeMap::new();
    for ((day, label), prediction) in &collected.predictions {
        match owner(*day, *label, source, collected, config, request) {
            Ok(version) => {
                let duplicates = &mut joined.duplicates;
                all.entry(version)
                    .or_default()
                    .entry(*day)
                    .and_modify(|known| {
                        *duplicates += 1;
                        known.conflict = true;
                    })
                    .or_insert(*prediction);
            }
            Err(stranger) => {
                joined.strangers.0 += 1;
                joined.strangers.1.insert(stranger);
            }
        }
    }
    all
}

fn owner(
    day: i32,
    label: u32,
    source: VersionSource,
    collected: &Collected,
    config: &ForecastConfig,
    request: &Request<'_>,
) -> Result<Option<Digest>, String> {
    let versions = request.versions;
    let named = match source {
        VersionSource::Adopted => return Ok(versions.served.clone()),
        VersionSource::Column => collected.labels.get(label as usize).filter(|_| label != NO_WORD),
        VersionSource::Deployments => None,
    };
    if let Some(label) = named {
        let label = String::from_utf8_lossy(label);
        return versions.named(&label).cloned().map(Some).ok_or_else(|| label.into_owned());
    }
    let deployed = versions.deployed(config.bucket.timezone.start_of(day)).cloned();
    deployed.map(Some).ok_or_else(|| match source {
        VersionSource::Column => "no version".to_owned(),
        _ => "before the first deployment that is known".to_owned(),
    })
}

/// One version's buckets.
fn series(
    predictions: &ByDay,
    collected: &Collected,
    config: &ForecastConfig,
    request: &Request<'_>,
    joined: &mut Joined,
) -> Series {
    let mut buckets: BTreeMap<Span, (Vec<Matched>, Option<String>)> = BTreeMap::new();
    for (day, prediction) in predictions {
        let Some(actual) = collected.actuals.get(day) else { continue };
        joined.newest = joined.newest.max(Some(*day));
        let Prediction { mean, lower, upper } = prediction.value;
        let row = Matched { day: *day, mean, lower, upper, actual: actual.value };
        joined.zeros += u64::from(row.actual == 0.0);
        let (rows, flaw) = buckets.entry(bucket::span_of(&config.bucket, *day)).or_default();
        if flaw.is_none() {
            *flaw = find_flaw(&row, prediction.conflict, actual.conflict);
        }
        rows.push(row);
    }
    let mut series = Series::default();
    for (span, (rows, flaw)) in buckets {
        let days = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let needed = bucket::needed(&config.bucket, span);
        if days >= needed && bucket::in_time(&config.bucket, span).end <= request.now {
            series.closed.push(Closed { span, sums: Sums::of_rows(&rows), digest: digest(&rows), flaw });
        } else {
            series.open.push((span, days, needed));
        }
    }
    series
}

fn find_flaw(row: &Matched, twice: bool, actual_twice: bool) -> Option<String> {
    let date = crate::probe::zone::date_of(row.day);
    if twice {
        Some(format!("{date} is predicted twice, differently"))
    } else if actual_twice {
        Some(format!("{date} has two different actuals"))
    } else if row.mean.is_nan() {
        Some(format!("the prediction for {date} is missing or not a number"))
    } else if row.mean.is_infinite() || row.actual.is_infinite() {
        Some(format!("{date} has an infinite value"))
    } else {
        None
    }
}

/// Of the rows themselves: a file that is written anew with the same rows is no new evidence.
fn digest(rows: &[Matched]) -> Digest {
    let mut hasher = Hasher::default();
    for row in rows {
        hasher.update(&row.day.to_be_bytes());
        for value in [row.mean, row.lower, row.upper, row.actual] {
            hasher.update(&value.to_be_bytes());
        }
    }
    hasher.finish()
}

/// How far both files reach, and what is missing where they overlap.
fn extent(collected: &Collected, joined: &mut Joined) {
    let actuals = collected.actuals.keys();
    let span = actuals.clone().next().zip(actuals.clone().next_back());
    if let Some((oldest, newest)) = span {
        let keys = collected.predictions.keys();
        joined.due = keys.filter(|(day, _)| (oldest..=newest).contains(&day)).count() as u64;
        // Rows of strangers match, too, though nothing is said of them.
        let known = collected.predictions.keys().filter(|(day, _)| collected.actuals.contains_key(day));
        joined.matched = known.count() as u64;
    }
    let days: BTreeSet<i32> = collected.predictions.keys().map(|(day, _)| *day).collect();
    if let (Some(first), Some(last)) = (days.first(), days.last()) {
        let overlap = actuals.filter(|day| (first..=last).contains(day));
        joined.unpredicted = overlap.filter(|day| !days.contains(day)).count() as u64;
    }
}
