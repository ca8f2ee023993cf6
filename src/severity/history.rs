//! Judging a condition on series of samples: on the newest ones, on buckets, or over a length of time.
//!
//! Series of one metric that differ in labels are judged each for itself; a rule matches if one of them matches.
//! Series without labels take part in every judgement.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;

use super::catalog::{SlotId, Table};
use super::classification::{LookedAt, Outcome};
use super::classify::{Finding, finding};
use super::condition::Condition;
use super::evidence::{Labels, Point, Series};
use super::frame::{Frame, Reading};
use super::stretch::{earlier_decides, named, no_longer_measured, once, unknown_before, weeks};
use super::{Evidence, Persistence};
use crate::base::clock::Elapsed;
use crate::store::Bucket;

/// Judges a condition on evidence.
pub(crate) fn judge(
    condition: &Condition,
    slots: &[SlotId],
    persistence: Option<Persistence>,
    table: &Table,
    evidence: &Evidence,
) -> Finding {
    judge_at(condition, slots, persistence, table, evidence, Moment::Now)
}

/// [`judge`], where it has to hold for every series.
pub(crate) fn judge_every(
    condition: &Condition,
    slots: &[SlotId],
    persistence: Option<Persistence>,
    table: &Table,
    evidence: &Evidence,
) -> Finding {
    judge_groups(condition, slots, persistence, table, evidence, Moment::Now, &EVERY)
}

/// Which outcome stands for all: a rule matches if one series does.
const ONE: [Outcome; 5] =
    [Outcome::Matched, Outcome::Undecided, Outcome::Warming, Outcome::Missed, Outcome::Unreported];
/// The same, where every series has to match.
const EVERY: [Outcome; 5] =
    [Outcome::Missed, Outcome::Undecided, Outcome::Warming, Outcome::Unreported, Outcome::Matched];

/// The instant that a condition is judged for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// That of the evidence. Without a `for`, only what was measured in this round counts.
    Now,
    /// An earlier one, in event time: as if nothing later were known.
    Then(DateTime<Utc>),
}

/// [`judge`] for an instant.
pub(crate) fn judge_at(
    condition: &Condition,
    slots: &[SlotId],
    persistence: Option<Persistence>,
    table: &Table,
    evidence: &Evidence,
    moment: Moment,
) -> Finding {
    judge_groups(condition, slots, persistence, table, evidence, moment, &ONE)
}

fn judge_groups(
    condition: &Condition,
    slots: &[SlotId],
    persistence: Option<Persistence>,
    table: &Table,
    evidence: &Evidence,
    moment: Moment,
    order: &[Outcome],
) -> Finding {
    let fresh_only = persistence.is_none() && matches!(moment, Moment::Now);
    let counts =
        |series: &Series| !fresh_only || series.ignored_now > 0 || series.points.iter().any(|p| !p.stored);
    let selected: Vec<_> = slots
        .iter()
        .filter_map(|slot| table.get(*slot).map(|definition| (*slot, evidence.series(definition))))
        .map(|(slot, mut series)| {
            series.retain(|(_, series)| counts(series));
            forget_gone(&mut series, persistence, evidence.now, moment);
            (slot, series)
        })
        .collect();
    let mut groups: BTreeSet<&Labels> =
        selected.iter().flat_map(|(_, series)| series.iter().map(|(labels, _)| labels)).collect();
    let none = Labels::new();
    groups.retain(|labels| !labels.is_empty());
    // Series without labels stand for themselves too where every metric has one: a total beside its parts.
    let unlabelled = |series: &Vec<(Labels, &Series)>| series.iter().any(|(labels, _)| labels.is_empty());
    if groups.is_empty() || selected.iter().all(|(_, series)| unlabelled(series)) {
        groups.insert(&none);
    }
    let mut looked_at = LookedAt::default();
    let mut findings: Vec<(&Labels, Finding)> = Vec::new();
    for group in groups {
        let series = selected.iter().map(|(slot, series)| {
            let own = series.iter().find(|(labels, _)| labels == group);
            let shared = || series.iter().find(|(labels, _)| labels.is_empty());
            (*slot, own.or_else(shared).map(|(_, series)| *series))
        });
        let mut view =
            View { condition, table, evidence, moment, series: series.collect(), looked_at: &mut looked_at };
        findings.push((group, view.judge(persistence)));
    }
    looked_at.ignored =
        selected.iter().flat_map(|(_, series)| series).map(|(_, series)| series.ignored).sum();
    let mut found = one_of(findings, order);
    found.looked_at = evidence.now.map(|_| looked_at);
    found
}

/// A series that nobody tells any more, as one of a machine that is gone, says nothing after the length that a rule looks
/// at, where others of its metric are told.
fn forget_gone(
    series: &mut Vec<(Labels, &Series)>,
    persistence: Option<Persistence>,
    now: Option<DateTime<Utc>>,
    moment: Moment,
) {
    let (Some(Persistence::Duration(length)), Some(now), Moment::Now) = (persistence, now, moment) else {
        return;
    };
    let told = |series: &Series| series.ignored_now > 0 || series.points.iter().any(|point| !point.stored);
    if !series.iter().any(|(_, series)| told(series)) {
        return;
    }
    let from = now - length.approximate();
    let recent =
        |series: &Series| series.points.iter().any(|point| point.event_time.is_none_or(|at| at >= from));
    series.retain(|(_, series)| told(series) || recent(series));
}

/// The finding that stands for all: the first in this order of outcomes.
fn one_of(mut findings: Vec<(&Labels, Finding)>, order: &[Outcome]) -> Finding {
    let place = |outcome| order.iter().position(|other| *other == outcome);
    let distance = |finding: &Finding| finding.distance.map_or(f64::INFINITY, f64::abs);
    // Of several that matched the one farthest beyond its threshold, of several that missed the nearest.
    findings.sort_by(|(_, a), (_, b)| {
        let by_distance = distance(a).total_cmp(&distance(b));
        let by_distance = if a.outcome == Outcome::Matched { by_distance.reverse() } else { by_distance };
        place(a.outcome).cmp(&place(b.outcome)).then(by_distance)
    });
    let mut rest = findings.into_iter();
    let Some((labels, mut first)) = rest.next() else { return nothing() };
    let like = rest.filter(|(_, other)| other.outcome == first.outcome).count();
    if !labels.is_empty() {
        let shown: Vec<_> =
            labels.iter().map(|(label, value)| format!("{label}={}", value.escape_debug())).collect();
        first.reason = format!("{}: {}", shown.join(", "), first.reason);
    }
    if like > 0 {
        first.reason.push_str(&format!("; {like} more {} too", first.outcome.as_str()));
    }
    first
}

fn nothing() -> Finding {
    Finding {
        outcome: Outcome::Undecided,
        reason: "nothing to judge".to_owned(),
        distance: None,
        values: std::collections::BTreeMap::new(),
        looked_at: None,
    }
}

/// Which point of each series to read.
#[derive(Clone, Copy)]
enum Pick {
    Newest,
    Bucket(Bucket, bool),
    At(DateTime<Utc>, bool),
}

/// A condition and the series that it is judged on.
struct View<'a> {
    condition: &'a Condition,
    table: &'a Table,
    evidence: &'a Evidence,
    moment: Moment,
    series: Vec<(SlotId, Option<&'a Series>)>,
    looked_at: &'a mut LookedAt,
}

impl<'a> View<'a> {
    fn judge(&mut self, persistence: Option<Persistence>) -> Finding {
        let now = self.now();
        match (persistence, now) {
            (None, _) => self.at(Pick::Newest),
            (Some(persistence), None) => once(self.at(Pick::Newest), persistence),
            (Some(Persistence::Buckets(count)), Some(now)) => self.buckets(count, now),
            (Some(Persistence::Duration(duration)), Some(now)) => self.span(duration.approximate(), now),
        }
    }

    /// The instant that counts as now; none for an alert.
    fn now(&self) -> Option<DateTime<Utc>> {
        match self.moment {
            Moment::Now => self.evidence.now,
            Moment::Then(then) => Some(then),
        }
    }

    /// Whether a point is known at the moment that is judged.
    fn knows(&self, point: &Point) -> bool {
        match self.moment {
            Moment::Now => true,
            Moment::Then(then) => point.event_time.is_some_and(|at| at <= then),
        }
    }

    fn at(&mut self, pick: Pick) -> Finding {
        let mut frame = Frame::default();
        frame.reset(self.table);
        for (slot, series) in self.series.clone() {
            self.read(slot, series, pick, &mut frame);
        }
        finding(self.condition, &frame, self.table)
    }

    fn read(&mut self, slot: SlotId, series: Option<&Series>, pick: Pick, frame: &mut Frame) {
        let (Some(series), Some(definition)) = (series, self.table.get(slot)) else { return };
        let measured_now = matches!((self.moment, pick), (Moment::Now, Pick::Newest));
        let known = |point: &&Point| self.knows(point) && !(measured_now && point.stored);
        let Some(newest) = series.points.iter().rfind(known) else {
            let others = if measured_now { series.ignored_now } else { series.ignored };
            if others > 0 {
                frame.set(slot, Reading::Warming);
            }
            return;
        };
        let now = self.now();
        let (point, as_of) = match pick {
            Pick::Newest => (Some(newest), now),
            Pick::Bucket(_, fresh) if newest.bucket.is_none() => (Some(newest), now.filter(|_| fresh)),
            Pick::Bucket(bucket, fresh) => {
                let found =
                    series.points.iter().rfind(|point| self.knows(point) && point.bucket == Some(bucket));
                (found, now.filter(|_| fresh))
            }
            // What was too old already at that time did not show anything of it.
            Pick::At(time, fresh) => (
                series.points.iter().rev().find(|point| point.event_time.is_some_and(|at| at <= time)),
                if fresh { now } else { Some(time) },
            ),
        };
        let Some(point) = point else { return };
        self.look_at(point);
        match self.evidence.judge(point, definition, as_of) {
            Ok(value) => frame.set(slot, Reading::Value(value)),
            Err(reason) => frame.set_undecided(slot, reason),
        }
    }

    fn look_at(&mut self, point: &Point) {
        self.looked_at.merge(&LookedAt {
            newest: point.event_time,
            bucket: point.bucket,
            inputs: point.input.iter().cloned().collect(),
            samples: 1,
            rows: point.rows,
            ignored: 0,
        });
    }

    fn points(&self) -> impl Iterator<Item = &'a Point> {
        let series: Vec<&'a Series> = self.series.iter().filter_map(|(_, series)| *series).collect();
        let moment = self.moment;
        series.into_iter().flat_map(|series| series.points.iter()).filter(move |point| match moment {
            Moment::Now => true,
            Moment::Then(then) => point.event_time.is_some_and(|at| at <= then),
        })
    }

    /// Whether samples of other versions were left aside.
    fn others(&self) -> bool {
        self.series.iter().filter_map(|(_, series)| *series).any(|series| series.ignored > 0)
    }

    /// The latest `count` closed, consecutive buckets have to hold.
    fn buckets(&mut self, count: u16, now: DateTime<Utc>) -> Finding {
        let buckets: BTreeSet<Bucket> =
            self.points().filter_map(|point| point.bucket).filter(|bucket| bucket.end <= now).collect();
        if buckets.is_empty() {
            return once(self.at(Pick::Newest), Persistence::Buckets(count));
        }
        let mut found: Vec<(Bucket, Finding)> = Vec::new();
        let mut gap = None;
        for bucket in buckets.into_iter().rev().take(usize::from(count)) {
            if let Some((later, _)) = found.last()
                && later.start != bucket.end
            {
                gap = Some((bucket, *later));
                break;
            }
            let finding = self.at(Pick::Bucket(bucket, found.is_empty()));
            found.push((bucket, finding));
        }
        self.settle_buckets(found, gap, usize::from(count))
    }

    fn settle_buckets(
        &self,
        found: Vec<(Bucket, Finding)>,
        gap: Option<(Bucket, Bucket)>,
        count: usize,
    ) -> Finding {
        for outcome in [Outcome::Missed, Outcome::Undecided, Outcome::Warming, Outcome::Unreported] {
            if let Some((bucket, finding)) = found.iter().find(|(_, finding)| finding.outcome == outcome) {
                let mut finding = finding.clone();
                finding.reason.push_str(&format!(" in {}", named(*bucket)));
                return finding;
            }
        }
        let names = weeks(&found.iter().map(|(bucket, _)| *bucket).collect::<Vec<_>>());
        let held = found.len();
        let Some((_, mut newest)) = found.into_iter().next() else { return nothing() };
        if let Some((before, after)) = gap {
            newest.outcome = Outcome::Undecided;
            newest.reason.push_str(&format!(
                " in {names}, but nothing is known between {} and {}",
                named(before),
                named(after)
            ));
        } else if held < count {
            let warming = self.others();
            newest.outcome = if warming { Outcome::Warming } else { Outcome::Missed };
            let whose = if warming { " of the served version" } else { "" };
            newest.reason.push_str(&format!(
                " in {names}: {held} of {count} buckets{whose} so far, not enough to match"
            ));
        } else {
            newest.reason.push_str(&format!(" in {names}"));
        }
        newest
    }

    /// Every sample of the latest `length` has to hold, the newest one no older than that, with no two neighbours
    /// further apart than that.
    fn span(&mut self, length: TimeDelta, now: DateTime<Utc>) -> Finding {
        let times: BTreeSet<DateTime<Utc>> = self.points().filter_map(|point| point.event_time).collect();
        let Some(newest) = times.last().copied() else { return self.at(Pick::Newest) };
        let mut last = self.at(Pick::At(newest, true));
        if last.outcome == Outcome::Missed && self.is_over(newest, length, now) {
            return no_longer_measured(last, newest, length, now);
        }
        if last.outcome != Outcome::Matched {
            return last;
        }
        if now - newest > length {
            last.outcome = Outcome::Undecided;
            let (age, length) = (Elapsed(now - newest), Elapsed(length));
            last.reason.push_str(&format!(
                ", but the newest sample is {age} old, longer than the {length} that it has to hold"
            ));
            return last;
        }
        let mut since = newest;
        // A round that could not measure is as one that was missed: it is no proof, and it takes nothing away.
        let mut blind: Option<Finding> = None;
        for time in times.into_iter().rev().skip(1) {
            if newest - since >= length {
                break;
            }
            if since - time > length {
                return blind.unwrap_or_else(|| unknown_before(last, time, since));
            }
            let earlier = self.at(Pick::At(time, false));
            match earlier.outcome {
                Outcome::Matched => since = time,
                Outcome::Missed => return earlier_decides(earlier, time),
                _ => blind = blind.or_else(|| Some(earlier_decides(earlier, time))),
            }
        }
        if let Some(blind) = blind.filter(|_| newest - since < length) {
            return blind;
        }
        self.settle_span(last, newest - since, length)
    }

    /// Whether nothing newer than this is there, no source says so now, and it is older than what a rule asks for.
    fn is_over(&self, newest: DateTime<Utc>, length: TimeDelta, now: DateTime<Utc>) -> bool {
        now - newest > length && matches!(self.moment, Moment::Now) && self.points().all(|point| point.stored)
    }

    fn settle_span(&self, mut last: Finding, held: TimeDelta, length: TimeDelta) -> Finding {
        if held >= length {
            last.reason.push_str(&format!(" for {}", Elapsed(held)));
        } else {
            let warming = self.others();
            last.outcome = if warming { Outcome::Warming } else { Outcome::Missed };
            let whose = if warming { " by the served version" } else { "" };
            let (held, length) = (Elapsed(held), Elapsed(length));
            last.reason.push_str(&format!(" for {held} of {length}{whose} so far, not enough to match"));
        }
        last
    }
}
