//! Samples as they were known at one instant after the other, from one reading of the store.
//!
//! Asking the store anew for each round of a year would read the whole year once for each of its rounds.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, HashMap};

use crate::base::Digest;
use crate::severity::Scheme;
use crate::store::{Bucket, Sample};

/// How far back what keeps a match while its incident is open is looked at; as in a round.
const KEPT: TimeDelta = TimeDelta::days(7);

/// Samples of one metric with the same labels, of one version, from one probe.
type Line = (String, String, BTreeMap<String, String>, Option<Digest>);

/// What a later sample corrects: the same time and stretch of time of a line.
type Place = (i64, Option<Bucket>);

/// What is known at an instant that only moves forward.
pub(super) struct Tape {
    /// How far back rules look, behind the instant.
    reach: TimeDelta,
    /// How many samples of a line are kept however old they are.
    kept: usize,
    lines: HashMap<Line, BTreeMap<Place, (u64, Sample)>>,
}

impl Tape {
    /// For these schemes.
    pub(super) fn of<'s>(schemes: impl Iterator<Item = &'s Scheme> + Clone) -> Self {
        let open = |scheme: &Scheme| scheme.keeps().then_some(KEPT);
        let reach = schemes.clone().filter_map(|scheme| scheme.reach(open(scheme))).max();
        let counted = schemes.filter_map(|scheme| scheme.samples_to_warm_up(None)).max();
        Self {
            reach: reach.unwrap_or_default(),
            kept: usize::from(counted.unwrap_or_default()).max(2),
            lines: HashMap::new(),
        }
    }

    /// Takes in what was recorded next; `number` tells which of two corrects the other.
    pub(super) fn add(&mut self, number: u64, sample: Sample) {
        let line =
            (sample.probe.clone(), sample.metric.clone(), sample.labels.clone(), sample.version.clone());
        let place = (sample.event_time.timestamp_millis(), sample.bucket);
        let line = self.lines.entry(line).or_default();
        match line.get(&place) {
            Some((known, _)) if *known > number => {}
            _ => drop(line.insert(place, (number, sample))),
        }
    }

    /// What is known at `at`, by event time: all closed buckets, and of the rest what rules look back to.
    pub(super) fn at(&mut self, at: DateTime<Utc>) -> Vec<Sample> {
        let since = (at - self.reach).timestamp_millis();
        let mut found: Vec<&(u64, Sample)> = Vec::new();
        for line in self.lines.values_mut() {
            forget(line, since, self.kept);
        }
        found.extend(self.lines.values().flat_map(BTreeMap::values));
        found.sort_by_key(|(number, sample)| (sample.event_time, *number));
        found.into_iter().map(|(_, sample)| sample.clone()).collect()
    }
}

/// Lets go of what no later instant looks back to.
fn forget(line: &mut BTreeMap<Place, (u64, Sample)>, since: i64, kept: usize) {
    while line.len() > kept {
        let first = line.first_entry().filter(|first| first.key().0 < since && first.key().1.is_none());
        match first {
            Some(first) => drop(first.remove()),
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Unit;
    use crate::store::sqlite::SqliteStore;
    use crate::store::{Measurement, SampleFilter, Store};
    use proptest::prelude::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_143_600 + minute * 60, 0).unwrap()
    }

    /// A sample of minute `event`, recorded at minute `recorded`.
    fn sample((line, event, recorded, value): (u8, i64, i64, u8)) -> Sample {
        Sample {
            service: "pricing".into(),
            probe: "p".into(),
            metric: format!("m{}", line % 3),
            labels: BTreeMap::new(),
            measurement: Measurement::Value(f64::from(value)),
            unit: Unit::Count,
            event_time: at(event),
            recorded_at: at(recorded),
            bucket: (line > 2).then(|| Bucket { start: at(event - 10), end: at(event) }),
            version: None,
            input: None,
            rows: 1,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// Late data, corrections and a clock that went back included.
        #[test]
        fn one_reading_knows_what_the_store_says_for_each_instant(
            drawn in prop::collection::vec((0_u8..6, 0_i64..12, 0_i64..20, 0_u8..4), 1..40)
        ) {
            let folder = tempfile::tempdir().unwrap();
            let store = SqliteStore::open(&folder.path().join("state")).unwrap();
            let store: &dyn Store = &store;
            let samples: Vec<Sample> = drawn.into_iter().map(sample).collect();
            for one in &samples {
                store.with(|session| session.put_samples(std::slice::from_ref(one))).unwrap();
            }
            let mut recorded = Vec::new();
            store.view(|session| session.each_sample("pricing", &mut |number, one| recorded.push((number, one)))).unwrap();
            let mut tape = Tape { reach: TimeDelta::days(1), kept: 2, lines: HashMap::new() };
            let mut coming = recorded.into_iter().peekable();
            for minute in 0..20 {
                while let Some((number, one)) = coming.next_if(|(_, one)| one.recorded_at <= at(minute)) {
                    tape.add(number, one);
                }
                let filter = SampleFilter {
                    service: Some("pricing".into()), as_of: Some(at(minute)), ..SampleFilter::default()
                };
                prop_assert_eq!(tape.at(at(minute)), store.view(|session| session.samples(&filter)).unwrap());
            }
        }
    }

    #[test]
    fn what_no_rule_looks_back_to_is_let_go() {
        let mut tape = Tape { reach: TimeDelta::minutes(5), kept: 2, lines: HashMap::new() };
        for minute in 0_i64..50 {
            tape.add(minute.unsigned_abs(), sample((0, minute, minute, 1)));
        }
        tape.add(50, sample((1, 0, 49, 1)));
        let kept: Vec<_> = tape.at(at(49)).iter().map(|one| (one.event_time - at(0)).num_minutes()).collect();
        assert_eq!(
            kept,
            [0, 44, 45, 46, 47, 48, 49],
            "the only one of its line, however old, and five minutes"
        );
        tape.add(51, sample((5, 1, 49, 1)));
        assert_eq!(tape.at(at(500)).len(), 4, "two of each line, and every bucket");
    }
}
