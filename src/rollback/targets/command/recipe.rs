//! `config/recipes/NAME.yaml`: programs that switch one kind of thing, and the parameters that they take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

use super::config::{Parameter, unfenced};
use crate::rollback::config::CommandConfig;
use crate::rollback::targets::Fence;

/// A recipe.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Its name.
    #[schemars(extend("format" = "name"))]
    pub recipe: String,
    /// What it switches, in one line.
    pub title: String,
    /// How it does that and what it never does, for who is about to use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The parameters it takes, by name.
    #[serde(default)]
    pub parameters: BTreeMap<String, ParameterConfig>,
    /// The program that says what is in place.
    pub observe: CommandConfig,
    /// The one that says what applying would change; without it a plan can only say that nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predict: Option<CommandConfig>,
    /// The one that applies.
    pub apply: CommandConfig,
    /// The one that puts back what was.
    pub undo: CommandConfig,
    /// The one that tries it on a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearse: Option<CommandConfig>,
    /// What keeps two writers apart.
    #[serde(default = "unfenced")]
    pub fence: Fence,
    /// With `fence: claim`, the parameter that names the protected file or folder; the lock file stands beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
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

/// One parameter of a recipe.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParameterConfig {
    /// What kind of value it takes.
    #[serde(rename = "type", default)]
    pub kind: ParameterKind,
    /// Whether it must be given.
    #[serde(default)]
    pub required: bool,
    /// Whether it is a secret: it then takes a reference (`env:NAME`, `file:PATH`, `cmd:[…]`), never a value.
    #[serde(default)]
    pub secret: bool,
    /// Its value where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Parameter>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What kind of value a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParameterKind {
    /// Text.
    #[default]
    Text,
    /// A number.
    Number,
    /// true or false.
    Flag,
    /// A list of texts and numbers.
    List,
    /// The path of a file or folder: absolute, or relative to the workspace; never with `..`.
    Path,
}

impl fmt::Display for ParameterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ParameterKind::Text => "text",
            ParameterKind::Number => "number",
            ParameterKind::Flag => "flag",
            ParameterKind::List => "list",
            ParameterKind::Path => "path",
        })
    }
}

impl ParameterKind {
    /// The kind with an article, for messages.
    pub(super) fn wanted(self) -> &'static str {
        match self {
            ParameterKind::Text => "text",
            ParameterKind::Number => "a number",
            ParameterKind::Flag => "true or false",
            ParameterKind::List => "a list",
            ParameterKind::Path => "a path",
        }
    }

    /// Whether a value is of this kind.
    pub(super) fn takes(self, value: &serde_json::Value) -> bool {
        match self {
            ParameterKind::Text | ParameterKind::Path => value.is_string(),
            ParameterKind::Number => value.is_number(),
            ParameterKind::Flag => value.is_boolean(),
            ParameterKind::List => value.is_array(),
        }
    }
}

impl Recipe {
    /// Reads the text of a recipe file, without the places of its errors: for tests and the shipped ones.
    ///
    /// # Errors
    /// What is no recipe.
    pub fn parse(yaml: &str) -> crate::base::Result<Self> {
        serde_yaml::from_str(yaml).map_err(|error| {
            crate::base::Error::new(
                crate::base::ErrorCode::InvalidConfiguration,
                format!("this is no recipe: {error}"),
            )
            .hint(
                "`irctl config check` shows the place; `irctl config schema recipe` says what belongs in it",
            )
        })
    }
}
