//! Two at once: of the same service, and of two services that share what they switch.

use std::process::{Child, Stdio};

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
        assert!(later > 0 || artifacts(&workspace, LIVE) == good, "round {round}");
        assert_eq!(unfinished(&workspace), None);
        assert!(!workspace.read("config/rollout.yml").contains("mode: disabled"), "round {round}");
    }
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
    let mut busy = 0;
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
        busy += usize::from(first.0 != 0 || second.0 != 0);
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
    println!("{busy} of 10 rounds were refused");
}
