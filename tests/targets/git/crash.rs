//! Locks of the dead, and switches that were interrupted.

use irctl::base::ErrorCode;
use irctl::operation::Observation;
use irctl::rollback::targets::Switch as _;
use irctl::rollback::targets::git::GitSwitch;

use super::refusals::{predict, stage};
use super::switching::{act, only};
use super::{Place, git};

#[test]
fn a_lock_of_a_dead_git_is_moved_aside() {
    for lock in ["index.lock", "refs/heads/main.lock"] {
        let place = Place::with_history("{repository: app}");
        place.dirty();
        let before = place.fingerprint();
        let switch = only(stage(&place, "v1").unwrap());
        place.write(&format!(".git/{lock}"), "DIRC half an index");
        act(&place, &switch, true).unwrap();
        assert_eq!(switch.observe().unwrap(), Observation::After);
        let name = lock.rsplit('/').next().unwrap();
        let aside = place.top.join(".git/irctl").join(format!("left-behind.OP-20261120-030700.{name}"));
        assert_eq!(std::fs::read_to_string(aside).unwrap(), "DIRC half an index", "kept, not deleted");
        act(&place, &switch, false).unwrap();
        assert_eq!(before, place.fingerprint());
    }
}

#[test]
fn a_lock_of_a_living_process_is_respected() {
    let place = Place::with_history("{repository: app}");
    let switch = only(stage(&place, "v1").unwrap());
    let lock = place.top.join(".git/index.lock");
    let mut holder = std::process::Command::new("sh")
        .args(["-c", "exec 9>\"$1\"; exec sleep 60", "sh"])
        .arg(&lock)
        .spawn()
        .unwrap();
    while !lock.exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let error = act(&place, &switch, true).unwrap_err();
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(error.code, ErrorCode::Busy, "{error:?}");
    assert!(lock.exists(), "somebody else's lock is not taken away");
    std::fs::remove_file(&lock).unwrap();
    act(&place, &switch, true).unwrap();
}

/// As a process leaves it that died while git wrote files: lock and marker stand, some files are new, one is torn.
fn interrupted(place: &Place, switch: &GitSwitch) {
    let json = serde_json::to_value(switch).unwrap();
    let tag = json["tag"].as_str().unwrap();
    place.write(&format!(".git/irctl/{tag}.switching"), "");
    let holder = serde_json::json!({
        "irctl": tag,
        "process": {"host": irctl::base::host::host_name(), "boot": "an earlier one", "pid": 1, "started": 1},
    });
    place.write(".git/index.lock", &holder.to_string());
    place.write("app.py", "print('o");
    std::fs::remove_file(place.top.join("side.py")).unwrap();
    std::fs::remove_dir_all(place.top.join("link")).unwrap();
}

#[test]
fn what_was_interrupted_goes_on_or_goes_back() {
    for forward in [true, false] {
        let place = Place::with_history("{repository: app}");
        place.write("data/common.txt", "uncommitted\n");
        let before = place.fingerprint();
        let switch = only(stage(&place, "v1").unwrap());
        interrupted(&place, &switch);
        assert_eq!(switch.observe().unwrap(), Observation::Before(None));
        assert!(predict(&place, "v2").refusals.iter().any(|why| why.contains("stopped half-way")));
        act(&place, &switch, forward).unwrap();
        if forward {
            assert_eq!(git(&place.top, &["status", "--porcelain"]), "");
            assert_eq!(switch.observe().unwrap(), Observation::After);
            act(&place, &switch, false).unwrap();
        }
        assert_eq!(before, place.fingerprint());
        assert!(predict(&place, "v2").refusals.is_empty());
    }
}

#[test]
fn somebodys_work_in_the_middle_of_an_interruption_is_not_overwritten() {
    let place = Place::with_history("{repository: app}");
    let switch = only(stage(&place, "v1").unwrap());
    interrupted(&place, &switch);
    place.write("app.py", "written by hand at 03:20\n");
    assert!(matches!(switch.observe().unwrap(), Observation::Other { .. }));
    for forward in [true, false] {
        assert_eq!(act(&place, &switch, forward).unwrap_err().code, ErrorCode::Drifted);
    }
    assert_eq!(std::fs::read_to_string(place.top.join("app.py")).unwrap(), "written by hand at 03:20\n");
}

#[test]
fn another_operation_half_way_here_keeps_the_others_out() {
    let place = Place::with_history("{repository: app}");
    let switch = only(stage(&place, "v1").unwrap());
    place.write(
        ".git/index.lock",
        &serde_json::json!({
            "irctl": "OP-20261119-010000",
            "process": {"host": irctl::base::host::host_name(), "boot": "an earlier one", "pid": 1, "started": 1},
        })
        .to_string(),
    );
    let error = act(&place, &switch, true).unwrap_err();
    assert_eq!(error.code, ErrorCode::Busy);
    assert!(error.message.contains("OP-20261119-010000"), "{}", error.message);
}
