//! How irctl is killed, at how many places, and how that is counted.

use crate::support::{Run, Workspace};
use crate::thoroughness::stride;
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Ended by SIGKILL.
pub const KILLED: i32 = 1009;

/// Every place, or with the other tests about `quick` of them, the same ones each time.
fn places(count: usize, quick: usize) -> Vec<usize> {
    (1..=count).step_by(stride(count.div_ceil(quick.max(1)))).collect()
}

/// How kills ended, for the report.
#[derive(Default)]
pub struct Tally(Mutex<BTreeMap<&'static str, usize>>);

impl Tally {
    /// One more that ended like this.
    pub fn add(&self, ending: &'static str) {
        *self.0.lock().unwrap().entry(ending).or_default() += 1;
    }

    /// How many ended like this.
    pub fn count(&self, ending: &str) -> usize {
        self.0.lock().unwrap().get(ending).copied().unwrap_or(0)
    }

    /// How many kills there were; says how they ended.
    pub fn report(self, what: &str) -> usize {
        let endings = self.0.into_inner().unwrap();
        let kills: usize = endings.values().sum();
        let each: Vec<_> = endings.iter().map(|(ending, count)| format!("{count} {ending}")).collect();
        println!("SWEEP {what}: {kills} kills: {}", each.join(", "));
        kills
    }
}

/// Runs `kill` at each of the places, on four threads.
pub fn at_each(count: usize, quick: usize, kill: impl Fn(usize) + Sync) {
    let places = places(count, quick);
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(place) = places.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let run = std::panic::AssertUnwindSafe(|| kill(*place));
                    if std::panic::catch_unwind(run).is_err() {
                        failures.lock().unwrap().push(*place);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "wrong after a kill at {failures:?} of {count}");
}

/// The names of the fault points that a run passes.
pub fn fault_points(workspace: &Workspace, arguments: &[&str], status: i32) -> Vec<String> {
    let log = workspace.path("../faults");
    workspace.irctl_with(&[("IRCTL_TEST_FAULT_LOG", log.to_str().unwrap())], arguments).expect(status);
    let text = std::fs::read_to_string(&log).unwrap();
    // A child of irctl that is irctl counts for itself.
    let own = text.lines().enumerate().filter(|(at, line)| line.starts_with(&format!("{} ", at + 1)));
    own.map(|(_, line)| line.to_owned()).collect()
}

/// Kills a run at its n-th fault point.
pub fn at_point(workspace: &Workspace, arguments: &[&str], point: usize) {
    let run = workspace.irctl_with(&[("IRCTL_TEST_FAULT", &point.to_string())], arguments);
    assert_eq!(run.status, KILLED, "point {point}: {}{}", run.stdout, run.stderr);
}

fn strace(workspace: &Workspace, options: &[&str], arguments: &[&str]) -> Command {
    let irctl = workspace.command(arguments);
    let mut command = Command::new("strace");
    command.args(["-f", "-qqq"]).args(options).arg(irctl.get_program());
    command.args(irctl.get_args()).env_clear().current_dir(workspace.root());
    for (name, value) in irctl.get_envs() {
        command.env(name, value.unwrap());
    }
    command
}

fn output(mut command: Command) -> Run {
    use std::os::unix::process::ExitStatusExt as _;
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    Run {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        status: output.status.code().unwrap_or_else(|| 1000 + output.status.signal().unwrap_or(0)),
    }
}

/// The calls of a family that the process itself, not its children, makes: the name of each, and which one of that
/// name it is. strace counts each name for itself.
pub fn calls(workspace: &Workspace, family: &str, arguments: &[&str], status: i32) -> Vec<(String, usize)> {
    let log = workspace.path("../calls");
    let trace = format!("trace=execve,{family}");
    let options = ["--seccomp-bpf", "-e", &trace, "-e", "signal=none", "-o", log.to_str().unwrap()];
    output(strace(workspace, &options, arguments)).expect(status);
    let text = std::fs::read_to_string(&log).unwrap();
    let irctl = text.split_whitespace().next().expect("strace writes down what it sees");
    let mut made = BTreeMap::new();
    // A call that another thread's interrupts is on two lines; only the first has its name before the parenthesis.
    let own =
        text.lines().filter_map(|line| line.split_once(char::is_whitespace)).filter(|(by, _)| *by == irctl);
    for (name, _) in own.filter_map(|(_, call)| call.trim_start().split_once('(')) {
        if family.split(',').any(|one| one == name) {
            *made.entry(name.to_owned()).or_insert(0) += 1;
        }
    }
    made.into_iter().flat_map(|(name, count)| (1..=count).map(move |number| (name.clone(), number))).collect()
}

/// Kills a run at its n-th call of a name. Where a child of it came to its own n-th call first, that is killed, and
/// the run goes on from there. (With `--seccomp-bpf`, strace kills nobody.)
pub fn at_call(workspace: &Workspace, name: &str, arguments: &[&str], number: usize) -> Run {
    let (trace, inject) = (format!("trace={name}"), format!("inject={name}:signal=KILL:when={number}"));
    output(strace(workspace, &["-e", &trace, "-e", &inject, "-o", "/dev/null"], arguments))
}
