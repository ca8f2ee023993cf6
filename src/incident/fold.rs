//! From events to an incident. History is tolerated as it is: what does not fit is flagged, never dropped.

use super::codec::KIND_PREFIX;
use super::event::{Because, ByOperation, DetectedBy, IncidentEvent, Level, LevelChanged, Opened, Reopened};
use super::policy::Watch;
use super::state::{Incident, Irregularity, LevelStep, Moment, Note, State, Step, after};
use crate::base::{Untrusted, Verdict};
use crate::store::{Actor, Event};

/// The incident that these events tell of, or `None` where none of them is an incident's.
///
/// Events are taken in the order of their sequence numbers. Events of other kinds (`operation.*`, `notice.*`)
/// that belong to the incident count as response and as telling.
pub fn fold(events: &[Event]) -> Option<Incident> {
    let mut ordered: Vec<&Event> = events.iter().collect();
    ordered.sort_by_key(|event| event.sequence);
    let first =
        *ordered.iter().find(|event| event.kind.starts_with(KIND_PREFIX) && event.incident.is_some())?;
    let mut incident = Incident::blank(first);
    let mut open = false;
    for event in ordered {
        incident.last_sequence = event.sequence;
        incident.take(event, &mut open);
    }
    if !open {
        incident.flag(first.sequence, "the event that opened it is missing");
    }
    Some(incident)
}

fn moment(event: &Event) -> Moment {
    Moment { at: event.occurred_at, sequence: event.sequence, by: event.actor.clone() }
}

impl Incident {
    /// What is known of an incident before its first event is read.
    fn blank(first: &Event) -> Self {
        let level = Level::new("?", u32::MAX, Verdict::Unknown);
        Self {
            id: first.incident.clone().unwrap_or_default(),
            service: first.service.clone().unwrap_or_default(),
            symptom: String::new(),
            title: Untrusted::default(),
            description: Untrusted::default(),
            scheme: String::new(),
            level: level.clone(),
            peak: level.clone(),
            at_least: false,
            state: State::Triage,
            episode: 1,
            opened_at: first.occurred_at,
            opened: moment(first),
            episode_at: first.occurred_at,
            detected_by: Default::default(),
            detected_at: None,
            evidence_at: None,
            evidence: Vec::new(),
            version: None,
            acknowledged: None,
            responded: None,
            notified: None,
            roles: Default::default(),
            contained: None,
            mitigated: None,
            resolved: None,
            resolution: None,
            closed: None,
            operations: Vec::new(),
            rules: Vec::new(),
            runbook: None,
            first_action: None,
            affected_services: Vec::new(),
            metrics: Default::default(),
            deadlines: Default::default(),
            levels: Vec::new(),
            notes: Vec::new(),
            merged_into: None,
            last_sequence: 0,
            irregularities: Vec::new(),
            watch: Watch::new(level, first.occurred_at),
        }
    }

    fn flag(&mut self, sequence: u64, problem: impl Into<String>) {
        self.irregularities.push(Irregularity { sequence, problem: problem.into() });
    }

    /// Takes a step; one that the table does not have is flagged, and the state stays.
    fn step(&mut self, event: &Event, step: Step) -> bool {
        match after(self.state, step) {
            Some(state) => {
                self.state = state;
                true
            }
            None => {
                let problem = format!("`{}` does not follow on the state {}", event.kind, self.state);
                self.flag(event.sequence, problem);
                false
            }
        }
    }

    fn take(&mut self, event: &Event, open: &mut bool) {
        if event.incident.as_deref() != Some(self.id.as_str()) {
            return;
        }
        if let Some(operation) = &event.operation
            && !self.operations.contains(operation)
        {
            self.operations.push(operation.clone());
        }
        if !event.kind.starts_with(KIND_PREFIX) {
            self.take_neighbour(event);
            return;
        }
        match IncidentEvent::decode(event) {
            IncidentEvent::Opened(_) if *open => self.flag(event.sequence, "it is opened a second time"),
            IncidentEvent::Opened(opened) => {
                *open = true;
                self.take_opened(event, *opened);
            }
            IncidentEvent::LevelChanged(change) => self.take_level(event, change),
            IncidentEvent::Evidence(evidence) => {
                self.step(event, Step::Evidence);
                self.watch.record(&evidence);
                self.evidence = evidence.inputs;
            }
            IncidentEvent::Acknowledged(_) => {
                if self.step(event, Step::Acknowledge) && self.acknowledged.is_none() {
                    self.acknowledged = Some(moment(event));
                }
            }
            IncidentEvent::Assigned(assigned) => {
                self.roles.insert(assigned.role, assigned.person);
                self.begin_response(event);
            }
            IncidentEvent::Noted(note) => {
                self.notes.push(Note { moment: moment(event), note, corrected: None });
                if matches!(event.actor, Actor::Human(_)) {
                    self.begin_response(event);
                }
            }
            IncidentEvent::Contained(_) => {
                self.step(event, Step::Contain);
                self.contained = Some(moment(event));
                self.begin_response(event);
            }
            IncidentEvent::Released(_) => self.contained = None,
            IncidentEvent::Mitigated(by) => self.take_mitigated(event, &by),
            IncidentEvent::Resolved(because) => self.take_resolved(event, because),
            IncidentEvent::Closed(_) => {
                if self.step(event, Step::Close) {
                    self.closed = Some(moment(event));
                }
            }
            IncidentEvent::Reopened(reopened) => self.take_reopened(event, reopened),
            IncidentEvent::Cancelled(because) => {
                if self.step(event, Step::Cancel) {
                    self.resolution = because.reason;
                }
            }
            IncidentEvent::Merged(merged) => {
                if self.step(event, Step::Merge) {
                    self.merged_into = Some(merged.into);
                }
            }
            IncidentEvent::Superseded(correction) => {
                match self.notes.iter_mut().find(|note| note.moment.sequence == correction.sequence) {
                    Some(note) => note.corrected = Some((event.sequence, correction.correction)),
                    None => self.flag(correction.sequence, format!("corrected by event {}", event.sequence)),
                }
            }
            IncidentEvent::Unknown { kind, problem } => {
                self.flag(event.sequence, format!("`{kind}` is not understood: {problem}"));
            }
        }
    }

    /// What other rooms wrote about the incident: work on it has begun, or somebody was told.
    fn take_neighbour(&mut self, event: &Event) {
        let kind = event.kind.as_str();
        if kind == "notice.delivered" {
            self.notified.get_or_insert_with(|| moment(event));
        } else if ["operation.", "rollback.", "contain."].iter().any(|prefix| kind.starts_with(prefix)) {
            self.begin_response(event);
        }
    }

    fn begin_response(&mut self, event: &Event) {
        self.responded.get_or_insert_with(|| moment(event));
    }

    fn take_opened(&mut self, event: &Event, opened: Opened) {
        let level = opened.level();
        self.opened_at = event.occurred_at;
        self.opened = moment(event);
        self.episode_at = event.occurred_at;
        self.service = event.service.clone().unwrap_or_default();
        self.watch = Watch::new(level.clone(), event.occurred_at);
        self.watch.see(&opened.evidence);
        if opened.detected_by != DetectedBy::Human {
            self.watch.matched();
        }
        self.level = level.clone();
        self.peak = level;
        self.evidence_at = opened.evidence.iter().filter_map(|input| input.event_time).max();
        self.symptom = opened.symptom;
        self.title = opened.title;
        self.description = opened.description;
        self.scheme = opened.scheme;
        self.at_least = opened.at_least;
        self.detected_by = opened.detected_by;
        self.detected_at = opened.detected_at;
        self.evidence = opened.evidence;
        self.version = opened.version;
        self.rules = opened.rules;
        self.runbook = opened.runbook;
        self.first_action = opened.first_action;
        self.affected_services = opened.affected_services;
        self.metrics = opened.metrics;
        self.deadlines = opened.deadlines;
    }

    fn take_level(&mut self, event: &Event, change: LevelChanged) {
        if !self.step(event, Step::ChangeLevel) {
            return;
        }
        let level = Level::new(change.to.clone(), change.rank, change.verdict);
        let by_human = matches!(event.actor, Actor::Human(_));
        self.watch.change_level(level.clone(), event.occurred_at, by_human);
        if level.is_worse_than(&self.peak) || self.peak.name == "?" {
            self.peak = level.clone();
        }
        self.level = level;
        self.deadlines = change.deadlines;
        if !change.rules.is_empty() {
            self.rules = change.rules;
        }
        if change.runbook.is_some() {
            self.runbook = change.runbook;
        }
        let (from, to, reason) = (change.from, change.to, change.reason);
        self.levels.push(LevelStep { moment: moment(event), from, to, reason });
    }

    fn take_mitigated(&mut self, event: &Event, by: &ByOperation) {
        if self.step(event, Step::Mitigate) {
            self.mitigated = Some(moment(event));
            self.begin_response(event);
            if let Some(operation) = by.operation.as_ref().filter(|name| !self.operations.contains(name)) {
                self.operations.push(operation.clone());
            }
        }
    }

    fn take_resolved(&mut self, event: &Event, because: Because) {
        if self.step(event, Step::Resolve) {
            self.resolved = Some(moment(event));
            self.resolution = because.reason;
        }
    }

    /// A new episode: what was done about the last one does not count for this one.
    fn take_reopened(&mut self, event: &Event, reopened: Reopened) {
        if !self.step(event, Step::Reopen) {
            return;
        }
        self.episode = reopened.episode;
        self.episode_at = event.occurred_at;
        self.acknowledged = None;
        self.responded = None;
        self.notified = None;
        self.mitigated = None;
        self.resolved = None;
        self.resolution = None;
        self.closed = None;
        self.deadlines = reopened.deadlines;
        self.watch.restart(event.occurred_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::fixtures::{at, by, opened_event, stored};
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_night_becomes_an_incident() {
        let events = [
            opened_event(),
            stored(2, "incident.contained", json!({"operation": "OP-1"})),
            stored(3, "notice.delivered", json!({"channel": "ops"})),
            by("mira", stored(4, "incident.acknowledged", json!({}))),
            by("mira", stored(5, "incident.noted", json!({"text": "feed stopped", "kind": "root_cause"}))),
            stored(6, "incident.superseded", json!({"sequence": 5, "correction": "the feed was late"})),
            stored(7, "incident.mitigated", json!({"operation": "OP-2"})),
            stored(8, "incident.released", json!({"operation": "OP-2"})),
            by("mira", stored(9, "incident.resolved", json!({"reason": "rolled back"}))),
        ];
        let incident = fold(&events).unwrap();
        assert_eq!((incident.state, incident.episode), (State::Resolved, 1));
        assert_eq!(incident.operations, ["OP-2"]);
        assert_eq!(incident.notified.unwrap().sequence, 3);
        assert_eq!(incident.responded.unwrap().sequence, 2);
        assert_eq!(incident.acknowledged.unwrap().by, Actor::Human("mira".into()));
        assert!(incident.contained.is_none());
        assert_eq!(incident.notes[0].text().raw(), "the feed was late");
        assert_eq!(incident.notes[0].sequences(), [5, 6]);
        assert!(incident.irregularities.is_empty(), "{:?}", incident.irregularities);
        assert_eq!(incident.resolved.unwrap().at, at(8));
    }

    #[test]
    fn history_that_does_not_fit_is_flagged_and_kept() {
        let events = [
            stored(1, "incident.acknowledged", json!({})),
            stored(2, "incident.teleported", json!({})),
            stored(3, "incident.closed", json!({})),
        ];
        let incident = fold(&events).unwrap();
        let flagged: Vec<_> = incident.irregularities.iter().map(|found| found.sequence).collect();
        assert_eq!(flagged, [2, 3, 1]);
        assert_eq!(incident.state, State::Active);
        assert!(fold(&[]).is_none());
    }

    #[test]
    fn a_reopening_begins_an_episode_of_its_own() {
        let events = [
            opened_event(),
            by("mira", stored(2, "incident.acknowledged", json!({}))),
            by("mira", stored(3, "incident.resolved", json!({"reason": "over"}))),
            stored(4, "incident.reopened", json!({"episode": 2, "reason": "it is back"})),
        ];
        let incident = fold(&events).unwrap();
        assert_eq!((incident.state, incident.episode, incident.episode_at), (State::Active, 2, at(3)));
        assert!(incident.acknowledged.is_none() && incident.resolved.is_none());
    }

    const KINDS: &[&str] = &[
        "incident.opened",
        "incident.level_changed",
        "incident.evidence",
        "incident.acknowledged",
        "incident.assigned",
        "incident.noted",
        "incident.contained",
        "incident.released",
        "incident.mitigated",
        "incident.resolved",
        "incident.closed",
        "incident.reopened",
        "incident.cancelled",
        "incident.merged",
        "incident.superseded",
        "incident.unheard_of",
        "operation.started",
        "notice.delivered",
    ];

    fn payload() -> impl Strategy<Value = serde_json::Value> {
        let opened = opened_event().payload;
        prop_oneof![
            Just(opened),
            Just(json!({"from": "P0", "to": "P1", "rank": 1, "verdict": "WARN"})),
            Just(json!({"finding": "clear", "verdict": "OK", "inputs": [{"key": "a"}]})),
            Just(json!({"text": "t", "role": "r", "person": "p", "into": "INC-2", "reason": "because"})),
            Just(json!({"episode": 4_294_967_295_u32, "sequence": 3, "correction": "c"})),
            Just(json!({})),
            Just(json!([1, null])),
            Just(json!(null)),
        ]
    }

    proptest! {
        #[test]
        fn any_history_folds(
            history in proptest::collection::vec((0..KINDS.len(), payload(), 1_u64..50, any::<bool>()), 1..40)
        ) {
            let events: Vec<_> = history
                .into_iter()
                .map(|(kind, payload, sequence, human)| {
                    let event = stored(sequence, KINDS[kind], payload);
                    if human { by("mira", event) } else { event }
                })
                .collect();
            if let Some(incident) = fold(&events) {
                let mut turned = events.clone();
                turned.sort_by_key(|event| event.sequence);
                prop_assert_eq!(fold(&turned).unwrap(), incident.clone(), "order of arrival does not matter");
                prop_assert!(!incident.peak.is_worse_than(&incident.peak));
                crate::incident::deadlines::promises(&incident, at(60));
                crate::incident::timeline::lines(&events);
            }
        }
    }
}
