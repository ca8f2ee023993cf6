//! What is known besides the evidence: what has just begun to serve, what is broken above, which incidents are open.

use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

use super::WarmUp;

/// What is known besides the evidence. Without any of it, a rule is judged by its evidence alone.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    /// When what serves now began to, where it changed or was started anew.
    pub began: Option<Began>,
    /// How long the service is left alone after that, where its rules do not say.
    pub warm_up: Option<WarmUp>,
    /// Metrics that cannot be trusted because something that their probe needs is broken, by name.
    pub blocked: BTreeMap<String, Cause>,
    /// The symptoms that have an open incident of the version that serves, and the rules that it names.
    pub open: BTreeMap<String, BTreeSet<String>>,
}

/// When something began to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Began {
    /// Since when (UTC).
    pub at: DateTime<Utc>,
    /// What happened then: `it was restarted`, `version 1a2b3c serves`.
    pub what: String,
}

/// Something broken that others need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Its name: `probe up`, `dataset/tde`.
    pub name: String,
    /// Why it counts as broken.
    pub why: String,
    /// Whether evidence says that it is broken; otherwise nobody knows how it is. What is only unknown takes nothing
    /// away from a rule that matches.
    pub failed: bool,
}
