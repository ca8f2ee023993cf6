//! What a level promises (acknowledge, respond, mitigate, resolve, tell, write up), and what became of it.

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::state::{Incident, Moment};
use crate::base::Duration;

/// What a level promises, as lengths of time; handed in by whoever knows the scheme.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timings {
    /// Until a person has acknowledged.
    pub acknowledge: Option<Duration>,
    /// Until the response has begun.
    pub respond: Option<Duration>,
    /// Until the harm has ended.
    pub mitigate: Option<Duration>,
    /// Until it is over.
    pub resolve: Option<Duration>,
    /// Until those whom the level concerns are told.
    pub notify_within: Option<Duration>,
    /// Between updates, as long as it lasts.
    pub update_every: Option<Duration>,
    /// From the resolution until the postmortem is due.
    pub postmortem: Option<Duration>,
    /// Why the postmortem is due then: `rule signs-flip`, `level P0`.
    pub postmortem_because: Option<String>,
}

impl Timings {
    /// The promises as instants, counted from `start`; the postmortem's is counted from the resolution.
    pub fn from(&self, start: DateTime<Utc>) -> Deadlines {
        let by = |duration: Option<Duration>| duration.map(|duration| duration.after(start));
        Deadlines {
            acknowledge_by: by(self.acknowledge),
            respond_by: by(self.respond),
            mitigate_by: by(self.mitigate),
            resolve_by: by(self.resolve),
            notify_by: by(self.notify_within),
            update_every: self.update_every,
            postmortem_within: self.postmortem,
            postmortem_because: self.postmortem_because.clone(),
        }
    }
}

/// The promises of an incident's level, as instants (UTC).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Deadlines {
    /// A person has acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledge_by: Option<DateTime<Utc>>,
    /// The response has begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub respond_by: Option<DateTime<Utc>>,
    /// The harm has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mitigate_by: Option<DateTime<Utc>>,
    /// It is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolve_by: Option<DateTime<Utc>>,
    /// Those whom the level concerns are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify_by: Option<DateTime<Utc>>,
    /// How often they hear of it while it lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_every: Option<Duration>,
    /// How long after the resolution the postmortem is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postmortem_within: Option<Duration>,
    /// Why it is due then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postmortem_because: Option<String>,
}

impl Deadlines {
    /// When the postmortem is due, once the incident is resolved.
    pub fn postmortem_due(&self, resolved_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.postmortem_within.map(|within| within.after(resolved_at))
    }
}

/// What was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PromiseKind {
    /// A person acknowledges.
    Acknowledge,
    /// The response begins.
    Respond,
    /// The harm ends.
    Mitigate,
    /// It is over.
    Resolve,
    /// Those whom it concerns are told.
    Notify,
    /// The postmortem is done.
    Postmortem,
}

impl PromiseKind {
    /// As it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            PromiseKind::Acknowledge => "acknowledge",
            PromiseKind::Respond => "respond",
            PromiseKind::Mitigate => "mitigate",
            PromiseKind::Resolve => "resolve",
            PromiseKind::Notify => "notify",
            PromiseKind::Postmortem => "postmortem",
        }
    }
}

/// What became of a promise at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Done in time.
    Met,
    /// Done too late, or not done and the time is over.
    Missed,
    /// Not done, and there is time.
    Pending,
}

/// One promise at an instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Promise {
    /// What was promised.
    pub kind: PromiseKind,
    /// By when (UTC).
    pub due: DateTime<Utc>,
    /// What became of it.
    pub standing: Standing,
    /// When it was done, and the event that says so.
    pub done: Option<Moment>,
}

impl Promise {
    fn at(kind: PromiseKind, due: DateTime<Utc>, done: Option<Moment>, now: DateTime<Utc>) -> Self {
        let standing = match &done {
            Some(moment) if moment.at <= due => Standing::Met,
            None if now <= due => Standing::Pending,
            _ => Standing::Missed,
        };
        Self { kind, due, standing, done }
    }

    /// How long is left; negative when it is over.
    pub fn left(&self, now: DateTime<Utc>) -> TimeDelta {
        self.due - now
    }
}

/// Every promise of the incident's level and what became of it at `now`, in the order they fall due.
///
/// After a reopening they are those of the present episode: what was done in an earlier one does not count.
pub fn promises(incident: &Incident, now: DateTime<Utc>) -> Vec<Promise> {
    let deadlines = &incident.deadlines;
    let resolved = incident.resolved.clone();
    let mitigated = earliest([&incident.mitigated, &resolved]);
    let responded = earliest([&incident.responded, &mitigated]);
    let mut found = Vec::new();
    let mut add = |kind, due: Option<DateTime<Utc>>, done: Option<Moment>| {
        if let Some(due) = due {
            found.push(Promise::at(kind, due, done, now));
        }
    };
    add(PromiseKind::Acknowledge, deadlines.acknowledge_by, incident.acknowledged.clone());
    add(PromiseKind::Notify, deadlines.notify_by, incident.notified.clone());
    add(PromiseKind::Respond, deadlines.respond_by, responded);
    add(PromiseKind::Mitigate, deadlines.mitigate_by, mitigated);
    add(PromiseKind::Resolve, deadlines.resolve_by, resolved);
    let postmortem = incident.resolved.as_ref().and_then(|moment| deadlines.postmortem_due(moment.at));
    add(PromiseKind::Postmortem, postmortem, incident.closed.clone());
    found.sort_by_key(|promise| promise.due);
    found
}

fn earliest<const N: usize>(moments: [&Option<Moment>; N]) -> Option<Moment> {
    moments.into_iter().flatten().min_by_key(|moment| moment.at).cloned()
}

/// How long it took to notice: from the newest event time in the evidence to the opening.
pub fn detection_time(incident: &Incident) -> Option<TimeDelta> {
    let happened = incident.evidence_at?;
    let noticed = incident.detected_at.unwrap_or(incident.opened_at);
    Some(noticed - happened).filter(|elapsed| *elapsed >= TimeDelta::zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::parse_instant;
    use crate::incident::fixtures::{at, opened_incident};
    use crate::store::Actor;

    fn moment(minutes: i64) -> Option<Moment> {
        Some(Moment { at: at(minutes), sequence: 9, by: Actor::Automation })
    }

    #[test]
    fn promises_are_met_missed_or_pending() {
        let mut incident = opened_incident();
        let timings = Timings {
            acknowledge: Some(Duration::minutes(15)),
            respond: Some(Duration::minutes(60)),
            resolve: Some(Duration::minutes(240)),
            postmortem: Some(Duration::BusinessDays(3)),
            ..Timings::default()
        };
        incident.deadlines = timings.from(at(0));
        incident.acknowledged = moment(16);
        let standing = |incident: &Incident, now| {
            promises(incident, now).iter().map(|promise| promise.standing).collect::<Vec<_>>()
        };
        assert_eq!(standing(&incident, at(60)), [Standing::Missed, Standing::Pending, Standing::Pending]);
        assert_eq!(standing(&incident, at(61)), [Standing::Missed, Standing::Missed, Standing::Pending]);
        incident.mitigated = moment(30);
        assert_eq!(standing(&incident, at(61)), [Standing::Missed, Standing::Met, Standing::Pending]);
        incident.resolved = moment(240);
        let all = promises(&incident, at(300));
        assert_eq!(all.len(), 4);
        assert_eq!(all.iter().filter(|promise| promise.standing == Standing::Met).count(), 2);
        // Friday night plus three business days is Wednesday.
        let due = all.last().unwrap().due;
        assert_eq!(due, parse_instant("2026-11-25T07:07:00Z").unwrap());
    }

    #[test]
    fn detection_is_measured_from_the_newest_evidence() {
        let mut incident = opened_incident();
        incident.evidence_at = Some(at(-12));
        assert_eq!(detection_time(&incident), Some(TimeDelta::minutes(12)));
        // Evidence from the future says nothing about how long noticing took.
        incident.evidence_at = Some(at(5));
        assert_eq!(detection_time(&incident), None);
    }
}
