//! What rules judge: series of samples of the served version, or the values of an alert.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;

use super::alert::{Alert, Given};
use super::catalog::Slot;
use crate::base::clock::{Elapsed, format_instant};
use crate::base::{Digest, Duration, Unit};
use crate::store::{Bucket, Measurement, Sample};

/// How far ahead of the clock an event time may lie before it is taken for wrong.
const TOLERATED_FUTURE: TimeDelta = TimeDelta::minutes(5);

/// Labels that tell series of one metric apart.
pub(crate) type Labels = BTreeMap<String, String>;

/// One value of a series, or why there is none.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    value: Value,
    /// Absent for what an alert says.
    pub(crate) event_time: Option<DateTime<Utc>>,
    pub(crate) bucket: Option<Bucket>,
    pub(crate) input: Option<Digest>,
    pub(crate) rows: u64,
    /// Whether it was measured by an earlier round, not by this one.
    pub(crate) stored: bool,
    recorded_at: DateTime<Utc>,
    probe: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Measured(f64, Unit),
    Given(Given),
    Undecided(String),
}

/// Samples of one metric with the same labels.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series {
    pub(crate) labels: Labels,
    /// Of the served version, by event time.
    pub(crate) points: Vec<Point>,
    /// How many samples of other versions were left aside.
    pub(crate) ignored: u64,
    /// How many of them were measured by this round.
    pub(crate) ignored_now: u64,
    /// Whether it only says that nothing of the metric could be measured in this round, whatever its labels.
    pub(crate) failure: bool,
    /// From when on the source itself tells buckets, of whatever version.
    covered_from: Option<DateTime<Utc>>,
}

/// Evidence about a service, or an alert.
#[derive(Debug, Clone)]
pub struct Evidence {
    metrics: BTreeMap<String, Vec<Series>>,
    pub(crate) now: Option<DateTime<Utc>>,
    max_age: Option<Duration>,
    pub(crate) alert_name: Option<crate::base::Untrusted>,
    /// Whether it came with an alert, whose unknown metrics are worth a word.
    pub(crate) from_alert: bool,
}

impl Evidence {
    /// Evidence from samples. Only those of the served version count, and those of no known version, which are
    /// adopted as its own; where it is not known which version serves, all count. `now` tells which buckets are
    /// closed and what is stale or dated in the future.
    pub fn from_samples(samples: &[Sample], served: Option<&Digest>, now: DateTime<Utc>) -> Self {
        Self::with_history(&[], samples, served, now)
    }

    /// [`Evidence::from_samples`] with what earlier rounds stored.
    ///
    /// What was measured now corrects what was stored of the same time, whatever the clock said then. A source that
    /// tells closed buckets is believed about all the time that it covers: stored buckets count only where they lie
    /// before its first one.
    pub fn with_history(
        stored: &[Sample],
        samples: &[Sample],
        served: Option<&Digest>,
        now: DateTime<Utc>,
    ) -> Self {
        let mut metrics: BTreeMap<String, BTreeMap<&Labels, Series>> = BTreeMap::new();
        let all =
            stored.iter().map(|sample| (sample, true)).chain(samples.iter().map(|sample| (sample, false)));
        for (sample, is_stored) in all {
            let series = metrics.entry(sample.metric.clone()).or_default().entry(&sample.labels).or_default();
            if let (Some(bucket), false) = (sample.bucket, is_stored) {
                series.covered_from =
                    Some(series.covered_from.map_or(bucket.start, |at| at.min(bucket.start)));
            }
            let foreign = matches!((served, &sample.version), (Some(served), Some(own)) if served != own);
            if foreign {
                series.ignored += 1;
                series.ignored_now += u64::from(!is_stored);
            } else {
                series.points.push(Point { stored: is_stored, ..Point::from(sample) });
            }
        }
        let metrics = metrics
            .into_iter()
            .map(|(name, mut series)| {
                spread_failures(&mut series);
                let series = series.into_iter().map(|(labels, mut series)| {
                    series.labels.clone_from(labels);
                    series.settle();
                    series
                });
                (name, series.collect())
            })
            .collect();
        Self { metrics, now: Some(now), max_age: None, alert_name: None, from_alert: false }
    }

    /// Evidence from an alert: one undated value for each metric.
    pub fn from_alert(alert: &Alert) -> Self {
        let values = alert.metrics.iter().map(|(name, given)| (name.clone(), given.clone()));
        let mut evidence = Self::from_given(values);
        evidence.alert_name.clone_from(&alert.alert_name);
        evidence.from_alert = true;
        evidence
    }

    /// Evidence from plain numbers, each in its metric's unit: what is recorded beside a version, say.
    pub fn from_values<'a>(values: impl IntoIterator<Item = (&'a str, f64)>) -> Self {
        Self::from_given(values.into_iter().map(|(name, value)| (name.to_owned(), Given::Number(value))))
    }

    /// Evidence from what another system sent: one undated value for each series.
    pub(crate) fn from_readings(readings: BTreeMap<(String, Labels), Given>) -> Self {
        let mut metrics: BTreeMap<String, Vec<Series>> = BTreeMap::new();
        for ((name, labels), given) in readings {
            let series = Series { labels, points: vec![Point::undated(given)], ..Series::default() };
            metrics.entry(name).or_default().push(series);
        }
        Self { metrics, now: None, max_age: None, alert_name: None, from_alert: true }
    }

    fn from_given(values: impl Iterator<Item = (String, Given)>) -> Self {
        let metrics = values
            .map(|(name, given)| {
                (name, vec![Series { points: vec![Point::undated(given)], ..Series::default() }])
            })
            .collect();
        Self { metrics, now: None, max_age: None, alert_name: None, from_alert: false }
    }

    /// Lets samples older than this decide nothing.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// The names of all metrics in it.
    pub fn metrics(&self) -> impl Iterator<Item = &str> {
        self.metrics.keys().map(String::as_str)
    }

    /// The series of a slot: of its metric, with the labels that it asks for, each with the labels left over. Where there
    /// is none, and nothing of the metric could be measured, that failure stands for it.
    pub(crate) fn series(&self, slot: &Slot) -> Vec<(Labels, &Series)> {
        let found = self.matching(slot);
        if found.iter().any(|(_, series)| !series.failure) {
            return found.into_iter().filter(|(_, series)| !series.failure).collect();
        }
        let failed = self.metrics.get(&slot.metric).into_iter().flatten().find(|series| series.failure);
        failed.map_or(found, |failed| vec![(Labels::new(), failed)])
    }

    fn matching(&self, slot: &Slot) -> Vec<(Labels, &Series)> {
        let wanted = |labels: &Labels| {
            slot.labels.iter().all(|(label, value)| labels.get(label).is_some_and(|own| own == value))
        };
        let rest = |labels: &Labels| {
            let mut rest = labels.clone();
            rest.retain(|label, _| !slot.labels.iter().any(|(asked, _)| asked == label));
            rest
        };
        // An alert writes labels into the metric's name.
        let named = if slot.labels.is_empty() { None } else { self.metrics.get(&slot.key) };
        let own = self.metrics.get(&slot.metric).into_iter().flatten();
        let own = own.filter(|series| wanted(&series.labels)).map(|series| (rest(&series.labels), series));
        own.chain(named.into_iter().flatten().map(|series| (Labels::new(), series))).collect()
    }

    /// The value of a point for a slot, or why it decides nothing; `as_of` where it has to have been a recent one then.
    pub(crate) fn judge(
        &self,
        point: &Point,
        slot: &Slot,
        as_of: Option<DateTime<Utc>>,
    ) -> Result<f64, String> {
        if let Some(as_of) = as_of {
            self.check_time(point, slot, as_of)?;
        }
        let value = match &point.value {
            Value::Undecided(reason) => return Err(format!("{}: {reason}", slot.key)),
            Value::Given(given) => return given.read(slot),
            Value::Measured(value, unit) if *unit == slot.unit => *value,
            Value::Measured(value, unit) if unit.dimension() == slot.unit.dimension() => {
                value * unit.factor() / slot.unit.factor()
            }
            Value::Measured(_, unit) => {
                return Err(format!("{} was measured as {unit}, where {} is expected", slot.key, slot.unit));
            }
        };
        if slot.accepts(value) { Ok(value) } else { Err(slot.refuse(value)) }
    }

    fn check_time(&self, point: &Point, slot: &Slot, now: DateTime<Utc>) -> Result<(), String> {
        let Some(event_time) = point.event_time else { return Ok(()) };
        let when = format_instant(event_time);
        if event_time > now + TOLERATED_FUTURE {
            return Err(format!("the newest sample of {} is dated in the future ({when})", slot.key));
        }
        let allowed = [self.max_age, slot.max_age].into_iter().flatten().map(Duration::approximate).min();
        match allowed {
            Some(allowed) if now - event_time > allowed => Err(format!(
                "the newest sample of {} is {} old ({when}); {} is the limit",
                slot.key,
                Elapsed(now - event_time),
                Elapsed(allowed)
            )),
            _ => Ok(()),
        }
    }
}

impl Point {
    /// Whether it has a value.
    pub(crate) fn is_decided(&self) -> bool {
        !matches!(self.value, Value::Undecided(_))
    }

    /// What an alert says.
    fn undated(given: Given) -> Self {
        Self {
            value: Value::Given(given),
            event_time: None,
            bucket: None,
            input: None,
            rows: 0,
            stored: false,
            recorded_at: DateTime::UNIX_EPOCH,
            probe: String::new(),
        }
    }
}

impl From<&Sample> for Point {
    fn from(sample: &Sample) -> Self {
        let value = match &sample.measurement {
            Measurement::Value(value) => Value::Measured(*value, sample.unit),
            Measurement::Undecided(reason) => Value::Undecided(reason.to_string()),
        };
        Self {
            value,
            event_time: Some(sample.event_time),
            bucket: sample.bucket,
            input: sample.input.clone(),
            rows: sample.rows,
            stored: false,
            recorded_at: sample.recorded_at,
            probe: sample.probe.clone(),
        }
    }
}

/// A probe that cannot measure at all knows no labels: its failure is one of every series of the metric, except of one
/// that the same round could measure. Without this, series that were stored would go on saying that all is well.
fn spread_failures(metric: &mut BTreeMap<&Labels, Series>) {
    let none = Labels::new();
    let fresh = |point: &Point| !point.stored;
    let others = metric.iter().filter(|(labels, _)| !labels.is_empty());
    let measured = others.flat_map(|(_, series)| &series.points).any(fresh);
    let Some(whole) = metric.get_mut(&none) else { return };
    let failures: Vec<Point> = whole.points.iter().filter(|point| !point.is_decided()).cloned().collect();
    whole.failure = !measured && failures.iter().any(fresh) && !whole.points.iter().any(Point::is_decided);
    if failures.is_empty() || metric.len() == 1 {
        return;
    }
    for (_, series) in metric.iter_mut().filter(|(labels, _)| !labels.is_empty()) {
        let measured = |failure: &Point| {
            let same = |own: &&Point| match failure.stored {
                true => own.stored && own.recorded_at == failure.recorded_at,
                false => !own.stored,
            };
            series.points.iter().find(same).is_some()
        };
        let own: Vec<Point> = failures.iter().filter(|failure| !measured(failure)).cloned().collect();
        series.points.extend(own);
    }
    // What an earlier round could not measure was said of each series now.
    if let Some(whole) = metric.get_mut(&none) {
        whole.points.retain(|point| point.is_decided() || fresh(point));
        if whole.points.is_empty() && whole.ignored == 0 {
            metric.remove(&none);
        }
    }
}

impl Series {
    /// Sorts by event time; of what was measured again for the same time and bucket, the last record counts. Two
    /// probes that disagree at one moment decide nothing.
    fn settle(&mut self) {
        let covered_from = self.covered_from;
        self.points.retain(|point| match point.bucket {
            Some(bucket) if point.stored => covered_from.is_some_and(|from| bucket.end <= from),
            _ => true,
        });
        // That an earlier round could not measure says nothing any more once a later one has.
        let measured = self.points.iter().filter(|point| !point.stored).map(|point| point.event_time).max();
        self.points.retain(|point| {
            let failed = point.stored && matches!(point.value, Value::Undecided(_));
            !failed || measured.is_none_or(|measured| point.event_time <= measured)
        });
        self.points.sort_by_key(|point| (point.event_time, point.bucket, !point.stored, point.recorded_at));
        let mut settled: Vec<Point> = Vec::with_capacity(self.points.len());
        for point in self.points.drain(..) {
            match settled.last_mut() {
                Some(last) if last.event_time == point.event_time && last.bucket == point.bucket => {
                    // A probe that was renamed contradicts nobody.
                    let disputed =
                        last.probe != point.probe && last.value != point.value && last.stored == point.stored;
                    *last = point;
                    if disputed {
                        last.value = Value::Undecided("two probes measured different values".to_owned());
                    }
                }
                _ => settled.push(point),
            }
        }
        self.points = settled;
    }
}
