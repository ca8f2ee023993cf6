//! The programs behind the shipped recipes: `irctl adapter NAME`, each speaking the contract that a user's own
//! programs speak too. A recipe (`config/recipes/NAME.yaml`) says how they are called.

mod argo_rollout;
mod cache_quarantine;
mod compose;
mod contract;
mod given;
mod guard;
mod helm;
mod http;
mod http_flag;
mod keep;
mod kubectl;
mod mlflow;
mod parameters;
mod pip_environment;
mod process_stop;
mod program;
mod redis;
mod systemd;
#[cfg(test)]
mod testing;
mod traffic;

pub use contract::{
    Answer, Applied, CONTRACT, Predicted, PredictedChange, Request, RequestVersion, State, Verb,
};
pub use given::Given;

/// HTTP for others in this room: what asks a service what it serves.
pub(in crate::rollback) mod web {
    pub use super::http::{Credentials, Web};
    pub use super::parameters::Span;
}

use crate::base::{Error, ErrorCode, Result};

/// One program of this kind.
pub trait Adapter {
    /// What is in place. With `request.keep` it also writes into that folder what the way back needs.
    fn observe(&self, request: &Request) -> Result<State>;

    /// What applying would change. Changes nothing.
    fn predict(&self, request: &Request) -> Result<Predicted>;

    /// Applies, if what is in place is `request.before`; what is so already is left so.
    fn apply(&self, request: &Request) -> Result<Applied>;

    /// Puts `request.before` back from what `observe` kept, if what is in place is `request.after` or what an apply
    /// that was interrupted has left.
    fn undo(&self, request: &Request) -> Result<Applied>;

    /// Tries it on a copy in `request.scratch`.
    fn rehearse(&self, _request: &Request) -> Result<Applied> {
        Err(Error::new(ErrorCode::Usage, "this adapter cannot be tried on a copy"))
    }

    /// The answer to a request.
    fn answer(&self, request: &Request) -> Result<Answer> {
        match request.verb {
            Verb::Observe => self.observe(request).map(Answer::State),
            Verb::Predict => self.predict(request).map(Answer::Predicted),
            Verb::Apply => self.apply(request).map(Answer::Applied),
            Verb::Undo => self.undo(request).map(Answer::Applied),
            Verb::Rehearse => self.rehearse(request).map(Answer::Applied),
        }
    }
}

type Make = fn() -> Box<dyn Adapter>;

/// Every adapter: one line each.
#[rustfmt::skip]
const ADAPTERS: &[(&str, Make)] = &[
    ("argo-rollout", || Box::new(argo_rollout::ArgoRollout)),
    ("cache-quarantine", || Box::new(cache_quarantine::CacheQuarantine)),
    ("compose-profile", || Box::new(compose::ComposeProfile)),
    ("helm-release", || Box::new(helm::HelmRelease)),
    ("http-flag", || Box::new(http_flag::HttpFlag)),
    ("mlflow-alias", || Box::new(mlflow::MlflowAlias)),
    ("pip-environment", || Box::new(pip_environment::PipEnvironment)),
    ("process-stop", || Box::new(process_stop::ProcessStop)),
    ("redis-event", || Box::new(redis::RedisEvent)),
    ("redis-key", || Box::new(redis::RedisKey)),
    ("redis-purge", || Box::new(redis::RedisPurge)),
    ("systemd-unit", || Box::new(systemd::SystemdUnit)),
    ("traffic-fraction", || Box::new(traffic::TrafficFraction)),
];

/// The adapter of this name.
pub fn find(name: &str) -> Option<Box<dyn Adapter>> {
    ADAPTERS.iter().find(|(known, _)| *known == name).map(|(_, make)| make())
}

/// The names of all adapters.
pub fn names() -> Vec<&'static str> {
    ADAPTERS.iter().map(|(name, _)| *name).collect()
}
