//! The kinds of steps: what stands under the one key that says what a step does.
//!
//! What changes something is the struct of a rollback target, or the parameters of a shipped recipe; what looks is a
//! probe or a suite. Nothing here is a second form of these.

mod flow;
mod measure;
mod people;
mod program;
mod request;
mod switch;

pub use flow::{CallConfig, ParallelConfig, RollbackStep, ServiceStep, WaitConfig};
pub use measure::{InlineSuite, ProbeStep, ProbeStepDetails, Verification};
pub use people::{ManualConfig, ManualStep, NotifyConfig};
pub use program::{RunConfig, ShellConfig};
pub use request::{HttpStep, RequestConfig};
pub use switch::{CopyConfig, Parameters, ProcessStep, QueryConfig, RecipeUse, RedisStep, SqlStep};
