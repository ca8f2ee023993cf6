//! Recipes from the outside: the worked example of the documentation, the contract's schemas, and the commands.

mod support;

use irctl::rollback::adapters::{Applied, Predicted, Request, State};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value;
use support::{Workspace, repository};

/// The code block behind `<!-- example: NAME -->`.
fn example(name: &str) -> String {
    let text = std::fs::read_to_string(repository().join("docs/recipes.md")).unwrap();
    let (_, after) =
        text.split_once(&format!("<!-- example: {name} -->\n```")).expect("the example is there");
    let (block, _) = after.split_once("\n```").unwrap();
    format!("{}\n", block.split_once('\n').unwrap().1)
}

fn with_example() -> Workspace {
    let workspace = Workspace::empty();
    workspace.write("config/irctl.yaml", "workspace: trial\n");
    for name in ["config/recipes/flag.yaml", "scripts/flag.py"] {
        workspace.write(name, example(name));
    }
    workspace.write("throw-away.json", "{\n  \"promotions\": \"on\",\n  \"other\": 1\n}");
    workspace
}

fn run(workspace: &Workspace, more: &[&str]) -> support::Run {
    let line = example("run");
    let arguments: Vec<_> = line.split_whitespace().skip(1).chain(more.iter().copied()).collect();
    workspace.irctl(&arguments)
}

#[test]
fn the_worked_example_works() {
    let workspace = with_example();
    workspace.irctl(&["config", "check"]).expect(0);
    let before = workspace.read("throw-away.json");
    let tried = run(&workspace, &[]).expect(0);
    assert!(!tried.stdout.contains("FAIL") && !tried.stdout.contains("not run"), "{}", tried.stdout);
    for check in
        ["apply leaves what predict said", "undo puts back what was", "undo a second time changes nothing"]
    {
        assert!(tried.stdout.contains(&format!("PASS    {check}")), "{}", tried.stdout);
    }
    assert_eq!(workspace.read("throw-away.json"), before);
    let looked = run(&workspace, &["--dry-run"]).expect(0);
    assert!(
        looked.stdout.contains("not run apply, undo and what they leave: this is a dry run"),
        "{}",
        looked.stdout
    );
}

#[test]
fn what_a_recipe_does_wrong_is_reported_and_fails() {
    let workspace = with_example();
    let program = example("scripts/flag.py");
    let lazy = program.replace("write(request[\"before\"][\"value\"])", "pass");
    assert_ne!(lazy, program);
    workspace.write("scripts/flag.py", lazy);
    let tried = run(&workspace, &[]).expect(2);
    assert!(
        tried.stdout.contains("FAIL    undo puts back what was: expected {\"value\":\"on\"}"),
        "{}",
        tried.stdout
    );
    workspace.write("scripts/flag.py", program.replace("json.dump(what, sys.stdout)", "print(what)"));
    let tried = run(&workspace, &["--output", "json"]).expect(2).json();
    assert_eq!(tried["verdict"], "CRIT");
    let detail = tried["checks"][1]["detail"].as_str().unwrap();
    assert!(detail.contains("`python3` asked to observe: its answer is not what it must be"), "{detail}");
}

#[test]
fn nothing_to_change_is_unknown_and_nothing_is_done_without_a_yes() {
    let workspace = with_example();
    workspace.write("throw-away.json", "{\"promotions\": \"off\"}");
    let tried = run(&workspace, &[]).expect(3);
    assert!(tried.stdout.contains("it is so already"), "{}", tried.stdout);
    let arguments = ["recipe", "test", "flag", "--with", "file=a", "--with", "key=b", "--with", "value=c"];
    let refused = workspace.irctl(&arguments).expect(64);
    assert!(refused.stderr.contains("--dry-run"), "{}", refused.stderr);
    let missing = workspace.irctl(&["recipe", "test", "flag", "--with", "file=a", "--yes"]).expect(78);
    assert!(missing.stderr.contains("needs the parameter `key`"), "{}", missing.stderr);
}

#[test]
fn recipes_are_listed_and_shown_with_and_without_a_workspace() {
    let workspace = with_example();
    let listed = workspace.irctl(&["recipe", "list", "--output", "json"]).expect(0).json();
    let find = |name: &str| listed.as_array().unwrap().iter().find(|row| row["recipe"] == name).cloned();
    assert_eq!(find("flag").unwrap()["shipped"], false);
    assert_eq!(find("cache-quarantine").unwrap()["shipped"], true);
    let shown = workspace.irctl(&["recipe", "show", "process-stop"]).expect(0).stdout;
    assert!(shown.contains("Cannot be undone: what the stopped processes held in memory"), "{shown}");
    let bare = Workspace::empty();
    assert!(bare.irctl(&["recipe", "list"]).expect(0).stdout.contains("pip-environment"));
    let unknown = bare.irctl(&["recipe", "show", "pip"]).expect(65);
    assert!(unknown.stderr.contains("pip-environment"), "{}", unknown.stderr);
}

/// The schemas under `docs/schema/recipe` are those of the contract. `UPDATE_SCHEMA=1` rewrites them.
#[test]
fn committed_contract_schemas_are_in_step() {
    fn shape<T: JsonSchema>() -> Schema {
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>()
    }
    let folder = repository().join("docs/schema/recipe");
    for (name, schema) in [
        ("request", shape::<Request>()),
        ("observe", shape::<State>()),
        ("predict", shape::<Predicted>()),
        ("apply", shape::<Applied>()),
    ] {
        let path = folder.join(format!("{name}.json"));
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, text).unwrap();
        } else {
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(committed == text, "{} is out of step: run with UPDATE_SCHEMA=1", path.display());
        }
    }
}

/// An adapter refuses what is no request, and says so in one line.
#[test]
fn adapters_are_as_strict_as_they_ask_others_to_be() {
    let ask = |arguments: &[&str], input: &str| {
        use std::io::Write as _;
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_irctl"))
            .arg("adapter")
            .args(arguments)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.stdout.is_empty());
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let request = |contract: u32, verb: &str| -> String {
        let value: Value =
            serde_json::json!({"contract": contract, "verb": verb, "service": "s", "root": "/", "with": {}});
        value.to_string()
    };
    for (arguments, input, status, wanted) in [
        (["none", "observe"], String::new(), 64, "there is no adapter `none`"),
        (["cache-quarantine", "destroy"], String::new(), 64, "cannot destroy"),
        (["cache-quarantine", "observe"], "nonsense".to_owned(), 65, "is no request"),
        (["cache-quarantine", "observe"], request(2, "observe"), 65, "for contract 2"),
        (["cache-quarantine", "observe"], request(1, "apply"), 65, "to apply, not"),
        (["cache-quarantine", "observe"], request(1, "observe"), 77, "must each name something"),
    ] {
        let (found, stderr) = ask(&arguments, &input);
        assert_eq!(found, status, "{stderr}");
        assert!(stderr.contains(wanted) && stderr.trim_end().lines().count() == 1, "{stderr}");
    }
}
