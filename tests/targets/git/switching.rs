//! What a switch leaves behind, and how it is taken back without irctl.

use irctl::base::{Clock, Digest, ErrorCode};
use irctl::operation::{Journal, Observation, StepContext};
use irctl::rollback::targets::git::GitSwitch;
use irctl::rollback::targets::{Switch as _, SwitchSpec, Target as _};

use super::refusals::{goal, stage};
use super::{Place, git, try_git};

pub fn act(place: &Place, switch: &GitSwitch, forward: bool) -> irctl::base::Result<Option<String>> {
    let path = tempfile::Builder::new().prefix("journal").tempdir_in(place.directory.path()).unwrap();
    let mut journal = Journal::create(&path.path().join("journal.jsonl"), &Digest::of(b"plan")).unwrap();
    let clock = Clock::from_hidden_value("2026-11-20T03:07:00Z").unwrap();
    let mut context = StepContext::new("step", &mut journal, &clock);
    if forward { switch.act(&mut context) } else { switch.undo(&mut context) }
}

pub fn only(mut specs: Vec<SwitchSpec>) -> GitSwitch {
    assert_eq!(specs.len(), 1);
    match specs.pop().unwrap() {
        SwitchSpec::Git(switch) => switch,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_backup_and_the_stash_are_named_and_git_understands_them() {
    let place = Place::with_history("{repository: app}");
    place.dirty();
    let old = git(&place.top, &["rev-parse", "HEAD"]);
    let switch = only(stage(&place, "v1").unwrap());
    act(&place, &switch, true).unwrap();
    assert_eq!(git(&place.top, &["rev-parse", "backup/main_20261120-030700"]), old);
    assert_eq!(git(&place.top, &["status", "--porcelain"]), "");
    assert_eq!(git(&place.top, &["rev-parse", "HEAD"]), git(&place.top, &["rev-parse", "v1^{commit}"]));
    let list = git(&place.top, &["stash", "list"]);
    assert!(list.contains("On main: irctl OP-20261120-030700") && list.contains("drift confirmed"), "{list}");
    assert_eq!(
        git(&place.top, &["rev-parse", "refs/irctl/stash/OP-20261120-030700"]),
        git(&place.top, &["rev-parse", "stash@{0}"])
    );
    // Nothing is lost when somebody edits the list.
    git(&place.top, &["stash", "clear"]);
    assert_eq!(
        git(&place.top, &["show", "refs/irctl/stash/OP-20261120-030700^3:untracked/a file.txt"]),
        "untracked"
    );
    assert_eq!(git(&place.top, &["show", "refs/irctl/stash/OP-20261120-030700^2:data/common.txt"]), "staged");
    assert_eq!(
        std::fs::read_to_string(place.top.join("noise.log")).unwrap(),
        "ignored\n",
        "ignored files stay"
    );
}

/// Runs what was printed as a person would: in a shell.
fn by_hand(switch: &GitSwitch) {
    for line in switch.by_hand() {
        let output = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A fingerprint without the list of stashes, which a person empties when sure.
fn without_stashes(place: &Place) -> String {
    try_git(&place.top, &["stash", "clear"]);
    place.fingerprint()
}

#[test]
fn a_switch_is_taken_back_by_hand_as_printed() {
    let rows = [
        "{repository: app}",
        "{repository: app, mode: revert}",
        "{repository: app, mode: paths, paths: [tests/baselines, run.sh]}",
        "{repository: app, branch: side}",
    ];
    for config in rows {
        let place = Place::with_history(config);
        if !config.contains("side") {
            place.dirty();
            // `git stash apply` cannot bring an intent to add back.
            git(&place.top, &["rm", "-q", "--cached", "intended.txt"]);
        }
        let before = without_stashes(&place);
        let switch = only(stage(&place, "v1").unwrap());
        let said = act(&place, &switch, true).unwrap().unwrap();
        assert!(said.contains("by hand it is taken back with: git -C "), "{said}");
        assert_ne!(before, without_stashes(&place));
        by_hand(&switch);
        assert_eq!(before, without_stashes(&place), "{config}");
    }
}

#[test]
fn reverts_say_why_and_merges_go_towards_their_first_parent() {
    let place = Place::with_history("{repository: app, mode: revert}");
    let old = git(&place.top, &["rev-parse", "HEAD"]);
    let switch = only(stage(&place, "v1").unwrap());
    act(&place, &switch, true).unwrap();
    let subjects = git(&place.top, &["log", "--format=%s", &format!("{old}..HEAD")]);
    assert_eq!(subjects, "Revert \"two\"\nRevert \"merge side\"\nRevert \"three: broken\"");
    assert_eq!(git(&place.top, &["diff", "--stat", "v1", "HEAD"]), "");
    let message = git(&place.top, &["log", "-1", "--format=%B", "HEAD~1"]);
    let merge = git(&place.top, &["rev-parse", "v2"]);
    assert!(message.contains(&format!("This reverts commit {merge}, reversing")), "{message}");
    assert!(message.contains("Reason: drift confirmed\n"), "{message}");
    assert!(message.contains("Irctl-Operation: OP-20261120-030700\nIrctl-Incident: INC-"), "{message}");
    // Git agrees with what the reverts are.
    git(&place.top, &["reset", "-q", "--hard", &old]);
    git(&place.top, &["revert", "--no-edit", "HEAD"]);
    git(&place.top, &["revert", "--no-edit", "-m", "1", &merge]);
    let theirs = git(&place.top, &["rev-parse", "HEAD^{tree}"]);
    assert_eq!(theirs, git(&place.top, &["rev-parse", "v2^^{tree}"]));
}

#[test]
fn paths_outside_are_nobodys_business_even_in_between() {
    let place = Place::with_history("{repository: app, mode: paths, paths: [tests/baselines]}");
    let switch = only(stage(&place, "v1").unwrap());
    act(&place, &switch, true).unwrap();
    assert_eq!(git(&place.top, &["diff", "--cached", "--stat", "v1", "--", "tests/baselines"]), "");
    assert!(!place.top.join("tests/baselines/new ü.json").exists(), "what does not exist there is removed");
    // The team goes on elsewhere; the way back does not care.
    place.write("elsewhere.txt", "theirs\n");
    git(&place.top, &["add", "elsewhere.txt"]);
    git(&place.top, &["commit", "-q", "-m", "theirs", "--", "elsewhere.txt"]);
    act(&place, &switch, false).unwrap();
    assert_eq!(git(&place.top, &["status", "--porcelain"]), "");
}

#[test]
fn new_files_of_others_are_left_alone() {
    let place = Place::with_history("{repository: app}");
    let switch = only(stage(&place, "v1").unwrap());
    place.write("new.out", "written after the plan\n");
    act(&place, &switch, true).unwrap();
    place.write("later.out", "written after the switch\n");
    assert_eq!(switch.observe().unwrap(), Observation::After);
    act(&place, &switch, false).unwrap();
    assert_eq!(git(&place.top, &["status", "--porcelain"]), "?? later.out\n?? new.out");
    // Unless they stand where a file must go.
    act(&place, &switch, true).unwrap();
    place.write("side.py", "written by somebody\n");
    assert_eq!(act(&place, &switch, false).unwrap_err().code, ErrorCode::Drifted);
    assert_eq!(std::fs::read_to_string(place.top.join("side.py")).unwrap(), "written by somebody\n");
    assert!(!place.top.join(".git/index.lock").exists());
}

#[test]
fn hooks_filters_and_settings_of_others_do_not_matter() {
    let place = Place::with_history("{repository: app}");
    for hook in ["post-checkout", "reference-transaction", "post-index-change", "pre-commit", "post-rewrite"]
    {
        place.write(&format!(".git/hooks/{hook}"), "#!/bin/sh\ntouch hook-ran\nexit 1\n");
        place.executable(&format!(".git/hooks/{hook}"));
    }
    git(&place.top, &["config", "commit.gpgSign", "true"]);
    git(&place.top, &["config", "core.splitIndex", "true"]);
    git(&place.top, &["config", "filter.upper.clean", "tr a-z A-Z"]);
    git(&place.top, &["config", "filter.upper.smudge", "tr A-Z a-z"]);
    place.write(".git/info/attributes", "*.up filter=upper\n");
    place.write("filtered.up", "as the filter gives it\n");
    place.write("data/common.txt", "modified\n");
    let before = place.fingerprint();
    let switch = only(stage(&place, "v1").unwrap());
    act(&place, &switch, true).unwrap();
    assert!(!place.top.join("filtered.up").exists());
    act(&place, &switch, false).unwrap();
    assert_eq!(before, place.fingerprint());
    assert!(!place.top.join("hook-ran").exists());
}

#[test]
fn marks_in_the_index_come_back() {
    let place = Place::with_history("{repository: app}");
    git(&place.top, &["update-index", "--assume-unchanged", "app.py"]);
    git(&place.top, &["update-index", "--skip-worktree", "run.sh"]);
    place.write("app.py", "hidden from git status\n");
    let before = place.fingerprint();
    let switch = only(stage(&place, "v1").unwrap());
    act(&place, &switch, true).unwrap();
    assert_eq!(std::fs::read_to_string(place.top.join("app.py")).unwrap(), "print('one')\n");
    act(&place, &switch, false).unwrap();
    assert_eq!(before, place.fingerprint());
}

#[test]
fn a_backup_that_somebody_moved_stays() {
    let place = Place::with_history("{repository: app}");
    let switch = only(stage(&place, "v1").unwrap());
    act(&place, &switch, true).unwrap();
    git(&place.top, &["branch", "-f", "backup/main_20261120-030700", "v2"]);
    let said = act(&place, &switch, false).unwrap().unwrap();
    assert!(said.contains("was moved by somebody and stays"), "{said}");
    assert_eq!(
        git(&place.top, &["rev-parse", "backup/main_20261120-030700"]),
        git(&place.top, &["rev-parse", "v2"])
    );
    // The next operation at the same second takes another name.
    let again = only(stage(&place, "v1").unwrap());
    act(&place, &again, true).unwrap();
    assert!(
        try_git(&place.top, &["rev-parse", "--verify", "backup/main_20261120-030700-2"]).status.success()
    );
}

#[test]
fn a_rehearsal_is_timed_and_leaves_no_object() {
    let place =
        Place::with_history("{repository: app, mode: revert, validate: {command: [test, -f, run.sh]}}");
    place.dirty();
    let count = || git(&place.top, &["count-objects"]);
    let before = (place.fingerprint(), count());
    let version = place.find("v1");
    let scratch = tempfile::tempdir().unwrap();
    let parts = place.target().rehearse(&goal(&version), scratch.path()).unwrap();
    let names: Vec<_> = parts.iter().map(|part| part.what.as_str()).collect();
    assert_eq!(names.len(), 5, "{names:?}");
    assert!(parts.iter().all(|part| part.failure.is_none() && part.not_run.is_none()), "{parts:#?}");
    assert!(names[3] == "switch the copy" && names[4] == "undo on the copy", "{names:?}");
    assert_eq!(before, (place.fingerprint(), count()));
    // Looking and predicting leave none either.
    super::refusals::predict(&place, "v1");
    place.target().observe().unwrap();
    assert_eq!(before, (place.fingerprint(), count()));
}
