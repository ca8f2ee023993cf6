//! Rolling back large artifacts, and one of many versions: `cargo bench --bench rollback`.
//!
//! Every figure is a median of runs that took turns with its floor: coreutils on the same disk for copies, the calls
//! that cannot be spared for listings. `IRCTL_BENCH_DIR` puts the files elsewhere, as on a file system with reflinks.

mod table;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use irctl::base::{Digest, clock};
use irctl::rollback::candidates::{self, Selector};
use irctl::rollback::config::FilesConfig;
use irctl::rollback::copying::{self, Manner, Sharing};
use irctl::rollback::digests::DigestCache;
use irctl::rollback::evidence::Evidence;
use irctl::rollback::serving::{Proof, Served};
use irctl::rollback::targets::Target as _;
use irctl::rollback::versions::{self, Artifact};
use irctl::rollback::{stage, targets};
use table::{Row, median, ms, ratio, show, timed};

const RUNS: usize = 5;
const LARGE: u64 = 1024 * 1024 * 1024;
const MANY: usize = 10_000;

fn main() {
    let directory = match std::env::var_os("IRCTL_BENCH_DIR") {
        Some(parent) => tempfile::tempdir_in(parent),
        None => tempfile::tempdir(),
    };
    let directory = directory.expect("a temporary directory");
    println!("rollback, medians of {RUNS} runs in turn with what they are compared to\n");
    table::head();
    large(&directory.path().join("large"));
    many(&directory.path().join("many"));
    entries(&directory.path().join("registry"));
}

/// Staging 1 GiB against copying, hashing and forcing it to disk with coreutils.
fn large(folder: &Path) {
    let (from, ours, theirs) = (folder.join("version"), folder.join("stage"), folder.join("theirs"));
    for folder in [&from, &ours, &theirs] {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    let model = from.join("model.bin");
    fill(&model, LARGE);
    let digest = Digest::of_file(&model).expect("a digest").0;
    let artifacts = BTreeMap::from([("model.bin".to_owned(), Artifact { digest, size: LARGE })]);
    let (mut staging, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let copy = theirs.join("model.bin");
        let begun = Instant::now();
        for (program, arguments) in [
            ("cp", vec!["--reflink=never", path(&model), path(&copy)]),
            ("sha256sum", vec![path(&copy)]),
            ("sync", vec![path(&copy)]),
        ] {
            let mut command = Command::new(program);
            command.args(arguments);
            assert_eq!(timed(command, None).1, Some(0), "{program}");
        }
        floor.push(begun.elapsed());
        std::fs::remove_file(&copy).expect("removed");
        let begun = Instant::now();
        stage::copy_with(&from, &ours, &artifacts, None, Sharing::Nothing, &DigestCache::none())
            .expect("staged");
        staging.push(begun.elapsed());
        std::fs::remove_file(ours.join("model.bin")).expect("removed");
    }
    let (staging, floor) = (median(staging), median(floor));
    Row {
        what: "staging 1 GiB",
        ours: show(staging),
        against: format!("cp, sha256sum, sync {}", show(floor)),
        comes_to: format!("ratio {:.2}", ratio(staging, floor)),
        asked: "at most 1.2",
        holds: Some(ratio(staging, floor) <= 1.2),
    }
    .print();
    shared(&model, &ours.join("model.bin"), floor);
    std::fs::remove_dir_all(folder).expect("removed");
}

/// The same where blocks can be shared, its digest known.
fn shared(model: &Path, to: &Path, floor: Duration) {
    let state = tempfile::tempdir().expect("a folder");
    let cache = DigestCache::open(state.path());
    std::thread::sleep(Duration::from_millis(2100));
    cache.of_file(model).expect("a digest");
    let begun = Instant::now();
    let copied = copying::copy(model, to, Sharing::Reflink, &cache).expect("a copy");
    let took = begun.elapsed();
    if copied.manner != Manner::Reflink {
        println!("not run: staging 1 GiB by reflink: this file system shares no blocks");
        return;
    }
    Row {
        what: "staging 1 GiB, blocks shared",
        ours: show(took),
        against: format!("cp, sha256sum, sync {}", show(floor)),
        comes_to: format!("ratio {:.3}", ratio(took, floor)),
        asked: "near zero",
        holds: Some(ratio(took, floor) < 0.05),
    }
    .print();
}

/// Finding `prev` among ten thousand versions.
fn many(folder: &Path) {
    let live = folder.join("live");
    version(&live, MANY);
    for number in 0..MANY {
        version(&live.join(format!("backup_{number:05}")), number);
    }
    // What changed less than two seconds ago is not remembered.
    std::thread::sleep(Duration::from_millis(2100));
    let files: FilesConfig = serde_yaml::from_str("{live: live, artifacts: [model.json, metadata.json]}")
        .expect("a configuration");
    let state = folder.join("state");
    std::fs::create_dir_all(&state).expect("a folder");
    let begun = Instant::now();
    let cache = DigestCache::open(&state);
    assert_eq!(resolve(&live, &files, &cache), format!("backup_{:05}", MANY - 1));
    cache.save();
    let first = begun.elapsed();
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let mut find = Command::new("find");
        find.arg(&live).args(["-type", "f", "-printf", "%i %s %T@ %C@\\n"]);
        floor.push(timed(find, None).0);
        let begun = Instant::now();
        let cache = DigestCache::open(&state);
        resolve(&live, &files, &cache);
        cache.save();
        ours.push(begun.elapsed());
    }
    let (ours, floor) = (median(ours), median(floor));
    Row {
        what: "prev among 10,000 versions, digests known",
        ours: show(ours),
        against: format!("find -printf {}", show(floor)),
        comes_to: format!("ratio {:.2}", ratio(ours, floor)),
        asked: "under 100 ms",
        holds: Some(ms(ours) < 100.0),
    }
    .print();
    Row {
        what: "  the first time, every byte read",
        ours: show(first),
        against: String::new(),
        comes_to: String::new(),
        asked: "",
        holds: None,
    }
    .print();
    whole(folder);
}

/// The whole process on the same folder.
fn whole(folder: &Path) {
    let run = || {
        let mut command = Command::new(table::binary());
        command.args(["rollback", "live", "--to", "prev", "--dry-run"]).current_dir(folder);
        command.env("XDG_STATE_HOME", folder.join("home")).env("IRCTL_ACTOR", "bench");
        timed(command, None).0
    };
    run();
    let took = median((0..3).map(|_| run()).collect());
    Row {
        what: "irctl rollback --to prev --dry-run",
        ours: show(took),
        against: "10,000 versions, whole process".to_owned(),
        comes_to: String::new(),
        asked: "",
        holds: None,
    }
    .print();
}

fn resolve(live: &Path, files: &FilesConfig, cache: &DigestCache) -> String {
    let all = versions::list_with(live, files, cache).expect("versions");
    let on_disk = versions::read(live, "live", files).expect("what serves");
    let served = Served { digest: on_disk.digest.clone(), on_disk, proof: Proof::OnDisk };
    let evidence = Evidence::default();
    let now = clock::parse_instant("2026-11-20T03:07:00Z").expect("an instant");
    let sorted = candidates::sort(all, &served, &evidence, now);
    candidates::choose(&Selector::Prev, &sorted, &served, &evidence).expect("a choice").to.version.name
}

/// A registry with as many entries.
fn entries(root: &Path) {
    let mut manifest = Vec::new();
    for number in 0..MANY {
        let folder = root.join(format!("models/{number:05}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("model.json"), format!("{{\"weights\": [{number}]}}")).expect("a file");
        manifest
            .push(serde_json::json!({"id": format!("m-{number:05}"), "path": format!("models/{number:05}"),
            "created_at": at(number), "schema_hash": "s1", "thresholds": {"buy": 0.6}, "notes": ""}));
    }
    std::fs::write(root.join("manifest.json"), serde_json::to_string(&manifest).expect("JSON"))
        .expect("a file");
    std::os::unix::fs::symlink(format!("models/{:05}", MANY - 1), root.join("active")).expect("a link");
    std::thread::sleep(Duration::from_millis(2100));
    let config = serde_yaml::from_str("{root: registry}").expect("a configuration");
    let parent = root.parent().unwrap_or(root).to_path_buf();
    let ground = targets::Ground { root: parent, service: "bench".to_owned() };
    let target = targets::registry::RegistryTarget { config: &config, ground: &ground };
    let state = root.join("state");
    std::fs::create_dir_all(&state).expect("a folder");
    let look = || {
        let begun = Instant::now();
        let cache = DigestCache::open(&state);
        assert_eq!(target.versions_with(&cache).expect("versions").len(), MANY);
        cache.save();
        begun.elapsed()
    };
    look();
    let ours = median((0..RUNS).map(|_| look()).collect());
    Row {
        what: "10,000 registry entries, digests known",
        ours: show(ours),
        against: String::new(),
        comes_to: String::new(),
        asked: "under 100 ms",
        holds: Some(ms(ours) < 100.0),
    }
    .print();
}

fn version(folder: &Path, number: usize) {
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(folder.join("model.json"), format!("{{\"weights\": [{number}]}}\n")).expect("a file");
    let metadata = format!("{{\"version\": \"1.{number}\", \"deployed_at\": \"{}\"}}\n", at(number));
    std::fs::write(folder.join("metadata.json"), metadata).expect("a file");
}

/// One an hour.
fn at(number: usize) -> String {
    let begin = clock::parse_instant("2025-01-01T00:00:00Z").expect("an instant");
    let hours = i64::try_from(number).expect("a small number") * 3600;
    let at = begin.timestamp() + hours;
    chrono::DateTime::from_timestamp(at, 0).map(clock::format_instant).unwrap_or_default()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// A file that neither compresses nor repeats, on disk.
fn fill(path: &PathBuf, size: u64) {
    let mut file = std::fs::File::create(path).expect("a file");
    let mut block = vec![0_u8; 1024 * 1024];
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..size / block.len() as u64 {
        for chunk in block.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            chunk.copy_from_slice(&state.to_le_bytes());
        }
        file.write_all(&block).expect("written");
    }
    file.sync_all().expect("forced");
}
