//! Containing and letting back, with clients in a database, killed at every step boundary.

use crate::composite::{Composite, ends, same};
use crate::killing::{Tally, at_each, at_point, fault_points};

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
