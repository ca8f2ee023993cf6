//! irctl: incident response from the command line.
//!
//! The library never touches the terminal, the environment or the clock; only [`cli`] and [`base`] do.
//! Imports run one way: `cli → check, report, postmortem → runbook → rollback → verify, operation, notify →
//! severity, incident, probe → store → base`; `config` composes the configuration of the rooms below it.

#![warn(missing_docs)]
// What comes from outside may be anything; a panic is not an answer to it.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

pub mod base;
pub mod check;
pub mod cli;
pub mod config;
pub mod incident;
pub mod notify;
pub mod operation;
pub mod postmortem;
pub mod probe;
pub mod report;
pub mod rollback;
pub mod runbook;
pub mod severity;
pub mod store;
pub mod verify;
