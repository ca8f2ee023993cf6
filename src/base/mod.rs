//! What every room stands on: time, units, secrets, untrusted text, digests, files, subprocesses, connections, errors.
//!
//! This is, with `cli`, the only room that may look at the environment, the clock or randomness.

pub mod clock;
pub mod connect;
pub mod day;
pub mod digest;
pub mod duration;
pub mod environment;
pub mod error;
pub mod exposition;
pub mod fault;
pub mod file;
pub mod git;
pub mod host;
pub mod identity;
pub mod path;
pub mod process;
pub mod processes;
pub mod secret;
pub mod template;
pub mod unit;
pub mod untrusted;
pub mod verdict;

pub use clock::Clock;
pub use day::Day;
pub use digest::Digest;
pub use duration::Duration;
pub use error::{Error, ErrorCode, Result};
pub use secret::{Secret, SecretReference};
pub use unit::Unit;
pub use untrusted::Untrusted;
pub use verdict::Verdict;
