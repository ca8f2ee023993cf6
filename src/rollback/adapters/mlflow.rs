//! `mlflow-alias`: the alias of a registered model (`champion`), or its stage, through MLflow's REST API.
//!
//! MLflow compares nothing before it sets; it is looked at immediately before, and that is said in the plan.

use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::guard::{self, Standing};
use super::http::{Answer, Credentials, Web};
use super::parameters::{self, Flag, Hidden, Span, Text};
use super::{Adapter, Applied, Predicted, PredictedChange, Request, State};
use crate::base::{Error, ErrorCode, Result, fault};
use crate::rollback::targets::Fidelity;

const NAME: &str = "mlflow-alias";

/// Sets an alias or a stage.
pub struct MlflowAlias;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// The address of the tracking server.
    url: Text,
    /// The registered model.
    model: Text,
    /// The alias to set.
    alias: Option<Text>,
    /// The stage to set, where a registry still works with stages; either this or `alias`.
    stage: Option<Text>,
    /// The number of the version.
    version: Text,
    /// Whether versions that are in the stage are archived; true unless it is said.
    archive: Option<Flag>,
    /// A bearer token, a secret.
    token: Option<Hidden>,
    user: Option<Text>,
    /// The user's password, a secret.
    password: Option<Hidden>,
    timeout: Option<Span>,
}

/// What is switched.
enum What<'a> {
    Alias(&'a str),
    Stage(&'a str),
}

struct Registry<'a> {
    web: Web,
    base: Url,
    parameters: &'a Parameters,
}

impl Parameters {
    fn what(&self) -> Result<What<'_>> {
        match (&self.alias, &self.stage) {
            (Some(alias), None) => Ok(What::Alias(&alias.0)),
            (None, Some(stage)) => Ok(What::Stage(&stage.0)),
            _ => Err(Error::new(
                ErrorCode::InvalidConfiguration,
                format!("{NAME}: exactly one of `alias` and `stage` is to be given"),
            )
            .hint("newer registries have aliases: `alias: champion`")),
        }
    }

    fn registry(&self) -> Result<Registry<'_>> {
        let header =
            self.token.as_ref().map(|token| ("Authorization", format!("Bearer {}", token.0.expose())));
        let basic = self.user.as_ref().map(|user| user.0.as_str()).zip(self.password.as_ref());
        let web = Web::new(NAME, &self.url.0, &Credentials { header, basic }, self.timeout)?;
        let mut base = web.address(&self.url.0)?;
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&format!("{path}/api/2.0/mlflow/"));
        Ok(Registry { web, base, parameters: self })
    }
}

impl Registry<'_> {
    fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Answer> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let body = body.map(|body| body.to_string().into_bytes());
        let answer = self.web.send(method, &url, &[("Content-Type", "application/json")], body)?;
        if !answer.success() {
            return Err(self.web.refused(path, &answer));
        }
        Ok(answer)
    }

    fn model(&self) -> Result<Value> {
        let answer =
            self.call(Method::GET, "registered-models/get", &[("name", &self.parameters.model.0)], None)?;
        answer
            .json(&self.web)?
            .get("registered_model")
            .cloned()
            .ok_or_else(|| self.web.error(ErrorCode::InvalidData, "the answer names no registered model"))
    }

    /// The version that an alias names.
    fn alias(&self, alias: &str) -> Result<Option<String>> {
        let model = self.model()?;
        let aliases = model.get("aliases").and_then(Value::as_array).cloned().unwrap_or_default();
        let named = aliases.iter().find(|entry| entry.get("alias").and_then(Value::as_str) == Some(alias));
        Ok(named.and_then(|entry| text_of(entry.get("version"))))
    }

    /// The stage of each version that has one.
    fn stages(&self) -> Result<BTreeMap<String, String>> {
        let filter = format!("name='{}'", self.parameters.model.0.replace('\'', "\\'"));
        let mut stages = BTreeMap::new();
        let mut page = String::new();
        loop {
            let mut query = vec![("filter", filter.as_str()), ("max_results", "1000")];
            if !page.is_empty() {
                query.push(("page_token", page.as_str()));
            }
            let answer = self.call(Method::GET, "model-versions/search", &query, None)?.json(&self.web)?;
            for version in answer.get("model_versions").and_then(Value::as_array).into_iter().flatten() {
                let stage = text_of(version.get("current_stage")).unwrap_or("None".to_owned());
                if let Some(number) = text_of(version.get("version"))
                    && stage != "None"
                {
                    stages.insert(number, stage);
                }
            }
            match text_of(answer.get("next_page_token")).filter(|token| !token.is_empty()) {
                Some(next) => page = next,
                None => return Ok(stages),
            }
        }
    }

    fn state(&self) -> Result<Value> {
        match self.parameters.what()? {
            What::Alias(alias) => Ok(json!({ "version": self.alias(alias)? })),
            What::Stage(_) => Ok(json!({ "stages": self.stages()? })),
        }
    }

    /// Why this version cannot be named.
    fn refusal(&self) -> Result<Option<String>> {
        let version = &self.parameters.version.0;
        if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Some(format!("`{}` is no number of a model version", version.escape_debug())));
        }
        let query = [("name", self.parameters.model.0.as_str()), ("version", version.as_str())];
        let answer = match self.call(Method::GET, "model-versions/get", &query, None) {
            Ok(answer) => answer.json(&self.web)?,
            Err(error) if error.code == ErrorCode::NotFound => {
                return Ok(Some(format!("{} has no version {version}", self.parameters.model.0)));
            }
            Err(error) => return Err(error),
        };
        let status = answer.pointer("/model_version/status").and_then(Value::as_str);
        Ok(match status {
            Some("READY") | None => None,
            Some(other) => Some(format!("version {version} is not ready: {}", other.escape_debug())),
        })
    }

    fn set_alias(&self, alias: &str, version: Option<&str>) -> Result<()> {
        let name = self.parameters.model.0.as_str();
        match version {
            Some(version) => {
                let body = json!({"name": name, "alias": alias, "version": version});
                self.call(Method::POST, "registered-models/alias", &[], Some(body))
            }
            None => {
                let body = json!({"name": name, "alias": alias});
                self.call(Method::DELETE, "registered-models/alias", &[], Some(body))
            }
        }
        .map(|_| ())
    }

    fn set_stage(&self, version: &str, stage: &str, archive: bool) -> Result<()> {
        let name = self.parameters.model.0.as_str();
        let body = json!({
            "name": name, "version": version, "stage": stage, "archive_existing_versions": archive
        });
        self.call(Method::POST, "model-versions/transition-stage", &[], Some(body)).map(|_| ())
    }

    /// The state that setting leaves.
    fn after(&self, before: &Value) -> Result<Value> {
        let version = self.parameters.version.0.clone();
        let What::Stage(stage) = self.parameters.what()? else {
            return Ok(json!({ "version": version }));
        };
        let mut stages = stages_of(before);
        if self.parameters.archive != Some(Flag(false)) {
            for (_, held) in stages.iter_mut().filter(|(other, held)| **other != version && *held == stage) {
                *held = "Archived".to_owned();
            }
        }
        stages.insert(version, stage.to_owned());
        Ok(json!({ "stages": stages }))
    }
}

fn text_of(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn stages_of(state: &Value) -> BTreeMap<String, String> {
    let stages = state.get("stages").and_then(Value::as_object).into_iter().flatten();
    stages.filter_map(|(version, stage)| Some((version.clone(), stage.as_str()?.to_owned()))).collect()
}

fn shown(state: &Value) -> String {
    match (state.get("version"), state.get("stages")) {
        (Some(Value::String(version)), _) => format!("version {version}"),
        (Some(_), _) => "no version".to_owned(),
        (_, Some(_)) => {
            let each = stages_of(state).into_iter().map(|(version, stage)| format!("{version}: {stage}"));
            each.collect::<Vec<_>>().join(", ")
        }
        _ => "unknown".to_owned(),
    }
}

/// Each version whose stage differs, with its stage in `to`.
fn differing(from: &Value, to: &Value) -> Vec<(String, String)> {
    let (from, to) = (stages_of(from), stages_of(to));
    let versions: std::collections::BTreeSet<_> = from.keys().chain(to.keys()).cloned().collect();
    let stage = |stages: &BTreeMap<String, String>, version: &str| {
        stages.get(version).cloned().unwrap_or("None".to_owned())
    };
    let changed = versions.into_iter().filter(|version| stage(&from, version) != stage(&to, version));
    changed.map(|version| (version.clone(), stage(&to, &version))).collect()
}

impl Adapter for MlflowAlias {
    fn observe(&self, request: &Request) -> Result<State> {
        let parameters: Parameters = parameters::read(NAME, request)?;
        let state = parameters.registry()?.state()?;
        let shown = shown(&state);
        Ok(State { state, shown })
    }

    fn predict(&self, request: &Request) -> Result<Predicted> {
        let parameters: Parameters = parameters::read(NAME, request)?;
        let registry = parameters.registry()?;
        let before = match &request.before {
            Some(before) => before.clone(),
            None => registry.state()?,
        };
        let after = registry.after(&before)?;
        let mut predicted =
            Predicted { refusals: registry.refusal()?.into_iter().collect(), ..Predicted::default() };
        if before != after {
            let what = match parameters.what()? {
                What::Alias(alias) => format!("alias {alias}"),
                What::Stage(stage) => format!("stage {stage}"),
            };
            predicted.changes.push(PredictedChange {
                place: format!("{what} of {}", parameters.model.0),
                from: Some(shown(&before)),
                to: Some(shown(&after)),
                fidelity: Fidelity::Predicted,
            });
        }
        predicted.after = Some(after);
        predicted.warnings.push(
            "MLflow does not compare before it sets: a change by somebody else in the same instant is not noticed"
                .to_owned(),
        );
        predicted.could_undo_this.push("a training or promotion job that sets it again".to_owned());
        Ok(predicted)
    }

    fn apply(&self, request: &Request) -> Result<Applied> {
        let parameters: Parameters = parameters::read(NAME, request)?;
        let registry = parameters.registry()?;
        let current = registry.state()?;
        if guard::apply(NAME, request, &current)? == Standing::After {
            return Ok(Applied { detail: Some("it is so already".to_owned()) });
        }
        if let Some(why) = registry.refusal()? {
            return Err(registry.web.error(ErrorCode::Refused, &why));
        }
        let version = &parameters.version.0;
        fault::point("mlflow-alias:before-set");
        match parameters.what()? {
            What::Alias(alias) => registry.set_alias(alias, Some(version))?,
            What::Stage(stage) => {
                registry.set_stage(version, stage, parameters.archive != Some(Flag(false)))?;
            }
        }
        fault::point("mlflow-alias:after-set");
        Ok(Applied { detail: Some(format!("{} is at version {version}", parameters.model.0)) })
    }

    fn undo(&self, request: &Request) -> Result<Applied> {
        let parameters: Parameters = parameters::read(NAME, request)?;
        let registry = parameters.registry()?;
        let current = registry.state()?;
        if let What::Stage(_) = parameters.what()?
            && between(request, &current)
        {
            // Some versions are back already: a try before this one died half-way.
        } else if guard::undo(NAME, request, &current)? == Standing::Before {
            return Ok(Applied { detail: Some("it is as it was".to_owned()) });
        }
        let before = request.before.clone().unwrap_or_default();
        fault::point("mlflow-alias:before-undo");
        match parameters.what()? {
            What::Alias(alias) => {
                registry.set_alias(alias, before.get("version").and_then(Value::as_str))?;
            }
            What::Stage(_) => {
                for (version, stage) in differing(&current, &before) {
                    registry.set_stage(&version, &stage, false)?;
                    fault::point("mlflow-alias:after-one-stage");
                }
            }
        }
        fault::point("mlflow-alias:after-undo");
        Ok(Applied { detail: Some(format!("back at {}", shown(&before))) })
    }
}

/// Whether each version's stage is that of before or that of after, and not all are of one of them.
fn between(request: &Request, current: &Value) -> bool {
    let (Some(before), Some(after)) = (&request.before, &request.after) else { return false };
    let current_stages = stages_of(current);
    let (before_stages, after_stages) = (stages_of(before), stages_of(after));
    let versions: std::collections::BTreeSet<_> =
        current_stages.keys().chain(before_stages.keys()).chain(after_stages.keys()).collect();
    let known = |version: &&String| {
        let now = current_stages.get(*version);
        now == before_stages.get(*version) || now == after_stages.get(*version)
    };
    before != current && after != current && versions.iter().all(known)
}
