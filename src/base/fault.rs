//! Fault points: places where a test may kill the process, to see what a crash there leaves behind.
//!
//! `IRCTL_TEST_FAULT=N` kills at the N-th point passed; `IRCTL_TEST_FAULT_LOG=FILE` lists the points passed.
//! Neither is documented for users; without them a point costs one atomic load.

use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

struct Faults {
    at: Option<u64>,
    log: Option<std::path::PathBuf>,
}

static FAULTS: OnceLock<Option<Faults>> = OnceLock::new();
static PASSED: AtomicU64 = AtomicU64::new(0);

fn faults() -> Option<&'static Faults> {
    FAULTS
        .get_or_init(|| {
            let at = std::env::var("IRCTL_TEST_FAULT").ok().and_then(|value| value.parse().ok());
            let log = std::env::var_os("IRCTL_TEST_FAULT_LOG").map(Into::into);
            (at.is_some() || log.is_some()).then_some(Faults { at, log })
        })
        .as_ref()
}

/// Passes a point named `name`; kills this process (SIGKILL, as a power cut would) when a test asked for it here.
pub fn point(name: &str) {
    let Some(faults) = faults() else { return };
    let count = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
    if let Some(path) = &faults.log
        && let Ok(mut file) = fs_err::OpenOptions::new().create(true).append(true).open(path)
    {
        let _ = writeln!(file, "{count} {name}");
    }
    if faults.at == Some(count) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}
