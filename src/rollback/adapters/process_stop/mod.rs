//! Processes of one exact executable, stopped and started again.

mod find;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Adapter, Applied, Given, Predicted, PredictedChange, Request, State};
use crate::base::host::{self, Liveness, ProcessIdentity};
use crate::base::processes::Wanted;
use crate::base::{Error, ErrorCode, Result, fault};
use crate::rollback::targets::Fidelity;
use find::running;

/// See the module.
pub struct ProcessStop;

/// What stands there: how many run. Which ones is no part of it, or one that was started again would be another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Running {
    /// How many.
    running: usize,
}

fn value(running: usize) -> Result<serde_json::Value> {
    serde_json::to_value(Running { running })
        .map_err(|error| Error::new(ErrorCode::Bug, format!("a state cannot be written: {error}")))
}

fn shown(count: usize) -> String {
    match count {
        0 => "not running".to_owned(),
        1 => "1 process runs".to_owned(),
        count => format!("{count} processes run"),
    }
}

impl Adapter for ProcessStop {
    fn observe(&self, request: &Request) -> Result<State> {
        let found = running(&find::wanted(request)?);
        if request.keep.is_some() {
            Given(request).note("processes.json", &found)?;
        }
        Ok(State { state: value(found.len())?, shown: shown(found.len()) })
    }

    fn predict(&self, request: &Request) -> Result<Predicted> {
        let given = Given(request);
        let wanted = find::wanted(request)?;
        let found = running(&wanted);
        let mut predicted = Predicted { after: Some(value(0)?), ..Predicted::default() };
        for process in &found {
            predicted.changes.push(PredictedChange {
                place: format!("process {} of {}", process.pid, wanted.shown()),
                from: Some("runs".to_owned()),
                to: Some("stopped".to_owned()),
                fidelity: Fidelity::Predicted,
            });
            predicted.refusals.extend(find::untouchable(process));
        }
        let most = usize::try_from(given.count("most", 1)?).unwrap_or(usize::MAX);
        if found.len() > most {
            predicted.refusals.push(format!("{} processes match, at most {most} may", found.len()));
        }
        if given.list("restart")?.is_empty() && !found.is_empty() {
            let why = "the stop itself: nothing says how it is started again (`restart`)";
            predicted.cannot_be_undone.push(why.to_owned());
        }
        Ok(predicted)
    }

    fn apply(&self, request: &Request) -> Result<Applied> {
        let given = Given(request);
        let wanted = find::wanted(request)?;
        let noted = noted(&given)?;
        let most = usize::try_from(given.count("most", 1)?).unwrap_or(usize::MAX);
        let found = running(&wanted);
        if let Some(stranger) = found.iter().find(|process| !noted.contains(process)) {
            let message =
                format!("process {} was started after the plan was made; nothing was stopped", stranger.pid);
            return Err(Error::new(ErrorCode::Drifted, message));
        }
        if found.len() > most {
            let message = format!("{} processes match, at most {most} may; nothing was stopped", found.len());
            return Err(Error::new(ErrorCode::NotPermitted, message));
        }
        if let Some(why) = found.iter().find_map(find::untouchable) {
            return Err(Error::new(ErrorCode::NotPermitted, why));
        }
        let grace = grace(&given)?;
        for process in &found {
            fault::point("process-stop:before-signal");
            stop(process, grace, given.flag("kill", false)?)?;
        }
        Ok(Applied { detail: Some(format!("{} stopped", found.len())) })
    }

    fn undo(&self, request: &Request) -> Result<Applied> {
        let given = Given(request);
        let before: Running = given.before()?;
        let wanted = find::wanted(request)?;
        let now = running(&wanted).len();
        if now > before.running {
            let message = format!(
                "{} now, and {} before: somebody else started some",
                shown(now),
                shown(before.running)
            );
            return Err(Error::new(ErrorCode::Drifted, message));
        }
        let missing = before.running - now;
        if missing == 0 {
            return Ok(Applied { detail: Some("nothing was stopped".to_owned()) });
        }
        let restart = given.list("restart")?;
        if restart.is_empty() {
            return Err(Error::new(ErrorCode::NotPermitted, "a stop cannot be undone without `restart`")
                .hint("start it by hand, then resume; give the recipe `restart:` for the next time"));
        }
        for _ in 0..missing {
            fault::point("process-stop:before-restart");
            start(&restart, &wanted)?;
        }
        settle(&wanted, before.running, grace(&given)?)?;
        Ok(Applied { detail: Some(format!("{missing} started")) })
    }
}

fn noted(given: &Given<'_>) -> Result<Vec<ProcessIdentity>> {
    given.noted("processes.json")?.ok_or_else(|| {
        Error::new(
            ErrorCode::InvalidData,
            "there is no list of processes: `observe` was not asked to keep anything",
        )
    })
}

fn grace(given: &Given<'_>) -> Result<Duration> {
    let seconds = given.number("grace", 10.0)?;
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| Error::new(ErrorCode::InvalidData, "the parameter `grace` must be a number of seconds"))
}

/// Asks a process to end, waits, and kills it if that is allowed. One that is gone is well.
fn stop(process: &ProcessIdentity, grace: Duration, kill: bool) -> Result<()> {
    let failed =
        |what: &str, error: Errno| Error::io(format!("cannot {what} process {}", process.pid), error.into());
    let number = i32::try_from(process.pid).ok().and_then(Pid::from_raw);
    let number = number.ok_or_else(|| Error::new(ErrorCode::Bug, "a process without a number"))?;
    let handle = match pidfd_open(number, PidfdFlags::empty()) {
        Ok(handle) => handle,
        Err(Errno::SRCH) => return Ok(()),
        Err(error) => return Err(failed("get hold of", error)),
    };
    // The handle stays with the process that had this number when it was opened: if that is ours, so is the handle.
    if process.liveness() != Liveness::Alive {
        return Ok(());
    }
    let send = |signal| match pidfd_send_signal(&handle, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(failed("send a signal to", error)),
    };
    send(Signal::TERM)?;
    if ended(process, grace) {
        return Ok(());
    }
    let seconds = grace.as_secs_f64();
    if !kill {
        let message = format!("process {} still runs {seconds} s after SIGTERM", process.pid);
        return Err(Error::new(ErrorCode::TimedOut, message).hint("allow `kill: true`, or a longer `grace`"));
    }
    send(Signal::KILL)?;
    if ended(process, Duration::from_secs(5)) {
        return Ok(());
    }
    Err(Error::new(ErrorCode::TimedOut, format!("process {} still runs after SIGKILL", process.pid))
        .hint("it waits for a device or a file system; look at `cat /proc/PID/stack`"))
}

fn ended(process: &ProcessIdentity, within: Duration) -> bool {
    until(within, || process.liveness() != Liveness::Alive)
}

fn until(within: Duration, done: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + within;
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts the program in a process group of its own, so that it outlives irctl; nothing of it is waited for.
fn start(argv: &[String], wanted: &Wanted) -> Result<()> {
    let Some((program, arguments)) = argv.split_first() else { return Ok(()) };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(wanted.directory()).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
        .spawn()
        .map(drop)
        .map_err(|error| Error::io(format!("cannot start `{}`", program.escape_debug()), error))
}

/// Waits until as many run as before, and for a moment longer: one that falls over at once has not been started.
fn settle(wanted: &Wanted, count: usize, grace: Duration) -> Result<()> {
    let there = || running(wanted).len() == count;
    let stays = || {
        std::thread::sleep(Duration::from_millis(300));
        there()
    };
    if until(grace, there) && stays() {
        return Ok(());
    }
    let message =
        format!("`restart` was run, but {} within {} s", shown(running(wanted).len()), grace.as_secs_f64());
    Err(Error::new(ErrorCode::Subprocess, message).hint(format!(
        "{} should run: {}; try the `restart` command by hand",
        count,
        wanted.shown()
    )))
}

/// Who this is.
fn this() -> ProcessIdentity {
    host::current()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_was_used_again_is_not_the_process() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let process = host::identity(child.id());
        let second = Duration::from_secs(30);
        for other in [
            ProcessIdentity { started: process.started + 1, ..process.clone() },
            ProcessIdentity { boot: "another".into(), ..process.clone() },
            ProcessIdentity { host: "other.example.org".into(), ..process.clone() },
        ] {
            stop(&other, second, true).unwrap();
            assert!(child.try_wait().unwrap().is_none(), "{other:?}");
        }
        // Its parent has to hear of its end before it is gone: that is this test.
        let waiting = std::thread::spawn(move || child.wait().unwrap());
        stop(&process, second, false).unwrap();
        assert!(!waiting.join().unwrap().success());
        stop(&process, second, false).unwrap();
    }
}
