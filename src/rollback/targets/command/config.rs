//! What users write under `command:` and `recipe:` of a target.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::base::{Duration, SecretReference};
use crate::rollback::adapters::Verb;
use crate::rollback::targets::Fence;

/// Programs that speak JSON: one JSON object on standard input, one on standard output.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandTargetConfig {
    /// What it switches, in a few words; unique among the targets of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The program, and its arguments, that says what is in place. No shell looks at them; `{irctl}` is irctl itself.
    #[schemars(length(min = 1))]
    pub observe: Vec<String>,
    /// The one that says what applying would change; without it a plan can only say that nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minItems" = 1))]
    pub predict: Option<Vec<String>>,
    /// The one that applies.
    #[schemars(length(min = 1))]
    pub apply: Vec<String>,
    /// The one that puts back what was.
    #[schemars(length(min = 1))]
    pub undo: Vec<String>,
    /// The one that tries it on a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minItems" = 1))]
    pub rehearse: Option<Vec<String>>,
    /// How long each may run; 1m otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How long single ones may run, where that differs.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// The parameters that the programs are handed. In texts `{version}`, `{name}`, `{digest}`, `{previous}`,
    /// `{version_dir}`, `{operation}`, `{incident}`, `{reason}`, `{actor}` and `{now}` are filled in.
    #[serde(default)]
    pub with: BTreeMap<String, Parameter>,
    /// Parameters that are secrets, as references. They reach the programs on standard input only.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretReference>,
    /// What keeps two writers apart.
    #[serde(default = "unfenced")]
    pub fence: Fence,
    /// With `fence: claim`, the file or folder that is protected: the lock file stands beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<PathBuf>,
    /// What cannot be undone.
    #[serde(default)]
    pub cannot_be_undone: Vec<String>,
    /// What could undo this behind our back.
    #[serde(default)]
    pub could_undo_this: Vec<String>,
    /// Programs that must be there.
    #[serde(default)]
    pub needs: Vec<String>,
}

/// How long single programs may run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// The one that says what is in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observe: Option<Duration>,
    /// The one that says what would change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predict: Option<Duration>,
    /// The one that applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply: Option<Duration>,
    /// The one that puts back what was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Duration>,
    /// The one that tries it on a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearse: Option<Duration>,
}

/// A recipe and what it is to do.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecipeConfig {
    /// Its name: `config/recipes/NAME.yaml`, or one that irctl ships.
    pub name: String,
    /// Its parameters; `irctl recipe show NAME` lists them.
    #[serde(default)]
    pub with: BTreeMap<String, Parameter>,
}

/// The value of a parameter: text, a number, true or false, or a list of such.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parameter(pub serde_json::Value);

impl JsonSchema for Parameter {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Parameter".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number", "boolean", "array"],
            "items": {"type": ["string", "number", "boolean"]},
            "description": "Text, a number, true or false, or a list of such."
        })
    }
}

/// Where nothing is said.
pub(super) fn unfenced() -> Fence {
    Fence::None
}

impl CommandTargetConfig {
    /// The program that answers a question, if there is one.
    pub(super) fn program(&self, verb: Verb) -> Option<&[String]> {
        match verb {
            Verb::Observe => Some(&self.observe),
            Verb::Predict => self.predict.as_deref(),
            Verb::Apply => Some(&self.apply),
            Verb::Undo => Some(&self.undo),
            Verb::Rehearse => self.rehearse.as_deref(),
        }
    }

    /// How long it may run.
    pub(super) fn limit(&self, verb: Verb) -> std::time::Duration {
        let own = match verb {
            Verb::Observe => self.timeouts.observe,
            Verb::Predict => self.timeouts.predict,
            Verb::Apply => self.timeouts.apply,
            Verb::Undo => self.timeouts.undo,
            Verb::Rehearse => self.timeouts.rehearse,
        };
        own.or(self.timeout).unwrap_or(Duration::minutes(1)).to_std()
    }

    /// What it switches, in a few words.
    pub fn title(&self) -> String {
        let usual = || format!("command {}", self.apply.join(" "));
        let title = self.name.clone().unwrap_or_else(usual);
        match title.char_indices().nth(80) {
            Some((at, _)) => format!("{}…", title.get(..at).unwrap_or_default()),
            None => title,
        }
    }
}
