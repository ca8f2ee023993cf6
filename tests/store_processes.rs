//! Many processes append to one store at once: nothing is lost and every chain stays whole.

use irctl::base::clock::parse_instant;
use irctl::store::chain::Auditor;
use irctl::store::sqlite::SqliteStore;
use irctl::store::{Actor, EventFilter, NewEvent, Sample, Store};
use std::path::{Path, PathBuf};
use std::process::Command;

const PROCESSES: usize = 32;
const APPENDS: usize = 50;
const VARIABLE: &str = "IRCTL_TEST_APPEND_TO";

fn append(directory: &Path, number: usize) {
    let at = parse_instant("2026-11-20T03:07:00Z").unwrap();
    let store = SqliteStore::open(directory).unwrap();
    let store: &dyn Store = &store;
    let event = NewEvent {
        kind: "incident.noted".into(),
        occurred_at: at,
        recorded_at: at,
        actor: Actor::Automation,
        service: None,
        incident: None,
        operation: None,
        payload: serde_json::json!({"process": std::process::id(), "number": number}),
    };
    store
        .with(|session| {
            session.append(event.clone())?;
            session.put_samples(&[] as &[Sample])
        })
        .unwrap();
}

/// Runs in the child processes that the test below starts; on its own it has nothing to append to.
#[test]
fn child_appends_where_it_is_told() {
    let Some(directory) = std::env::var_os(VARIABLE).map(PathBuf::from) else { return };
    for number in 0..APPENDS {
        append(&directory, number);
    }
}

#[test]
fn thirty_two_processes_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let mut children: Vec<_> = (0..PROCESSES)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "child_appends_where_it_is_told", "--nocapture"])
                .env(VARIABLE, &state)
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let store = SqliteStore::open(&state).unwrap();
    let store: &dyn Store = &store;
    let events = store.view(|session| session.events(&EventFilter::default())).unwrap();
    assert_eq!(events.len(), PROCESSES * APPENDS);
    let mut seen = std::collections::BTreeSet::new();
    for event in &events {
        assert!(seen.insert((event.payload["process"].as_u64(), event.payload["number"].as_u64())), "twice");
    }
    let mut auditor = Auditor::default();
    store
        .view(|session| session.sealed(0, usize::MAX))
        .unwrap()
        .iter()
        .for_each(|sealed| auditor.take(sealed));
    let audit = auditor.finish();
    assert_eq!((audit.events, audit.faults), ((PROCESSES * APPENDS) as u64, vec![]));
}
