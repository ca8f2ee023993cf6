//! `irctl snapshot` through the binary: taken, shown, hashed again, removed, broken on purpose.

mod support;

use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use support::outside::{each, files, fingerprint};
use support::rollback::{LIVE, SERVICE};
use support::{Run, Workspace};

const TAKE: [&str; 3] = ["snapshot", "--output", "json"];
const KILLED: i32 = 1009;

/// The healthy model, with this service alone.
fn fresh(service: &str) -> Workspace {
    let workspace = Workspace::healthy();
    for folder in ["config/services", "config/verify"] {
        std::fs::remove_dir_all(workspace.path(folder)).unwrap();
    }
    workspace.write("config/services/rila_6y20b.yaml", service);
    workspace
}

fn plain() -> Workspace {
    fresh(SERVICE)
}

fn snapshots(workspace: &Workspace) -> Vec<Value> {
    let listed = workspace.irctl(&["snapshot", "list", "--output", "json"]).expect(0).json();
    listed.as_array().unwrap().clone()
}

fn blobs(workspace: &Workspace) -> Vec<PathBuf> {
    files(&workspace.state().join("snapshots/blobs"))
}

fn verified(workspace: &Workspace) -> Run {
    workspace.irctl(&["snapshot", "verify", "--output", "json"])
}

#[test]
fn records_every_target_once_and_adopts_what_serves() {
    let workspace = plain();
    let before = fingerprint(&workspace.root());
    let taken = workspace.irctl(&["snapshot", "--name", "before 2.4", "--output", "json"]).expect(0).json();
    assert_eq!(fingerprint(&workspace.root()), before, "taking a snapshot changes nothing");
    assert_eq!(taken["adopted"], true);
    let snapshot = &taken["snapshot"];
    let targets = snapshot["targets"].as_array().unwrap();
    let kinds: Vec<_> =
        targets.iter().map(|target| (target["kind"].as_str(), target["role"].as_str())).collect();
    assert_eq!(kinds, [(Some("files"), Some("target")), (Some("settings"), Some("contain"))]);
    assert_eq!(targets[0]["kept"].as_array().unwrap().len(), 3);
    assert_eq!(snapshot["files"][0]["name"], "config/services/rila_6y20b.yaml");
    let bytes = |name: &str| std::fs::read(workspace.path(name)).unwrap();
    for (name, of) in [("model.json", 0), ("config/rollout.yml", 1)] {
        let kept = targets[of]["kept"].as_array().unwrap().iter().find(|kept| kept["name"] == name).unwrap();
        let hex = kept["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
        let place = workspace.state().join("snapshots/blobs").join(&hex[..2]).join(&hex);
        let path = if of == 0 { format!("{LIVE}/{name}") } else { name.to_owned() };
        assert_eq!(std::fs::read(place).unwrap(), bytes(&path), "{name}");
    }
    let versions = workspace.irctl(&["rollback", "versions", "--output", "json"]).expect(0).json();
    assert_eq!(versions[0]["tier"], "adopted");
    assert_eq!(verified(&workspace).expect(0).json()["files"], 5);
    let shown = workspace.irctl(&["snapshot", "show", "before 2.4"]).expect(0).stdout;
    assert!(shown.contains("counts as known to be good") && shown.contains("model.json"), "{shown}");

    let known = blobs(&workspace);
    workspace.irctl(&TAKE).expect(0);
    assert_eq!(blobs(&workspace), known, "the same bytes are kept once");
    let ids: Vec<_> = snapshots(&workspace).iter().map(|one| one["snapshot"].clone()).collect();
    assert_eq!(ids, ["SNAP-20261120-030700", "SNAP-20261120-030700-2"]);
    assert_eq!(workspace.irctl(&["audit", "--output", "json"]).expect(0).json()["sound"], true);
}

#[test]
fn what_a_version_folder_keeps_is_not_copied() {
    let workspace = plain();
    let kept = format!("{LIVE}/backup_2026-11-19");
    support::copy_tree(&workspace.path(LIVE).join("backup_2026-09-28"), &workspace.path(&kept));
    std::fs::copy(workspace.path(format!("{LIVE}/model.json")), workspace.path(format!("{kept}/model.json")))
        .unwrap();
    let taken = workspace.irctl(&TAKE).expect(0).json();
    let all = taken["snapshot"]["targets"][0]["kept"].as_array().unwrap().clone();
    let model = all.iter().find(|one| one["name"] == "model.json").unwrap();
    assert!(
        model["stored"]["version"].as_str().unwrap().ends_with("backup_2026-11-19/model.json"),
        "{model}"
    );
    verified(&workspace).expect(0);
    std::fs::write(workspace.path(format!("{kept}/model.json")), "{}").unwrap();
    let found = verified(&workspace).expect(2).json();
    assert_eq!(found["faults"][0]["kind"], "changed");
    std::fs::remove_dir_all(workspace.path(&kept)).unwrap();
    assert_eq!(verified(&workspace).expect(2).json()["faults"][0]["kind"], "missing");
}

#[test]
fn only_the_owner_reads_it_and_no_secret_is_in_it() {
    let with_values = SERVICE.replace(
        "rollback:",
        "rollback:\n  environments: {live: {database_password: hunter2}}\n  environment: live",
    );
    let workspace = fresh(&with_values);
    let rollout = workspace.read("config/rollout.yml");
    workspace.write(
        "config/rollout.yml",
        format!("{rollout}feed:\n  api_token: \"hunter2\"\n  password: env:FEED_PASSWORD\n"),
    );
    let run = workspace.irctl(&TAKE).expect(0);
    assert!(!run.stdout.contains("hunter2"));
    assert_eq!(run.json()["snapshot"]["targets"][1]["kept"][0]["left_out"][0], "api_token");
    let store = workspace.state().join("snapshots");
    let mut references = 0;
    for path in files(&workspace.state()) {
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        assert!(!text.contains("hunter2"), "{}", path.display());
        references += text.matches("env:FEED_PASSWORD").count();
        if path.starts_with(&store) {
            let mode = path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
            assert_eq!(path.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
        }
    }
    assert_eq!(references, 1, "a reference stays a reference");
}

#[test]
fn what_is_not_as_it_was_is_found() {
    let workspace = plain();
    workspace.irctl(&TAKE).expect(0);
    let blob = blobs(&workspace).remove(0);
    let bytes = std::fs::read(&blob).unwrap();
    let mut turned = bytes.clone();
    turned[0] ^= 1;
    std::fs::write(&blob, &turned).unwrap();
    let found = verified(&workspace).expect(2).json();
    assert_eq!(
        (&found["verdict"], &found["faults"][0]["kind"]),
        (&Value::from("CRIT"), &Value::from("changed"))
    );
    // A blob that went bad is not relied on: the next snapshot puts the right bytes there.
    workspace.irctl(&TAKE).expect(0);
    assert_eq!(std::fs::read(&blob).unwrap(), bytes);
    verified(&workspace).expect(0);
    std::fs::remove_file(&blob).unwrap();
    std::fs::create_dir(&blob).unwrap();
    assert_eq!(verified(&workspace).expect(3).json()["verdict"], "UNKNOWN");
    std::fs::remove_dir(&blob).unwrap();
    assert_eq!(verified(&workspace).expect(2).json()["faults"][0]["kind"], "missing");

    let id = snapshots(&workspace)[1]["snapshot"].as_str().unwrap().to_owned();
    let manifest = workspace.state().join("snapshots/bundles/rila_6y20b").join(&id).join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("on-call", "somebody")).unwrap();
    assert_eq!(verified(&workspace).expect(2).json()["faults"][0]["kind"], "changed");
    assert!(snapshots(&workspace)[1]["problem"].as_str().unwrap().contains("digest"));
    workspace.irctl(&["snapshot", "show", &id]).expect(65);
    workspace.irctl(&["snapshot", "show", "SNAP-nowhere"]).expect(65);
}

#[test]
fn the_last_one_cannot_be_removed_and_the_events_stay() {
    let workspace = plain();
    workspace.irctl(&TAKE).expect(0);
    let first = snapshots(&workspace)[0]["snapshot"].as_str().unwrap().to_owned();
    let refused = workspace.irctl(&["snapshot", "remove", &first, "--yes"]).expect(12);
    assert!(refused.stderr.contains("last snapshot"), "{}", refused.stderr);
    workspace.irctl(&["snapshot", "remove", &first]).expect(64);
    let old = blobs(&workspace).len();
    workspace.write(format!("{LIVE}/model.json"), "{\"new\": 1}");
    let digest = irctl::base::Digest::of(b"{\"new\": 1}");
    let health = format!("{{\"model_sha256\": \"{}\"}}", digest.hex());
    workspace.write("outputs/production/rila_6y20b/health.json", health);
    workspace.irctl(&TAKE).expect(0);
    assert_eq!(blobs(&workspace).len(), old + 1);
    let events =
        |workspace: &Workspace| workspace.irctl(&["audit", "--output", "json"]).json()["events"].clone();
    let before = events(&workspace).as_u64().unwrap();
    let removed =
        workspace.irctl(&["snapshot", "remove", &first, "--yes", "--output", "json"]).expect(0).json();
    assert_eq!(removed["left"], 1);
    assert_eq!(events(&workspace).as_u64().unwrap(), before + 1);
    assert_eq!(blobs(&workspace).len(), old, "what only it kept is gone");
    assert_eq!(snapshots(&workspace).len(), 1);
    verified(&workspace).expect(0);
}

#[test]
fn what_is_not_known_to_be_good_is_not_recorded_as_good() {
    let workspace = plain();
    workspace.write("outputs/production/rila_6y20b/health.json", "{\"model_sha256\": \"00\"}");
    workspace.irctl(&TAKE).expect(12);
    std::fs::remove_file(workspace.path("outputs/production/rila_6y20b/health.json")).unwrap();
    let silent = workspace.irctl(&TAKE).expect(0).json();
    assert_eq!(silent["adopted"], false, "nobody says what serves");
    assert_eq!(workspace.irctl(&["rollback", "versions", "--output", "json"]).json()[0]["tier"], "unproven");

    let blamed = Workspace::variant("mape-two-weeks");
    blamed.irctl(&["check"]).expect(2);
    let taken = blamed.irctl(&TAKE).expect(0).json();
    assert_eq!(taken["adopted"], false);
    assert!(taken["snapshot"]["not_adopted"].as_str().unwrap().contains("INC-"), "{taken}");

    let broken = plain();
    for (name, makes) in
        [("config/rollout.yml", "cannot be recorded"), ("models/production/rila_6y20b/model.json", "")]
    {
        let path = broken.path(name);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let run = broken.irctl(&TAKE);
        assert!(run.status >= 10 && run.stderr.contains(makes), "{run:?}");
        assert!(snapshots(&broken).is_empty());
        assert!(files(&broken.state().join("snapshots/bundles")).is_empty());
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
    broken.irctl(&TAKE).expect(0);
}

/// Nothing but whole snapshots, each of them settled, and no byte that none needs.
fn is_whole(workspace: &Workspace, at: &str) {
    for one in snapshots(workspace) {
        let id = one["snapshot"].as_str().unwrap();
        assert_eq!(one["problem"], Value::Null, "{at}: {one}");
        workspace.irctl(&["snapshot", "verify", id]).expect(0);
    }
}

#[test]
fn killed_at_every_point_it_is_there_whole_or_not_at_all() {
    let log = plain();
    let place = log.path("../faults");
    log.irctl_with(&[("IRCTL_TEST_FAULT_LOG", place.to_str().unwrap())], &TAKE).expect(0);
    let points = std::fs::read_to_string(place).unwrap().lines().count();
    assert!(points > 10, "{points}");
    let expected = blobs(&log);
    each(points, |at| {
        let workspace = plain();
        let run = workspace.irctl_with(&[("IRCTL_TEST_FAULT", &at.to_string())], &TAKE);
        assert_eq!(run.status, KILLED, "point {at}");
        is_whole(&workspace, &format!("point {at}"));
        workspace.irctl(&TAKE).expect(0);
        is_whole(&workspace, &format!("after point {at}"));
        let count = |path: PathBuf| path.strip_prefix(workspace.state()).unwrap().to_path_buf();
        let of_log = |path: &PathBuf| path.strip_prefix(log.state()).unwrap().to_path_buf();
        let now: Vec<_> = blobs(&workspace).into_iter().map(count).collect();
        assert_eq!(now, expected.iter().map(of_log).collect::<Vec<_>>(), "point {at}");
        let bundles = fingerprint(&workspace.state().join("snapshots/bundles"));
        assert!(!bundles.keys().any(|path| path.to_string_lossy().contains("/.")), "point {at}: {bundles:?}");
        let versions = workspace.irctl(&["rollback", "versions", "--output", "json"]).json();
        assert_eq!(versions[0]["tier"], "adopted", "point {at}");
    });
}

#[test]
fn removing_can_be_killed_at_every_point() {
    let two = || {
        let workspace = plain();
        workspace.irctl(&TAKE).expect(0);
        workspace.irctl(&TAKE).expect(0);
        workspace
    };
    let remove = ["snapshot", "remove", "SNAP-20261120-030700-2", "--yes"];
    let log = two();
    let place = log.path("../faults");
    log.irctl_with(&[("IRCTL_TEST_FAULT_LOG", place.to_str().unwrap())], &remove).expect(0);
    let points = std::fs::read_to_string(place).unwrap().lines().count();
    each(points, |at| {
        let workspace = two();
        assert_eq!(workspace.irctl_with(&[("IRCTL_TEST_FAULT", &at.to_string())], &remove).status, KILLED);
        is_whole(&workspace, &format!("point {at}"));
        assert!(!snapshots(&workspace).is_empty());
        workspace.irctl(&TAKE).expect(0);
        is_whole(&workspace, &format!("after point {at}"));
    });
}

#[test]
fn two_at_once_do_not_spoil_each_other() {
    let workspace = plain();
    let children: Vec<_> = (0..4)
        .map(|_| workspace.command(&TAKE).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
        .collect();
    let ended: Vec<_> = children.into_iter().map(|mut child| child.wait().unwrap().code().unwrap()).collect();
    assert!(ended.iter().all(|status| matches!(status, 0 | 75)) && ended.contains(&0), "{ended:?}");
    let good = ended.iter().filter(|status| **status == 0).count();
    assert_eq!(snapshots(&workspace).len(), good);
    is_whole(&workspace, "four at once");
}

#[test]
fn a_full_disk_records_nothing() {
    let workspace = plain();
    workspace.write(format!("{LIVE}/model.json"), vec![b'x'; 400_000]);
    let digest = irctl::base::Digest::of(&vec![b'x'; 400_000]);
    workspace.write(
        "outputs/production/rila_6y20b/health.json",
        format!("{{\"model_sha256\": \"{}\"}}", digest.hex()),
    );
    workspace.irctl(&["audit"]).expect(0);
    let irctl = workspace.command(&TAKE);
    // 300 blocks of 512 bytes, or a file system that holds no more.
    let store = workspace.state().join("snapshots");
    std::fs::create_dir_all(&store).unwrap();
    let small = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=200k,mode=700", "tmpfs"])
        .arg(&store)
        .stderr(Stdio::null())
        .status();
    let mounted = small.is_ok_and(|status| status.success());
    let script =
        if mounted { "exec \"$0\" \"$@\"" } else { "trap '' XFSZ; ulimit -f 300; exec \"$0\" \"$@\"" };
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(irctl.get_program()).args(irctl.get_args());
    command.env_clear().current_dir(workspace.root()).stdin(Stdio::null());
    for (name, value) in irctl.get_envs() {
        command.env(name, value.unwrap());
    }
    let output = command.output().unwrap();
    let left = files(&store.join("bundles")).len();
    let half =
        files(&store.join("blobs")).iter().filter(|path| path.to_string_lossy().contains(".new-")).count();
    let whole = files(&store.join("blobs"));
    let sound = whole.iter().all(|path| {
        let digest = irctl::base::Digest::of(&std::fs::read(path).unwrap());
        path.ends_with(digest.hex())
    });
    if mounted {
        assert!(Command::new("umount").arg(&store).status().unwrap().success());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "mounted {mounted}: {said}");
    assert!(said.contains("nothing was recorded"), "{said}");
    assert_eq!((left, half), (0, 0));
    assert!(sound, "what is kept is whole");
    workspace.irctl(&TAKE).expect(0);
    is_whole(&workspace, "after a full disk");
}

fn check_of<'a>(readiness: &'a Value, id: &str) -> &'a Value {
    readiness["checks"].as_array().unwrap().iter().find(|check| check["id"] == id).unwrap()
}

#[test]
fn the_checklist_becomes_good_one_by_one() {
    let workspace = Workspace::healthy();
    let look = || workspace.irctl(&["snapshot", "--check", "--output", "json"]);
    let verdict = |id: &str| check_of(&look().json(), id)["verdict"].as_str().unwrap().to_owned();
    let before = look().expect(2).json();
    assert_eq!(before["checks"].as_array().unwrap().len(), 10);
    assert!(
        before["checks"]
            .as_array()
            .unwrap()
            .iter()
            .all(|check| !check["evidence"].as_str().unwrap().is_empty())
    );
    for (id, expected) in [
        ("previous-version-tagged", "UNKNOWN"),
        ("database-backup", "UNKNOWN"),
        ("configuration-saved", "CRIT"),
        ("rollback-tested", "CRIT"),
        ("contacts-updated", "OK"),
        ("classification", "OK"),
        ("escalation", "OK"),
        ("channels", "OK"),
    ] {
        assert_eq!(verdict(id), expected, "{id}");
    }
    let git = |arguments: &str| {
        let identity = "-c user.name=ada -c user.email=ada@example.org";
        assert!(
            workspace.shell(&format!("git {identity} {arguments} >/dev/null 2>&1")).success(),
            "{arguments}"
        );
    };
    git("init");
    git("add -A");
    git("commit -m one");
    assert_eq!(verdict("previous-version-tagged"), "CRIT");
    git("tag v1");
    assert_eq!(verdict("previous-version-tagged"), "OK");
    git("commit --allow-empty -m two");
    assert_eq!(verdict("previous-version-tagged"), "WARN");
    git("tag v2");
    let service = workspace.read("config/services/rila_6y20b.yaml");
    workspace.write(
        "config/services/rila_6y20b.yaml",
        format!("{service}  snapshot: {{without_database: true}}\n"),
    );
    assert_eq!(verdict("database-backup"), "OK");
    workspace.irctl(&TAKE).expect(0);
    assert_eq!(verdict("configuration-saved"), "OK");
    let rollout = workspace.read("config/rollout.yml");
    workspace.write("config/rollout.yml", rollout.replace("  mode: active   #", "  mode: shadow   #"));
    assert_eq!(verdict("configuration-saved"), "WARN");
    workspace.write("config/rollout.yml", rollout);
    workspace.irctl(&["drill"]).expect(0);
    assert_eq!(verdict("rollback-tested"), "OK");
    let lines = look();
    assert!(
        !lines.json()["checks"].as_array().unwrap().iter().any(|check| check["verdict"] == "CRIT"),
        "{lines:?}"
    );
    let text = workspace.irctl(&["snapshot", "--check"]).stdout;
    assert!(text.contains("Previous version tagged in git") && text.contains("ready for a deploy"), "{text}");

    let contacts = workspace.read("config/contacts.yaml");
    workspace.write(
        "config/contacts.yaml",
        contacts.replacen("contact: model-owner@example.org", "contact: \"\"", 1),
    );
    assert_eq!(verdict("contacts-updated"), "CRIT");
    workspace.write("config/contacts.yaml", "roles: [");
    assert_eq!(verdict("contacts-updated"), "UNKNOWN");
    std::fs::remove_file(workspace.path("config/contacts.yaml")).unwrap();
    assert_eq!(verdict("contacts-updated"), "CRIT");
    workspace.write("config/contacts.yaml", contacts);
    workspace.set_clock("2027-06-01T00:00:00Z");
    assert_eq!(verdict("contacts-updated"), "WARN");
    assert_eq!(verdict("rollback-tested"), "WARN");
}

#[test]
fn rounds_of_check_warn_of_what_is_not_ready() {
    let workspace = Workspace::healthy();
    let service = workspace.read("config/services/rila_6y20b.yaml");
    let round = || workspace.irctl(&["check", "--output", "json"]);
    let unready = |run: &Run| {
        let all = run.json()["services"][0]["unready"].as_array().unwrap().clone();
        all.iter().map(|one| one["what"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(unready(&round().expect(0)).is_empty(), "nothing is asked for");
    workspace.write(
        "config/services/rila_6y20b.yaml",
        format!("{service}  snapshot: {{}}\n  drill: {{every: 30d}}\n"),
    );
    let warned = round().expect(1);
    assert_eq!(unready(&warned), ["drill", "snapshot"]);
    assert!(warned.json()["services"][0]["incidents"].as_array().unwrap().is_empty(), "it is no incident");
    let text = workspace.irctl(&["check"]).expect(1).stdout;
    assert!(text.contains("never rehearsed") && text.contains("irctl drill --service rila_6y20b"), "{text}");
    workspace.irctl(&TAKE).expect(0);
    workspace.irctl(&["drill"]).expect(0);
    assert!(unready(&round().expect(0)).is_empty());

    // Everything is hashed at most once a day.
    let blob = blobs(&workspace).remove(0);
    let bytes = std::fs::read(&blob).unwrap();
    std::fs::write(&blob, "spoilt").unwrap();
    workspace.set_clock("2026-11-20T04:00:00Z");
    assert!(unready(&round()).is_empty(), "not yet");
    workspace.set_clock("2026-11-21T04:00:00Z");
    assert_eq!(unready(&round()), ["snapshot"]);
    workspace.set_clock("2026-11-21T04:15:00Z");
    assert_eq!(unready(&round()), ["snapshot"], "it is known until it is put right");
    std::fs::write(&blob, bytes).unwrap();
    verified(&workspace).expect(0);
    assert!(unready(&round()).is_empty());
    workspace.set_clock("2026-12-25T04:15:00Z");
    assert_eq!(unready(&round()), ["drill"]);
}
