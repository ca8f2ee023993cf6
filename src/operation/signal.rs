//! Signals: a hangup detaches, the first Ctrl-C stops at the next safe point, the second is told so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::base::{Error, Result};

/// Whether somebody asked to stop, and whether the terminal is gone.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    requests: Arc<AtomicUsize>,
    hung_up: Arc<AtomicBool>,
}

impl Stop {
    /// Listens to this process's signals from now on; `heard` is told how often a stop was asked for.
    pub fn listen(heard: impl Fn(usize) + Send + 'static) -> Result<Self> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let stop = Self::default();
        let caught = Arc::new(AtomicBool::new(false));
        let failed = |error| Error::io("cannot listen to signals", error);
        signal_hook::flag::register(SIGHUP, Arc::clone(&stop.hung_up)).map_err(failed)?;
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&caught)).map_err(failed)?;
        }
        let requests = Arc::clone(&stop.requests);
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(20));
                if caught.swap(false, Ordering::SeqCst) {
                    heard(requests.fetch_add(1, Ordering::SeqCst) + 1);
                }
            }
        });
        Ok(stop)
    }

    /// Asks to stop, as Ctrl-C does.
    pub fn request(&self) {
        self.requests.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether somebody asked to stop.
    pub fn is_requested(&self) -> bool {
        self.requests.load(Ordering::SeqCst) > 0
    }

    /// Whether the terminal went away: nothing is written to it any more.
    pub fn is_detached(&self) -> bool {
        self.hung_up.load(Ordering::SeqCst)
    }
}
