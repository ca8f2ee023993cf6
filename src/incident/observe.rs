//! Incidents by evidence: what a check round found about one symptom opens, raises, lowers or resolves.

use super::PolicyConfig;
use super::book::{Book, Opening, Releveling, list, open_among};
use super::deadlines::Timings;
use super::event::{Evidence, FindingKind, IncidentEvent, Level, Opened};
use super::observation::{Change, Observation, Observed};
use super::policy::{Finding, PolicyStep};
use super::state::{Incident, State, Step};
use crate::base::Result;
use crate::store::{Actor, Session};
use chrono::{DateTime, Utc};

/// Takes an observation in. `timings` gives what a level, by name, promises.
pub fn observe(
    session: &mut dyn Session,
    observation: &Observation,
    policy: &PolicyConfig,
    timings: &dyn Fn(&str) -> Timings,
    now: DateTime<Utc>,
) -> Result<Observed> {
    let incidents = list(session, Some(&observation.service))?;
    let mut round = Round {
        book: Book::new(session, Actor::Automation, now),
        finding: observation.finding.clone().normalized(),
        observation,
        policy,
        timings,
        now,
    };
    if let Some(incident) = open_among(&incidents, &observation.symptom) {
        return if incident.symptom == observation.symptom {
            round.about_open(incident)
        } else {
            round.about_merged(incident)
        };
    }
    let last = incidents.iter().rev().find(|incident| incident.symptom == observation.symptom);
    round.about_none(last)
}

struct Round<'a> {
    book: Book<'a>,
    finding: Finding,
    observation: &'a Observation,
    policy: &'a PolicyConfig,
    timings: &'a dyn Fn(&str) -> Timings,
    now: DateTime<Utc>,
}

impl Round<'_> {
    fn evidence(&self, kind: FindingKind) -> Evidence {
        Evidence {
            finding: kind,
            verdict: self.finding.verdict(),
            level: self.finding.level().cloned(),
            inputs: self.observation.inputs.clone(),
            version: self.observation.version.clone(),
            summary: self.observation.summary.clone(),
        }
    }

    fn record(&mut self, incident: Incident, kind: Option<FindingKind>) -> Result<Incident> {
        match kind {
            Some(kind) => {
                let evidence = IncidentEvent::Evidence(self.evidence(kind));
                self.book.take(&incident.id, Step::Evidence, evidence)
            }
            None => Ok(incident),
        }
    }

    fn about_open(&mut self, incident: &Incident) -> Result<Observed> {
        let evidence = self.evidence(self.finding.kind());
        let decision = incident.watch.decide(&evidence, &self.finding, self.policy, self.now);
        let recorded = decision.record.is_some();
        let relapsed =
            decision.record == Some(FindingKind::Matched) && self.is_relapse(incident, &decision.step);
        let mut now = self.record(incident.clone(), decision.record)?;
        if relapsed {
            now = self.begin_again(&now)?;
        }
        let change = match decision.step {
            PolicyStep::Raise(level) => {
                now = self.relevel(&now, level)?;
                Change::Raised(incident.level.clone())
            }
            PolicyStep::Lower(level) => {
                now = self.relevel(&now, level)?;
                Change::Lowered(incident.level.clone())
            }
            PolicyStep::Resolve => {
                let count = now.watch.clear_in_a_row();
                let times = if count == 1 { "time" } else { "times" };
                let reason = format!(
                    "new evidence was good {count} {times} in a row: {}",
                    self.observation.summary.raw()
                );
                now = self.book.resolve(&now.id, reason.into())?;
                Change::Resolved
            }
            PolicyStep::Stay if relapsed => Change::Reopened,
            PolicyStep::Stay if self.finding == Finding::Warming => Change::Warming,
            PolicyStep::Stay => Change::Unchanged,
        };
        Ok(Observed { change, incident: Some(now), recorded })
    }

    /// Mitigated and not contained, and new evidence is as bad as before: the mitigation did not hold.
    fn is_relapse(&self, incident: &Incident, step: &PolicyStep) -> bool {
        let as_bad = self.finding.level().is_some_and(|level| !incident.level.is_worse_than(level));
        incident.state == State::Mitigated
            && incident.contained.is_none()
            && (as_bad || matches!(step, PolicyStep::Raise(_)))
            && incident.watch.is_news(&self.observation.inputs)
    }

    /// The symptom's own incident was merged: it can make the other worse, never better.
    fn about_merged(&mut self, incident: &Incident) -> Result<Observed> {
        let worse = self.finding.level().filter(|level| level.is_worse_than(&incident.level)).cloned();
        let (change, incident) = match worse {
            Some(level) => (Change::Raised(incident.level.clone()), self.relevel(incident, level)?),
            None => (Change::Unchanged, incident.clone()),
        };
        Ok(Observed { change, incident: Some(incident), recorded: false })
    }

    fn about_none(&mut self, last: Option<&Incident>) -> Result<Observed> {
        let Finding::Matched { level, at_least } = self.finding.clone() else {
            return Ok(Observed { change: Change::Quiet, incident: None, recorded: false });
        };
        if let Some(last) = last {
            if self.is_settled(last, &level) {
                return Ok(Observed {
                    change: Change::Settled,
                    incident: Some(last.clone()),
                    recorded: false,
                });
            }
            if self.is_soon_after(last) {
                return self.reopen(last, level);
            }
        }
        let opening = self.opening(level, at_least);
        let (incident, _) = self.book.open(&opening)?;
        Ok(Observed { change: Change::Opened, incident: Some(incident), recorded: true })
    }

    /// Ended by a person while the evidence was against it, and there is nothing new and nothing worse.
    fn is_settled(&self, last: &Incident, level: &Level) -> bool {
        let inputs = &self.observation.inputs;
        last.watch.is_matched()
            && !inputs.is_empty()
            && !last.watch.is_news(inputs)
            && !level.is_worse_than(&last.level)
    }

    fn is_soon_after(&self, last: &Incident) -> bool {
        let over = matches!(last.state, State::Resolved | State::Closed);
        let until = last.resolved.as_ref().map(|moment| self.policy.reopen_within.after(moment.at));
        over && until.is_some_and(|until| self.now <= until)
    }

    fn reopen(&mut self, last: &Incident, level: Level) -> Result<Observed> {
        let mut incident = self.begin_again(last)?;
        if incident.watch.is_news(&self.observation.inputs) || !incident.watch.is_matched() {
            incident = self.record(incident, Some(FindingKind::Matched))?;
        }
        if incident.level.name != level.name {
            incident = self.relevel(&incident, level)?;
        }
        Ok(Observed { change: Change::Reopened, incident: Some(incident), recorded: true })
    }

    fn begin_again(&mut self, incident: &Incident) -> Result<Incident> {
        let deadlines = (self.timings)(&incident.level.name).from(self.now);
        self.book.reopen(&incident.id, self.observation.summary.clone(), deadlines)
    }

    fn relevel(&mut self, incident: &Incident, level: Level) -> Result<Incident> {
        // A rise begins the promises anew; a fall must not, or it would buy time.
        let start = if level.is_worse_than(&incident.level) { self.now } else { incident.episode_at };
        let deadlines = (self.timings)(&level.name).from(start);
        let to = Releveling {
            deadlines,
            reason: self.observation.summary.clone(),
            rules: self.observation.rules.clone(),
            runbook: self.observation.runbook.clone(),
            level,
        };
        self.book.change_level(&incident.id, to)
    }

    fn opening(&self, level: Level, at_least: bool) -> Opening {
        let seen = self.observation;
        let deadlines = (self.timings)(&level.name).from(self.now);
        let opened = Opened {
            title: seen.title.clone(),
            symptom: seen.symptom.clone(),
            level: level.name,
            rank: level.rank,
            scheme: seen.scheme.clone(),
            verdict: level.verdict,
            rules: seen.rules.clone(),
            runbook: seen.runbook.clone(),
            first_action: seen.first_action.clone(),
            description: seen.description.clone(),
            detected_by: seen.detected_by,
            detected_at: None,
            affected_services: seen.affected_services.clone(),
            metrics: seen.metrics.clone(),
            at_least,
            evidence: seen.inputs.clone(),
            version: seen.version.clone(),
            deadlines,
        };
        Opening { service: seen.service.clone(), opened }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Digest;
    use crate::incident::event::{DetectedBy, EvidenceInput, RuleReason};
    use crate::incident::fixtures::{at, level, timings};
    use crate::store::Store;
    use crate::store::sqlite::SqliteStore;

    struct Night {
        _directory: tempfile::TempDir,
        store: SqliteStore,
        policy: PolicyConfig,
    }

    impl Night {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let store = SqliteStore::open(&directory.path().join("state")).unwrap();
            Self { _directory: directory, store, policy: PolicyConfig::default() }
        }

        fn store(&self) -> &dyn Store {
            &self.store
        }

        fn round(&self, finding: Finding, keys: &[&str], minutes: i64) -> Observed {
            let observation = observation("accuracy", finding, keys);
            self.store()
                .with(|session| observe(session, &observation, &self.policy, &timings, at(minutes)))
                .unwrap()
        }

        fn hand<T>(&self, minutes: i64, mut work: impl FnMut(&mut Book) -> Result<T>) -> Result<T> {
            let actor = Actor::Human("mira".into());
            self.store().with(|session| work(&mut Book::new(session, actor.clone(), at(minutes))))
        }

        fn count(&self) -> usize {
            self.store().view(|session| session.events(&Default::default())).unwrap().len()
        }
    }

    fn observation(symptom: &str, finding: Finding, keys: &[&str]) -> Observation {
        Observation {
            service: "rila_6y20b".into(),
            symptom: symptom.into(),
            finding,
            rules: vec![RuleReason { id: "mape-sustained".into(), reason: "31 % > 25 %".into() }],
            inputs: keys.iter().map(|key| EvidenceInput { key: (*key).into(), event_time: None }).collect(),
            version: Some(Digest::of(b"v3")),
            summary: "mape_weekly 31 %".into(),
            title: "MAPE over 25 %".into(),
            description: "".into(),
            scheme: "rila".into(),
            runbook: Some("mape-sustained".into()),
            first_action: None,
            metrics: Default::default(),
            affected_services: Vec::new(),
            detected_by: DetectedBy::Check,
        }
    }

    fn matched(name: &str) -> Finding {
        Finding::Matched { level: level(name), at_least: false }
    }

    #[test]
    fn repeated_rounds_open_one_incident_and_write_nothing_more() {
        let night = Night::new();
        assert_eq!(night.round(Finding::Clear, &["w0"], 0).change, Change::Quiet);
        let opened = night.round(matched("P1"), &["w1"], 0);
        assert_eq!(opened.change, Change::Opened);
        let id = opened.incident.unwrap().id;
        assert_eq!(id, "INC-20261120-030700");
        for minutes in [30, 60, 90] {
            assert_eq!(night.round(matched("P1"), &["w1"], minutes).change, Change::Unchanged);
        }
        assert_eq!(night.count(), 1);
        let raised = night.round(matched("P0"), &["w1"], 95);
        assert_eq!(raised.change, Change::Raised(level("P1")));
        let incident = raised.incident.unwrap();
        assert_eq!((incident.id, incident.peak.name.as_str()), (id, "P0"));
        assert_eq!(incident.deadlines.acknowledge_by, Some(at(110)));
    }

    #[test]
    fn new_good_evidence_resolves_and_new_bad_evidence_reopens() {
        let night = Night::new();
        night.round(matched("P0"), &["w1"], 0);
        assert_eq!(night.round(Finding::Clear, &["w2"], 30).change, Change::Unchanged);
        let resolved = night.round(Finding::Clear, &["w3"], 60);
        assert_eq!(resolved.change, Change::Resolved);
        assert_eq!(night.round(Finding::Clear, &["w4"], 90).change, Change::Quiet);
        let again = night.round(matched("P1"), &["w5"], 120);
        assert_eq!(again.change, Change::Reopened);
        let incident = again.incident.unwrap();
        assert_eq!(
            (incident.episode, incident.level.name.as_str(), incident.state),
            (2, "P1", State::Active)
        );
        // After the window it is another incident.
        night.hand(130, |book| book.resolve("INC-20261120-030700", "fixed".into())).unwrap();
        let late = night.round(matched("P1"), &["w6"], 130 + 24 * 60 + 1);
        assert_eq!(late.change, Change::Opened);
        assert_ne!(late.incident.unwrap().id, incident.id);
    }

    #[test]
    fn what_a_person_ended_is_not_opened_again_by_the_same_evidence() {
        let night = Night::new();
        night.round(matched("P1"), &["w1"], 0);
        night.hand(5, |book| book.resolve("030700", "known, harmless".into())).unwrap();
        let events = night.count();
        assert_eq!(night.round(matched("P1"), &["w1"], 30).change, Change::Settled);
        assert_eq!(night.round(matched("P1"), &["w1"], 3000).change, Change::Settled);
        assert_eq!(night.count(), events);
        // Nothing to look at is never the same evidence: a missing file is missing anew.
        assert_eq!(night.round(matched("P1"), &[], 40).change, Change::Reopened);
    }

    #[test]
    fn a_mitigation_that_did_not_hold_is_said() {
        let night = Night::new();
        night.round(matched("P0"), &["w1"], 0);
        night.hand(5, |book| book.mitigate("030700", Default::default())).unwrap();
        assert_eq!(night.round(matched("P0"), &["w1"], 30).change, Change::Unchanged);
        let relapsed = night.round(matched("P0"), &["w2"], 60);
        assert_eq!(relapsed.change, Change::Reopened);
        assert_eq!(relapsed.incident.unwrap().state, State::Active);
    }

    #[test]
    fn a_merged_symptom_can_only_make_the_other_incident_worse() {
        let night = Night::new();
        night.round(matched("P1"), &["w1"], 0);
        let mut other = observation("range", matched("P2"), &["x"]);
        other.symptom = "range".into();
        night.store().with(|s| observe(s, &other, &night.policy, &timings, at(1))).unwrap();
        night.hand(2, |book| book.merge("030700", "030800")).unwrap();
        assert_eq!(night.round(Finding::Clear, &["w2"], 30).change, Change::Unchanged);
        assert_eq!(night.round(Finding::Clear, &["w3"], 60).change, Change::Unchanged);
        let worse = night.round(matched("P0"), &["w4"], 90);
        assert_eq!(worse.change, Change::Raised(level("P2")));
        assert_eq!(worse.incident.unwrap().symptom, "range");
    }

    #[test]
    fn names_are_found_by_what_only_they_have_and_refusals_say_the_way_out() {
        let night = Night::new();
        night.round(matched("P1"), &["w1"], 0);
        assert_eq!(night.hand(1, |book| book.get("inc-2026")).unwrap().symptom, "accuracy");
        assert_eq!(night.hand(1, |book| book.get("999")).unwrap_err().code, crate::base::ErrorCode::NotFound);
        let refused = night.hand(2, |book| book.close("030700", None)).unwrap_err();
        assert_eq!(refused.code, crate::base::ErrorCode::InvalidTransition);
        assert!(refused.hint.unwrap().contains("irctl incident show"));
        night.hand(3, |book| book.cancel("030700", "a test".into())).unwrap();
        let refused = night.hand(4, |book| book.acknowledge("030700")).unwrap_err();
        assert!(refused.hint.unwrap().contains("declare"));
    }
}
