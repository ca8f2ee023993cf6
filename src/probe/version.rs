//! Which version a row belongs to.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::base::Digest;

/// The versions of a service that irctl knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionMap {
    /// The version that serves now.
    pub served: Option<Digest>,
    /// What data calls a version (a label, the hexadecimal SHA-256 of an artifact) and the version it means.
    pub names: BTreeMap<String, Digest>,
    /// Which version serves from which instant on, oldest first.
    pub deployments: Vec<(DateTime<Utc>, Digest)>,
}

/// Where the version of a sample comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VersionSource {
    /// From a column of the data.
    Column,
    /// From the times at which versions were deployed.
    Deployments,
    /// From nothing: the data was taken as that of the served version.
    Adopted,
}
