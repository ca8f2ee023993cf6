//! The rollback room as `check` uses it: nobody to ask, guards that bind, a failing rule, a watch.

mod support;

use irctl::base::clock::parse_instant;
use irctl::base::{Clock, Unit, Verdict};
use irctl::operation::{Ending, Recorder, Stop, drain_spool};
use irctl::rollback::guards::GuardState;
use irctl::rollback::{
    self, Environment, FailingRule, Request, RollbackOutcome, Selector, Subject, VerifyOutcome, evidence,
    watch,
};
use irctl::store::{Actor, NewEvent};
use std::cell::RefCell;
use support::Workspace;
use support::rollback::{LIVE, artifacts, bad_model};

#[derive(Default)]
struct Events(RefCell<Vec<NewEvent>>);

impl Recorder for Events {
    fn record(&self, event: NewEvent) {
        self.0.borrow_mut().push(event);
    }
}

struct Night {
    workspace: Workspace,
    subject: Subject,
    events: Events,
    stop: Stop,
    verdict: Verdict,
    now: RefCell<String>,
}

const ROLLBACK: &str = r#"
contain:
  - settings: {file: config/rollout.yml, set: {rollout.mode: disabled}}
targets:
  - files: {live: models/production/rila_6y20b, artifacts: [model.json, metadata.json, coefficients.json]}
evaluate: {command: [sh, scripts/score.sh, "{version_dir}"]}
activate: {command: [sh, scripts/reload.sh]}
verify: smoke
watch: 30m
"#;

/// YAML as the workspace loader reads it.
fn read<T: serde::de::DeserializeOwned>(yaml: &str) -> T {
    serde_json::from_value(serde_yaml::from_str(yaml).unwrap()).unwrap()
}

impl Night {
    fn with(rollback: &str) -> Self {
        let workspace = bad_model("");
        let subject = Subject {
            service: "rila_6y20b".into(),
            root: workspace.root(),
            rollback: read(rollback),
            serving: Some(read(
                "json: {file: outputs/production/rila_6y20b/health.json, pointer: /model_sha256, artifact: model.json}",
            )),
            suites: serde_json::json!({"pinned": true}),
            phase: None,
            environment: None,
            immediate: 0,
        };
        let now = RefCell::new("2026-11-20T03:07:00Z".to_owned());
        Night {
            workspace,
            subject,
            events: Events::default(),
            stop: Stop::default(),
            verdict: Verdict::Ok,
            now,
        }
    }

    fn new() -> Self {
        Self::with(ROLLBACK)
    }

    fn run<T>(&self, work: impl FnOnce(&Environment<'_>) -> T) -> T {
        let clock = Clock::Fixed(parse_instant(&self.now.borrow()).unwrap());
        let state = self.workspace.state();
        let verify = |suite: &str, pinned: &serde_json::Value| {
            assert_eq!((suite, pinned["pinned"].as_bool()), ("smoke", Some(true)));
            VerifyOutcome { verdict: self.verdict, summary: "looked".into() }
        };
        work(&Environment {
            state: &state,
            clock: &clock,
            recorder: &self.events,
            actor: Actor::Automation,
            verify: &verify,
            progress: &|_| {},
            stop: &self.stop,
        })
    }

    fn roll_back(&self, attended: bool, limit: Option<f64>) -> irctl::base::Result<RollbackOutcome> {
        let fails = |value: f64| limit.map(|limit| value > limit);
        let failing = limit.map(|_| FailingRule {
            rule: "mape-sustained".into(),
            metric: "mape_weekly".into(),
            unit: Unit::Ratio,
            expression: "mape_weekly > 25%".into(),
            fails: &fails,
        });
        let incident = Some("INC-20261120-030700".to_owned());
        let request = Request { to: Selector::Prev, incident, reason: None, attended, failing, saved: None };
        self.run(|environment| {
            let prepared = rollback::prepare(environment, &self.subject, &request)?;
            rollback::execute(environment, prepared)
        })
    }

    fn adopt(&self, folder: &str) {
        let ground = self.subject.ground();
        let versions = self.subject.lead(&ground).unwrap().versions().unwrap();
        let version = versions.into_iter().find(|version| version.name == folder).unwrap();
        let digest = version.digest.unwrap();
        let at = parse_instant("2026-10-01T00:00:00Z").unwrap();
        evidence::update(&self.workspace.state(), "rila_6y20b", |evidence| {
            evidence.entry(&digest).adopted = Some(at);
        })
        .unwrap();
    }

    fn kinds(&self) -> Vec<String> {
        self.events.0.borrow().iter().map(|event| event.kind.clone()).collect()
    }
}

#[test]
fn automation_never_takes_an_unproven_version_but_contains() {
    let night = Night::new();
    let before = artifacts(&night.workspace, LIVE);
    let outcome = night.roll_back(false, Some(0.25)).unwrap();
    assert_eq!(outcome.ending, Ending::Refused);
    assert!(outcome.summary.contains("unproven"), "{}", outcome.summary);
    assert!(outcome.contained);
    assert_eq!(artifacts(&night.workspace, LIVE), before);
    assert_eq!(night.kinds(), ["contain.completed", "rollback.refused"]);
}

#[test]
fn automation_takes_the_best_proven_one_and_its_event_tells_why() {
    let night = Night::new();
    night.adopt("backup_2026-09-28");
    let outcome = night.roll_back(false, Some(0.25)).unwrap();
    assert_eq!((outcome.ending, outcome.contained), (Ending::Restored, false), "{}", outcome.summary);
    assert_eq!(outcome.to.unwrap().name, "2026.09.28");
    let events = night.events.0.borrow();
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["contain.completed", "rollback.started", "rollback.completed", "release.completed"]);
    let payload = &events[2].payload;
    assert_eq!(payload["outcome"], "restored");
    assert_eq!(payload["proof"], "proven to serve");
    assert!(payload["skipped"][1].as_str().unwrap().contains("there is a better proven one"), "{payload}");
    let rule = &payload["rule"];
    assert!(rule["before"].as_str().unwrap().starts_with("mape_weekly 3"), "{rule}");
    assert_eq!(events[2].incident.as_deref(), Some("INC-20261120-030700"));
    // Verified now, so it is the best proven one; the bad one is quarantined and has its incident.
    let known = evidence::load(&night.workspace.state(), "rila_6y20b").unwrap();
    let to: irctl::base::Digest = serde_json::from_value(payload["to"]["digest"].clone()).unwrap();
    let from: irctl::base::Digest = serde_json::from_value(payload["from"]["digest"].clone()).unwrap();
    assert_eq!(known.tier(&to), evidence::Tier::Verified);
    assert!(known.of(&from).incidents.contains_key("INC-20261120-030700"));
}

#[test]
fn what_would_not_help_is_refused_to_automation_and_shown_to_a_human() {
    let night = Night::new();
    night.adopt("backup_2026-10-26");
    let outcome = night.roll_back(false, Some(0.01)).unwrap();
    assert_eq!(outcome.ending, Ending::Refused);
    assert!(outcome.summary.contains("would_help"), "{}", outcome.summary);
    let plan = night.run(|environment| {
        let fails = |value: f64| Some(value > 0.01);
        let failing = FailingRule {
            rule: "mape-sustained".into(),
            metric: "mape_weekly".into(),
            unit: Unit::Ratio,
            expression: "mape_weekly > 1%".into(),
            fails: &fails,
        };
        let request = Request { failing: Some(failing), ..Request::human(Selector::Prev) };
        rollback::dry_run(environment, &night.subject, &request).unwrap()
    });
    assert!(plan.warnings.iter().any(|warning| warning.contains("would NOT have helped")));
    let would_help = plan.would_help.unwrap();
    assert_eq!((would_help.answer, would_help.candidates.len()), (Some(false), 3));
    assert!(would_help.candidates.iter().all(|one| one.value.is_some()));
}

#[test]
fn no_evidence_after_the_switch_is_unproven_and_stays_contained() {
    for verdict in [Verdict::Unknown, Verdict::Crit, Verdict::Blocked] {
        let mut night = Night::new();
        night.verdict = verdict;
        let good = artifacts(&night.workspace, format!("{LIVE}/backup_2026-10-26"));
        let outcome = night.roll_back(true, None).unwrap();
        assert_eq!((outcome.ending, outcome.contained), (Ending::Unproven, true), "{verdict}");
        assert_eq!(artifacts(&night.workspace, LIVE), good, "never back to the known bad");
        assert!(outcome.next.iter().any(|next| next.command.contains("--to prev")));
        // The next candidate can be taken at once: the bad one is quarantined, this one was not verified.
        night.verdict = Verdict::Ok;
        let next = night.roll_back(true, None).unwrap();
        assert_eq!(next.to.unwrap().name, "2026.09.28");
        assert_eq!((next.ending, next.contained), (Ending::Restored, false));
    }
}

#[test]
fn guards_bind_automation_and_warn_a_human() {
    let night = Night::with(&format!("{ROLLBACK}guards: {{cooldown: 15m, max_per_day: 1}}\n"));
    night.adopt("backup_2026-10-26");
    night.adopt("backup_2026-09-28");
    assert_eq!(night.roll_back(false, None).unwrap().ending, Ending::Restored);
    *night.now.borrow_mut() = "2026-11-20T03:10:00Z".into();
    let outcome = night.roll_back(false, None).unwrap();
    assert_eq!(outcome.ending, Ending::Refused);
    assert!(outcome.summary.contains("cooldown"), "{}", outcome.summary);
    // The clock goes backwards: elapsed time is unknown, and automation refuses.
    *night.now.borrow_mut() = "2026-11-20T02:00:00Z".into();
    let outcome = night.roll_back(false, None).unwrap();
    assert!(outcome.summary.contains("clock went backwards"), "{}", outcome.summary);
    *night.now.borrow_mut() = "2026-11-20T03:10:00Z".into();
    let plan = night.run(|environment| {
        rollback::dry_run(environment, &night.subject, &Request::human(Selector::Prev)).unwrap()
    });
    assert_eq!(plan.guards.iter().filter(|guard| guard.state == GuardState::Refuses).count(), 2);
    assert_eq!(night.roll_back(true, None).unwrap().ending, Ending::Restored);
}

#[test]
fn a_budget_that_is_used_up_stops_before_the_first_switch() {
    let night = Night::with(&format!("{ROLLBACK}guards: {{budget: 1ms}}\n"));
    let before = artifacts(&night.workspace, LIVE);
    let outcome = night.roll_back(true, None).unwrap();
    assert_eq!(outcome.ending, Ending::Undone);
    assert!(outcome.summary.contains("budget"), "{}", outcome.summary);
    assert_eq!(artifacts(&night.workspace, LIVE), before);
}

#[test]
fn asking_to_stop_before_the_switch_undoes_it() {
    let night = Night::new();
    night.stop.request();
    let outcome = night.roll_back(true, None).unwrap();
    assert_eq!((outcome.ending, outcome.contained), (Ending::Undone, true));
}

#[test]
fn a_release_is_provisional() {
    let night = Night::new();
    night.roll_back(true, None).unwrap();
    let state = night.workspace.state();
    let due = |at: &str| rollback::due_watches(&state, parse_instant(at).unwrap()).unwrap();
    assert!(due("2026-11-20T03:36:59Z").is_empty());
    let watches = due("2026-11-20T03:37:00Z");
    *night.now.borrow_mut() = "2026-11-20T03:37:00Z".into();
    let outcome = night
        .run(|environment| watch::fail(environment, &night.subject, &watches[0], "no evidence at all"))
        .unwrap();
    assert!(outcome.contained);
    assert!(night.workspace.read("config/rollout.yml").contains("mode: disabled"));
    assert!(due("2026-11-21T00:00:00Z").is_empty());
    assert_eq!(night.kinds().last().unwrap(), "rollback.unconfirmed");
}

#[test]
fn containing_that_fails_does_not_hide() {
    let night = Night::with(&ROLLBACK.replace("rollout.mode", "rollout.mood"));
    night.adopt("backup_2026-10-26");
    let outcome = night.roll_back(false, None).unwrap();
    assert_eq!(outcome.ending, Ending::Refused);
    assert!(outcome.summary.contains("not stopped"), "{}", outcome.summary);
    // A human decides, and sees it.
    let outcome = night.roll_back(true, None).unwrap();
    assert_eq!(outcome.ending, Ending::Restored);
}

#[test]
fn names_of_versions_are_known_to_probes() {
    let night = Night::new();
    let map = rollback::version_map(&night.subject, &night.workspace.state()).unwrap();
    let served = map.served.clone().unwrap();
    let health = night.workspace.read("outputs/production/rila_6y20b/health.json");
    let health: serde_json::Value = serde_json::from_str(&health).unwrap();
    assert_eq!(map.names[health["model_sha256"].as_str().unwrap()], served);
    assert_eq!(map.names["2026.11.02"], served);
    assert_eq!(map.deployments.len(), 4);
    assert_eq!(map.deployments.last().unwrap().1, served);
    assert!(map.deployments.is_sorted());
}

#[test]
fn what_the_store_missed_is_read_in_later() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let recorder = irctl::operation::StoreRecorder::new(None, &state);
    let night = Night::new();
    night.run(|environment| {
        let environment = Environment {
            recorder: &recorder,
            state: environment.state,
            clock: environment.clock,
            actor: environment.actor.clone(),
            verify: environment.verify,
            progress: environment.progress,
            stop: environment.stop,
        };
        rollback::contain(&environment, &night.subject, None, None).unwrap();
    });
    let store = irctl::store::sqlite::SqliteStore::open(&state).unwrap();
    assert_eq!(drain_spool(&store, &state).unwrap(), 1);
    assert_eq!(drain_spool(&store, &state).unwrap(), 0);
}
