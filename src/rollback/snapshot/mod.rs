//! Snapshots: a known-good version over all targets of a service, as one bundle with one digest.
//!
//! `STATE/snapshots/bundles/SERVICE/SNAP-…/manifest.json` says what was in place; the bytes that nothing else keeps
//! stand in `STATE/snapshots/blobs`, by digest, so that the same bytes are kept once.

mod blobs;
pub mod conceal;
mod config;
mod manifest;
pub mod readiness;
pub mod rehash;
mod remove;
mod settle;
mod shelf;
mod take;
mod verify;
pub mod work_tree;

pub use config::{BackupConfig, SnapshotConfig};
pub use manifest::{KeptFile, Snapshot, Stored, TargetRecord};
pub use remove::{Removed, remove};
pub use settle::settle;
pub use shelf::{Found, find, list, newest};
pub use take::{Asked, take};
pub use verify::{Fault, FaultKind, Verification, verify};
