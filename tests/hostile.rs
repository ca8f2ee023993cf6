//! What must not be believed: a switch that somebody takes back, a claim nobody can look behind, a record that is damaged,
//! a program that is not there, values that look like words of a template.

mod support;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::{Duration, Instant};
use support::Workspace;
use support::rollback::{ARTIFACTS, LIVE, SERVICE, artifacts, bad_model};

/// A service of one phase with these targets.
fn phase(targets: &str) -> Workspace {
    let workspace = bad_model(SERVICE);
    workspace.write("config/feed.yml", "feed: {source: primary, by: nobody}\n");
    workspace.write(
        "config/services/options.yaml",
        format!(
            "service: options\nkind: service\nscheme: phases\nrollback:\n  phases:\n    feed:\n      immediate:\n{targets}"
        ),
    );
    workspace
}

const FEED: [&str; 6] = ["rollback", "--service", "options", "--phase", "feed", "--yes"];

/// The number of the first fault point of a command whose name contains this.
fn fault(workspace: &Workspace, name: &str, command: &[&str]) -> String {
    let log = tempfile::NamedTempFile::new().unwrap();
    workspace.irctl_with(&[("IRCTL_TEST_FAULT_LOG", log.path().to_str().unwrap())], command);
    let points = std::fs::read_to_string(log.path()).unwrap();
    let line = points.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{points}"));
    line.split(' ').next().unwrap().to_owned()
}

#[test]
fn what_somebody_set_back_meanwhile_is_not_called_restored() {
    let service = SERVICE.replace(
        "  activate:",
        "    - settings: {file: config/feed.yml, set: {feed.source: backup}}\n  activate:",
    );
    let workspace = bad_model(&service);
    workspace.write("config/feed.yml", "feed: {source: primary}\n");
    // A controller that puts its own idea of the world back as soon as it sees the change.
    let reload = workspace.read("scripts/reload.sh");
    workspace.write("scripts/reload.sh", format!("{reload}\nsed -i s/backup/primary/ config/feed.yml\n"));
    let run = workspace.irctl(&["rollback", "--to", "prev", "--yes"]).expect(14);
    assert!(run.stdout.contains("somebody changed it"), "{}", run.stdout);
}

#[test]
fn a_phase_may_write_what_only_its_operation_knows() {
    let workspace =
        phase("        - settings: {file: config/feed.yml, set: {feed.by: \"{operation} {reason}\"}}\n");
    workspace.irctl(&[&FEED[..], &["--reason", "{now} {values.x}"]].concat()).expect(0);
    let text = workspace.read("config/feed.yml");
    assert!(
        text.contains("OP-20261120-030700 {now} {values.x}"),
        "what a person says is no template: {text}"
    );
    workspace.irctl(&["rollback", "undo", "--service", "options", "--yes"]).expect(0);
    assert_eq!(workspace.read("config/feed.yml"), "feed: {source: primary, by: nobody}\n");
}

const TOOL: &str = "- command: {name: drain, observe: [sh, tool, look], predict: [sh, tool, say], apply: [sh, tool, go], undo: [sh, tool, back], needs: [./tool]}\n";

/// A program that drains something: `queue` says whether it is drained.
const DRAIN: &str = r#"cat > /dev/null
now=$(cat queue)
case $1 in
  look) echo "{\"state\": \"$now\", \"shown\": \"$now\"}" ;;
  say) [ "$now" = drained ] && echo '{"after": "drained"}' || echo "{\"after\": \"drained\", \"changes\": [{\"place\": \"queue\", \"to\": \"drained\", \"fidelity\": \"predicted\"}]}" ;;
  go) echo drained > queue; echo '{}' ;;
  back) echo full > queue; echo '{}' ;;
esac
"#;

#[test]
fn what_cannot_be_looked_at_is_not_as_it_should_be() {
    let workspace = phase(&format!("        {TOOL}"));
    workspace.write("queue", "full\n");
    let run = workspace.irctl(&FEED).expect(12);
    assert!(run.stderr.contains("./tool") && !run.stderr.contains("same as what serves"), "{}", run.stderr);
    workspace.write("tool", DRAIN);
    workspace.irctl(&FEED).expect(0);
    assert_eq!(workspace.read("queue"), "drained\n");
}

#[test]
fn a_containment_that_cannot_be_looked_at_is_not_in_force() {
    let service = SERVICE
        .replace("  contain:\n", &format!("  contain:\n    {TOOL}"))
        .replace("rollback:\n", "rollback:\n  release: manual\n");
    let workspace = bad_model(&service);
    workspace.write("queue", "full\n");
    workspace.write("tool", DRAIN);
    workspace.irctl(&["contain", "--reason", "test"]).expect(0);
    assert!(workspace.irctl(&["contain"]).expect(0).stdout.contains("already"));
    workspace.write("queue", "full\n");
    std::fs::rename(workspace.path("tool"), workspace.path("gone")).unwrap();
    let run = workspace.irctl(&["contain"]);
    assert!(run.status != 0 && !run.stdout.contains("already"), "{} {}", run.status, run.stdout);
}

#[test]
fn containing_one_service_does_not_wait_for_another() {
    let workspace = bad_model(SERVICE);
    let slow = DRAIN.replace("go) ", "go) touch at-it; sleep 6; ");
    workspace.write("queue", "full\n");
    workspace.write("tool", slow);
    workspace.write(
        "config/services/slow.yaml",
        format!("service: slow\nkind: service\nscheme: phases\nrollback:\n  contain:\n    {TOOL}"),
    );
    let mut first = workspace.command(&["contain", "--service", "slow"]).spawn().unwrap();
    let begun = Instant::now();
    while !workspace.path("at-it").exists() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never began");
        std::thread::sleep(Duration::from_millis(20));
    }
    let begun = Instant::now();
    workspace.irctl(&["contain", "--service", "rila_6y20b"]).expect(0);
    let took = begun.elapsed();
    assert!(first.wait().unwrap().success());
    assert!(took < Duration::from_secs(4), "it waited for {took:?}");
}

#[test]
fn a_settings_file_that_is_a_link_stays_one() {
    let workspace = bad_model(SERVICE);
    let text = workspace.read("config/rollout.yml");
    workspace.write("shared/rollout.yml", &text);
    std::fs::remove_file(workspace.path("config/rollout.yml")).unwrap();
    std::os::unix::fs::symlink("../shared/rollout.yml", workspace.path("config/rollout.yml")).unwrap();
    workspace.irctl(&["contain"]).expect(0);
    assert!(
        workspace.read("shared/rollout.yml").contains("disabled"),
        "what the link leads to is what is read"
    );
    assert!(workspace.path("config/rollout.yml").is_symlink());
    workspace.irctl(&["release", "--reason", "test"]).expect(0);
    assert_eq!(workspace.read("shared/rollout.yml"), text);
    assert!(workspace.path("config/rollout.yml").is_symlink());
}

#[test]
fn a_claim_that_nobody_can_look_behind_is_not_taken_over() {
    let workspace = bad_model(SERVICE);
    let go = ["rollback", "--to", "prev", "--yes"];
    let elsewhere = tempfile::tempdir().unwrap();
    let theirs = elsewhere.path().join("theirs");
    let number = fault(&bad_model(SERVICE), "switch:model.json:after-act", &go);
    let state = [("XDG_STATE_HOME", theirs.to_str().unwrap()), ("IRCTL_TEST_FAULT", number.as_str())];
    workspace.irctl_with(&state, &go).expect(1009);
    // Its state is on a disk that is not mounted here just now.
    std::fs::rename(&theirs, elsewhere.path().join("away")).unwrap();
    let bytes = artifacts(&workspace, LIVE);
    let run = workspace.irctl(&go);
    assert!(run.status == 75 || run.status == 11, "{} {}{}", run.status, run.stdout, run.stderr);
    assert!(run.stderr.contains(".irctl-claim."), "it says what to take away: {}", run.stderr);
    assert_eq!(artifacts(&workspace, LIVE), bytes, "nothing is done on top of it");
    std::fs::rename(elsewhere.path().join("away"), &theirs).unwrap();
    workspace.irctl_with(&state[..1], &["rollback", "abort"]).expect(10);
    workspace.irctl(&["release", "--reason", "test"]).expect(0);
    workspace.irctl(&go).expect(0);
}

#[test]
fn a_resume_that_has_to_wait_leaves_its_claims_where_they_are() {
    let service = SERVICE.replace(
        "  activate:",
        "    - settings: {file: config/feed.yml, set: {feed.source: backup}}\n  activate:",
    );
    let workspace = bad_model(&service);
    workspace.write("config/feed.yml", "feed: {source: primary}\n");
    let go = ["rollback", "--to", "prev", "--yes"];
    let other = bad_model(&service);
    other.write("config/feed.yml", "feed: {source: primary}\n");
    let number = fault(&other, "switch:model.json:after-act", &go);
    workspace.irctl_with(&[("IRCTL_TEST_FAULT", number.as_str())], &go).expect(1009);
    let files = [
        workspace.path("config/.irctl-claim.feed.yml"),
        workspace.path("models/production/.irctl-claim.rila_6y20b"),
    ];
    for held in &files {
        let file = std::fs::File::open(held).unwrap();
        file.lock().unwrap();
        workspace.irctl(&["rollback", "resume"]).expect(75);
        for left in &files {
            assert!(left.exists(), "{} says that something is unfinished there", left.display());
        }
    }
    workspace.irctl(&["rollback", "resume"]).expect(0);
    assert!(!files[0].exists() && !files[1].exists());
    workspace.irctl(&["rollback", "resume", "OP-20261120-030700"]).expect(12);
    assert!(!files[0].exists() && !files[1].exists(), "what is over claims nothing");
}

#[test]
fn a_damaged_record_is_no_reason_to_let_anybody_go_on() {
    let service = SERVICE.replace("rollback:\n", "rollback:\n  verify: never\n");
    let workspace = bad_model(&service);
    workspace.write(
        "config/verify/never.yaml",
        "suite: never\nprobes:\n  never: {file: {file: nowhere.json}}\nexpect:\n  - {id: never, that: never_exists}\n",
    );
    let run = workspace.irctl(&["rollback", "--to", "prev", "--yes"]);
    assert_eq!(run.status, 14, "{}{}", run.stdout, run.stderr);
    workspace.irctl(&["release"]).expect(12);
    let operation =
        std::fs::read_dir(workspace.state().join("operations")).unwrap().map(|e| e.unwrap().path());
    let journals: Vec<_> = operation
        .map(|path| path.join("journal.jsonl"))
        .filter(|path| std::fs::read_to_string(path).is_ok_and(|text| text.contains("unproven")))
        .collect();
    assert_eq!(journals.len(), 1);
    let text = std::fs::read_to_string(&journals[0]).unwrap();
    std::fs::write(&journals[0], text.replacen("\"began\"", "\"begun\"", 1)).unwrap();
    let run = workspace.irctl(&["release"]).expect(12);
    assert!(run.stderr.contains("cannot be read"), "{}", run.stderr);
    let plan = workspace.irctl(&["rollback", "--to", "backup_2026-09-28", "--dry-run"]).expect(0).stdout;
    assert!(plan.contains("automation would not do this") && plan.contains("cannot be read"), "{plan}");
}

#[test]
fn a_saved_plan_is_its_owners_alone_whatever_stood_there() {
    let workspace = bad_model(SERVICE);
    workspace.write("plan.json", "old");
    std::fs::set_permissions(workspace.path("plan.json"), std::fs::Permissions::from_mode(0o644)).unwrap();
    workspace.irctl(&["rollback", "--to", "prev", "--plan-out", "plan.json"]).expect(0);
    let mode = std::fs::metadata(workspace.path("plan.json")).unwrap().mode() & 0o777;
    assert_eq!(mode, 0o600, "{mode:o}");
}

#[test]
fn what_a_human_put_into_quarantine_no_operation_takes_out() {
    let workspace = bad_model(SERVICE);
    let bad =
        workspace.irctl(&["rollback", "--to", "prev", "--dry-run", "--output", "json"]).expect(0).json();
    let bad = bad["served"]["digest"].as_str().unwrap().to_owned();
    workspace.irctl(&["rollback", "quarantine", &bad, "--reason", "trained on leaked data"]).expect(0);
    workspace.irctl(&["rollback", "--to", "prev", "--yes"]).expect(0);
    workspace.irctl(&["rollback", "undo", "--yes"]).expect(0);
    let state = std::fs::read_to_string(workspace.state().join("versions/rila_6y20b.json")).unwrap();
    assert!(state.contains("trained on leaked data"), "{state}");
}

/// A human's word that ends sooner takes nothing away from a rollback's, and an undo takes away only the rollback's.
#[test]
fn of_two_quarantines_the_one_that_ends_later_counts() {
    let put = |workspace: &Workspace, version: &str, length: &str| {
        let put = ["rollback", "quarantine", version, "--reason", "leaked data", "--for", length];
        workspace.irctl(&put).expect(0).stdout
    };
    let states = |workspace: &Workspace, digest: &str| {
        let versions = workspace.irctl(&["rollback", "versions", "--output", "json"]).expect(0).json();
        let mut rows = versions.as_array().unwrap().iter();
        let row = rows.find(|row| row["version"]["name"] == "backup_2026-11-03").unwrap();
        assert_eq!(row["version"]["digest"], digest);
        row["state"].as_str().unwrap().to_owned()
    };
    for by_hand_first in [true, false] {
        let workspace = bad_model(SERVICE);
        // The same bytes once more, as somebody may have kept them.
        for name in ARTIFACTS {
            let kept = workspace.path(format!("{LIVE}/backup_2026-11-03/{name}"));
            std::fs::create_dir_all(kept.parent().unwrap()).unwrap();
            std::fs::copy(workspace.path(format!("{LIVE}/{name}")), kept).unwrap();
        }
        let plan = ["rollback", "--to", "prev", "--dry-run", "--output", "json"];
        let bad = workspace.irctl(&plan).expect(0).json()["served"]["digest"].as_str().unwrap().to_owned();
        if by_hand_first {
            put(&workspace, &bad, "1h");
        }
        workspace.irctl(&["rollback", "--to", "prev", "--yes"]).expect(0);
        if !by_hand_first {
            let said = put(&workspace, &bad, "1h");
            assert!(said.contains("rolled back by") && said.contains("leaked data"), "{said}");
        }
        workspace.set_clock("2026-11-20T04:30:00Z");
        let held = states(&workspace, &bad);
        assert!(
            held.contains("rolled back by"),
            "{by_hand_first}: an hour is over, the rollback's quarantine is not: {held:?}"
        );
        workspace.irctl(&["rollback", "undo", "--yes"]).expect(0);
        workspace.irctl(&["rollback", "--to", "backup_2026-09-28", "--yes", "--quiet"]).expect(0);
        workspace.irctl(&["rollback", "quarantine", &bad, "--lift"]).expect(0);
        let free = states(&workspace, &bad);
        assert!(!free.contains("quarantine"), "{by_hand_first}: {free}");
    }
}

#[test]
fn a_plan_that_somebody_edited_writes_nowhere() {
    let workspace = bad_model(SERVICE);
    let go = ["rollback", "--to", "prev", "--yes"];
    let number = fault(&bad_model(SERVICE), "switch:model.json:after-act", &go);
    workspace.irctl_with(&[("IRCTL_TEST_FAULT", number.as_str())], &go).expect(1009);
    workspace.write("victim", "theirs");
    let plan = workspace.state().join("operations/OP-20261120-030700/plan.json");
    let text = std::fs::read_to_string(&plan).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let victim = workspace.path("victim").display().to_string();
    value["claims"].as_array_mut().unwrap().push(victim.into());
    std::fs::write(&plan, serde_json::to_vec_pretty(&value).unwrap()).unwrap();
    let run = workspace.irctl(&["rollback", "resume", "OP-20261120-030700"]);
    assert!(run.status != 0 && run.stderr.contains("does not follow"), "{}{}", run.stdout, run.stderr);
    assert_eq!(workspace.read("victim"), "theirs");
    std::fs::write(&plan, text).unwrap();
    workspace.irctl(&["rollback", "resume", "OP-20261120-030700"]).expect(0);
}

#[test]
fn half_a_phase_is_no_phase_and_a_saved_plan_fits_itself() {
    let workspace = phase(
        "        - settings: {file: config/feed.yml, set: {feed.source: backup}}\n      recovery:\n        - settings: {file: config/feed.yml, set: {feed.by: somebody}}\n    client:\n      after: [feed]\n      immediate:\n        - settings: {file: config/client.json, set: {version: v1}}\n",
    );
    workspace.write("config/client.json", "{\"version\": \"v2\"}\n");
    let client = ["rollback", "--service", "options", "--phase", "client"];
    let order = |wanted: &str| {
        let plan = workspace.irctl(&[&client[..], &["--dry-run"]].concat()).expect(0).stdout;
        assert!(plan.contains(wanted), "{plan}");
    };
    workspace.irctl(&[&FEED[..], &["--only", "immediate"]].concat()).expect(0);
    order("order REFUSES");
    workspace.irctl(&[&FEED[..], &["--only", "recovery"]].concat()).expect(0);
    order("order passes");
    workspace.irctl(&[&client[..], &["--plan-out", "plan.json"]].concat()).expect(0);
    workspace.irctl(&["rollback", "--plan", "plan.json", "--yes"]).expect(0);
    assert!(workspace.read("config/client.json").contains("v1"));
}
