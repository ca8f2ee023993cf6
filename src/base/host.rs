//! Which machine and which process this is, so that another process can tell whether it still lives.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A process, named so that a reused process number is not taken for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessIdentity {
    /// The host's name.
    pub host: String,
    /// The boot of that host (`/proc/sys/kernel/random/boot_id`), empty where there is none.
    pub boot: String,
    /// The process number.
    pub pid: u32,
    /// When it started, in clock ticks since boot (`/proc/PID/stat`, field 22); 0 where that is not known.
    pub started: u64,
}

/// Whether a process still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// It runs.
    Alive,
    /// It is gone.
    Dead,
    /// It is on another host: this one cannot know.
    Elsewhere,
}

/// The host's name.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// This process.
pub fn current() -> ProcessIdentity {
    identity(std::process::id())
}

/// The process with this number on this host, as it is now.
pub fn identity(pid: u32) -> ProcessIdentity {
    ProcessIdentity { host: host_name(), boot: boot(), pid, started: started(pid).unwrap_or(0) }
}

fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

/// Field 22 of `/proc/PID/stat`, counted after the command name, which may itself hold spaces and parentheses.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

impl ProcessIdentity {
    /// Whether it still runs, as far as this host can tell.
    pub fn liveness(&self) -> Liveness {
        if self.host != host_name() {
            return Liveness::Elsewhere;
        }
        if self.boot != boot() {
            return Liveness::Dead;
        }
        match started(self.pid) {
            Some(started) if self.started == 0 || started == self.started => Liveness::Alive,
            _ => Liveness::Dead,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_a_reused_number_does_not() {
        let me = current();
        assert_eq!(me.liveness(), Liveness::Alive);
        assert_eq!(ProcessIdentity { started: me.started + 1, ..me.clone() }.liveness(), Liveness::Dead);
        assert_eq!(ProcessIdentity { boot: "other".into(), ..me.clone() }.liveness(), Liveness::Dead);
        assert_eq!(
            ProcessIdentity { host: "other.example.org".into(), ..me }.liveness(),
            Liveness::Elsewhere
        );
    }
}
