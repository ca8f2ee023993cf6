//! Drills: a rollback rehearsed on copies, part by part against the budget, and recorded.
//!
//! Nothing that anybody uses is touched: every target rehearses in a scratch folder below the state directory, which
//! goes away with the drill, or with the next one where this one was killed.

mod config;
mod judge;
mod record;
mod run;
mod scratch;

pub use config::DrillConfig;
pub use record::{Drill, DrillPart, Outcome, Share, list, newest};
pub use run::drill;
