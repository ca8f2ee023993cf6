use super::*;
use crate::rollback::adapters::{CONTRACT, Verb};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;

struct Bed {
    directory: tempfile::TempDir,
}

impl Bed {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let bed = Self { directory };
        for name in ["outputs/cache/a/deep", "outputs/cache/b", "outputs/keep", "elsewhere"] {
            std::fs::create_dir_all(bed.path(name)).unwrap();
        }
        for name in ["outputs/cache/a/deep/x", "outputs/cache/c", "outputs/keep/y", "elsewhere/z"] {
            std::fs::write(bed.path(name), name).unwrap();
        }
        bed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("workspace").join(name)
    }

    fn request(&self, with: Value) -> Request {
        let keep = self.directory.path().join("keep");
        std::fs::create_dir_all(&keep).unwrap();
        Request {
            contract: CONTRACT,
            verb: Verb::Observe,
            service: "s".into(),
            root: self.path("").canonicalize().unwrap(),
            operation: Some("OP-1".into()),
            with: serde_json::from_value(with).unwrap(),
            version: None,
            before: None,
            after: None,
            keep: Some(keep),
            scratch: None,
        }
    }

    fn usual(&self) -> Request {
        self.request(json!({"roots": ["outputs"], "entries": ["outputs/cache/*"]}))
    }

    fn tree(&self) -> Vec<String> {
        let all = glob::glob(&format!("{}/**/*", self.path("").display())).unwrap();
        let hidden = glob::glob(&format!("{}/**/.irctl*/**/*", self.path("").display())).unwrap();
        let mut all: Vec<_> = all.chain(hidden).map(|path| path.unwrap().display().to_string()).collect();
        all.sort();
        all.dedup();
        all
    }
}

fn refusals(request: &Request) -> Vec<String> {
    match CacheQuarantine.predict(request) {
        Ok(predicted) => predicted.refusals,
        Err(error) => vec![error.message],
    }
}

#[test]
fn moved_aside_and_back_inode_for_inode() {
    let bed = Bed::new();
    let request = bed.usual();
    let (tree, before) = (bed.tree(), CacheQuarantine.observe(&request).unwrap());
    assert_eq!(before.shown, "3 cache entries");
    CacheQuarantine.apply(&request).unwrap();
    assert_eq!(
        CacheQuarantine.observe(&Request { keep: None, ..request.clone() }).unwrap().shown,
        "no cache entries"
    );
    let manifest = bed.path("outputs/.irctl-quarantine/OP-1/manifest.json");
    assert!(std::fs::read_to_string(manifest).unwrap().contains("cache/a"));
    assert_eq!(
        std::fs::read_to_string(bed.path("outputs/.irctl-quarantine/OP-1/000000-a/deep/x")).unwrap(),
        "outputs/cache/a/deep/x"
    );
    CacheQuarantine.undo(&request).unwrap();
    assert_eq!(bed.tree(), tree);
    assert_eq!(CacheQuarantine.observe(&request).unwrap(), before);
}

#[test]
fn what_was_interrupted_is_finished_either_way() {
    for way in ["apply", "undo"] {
        let bed = Bed::new();
        let request = bed.usual();
        let tree = bed.tree();
        let before = CacheQuarantine.observe(&request).unwrap();
        // A crash after the first of three moves.
        let moves = noted(&request).unwrap();
        let place = Place::open(&moves[0].root).unwrap();
        place.make_folder_of(&moves[0].to).unwrap();
        place.rename(&moves[0].from, &moves[0].to).unwrap();
        let later = Request { keep: request.keep.clone(), ..request.clone() };
        if way == "apply" {
            CacheQuarantine.apply(&later).unwrap();
            assert_eq!(look(&request).unwrap().entries.len(), 0);
        }
        CacheQuarantine.undo(&later).unwrap();
        assert_eq!(bed.tree(), tree, "{way}");
        assert_eq!(CacheQuarantine.observe(&Request { keep: None, ..request }).unwrap(), before);
    }
}

#[test]
fn what_others_made_is_never_overwritten() {
    let bed = Bed::new();
    let request = bed.usual();
    CacheQuarantine.observe(&request).unwrap();
    std::fs::write(bed.path("outputs/cache/new"), "theirs").unwrap();
    assert_eq!(CacheQuarantine.apply(&request).unwrap_err().code, ErrorCode::Drifted);
    std::fs::remove_file(bed.path("outputs/cache/new")).unwrap();
    CacheQuarantine.apply(&request).unwrap();
    std::fs::write(bed.path("outputs/cache/c"), "theirs").unwrap();
    let moved = bed.tree();
    assert_eq!(CacheQuarantine.undo(&request).unwrap_err().code, ErrorCode::Drifted);
    assert_eq!(bed.tree(), moved, "nothing of it was moved back");
    assert_eq!(std::fs::read_to_string(bed.path("outputs/cache/c")).unwrap(), "theirs");
}

#[test]
fn roots_that_hold_too_much_are_refused() {
    let bed = Bed::new();
    symlink(bed.path("outputs"), bed.path("link")).unwrap();
    let workspace = bed.path("").display().to_string();
    for (root, why) in [
        ("/", "too near"),
        ("/usr", "too near"),
        (".", "whole workspace"),
        (workspace.as_str(), "whole workspace"),
        ("../workspace", "climbs out"),
        ("link", "symbolic link"),
        ("outputs/cache/c", "no folder"),
        ("missing", "No such file"),
    ] {
        let found = refusals(&bed.request(json!({"roots": [root], "entries": ["outputs/cache/*"]})));
        assert!(found.iter().any(|found| found.contains(why)), "{root}: {found:?}");
    }
}

#[test]
fn entries_that_lead_elsewhere_are_refused_and_nothing_is_moved() {
    let bed = Bed::new();
    symlink(bed.path("elsewhere"), bed.path("outputs/trap")).unwrap();
    symlink(bed.path("outputs/keep"), bed.path("outputs/inner")).unwrap();
    let tree = bed.tree();
    for (entries, why) in [
        (json!(["outputs/cache/*", "outputs/trap/*"]), "none of the roots"),
        (json!(["outputs/inner/*"]), "symbolic link"),
        (json!(["elsewhere/*"]), "none of the roots"),
        (json!(["/etc/hostname"]), "none of the roots"),
        (json!(["outputs"]), "root itself"),
        (json!(["outputs/cache/../../elsewhere/*"]), "climbs out"),
        (json!([""]), "empty"),
        (json!(["outputs/[cache"]), "not a pattern"),
    ] {
        let request = bed.request(json!({"roots": ["outputs"], "entries": entries}));
        let found = refusals(&request);
        assert!(found.iter().any(|found| found.contains(why)), "{entries}: {found:?}");
        let _ = CacheQuarantine.observe(&request);
        assert!(CacheQuarantine.apply(&request).is_err(), "{entries}");
        assert_eq!(bed.tree(), tree);
    }
    // The link itself is only a name: it goes aside, what it leads to stays.
    let request = bed.request(json!({"roots": ["outputs"], "entries": ["outputs/trap"]}));
    CacheQuarantine.observe(&request).unwrap();
    CacheQuarantine.apply(&request).unwrap();
    assert!(bed.path("elsewhere/z").exists());
    CacheQuarantine.undo(&request).unwrap();
    assert_eq!(bed.tree(), tree);
}

#[test]
fn a_link_that_is_put_in_the_way_later_is_not_followed() {
    let bed = Bed::new();
    let request = bed.usual();
    CacheQuarantine.observe(&request).unwrap();
    std::fs::rename(bed.path("outputs/cache"), bed.path("outputs/real")).unwrap();
    symlink(bed.path("outputs/real"), bed.path("outputs/cache")).unwrap();
    let tree = bed.tree();
    let moves = noted(&request).unwrap();
    assert_eq!(walk(&moves, Way::Aside).unwrap_err().code, ErrorCode::NotPermitted);
    assert_eq!(bed.tree(), tree);
}

#[test]
fn a_cap_holds_and_nested_matches_are_one() {
    let bed = Bed::new();
    let request = bed.request(json!({"roots": ["outputs"], "entries": ["outputs/cache/*"], "most": 2}));
    assert!(refusals(&request)[0].contains("more than 2"));
    let request = bed.request(json!({"roots": ["outputs"], "entries": ["outputs/cache/**/*"]}));
    assert_eq!(CacheQuarantine.observe(&request).unwrap().shown, "3 cache entries");
}

#[test]
fn a_rehearsal_touches_only_the_copy() {
    let bed = Bed::new();
    let tree = bed.tree();
    let scratch = tempfile::tempdir().unwrap();
    let request = Request { scratch: Some(scratch.path().canonicalize().unwrap()), ..bed.usual() };
    let said = CacheQuarantine.rehearse(&request).unwrap().detail.unwrap();
    assert!(said.starts_with("3 cache entries"), "{said}");
    assert_eq!(bed.tree(), tree);
}
