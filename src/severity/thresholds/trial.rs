//! Putting the values to the scheme as samples, for as long as the rule asks.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;

use super::search::Pair;
use super::{Surroundings, ThresholdTrial, Tried};
use crate::base::Duration;
use crate::severity::catalog::SlotId;
use crate::severity::scheme::Rule;
use crate::severity::{Evidence, Outcome, Persistence, RuleResult, Scheme, classify, wording};
use crate::store::{Bucket, Measurement, Sample};

/// A stretch that a made-up sample sums up.
const BUCKET: TimeDelta = TimeDelta::weeks(1);

/// Tries both values and notes what came of it.
pub(super) fn run(
    scheme: &Scheme,
    rule: &Rule,
    pair: &Pair,
    surroundings: &Surroundings<'_>,
    trial: &mut ThresholdTrial,
) {
    let show = |value: f64| {
        scheme.table.get(pair.slot).map_or_else(|| value.to_string(), |slot| wording::value(slot.unit, value))
    };
    for (slot, value) in &pair.others {
        if let Some(definition) = scheme.table.get(*slot) {
            trial.with.insert(definition.key.clone(), *value);
        }
    }
    let persistence = rule.config.persistence;
    if let Some(Persistence::Buckets(count)) = persistence
        && count > 1
        && let Some(reason) = without_buckets(scheme, rule, surroundings)
    {
        trial.never = Some(format!("{reason}, so `for: {count} buckets` is never met"));
        return;
    }
    let judge = |value, share| judge(scheme, rule, pair, value, share, surroundings);
    let (fired, quiet) = (judge(pair.fires, Share::Whole), judge(pair.quiet, Share::Whole));
    let tried = |value, result: &Option<RuleResult>| Tried {
        value,
        shown: show(value),
        outcome: result.as_ref().map_or(Outcome::Undecided, |result| result.outcome),
    };
    let (fires, rests) = (tried(pair.fires, &fired), tried(pair.quiet, &quiet));
    if fires.outcome != Outcome::Matched {
        let reason = fired.map(|result| result.reason).unwrap_or_default();
        let held = persistence.map(|held| format!(" for {held}")).unwrap_or_default();
        let rounds = surroundings.cadence.filter(|_| matches!(persistence, Some(Persistence::Duration(_))));
        let rounds = rounds.map(|cadence| format!(" with rounds every {cadence}")).unwrap_or_default();
        trial.never = Some(format!("{}{held}{rounds} does not fire: {reason}", fires.shown));
        return;
    }
    if rests.outcome == Outcome::Matched {
        trial.never = Some(format!("{} fires as well: it never ends", rests.shown));
        return;
    }
    let early = rule.needs_history().then(|| judge(pair.fires, Share::TooShort)).flatten();
    if early.is_some_and(|result| result.outcome == Outcome::Matched) {
        trial.never = Some("it fires before the condition held for as long as `for` asks".to_owned());
        return;
    }
    trial.fires = Some(fires);
    trial.quiet = Some(rests);
}

/// Why none of a rule's metrics can be counted in buckets.
fn without_buckets(scheme: &Scheme, rule: &Rule, surroundings: &Surroundings<'_>) -> Option<String> {
    let metrics: Vec<&str> = rule
        .slots
        .iter()
        .filter_map(|slot| scheme.table.get(*slot))
        .map(|slot| slot.metric.as_str())
        .collect();
    let none = metrics.iter().all(|metric| (surroundings.bucketed)(metric) == Some(false));
    none.then(|| format!("no probe sums {} up over buckets", metrics.join(", ")))
}

/// For how long the value is held.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Share {
    Whole,
    TooShort,
}

fn judge(
    scheme: &Scheme,
    rule: &Rule,
    pair: &Pair,
    value: f64,
    share: Share,
    surroundings: &Surroundings<'_>,
) -> Option<RuleResult> {
    let mut values = pair.others.clone();
    values.insert(pair.slot, value);
    let samples = samples(scheme, rule, &values, share, surroundings);
    let found = classify(scheme, &Evidence::from_samples(&samples, None, surroundings.now));
    found.rules.into_iter().find(|result| result.rule == rule.config.id)
}

/// When samples are taken, newest first, and what each sums up.
fn times(rule: &Rule, share: Share, surroundings: &Surroundings<'_>) -> Vec<(DateTime<Utc>, Option<Bucket>)> {
    let now = surroundings.now;
    match rule.config.persistence {
        None => vec![(now, None)],
        Some(Persistence::Buckets(count)) => {
            let count = if share == Share::Whole { count } else { count.saturating_sub(1) };
            let bucket = |back: u16| {
                let end = now - BUCKET * i32::from(back);
                (end, Some(Bucket { start: end - BUCKET, end }))
            };
            (0..count).map(bucket).collect()
        }
        Some(Persistence::Duration(length)) => {
            let length = length.approximate();
            let apart =
                surroundings.cadence.map_or(length / 2, Duration::approximate).max(TimeDelta::seconds(1));
            let length = if share == Share::Whole { length } else { length / 2 };
            let mut times = vec![(now, None)];
            let mut back = apart;
            // One more than the length holds, so that it is held in full.
            while back - apart < length && times.len() < 10_000 {
                if share == Share::TooShort && back > length {
                    break;
                }
                times.push((now - back, None));
                back += apart;
            }
            times
        }
    }
}

fn samples(
    scheme: &Scheme,
    rule: &Rule,
    values: &BTreeMap<SlotId, f64>,
    share: Share,
    surroundings: &Surroundings<'_>,
) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (event_time, bucket) in times(rule, share, surroundings) {
        for (slot, value) in values {
            let Some(slot) = scheme.table.get(*slot) else { continue };
            samples.push(Sample {
                service: "trial".to_owned(),
                probe: "trial".to_owned(),
                metric: slot.metric.clone(),
                labels: slot.labels.iter().cloned().collect(),
                measurement: Measurement::Value(*value),
                unit: slot.unit,
                event_time,
                recorded_at: event_time,
                bucket,
                version: None,
                input: None,
                rows: 1,
            });
        }
    }
    samples
}
