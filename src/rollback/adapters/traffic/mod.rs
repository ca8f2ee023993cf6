//! `traffic-fraction`: how much traffic goes where: weights of an Istio VirtualService, of a Gateway API HTTPRoute, the
//! canary weight of an nginx Ingress, or a number behind an address. In one step or in several, with a pause between.

mod place;
mod steps;

use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::guard::{self, Standing};
use super::parameters::{self, Count, Flag, Hidden, Pairs, Span, Text};
use super::{Adapter, Applied, Predicted, PredictedChange, Request, State};
use crate::base::{Error, ErrorCode, Result, fault};
use place::{Held, Where};

const NAME: &str = "traffic-fraction";

/// A weight by name; `None` where none is written.
type Weights = BTreeMap<String, Option<u64>>;

/// Moves traffic.
pub struct TrafficFraction;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// `virtual-service`, `http-route`, `ingress` or `http`.
    kind: Text,
    /// The object.
    name: Option<Text>,
    namespace: Option<Text>,
    context: Option<Text>,
    kubeconfig: Option<Text>,
    program: Option<Text>,
    /// The route or rule, by name or number from 0, where there are several.
    route: Option<Text>,
    /// The weights by the name of where the traffic goes: `stable=100 canary=0`; of an Ingress and of an address
    /// `canary=0`.
    weights: Pairs,
    /// In how many steps; one unless it is said.
    steps: Option<Count>,
    /// How long to wait between steps.
    pause: Option<Span>,
    /// For `http`: the address, the place of the number in its document, and who asks.
    url: Option<Text>,
    pointer: Option<Text>,
    authorization: Option<Hidden>,
    without_etag: Option<Flag>,
    timeout: Option<Span>,
}

fn wrong(why: &str) -> Error {
    Error::new(ErrorCode::InvalidConfiguration, format!("{NAME}: {why}"))
        .hint("see the parameters of `config/recipes/traffic-fraction.yaml`")
}

impl Parameters {
    fn read(request: &Request) -> Result<Self> {
        let parameters: Self = parameters::read(NAME, request)?;
        parameters.wanted()?;
        let steps = parameters.steps();
        if !(1..=100).contains(&steps) {
            return Err(wrong("`steps` is a number from 1 to 100"));
        }
        Ok(parameters)
    }

    fn steps(&self) -> u64 {
        self.steps.map_or(1, |count| count.0)
    }

    fn wanted(&self) -> Result<Weights> {
        let read = |(name, weight): (&String, &String)| {
            let weight: u64 = weight.parse().map_err(|_| wrong("a weight is no whole number"))?;
            Ok((name.clone(), Some(weight)))
        };
        let wanted = self.weights.0.iter().map(read).collect::<Result<Weights>>()?;
        let sum = wanted.values().flatten().try_fold(0_u64, |sum, weight| sum.checked_add(*weight));
        let alone = matches!(self.kind.0.as_str(), "ingress" | "http");
        match sum {
            None => Err(wrong("the weights are too large")),
            _ if wanted.is_empty() => Err(wrong("no weight is given")),
            Some(0) if !alone => Err(wrong("all weights are 0: the traffic would go nowhere")),
            Some(1..=99 | 101..) if self.kind.0 == "virtual-service" => {
                Err(wrong("the weights of a VirtualService add up to 100"))
            }
            Some(101..) if self.kind.0 == "ingress" => Err(wrong("a canary weight is at most 100")),
            _ => Ok(wanted),
        }
    }
}

fn state(weights: &Weights) -> Value {
    json!({ "weights": weights })
}

fn weights_of(state: Option<&Value>) -> Weights {
    let weights = state.and_then(|state| state.get("weights")).and_then(Value::as_object);
    weights.into_iter().flatten().map(|(name, weight)| (name.clone(), weight.as_u64())).collect()
}

fn shown(weights: &Weights) -> String {
    let word = |weight: &Option<u64>| weight.map_or("unset".to_owned(), |weight| weight.to_string());
    weights.iter().map(|(name, weight)| format!("{name} {}", word(weight))).collect::<Vec<_>>().join(", ")
}

/// What is held with the wanted weights in it; those that are not named stay.
fn goal(held: &Held, wanted: &Weights) -> Result<Weights> {
    let mut goal = held.weights.clone();
    for (name, weight) in wanted {
        let Some(place) = goal.get_mut(name) else {
            let have = held.weights.keys().cloned().collect::<Vec<_>>().join(", ");
            let why = format!("{NAME}: no traffic goes to `{}`; there are {have}", name.escape_debug());
            return Err(Error::new(ErrorCode::Refused, why)
                .hint("name the subset or host (VirtualService), or the backend (HTTPRoute)"));
        };
        *place = *weight;
    }
    Ok(goal)
}

impl Adapter for TrafficFraction {
    fn observe(&self, request: &Request) -> Result<State> {
        let parameters = Parameters::read(request)?;
        let held = Where::new(&parameters)?.read(request)?;
        Ok(State { state: state(&held.weights), shown: shown(&held.weights) })
    }

    fn predict(&self, request: &Request) -> Result<Predicted> {
        let parameters = Parameters::read(request)?;
        let place = Where::new(&parameters)?;
        let held = place.read(request)?;
        let mut predicted = Predicted { could_undo_this: held.managers.clone(), ..Predicted::default() };
        let after = match goal(&held, &parameters.wanted()?) {
            Ok(after) => after,
            Err(error) => {
                predicted.refusals.push(error.message);
                return Ok(predicted);
            }
        };
        let fidelity = match place.rehearse(request, &held, &after) {
            Ok(fidelity) => fidelity,
            Err(error) if error.code == ErrorCode::Refused => {
                predicted.refusals.push(error.message);
                crate::rollback::targets::Fidelity::Unknown
            }
            Err(error) => return Err(error),
        };
        let word = |weight: &Option<u64>| weight.map_or("unset".to_owned(), |weight| weight.to_string());
        for (name, to) in &after {
            let from = held.weights.get(name).copied().flatten();
            if from != *to {
                let (from, to) = (Some(word(&from)), Some(word(to)));
                predicted.changes.push(PredictedChange {
                    place: format!("weight of {name}"),
                    from,
                    to,
                    fidelity,
                });
            }
        }
        if parameters.steps() > 1 && !predicted.changes.is_empty() {
            let pause = parameters.pause.map_or(0.0, |span| span.0.as_secs_f64());
            predicted.warnings.push(format!("in {} steps, {pause} s apart", parameters.steps()));
        }
        predicted.after = Some(state(&after));
        Ok(predicted)
    }

    fn apply(&self, request: &Request) -> Result<Applied> {
        let parameters = Parameters::read(request)?;
        let place = Where::new(&parameters)?;
        let mut held = place.read(request)?;
        let (before, after) = (weights_of(request.before.as_ref()), weights_of(request.after.as_ref()));
        let way = steps::way(&before, &after, parameters.steps());
        let done = match way.iter().position(|step| *step == held.weights) {
            Some(done) if request.before.is_some() && request.after.is_some() => done + 1,
            _ => match guard::apply(NAME, request, &state(&held.weights))? {
                Standing::After => return Ok(Applied { detail: Some("it is so already".to_owned()) }),
                Standing::Before => 0,
            },
        };
        for (number, step) in way.iter().enumerate().skip(done) {
            if number > done {
                std::thread::sleep(parameters.pause.map_or_else(Default::default, |span| span.0));
                let now = place.read(request)?;
                if now.weights != held.weights {
                    return Err(guard::drifted(NAME, &state(&held.weights), &state(&now.weights)));
                }
                held = now;
            }
            fault::point("traffic-fraction:before-step");
            held = place.write(request, &held, step)?;
            fault::point("traffic-fraction:after-step");
        }
        Ok(Applied { detail: Some(shown(&after)) })
    }

    fn undo(&self, request: &Request) -> Result<Applied> {
        let parameters = Parameters::read(request)?;
        let place = Where::new(&parameters)?;
        let held = place.read(request)?;
        let (before, after) = (weights_of(request.before.as_ref()), weights_of(request.after.as_ref()));
        // A try that died between two steps left weights that are ours.
        let ours = steps::way(&before, &after, parameters.steps()).contains(&held.weights);
        if !ours && guard::undo(NAME, request, &state(&held.weights))? == Standing::Before {
            return Ok(Applied { detail: Some("it is as it was".to_owned()) });
        }
        fault::point("traffic-fraction:before-undo");
        place.write(request, &held, &before)?;
        fault::point("traffic-fraction:after-undo");
        Ok(Applied { detail: Some(shown(&before)) })
    }
}
