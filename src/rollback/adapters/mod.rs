//! The programs behind the shipped recipes: `irctl adapter NAME`, each speaking the contract that a user's own
//! programs speak too. A recipe (`config/recipes/NAME.yaml`) says how they are called.

mod argo_rollout;
mod compose;
mod contract;
mod guard;
mod helm;
mod http;
mod http_flag;
mod keep;
mod kubectl;
mod mlflow;
mod parameters;
mod program;
mod redis;
mod systemd;
#[cfg(test)]
mod testing;
mod traffic;

pub use contract::{
    Answer, Applied, CONTRACT, Predicted, PredictedChange, Request, RequestVersion, State, Verb,
};

pub use argo_rollout::ArgoRollout;
pub use compose::ComposeProfile;
pub use helm::HelmRelease;
pub use http_flag::HttpFlag;
pub use mlflow::MlflowAlias;
pub use redis::{RedisEvent, RedisKey, RedisPurge};
pub use systemd::SystemdUnit;
pub use traffic::TrafficFraction;

use crate::base::Result;

/// One program of this kind.
pub trait Adapter {
    /// What is in place. With `request.keep` it also writes into that folder what the way back needs.
    fn observe(&self, request: &Request) -> Result<State>;

    /// What applying would change. Changes nothing.
    fn predict(&self, request: &Request) -> Result<Predicted>;

    /// Applies, if what is in place is `request.before`; what is so already is left so.
    fn apply(&self, request: &Request) -> Result<Applied>;

    /// Puts `request.before` back from what `observe` kept, if what is in place is `request.after`.
    fn undo(&self, request: &Request) -> Result<Applied>;
}
