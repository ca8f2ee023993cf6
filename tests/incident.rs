//! `irctl incident`, `postmortem` and `report`, as people and programs use them.

mod support;

use support::Workspace;

/// A workspace with one service and nothing to measure.
fn workspace() -> Workspace {
    let workspace = Workspace::empty();
    workspace.write("config/irctl.yaml", "workspace: rila\n");
    let scheme = support::repository().join("config/severity/rila.yaml");
    // No runbook stands here, so the rules must not name one.
    let scheme = std::fs::read_to_string(scheme).unwrap();
    let lines: Vec<_> = scheme.lines().filter(|line| !line.trim_start().starts_with("runbook:")).collect();
    workspace.write("config/severity/rila.yaml", lines.join("\n"));
    workspace.write("config/services/rila_6y20b.yaml", "service: rila_6y20b\nkind: model\nscheme: rila\n");
    workspace
}

const DECLARE: &[&str] = &[
    "incident",
    "declare",
    "--service",
    "rila_6y20b",
    "--symptom",
    "leakage",
    "--level",
    "P0",
    "--title",
    "Data leakage confirmed",
    "--metric",
    "r_squared=0.35",
    "--affects",
    "rate-setting",
];

#[test]
fn an_incident_from_its_declaration_to_its_record() {
    let workspace = workspace();
    assert_eq!(workspace.irctl(&["incident"]).expect(0).stdout, "No incident is open.\n");
    insta::assert_snapshot!("declared", workspace.irctl(DECLARE).expect(0).stdout);

    workspace.set_clock("2026-11-20T03:12:00Z");
    workspace.irctl(&["incident", "ack"]).expect(0);
    workspace.irctl(&["incident", "assign", "--role", "commander", "--to", "Mira"]).expect(0);
    workspace
        .irctl(&["incident", "note", "--kind", "root-cause", "a lag-0 \u{1b}[31mcompetitor feature"])
        .expect(0);
    workspace.irctl(&["incident", "note", "--corrects", "5", "two lag-0 competitor features"]).expect(0);
    workspace.set_clock("2026-11-20T04:30:00Z");
    insta::assert_snapshot!("list", workspace.irctl(&["incident", "list"]).expect(0).stdout);
    insta::assert_snapshot!("show", workspace.irctl(&["incident", "show", "--timeline"]).expect(0).stdout);

    workspace.irctl(&["incident", "mitigate", "--reason", "consumers halted by hand"]).expect(0);
    workspace
        .irctl(&["incident", "note", "--kind", "action", "--owner", "ml", "--due", "7d", "add a gate"])
        .expect(0);
    let resolved = workspace.irctl(&["incident", "resolve", "--reason", "retrained without them"]).expect(0);
    insta::assert_snapshot!("resolved", resolved.stdout);

    let draft = workspace.irctl(&["postmortem", "draft"]).expect(0).stdout;
    assert!(draft.contains("**Severity**: P0 [#1]") && draft.contains("two lag-0 competitor features"));
    assert!(!draft.contains('\u{1b}'));
    workspace.irctl(&["postmortem", "draft", "--write", "postmortem.md"]).expect(0);
    workspace.irctl(&["postmortem", "draft", "--write", "postmortem.md"]).expect(12);
    assert_eq!(workspace.read("postmortem.md"), draft);

    workspace.irctl(&["report", "decision-log", "INC-20261120-030700", "--write", "decisions.md"]).expect(0);
    workspace.irctl(&["report", "decision-log", "INC-20261120-030700", "--write", "decisions.md"]).expect(12);
    assert!(workspace.read("decisions.md").starts_with("# Decisions\n\n## 2026-11-20: P0 leakage"));
    let record = workspace.irctl(&["report", "incident", "030700"]).expect(0).json();
    assert_eq!(record["metrics"]["r_squared"], 0.35);
    assert_eq!(record["affected_services"], serde_json::json!(["rila_6y20b", "rate-setting"]));
    let log = workspace.irctl(&["report", "incident-log", "--write", "incident-log.json"]).expect(0);
    assert_eq!(log.stdout, "");
    let log: serde_json::Value = serde_json::from_str(&workspace.read("incident-log.json")).unwrap();
    assert_eq!((&log[0]["status"], &log[0]["missed"][0]), (&"resolved".into(), &"notify".into()));
    assert_eq!(workspace.irctl(&["report", "rollback-history"]).expect(0).stdout, "[]\n");
    insta::assert_snapshot!("metrics", workspace.irctl(&["report", "metrics"]).expect(0).stdout);

    workspace.irctl(&["incident", "close", "030700", "--reason", "postmortem.md"]).expect(0);
    workspace.irctl(&["audit"]).expect(0);
}

#[test]
fn one_incident_for_a_service_and_a_symptom() {
    let workspace = workspace();
    workspace.irctl(DECLARE).expect(0);
    let again = workspace.irctl(DECLARE).expect(0);
    assert!(again.stderr.contains("INC-20261120-030700 (P0) is already open"), "{}", again.stderr);
    let mut other = DECLARE.to_vec();
    other[5] = "range";
    let other = workspace.irctl(&[&other[..], &["--output", "json"]].concat()).expect(0).json();
    assert_eq!(other["incident"]["id"], "INC-20261120-030700-2");
    let which = workspace.irctl(&["incident", "ack"]).expect(64);
    assert!(which.stderr.contains("INC-20261120-030700, INC-20261120-030700-2"), "{}", which.stderr);
    workspace.irctl(&["incident", "merge", "030700-2", "--into", "INC-20261120-030700"]).expect(0);
    assert_eq!(
        workspace.irctl(&["incident", "list", "--output", "json"]).expect(0).json().as_array().unwrap().len(),
        1
    );
}

#[test]
fn levels_reopenings_and_texts_from_standard_input() {
    use std::io::Write as _;
    let workspace = workspace();
    let mut declare = DECLARE.to_vec();
    declare[7] = "p1"; // Levels are found whatever their case.
    declare.extend(["--detected-at", "2026-11-20T02:00:00Z"]);
    workspace.irctl(&declare).expect(0);
    workspace.irctl(&["incident", "level", "P1", "--reason", "the same"]).expect(65);
    let raised = workspace.irctl(&["incident", "level", "P0", "--reason", "confirmed", "--output", "json"]);
    let raised = raised.expect(0).json();
    assert_eq!(
        (&raised["incident"]["level"]["name"], &raised["incident"]["peak"]["rank"]),
        (&"P0".into(), &0.into())
    );
    assert_eq!(raised["incident"]["deadlines"]["acknowledge_by"], "2026-11-20T03:22:00Z");

    let mut command = workspace.command(&["incident", "note", "-", "--kind", "impact"]);
    let mut child =
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"two rate decisions\nwere delayed\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("impact: two rate decisions\\nwere delayed"));

    workspace.irctl(&["incident", "resolve", "--reason", "over"]).expect(0);
    workspace.set_clock("2026-11-20T05:00:00Z");
    let again = workspace.irctl(&["incident", "reopen", "030700", "--reason", "back", "--output", "json"]);
    let again = again.expect(0).json();
    assert_eq!((&again["incident"]["episode"], &again["incident"]["state"]), (&2.into(), &"active".into()));
    let early =
        workspace.irctl(&["incident", "timeline", "--now", "2026-11-20T03:30:00Z", "--output", "json"]);
    assert_eq!(early.expect(0).json().as_array().unwrap().len(), 7);
}

#[test]
fn many_processes_declare_one_incident() {
    let workspace = workspace();
    let children: Vec<_> = (0..8)
        .map(|_| {
            let mut command = workspace.command(DECLARE);
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let list = workspace.irctl(&["incident", "list", "--all", "--output", "json"]).expect(0).json();
    assert_eq!(list.as_array().unwrap().len(), 1);
    workspace.irctl(&["audit"]).expect(0);
}

#[test]
fn what_is_refused_says_the_way_out() {
    let workspace = workspace();
    let refusals: &[(&[&str], i32, &str)] = &[
        (&["incident", "ack"], 65, "irctl incident list --all"),
        (&["incident", "show", "INC-1"], 65, "irctl incident declare"),
        (
            &["incident", "declare", "--service", "rila", "--symptom", "x", "--level", "P0", "--title", "t"],
            65,
            "rila_6y20b",
        ),
        (
            &[
                "incident",
                "declare",
                "--service",
                "rila_6y20b",
                "--symptom",
                "x",
                "--level",
                "P7",
                "--title",
                "t",
            ],
            65,
            "P0, P1, P2",
        ),
        (
            &[
                "incident",
                "declare",
                "--service",
                "rila_6y20b",
                "--symptom",
                "Two words",
                "--level",
                "P0",
                "--title",
                "t",
            ],
            64,
            "one word",
        ),
    ];
    for (arguments, status, hint) in refusals {
        let run = workspace.irctl(arguments).expect(*status);
        assert!(run.stderr.contains(hint), "{arguments:?}: {}", run.stderr);
    }
    workspace.irctl(&["incident", "note", "030700"]).expect(64);
    workspace.irctl(&["incident", "note", "030700", "--owner", "ml", "text"]).expect(64);
    workspace.irctl(DECLARE).expect(0);
    workspace.irctl(&["incident", "cancel", "--reason", "a drill"]).expect(0);
    let run = workspace.irctl(&["incident", "resolve", "030700", "--reason", "x"]).expect(65);
    assert!(run.stderr.contains("is cancelled and cannot be resolved"), "{}", run.stderr);
}
