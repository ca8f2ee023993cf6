//! The rollback under strace, killed at every call with which it changes something.

use crate::composite::{Composite, GO, ends, same};
use crate::killing::{KILLED, Tally, at_call, at_each, calls};
use crate::rollback::{Then, finish, is_whole};

/// What was not reached is no kill.
const NOT_KILLED: &str = "not reached (not killed)";

fn killed_at_every(family: &str, quick: usize) {
    let ends = ends();
    let all = calls(&Composite::new().workspace, family, &GO, 0);
    let count = all.len();
    assert!(count > 0, "no {family}");
    let tally = Tally::default();
    // Both ways at each place: the second half of the places is aborted.
    at_each(count * 2, quick, |at| {
        let (at, then) = if at > count { (at - count, Then::Abort) } else { (at, Then::Resume) };
        let (name, number) = &all[at - 1];
        let place = format!("{then:?} at {name} {number}");
        let composite = Composite::new();
        let run = at_call(&composite.workspace, name, &GO, *number);
        if run.status == 0 {
            // How often a program writes differs a little from run to run.
            same(&composite.view(), &ends.new, &place);
            tally.add(NOT_KILLED);
            return;
        }
        // A child that was killed instead is a failure that irctl has told of.
        let child = run.status != KILLED;
        assert!(!child || [10, 11, 12, 13, 14, 69].contains(&run.status), "{place}: {run:?}");
        is_whole(&composite, ends, &place);
        finish(&composite, ends, then, &tally, &place);
    });
    let missed = tally.count(NOT_KILLED);
    let places = tally.report(&format!("rollback at every {family} ({count} calls)"));
    assert!(missed * 4 <= places, "{missed} of {places} were not killed at all");
}

#[test]
fn killed_at_every_rename_and_link() {
    killed_at_every("rename,renameat,renameat2,link,linkat,unlink,unlinkat,symlink,symlinkat", 3);
}

#[test]
fn killed_at_every_fsync() {
    killed_at_every("fsync,fdatasync", 2);
}

#[test]
fn killed_at_every_connect() {
    killed_at_every("connect", 2);
}

#[test]
fn killed_at_every_write() {
    killed_at_every("write,writev,pwrite64,sendto", 3);
}
