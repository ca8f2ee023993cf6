//! What is left alone, and why.

use irctl::base::{ErrorCode, Result};
use irctl::rollback::targets::{Goal, Prediction, Staging, SwitchSpec, Target as _};
use irctl::rollback::versions::Version;

use super::{Place, git, try_git};

pub fn goal(version: &Version) -> Goal<'_> {
    Goal {
        version,
        served: version,
        operation: Some("OP-20261120-030700"),
        incident: Some("INC-20261120-030700"),
        reason: Some("drift\nconfirmed"),
        actor: "cli:engineer",
        now: irctl::base::clock::parse_instant("2026-11-20T03:07:00Z").unwrap(),
    }
}

pub fn predict(place: &Place, to: &str) -> Prediction {
    let version = Version::named(to);
    place.target().predict(&goal(&version)).unwrap()
}

pub fn stage(place: &Place, to: &str) -> Result<Vec<SwitchSpec>> {
    let version = Version::named(to);
    let images = place.directory.path().join("images");
    std::fs::create_dir_all(&images).unwrap();
    let staging = Staging { images: &images, operation: "OP-20261120-030700" };
    place.target().stage(&goal(&version), &staging)
}

/// Refused by the plan and by staging, with these words, and nothing is changed.
fn refused(place: &Place, to: &str, words: &str) {
    let before = place.fingerprint();
    let refusals = predict(place, to).refusals.join("; ");
    assert!(refusals.contains(words), "the plan says: {refusals}");
    let error = stage(place, to).unwrap_err();
    assert_eq!(error.code, ErrorCode::Refused, "{error:?}");
    assert!(error.message.contains(words), "{}", error.message);
    assert_eq!(before, place.fingerprint());
}

#[test]
fn what_somebody_has_begun_is_not_disturbed() {
    let place = Place::with_history("{repository: app}");
    git(&place.top, &["switch", "-q", "-c", "clash", "v1"]);
    place.write("app.py", "print('clash')\n");
    place.commit("clash");
    for (arguments, words, end) in [
        (&["merge", "main"][..], "a merge is under way", &["merge", "--abort"][..]),
        (&["rebase", "main"], "a rebase is under way", &["rebase", "--abort"]),
        (&["cherry-pick", "main"], "a cherry-pick is under way", &["cherry-pick", "--abort"]),
        (&["revert", "--no-commit", "HEAD"], "a revert is under way", &["revert", "--abort"]),
    ] {
        try_git(&place.top, arguments);
        refused(&place, "v2", words);
        git(&place.top, end);
    }
    git(&place.top, &["bisect", "start"]);
    refused(&place, "v2", "a bisection is under way");
    git(&place.top, &["bisect", "reset"]);
    assert!(!stage(&place, "v2").unwrap().is_empty());
}

#[test]
fn a_branch_in_another_work_tree_is_not_moved_under_its_feet() {
    let place = Place::with_history("{repository: app, branch: other}");
    git(&place.top, &["worktree", "add", "-q", "../elsewhere", "-b", "other"]);
    refused(&place, "v1", "is checked out in");
}

#[test]
fn submodules_are_not_moved_or_overrun() {
    let place = Place::empty("{repository: app}");
    let library = place.ground.root.join("library");
    git(&place.ground.root, &["init", "-q", "-b", "main", "library"]);
    std::fs::write(library.join("lib.py"), "1\n").unwrap();
    git(&library, &["add", "-A"]);
    git(&library, &["commit", "-q", "-m", "library one"]);
    place.write("app.py", "1\n");
    place.commit("before the submodule");
    git(&place.top, &["submodule", "--quiet", "add", "../library", "lib"]);
    place.commit("with the submodule");
    git(&place.top, &["tag", "with"]);
    place.write("app.py", "2\n");
    place.commit("later");
    // The same submodule at both ends is left as it is.
    assert!(predict(&place, "with").refusals.is_empty());
    std::fs::write(place.top.join("lib/lib.py"), "edited\n").unwrap();
    refused(&place, "with", "the submodule `lib` holds work of its own");
    git(&place.top.join("lib"), &["checkout", "-q", "lib.py"]);
    refused(&place, "with~1", "the submodule `lib` would have to move");
}

#[test]
fn revert_needs_a_row_of_commits() {
    let place = Place::with_history("{repository: app, mode: revert}");
    refused(&place, "side", "is not on the first-parent line");
    git(&place.top, &["reset", "-q", "--hard", "v1"]);
    refused(&place, "v2", "is not on the first-parent line");
}

#[test]
fn places_that_cannot_be_rolled_back_are_named() {
    let unborn = Place::empty("{repository: app}");
    let error = unborn.target().served().unwrap_err();
    assert!(error.message.contains("has no commit yet"), "{}", error.message);

    let mut place = Place::with_history("{repository: app/data}");
    let error = place.target().served().unwrap_err();
    assert_eq!(error.code, ErrorCode::Refused);
    assert!(error.message.contains("not the top of its work tree"), "{}", error.message);
    for (config, code) in [
        ("{repository: ../app}", ErrorCode::OutsideRoot),
        ("{repository: nowhere}", ErrorCode::NotFound),
        ("{repository: app, mode: paths}", ErrorCode::InvalidConfiguration),
        ("{repository: app, paths: [data]}", ErrorCode::InvalidConfiguration),
        ("{repository: app, mode: paths, paths: [../etc]}", ErrorCode::OutsideRoot),
        ("{repository: app, mode: paths, paths: [.git/config]}", ErrorCode::OutsideRoot),
        ("{repository: app, branch: nowhere}", ErrorCode::Refused),
    ] {
        place.config = serde_yaml::from_str(config).unwrap();
        assert_eq!(place.target().served().unwrap_err().code, code, "{config}");
    }
}

#[test]
fn a_path_that_stands_nowhere_is_a_slip() {
    let place =
        Place::with_history("{repository: app, mode: paths, paths: [tests/baselines, test/fixtures]}");
    refused(&place, "v1", "`test/fixtures` stands neither in");
}

#[test]
fn a_broken_version_is_refused_before_the_switch() {
    let place = Place::with_history(
        "{repository: app, validate: {command: [python3, -c, \"compile(open('app.py').read(), 'app.py', 'exec')\"]}}",
    );
    git(&place.top, &["tag", "broken"]);
    git(&place.top, &["reset", "-q", "--hard", "v1"]);
    let before = place.fingerprint();
    let error = stage(&place, "broken").unwrap_err();
    assert_eq!(error.code, ErrorCode::Refused);
    assert!(
        error.message.contains("does not pass") && error.message.contains("SyntaxError"),
        "{}",
        error.message
    );
    assert_eq!(before, place.fingerprint());
    assert_eq!(stage(&place, "v2").unwrap().len(), 1);
}

#[test]
fn the_plan_says_what_is_at_stake() {
    let mut place = Place::with_history("{repository: clone}");
    git(&place.ground.root, &["clone", "-q", "app", "clone"]);
    place.top = place.ground.root.join("clone");
    place.write(".github/workflows/deploy.yml", "on: push\n");
    place.commit("a pipeline <!channel>\u{202e}");
    place.dirty();
    let plan = predict(&place, "v1");
    assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
    let warnings = plan.warnings.join("\n");
    assert!(warnings.contains("1 of the commits that go are on no other branch or tag"), "{warnings}");
    assert!(warnings.contains("4 of the commits that go are pushed already (origin/main)"), "{warnings}");
    let undo = plan.could_undo_this.join("\n");
    assert!(undo.contains("git pull") && undo.contains(".github/workflows"), "{undo}");
    let shown: Vec<_> = plan
        .changes
        .iter()
        .map(|change| format!("{}: {:?} -> {:?}", change.place, change.from, change.to))
        .collect();
    assert!(shown.iter().any(|line| line.starts_with("branch main")), "{shown:#?}");
    assert_eq!(shown.iter().filter(|line| line.starts_with("commit ")).count(), 5, "{shown:#?}");
    assert!(shown.iter().any(|line| line.contains("3 staged, 4 modified, 2 untracked")), "{shown:#?}");
    let raw = plan
        .changes
        .iter()
        .filter_map(|change| change.from.as_ref())
        .find(|from| from.raw().contains("channel"));
    assert!(!raw.unwrap().to_string().contains('\u{202e}'), "other people's words are escaped");
    // Down and up again: what comes is listed, too.
    git(&place.top, &["add", "-A"]);
    git(&place.top, &["stash", "-q"]);
    git(&place.top, &["tag", "newest"]);
    git(&place.top, &["reset", "-q", "--hard", "v1"]);
    let plan = predict(&place, "newest");
    let coming =
        plan.changes.iter().filter(|change| change.place.raw().starts_with("commit ") && change.to.is_some());
    assert_eq!(coming.count(), 5);
}
