//! The rollback itself, killed at every step boundary.

use crate::composite::{Composite, Ends, GO, ends, same};
use crate::killing::{Tally, at_each, at_point, fault_points};

/// What is done after a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It is finished.
    Resume,
    /// It is taken back.
    Abort,
}

/// Before anybody resumes or aborts: each thing is whole, and a mix can be resumed.
pub fn is_whole(composite: &Composite, ends: &Ends, place: &str) {
    let view = composite.view();
    let (old, new) = (&ends.old, &ends.new);
    for (name, text) in &view {
        // What is stopped meanwhile, and what git is in the middle of, has more than two states.
        if ["config/rollout.yml", "clients", "git"].contains(&name.as_str()) {
            continue;
        }
        assert!(*text == old[name] || *text == new[name], "{place}: {name} is torn:\n{text}");
    }
    let stopped = view["config/rollout.yml"].contains("mode: disabled");
    assert!(
        stopped || view["config/rollout.yml"] == old["config/rollout.yml"],
        "{place}: rollout.yml is torn"
    );
    let all = |side: &crate::composite::View| view.iter().all(|(name, text)| side[name] == *text);
    if !all(old) && !all(new) {
        let mixed = view.iter().any(|(name, text)| old[name] != new[name] && *text != old[name]);
        let kinds = ["rollback", "undo", "redo", "contain", "release"];
        assert!(
            !mixed || stopped || kinds.iter().any(|kind| composite.unfinished(kind).is_some()),
            "{place}: a mix that nobody can resume"
        );
    }
}

/// Ends what was killed, and looks at the end from outside.
pub fn finish(composite: &Composite, ends: &Ends, then: Then, tally: &Tally, place: &str) {
    let run = |arguments: &[&str], statuses: &[i32]| {
        let run = composite.workspace.irctl(arguments);
        assert!(statuses.contains(&run.status), "{place}: {arguments:?}: {run:?}");
    };
    match (composite.unfinished("rollback"), then) {
        (Some(id), Then::Resume) => {
            run(&["rollback", "resume", &id, "--quiet"], &[0, 10]);
            let view = composite.view();
            if view["live/model.json"] == ends.new["live/model.json"] {
                same(&view, &ends.new, place);
                tally.add("resumed and restored");
            } else {
                // It was being undone already: resuming finishes that.
                run(&["release", "--quiet"], &[0]);
                same(&composite.view(), &ends.old, place);
                tally.add("resumed and undone");
            }
        }
        (Some(id), Then::Abort) => {
            run(&["rollback", "abort", &id, "--quiet"], &[10]);
            run(&["release", "--quiet"], &[0]);
            same(&composite.view(), &ends.old, place);
            tally.add("aborted and undone");
        }
        (None, _) if composite.view()["live/model.json"] == ends.new["live/model.json"] => {
            same(&composite.view(), &ends.new, place);
            tally.add("over already");
        }
        (None, Then::Resume) => {
            run(&GO, &[0]);
            same(&composite.view(), &ends.new, place);
            tally.add("not begun, done again and restored");
        }
        (None, Then::Abort) => {
            run(&["release", "--reason", "killed", "--quiet"], &[0, 12]);
            same(&composite.view(), &ends.old, place);
            tally.add("not begun, let back and as before");
            // What it had staged is cleared away by the next operation.
            return;
        }
    }
    for kind in ["rollback", "contain", "release"] {
        assert_eq!(composite.unfinished(kind), None, "{place}: a {kind} is unfinished");
    }
    assert_eq!(composite.left_behind(), Vec::<std::path::PathBuf>::new(), "{place}: left behind");
}

fn killed_at_every_point(then: Then, quick: usize, least: usize) {
    let ends = ends();
    let points = fault_points(&Composite::new().workspace, &GO, 0);
    assert!(points.len() > 150, "only {} points", points.len());
    let tally = Tally::default();
    at_each(points.len(), quick, |point| {
        let place = format!("{then:?} after {}", points[point - 1]);
        let composite = Composite::new();
        at_point(&composite.workspace, &GO, point);
        is_whole(&composite, ends, &place);
        finish(&composite, ends, then, &tally, &place);
    });
    let kills = tally.report(&format!("rollback at every fault point, {then:?}"));
    assert!(kills >= least);
}

#[test]
fn killed_at_every_point_and_resumed() {
    killed_at_every_point(Then::Resume, 6, 5);
}

#[test]
fn killed_at_every_point_and_aborted() {
    killed_at_every_point(Then::Abort, 6, 5);
}
