//! Runbooks: what to do about a symptom, step by step, as it is written, checked and shown.
//!
//! [`RunbookConfig`] is the file. [`problems`] says what makes it no runbook; [`lint`] says what is unwise about one.
//! Whatever a step changes is configured by the struct of the target, recipe, probe or suite that does it, so that a
//! step and a rollback are carried out by the same code.

mod checklist;
mod common;
mod compile;
mod condition;
mod effect;
mod file;
pub mod import;
mod inputs;
pub mod kinds;
pub mod lint;
mod measured;
pub mod problem;
mod problems;
mod secrets;
mod shorthand;
pub mod show;
mod step;
mod template;
mod timeline;
pub mod walk;

pub use checklist::{ChecklistConfig, Moment};
pub use common::{Allowed, Goto, LintConfig, OnCancel, OnFail, Output, RetryConfig, SaveConfig, ValueKind};
pub use compile::{Service, Surroundings, in_surroundings};
pub use condition::{BranchConfig, Condition, ValueCondition};
pub use effect::Effect;
pub use file::{Link, Permission, ReviewBy, RunbookConfig};
pub use inputs::{InputConfig, InputKind};
use measured::unmeasured;
pub use problem::Problem;
use problems::doubtful;
pub use problems::problems;
pub use secrets::{Delivery, SecretConfig};
pub use step::{Kind, StepConfig};
pub use template::{Reference, Template};
pub use timeline::{EscalationConfig, TimelineConfig};
