//! The digest for a regular review: the incidents of a stretch of time by symptom, how many there were in the stretch
//! before it, and which patterns ask for a review.

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

use crate::base::Untrusted;
use crate::incident::pattern::{KIND, Pattern};
use crate::incident::{Incident, NoteKind, State};
use crate::store::Event;

/// How the number of incidents moved from one stretch of time to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trend {
    /// There was none before.
    New,
    /// There were fewer before.
    More,
    /// There were as many.
    Same,
    /// There were more before.
    Fewer,
    /// There was none any more.
    Gone,
}

impl Trend {
    fn of(before: usize, now: usize) -> Self {
        match (before, now) {
            (0, _) => Trend::New,
            (_, 0) => Trend::Gone,
            (before, now) if now > before => Trend::More,
            (before, now) if now < before => Trend::Fewer,
            _ => Trend::Same,
        }
    }

    /// As it stands in a table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Trend::New => "new",
            Trend::More => "more",
            Trend::Same => "same",
            Trend::Fewer => "fewer",
            Trend::Gone => "gone",
        }
    }
}

/// The incidents of one symptom.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SymptomDigest {
    /// What was broken.
    pub symptom: String,
    /// The services, by name.
    pub services: Vec<String>,
    /// How many incidents were opened.
    pub incidents: usize,
    /// How many of them were opened again.
    pub reopened: usize,
    /// How many are still open.
    pub open: usize,
    /// How many were opened in the stretch of the same length before it.
    pub before: usize,
    /// How that moved.
    pub trend: Trend,
    /// The worst level among them, as its scheme names it; absent where there were only earlier ones.
    pub worst: Option<String>,
    /// How long they lasted together, in minutes; those that last count up to now.
    pub minutes: i64,
    /// Their identifiers, oldest first.
    pub ids: Vec<String>,
}

/// A pattern that asked for a review.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Review {
    /// The service.
    pub service: String,
    /// When it emerged (UTC).
    pub at: DateTime<Utc>,
    /// The incident that made it one; its action item is the review.
    pub incident: Option<String>,
    /// The pattern.
    pub pattern: Pattern,
}

/// Something that is still to be done about an incident.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Action {
    /// The incident.
    pub incident: String,
    /// What.
    pub text: Untrusted,
    /// Who.
    pub owner: Option<Untrusted>,
    /// Until when (UTC).
    pub due: Option<DateTime<Utc>>,
}

/// A digest.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Digest {
    /// From when (UTC).
    pub since: DateTime<Utc>,
    /// To when (UTC).
    pub until: DateTime<Utc>,
    /// How many incidents were opened; cancelled and merged ones do not count.
    pub incidents: usize,
    /// How many were opened in the stretch of the same length before it.
    pub before: usize,
    /// By symptom, the most frequent first.
    pub symptoms: Vec<SymptomDigest>,
    /// The patterns that emerged.
    pub patterns: Vec<Review>,
    /// The action items of these incidents.
    pub actions: Vec<Action>,
}

/// The digest of the `length` before `now`.
pub fn digest(incidents: &[Incident], events: &[Event], length: TimeDelta, now: DateTime<Utc>) -> Digest {
    let since = now - length;
    let real = |one: &&Incident| !matches!(one.state, State::Cancelled | State::Merged);
    let within = |from: DateTime<Utc>, to: DateTime<Utc>| {
        let all = incidents.iter().filter(real);
        all.filter(|one| one.opened_at >= from && one.opened_at < to).collect::<Vec<_>>()
    };
    // What was opened at this very instant belongs to it.
    let present = within(since, now + TimeDelta::nanoseconds(1));
    let earlier = within(since - length, since);
    let names: BTreeSet<&str> = present.iter().chain(&earlier).map(|one| one.symptom.as_str()).collect();
    let of = |all: &[&Incident], symptom: &str| all.iter().filter(|one| one.symptom == symptom).count();
    let mut symptoms: Vec<SymptomDigest> = names
        .into_iter()
        .map(|symptom| {
            let own: Vec<&Incident> = present.iter().copied().filter(|one| one.symptom == symptom).collect();
            by_symptom(symptom, &own, of(&earlier, symptom), now)
        })
        .collect();
    symptoms.sort_by(|a, b| b.incidents.cmp(&a.incidents).then_with(|| a.symptom.cmp(&b.symptom)));
    Digest {
        since,
        until: now,
        incidents: present.len(),
        before: earlier.len(),
        symptoms,
        patterns: events.iter().filter_map(|event| review(event, since, now)).collect(),
        actions: present.iter().flat_map(|incident| actions(incident)).collect(),
    }
}

fn by_symptom(symptom: &str, own: &[&Incident], before: usize, now: DateTime<Utc>) -> SymptomDigest {
    let services: BTreeMap<&str, ()> = own.iter().map(|one| (one.service.as_str(), ())).collect();
    // Ranks of two schemes do not compare; what they come to does.
    let worst = own.iter().min_by_key(|one| (one.peak.verdict.exit() != 2, one.peak.rank));
    SymptomDigest {
        symptom: symptom.to_owned(),
        services: services.into_keys().map(str::to_owned).collect(),
        incidents: own.len(),
        reopened: own.iter().filter(|one| one.episode > 1).count(),
        open: own.iter().filter(|one| one.is_open()).count(),
        before,
        trend: Trend::of(before, own.len()),
        worst: worst.map(|one| one.peak.name.clone()),
        minutes: own.iter().map(|one| one.duration(now).num_minutes().max(0)).sum(),
        ids: own.iter().map(|one| one.id.clone()).collect(),
    }
}

fn review(event: &Event, since: DateTime<Utc>, now: DateTime<Utc>) -> Option<Review> {
    if event.kind != KIND || event.occurred_at < since || event.occurred_at > now {
        return None;
    }
    Some(Review {
        service: event.service.clone()?,
        at: event.occurred_at,
        incident: event.incident.clone(),
        pattern: serde_json::from_value(event.payload.clone()).ok()?,
    })
}

fn actions(incident: &Incident) -> impl Iterator<Item = Action> + '_ {
    incident.notes_of(NoteKind::Action).map(|note| Action {
        incident: incident.id.clone(),
        text: note.text().clone(),
        owner: note.note.owner.clone(),
        due: note.note.due,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trend_says_how_the_number_moved() {
        for (before, now, trend) in [
            (0, 1, Trend::New),
            (1, 2, Trend::More),
            (2, 2, Trend::Same),
            (3, 1, Trend::Fewer),
            (1, 0, Trend::Gone),
        ] {
            assert_eq!(Trend::of(before, now), trend, "{before} {now}");
        }
        let none = digest(&[], &[], TimeDelta::days(14), DateTime::UNIX_EPOCH);
        assert_eq!((none.incidents, none.symptoms.len(), none.patterns.len()), (0, 0, 0));
    }
}
