//! What people see of a runbook.

use super::support::Workspace;

#[test]
fn every_shipped_runbook_is_listed() {
    let workspace = Workspace::healthy();
    insta::assert_snapshot!("list", workspace.irctl(&["runbook", "list"]).expect(0).stdout);
    let rows = workspace.irctl(&["runbook", "list", "--output", "json"]).expect(0).json();
    assert_eq!(rows.as_array().unwrap().len(), 10);
    assert_eq!(rows[2]["file"], "runbooks/mape-sustained.yaml");
    let about =
        workspace.irctl(&["runbook", "list", "--about", "leakage", "--output", "json"]).expect(0).json();
    assert_eq!(about.as_array().unwrap().len(), 1);
    let none = workspace.irctl(&["runbook", "list", "--about", "nothing"]).expect(0);
    assert!(none.stderr.contains("irctl runbook list"), "{}", none.stderr);
}

#[test]
fn branches_are_shown_as_a_tree() {
    let workspace = Workspace::healthy();
    insta::assert_snapshot!("tree", workspace.irctl(&["runbook", "show", "mape-sustained"]).expect(0).stdout);
    let markdown = workspace.irctl(&["runbook", "show", "mape-sustained", "--output", "markdown"]).expect(0);
    insta::assert_snapshot!("markdown", markdown.stdout);
    let checklist =
        workspace.irctl(&["runbook", "show", "leakage-response", "--output", "checklist"]).expect(0);
    insta::assert_snapshot!("checklist", checklist.stdout);
    let outline =
        workspace.irctl(&["runbook", "show", "mape-sustained", "--output", "json"]).expect(0).json();
    let numbers: Vec<_> =
        outline["steps"].as_array().unwrap().iter().map(|row| row["number"].as_str().unwrap()).collect();
    assert_eq!(numbers[..6], ["1", "2", "2.1", "2.1.1", "2.2", "2.2.1"]);
}

#[test]
fn what_is_not_there_is_said_with_a_way_out() {
    let workspace = Workspace::healthy();
    let missing = workspace.irctl(&["runbook", "show", "mape-sustaned"]).expect(65);
    assert!(missing.stderr.contains("did you mean `mape-sustained`?"), "{}", missing.stderr);
    for (arguments, hint) in [
        (&["runbook", "show", "mape-sustained", "--output", "sarif"][..], "markdown or checklist"),
        (&["runbook", "list", "--output", "github"], "--output text"),
        (&["runbook", "lint", "--output", "markdown"], "github or sarif"),
        (&["verify", "--output", "sarif"], "junit"),
        (&["incident", "list", "--output", "sarif"], "--output json"),
    ] {
        let refused = workspace.irctl(arguments).expect(64);
        assert!(refused.stderr.contains(hint), "{arguments:?}: {}", refused.stderr);
    }
}

#[test]
fn texts_of_a_runbook_cannot_disturb_a_terminal() {
    let workspace =
        super::with("hostile", "description: \"a\\e[2Jb\"\nsteps: [{id: a, note: \"\\e]0;x\\a | *b*\"}]\n");
    for output in ["text", "markdown", "checklist", "json"] {
        let shown = workspace.irctl(&["runbook", "show", "hostile", "--output", output]).expect(0);
        assert!(!shown.stdout.chars().any(|c| c.is_control() && c != '\n'), "{output}: {:?}", shown.stdout);
    }
}
