//! Objects of a Kubernetes cluster: the traffic of a Service, a revision of a Deployment, a number of replicas.
//!
//! Every write carries the resource version of the object as it was read: whoever writes in between is noticed by the
//! API itself. What is written is only what is switched; the rest of an object belongs to others.

mod changes;
mod cluster;
mod config;
mod images;
mod moves;
mod objects;
mod plan;
mod readiness;
mod rehearse;
mod resource;
mod revision;
mod switch;
mod traffic;
mod undoers;

use std::path::Path;

pub use crate::base::connect::kubernetes::Access;
pub use config::{KubernetesConfig, ScaleConfig, UndoBy};
pub use switch::KubernetesSwitch;

use self::config::Mode;
use self::plan::{Planned, Site};
use self::rehearse::Tried;
use self::resource::Resource;
use self::undoers::Autoscalers;
use super::{Fence, Fidelity, Goal, Ground, Observed, Prediction, Rehearsed, Staging, SwitchSpec, Target};
use crate::base::{Error, ErrorCode, Result, Untrusted};
use crate::rollback::versions::Version;

/// See [`KubernetesConfig`].
pub struct KubernetesTarget<'a> {
    /// What is configured.
    pub config: &'a KubernetesConfig,
    /// Where it stands.
    pub ground: &'a Ground,
}

impl KubernetesTarget<'_> {
    fn open(&self) -> Result<Site<'_>> {
        Site::open(self.config, self.ground)
    }
}

impl Target for KubernetesTarget<'_> {
    fn kind(&self) -> &'static str {
        "kubernetes"
    }

    fn name(&self) -> String {
        let config = self.config;
        let object = match (&config.service, &config.deployment, &config.scale) {
            (Some(service), ..) => format!("service/{service}"),
            (None, Some(deployment), _) => format!("deployment/{deployment}"),
            (None, None, Some(scale)) => format!("deployment/{} scale", scale.deployment),
            (None, None, None) => "nothing".to_owned(),
        };
        let place: String = [&config.context, &config.namespace]
            .into_iter()
            .flatten()
            .map(|part| format!("{part}/"))
            .collect();
        format!("kubernetes {place}{object}").escape_debug().to_string()
    }

    fn fence(&self) -> Fence {
        Fence::Native
    }

    fn leads(&self) -> bool {
        self.config.undo.is_some() || (self.config.service.is_some() && self.config.deployments.is_some())
    }

    fn versions(&self) -> Result<Vec<Version>> {
        let site = self.open()?;
        match self.config.mode()? {
            Mode::Traffic { .. } => traffic::versions(&site),
            Mode::Revision { deployment } => revision::versions(&site, deployment),
            Mode::Scale(_) => Err(says_nothing(self)),
        }
    }

    fn served(&self) -> Result<Version> {
        let site = self.open()?;
        match self.config.mode()? {
            Mode::Traffic { service } => traffic::served(&site, service),
            Mode::Revision { deployment } => revision::served(&site, deployment),
            Mode::Scale(_) => Err(says_nothing(self)),
        }
    }

    fn find(&self, name: &str) -> Result<Option<Version>> {
        match self.config.mode()? {
            Mode::Revision { deployment } => revision::find(&self.open()?, deployment, name),
            Mode::Traffic { .. } | Mode::Scale(_) => Ok(None),
        }
    }

    fn observe(&self) -> Result<Observed> {
        let site = self.open()?;
        let scalers = Autoscalers::of(&site.cluster)?;
        let called = match self.config.mode()? {
            Mode::Traffic { service } => {
                let (state, shown) = traffic::state(&site, service, &scalers)?;
                return Ok(Observed { digest: objects::digest(&state), shown: Untrusted::new(shown) });
            }
            Mode::Revision { deployment } => deployment,
            Mode::Scale(scale) => &scale.deployment,
        };
        let deployment = site.cluster.need(Resource::Deployment, called)?;
        let state = traffic::deployment_state(&deployment, &scalers);
        // The number of a revision counts up when one comes back; what runs is what it is.
        let images: Vec<_> = objects::images(&objects::template(&deployment)).into_values().collect();
        let replicas = match scalers.for_deployment(called) {
            Some(_) if objects::replicas(&deployment) > 0 => "replicas by load".to_owned(),
            _ => format!("{} replicas", objects::replicas(&deployment)),
        };
        let shown = format!("{}, {replicas}", images.join(" and "));
        Ok(Observed { digest: objects::digest(&state), shown: Untrusted::new(shown) })
    }

    fn predict(&self, goal: &Goal<'_>) -> Result<Prediction> {
        let site = self.open()?;
        let planned = plan::make(&site, goal)?;
        let mut prediction = Prediction { manner: Some(manner(&planned)), ..Default::default() };
        for (object, change) in &planned.moves {
            let tried = rehearse::dry_run(&site, object, change)?;
            let fidelity: Fidelity = tried.fidelity();
            prediction.changes.extend(changes::of(change, objects::name(object), fidelity));
            match tried {
                Tried::Would => {}
                Tried::Unsure(why) => prediction.warnings.push(why),
                Tried::WouldNot(why) => prediction.refusals.push(why),
            }
        }
        prediction.could_undo_this = planned.could_undo_this;
        prediction.warnings.extend(planned.warnings);
        prediction.refusals.extend(planned.refusals);
        Ok(prediction)
    }

    fn stage(&self, goal: &Goal<'_>, staging: &Staging<'_>) -> Result<Vec<SwitchSpec>> {
        let site = self.open()?;
        let planned = plan::make(&site, goal)?;
        if !planned.refusals.is_empty() {
            return Err(Error::new(ErrorCode::Refused, planned.refusals.join("; "))
                .hint("`irctl rollback versions` lists what one can go back to"));
        }
        let within = self.config.ready_within();
        let pin = |(object, change)| {
            KubernetesSwitch::pin(&site.access, &object, change, within, staging).map(SwitchSpec::Kubernetes)
        };
        planned.moves.into_iter().map(pin).collect()
    }

    fn rehearse(&self, goal: &Goal<'_>, _scratch: &Path) -> Result<Vec<Rehearsed>> {
        let site = self.open()?;
        let planned = plan::make(&site, goal)?;
        rehearse::rehearse(&site, &planned)
    }
}

fn manner(planned: &Planned) -> String {
    use self::moves::Move;
    let words = planned.moves.iter().map(|(_, change)| match change {
        Move::Selector(_) => {
            "traffic moves to the other pods within seconds, and open connections stay where they are"
        }
        Move::Replicas(wanted) if wanted.count.after == 0 => "the pods that served are stopped",
        Move::Replicas(_) => "pods are started and waited for",
        Move::Template(_) => "pods are replaced one after the other, as the Deployment's strategy says",
    });
    let words: Vec<_> = words.collect();
    if words.is_empty() { "nothing is to be done".to_owned() } else { words.join("; then ") }
}

fn says_nothing(target: &KubernetesTarget<'_>) -> Error {
    Error::new(ErrorCode::InvalidConfiguration, format!("{} says nothing of versions", target.name()))
}
