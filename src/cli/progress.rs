//! A sign of life for what takes longer than a second.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long nothing is shown.
const SILENCE: Duration = Duration::from_secs(1);

/// Shown until it is dropped.
#[derive(Debug, Default)]
pub struct Progress(Option<(Sender<()>, JoinHandle<()>)>);

impl Progress {
    /// Starts showing `text` after a second; never where there is none.
    pub fn start(text: Option<String>) -> Self {
        Self(text.map(|text| {
            let (finished, waiting) = channel::<()>();
            let shown = std::thread::spawn(move || {
                if waiting.recv_timeout(SILENCE) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
                let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
                if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                    bar.set_style(style);
                }
                bar.set_message(text);
                bar.enable_steady_tick(Duration::from_millis(100));
                let _ = waiting.recv();
                bar.finish_and_clear();
            });
            (finished, shown)
        }))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((finished, shown)) = self.0.take() {
            drop(finished);
            let _ = shown.join();
        }
    }
}
