//! One write and its way back, pinned: compare, set, wait until it is ready.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::changes;
use super::cluster::Cluster;
use super::images::Image;
use super::moves::{Move, Side};
use super::objects::{name, replicas, revision, uid};
use super::readiness;
use crate::base::connect::kubernetes::{Access, Failure};
use crate::base::untrusted::{Sink, escape};
use crate::base::{Digest, Duration, Error, ErrorCode, Result, fault};
use crate::operation::{Observation, StepContext};
use crate::rollback::targets::{Change, Fidelity, Staging, Switch, SwitchSpec};

/// How often a write is made anew when the object changed in places that are not ours.
const TRIES: u32 = 8;

/// One write, as it is pinned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KubernetesSwitch {
    /// The cluster.
    pub access: Box<Access>,
    /// The name of the object.
    pub name: String,
    /// Its identity: a new object of the same name is another one.
    pub uid: String,
    /// The digest of the rest of its specification when it was planned.
    pub rest: Digest,
    /// The whole object as it was.
    pub image: Image,
    /// What is written.
    pub change: Box<Move>,
    /// How long it may take to be ready.
    pub within: Duration,
}

impl KubernetesSwitch {
    /// Pins a move on an object as it was read, and keeps that object.
    pub fn pin(
        access: &Access,
        object: &Value,
        mut change: Move,
        within: Duration,
        staging: &Staging<'_>,
    ) -> Result<Self> {
        let kind = change.resource().shown();
        let kept = |part: &str, value: &Value| {
            let file = format!("{kind}-{}{part}", name(object));
            Image::keep(staging.images, &file, value)
        };
        let image = kept("", object)?;
        if let Move::Template(template) = &mut change {
            template.template.before = kept("-template-before", &template.template.before.read()?)?;
            template.template.after = kept("-template-after", &template.template.after.read()?)?;
        }
        Ok(Self {
            access: Box::new(access.clone()),
            name: name(object).to_owned(),
            uid: uid(object).to_owned(),
            rest: change.rest(object),
            image,
            change: Box::new(change),
            within,
        })
    }

    fn what(&self) -> String {
        format!("{}/{}", self.change.resource().shown(), self.name)
    }

    /// The object, if it is still the same one.
    fn read(&self, cluster: &Cluster) -> Result<Option<Value>> {
        let object = cluster.get(self.change.resource(), &self.name)?;
        Ok(object.filter(|object| uid(object) == self.uid))
    }

    /// What was planned, what is wanted, and what is there.
    fn drifted(&self, found: &str) -> Error {
        let text = format!(
            "{} was changed by somebody else: planned {}, wanted {}, found {found}",
            self.what(),
            self.change.shown(Side::Before),
            self.change.shown(Side::After),
        );
        Error::new(ErrorCode::Drifted, escape(&text, Sink::Terminal)).hint(format!(
            "`kubectl get {} {} -n {} -o yaml` shows it; what it was stands in {}",
            self.change.resource().shown(),
            self.name,
            self.access.namespace,
            self.image.path.display()
        ))
    }

    fn gone(&self) -> Error {
        self.drifted("another object, or none: it was deleted")
    }

    fn other_spec(&self, object: &Value) -> String {
        format!("{}, with another specification around it", self.change.found(object))
    }

    /// Brings the object to a side. `checked` compares the rest of its specification too, as a switch does and an
    /// undo does not.
    fn bring(&self, cluster: &Cluster, to: Side, checked: bool) -> Result<bool> {
        let from = if to == Side::After { Side::Before } else { Side::After };
        for _ in 0..TRIES {
            let object = self.read(cluster)?.ok_or_else(|| self.gone())?;
            if self.change.stands(&object, to) {
                return Ok(false);
            }
            if !self.change.stands(&object, from) {
                return Err(self.drifted(&self.change.found(&object)));
            }
            if checked && self.change.rest(&object) != self.rest {
                return Err(self.drifted(&self.other_spec(&object)));
            }
            let write = self.change.write(&object, to)?;
            fault::point("kubernetes:before-write");
            let written = cluster.write(&write, false);
            fault::point("kubernetes:after-write");
            match written {
                Ok(answer) if self.change.stands(&answer, to) || write.subresource.is_some() => {
                    return Ok(true);
                }
                Ok(answer) => {
                    return Err(self
                        .drifted(&format!("{}, which the cluster made of it", self.change.found(&answer))));
                }
                // Somebody wrote first. What they wrote decides: our fields, or others.
                Err(Failure::Conflict(_)) => continue,
                Err(Failure::Missing(_)) => return Err(self.gone()),
                Err(Failure::Unanswered(why)) => return self.look_again(cluster, to, &why),
                Err(failure) => return Err(failure.into_error(&format!("writing {}", self.what()))),
            }
        }
        Err(self.drifted("a new state at each of several tries"))
    }

    /// A write was sent and not answered. The object tells whether it arrived; sending it twice would not.
    fn look_again(&self, cluster: &Cluster, to: Side, why: &str) -> Result<bool> {
        let unknown = |found: &str| {
            let text = format!("writing {} was not answered ({why}), and {found}", self.what());
            Error::new(ErrorCode::OutcomeUnknown, text).hint(
                "the write may still arrive; look with `kubectl get`, then `irctl rollback resume` or `abort`",
            )
        };
        match self.read(cluster) {
            Ok(Some(object)) if self.change.stands(&object, to) => Ok(true),
            Ok(Some(object)) => {
                let found = escape(&self.change.found(&object), Sink::Terminal);
                Err(unknown(&format!("what is there is {found}")))
            }
            Ok(None) => Err(self.gone()),
            Err(error) => Err(unknown(&format!("it cannot be looked at: {}", error.message))),
        }
    }

    fn wait(&self, cluster: &Cluster, side: Side) -> Result<()> {
        let within = self.within.to_std();
        match &*self.change {
            Move::Selector(selector) if *selector.ready.at(side) => {
                readiness::traffic(cluster, &self.name, selector.whole.at(side), within)
            }
            Move::Selector(_) => Ok(()),
            Move::Replicas(wanted) => {
                readiness::deployment(cluster, &self.name, *wanted.need.at(side), within)
            }
            Move::Template(wanted) => {
                readiness::deployment(cluster, &self.name, *wanted.need.at(side), within)
            }
        }
    }

    /// Traffic goes only to where somebody answers at this moment, whatever the plan saw.
    fn can_begin(&self, cluster: &Cluster) -> Result<()> {
        let Move::Selector(selector) = &*self.change else { return Ok(()) };
        if !selector.ready.after || readiness::ready_pods(cluster, &selector.whole.after)? > 0 {
            return Ok(());
        }
        let text = format!(
            "no pod with {} is ready any more: the traffic of {} stays where it is",
            self.change.shown(Side::After),
            self.what()
        );
        Err(Error::new(ErrorCode::Refused, escape(&text, Sink::Terminal))
            .hint("look at the pods, then make a new plan, to another version if need be"))
    }

    fn is_ready(&self, cluster: &Cluster, object: &Value) -> Result<bool> {
        let need = match &*self.change {
            Move::Selector(selector) if selector.ready.after => {
                let missing = readiness::traffic_missing(cluster, &self.name, &selector.whole.after)?;
                return Ok(missing.is_none());
            }
            Move::Selector(_) => return Ok(true),
            Move::Replicas(wanted) => wanted.need.after,
            Move::Template(wanted) => wanted.need.after,
        };
        // What will never be ready is not ready; acting again says why.
        Ok(readiness::missing(object, need).is_ok_and(|missing| missing.is_none()))
    }
}

impl Switch for KubernetesSwitch {
    fn id(&self) -> String {
        format!("{}-{}", self.change.resource().shown(), self.name)
    }

    fn describe(&self) -> String {
        let what = match &*self.change {
            Move::Selector(_) => {
                format!("send the traffic of {} to {}", self.what(), self.change.shown(Side::After))
            }
            Move::Replicas(wanted) if wanted.count.after == 0 => format!("scale {} down to 0", self.what()),
            Move::Replicas(wanted) => format!("scale {} to {}", self.what(), wanted.count.after),
            Move::Template(_) => format!("put {} back to {}", self.what(), self.change.shown(Side::After)),
        };
        escape(&what, Sink::Terminal)
    }

    fn observe(&self) -> Result<Observation> {
        let cluster = Cluster::connect(&self.access)?;
        let other = |found: String| Observation::Other {
            before: escape(&self.change.shown(Side::Before), Sink::Terminal),
            after: escape(&self.change.shown(Side::After), Sink::Terminal),
            found: escape(&found, Sink::Terminal),
        };
        let Some(object) = self.read(&cluster)? else {
            return Ok(other("another object, or none: it was deleted".to_owned()));
        };
        Ok(match self.change.side(&object) {
            Some(Side::After) if self.is_ready(&cluster, &object)? => Observation::After,
            // Written, but not ready: acting again writes nothing and waits.
            Some(Side::After) => Observation::Before(None),
            Some(Side::Before) if self.change.rest(&object) == self.rest => {
                Observation::Before(Some(self.image.digest.clone()))
            }
            Some(Side::Before) => other(self.other_spec(&object)),
            None => other(self.change.found(&object)),
        })
    }

    fn act(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        let cluster = Cluster::connect(&self.access)?;
        self.can_begin(&cluster)?;
        let wrote = self.bring(&cluster, Side::After, true)?;
        fault::point("kubernetes:before-ready");
        self.wait(&cluster, Side::After)?;
        Ok((!wrote).then(|| "it was written before; now it is ready".to_owned()))
    }

    fn undo(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        let cluster = Cluster::connect(&self.access)?;
        let wrote = self.bring(&cluster, Side::Before, false)?;
        if !wrote {
            // It may never have been switched; then what is not ready has not to do with us. It may as well have been
            // written back by a process that died before it waited.
            let waited = self.wait(&cluster, Side::Before);
            let said = waited.err().map_or_else(String::new, |error| format!("; {}", error.message));
            return Ok(Some(format!("it was so already{said}")));
        }
        fault::point("kubernetes:before-ready-again");
        match (self.wait(&cluster, Side::Before), &*self.change) {
            (Ok(()), _) => Ok(None),
            // What is undone next may rely on these pods: traffic must not go to where nobody answers.
            (Err(error), Move::Replicas(_) | Move::Selector(_)) => Err(error),
            // A template that is back is back; what it leads to is what was there before.
            (Err(error), Move::Template(_)) => Ok(Some(format!("written; {}", error.message))),
        }
    }

    fn changes(&self) -> Vec<Change> {
        changes::of(&self.change, &self.name, Fidelity::Predicted)
    }

    fn reverse(&self, staging: &Staging<'_>) -> Result<SwitchSpec> {
        let cluster = Cluster::connect(&self.access)?;
        let object = self.read(&cluster)?.ok_or_else(|| self.gone())?;
        if !self.change.stands(&object, Side::After) {
            return Err(self.drifted(&self.change.found(&object)));
        }
        let mut change = Move::clone(&self.change).turned();
        if let Move::Replicas(wanted) = &mut change {
            // By load it may be another number by now, and that is what is to come back.
            wanted.count.before = replicas(&object);
        }
        if let Move::Template(wanted) = &mut change {
            wanted.revision.before = revision(&object);
        }
        Self::pin(&self.access, &object, change, self.within, staging).map(SwitchSpec::Kubernetes)
    }
}
