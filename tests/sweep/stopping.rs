//! Containing and letting back, with clients in a database, killed at every step boundary.

use crate::composite::{Composite, ends, same};
use crate::killing::{KILLED, Tally, at_call, at_each, at_point, calls, fault_points};
use crate::support::Workspace;
use crate::support::rollback::{SERVICE, bad_model};

const CONTAIN: [&str; 4] = ["contain", "--reason", "drift confirmed", "--quiet"];
const RELEASE: [&str; 4] = ["release", "--reason", "it is over", "--quiet"];

/// Does it again, as the message of the one that died says, until it is done.
fn again(composite: &Composite, go: &[&str], place: &str) {
    let kinds = ["contain", "release"];
    if let Some(id) = kinds.iter().find_map(|kind| composite.unfinished(kind)) {
        let resumed = composite.workspace.irctl(&["rollback", "resume", &id, "--quiet"]);
        assert_eq!(resumed.status, 0, "{place}: {resumed:?}");
    }
    let run = composite.workspace.irctl(go);
    assert!([0, 12].contains(&run.status), "{place}: {run:?}");
}

#[test]
fn killed_while_stopping_clients() {
    let old = &ends().old;
    let clean = Composite::new();
    let points = fault_points(&clean.workspace, &CONTAIN, 0);
    let stopped = clean.view();
    assert_ne!(stopped["clients"], old["clients"], "the clients are stopped");
    assert_ne!(stopped["config/rollout.yml"], old["config/rollout.yml"]);
    clean.workspace.irctl(&RELEASE).expect(0);
    same(&clean.view(), old, "released");
    let tally = Tally::default();
    at_each(points.len(), 3, |point| {
        let place = format!("contain killed after {}", points[point - 1]);
        let composite = Composite::new();
        at_point(&composite.workspace, &CONTAIN, point);
        let clients = &composite.view()["clients"];
        assert!([&old["clients"], &stopped["clients"]].contains(&clients), "{place}: {clients}");
        if point % 2 == 0 {
            again(&composite, &CONTAIN, &place);
        } else {
            // A new one takes over from the one that died.
            composite.workspace.irctl(&CONTAIN).expect(0);
        }
        same(&composite.view(), &stopped, &place);
        composite.workspace.irctl(&RELEASE).expect(0);
        same(&composite.view(), old, &place);
        assert_eq!(composite.left_behind(), Vec::<std::path::PathBuf>::new(), "{place}: left behind");
        tally.add("contained, then let back as it was");
    });
    tally.report("contain at every fault point");
}

/// What the first had written down and not done is put back by what the second did.
#[test]
fn a_second_containment_holds_what_the_first_did_not_come_to() {
    let points = fault_points(&Composite::new().workspace, &CONTAIN, 0);
    let between = |line: &String| line.contains("rollout.yml:after-outcome");
    let point = points.iter().position(between).unwrap() + 1;
    let composite = Composite::new();
    at_point(&composite.workspace, &CONTAIN, point);
    composite.workspace.irctl(&CONTAIN).expect(0);
    assert_ne!(composite.view()["clients"], ends().old["clients"]);
    composite.workspace.irctl(&RELEASE).expect(0);
    same(&composite.view(), &ends().old, "released");
}

#[test]
fn killed_while_letting_clients_back() {
    let old = &ends().old;
    let contained = || {
        let composite = Composite::new();
        composite.workspace.irctl(&CONTAIN).expect(0);
        composite
    };
    let points = fault_points(&contained().workspace, &RELEASE, 0);
    let tally = Tally::default();
    at_each(points.len(), 3, |point| {
        let place = format!("release killed after {}", points[point - 1]);
        let composite = contained();
        at_point(&composite.workspace, &RELEASE, point);
        again(&composite, &RELEASE, &place);
        same(&composite.view(), old, &place);
        tally.add("let back as it was");
    });
    tally.report("release at every fault point");
}

fn half_written(workspace: &Workspace) -> Vec<String> {
    let entries = std::fs::read_dir(workspace.path("config")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(".irctl-half-")).collect()
}

/// A workspace in which containing was killed before the settings that it had written were put in place.
fn killed_while_writing() -> Workspace {
    for (name, number) in calls(&bad_model(SERVICE), "rename,renameat,renameat2", &CONTAIN, 0) {
        let workspace = bad_model(SERVICE);
        let run = at_call(&workspace, &name, &CONTAIN, number);
        if run.status == KILLED && !half_written(&workspace).is_empty() {
            return workspace;
        }
    }
    panic!("no rename puts the settings in place");
}

#[test]
fn what_a_killed_containment_had_half_written_goes_when_consumers_are_let_back() {
    let workspace = killed_while_writing();
    let rollout = workspace.read("config/rollout.yml");
    workspace.irctl(&RELEASE).expect(0);
    assert_eq!(half_written(&workspace), Vec::<String>::new());
    assert_eq!(workspace.read("config/rollout.yml"), rollout);
}

#[test]
fn a_release_that_was_killed_after_its_last_step_is_closed_and_cleared_by_the_next() {
    let points = fault_points(&killed_while_writing(), &RELEASE, 0);
    let forgotten = points.iter().position(|line| line.contains("forget:after-act")).unwrap() + 1;
    let workspace = killed_while_writing();
    at_point(&workspace, &RELEASE, forgotten);
    assert_eq!(half_written(&workspace).len(), 1, "nobody has cleared it yet");
    let run = workspace.irctl(&["release", "--reason", "it is over"]).expect(0);
    assert!(run.stdout.contains("is not contained"), "{}", run.stdout);
    assert_eq!(half_written(&workspace), Vec::<String>::new());
    let status = workspace.irctl(&["rollback", "status", "--output", "json"]).json();
    assert_eq!(status["unfinished"].as_array().map(Vec::len), Some(0), "{status}");
}
