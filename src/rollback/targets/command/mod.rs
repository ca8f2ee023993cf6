//! Programs that speak JSON, or a recipe made of them: what irctl does not know itself, under the same rules.
//!
//! Programs are called over one strict contract ([`crate::rollback::adapters`]); irctl compares what they say is in
//! place before and after everything they do, so that a program that only believes it has worked is found out.

mod answer;
mod config;
mod problems;
mod recipe;
mod resolve;
mod run;
mod shipped;
mod switch;
mod target;
mod trial;
mod values;

pub use config::{CommandTargetConfig, Parameter, RecipeConfig, Timeouts};
pub use problems::{Problem, ProblemKind};
pub use recipe::{ParameterConfig, ParameterKind, Recipe};
pub use resolve::resolve;
pub use shipped::shipped;
pub use switch::CommandSwitch;
pub use target::CommandTarget;
pub use trial::{Mark, TrialCheck, TrialReport, trial};
pub use values::PLACEHOLDERS;
