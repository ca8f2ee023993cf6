//! Revisions as versions.

use irctl::base::ErrorCode;
use irctl::rollback::targets::Target as _;

use super::{Place, git};

#[test]
fn tags_come_newest_first_and_the_same_content_is_the_same_version() {
    let place = Place::empty("{repository: app, versions: 'pre-phase*-stable'}");
    for (number, date) in
        [(1, "2026-01-01T00:00:00Z"), (2, "2026-02-01T00:00:00Z"), (3, "2026-03-01T00:00:00Z")]
    {
        place.write("app.py", &format!("{}\n", number % 2));
        place.commit(&format!("phase {number}"));
        git(&place.top, &["-c", "user.name=a", "commit", "-q", "--amend", "--no-edit", "--date", date]);
        let tag = format!("pre-phase{number}-stable");
        if number == 2 {
            git(&place.top, &["tag", "-a", "-m", "annotated", &tag]);
        } else {
            git(&place.top, &["tag", &tag]);
        }
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
    git(&place.top, &["tag", "other"]);
    let blob = git(&place.top, &["rev-parse", "HEAD:app.py"]);
    git(&place.top, &["tag", "pre-phase9-stable", &blob]);
    let versions = place.target().versions().unwrap();
    let names: Vec<_> = versions.iter().map(|version| version.name.as_str()).collect();
    assert_eq!(names[..3], ["pre-phase3-stable", "pre-phase2-stable", "pre-phase1-stable"]);
    assert_eq!(versions[0].digest, versions[2].digest, "the same tree");
    assert_ne!(versions[0].digest, versions[1].digest);
    assert!(versions[0].dated.unwrap().at > versions[1].dated.unwrap().at);
    assert_eq!(versions[3].defect.as_deref(), Some("the tag is of no commit"));
    assert_eq!(versions[1].metadata.read().unwrap().unwrap()["git"]["subject"], "phase 2");
    let served = place.target().served().unwrap();
    assert_eq!(served.digest, versions[0].digest);
    place.write("app.py", "edited\n");
    let edited = place.target().served().unwrap();
    assert_ne!(edited.digest, served.digest, "what is edited is no version that was committed");
    assert!(edited.shown().ends_with("with uncommitted changes"), "{}", edited.shown());
}

#[test]
fn without_a_pattern_the_last_commits_are_versions() {
    let place = Place::with_history("{repository: app}");
    let versions = place.target().versions().unwrap();
    let first_parents = git(&place.top, &["log", "--first-parent", "--format=%h", "--abbrev=12"]);
    assert_eq!(
        versions.iter().map(|version| version.name.as_str()).collect::<Vec<_>>().join("\n"),
        first_parents
    );
    assert_eq!(versions.len(), 4);
}

#[test]
fn any_revision_is_found_and_none_is_an_option() {
    let place = Place::with_history("{repository: app}");
    let target = place.target();
    let sha = git(&place.top, &["rev-parse", "HEAD~1"]);
    let merge = target.find("HEAD~1").unwrap().unwrap();
    assert_eq!(merge.name, sha[..12]);
    for name in [&sha, &sha[..8], "v2", "tags/v2", "refs/tags/v2", "main~1"] {
        assert_eq!(target.find(name).unwrap().unwrap().digest, merge.digest, "{name}");
    }
    assert_eq!(target.find("tags/v2").unwrap().unwrap().name, "v2");
    assert_eq!(
        target.find("side").unwrap().unwrap().metadata.read().unwrap().unwrap()["git"]["subject"],
        "side"
    );
    let hostile = [
        "",
        "-x",
        "--all",
        "--upload-pack=touch /tmp/irctl-owned",
        "--output=/tmp/irctl-owned",
        "-",
        "no-such",
        "a\nb",
        "a\0b",
        "HEAD:app.py",
        "$(id)",
        "@{upstream}",
    ];
    for name in hostile {
        assert!(target.find(name).unwrap().is_none(), "{name:?}");
    }
    assert!(target.accepts("tags/v2").is_ok() && target.accepts("HEAD~1").is_ok());
    assert!(target.accepts("").is_err() && target.accepts("a\nb").is_err());
    assert!(target.answers(&merge, &sha[..9], None) && target.answers(&merge, &sha, None));
    assert!(!target.answers(&merge, &sha[..6], None) && !target.answers(&merge, "main", None));
    // Names that look like options can be branches all the same.
    git(&place.top, &["update-ref", "refs/heads/-x", "HEAD~2"]);
    assert_eq!(
        target.find("-x").unwrap().unwrap().metadata.read().unwrap().unwrap()["git"]["subject"],
        "two"
    );
}

#[test]
fn a_shallow_clone_says_that_it_is_cut_off() {
    let mut place = Place::with_history("{repository: shallow}");
    let url = format!("file://{}", place.top.display());
    git(&place.ground.root, &["clone", "-q", "--depth", "2", &url, "shallow"]);
    place.top = place.ground.root.join("shallow");
    assert!(place.target().find("HEAD~1").unwrap().is_some());
    let error = place.target().find("HEAD~40").unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound);
    assert!(error.hint.unwrap().contains("--unshallow"));
    assert!(place.target().find("bogus").unwrap().is_none());
}

#[test]
fn paths_have_an_identity_of_their_own() {
    let place = Place::with_history("{repository: app, mode: paths, paths: [tests/baselines]}");
    let (one, two) = (place.find("v1"), place.find("v2"));
    assert_eq!(one.digest, two.digest, "the baselines are the same, whatever else differs");
    assert_ne!(one.digest, place.find("HEAD").digest);
}
