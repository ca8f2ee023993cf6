//! `process` and `host` on this machine.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::{Workspace, fact, only, reason, samples, value};

/// A child that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program of this test alone, that does nothing for long.
fn program(workspace: &Workspace, name: &str) -> PathBuf {
    let path = workspace.root().join(name);
    std::fs::copy("/bin/sleep", &path).unwrap();
    path
}

fn start(program: &Path, arguments: &[&str]) -> Running {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(program.parent().unwrap());
    let child = Running(command.stdin(Stdio::null()).spawn().unwrap());
    // Between fork and exec it is still this test.
    let (exe, this) = (format!("/proc/{}/exe", child.0.id()), std::fs::read_link("/proc/self/exe").unwrap());
    while std::fs::read_link(&exe).is_ok_and(|exe| exe == this) {
        std::thread::yield_now();
    }
    child
}

#[test]
fn processes_are_counted_by_what_they_are() {
    let workspace = Workspace::new();
    let worker = program(&workspace, "worker");
    let ask = |more: &str| workspace.trusted(&format!("{{process: {{executable: worker{more}}}}}"));
    let none = ask("");
    assert_eq!((value(&none, "p_count"), fact(&none, "found").as_str()), (0.0, "none"));
    for metric in ["p_age", "p_oldest", "p_memory"] {
        assert_eq!(reason(&none, metric), "no such process runs");
    }
    let _other = start(&program(&workspace, "worker2"), &["81"]);
    let shell = format!("kill -STOP $$; : {} worker", worker.display());
    let _shell = start(Path::new("/bin/sh"), &["-c", &shell]);
    assert_eq!(value(&ask(""), "p_count"), 0.0, "neither a longer name nor an argument counts");
    let first = start(&worker, &["83"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    let _second = start(&worker, &["84"]);
    let two = ask("");
    assert_eq!((value(&two, "p_count"), only(&two, "p_count").rows), (2.0, 2));
    let (age, oldest) = (value(&two, "p_age"), value(&two, "p_oldest"));
    assert!(age < oldest && oldest - age > 0.2 && oldest < 60.0, "{age} {oldest}");
    let memory = value(&two, "p_memory");
    assert!(memory > 100_000.0 && memory < 50_000_000.0, "{memory}");
    assert_eq!(value(&ask(", arguments: ['83']"), "p_count"), 1.0);
    assert_eq!(value(&ask(", arguments: ['8']"), "p_count"), 0.0);
    assert_eq!(value(&ask(", directory: ."), "p_count"), 2.0);
    assert_eq!(value(&ask(", directory: /"), "p_count"), 0.0);
    std::os::unix::fs::symlink(&worker, workspace.root().join("link")).unwrap();
    assert_eq!(value(&workspace.trusted("{process: {executable: link}}"), "p_count"), 2.0);
    drop(first);
    assert_eq!(value(&ask(""), "p_count"), 1.0, "one that has ended does not count");
}

#[test]
fn irctl_does_not_count_itself_and_an_interpreter_needs_its_script() {
    let workspace = Workspace::new();
    let me = std::fs::read_link("/proc/self/exe").unwrap();
    let ask = |executable: &Path| {
        workspace.trusted(&format!("{{process: {{executable: '{}'}}}}", executable.display()))
    };
    let me = ask(&me);
    let found = fact(&me, "found");
    assert!(!found.split([' ', ',', '(', ')']).any(|word| word == std::process::id().to_string()), "{found}");
    let python = ask(Path::new("/bin/sh"));
    assert!(reason(&python, "p_count").contains("too broad"), "{}", reason(&python, "p_count"));
    assert!(reason(&workspace.measure("{process: {executable: worker}}"), "p_count").contains("untrusted"));
}

/// Another user's process whose executable may not be read is neither counted nor passed over.
#[test]
fn what_may_not_be_read_is_undecided() {
    if !rustix::process::geteuid().is_root() {
        println!("not run: what_may_not_be_read_is_undecided: it takes root to become another user");
        return;
    }
    let workspace = open_workspace();
    let _worker = start(&workspace.path("worker"), &["85"]);
    let run = |arguments: &[&str]| {
        let output = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(workspace.path("irctl"))
            .args(arguments)
            .current_dir(workspace.root())
            .env_clear()
            .env("HOME", "/nonexistent")
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    let shown = run(&["verify", "--output", "json"]);
    assert!(shown.contains("cannot be read: run as that user or as root"), "{shown}");
    assert!(shown.contains("\"verdict\": \"UNKNOWN\""), "{shown}");
}

/// A workspace that every user may read.
fn open_workspace() -> crate::support::Workspace {
    let workspace = crate::support::Workspace::empty();
    workspace.write("config/irctl.yaml", "workspace: other\n");
    workspace.write(
        "config/verify/other.yaml",
        "suite: other\nprobes:\n  worker: {process: {executable: worker}}\nexpect: [{that: worker_count < 1}]\n",
    );
    std::fs::copy("/bin/sleep", workspace.path("worker")).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    for folder in [workspace.path(".."), workspace.root()] {
        std::fs::set_permissions(folder, Clone::clone(&open)).unwrap();
    }
    // Below a closed home no other user reaches it.
    std::fs::copy(env!("CARGO_BIN_EXE_irctl"), workspace.path("irctl")).unwrap();
    workspace
}

#[test]
fn the_machine_has_processors_memory_and_disks() {
    let workspace = Workspace::new();
    let outcome = workspace.trusted("{host: {over: 200ms, disks: [{path: .}, {path: /, mounted: true}]}}");
    for metric in ["p_cpu", "p_cpu_wait", "p_memory_available_ratio"] {
        let value = value(&outcome, metric);
        assert!((0.0..=1.0).contains(&value), "{metric}: {value}");
    }
    assert!(value(&outcome, "p_load_1") >= 0.0 && value(&outcome, "p_load_15") >= 0.0);
    assert!(value(&outcome, "p_load_per_cpu") <= value(&outcome, "p_load_1"));
    assert!(value(&outcome, "p_memory_available") > 1e6);
    assert_eq!(fact(&outcome, "processor watched for"), "200 ms");
    for metric in ["p_disk_free", "p_disk_free_ratio"] {
        let paths: Vec<_> =
            samples(&outcome, metric).iter().map(|sample| sample.labels["path"].clone()).collect();
        assert_eq!(paths, [".", "/"]);
        assert!(samples(&outcome, metric).iter().all(|sample| sample.measurement.value().unwrap() > 0.0));
    }
    let ratio = samples(&outcome, "p_disk_free_ratio")[1].measurement.value().unwrap();
    // df rounds the used part up to whole percents.
    let df = Command::new("df").args(["--output=pcent", "/"]).output().unwrap();
    let used: f64 = String::from_utf8(df.stdout)
        .unwrap()
        .lines()
        .nth(1)
        .unwrap()
        .trim()
        .trim_end_matches('%')
        .parse()
        .unwrap();
    assert!((100.0 * (1.0 - ratio) - used).abs() <= 1.5, "{ratio} {used}");
}

#[test]
fn a_busy_processor_is_seen() {
    let busy = Running(Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap());
    let outcome = Workspace::new().trusted("{host: {over: 1s}}");
    #[expect(clippy::cast_precision_loss, reason = "a test")]
    let one = 1.0 / std::thread::available_parallelism().unwrap().get() as f64;
    assert!(value(&outcome, "p_cpu") > one / 4.0, "{}", value(&outcome, "p_cpu"));
    drop(busy);
}

#[test]
fn disks_that_say_nothing_are_undecided() {
    let workspace = Workspace::new();
    let ask = |disk: &str| workspace.trusted(&format!("{{host: {{over: 100ms, disks: [{disk}]}}}}"));
    for (disk, why) in [
        ("{path: none}", "none: cannot look at it"),
        ("{path: ., mounted: true}", ".: nothing is mounted there"),
        ("{path: /proc}", "/proc: its file system counts no blocks"),
    ] {
        let outcome = ask(disk);
        assert!(reason(&outcome, "p_disk_free").starts_with(why), "{}", reason(&outcome, "p_disk_free"));
        assert!(reason(&outcome, "p_disk_free_ratio").starts_with(why));
    }
    assert!(reason(&ask("{path: /proc}"), "p_inodes_free").contains("counts no inodes"));
    assert!(reason(&workspace.measure("{host: {}}"), "p_cpu").contains("untrusted"));
}
