//! A git work tree: a branch that goes back by `reset` or by `revert`, or single paths.
//!
//! Everything is done with the `git` that is installed, by argv. Nothing is ever pushed or fetched. What is uncommitted
//! is kept as a stash before the first file is touched.

mod area;
pub mod bisect;
mod call;
mod commit;
mod config;
mod draft;
mod entries;
mod keep;
mod lock;
mod memo;
mod place;
mod predict;
mod refuse;
mod rehearse;
mod repository;
mod revert;
mod revisions;
mod scratch;
mod snapshot;
mod stage;
mod stash;
mod switch;
mod target;
mod travel;
mod versions;
mod written;

pub use config::{GitConfig, GitMode, ValidateConfig};
pub use scratch::validate;
pub use switch::GitSwitch;
pub use target::GitTarget;
