//! Kubernetes: which cluster, as whom, and requests to its API.

mod access;
mod api;
mod failure;

pub use access::{Access, Place};
pub use api::{Api, Built};
pub use failure::Failure;
