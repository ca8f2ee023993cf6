//! A program of one's own: a small file-backed one in sh and python, with and without a prediction, and one that
//! breaks off half-way.

use irctl::rollback::targets::command::{CommandTarget, CommandTargetConfig};
use irctl::rollback::targets::{Ground, Target};
use irctl::rollback::versions::Version;
use serde_json::json;
use std::path::PathBuf;

use super::{ground, versions};
use crate::conformance::{self, Fixture};

/// Keeps two lines, `value.txt` and `copy.txt`, which it writes one after the other.
const PROGRAM: &str = r#"
import json, os, sys
request = json.load(sys.stdin)
here = request["root"]
names = ["value.txt", "copy.txt"]
read = lambda name: open(os.path.join(here, name)).read()
def write(name, text):
    path = os.path.join(here, name)
    with open(path + ".new", "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)
state = {name: read(name) for name in names}
verb = request["verb"]
if verb == "observe":
    if request["keep"]:
        with open(os.path.join(request["keep"], "was.json"), "w") as file:
            json.dump(state, file)
    print(json.dumps({"state": state, "shown": "value " + state["value.txt"]}))
elif verb == "predict":
    wanted = {name: request["with"]["value"] for name in names}
    changes = [{"place": n, "from": state[n], "to": wanted[n]} for n in names if state[n] != wanted[n]]
    print(json.dumps({"after": wanted, "changes": changes}))
elif verb == "apply":
    if state not in (request["before"], request["after"]):
        sys.exit(11)
    for name in names:
        write(name, request["with"]["value"])
        if os.path.exists(os.path.join(here, "break")):
            os.remove(os.path.join(here, "break"))
            sys.exit("the disk is full")
    print(json.dumps({"detail": "written"}))
elif verb == "undo":
    was = json.load(open(os.path.join(request["keep"], "was.json")))
    for name in names:
        if state[name] not in (was[name], request["with"]["value"]):
            sys.exit(11)
    for name in names:
        write(name, was[name])
    print("{}")
"#;

pub struct Pair {
    pub directory: tempfile::TempDir,
    pub config: CommandTargetConfig,
    pub ground: Ground,
}

impl Pair {
    pub fn new(predicts: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("workspace");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(directory.path().join("pair.py"), PROGRAM).unwrap();
        for name in ["value.txt", "copy.txt"] {
            std::fs::write(root.join(name), "old").unwrap();
        }
        let argv = json!(["python3", "-I", "-S", directory.path().join("pair.py")]);
        let mut config = json!({
            "name": "the pair", "observe": argv, "apply": argv, "undo": argv,
            "with": {"value": "value of {version}"}, "timeout": "30s",
        });
        if predicts {
            config["predict"] = argv;
        }
        let config = serde_json::from_value(config).unwrap();
        Self { config, ground: ground(&root), directory }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.ground.root.join(name)
    }
}

impl Fixture for Pair {
    fn target(&self) -> Box<dyn Target + '_> {
        Box::new(CommandTarget { config: &self.config, ground: &self.ground })
    }

    fn versions(&self) -> (Version, Version) {
        versions()
    }

    fn fingerprint(&self) -> String {
        super::tree(&self.ground.root)
    }

    fn meddle(&self) {
        std::fs::write(self.file("value.txt"), "theirs").unwrap();
    }
}

#[test]
fn command_conforms() {
    conformance::run(|| Pair::new(true));
}

#[test]
fn command_that_predicts_nothing_conforms() {
    conformance::run(|| Pair::new(false));
}
