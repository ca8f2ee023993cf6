//! What is known of the folders of versions, and what becomes of them.

use irctl::rollback::config::FilesConfig;
use irctl::rollback::digests::DigestCache;
use irctl::rollback::versions::{self, Version};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A change time cannot be set back: what is to be remembered is made, then waited for.
fn settle() {
    std::thread::sleep(Duration::from_millis(2100));
}

fn files() -> FilesConfig {
    serde_yaml::from_str("{live: live, artifacts: [model.json, part/b.bin]}").unwrap()
}

fn put(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn set_modified(path: &Path, at: SystemTime) {
    std::fs::File::open(path).unwrap().set_modified(at).unwrap();
}

fn modified(path: &Path) -> SystemTime {
    std::fs::metadata(path).unwrap().modified().unwrap()
}

/// All that is known of versions, what stands in their metadata included.
fn shown(versions: &[Version]) -> Vec<serde_json::Value> {
    versions.iter().map(|version| serde_json::to_value(version).unwrap()).collect()
}

/// What a cache makes of a folder is what its bytes make of it.
fn compare(live: &Path, cache: &DigestCache, what: &str) {
    let (read, known) =
        (versions::list(live, &files()).unwrap(), versions::list_with(live, &files(), cache).unwrap());
    assert_eq!(shown(&known), shown(&read), "{what}");
}

const WHOLE: &str = r#"{"version": "1.0", "deployed_at": "2026-10-01T00:00:00Z"}"#;
const OTHER: &str = r#"{"version": "2.0", "deployed_at": "2026-11-01T00:00:00Z"}"#;

fn version(folder: &Path) {
    put(&folder.join("model.json"), "{}");
    put(&folder.join("part/b.bin"), "b");
    put(&folder.join("metadata.json"), WHOLE);
}

type Change = (&'static str, fn(&Path));

/// Everything that can become of a folder, with what hides it from whoever looks at modification times only.
const CHANGES: [Change; 14] = [
    ("nothing", |_| {}),
    ("a file is added", |folder| put(&folder.join("notes.txt"), "x")),
    ("a copy begins", |folder| {
        let before = modified(folder);
        put(&folder.join("model.json.tmp"), "{");
        set_modified(folder, before);
    }),
    ("a copy begins under a name that stood there", |folder| {
        let _ = std::fs::rename(folder.join("model.json"), folder.join("model.json.part"));
    }),
    ("metadata is edited in place", |folder| {
        let path = folder.join("metadata.json");
        if path.is_symlink() || !path.is_file() {
            return;
        }
        let before = modified(&path);
        put(&path, OTHER);
        set_modified(&path, before);
    }),
    ("metadata breaks off", |folder| put(&folder.join("metadata.json"), "{\"version\": \"1.")),
    ("metadata goes", |folder| drop(std::fs::remove_file(folder.join("metadata.json")))),
    ("metadata is a link", |folder| {
        let _ = std::fs::remove_file(folder.join("metadata.json"));
        put(&folder.join("other.json"), OTHER);
        std::os::unix::fs::symlink("other.json", folder.join("metadata.json")).unwrap();
    }),
    ("an artifact is swapped for one of the same size and time", |folder| {
        let (path, other) = (folder.join("model.json"), folder.join("other"));
        put(&other, "[]");
        if let Ok(before) = std::fs::metadata(&path) {
            set_modified(&other, before.modified().unwrap());
        }
        std::fs::rename(&other, &path).unwrap();
    }),
    ("an artifact further down is written", |folder| put(&folder.join("part/b.bin"), "c")),
    ("an artifact goes", |folder| drop(std::fs::remove_file(folder.join("model.json")))),
    ("an artifact is empty", |folder| put(&folder.join("model.json"), "")),
    ("another folder takes its place", |folder| {
        let (aside, other) = (folder.with_extension("aside"), folder.with_extension("other"));
        version(&other);
        put(&other.join("metadata.json"), OTHER);
        put(&other.join("model.json.incomplete"), "");
        set_modified(&other, modified(folder));
        std::fs::rename(folder, &aside).unwrap();
        std::fs::rename(&other, folder).unwrap();
        std::fs::rename(&aside, folder.parent().unwrap().parent().unwrap().join("aside")).unwrap();
    }),
    ("a link takes its place", |folder| {
        std::fs::remove_dir_all(folder).unwrap();
        std::os::unix::fs::symlink("elsewhere", folder).unwrap();
    }),
];

#[test]
fn no_change_of_a_folder_stays_unseen() {
    let root = tempfile::tempdir().unwrap();
    let place = |number: usize| root.path().join(format!("{number}/live"));
    for number in 0..CHANGES.len() {
        version(&place(number).join("backup_a"));
    }
    settle();
    let cache = DigestCache::open(root.path());
    let before: Vec<_> = (0..CHANGES.len())
        .map(|number| shown(&versions::list_with(&place(number), &files(), &cache).unwrap()))
        .collect();
    cache.save();
    for (number, (what, change)) in CHANGES.iter().enumerate() {
        let live = place(number);
        let known = DigestCache::open(root.path());
        compare(&live, &known, "before");
        change(&live.join("backup_a"));
        compare(&live, &known, what);
        let after = shown(&versions::list_with(&live, &files(), &known).unwrap());
        assert_eq!(after == before[number], number < 2, "{what}");
    }
}

fn a_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "2026-09-28", "b.tmp", "x y", "ü", "emergency_1"])
}

fn some_metadata() -> impl Strategy<Value = Option<String>> {
    let text = "[a-z0-9. ü\"]{0,300}".prop_map(|label| {
        serde_json::json!({"version": label, "deployed_at": "2026-10-01T00:00:00.123456789+02:00"})
            .to_string()
    });
    let odd =
        ["{}", "[1]", "7", "", "{\"version\": 7, \"deployed_at\": \"soon\"}", "{\"deployed_at\": null}"];
    let odd = prop::sample::select(odd.map(str::to_owned).to_vec());
    prop::option::weighted(0.8, prop_oneof![text, odd])
}

/// A folder of a version: its name, its metadata, what else stands in it, and what becomes of it.
fn a_folder() -> impl Strategy<Value = (&'static str, Option<String>, bool, [usize; 2])> {
    let changes = [0..CHANGES.len() - 2, 0..CHANGES.len()];
    (a_name(), some_metadata(), prop::bool::weighted(0.1), changes)
}

/// Random trees, all made before they are waited for, so that all of them together take no longer than one.
#[test]
fn a_cache_makes_of_every_tree_what_its_bytes_make_of_it() {
    let root = tempfile::tempdir().unwrap();
    let mut runner = TestRunner::default();
    let tree = prop::collection::vec(a_folder(), 0..8);
    let trees: Vec<_> = (0..48).map(|_| tree.new_tree(&mut runner).unwrap().current()).collect();
    let place = |number: usize| root.path().join(format!("{number}/live"));
    for (number, folders) in trees.iter().enumerate() {
        for (name, metadata, copying, _) in folders {
            let folder = place(number).join(format!("backup_{name}"));
            version(&folder);
            match metadata {
                Some(text) => put(&folder.join("metadata.json"), text),
                None => drop(std::fs::remove_file(folder.join("metadata.json"))),
            }
            if *copying {
                put(&folder.join("b.bin.partial"), "");
            }
        }
    }
    settle();
    let cache = DigestCache::open(root.path());
    for (number, folders) in trees.iter().enumerate() {
        compare(&place(number), &cache, &format!("at first: {folders:?}"));
    }
    cache.save();
    assert!(trees.iter().flatten().count() > 0 && root.path().join("folders").is_file());
    for step in 0..2 {
        let known = DigestCache::open(root.path());
        for (number, folders) in trees.iter().enumerate() {
            compare(&place(number), &known, &format!("before step {step}: {folders:?}"));
            for (name, _, _, changes) in folders {
                let folder = place(number).join(format!("backup_{name}"));
                if folder.is_dir() && !folder.is_symlink() && !place(number).join("../aside").exists() {
                    CHANGES[changes[step]].1(&folder);
                }
            }
            compare(&place(number), &known, &format!("step {step}: {folders:?}"));
        }
        known.save();
    }
}
