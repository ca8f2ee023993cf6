//! What a human at a terminal sees: `script` makes one.

mod support;

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use support::Workspace;
use support::rollback::{SERVICE, artifacts, bad_model, unconfigured};

/// Runs a command on a terminal, types `keys` at the question, and returns what was shown.
fn at_the_question(workspace: &Workspace, command: &str, keys: &[u8]) -> String {
    let template = workspace.command(&[]);
    let mut script = Command::new("script");
    let line = format!("{} {command}; echo \"[exit $?]\"", env!("CARGO_BIN_EXE_irctl"));
    script.args(["-qec", &line, "/dev/null"]).current_dir(workspace.root()).env_clear().env("TERM", "xterm");
    for (name, value) in template.get_envs() {
        script.env(name, value.unwrap());
    }
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut shown = Vec::new();
    let mut buffer = [0; 4096];
    let mut typed = false;
    loop {
        let length = stdout.read(&mut buffer).unwrap();
        if length == 0 {
            break;
        }
        shown.extend_from_slice(&buffer[..length]);
        // The cursor is hidden when the question waits for a key.
        if !typed && String::from_utf8_lossy(&shown).contains("[y/N] \x1b[?25l") {
            stdin.write_all(keys).unwrap();
            typed = true;
        }
    }
    assert!(child.wait().unwrap().success());
    String::from_utf8(shown).unwrap()
}

#[test]
fn a_no_changes_nothing_and_names_no_backup() {
    let workspace = unconfigured();
    let before = artifacts(&workspace, "model");
    let shown = at_the_question(&workspace, "rollback model --to prev", b"n");
    assert!(shown.contains("a human said no") && shown.contains("[exit 12]"), "{shown}");
    assert!(!shown.contains("kept  "), "{shown}");
    assert_eq!(artifacts(&workspace, "model"), before);
}

#[test]
fn ctrl_c_at_the_question_is_a_no_and_gives_the_cursor_back() {
    let workspace = unconfigured();
    let before = artifacts(&workspace, "model");
    let shown = at_the_question(&workspace, "rollback model --to prev", b"\x03");
    assert!(shown.contains("the question was interrupted") && shown.contains("[exit 12]"), "{shown}");
    let (hidden, back) = (shown.rfind("\x1b[?25l").unwrap(), shown.rfind("\x1b[?25h").unwrap());
    assert!(hidden < back, "the cursor stays hidden: {shown:?}");
    assert_eq!(artifacts(&workspace, "model"), before);
}

#[test]
fn a_yes_rolls_back() {
    let workspace = unconfigured();
    let before = artifacts(&workspace, "model");
    let shown = at_the_question(&workspace, "rollback model --to prev", b"y");
    assert!(shown.contains("[exit 0]") && shown.contains("irctl rollback undo OP-"), "{shown}");
    assert_ne!(artifacts(&workspace, "model"), before);
}

#[test]
fn the_clock_runs_against_the_budget_and_is_cleared() {
    let service = SERVICE.replace("[sh, scripts/reload.sh]", "[sh, -c, \"sleep 0.6; sh scripts/reload.sh\"]");
    let workspace = bad_model(&service);
    let shown = at_the_question(&workspace, "rollback --to prev", b"y");
    assert!(shown.contains("[exit 0]"), "{shown}");
    let live: Vec<_> = shown.split(['\r', '\n']).filter(|line| line.contains(" of 2 min")).collect();
    assert!(live.len() > 2, "a clock that is drawn again and again: {live:?}");
    assert!(live.iter().any(|line| line.contains("T+") && line.contains("sleep 0.6")), "{live:?}");
    // Every drawing is taken away again: the last lines hold none.
    let end = shown.rsplit_once(" of 2 min").unwrap().1;
    assert!(end.contains("\x1b[2K"), "the clock is cleared: {end:?}");
    assert!(end.contains("restored"), "{end}");
}
