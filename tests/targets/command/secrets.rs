//! A secret reaches the program on standard input and nowhere else.

use irctl::base::{Clock, Digest};
use irctl::operation::{Journal, StepContext};
use irctl::rollback::targets::command::{CommandTarget, CommandTargetConfig};
use irctl::rollback::targets::{Goal, Staging, Target};
use serde_json::json;
use std::path::Path;

use super::{ground, versions};

const SECRET: &str = "hunter2-correct-horse";

/// Fails with the secret in its last words unless it got it, and says where else it found it.
const PROGRAM: &str = r#"
import json, os, sys
request = json.load(sys.stdin)
token = request["with"]["token"]
seen = [part for part in sys.argv + list(os.environ.values()) if token in part]
if token != open(sys.argv[1]).read().strip() or seen:
    sys.exit("wrong secret, or one that leaked: %r %r" % (token, seen))
path = os.path.join(request["root"], "value")
value = open(path).read()
if request["verb"] == "observe":
    print(json.dumps({"state": value, "shown": value}))
elif request["verb"] == "predict":
    print(json.dumps({"after": "new", "changes": [] if value == "new" else [{"place": "value", "to": "new"}]}))
elif request["verb"] == "apply":
    if os.path.exists(os.path.join(request["root"], "fail")):
        sys.exit("cannot log in with " + token)
    open(path, "w").write("new")
    print("{}")
else:
    open(path, "w").write(request["before"])
    print("{}")
"#;

struct Bed {
    directory: tempfile::TempDir,
}

impl Bed {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let bed = Self { directory };
        std::fs::create_dir(bed.path().join("workspace")).unwrap();
        std::fs::create_dir(bed.path().join("images")).unwrap();
        std::fs::write(bed.path().join("token"), format!("{SECRET}\n")).unwrap();
        std::fs::write(bed.path().join("program.py"), PROGRAM).unwrap();
        std::fs::write(bed.path().join("workspace/value"), "old").unwrap();
        bed
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn config(&self) -> CommandTargetConfig {
        let argv = json!(["python3", self.path().join("program.py"), self.path().join("token")]);
        serde_json::from_value(json!({
            "observe": argv, "predict": argv, "apply": argv, "undo": argv,
            "secrets": {"token": format!("file:{}", self.path().join("token").display())},
        }))
        .unwrap()
    }
}

#[test]
fn secrets_stand_in_no_plan_no_journal_no_argv_and_no_error() {
    let bed = Bed::new();
    let (config, ground) = (bed.config(), ground(&bed.path().join("workspace")));
    let (version, served) = versions();
    let goal = Goal {
        version: &version,
        served: &served,
        operation: Some("OP-1"),
        incident: None,
        reason: None,
        actor: "cli:engineer",
        now: irctl::base::clock::parse_instant("2026-11-20T03:07:00Z").unwrap(),
    };
    let images = bed.path().join("images");
    let target = CommandTarget { config: &config, ground: &ground };
    let specs = target.stage(&goal, &Staging { images: &images, operation: "OP-1" }).unwrap();
    let pinned = serde_json::to_string(&specs).unwrap();
    assert!(pinned.contains("file:") && !pinned.contains(SECRET));
    let path = bed.path().join("journal.jsonl");
    let clock = Clock::from_hidden_value("2026-11-20T03:07:00Z").unwrap();
    let mut journal = Journal::create(&path, &Digest::of(b"plan")).unwrap();
    let mut context = StepContext::new("step", &mut journal, &clock);
    std::fs::write(bed.path().join("workspace/fail"), "").unwrap();
    let error = specs[0].switch().act(&mut context).unwrap_err();
    assert!(error.message.contains("cannot log in with (secret)"), "{}", error.message);
    assert!(!format!("{error:?}").contains(SECRET));
    std::fs::remove_file(bed.path().join("workspace/fail")).unwrap();
    specs[0].switch().act(&mut context).unwrap();
    assert_eq!(std::fs::read_to_string(bed.path().join("workspace/value")).unwrap(), "new");
    specs[0].switch().undo(&mut context).unwrap();
    let journal = std::fs::read_to_string(&path).unwrap();
    assert!(journal.contains("python3") && !journal.contains(SECRET));
    assert!(!super::tree(&images).contains(SECRET));
}

/// The variable that holds it is not handed on. A process of its own sets one.
#[test]
fn a_secret_of_the_environment_is_not_inherited() {
    let bed = Bed::new();
    let recipe = json!({
        "recipe": "leaky", "title": "Looks where a secret is",
        "parameters": {"token": {"secret": true, "required": true}},
        "observe": {"command": ["python3", bed.path().join("program.py"), bed.path().join("token")]},
        "predict": {"command": ["python3", bed.path().join("program.py"), bed.path().join("token")]},
        "apply": {"command": ["python3", bed.path().join("program.py"), bed.path().join("token")]},
        "undo": {"command": ["python3", bed.path().join("program.py"), bed.path().join("token")]},
    });
    let root = bed.path().join("workspace");
    std::fs::create_dir_all(root.join("config/recipes")).unwrap();
    std::fs::write(root.join("config/irctl.yaml"), "workspace: trial\n").unwrap();
    std::fs::write(root.join("config/recipes/leaky.yaml"), recipe.to_string()).unwrap();
    let output = std::process::Command::new(super::IRCTL)
        .arg("-C")
        .arg(&root)
        .args(["recipe", "test", "leaky", "--with", "token=env:IRCTL_TEST_TOKEN", "--yes"])
        .env("IRCTL_TEST_TOKEN", SECRET)
        .env("HOME", bed.path())
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(!text.contains(SECRET));
    assert_eq!(std::fs::read_to_string(root.join("value")).unwrap(), "old");
}
