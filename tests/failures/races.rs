//! Two at once: of the same service, and of two services that share what they switch.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::time::SystemTime;

use crate::support::Workspace;
use crate::support::rollback::{LIVE, SERVICE, artifacts, bad_model};
use crate::{GO, bad_and_good, unfinished};

fn start(workspace: &Workspace, arguments: &[&str]) -> Child {
    workspace.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(child: Child) -> (i32, String) {
    let output = child.wait_with_output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

#[test]
fn of_two_rollbacks_of_one_service_one_runs() {
    for round in 0..6 {
        let workspace = bad_model(SERVICE);
        let known = versions(&workspace);
        let [_, good] = bad_and_good(&workspace);
        let both = [start(&workspace, &GO), start(&workspace, &GO), start(&workspace, &GO)];
        let watched = workspace.irctl(&["rollback", "attach"]);
        let ended = both.map(end);
        let restored = ended.iter().filter(|(status, _)| *status == 0).count();
        // On a busy machine one may begin when another is over: it then goes on from what that one left.
        let later = |(status, text): &&(i32, String)| *status == 0 && !text.contains("goes to    2026.10.26");
        let later = ended.iter().filter(later).count();
        assert_eq!(restored - later, 1, "round {round}: {ended:?}");
        for (status, text) in &ended {
            // Who comes when the first is done finds nothing to do.
            assert!([0, 12, 75].contains(status), "round {round}: {status} {text}");
            let told = ["attach OP-", "try again in a moment"];
            assert!(*status != 75 || told.iter().any(|words| text.contains(words)), "round {round}: {text}");
        }
        assert!([0, 12, 65, 75].contains(&watched.status), "round {round}: {watched:?}");
        if watched.status == 65 {
            // It looked before any had begun, or when all were over.
            let told = ["there is no operation\n", "nothing runs that could be watched\n"];
            let said = told.iter().any(|words| watched.stderr.contains(words));
            assert!(said, "round {round}: {watched:?}");
        }
        let live = artifacts(&workspace, LIVE);
        match later {
            0 => assert_eq!(live, good, "round {round}"),
            // It went on from there, to one that is whole.
            _ => assert!(live != good && known.contains(&live), "round {round}: {ended:?}"),
        }
        assert_eq!(unfinished(&workspace), None);
        assert!(!workspace.read("config/rollout.yml").contains("mode: disabled"), "round {round}");
    }
}

/// The files of what serves and of each version beside it.
fn versions(workspace: &Workspace) -> Vec<BTreeMap<String, Vec<u8>>> {
    let beside = std::fs::read_dir(workspace.path(LIVE)).unwrap().map(|entry| entry.unwrap().path());
    let folders = beside.filter(|path| path.is_dir()).chain([workspace.path(LIVE)]);
    let known: Vec<_> = folders.map(|folder| artifacts(workspace, folder)).collect();
    assert!(known.len() > 2 && known.iter().all(|one| !one.is_empty()), "{known:?}");
    known
}

/// When the rollbacks of a workspace worked, by the times of the files that they wrote: each from its plan, which it
/// writes once it has its claims, to the end of its journal, before it gives them back.
fn worked(workspace: &Workspace) -> Vec<(SystemTime, SystemTime)> {
    let all = std::fs::read_dir(workspace.state().join("operations")).unwrap();
    let read = |folder: std::path::PathBuf| {
        let plan = folder.join("plan.json");
        let pinned: serde_json::Value = serde_json::from_slice(&std::fs::read(&plan).unwrap()).unwrap();
        let modified = |path: std::path::PathBuf| path.metadata().unwrap().modified().unwrap();
        (pinned["kind"] == "rollback").then(|| (modified(plan), modified(folder.join("journal.jsonl"))))
    };
    let mut worked: Vec<_> = all.filter_map(|entry| read(entry.unwrap().path())).collect();
    worked.sort();
    worked
}

const OTHER: &str = r#"service: options
kind: service
scheme: phases
rollback:
  targets:
    - settings: {file: config/shared.yml, set: {algorithm: v1.0, mode: production}}
    - settings: {file: config/second.yml, set: {algorithm: v1.0}}
"#;

const SHARED: &str = "    - settings: {file: config/second.yml, set: {model: \"{name}\"}}\n    - settings: {file: config/shared.yml, set: {model: \"{name}\"}}\n  activate:";

/// They share two files, in opposite order.
#[test]
fn two_services_that_share_what_they_switch_do_not_interleave() {
    let (mut refused, mut in_turn) = (0, 0);
    for round in 0..10 {
        let workspace = bad_model(&SERVICE.replace("  activate:", SHARED));
        workspace.write("config/services/options.yaml", OTHER);
        workspace.write("config/shared.yml", "algorithm: v3.0\nmode: testing\nmodel: live\n");
        workspace.write("config/second.yml", "algorithm: v3.0\nmodel: live\n");
        let go = ["rollback", "--model", "rila_6y20b", "--to", "prev", "--yes", "--quiet"];
        let other = ["rollback", "--service", "options", "--yes", "--quiet", "--to", "prev"];
        let (first, second) = if round % 2 == 0 {
            let first = start(&workspace, &go);
            (first, start(&workspace, &other))
        } else {
            let second = start(&workspace, &other);
            (start(&workspace, &go), second)
        };
        let (first, second) = (end(first), end(second));
        for (status, text) in [&first, &second] {
            assert!([0, 10, 12, 75].contains(status), "round {round}: {status} {text}");
        }
        assert!(first.0 == 0 || second.0 == 0, "round {round}: {first:?} {second:?}");
        let text = workspace.read("config/shared.yml") + &workspace.read("config/second.yml");
        // All of it or nothing of it, each; what the other wrote is not lost.
        let (models, algorithms) = (text.matches("backup_2026-10-26").count(), text.matches("v1.0").count());
        assert_eq!(models, if first.0 == 0 { 2 } else { 0 }, "round {round}: {first:?}\n{text}");
        assert_eq!(algorithms, if second.0 == 0 { 2 } else { 0 }, "round {round}: {second:?}\n{text}");
        // Either one was told to keep off, or both worked, and then never at the same time.
        if first.0 == 0 && second.0 == 0 {
            let times = worked(&workspace);
            let [one, other] = times.as_slice() else { panic!("round {round}: {times:?}") };
            assert!(one.1 <= other.0, "round {round}: they worked at the same time: {times:?}");
            in_turn += 1;
        } else {
            refused += 1;
        }
        for (ended, go) in [(first.0, &go[..]), (second.0, &other[..])] {
            if ended != 0 {
                workspace.irctl(go).expect(0);
            }
        }
        let text = workspace.read("config/shared.yml") + &workspace.read("config/second.yml");
        assert_eq!(
            (text.matches("backup_2026-10-26").count(), text.matches("v1.0").count()),
            (2, 2),
            "{text}"
        );
    }
    assert_eq!(refused + in_turn, 10);
    println!("in {refused} rounds one was refused; in {in_turn} one came after the other");
}
