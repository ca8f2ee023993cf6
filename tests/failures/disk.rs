//! A full disk, a folder that may not be written, a file that may not be read.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::rollback::{LIVE, SERVICE, artifacts, bad_model, unconfigured};
use crate::support::{Run, Workspace, copy_tree};
use crate::{GO, bad_and_good, is_root, unfinished};

/// A disk of its own under a folder, which keeps what was in it; gone when dropped.
struct Disk {
    folder: PathBuf,
}

impl Disk {
    fn under(folder: &Path, kilobytes: usize) -> Self {
        let kept = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder).unwrap();
        copy_tree(folder, kept.path());
        let size = format!("size={kilobytes}k,mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).status();
        assert!(mounted.unwrap().success(), "a tmpfs can be mounted");
        copy_tree(kept.path(), folder);
        Self { folder: folder.to_owned() }
    }

    /// Leaves so many kilobytes free.
    fn fill(&self, free: usize) {
        let filler = self.folder.join("filler");
        let _ = std::fs::remove_file(&filler);
        let wanted = u64::try_from(free).unwrap() * 1024;
        let room = rustix::fs::statvfs(&self.folder).unwrap();
        let available = room.f_bavail * room.f_frsize;
        std::fs::write(&filler, vec![0; usize::try_from(available.saturating_sub(wanted)).unwrap()]).unwrap();
    }

    fn make_room(&self) {
        std::fs::remove_file(self.folder.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}

/// Where no disk can be mounted, a limit on the size of files stands in for it; tests/crash.rs sweeps that.
fn limited(workspace: &Workspace, blocks: usize) -> Run {
    use std::os::unix::process::ExitStatusExt as _;
    let irctl = workspace.command(&GO);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")]);
    command.arg(irctl.get_program()).args(irctl.get_args()).env_clear().current_dir(workspace.root());
    for (name, value) in irctl.get_envs() {
        command.env(name, value.unwrap());
    }
    let output = command.output().unwrap();
    Run {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        status: output.status.code().unwrap_or_else(|| 1000 + output.status.signal().unwrap_or(0)),
    }
}

/// Runs with ever more room on the disk below a folder, until it fits; what it said each time.
fn ever_more_room(folder: fn(&Workspace) -> PathBuf, step: usize) -> Vec<Run> {
    let mut said = Vec::new();
    for round in 0..150 {
        let workspace = bad_model(SERVICE);
        let [bad, good] = bad_and_good(&workspace);
        let disk = is_root().then(|| Disk::under(&folder(&workspace), 4096));
        let run = match &disk {
            Some(disk) => {
                disk.fill(round * step);
                workspace.irctl(&GO)
            }
            None => limited(&workspace, round * step * 2),
        };
        if let Some(disk) = &disk {
            disk.make_room();
        }
        if run.status == 0 {
            assert_eq!(artifacts(&workspace, LIVE), good);
            assert!(round > 0, "the disk was never full");
            return said;
        }
        let text = format!("{}{}", run.stdout, run.stderr);
        let told =
            ["No space left", "os error 28", "File too large", "os error 27", "disk is full", "disk full"];
        assert!(told.iter().any(|words| text.contains(words)), "round {round} does not say why: {text}");
        match unfinished(&workspace) {
            Some(id) => drop(workspace.irctl(&["rollback", "resume", &id, "--quiet"]).expect(0)),
            None => {
                assert_eq!(artifacts(&workspace, LIVE), bad, "round {round}: nothing is half done: {text}");
                workspace.irctl(&GO).expect(0);
            }
        }
        assert_eq!(artifacts(&workspace, LIVE), good, "round {round}");
        said.push(run);
    }
    panic!("it never fits");
}

#[test]
fn a_disk_that_is_full_while_it_stages() {
    // Copies are staged beside what they replace.
    let said = ever_more_room(|workspace| workspace.path("models"), 4);
    for run in &said {
        assert!([10, 11, 12, 69].contains(&run.status), "{run:?}");
    }
}

#[test]
fn a_disk_that_is_full_while_it_journals_or_keeps_what_was() {
    // The journal and the before-images are in the state.
    let said = ever_more_room(Workspace::state, 4);
    for run in &said {
        assert!([10, 11, 12, 69].contains(&run.status), "{run:?}");
    }
    let whole = |run: &Run| format!("{}{}", run.stdout, run.stderr);
    for place in ["plan.json", "journal", "before"] {
        assert!(
            said.iter().any(|run| whole(run).contains(place)),
            "never while it writes {place}: {said:#?}"
        );
    }
}

/// irctl as somebody who is not root.
fn as_nobody(workspace: &Workspace, arguments: &[&str]) -> Run {
    if !is_root() {
        return workspace.irctl(arguments);
    }
    let irctl = workspace.command(arguments);
    // The program of the test may lie where only root can go.
    let program = workspace.path("../irctl");
    if !program.exists() {
        std::fs::hard_link(irctl.get_program(), &program)
            .or_else(|_| std::fs::copy(irctl.get_program(), &program).map(|_| ()))
            .unwrap();
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
    command.args(irctl.get_args()).env_clear().current_dir(workspace.root());
    for (name, value) in irctl.get_envs() {
        command.env(name, value.unwrap());
    }
    let output = command.output().unwrap();
    Run {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        status: output.status.code().unwrap(),
    }
}

/// Everything belongs to nobody, but for what a test takes away.
fn of_nobody() -> Workspace {
    let workspace = bad_model(SERVICE);
    if is_root() {
        let top = workspace.path("..").canonicalize().unwrap();
        let owned = Command::new("chown").args(["-R", "nobody:nogroup"]).arg(top).status().unwrap();
        assert!(owned.success());
    }
    workspace
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn a_folder_that_may_not_be_written() {
    let workspace = of_nobody();
    let [bad, good] = bad_and_good(&workspace);
    set_mode(&workspace.path(LIVE), 0o555);
    let run = as_nobody(&workspace, &GO);
    set_mode(&workspace.path(LIVE), 0o755);
    assert!([10, 69, 77].contains(&run.status), "{run:?}");
    let text = format!("{}{}", run.stdout, run.stderr);
    assert!(text.contains("ermission denied") && text.contains(LIVE), "{text}");
    assert_eq!(artifacts(&workspace, LIVE), bad);
    let again = as_nobody(&workspace, &GO);
    assert_eq!(again.status, 0, "{again:?}");
    assert_eq!(artifacts(&workspace, LIVE), good);
}

/// Rolls back while a file may not be read by whoever does it.
fn without_permission_for(name: &str) -> (Workspace, Run) {
    let workspace = of_nobody();
    let rollout = workspace.read("config/rollout.yml");
    set_mode(&workspace.path(name), 0o000);
    let run = as_nobody(&workspace, &["rollback", "--to", "backup_2026-10-26", "--yes"]);
    set_mode(&workspace.path(name), 0o644);
    let text = format!("{}{}", run.stdout, run.stderr);
    assert!(text.contains("ermission") && text.contains("denied"), "{name}: {text}");
    assert_eq!(unfinished(&workspace), None, "{name}");
    let _ = as_nobody(&workspace, &["release", "--reason", "test", "--quiet"]);
    assert_eq!(workspace.read("config/rollout.yml"), rollout, "{name}");
    (workspace, run)
}

#[test]
fn a_version_that_may_not_be_read_is_not_gone_back_to() {
    let (workspace, run) = without_permission_for(&format!("{LIVE}/backup_2026-10-26/model.json"));
    assert!([12, 65, 69, 77].contains(&run.status), "{run:?}");
    let [live, good] = bad_and_good(&workspace);
    assert_ne!(live, good);
}

/// Consumers cannot be stopped: the plan says so, and a human who says yes to that goes on.
#[test]
fn a_switch_for_consumers_that_may_not_be_read_is_in_the_plan() {
    let (workspace, run) = without_permission_for("config/rollout.yml");
    assert!(run.stdout.contains("contained  NO"), "{run:?}");
    let [live, good] = bad_and_good(&workspace);
    assert_eq!((run.status, live == good), (0, true), "{run:?}");
}

/// A folder without configuration, whose files were written long enough ago to be remembered.
fn settled() -> Workspace {
    let workspace = unconfigured();
    assert!(workspace.shell("find model -exec touch -d '1 hour ago' {} +").success());
    std::thread::sleep(std::time::Duration::from_millis(2100));
    workspace
}

const LOOK: [&str; 5] = ["rollback", "model", "--to", "prev", "--dry-run"];

#[test]
fn the_first_look_of_all_makes_the_state_directory() {
    let workspace = settled();
    let first = workspace.irctl(&LOOK).expect(0);
    assert_eq!(first.stderr, "");
    let states = workspace.path("../home/.local/state/irctl/directories");
    let state = std::fs::read_dir(states).unwrap().next().unwrap().unwrap().path();
    for name in ["digests", "folders"] {
        assert!(state.join(name).is_file(), "{name} is kept");
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(&state.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(workspace.irctl(&LOOK).expect(0).stdout, first.stdout);
}

/// What only saves time is no reason not to roll back: whoever may not keep it is told, and gets the same plan.
#[test]
fn a_state_directory_that_may_not_be_written_keeps_nobody_from_looking() {
    let workspace = settled();
    let expected = workspace.irctl(&LOOK).expect(0).stdout;
    let home = workspace.path("../home");
    std::fs::remove_dir_all(home.join(".local")).unwrap();
    let top = workspace.path("..").canonicalize().unwrap();
    if is_root() {
        let owned = Command::new("chown").args(["-R", "nobody:nogroup"]).arg(&top).status().unwrap();
        assert!(owned.success());
        // What has another owner changed just now.
        std::thread::sleep(std::time::Duration::from_millis(2100));
    }
    // No directory can be made in it; then there is one, and nothing can be written to it.
    for state in [None, Some("irctl")] {
        let (base, mode) = (home.join(".local/state"), 0o555);
        std::fs::create_dir_all(base.join(state.unwrap_or_default())).unwrap();
        if state.is_some() {
            set_mode(&base, 0o755);
            assert!(Command::new("chown").args(["-R", "nobody"]).arg(&base).status().unwrap().success());
            as_nobody(&workspace, &LOOK).expect(0);
            let directories = base.join("irctl/directories");
            let made = std::fs::read_dir(&directories).unwrap().next().unwrap().unwrap().path();
            for name in ["digests", "folders"] {
                std::fs::remove_file(made.join(name)).unwrap();
            }
            set_mode(&made, mode);
        } else {
            set_mode(&base, mode);
        }
        let run = as_nobody(&workspace, &LOOK).expect(0);
        assert_eq!(run.stdout, expected, "{state:?}");
        let said = run.stderr.contains("WARN") && run.stderr.contains("will be read again");
        assert!(said, "{state:?}: {}", run.stderr);
        assert!(run.stderr.contains("ermission denied"), "{state:?}: {}", run.stderr);
    }
}
