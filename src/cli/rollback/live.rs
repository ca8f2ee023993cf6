//! The steps of an operation as they happen: on a terminal with a running clock against the budget, plain lines
//! elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::RefCell;
use std::time::Duration;

use crate::base::clock::Elapsed;
use crate::base::untrusted::{Sink, escape};
use crate::cli::output::Output;
use crate::operation::{StepState, StepUpdate};

/// How often the clock is drawn.
const TICK: Duration = Duration::from_millis(100);

/// Shows steps until it is dropped.
pub struct Live<'a> {
    out: &'a Output,
    bar: RefCell<Option<ProgressBar>>,
}

impl<'a> Live<'a> {
    /// For an output.
    pub fn new(out: &'a Output) -> Self {
        Self { out, bar: RefCell::new(None) }
    }

    /// Shows what became of a step.
    pub fn tell(&self, update: &StepUpdate) {
        if update.state == StepState::Started {
            self.start(update);
            return;
        }
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.line(update);
    }

    /// The step that runs, with a clock that goes on.
    fn start(&self, update: &StepUpdate) {
        if !self.out.is_live() {
            return;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
            .with_elapsed(Duration::from_millis(update.elapsed_ms));
        if let Ok(style) = ProgressStyle::with_template("{spinner} T+{elapsed} {prefix}  {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(update.budget_ms.map(|ms| format!("of {}", elapsed(ms))).unwrap_or_default());
        bar.set_message(escape(&update.text, Sink::Terminal));
        bar.enable_steady_tick(TICK);
        *self.bar.borrow_mut() = Some(bar);
    }

    /// One line for a step that is over.
    fn line(&self, update: &StepUpdate) {
        let state = match update.state {
            StepState::Started => return,
            StepState::Done => "done",
            StepState::AlreadyDone => "was done",
            StepState::Failed => "FAILED",
            StepState::Undone => "undone",
            StepState::OverBudget => "OVER BUDGET",
        };
        let detail = update.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
        let said = escape(&format!("{}{detail}", update.text), Sink::Terminal);
        self.out.note(&format!("  {:<9} {state:<8} {said}", since_begun(update.elapsed_ms)));
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn elapsed(milliseconds: u64) -> String {
    Elapsed(chrono::TimeDelta::milliseconds(i64::try_from(milliseconds).unwrap_or(i64::MAX))).to_string()
}

/// `T+0.07 s`; from a minute on as people say it.
fn since_begun(milliseconds: u64) -> String {
    if milliseconds < 60_000 {
        return format!("T+{}.{:02} s", milliseconds / 1000, milliseconds % 1000 / 10);
    }
    format!("T+{}", elapsed(milliseconds))
}
