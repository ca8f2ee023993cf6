//! `irctl runbook lint` through the program: places, forms, exit statuses.

use super::support::Workspace;
use super::with;

const BAD: &str = r#"
allow: [shell]
steps:
  - id: stop
    effect: irreversible
    shell:
      script: |
        pkill -f "run_daily_rebalance"
        PGPASSWORD='hunter2hunter2' psql -c 'DELETE FROM trades'
  - id: clear
    run: {argv: [redis-cli, FLUSHDB]}
"#;

#[test]
fn the_shipped_runbooks_are_clean() {
    let workspace = Workspace::healthy();
    let run = workspace.irctl(&["runbook", "lint", "--fail-on", "warning"]).expect(0);
    assert_eq!(run.stdout, "lint ok: nothing found in 10 runbooks\n");
}

#[test]
fn findings_have_their_place_their_reason_and_the_way_out() {
    let workspace = with("bad", BAD);
    let run = workspace.irctl(&["runbook", "lint", "bad"]).expect(2);
    assert!(!run.stdout.contains("hunter2"), "{}", run.stdout);
    insta::assert_snapshot!("findings", run.stdout);
    workspace.irctl(&["runbook", "lint", "--fail-on", "never"]).expect(0);
    workspace.irctl(&["runbook", "lint", "mape-sustained"]).expect(0);
    workspace.irctl(&["runbook", "lint", "none"]).expect(65);
}

#[test]
fn warnings_alone_fail_only_where_that_is_asked_for() {
    let workspace = with("late", "review_by: 2026-01-01\nsteps: [{id: a, note: x}]\n");
    workspace.irctl(&["runbook", "lint"]).expect(0);
    let run = workspace.irctl(&["runbook", "lint", "--fail-on", "warning"]).expect(1);
    assert!(run.stdout.contains("review-overdue"), "{}", run.stdout);
}

#[test]
fn programs_read_findings_as_json_sarif_and_annotations() {
    let workspace = with("bad", BAD);
    let rows = workspace.irctl(&["runbook", "lint", "bad", "--output", "json"]).expect(2).json();
    let kill = rows.as_array().unwrap().iter().find(|row| row["rule"] == "broad-kill").unwrap();
    assert_eq!(
        (kill["rule"].as_str(), kill["line"].as_u64(), kill["column"].as_u64()),
        (Some("broad-kill"), Some(11), Some(9))
    );
    assert_eq!((kill["runbook"].as_str(), kill["file"].as_str()), (Some("bad"), Some("runbooks/bad.yaml")));

    let github = workspace.irctl(&["runbook", "lint", "bad", "--output", "github"]).expect(2);
    let kill = "::error file=runbooks/bad.yaml,line=11,col=9,endColumn=14,title=broad-kill::";
    assert!(github.stdout.lines().any(|line| line.starts_with(kill)), "{}", github.stdout);
    assert!(!github.stdout.contains("hunter2"));

    let sarif = workspace.irctl(&["runbook", "lint", "bad", "--output", "sarif"]).expect(2).json();
    sarif_is_sound(&sarif);
    let clean = workspace.irctl(&["runbook", "lint", "mape-sustained", "--output", "sarif"]).expect(0).json();
    sarif_is_sound(&clean);
    assert!(clean["runs"][0]["results"].as_array().unwrap().is_empty());
}

/// What the schema of SARIF 2.1.0 asks of the parts that are used here: required keys, types, bounds, and references
/// by number that lead to the rule of that name.
fn sarif_is_sound(log: &serde_json::Value) {
    assert_eq!(log["version"], "2.1.0");
    let runs = log["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1);
    let driver = &runs[0]["tool"]["driver"];
    assert!(driver["name"].is_string());
    assert!(matches!(runs[0]["columnKind"].as_str(), Some("utf16CodeUnits" | "unicodeCodePoints")));
    let rules = driver["rules"].as_array().unwrap();
    let names: std::collections::BTreeSet<_> =
        rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(names.len(), rules.len());
    for result in runs[0]["results"].as_array().unwrap() {
        assert!(result["message"]["text"].is_string());
        assert!(matches!(result["level"].as_str(), Some("none" | "note" | "warning" | "error")));
        let number = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[number]["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(!uri.starts_with('/') && !uri.contains(' '));
        assert!(
            runs[0]["originalUriBaseIds"]
                .get(place["artifactLocation"]["uriBaseId"].as_str().unwrap())
                .is_some()
        );
        let region = &place["region"];
        assert!(region["startLine"].as_u64().unwrap() >= 1);
        assert!(region["endColumn"].as_u64().unwrap() >= region["startColumn"].as_u64().unwrap());
    }
}

#[test]
fn a_runbook_that_is_none_is_a_finding_and_not_the_end() {
    let workspace = with("bad", BAD);
    workspace.write("runbooks/broken.yaml", "runbook: broken\ntitle: T\nstepz: []\n");
    workspace.write(
        "runbooks/dangling.yaml",
        "runbook: dangling\ntitle: T\nowner: team\nsteps: [{id: a, verify: rila-smok}]\n",
    );
    let rows = workspace.irctl(&["runbook", "lint", "--output", "json"]).expect(2).json();
    let rules: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["runbook"].as_str().unwrap(), row["rule"].as_str().unwrap()))
        .collect();
    assert!(rules.contains(&("broken", "unknown-key")), "{rules:?}");
    assert!(rules.contains(&("dangling", "dangling-reference")), "{rules:?}");
    assert!(rules.contains(&("bad", "broad-kill")), "{rules:?}");
    sarif_is_sound(&workspace.irctl(&["runbook", "lint", "--output", "sarif"]).expect(2).json());
    // What is wrong with other files is not a matter of runbooks.
    workspace.write("config/services/odd.yaml", "service: odd\n");
    workspace.irctl(&["runbook", "lint", "mape-sustained"]).expect(0);
}

#[test]
fn rules_are_explained() {
    let workspace = Workspace::healthy();
    let all = workspace.irctl(&["runbook", "lint", "--rules", "--output", "json"]).expect(0).json();
    assert!(all.as_array().unwrap().len() >= 25);
    let one = workspace.irctl(&["runbook", "lint", "--rules", "hard-reset"]).expect(0);
    assert!(one.stdout.starts_with("hard-reset (error): "), "{}", one.stdout);
    workspace.irctl(&["runbook", "lint", "--rules", "nonsense"]).expect(65);
    let page = std::fs::read_to_string(super::support::repository().join("docs/runbooks.md")).unwrap();
    for rule in all.as_array().unwrap() {
        let row =
            format!("| `{}` | {} |", rule["rule"].as_str().unwrap(), rule["severity"].as_str().unwrap());
        assert!(page.contains(&row), "docs/runbooks.md lacks {row}");
    }
}
