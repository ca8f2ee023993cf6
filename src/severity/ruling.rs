//! What a rule comes to: its condition, and then what is broken above it, what is warming up, what is kept and held.
//!
//! Nothing here remembers anything. Whether a rule matched half an hour ago is judged again, from the samples that are
//! known now, as of half an hour ago: a restart changes nothing, a round that was missed or ran twice changes nothing,
//! and a value that was corrected counts as corrected.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};

use super::catalog::SlotId;
use super::classification::{Held, Kept, Outcome};
use super::classify::Finding;
use super::history::{self, Moment};
use super::scheme::Rule;
use super::{Cause, Circumstances, Evidence, KeepConfig, OnNoData, Persistence, Scheme, WarmUp};
use crate::base::Duration;
use crate::base::clock::Elapsed;

/// A rule's finding, and what made it other than its condition alone.
pub(crate) struct Ruling {
    pub(crate) finding: Finding,
    pub(crate) kept: Option<Kept>,
    pub(crate) held: Option<Held>,
    pub(crate) blocked_by: Option<String>,
    pub(crate) holds_though_blocked: bool,
}

impl Ruling {
    fn plain(finding: Finding) -> Self {
        Self { finding, kept: None, held: None, blocked_by: None, holds_though_blocked: false }
    }
}

/// Judges one rule.
pub(crate) fn rule(scheme: &Scheme, rule: &Rule, evidence: &Evidence, around: &Circumstances) -> Ruling {
    let case = Case { scheme, rule, evidence, around };
    let finding = case.at(Moment::Now);
    // An alert says what it says: nothing is missing in it, and nothing came before it.
    let Some(now) = evidence.now else { return Ruling::plain(finding) };
    if let Some(cause) = case.cause().filter(|cause| cause.failed || finding.outcome != Outcome::Matched) {
        return blocked(finding, cause);
    }
    if let Some(why) = case.warming(now) {
        // Samples that do not come cannot be waited for: a probe that is broken from the start would never be noticed.
        if case.counts_samples() && finding.outcome == Outcome::Undecided {
            return Ruling::plain(Finding { reason: format!("{}; {why}", finding.reason), ..finding });
        }
        return Ruling::plain(Finding { outcome: Outcome::Warming, reason: why, ..finding });
    }
    let finding = match case.kept(Box::new(finding), now) {
        Ok(kept) => return kept,
        Err(finding) => *finding,
    };
    case.without_data(finding, now)
}

fn blocked(finding: Finding, cause: &Cause) -> Ruling {
    let holds = finding.outcome == Outcome::Matched;
    let also = if holds { format!("; its condition holds: {}", finding.reason) } else { String::new() };
    let reason = format!("blocked by {}: {}{also}", cause.name, cause.why);
    Ruling {
        blocked_by: Some(cause.name.clone()),
        holds_though_blocked: holds,
        ..Ruling::plain(Finding { outcome: Outcome::Blocked, reason, ..finding })
    }
}

struct Case<'a> {
    scheme: &'a Scheme,
    rule: &'a Rule,
    evidence: &'a Evidence,
    around: &'a Circumstances,
}

impl Case<'_> {
    fn at(&self, moment: Moment) -> Finding {
        let (rule, table) = (self.rule, &self.scheme.table);
        let persistence = rule.config.persistence;
        history::judge_at(&rule.condition, &rule.slots, persistence, table, self.evidence, moment)
    }

    /// What is broken that a metric of the rule hangs on: what failed comes before what is unknown.
    fn cause(&self) -> Option<&Cause> {
        let metrics = self.rule.slots.iter().filter_map(|slot| self.scheme.table.get(*slot));
        let mut causes: Vec<&Cause> =
            metrics.filter_map(|slot| self.around.blocked.get(&slot.metric)).collect();
        causes.sort_by_key(|cause| !cause.failed);
        causes.first().copied()
    }

    fn warm_up(&self) -> Option<WarmUp> {
        self.rule.config.warm_up.or(self.around.warm_up).or(self.scheme.config().warm_up)
    }

    /// Whether it warms up by a number of samples, and not by time.
    fn counts_samples(&self) -> bool {
        matches!(self.warm_up(), Some(WarmUp::Samples(_)))
    }

    /// Why the rule is still warming up, if it is.
    fn warming(&self, now: DateTime<Utc>) -> Option<String> {
        let own = self.warm_up()?;
        let began = self.around.began.as_ref();
        match own {
            WarmUp::For(length) => {
                let began = began?;
                let (passed, until) = (now - began.at, length.after(began.at));
                (until > now).then(|| {
                    let ago = Elapsed(passed.max(TimeDelta::zero()));
                    format!("warming up for {length}: {} {ago} ago, until {}", began.what, minute(until))
                })
            }
            WarmUp::Samples(wanted) => {
                let since = began.map_or(DateTime::<Utc>::MIN_UTC, |began| began.at);
                let have = self.times(&self.rule.slots, since).len();
                (have < usize::from(wanted)).then(|| {
                    let what = began.map(|began| format!(" since {}", began.what)).unwrap_or_default();
                    format!("warming up: {have} of {own} so far{what}")
                })
            }
        }
    }

    /// The event times of what the served version showed, from `since` to now.
    fn times(&self, slots: &[SlotId], since: DateTime<Utc>) -> BTreeSet<DateTime<Utc>> {
        let slots = slots.iter().filter_map(|slot| self.scheme.table.get(*slot));
        let series = slots.flat_map(|slot| self.evidence.series(slot));
        let points = series.flat_map(|(_, series)| series.points.iter());
        let now = self.evidence.now;
        let times = points.filter_map(|point| point.event_time);
        times.filter(|at| *at >= since && now.is_some_and(|now| *at <= now)).collect()
    }

    /// A rule that does not match any more, and is kept; otherwise the finding as it was.
    fn kept(&self, finding: Box<Finding>, now: DateTime<Utc>) -> Result<Ruling, Box<Finding>> {
        let over = matches!(finding.outcome, Outcome::Matched | Outcome::Warming | Outcome::Blocked);
        let (Some(keep), Some(named)) =
            (&self.rule.config.keep, self.around.open.get(self.rule.config.symptom()))
        else {
            return Err(finding);
        };
        if over {
            return Err(finding);
        }
        match keep {
            KeepConfig::For(length) => self.kept_for(*length, finding, now),
            KeepConfig::Until(until) => {
                let named = named.contains(&self.rule.config.id);
                self.kept_until(until.source(), named, finding, now)
            }
        }
    }

    fn kept_for(
        &self,
        length: Duration,
        finding: Box<Finding>,
        now: DateTime<Utc>,
    ) -> Result<Ruling, Box<Finding>> {
        let since = now - length.approximate();
        let times = self.times(&self.rule.slots, since);
        let matched = |at: &&DateTime<Utc>| self.at(Moment::Then(**at)).outcome == Outcome::Matched;
        let Some(matched_at) = times.iter().rev().find(matched).copied() else { return Err(finding) };
        let until = length.after(matched_at);
        let reason = format!(
            "kept: it matched at {} and is kept for {length}, until {}; now {}",
            minute(matched_at),
            minute(until),
            finding.reason
        );
        let kept = Kept { matched_at: Some(matched_at), until: Some(until), condition: None };
        Ok(matching(*finding, reason, Some(kept)))
    }

    /// From the newest sample backwards: what comes first, the end of it or a match? Where the samples do not reach
    /// back to either, the open incident tells that it matched.
    fn kept_until(
        &self,
        condition: &str,
        named: bool,
        finding: Box<Finding>,
        now: DateTime<Utc>,
    ) -> Result<Ruling, Box<Finding>> {
        let Some((keeps, slots)) = &self.rule.kept_while else { return Err(finding) };
        let table = &self.scheme.table;
        let ended = |moment| {
            let found = history::judge_at(keeps, slots, None, table, self.evidence, moment);
            found.outcome == Outcome::Missed
        };
        if ended(Moment::Now) {
            return Err(finding);
        }
        let mut times = self.times(&self.rule.slots, DateTime::<Utc>::MIN_UTC);
        times.extend(self.times(slots, DateTime::<Utc>::MIN_UTC));
        let mut matched_at = None;
        for at in times.into_iter().rev().filter(|at| *at <= now) {
            if self.at(Moment::Then(at)).outcome == Outcome::Matched {
                matched_at = Some(at);
                break;
            }
            if ended(Moment::Then(at)) {
                return Err(finding);
            }
        }
        if matched_at.is_none() && !named {
            return Err(finding);
        }
        let when = matched_at.map(|at| format!(" at {}", minute(at))).unwrap_or_default();
        let reason = format!("kept: it matched{when} and is kept until {condition}; now {}", finding.reason);
        let kept = Kept { matched_at, until: None, condition: Some(condition.to_owned()) };
        Ok(matching(*finding, reason, Some(kept)))
    }

    /// What it means that nothing is known.
    fn without_data(&self, finding: Finding, now: DateTime<Utc>) -> Ruling {
        let meaning = self.rule.config.on_no_data.unwrap_or(OnNoData::Unknown);
        if finding.outcome != Outcome::Undecided {
            return Ruling::plain(finding);
        }
        match meaning {
            OnNoData::Unknown => Ruling::plain(finding),
            OnNoData::Crit => {
                let reason = format!("no data counts as a match: {}", finding.reason);
                matching(finding, reason, None)
            }
            OnNoData::Hold(length) => self.hold(length, finding, now),
        }
    }

    fn hold(&self, length: Duration, finding: Finding, now: DateTime<Utc>) -> Ruling {
        let times = self.times(&self.rule.slots, now - length.approximate());
        let decided = times.iter().rev().find_map(|at| {
            let found = self.at(Moment::Then(*at));
            matches!(found.outcome, Outcome::Matched | Outcome::Missed).then_some((*at, found))
        });
        let Some((decided_at, found)) = decided else {
            let reason =
                format!("{}; nothing was decided in the last {length} that could be held", finding.reason);
            return Ruling::plain(Finding { reason, ..finding });
        };
        let until = length.after(decided_at);
        let reason = format!(
            "held: {}, as of {}, until {}; now {}",
            found.reason,
            minute(decided_at),
            minute(until),
            finding.reason
        );
        let held = Held { decided_at, until };
        Ruling {
            held: Some(held),
            ..Ruling::plain(Finding { reason, looked_at: finding.looked_at, ..found })
        }
    }
}

fn matching(finding: Finding, reason: String, kept: Option<Kept>) -> Ruling {
    // The distance is that of a condition that does not hold: it would say the opposite of the outcome.
    Ruling { kept, ..Ruling::plain(Finding { outcome: Outcome::Matched, reason, distance: None, ..finding }) }
}

fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

impl Scheme {
    /// How far back its rules look in stored samples; `None` where what was measured now is enough. Rules that keep a
    /// match until a condition holds look back as far as their incident: `open` is its age.
    pub fn reach(&self, open: Option<TimeDelta>) -> Option<TimeDelta> {
        self.rules.iter().filter_map(|rule| reach(rule, open)).max()
    }

    /// The metrics of rules that have to hold in several closed buckets, each with the largest number of them.
    pub fn buckets(&self) -> BTreeMap<&str, u16> {
        let mut wanted = BTreeMap::new();
        for rule in &self.rules {
            let Some(Persistence::Buckets(count @ 2..)) = rule.config.persistence else { continue };
            for metric in rule.slots.iter().filter_map(|slot| self.table.get(*slot)) {
                let most = wanted.entry(metric.metric.as_str()).or_insert(count);
                *most = count.max(*most);
            }
        }
        wanted
    }

    /// The largest number of samples that a warm-up asks for; `service` is the service's own.
    pub fn samples_to_warm_up(&self, service: Option<WarmUp>) -> Option<u16> {
        let rules = self.rules.iter().filter_map(|rule| rule.config.warm_up);
        let all = rules.chain(service.or(self.config().warm_up));
        let counted = all.filter_map(|warm_up| match warm_up {
            WarmUp::Samples(count) => Some(count),
            WarmUp::For(_) => None,
        });
        counted.max()
    }
}

fn reach(rule: &Rule, open: Option<TimeDelta>) -> Option<TimeDelta> {
    // The newest sample may be as old as the stretch is long, the stretch lies before it, and its first sample may
    // lie as far before that.
    let span = match rule.config.persistence {
        Some(Persistence::Duration(length)) => Some(length.approximate() * 3),
        _ => None,
    };
    let keep = match &rule.config.keep {
        Some(KeepConfig::For(length)) => Some(length.approximate()),
        _ => None,
    };
    let hold = match rule.config.on_no_data {
        Some(OnNoData::Hold(length)) => Some(length.approximate()),
        _ => None,
    };
    let open = open.filter(|_| matches!(rule.config.keep, Some(KeepConfig::Until(_))));
    let back = keep.max(hold).max(open);
    match (back, span) {
        (None, None) => None,
        (back, span) => Some(back.unwrap_or_default() + span.unwrap_or_default()),
    }
}

impl Scheme {
    /// Whether it, or one of its rules, has a warm-up.
    pub fn warms_up(&self) -> bool {
        self.config().warm_up.is_some() || self.rules.iter().any(|rule| rule.config.warm_up.is_some())
    }

    /// Whether a rule keeps its match while its incident is open.
    pub fn keeps(&self) -> bool {
        self.rules.iter().any(|rule| rule.config.keep.is_some())
    }
}
