//! Finding the commit that broke something.

use irctl::base::ErrorCode;
use irctl::rollback::targets::git::bisect::{Fared, first_bad};
use std::time::Duration;

use super::{Place, git};

const LIMIT: Duration = Duration::from_secs(30);

/// Forty commits; from number 23 on `app.py` says broken, and numbers 20 to 21 cannot be tested.
fn long_history() -> Place {
    let place = Place::empty("{repository: app}");
    for number in 0..40 {
        let state = if number >= 23 { "broken" } else { "fine" };
        let state = if (20..22).contains(&number) { "untestable" } else { state };
        place.write("app.py", &format!("{state}\n{number}\n"));
        place.commit(&format!("commit {number}"));
    }
    place
}

fn argv(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

const PROBE: &str = "touch leftover.pyc; grep -q untestable app.py && exit 125; ! grep -q broken app.py";

#[test]
fn finds_the_breaking_commit_as_git_does() {
    let place = long_history();
    place.write("app.py", "uncommitted\n");
    place.write("untracked", "mine\n");
    let before = place.fingerprint();
    let scratch = tempfile::tempdir().unwrap();
    let found =
        first_bad(&place.top, "HEAD~38", "HEAD", &argv(PROBE), LIMIT, scratch.path(), &mut |_| Ok(()))
            .unwrap();
    assert_eq!(before, place.fingerprint(), "the work tree, HEAD and bisections are untouched");
    let expected = git(&place.top, &["rev-parse", "HEAD~16"]);
    assert_eq!(found.commit.as_deref(), Some(expected.as_str()));
    assert_eq!(found.subject.unwrap().raw(), "commit 23");
    assert_eq!(found.author.unwrap().raw(), "An Author");
    assert_eq!(found.parent, git(&place.top, &["rev-parse", "HEAD~17"]));
    assert!(found.steps.len() <= 11, "{} steps for 38 commits", found.steps.len());
    assert_eq!((found.steps[0].fared, found.steps[1].fared), (Fared::Good, Fared::Bad));

    // Git's own bisection, in a clone.
    git(&place.ground.root, &["clone", "-q", "app", "clone"]);
    let clone = place.ground.root.join("clone");
    git(&clone, &["bisect", "start", "HEAD", "HEAD~38"]);
    let said = git(&clone, &["bisect", "run", "sh", "-c", PROBE]);
    assert!(said.contains(&format!("{expected} is the first bad commit")), "{said}");
}

#[test]
fn commits_that_cannot_be_tested_are_named() {
    let place = long_history();
    let scratch = tempfile::tempdir().unwrap();
    let hidden = argv("case $(tail -1 app.py) in 22|23|24) exit 125;; esac; ! grep -q broken app.py");
    let found =
        first_bad(&place.top, "HEAD~30", "main", &hidden, LIMIT, scratch.path(), &mut |_| Ok(())).unwrap();
    assert_eq!(found.commit, None);
    assert_eq!(found.suspects.len(), 4, "{:?}", found.suspects);
    assert_eq!(found.parent, git(&place.top, &["rev-parse", "HEAD~18"]));
}

#[test]
fn ends_that_are_not_what_they_are_said_to_be_are_refused() {
    let place = long_history();
    let run = |good: &str, bad: &str, script: &str| {
        let scratch = tempfile::tempdir().unwrap();
        first_bad(&place.top, good, bad, &argv(script), Duration::from_secs(2), scratch.path(), &mut |_| {
            Ok(())
        })
        .unwrap_err()
    };
    let error = run("HEAD~5", "HEAD", PROBE);
    assert_eq!(error.code, ErrorCode::Refused);
    assert!(error.message.contains("should be good"), "{}", error.message);
    assert!(run("HEAD~30", "HEAD~25", PROBE).message.contains("should be bad"));
    assert!(run("HEAD", "HEAD~30", PROBE).message.contains("no ancestor"));
    assert_eq!(run("HEAD~100", "HEAD", PROBE).code, ErrorCode::NotFound);
    assert_eq!(run("--all", "HEAD", PROBE).code, ErrorCode::NotFound);
    assert_eq!(run("HEAD~30", "HEAD", "exit 130").code, ErrorCode::Subprocess);
    assert_eq!(run("HEAD~30", "HEAD", "kill -9 $$").code, ErrorCode::Subprocess);
    assert_eq!(run("HEAD~30", "HEAD", "sleep 60").code, ErrorCode::TimedOut);
}
