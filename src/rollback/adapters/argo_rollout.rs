//! `argo-rollout`: an Argo Rollout goes back to the pod template of an earlier revision, is aborted, or is paused.
//!
//! It does what `kubectl argo rollouts undo`, `abort` and `pause` do, on the Rollout object itself, so that the change
//! carries the resource version it was made for.

use serde::Deserialize;
use serde_json::{Value, json};

use super::guard::{self, Standing};
use super::kubectl::{Cluster, How, managers};
use super::parameters::{self, Flag, Span, Text};
use super::program::missing;
use super::{Adapter, Applied, Predicted, PredictedChange, Request, State, keep};
use crate::base::{Digest, Error, ErrorCode, Result, fault};
use crate::rollback::targets::Fidelity;

const NAME: &str = "argo-rollout";
const ROLLOUTS: &str = "rollouts.argoproj.io";
const REVISION: &str = "/metadata/annotations/rollout.argoproj.io~1revision";
const HASH: &str = "rollouts-pod-template-hash";
const TEMPLATE: &str = "template.json";

/// Switches an Argo Rollout.
pub struct ArgoRollout;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    rollout: Text,
    namespace: Option<Text>,
    context: Option<Text>,
    kubeconfig: Option<Text>,
    /// The revision whose pod template comes back, or `previous`.
    revision: Option<Text>,
    /// Stops an update that is under way: traffic goes back to the stable version.
    abort: Option<Flag>,
    /// Whether the rollout is to be paused.
    pause: Option<Flag>,
    timeout: Option<Span>,
    program: Option<Text>,
}

impl Parameters {
    fn read(request: &Request) -> Result<Self> {
        let parameters: Self = parameters::read(NAME, request)?;
        let aborts = parameters.abort == Some(Flag(true));
        if aborts == (parameters.revision.is_some() || parameters.pause.is_some()) {
            let why = format!("{NAME}: either `abort: true`, or `revision` and `pause`");
            return Err(Error::new(ErrorCode::InvalidConfiguration, why)
                .hint("going back to a revision ends the update that is under way by itself"));
        }
        Ok(parameters)
    }

    fn cluster(&self) -> Cluster<'_> {
        Cluster {
            adapter: NAME,
            context: &self.context,
            kubeconfig: &self.kubeconfig,
            namespace: &self.namespace,
            timeout: self.timeout,
            program: &self.program,
        }
    }

    fn rollout(&self, request: &Request) -> Result<Value> {
        self.cluster().get(request, ROLLOUTS, &self.rollout.0)
    }

    fn aborts(&self) -> bool {
        self.abort == Some(Flag(true))
    }

    fn state(&self, rollout: &Value) -> Value {
        if self.aborts() {
            return json!({ "aborted": flag(rollout, "/status/abort") });
        }
        json!({
            "template": digest(rollout.pointer("/spec/template").unwrap_or(&Value::Null)),
            "paused": flag(rollout, "/spec/paused"),
        })
    }

    /// The pod template that is to come back.
    fn template(&self, request: &Request, rollout: &Value) -> Result<Option<Value>> {
        let Some(Text(wanted)) = &self.revision else { return Ok(None) };
        let uid = rollout.pointer("/metadata/uid").and_then(Value::as_str);
        let uid = uid.ok_or_else(|| missing("/metadata/uid", "kubectl get"))?;
        let owned = |set: &&Value| {
            let owners = set.pointer("/metadata/ownerReferences").and_then(Value::as_array);
            owners.is_some_and(|owners| owners.iter().any(|owner| owner.get("uid") == Some(&json!(uid))))
        };
        let sets = self.cluster().list(request, "replicasets.apps", &selector(rollout)?)?;
        let mut revisions: Vec<(u64, &Value)> =
            sets.iter().filter(owned).filter_map(|set| Some((revision(set)?, set))).collect();
        revisions.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        // The controller numbers anew what comes back: once planned, it is found by what it is.
        let planned = request.after.as_ref().and_then(|after| after.get("template"));
        let found = match (planned, wanted.as_str()) {
            (Some(planned), _) => revisions
                .iter()
                .find(|(_, set)| template_of(set).is_some_and(|held| json!(digest(&held)) == *planned)),
            (None, "previous") => revisions.get(1),
            (None, number) => revisions.iter().find(|(held, _)| number.parse() == Ok(*held)),
        };
        let Some((_, set)) = found else {
            let have: Vec<_> = revisions.iter().map(|(number, _)| number.to_string()).collect();
            let why = format!(
                "{NAME}: {} has no revision {}; there are {}",
                self.rollout.0,
                wanted.escape_debug(),
                if have.is_empty() { "none".to_owned() } else { have.join(", ") }
            );
            return Err(Error::new(ErrorCode::Refused, why)
                .hint("`spec.revisionHistoryLimit` says how many revisions are kept"));
        };
        let template =
            template_of(set).ok_or_else(|| missing("/spec/template", "kubectl get replicasets"))?;
        Ok(Some(template))
    }

    /// The rollout as it is to be.
    fn wanted(&self, request: &Request, rollout: &Value) -> Result<Value> {
        let template = self.template(request, rollout)?;
        Ok(changed(rollout, self.aborts().then_some(true), template, self.pause.map(|flag| flag.0)))
    }

    fn how(&self, dry_run: bool) -> How {
        How { dry_run, status: self.aborts() }
    }
}

fn flag(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

fn revision(object: &Value) -> Option<u64> {
    object.pointer(REVISION)?.as_str()?.parse().ok()
}

/// The pod template of a ReplicaSet without what the controller adds to it.
fn template_of(set: &Value) -> Option<Value> {
    let mut template = set.pointer("/spec/template").cloned()?;
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(HASH);
    }
    Some(template)
}

/// A digest that does not depend on the order of keys: serde_json's maps are sorted.
fn digest(value: &Value) -> Digest {
    Digest::of(value.to_string().as_bytes())
}

fn selector(rollout: &Value) -> Result<String> {
    let labels = rollout.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let labels = labels.ok_or_else(|| missing("/spec/selector/matchLabels", "kubectl get"))?;
    let pairs = labels.iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)));
    Ok(pairs.collect::<Vec<_>>().join(","))
}

/// The rollout with what is given changed, and nothing else.
fn changed(rollout: &Value, abort: Option<bool>, template: Option<Value>, paused: Option<bool>) -> Value {
    let mut rollout = rollout.clone();
    let mut set = |part: &str, name: &str, value: Option<Value>| {
        let Some(value) = value else { return };
        let Some(map) = rollout.as_object_mut() else { return };
        let part = map.entry(part).or_insert_with(|| json!({}));
        let Some(part) = part.as_object_mut() else { return };
        // False is the same as absent, and absent is how it is written.
        if value == json!(false) {
            part.remove(name);
        } else {
            part.insert(name.to_owned(), value);
        }
    };
    set("status", "abort", abort.map(Value::from));
    set("spec", "template", template);
    set("spec", "paused", paused.map(Value::from));
    rollout
}

fn images(rollout: &Value) -> String {
    let containers = rollout.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    let images = containers.into_iter().flatten().filter_map(|c| c.get("image")?.as_str());
    images.collect::<Vec<_>>().join(", ")
}

impl Adapter for ArgoRollout {
    fn observe(&self, request: &Request) -> Result<State> {
        let parameters = Parameters::read(request)?;
        let rollout = parameters.rollout(request)?;
        keep::write(request, TEMPLATE, &rollout.pointer("/spec/template"))?;
        let phase = rollout.pointer("/status/phase").and_then(Value::as_str).unwrap_or("no phase");
        let number = revision(&rollout).map_or("unknown".to_owned(), |number| number.to_string());
        let shown = format!("{} revision {number} ({phase}): {}", parameters.rollout.0, images(&rollout));
        Ok(State { state: parameters.state(&rollout), shown })
    }

    fn predict(&self, request: &Request) -> Result<Predicted> {
        let parameters = Parameters::read(request)?;
        let rollout = parameters.rollout(request)?;
        let mut predicted = Predicted { could_undo_this: managers(&rollout), ..Predicted::default() };
        if rollout.pointer("/spec/workloadRef").is_some() {
            predicted.refusals.push(format!(
                "{} takes its pods from another object (workloadRef): go back there",
                parameters.rollout.0
            ));
            return Ok(predicted);
        }
        let wanted = match parameters.wanted(request, &rollout) {
            Ok(wanted) => wanted,
            Err(error) if error.code == ErrorCode::Refused => {
                predicted.refusals.push(error.message);
                return Ok(predicted);
            }
            Err(error) => return Err(error),
        };
        let (before, after) = (parameters.state(&rollout), parameters.state(&wanted));
        if before != after {
            let proven =
                match parameters.cluster().change(request, ROLLOUTS, &rollout, &wanted, parameters.how(true))
                {
                    Ok(_) => Fidelity::Proven,
                    Err(error) if error.code == ErrorCode::Refused => {
                        predicted.refusals.push(error.message);
                        Fidelity::Unknown
                    }
                    Err(error) => return Err(error),
                };
            for (key, from) in before.as_object().into_iter().flatten() {
                let to = after.get(key).unwrap_or(&Value::Null);
                if from == to {
                    continue;
                }
                let words = |rollout: &Value, value: &Value| match key.as_str() {
                    "template" => images(rollout),
                    _ => value.to_string(),
                };
                predicted.changes.push(PredictedChange {
                    place: format!("rollout {} {key}", parameters.rollout.0),
                    from: Some(words(&rollout, from)),
                    to: Some(words(&wanted, to)),
                    fidelity: proven,
                });
            }
        }
        if flag(&rollout, "/spec/paused") && parameters.pause != Some(Flag(false)) {
            predicted.warnings.push("the rollout is paused: it does not move until it is resumed".to_owned());
        }
        predicted.after = Some(after);
        Ok(predicted)
    }

    fn apply(&self, request: &Request) -> Result<Applied> {
        let parameters = Parameters::read(request)?;
        let rollout = parameters.rollout(request)?;
        if guard::apply(NAME, request, &parameters.state(&rollout))? == Standing::After {
            return Ok(Applied { detail: Some("it is so already".to_owned()) });
        }
        let wanted = parameters.wanted(request, &rollout)?;
        fault::point("argo-rollout:before-patch");
        parameters.cluster().change(request, ROLLOUTS, &rollout, &wanted, parameters.how(false))?;
        fault::point("argo-rollout:after-patch");
        Ok(Applied { detail: Some(format!("{} takes {}", parameters.rollout.0, images(&wanted))) })
    }

    fn undo(&self, request: &Request) -> Result<Applied> {
        let parameters = Parameters::read(request)?;
        let rollout = parameters.rollout(request)?;
        if guard::undo(NAME, request, &parameters.state(&rollout))? == Standing::Before {
            return Ok(Applied { detail: Some("it is as it was".to_owned()) });
        }
        let before = request.before.clone().unwrap_or_default();
        let held = |name: &str| before.get(name).and_then(Value::as_bool);
        let template: Option<Value> = match parameters.aborts() {
            true => None,
            false => keep::read(request, TEMPLATE)?,
        };
        if !parameters.aborts()
            && template.as_ref().map(|held| json!(digest(held))) != before.get("template").cloned()
        {
            let why = format!("{NAME}: the kept pod template is not the one that was");
            return Err(Error::new(ErrorCode::InvalidData, why)
                .hint("`kubectl argo rollouts undo` goes back by hand"));
        }
        let wanted = changed(&rollout, held("aborted"), template, held("paused"));
        fault::point("argo-rollout:before-undo");
        parameters.cluster().change(request, ROLLOUTS, &rollout, &wanted, parameters.how(false))?;
        fault::point("argo-rollout:after-undo");
        Ok(Applied { detail: Some(format!("{} is as it was", parameters.rollout.0)) })
    }
}
