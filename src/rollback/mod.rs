//! Rollback: versions, candidates, guards, the plan; compiled to an operation.
//!
//! The order is fixed: claim → contain → resolve → guards → stage → plan → yes → backup → switch → activate and
//! prove → verify → release, provisionally → record. [`prepare`] does all up to the plan, [`execute`] the rest.

pub mod adapters;
mod asserting;
pub mod bisect;
pub mod candidates;
pub mod claims;
pub mod conclude;
pub mod config;
pub mod contain;
pub mod copying;
pub mod digests;
pub mod drill;
pub mod environment;
pub mod evaluate;
pub mod evidence;
pub mod execute;
mod folder;
pub mod folders;
pub mod follow;
pub mod guards;
pub mod history;
pub mod layout;
mod leavings;
mod locks;
pub mod metadata;
pub mod phases;
pub mod plan;
pub mod planning;
pub mod prepare;
pub mod quarantine;
mod remembered;
pub mod saved;
pub mod serving;
pub mod settings;
pub mod settings_edit;
pub mod snapshot;
pub mod stage;
pub mod steps;
pub mod subject;
pub mod targets;
pub mod undo;
pub mod versions;
pub mod watch;

pub use candidates::Selector;
pub use conclude::RollbackOutcome;
pub use config::{RollbackConfig, ServingConfig};
pub use contain::{ContainOutcome, Containment, contain, release};
pub use environment::{Environment, FailingRule, Request, Subject, VerifyOutcome, VersionName};
pub use execute::{abort, execute, refuse, resume};
pub use follow::{attach, status};
pub use plan::Plan;
pub use planning::dry_run;
pub use prepare::{Prepared, prepare};
pub use saved::SavedPlan;
pub use serving::{Served, known_versions, served, version_map};
pub use subject::Part;
pub use undo::{Reversal, prepare_reversal};
pub use watch::{Watch, due_watches};
