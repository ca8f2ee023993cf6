//! Response metrics: how fast incidents are noticed, acknowledged, mitigated and resolved, and what was promised.

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

use crate::incident::deadlines::{PromiseKind, detection_time, promises};
use crate::incident::response::{Outcome, rollbacks};
use crate::incident::state::Moment;
use crate::incident::{Incident, Standing, State};
use crate::store::Event;

/// A set of times in seconds. Without any there are no numbers, not zeros.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Times {
    /// How many.
    pub count: usize,
    /// Their mean.
    pub mean: Option<f64>,
    /// The middle one; the mean of the two middle ones where their number is even.
    pub median: Option<f64>,
    /// The longest.
    pub longest: Option<f64>,
}

impl Times {
    /// Sums up times; negative ones (a clock that went backwards) are left out.
    pub fn of(times: impl IntoIterator<Item = TimeDelta>) -> Self {
        let mut seconds: Vec<f64> = times
            .into_iter()
            .filter(|time| *time >= TimeDelta::zero())
            .map(|time| time.num_milliseconds() as f64 / 1000.0)
            .collect();
        seconds.sort_by(f64::total_cmp);
        let count = seconds.len();
        let middle = |back: usize| seconds.get((count.saturating_sub(back)) / 2).copied();
        Self {
            count,
            mean: (count > 0).then(|| seconds.iter().sum::<f64>() / count as f64),
            median: middle(0).zip(middle(1)).map(|(upper, lower)| (upper + lower) / 2.0),
            longest: seconds.last().copied(),
        }
    }
}

/// The times of some incidents.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct LevelMetrics {
    /// How many incidents; cancelled and merged ones do not count.
    pub incidents: usize,
    /// How many are open.
    pub open: usize,
    /// From the newest event time in the evidence to the opening.
    pub detect: Times,
    /// From the opening (or the reopening) to the acknowledgement.
    pub acknowledge: Times,
    /// From the opening (or the reopening) to the end of the harm.
    pub mitigate: Times,
    /// From the opening (or the reopening) to the end.
    pub resolve: Times,
}

/// What became of one kind of promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Kept {
    /// What was promised.
    pub kind: PromiseKind,
    /// Done in time.
    pub met: usize,
    /// Too late, or not done and over.
    pub missed: usize,
    /// Not done, and there is time.
    pub pending: usize,
}

/// The response metrics of a set of incidents.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ResponseMetrics {
    /// As of when (UTC).
    pub as_of: DateTime<Utc>,
    /// Only incidents opened at or after this instant (UTC).
    pub since: Option<DateTime<Utc>>,
    /// All of them.
    pub all: LevelMetrics,
    /// By the worst level each had.
    pub by_level: BTreeMap<String, LevelMetrics>,
    /// What their levels promised. An incident that ended in time keeps its promise to resolve.
    pub promises: Vec<Kept>,
    /// How long rollbacks that restored took.
    pub rollback: Times,
    /// How many rollbacks ended, and how many of them restored.
    pub rollbacks: [usize; 2],
    /// How many rollbacks automation began, by the reason of its policy.
    pub rollbacks_by_reason: BTreeMap<String, usize>,
}

/// The metrics of these incidents and of the rollbacks among these events.
pub fn metrics(
    incidents: &[Incident],
    events: &[Event],
    since: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> ResponseMetrics {
    let real = |incident: &&Incident| {
        !matches!(incident.state, State::Cancelled | State::Merged)
            && since.is_none_or(|since| incident.opened_at >= since)
    };
    let incidents: Vec<&Incident> = incidents.iter().filter(real).collect();
    let mut groups: BTreeMap<String, Vec<&Incident>> = BTreeMap::new();
    for incident in &incidents {
        groups.entry(incident.peak.name.clone()).or_default().push(incident);
    }
    let records: Vec<_> = rollbacks(events)
        .into_iter()
        .filter(|record| since.is_none_or(|since| record.moment.at >= since))
        .collect();
    let restored: Vec<_> = records.iter().filter(|record| record.outcome == Outcome::Restored).collect();
    let took = restored.iter().filter_map(|record| {
        record.duration_ms.and_then(|ms| i64::try_from(ms).ok()).map(TimeDelta::milliseconds)
    });
    ResponseMetrics {
        as_of: now,
        since,
        all: level(&incidents),
        by_level: groups.iter().map(|(name, group)| (name.clone(), level(group))).collect(),
        promises: kept(&incidents, now),
        rollback: Times::of(took),
        rollbacks: [records.len(), restored.len()],
        rollbacks_by_reason: by_reason(events, since),
    }
}

/// What `rollback_total{reason}` would count.
fn by_reason(events: &[Event], since: Option<DateTime<Utc>>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let begun = events.iter().filter(|event| event.kind == "rollback.triggered");
    for event in begun.filter(|event| since.is_none_or(|since| event.occurred_at >= since)) {
        if let Some(reason) = event.payload.get("reason").and_then(serde_json::Value::as_str) {
            *counts.entry(reason.to_owned()).or_default() += 1;
        }
    }
    counts
}

fn level(incidents: &[&Incident]) -> LevelMetrics {
    let time =
        |moment: fn(&Incident) -> &Option<Moment>| {
            Times::of(incidents.iter().filter_map(|incident| {
                moment(incident).as_ref().map(|moment| moment.at - incident.episode_at)
            }))
        };
    LevelMetrics {
        incidents: incidents.len(),
        open: incidents.iter().filter(|incident| incident.is_open()).count(),
        detect: Times::of(incidents.iter().filter_map(|incident| detection_time(incident))),
        acknowledge: time(|incident| &incident.acknowledged),
        mitigate: time(|incident| &incident.mitigated),
        resolve: time(|incident| &incident.resolved),
    }
}

fn kept(incidents: &[&Incident], now: DateTime<Utc>) -> Vec<Kept> {
    let mut counts: BTreeMap<PromiseKind, Kept> = BTreeMap::new();
    for promise in incidents.iter().flat_map(|incident| promises(incident, now)) {
        let kind = promise.kind;
        let count = counts.entry(kind).or_insert(Kept { kind, met: 0, missed: 0, pending: 0 });
        match promise.standing {
            Standing::Met => count.met += 1,
            Standing::Missed => count.missed += 1,
            Standing::Pending => count.pending += 1,
        }
    }
    counts.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::fixtures::{at, night};
    use crate::incident::fold;

    #[test]
    fn times_are_summed_up_and_nothing_is_not_zero() {
        assert_eq!(Times::of([]), Times::default());
        let times = Times::of([4, 1, -7, 2, 3].map(TimeDelta::seconds));
        assert_eq!(
            (times.count, times.mean, times.median, times.longest),
            (4, Some(2.5), Some(2.5), Some(4.0))
        );
        assert_eq!(Times::of([5, 1, 3].map(TimeDelta::seconds)).median, Some(3.0));
    }

    #[test]
    fn a_night_is_measured() {
        let events = night();
        let incidents = [fold(&events).unwrap()];
        insta::assert_json_snapshot!(metrics(&incidents, &events, None, at(600)));
        assert_eq!(metrics(&incidents, &events, Some(at(60)), at(600)).all.incidents, 0);
    }
}
