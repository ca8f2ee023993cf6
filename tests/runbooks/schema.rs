//! What a runbook may say, and how it is told that it may not.

use super::support::{Workspace, repository};
use super::with;
use irctl::config::Kind;
use irctl::runbook;

/// A step of every kind, with everything that can be said.
#[test]
fn every_kind_of_step_is_taken() {
    let workspace = Workspace::healthy();
    let text =
        std::fs::read_to_string(repository().join("tests/config/valid/runbook/everything.yaml")).unwrap();
    for kind in runbook::Kind::NAMES {
        assert!(
            text.contains(&format!(" {kind}: ")) || text.contains(&format!("{kind}:\n")),
            "no step with `{kind}`"
        );
    }
    workspace.write("runbooks/everything.yaml", &text);
    let run = workspace.irctl(&["config", "check"]);
    assert!(run.stdout.starts_with("config ok"), "{}", run.stdout);
    let shown = workspace.irctl(&["runbook", "show", "everything"]).expect(0).stdout;
    insta::assert_snapshot!("everything", shown);
}

/// What is read is what was written: the engine pins the runbook as it is understood.
#[test]
fn a_runbook_is_written_back_as_it_was_read() {
    let text =
        std::fs::read_to_string(repository().join("tests/config/valid/runbook/everything.yaml")).unwrap();
    let value: serde_json::Value = serde_yaml::from_str(&text).unwrap();
    let first: runbook::RunbookConfig = serde_json::from_value(value).unwrap();
    let json = serde_json::to_value(&first).unwrap();
    let second: runbook::RunbookConfig = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(&second).unwrap(), json);
}

#[test]
fn what_leads_nowhere_is_an_error_with_its_place() {
    let workspace = with(
        "odd",
        r#"service: rila_6y20b
escalate: {lead: {role: ml-leed, when: always}}
steps:
  - {id: a, verify: rila-smok}
  - {id: b, call: {runbook: mape-sustaind}}
  - {id: c, notify: {template: rila-rolled-bak, to: [tem]}}
  - {id: d, rollback: {to: prev, service: rila_6y2b}}
  - {id: e, probe: tdee}
  - {id: f, wait: {until: "tde_agee > 1 day", at_most: 1m}}
  - {id: g, decide: [{when: {probe: "tde_age > 25%"}, steps: [{id: h, note: x}]}, {else: [{id: i, note: x}]}]}
  - {id: j, process: {stop: {executabel: /bin/x}}, verify: rila-smoke}
  - {id: k, rollback: {to: prev, phase: two}}
  - {id: l, call: {runbook: odd}}
  - {id: m, manual: {instruction: x, who: nobody}}
  - {id: n, verify: {use: [tde], expect: [{that: "tde_old > 1 day"}]}}
"#,
    );
    insta::assert_snapshot!(
        "dangling",
        workspace
            .irctl(&["config", "check"])
            .expect(78)
            .stdout
            .replace(&workspace.root().display().to_string(), "ROOT")
    );
}

#[test]
fn inputs_of_a_call_are_checked_like_those_of_a_human() {
    let workspace = with(
        "called",
        "inputs: {n: {type: integer, min: 1, max: 3}, who: {type: string, pattern: '[a-z]+'}}\nsteps: [{id: a, note: '{{ inputs.n }} {{ inputs.who }}'}]\n",
    );
    let call = |inputs: &str| {
        let yaml = format!(
            "runbook: caller\ntitle: T\nowner: team\nsteps: [{{id: a, call: {{runbook: called, inputs: {inputs}}}}}]\n"
        );
        workspace.write("runbooks/caller.yaml", yaml);
        workspace.irctl(&["config", "check"])
    };
    call("{n: 2, who: ada}").expect(0);
    for (inputs, words) in [
        ("{n: 4, who: ada}", "out of range"),
        ("{n: 2}", "needs the input `who`"),
        ("{n: 2, who: ada, m: 1}", "no input `m`"),
        ("{n: 2, who: ADA}", "does not match"),
    ] {
        let run = call(inputs).expect(78);
        assert!(run.stdout.contains(words), "{inputs}: {}", run.stdout);
    }
}

#[test]
fn the_schema_names_every_kind() {
    let schema = Kind::Runbook.schema();
    let step = &schema["$defs"]["StepConfig"]["properties"];
    for kind in runbook::Kind::NAMES {
        assert!(step.get(kind).is_some(), "{kind}");
    }
}
