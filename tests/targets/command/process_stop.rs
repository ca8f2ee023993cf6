//! `process-stop`: real processes of an executable that nobody else has.

use irctl::base::ErrorCode;
use irctl::rollback::targets::command::{CommandTarget, CommandTargetConfig};
use irctl::rollback::targets::{Ground, Target};
use irctl::rollback::versions::Version;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use super::strictness::{act, goal, stage_into, undo};
use super::{ground, recipe, versions};
use crate::conformance::{self, Fixture};

struct Daemons {
    directory: tempfile::TempDir,
    config: CommandTargetConfig,
    ground: Ground,
    children: Mutex<Vec<Child>>,
}

impl Daemons {
    fn new() -> Self {
        Self::with(json!({}))
    }

    fn with(more: Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap().join("workspace");
        std::fs::create_dir(&root).unwrap();
        let program = root.join("rebalancer");
        std::fs::copy("/bin/sleep", &program).unwrap();
        let mut with = json!({"executable": program, "restart": [program, "1000"], "grace": 30});
        with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let daemons = Self {
            config: recipe("process-stop", with),
            ground: ground(&root),
            directory,
            children: Mutex::default(),
        };
        daemons.start();
        daemons
    }

    fn program(&self) -> PathBuf {
        self.ground.root.join("rebalancer")
    }

    fn start(&self) -> u32 {
        let mut command = Command::new(self.program());
        command.arg("1000").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // A file that was just written may still be open in a child of another test.
        let child = (0..100).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            command.spawn().ok()
        });
        let child = child.expect("the program starts");
        let number = child.id();
        self.children.lock().unwrap().push(child);
        number
    }

    fn running(&self) -> Vec<u32> {
        running(&self.program())
    }
}

/// Looked up without irctl.
fn running(program: &Path) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers
        .filter(|number| std::fs::read_link(format!("/proc/{number}/exe")).is_ok_and(|exe| exe == program))
        .collect()
}

impl Drop for Daemons {
    fn drop(&mut self) {
        for child in self.children.lock().unwrap().iter_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
        // Those that `restart` started belong to nobody here.
        for number in self.running() {
            let _ = Command::new("kill").args(["-9", &number.to_string()]).status();
        }
    }
}

impl Fixture for Daemons {
    fn target(&self) -> Box<dyn Target + '_> {
        Box::new(CommandTarget { config: &self.config, ground: &self.ground })
    }

    fn versions(&self) -> (Version, Version) {
        versions()
    }

    fn fingerprint(&self) -> String {
        format!("{} running", self.running().len())
    }

    fn meddle(&self) {
        self.start();
        self.start();
    }
}

#[test]
fn process_stop_conforms() {
    conformance::run(Daemons::new);
}

#[test]
fn one_that_was_started_after_the_plan_is_not_stopped() {
    let daemons = Daemons::new();
    let specs = stage_into(daemons.target().as_ref(), daemons.directory.path()).unwrap();
    // Somebody restarted it: as many run as before, but it is another one.
    let mut old = daemons.children.lock().unwrap().remove(0);
    old.kill().unwrap();
    old.wait().unwrap();
    let fresh = daemons.start();
    let error = act(daemons.directory.path(), specs[0].switch()).unwrap_err();
    assert_eq!(error.code, ErrorCode::Drifted, "{error:?}");
    assert!(error.message.contains("somebody else changed"), "{}", error.message);
    assert_eq!(daemons.running(), [fresh]);
}

#[test]
fn too_many_and_too_broad_are_refused() {
    let daemons = Daemons::new();
    daemons.start();
    let versions = versions();
    let prediction = daemons.target().predict(&goal(&versions)).unwrap();
    assert!(prediction.refusals[0].contains("2 processes match, at most 1 may"), "{:?}", prediction.refusals);
    assert!(stage_into(daemons.target().as_ref(), daemons.directory.path()).is_err());
    assert_eq!(daemons.running().len(), 2);
    let broad = recipe("process-stop", json!({"executable": "/usr/bin/python3"}));
    let target = CommandTarget { config: &broad, ground: &daemons.ground };
    let error = target.observe().unwrap_err();
    assert!(error.message.contains("too broad a name"), "{}", error.message);
}

#[test]
fn without_restart_the_plan_says_that_it_cannot_be_undone() {
    let daemons = Daemons::with(json!({"restart": []}));
    let versions = versions();
    let prediction = daemons.target().predict(&goal(&versions)).unwrap();
    assert!(prediction.cannot_be_undone.iter().any(|line| line.contains("started again")));
    let specs = stage_into(daemons.target().as_ref(), daemons.directory.path()).unwrap();
    act(daemons.directory.path(), specs[0].switch()).unwrap();
    assert!(daemons.running().is_empty());
    let error = undo(daemons.directory.path(), specs[0].switch()).unwrap_err();
    assert!(error.message.contains("cannot be undone without `restart`"), "{}", error.message);
}

/// A script that ignores SIGTERM, found by its arguments: not killed unless that is allowed.
#[test]
fn one_that_will_not_end_is_killed_only_where_that_is_allowed() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    let script = root.join("stubborn.sh");
    std::fs::write(&script, "trap '' TERM\ntouch ready\nwhile :; do sleep 0.1; done\n").unwrap();
    let mut child = Command::new("/bin/sh").arg(&script).current_dir(&root).spawn().unwrap();
    while !root.join("ready").exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let config = |kill: bool| {
        let with = json!({"executable": "/bin/sh", "arguments": [script], "directory": root, "grace": 0.3, "kill": kill});
        recipe("process-stop", with)
    };
    let ground = ground(&root);
    let tried = |kill: bool| {
        let config = config(kill);
        let scratch = tempfile::tempdir().unwrap();
        let specs = stage_into(&CommandTarget { config: &config, ground: &ground }, scratch.path()).unwrap();
        act(scratch.path(), specs[0].switch())
    };
    let gentle = tried(false);
    let alive = child.try_wait().unwrap().is_none();
    let firm = tried(true);
    let _ = child.kill();
    let status = child.wait().unwrap();
    assert!(gentle.unwrap_err().message.contains("still runs 0.3 s after SIGTERM"));
    assert!(alive);
    firm.unwrap();
    assert!(std::os::unix::process::ExitStatusExt::signal(&status) == Some(9));
}

/// `sh serve.sh` of another workspace is another program.
#[test]
fn a_script_without_its_whole_path_is_looked_for_in_the_workspace_alone() {
    let directory = tempfile::tempdir().unwrap();
    let outside = directory.path().canonicalize().unwrap();
    let root = outside.join("workspace");
    std::fs::create_dir(&root).unwrap();
    let started = |folder: &Path| {
        std::fs::write(folder.join("serve.sh"), "touch ready\nwhile :; do sleep 0.1; done\n").unwrap();
        let child = Command::new("/bin/sh").arg("serve.sh").current_dir(folder).spawn().unwrap();
        while !folder.join("ready").exists() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        child
    };
    let mut other = started(&outside);
    let mut own = started(&root);
    let config = recipe("process-stop", json!({"executable": "/bin/sh", "arguments": ["serve.sh"]}));
    let ground = ground(&root);
    let acted = stage_into(&CommandTarget { config: &config, ground: &ground }, directory.path())
        .and_then(|specs| act(directory.path(), specs[0].switch()));
    let ends = (other.try_wait().unwrap().is_some(), own.wait().unwrap());
    let _ = other.kill();
    let _ = other.wait();
    acted.unwrap();
    assert_eq!((ends.0, std::os::unix::process::ExitStatusExt::signal(&ends.1)), (false, Some(15)));
}

#[test]
fn a_killed_stop_is_finished_or_taken_back() {
    let kills = super::crash::sweep(Daemons::new, |daemons| &mut daemons.config);
    super::crash::enough(kills, 2);
}
