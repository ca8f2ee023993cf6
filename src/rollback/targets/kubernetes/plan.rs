//! What is to be written for a goal, in which order, and what speaks against it.

use serde_json::Value;

use super::cluster::Cluster;
use super::config::{KubernetesConfig, Mode};
use super::moves::{Move, Pair, ReplicasMove};
use super::objects::{name, replicas};
use super::readiness::{Need, was_ready};
use super::resource::Resource;
use super::undoers::{self, Autoscalers};
use super::{revision, traffic};
use crate::base::Result;
use crate::base::connect::kubernetes::Access;
use crate::rollback::targets::{Goal, Ground};

/// A configured target with its cluster.
pub struct Site<'a> {
    /// What is configured.
    pub config: &'a KubernetesConfig,
    /// Where the cluster is.
    pub access: Access,
    /// The cluster.
    pub cluster: Cluster,
}

impl<'a> Site<'a> {
    /// Connects.
    pub fn open(config: &'a KubernetesConfig, ground: &Ground) -> Result<Self> {
        config.check()?;
        let (access, connection) = Access::find(&config.place(), &ground.root)?;
        let cluster = Cluster::with(&access, connection)?;
        Ok(Self { config, access, cluster })
    }
}

/// What is to be written, each on the object as it was read.
#[derive(Default)]
pub struct Planned {
    /// The moves, in their order.
    pub moves: Vec<(Value, Move)>,
    /// What could undo them.
    pub could_undo_this: Vec<String>,
    /// What a human should know.
    pub warnings: Vec<String>,
    /// Why it cannot be done.
    pub refusals: Vec<String>,
}

impl Planned {
    /// Plans a change of a Deployment's replicas.
    pub fn scale(&mut self, deployment: &Value, count: i64, need: Need, scalers: &Autoscalers) {
        let autoscaler = scalers.for_deployment(name(deployment));
        if let Some(scaler) = &autoscaler {
            self.could_undo_this.push(undoers::scaling(deployment, count, scaler));
        }
        let change = Move::Replicas(ReplicasMove {
            count: Pair { before: replicas(deployment), after: count },
            need: Pair { before: was_ready(deployment), after: need },
            autoscaler,
        });
        self.add(deployment, change);
    }

    /// Plans a move, and finds who could undo it.
    pub fn add(&mut self, object: &Value, change: Move) {
        self.could_undo_this.extend(undoers::of(change.resource(), object));
        self.moves.push((object.clone(), change));
    }
}

/// Plans what a configuration asks for.
pub fn make(site: &Site<'_>, goal: &Goal<'_>) -> Result<Planned> {
    let scalers = Autoscalers::of(&site.cluster)?;
    let mut planned = match site.config.mode()? {
        Mode::Traffic { service } => traffic::plan(site, service, goal, &scalers)?,
        Mode::Revision { deployment } => revision::plan(site, deployment, goal)?,
        Mode::Scale(wanted) => {
            let mut planned = Planned::default();
            let deployment = site.cluster.need(Resource::Deployment, &wanted.deployment)?;
            let count = i64::from(wanted.replicas);
            if replicas(&deployment) != count {
                let need = if count == 0 { Need::Empty } else { Need::Ready(count) };
                planned.scale(&deployment, count, need, &scalers);
            }
            planned
        }
    };
    if let Some(why) = &scalers.unknown {
        planned
            .warnings
            .push(format!("whether something scales the Deployments by load is not known: {why}"));
    }
    Ok(planned)
}
