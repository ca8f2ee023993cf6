//! Adapters that are killed at each of their fault points: what was begun is finished or taken back.

use irctl::rollback::targets::SwitchSpec;
use irctl::rollback::targets::command::CommandTargetConfig;

use super::strictness::{act, stage_into, undo};
use crate::conformance::Fixture;
use crate::thoroughness::{at_least, stride};

/// Every how many points there is a kill while not everything is swept.
const QUICK: usize = 3;

/// How many kills there must have been, where there are so many when everything is swept.
pub fn enough(kills: usize, all: usize) {
    assert!(kills >= at_least(all, QUICK), "{kills}");
}

/// Kills the adapter at its first fault point, its second and so on, while it applies and while it undoes, until none
/// is left; each time the switch is then finished, or taken back. Returns how often it was killed.
pub fn sweep<F: Fixture>(make: impl Fn() -> F, config: impl Fn(&mut F) -> &mut CommandTargetConfig) -> usize {
    let mut kills = 0;
    for point in (1..50).step_by(stride(QUICK)) {
        for finish in [true, false] {
            let mut fixture = make();
            let config = config(&mut fixture);
            for argv in [&mut config.apply, &mut config.undo] {
                argv.splice(0..0, ["env".to_owned(), format!("IRCTL_TEST_FAULT={point}")]);
            }
            match killed_once(&fixture, finish, point) {
                true => kills += 1,
                false => return kills,
            }
        }
    }
    panic!("there is no end to it");
}

/// Whether it was killed.
fn killed_once(fixture: &impl Fixture, finish: bool, point: usize) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let seen = || fixture.forgive(fixture.fingerprint());
    let before = seen();
    let specs = stage_into(fixture.target().as_ref(), directory).unwrap();
    let healthy = healthy(&specs[0], point);
    if let Err(error) = act(directory, specs[0].switch()) {
        assert!(error.message.contains("signal 9"), "{error:?}");
        if finish {
            act(directory, healthy.switch()).unwrap_or_else(|error| panic!("point {point}: {error:?}"));
            assert_ne!(seen(), before, "point {point}");
        }
    } else if let Err(error) = undo(directory, specs[0].switch()) {
        assert!(error.message.contains("signal 9"), "{error:?}");
        if finish {
            act(directory, healthy.switch())
                .unwrap_or_else(|error| panic!("point {point} of undo: {error:?}"));
            assert_ne!(seen(), before, "point {point}");
        }
    } else {
        assert_eq!(seen(), before);
        return false;
    }
    undo(directory, healthy.switch()).unwrap_or_else(|error| panic!("point {point}: {error:?}"));
    assert_eq!(seen(), before, "point {point}");
    true
}

/// The same switch, as the next process has it: nobody kills its programs.
fn healthy(spec: &SwitchSpec, point: usize) -> SwitchSpec {
    let text = serde_json::to_string(spec).unwrap();
    let text = text.replace(&format!("IRCTL_TEST_FAULT={point}"), "IRCTL_TEST_HEALTHY=1");
    serde_json::from_str(&text).unwrap()
}
