//! An undo and a redo, operations of their own, killed at every step boundary.

use crate::composite::{Composite, GO, View, ends, same};
use crate::killing::{Tally, at_each, at_point, fault_points};

const UNDO: [&str; 4] = ["rollback", "undo", "--yes", "--quiet"];
const REDO: [&str; 4] = ["rollback", "redo", "--yes", "--quiet"];

fn prepared(before: &[&[&str]]) -> Composite {
    let composite = Composite::new();
    for arguments in before {
        composite.workspace.irctl(arguments).expect(0);
    }
    composite
}

/// Kills `go` everywhere; finished it is `to`, taken back it is `from`.
fn killed_at_every_point(before: &[&[&str]], go: &[&str], from: &View, to: &View) {
    let clean = prepared(before);
    same(&clean.view(), from, "before");
    let points = fault_points(&clean.workspace, go, 0);
    same(&clean.view(), to, "after");
    let tally = Tally::default();
    at_each(points.len() * 2, 4, |at| {
        let abort = at > points.len();
        let point = if abort { at - points.len() } else { at };
        let place = format!("{go:?} killed after {}, abort: {abort}", points[point - 1]);
        let composite = prepared(before);
        at_point(&composite.workspace, go, point);
        end(&composite, go, (from, to), abort, &tally, &place);
    });
    tally.report(&format!("{} at every fault point", go[1]));
}

fn end(
    composite: &Composite,
    go: &[&str],
    (from, to): (&View, &View),
    abort: bool,
    tally: &Tally,
    place: &str,
) {
    let run = |arguments: &[&str], statuses: &[i32]| {
        let run = composite.workspace.irctl(arguments);
        assert!(statuses.contains(&run.status), "{place}: {arguments:?}: {run:?}");
    };
    let unfinished = |kind: &&str| composite.unfinished(kind);
    match ["rollback", "undo", "redo"].iter().find_map(unfinished) {
        Some(id) if abort => {
            run(&["rollback", "abort", &id, "--quiet"], &[10]);
            run(&["release", "--quiet", "--reason", "killed"], &[0, 12]);
            same(&composite.view(), from, place);
            tally.add("aborted");
        }
        Some(id) => {
            run(&["rollback", "resume", &id, "--quiet"], &[0]);
            same(&composite.view(), to, place);
            tally.add("resumed");
        }
        None if composite.view()["live/model.json"] == to["live/model.json"] => {
            same(&composite.view(), to, place);
            tally.add("over already");
        }
        None => {
            run(go, &[0]);
            same(&composite.view(), to, place);
            tally.add("not begun, done again");
        }
    }
    assert_eq!(composite.left_behind(), Vec::<std::path::PathBuf>::new(), "{place}: left behind");
}

#[test]
fn an_undo_killed_at_every_point() {
    killed_at_every_point(&[&GO], &UNDO, &ends().new, &ends().old);
}

#[test]
fn a_redo_killed_at_every_point() {
    killed_at_every_point(&[&GO, &UNDO], &REDO, &ends().old, &ends().new);
}
