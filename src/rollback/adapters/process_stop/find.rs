//! Which processes are meant, and which must not be stopped.

use super::this;
use crate::base::Result;
use crate::base::host::ProcessIdentity;
use crate::base::processes::Wanted;
use crate::rollback::adapters::{Given, Request};

/// Reads the parameters.
///
/// # Errors
/// An interpreter without arguments, and parameters of the wrong kind.
pub fn wanted(request: &Request) -> Result<Wanted> {
    let given = Given(request);
    let executable = given.path("executable")?;
    let directory = given.path_if("directory")?;
    Wanted::new(&executable, given.list("arguments")?, directory.as_deref(), &request.root)
}

/// The processes that are exactly that, sorted by number.
pub fn running(wanted: &Wanted) -> Vec<ProcessIdentity> {
    wanted.look().running
}

/// Why a process must not be stopped, if that is so.
pub fn untouchable(process: &ProcessIdentity) -> Option<String> {
    if process.pid == 1 {
        return Some("process 1 keeps the system alive".to_owned());
    }
    let mut ancestor = Some(this().pid);
    while let Some(number) = ancestor.filter(|number| *number > 1) {
        if number == process.pid {
            return Some(format!("process {number} is irctl, or what started it"));
        }
        ancestor = parent(number);
    }
    None
}

fn parent(number: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::host;

    #[test]
    fn who_started_this_must_not_be_stopped() {
        assert!(untouchable(&this()).is_some());
        let parent = host::identity(parent(std::process::id()).unwrap());
        assert!(untouchable(&parent).is_some());
    }
}
