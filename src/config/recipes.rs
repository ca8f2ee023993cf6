//! Recipes: do they fit together, and do the parameters that services hand to them?

use serde_json::Value;
use std::collections::BTreeMap;

use super::diagnostic::code;
use super::finding::Finding;
use super::kind::Kind;
use super::schema::suggestion;
use super::{Broken, Workspace};
use crate::base::Result;
use crate::rollback::targets::command::{CommandTargetConfig, Problem, ProblemKind, RecipeConfig, resolve};

/// Every recipe of the workspace fits together. The shipped ones do.
pub fn own(workspace: &Workspace) -> Vec<Finding> {
    let own = workspace.recipes.iter().filter(|(name, _)| !workspace.shipped_recipes.contains(*name));
    let mut found = Vec::new();
    for (name, recipe) in own {
        found.extend(recipe.problems().into_iter().map(|problem| finding(Kind::Recipe, name, "", problem)));
    }
    found
}

/// Wherever a service names a recipe, it exists and takes what it is handed; and programs written in place of one fit
/// together.
pub fn used(workspace: &Workspace) -> Vec<Finding> {
    let mut found = Vec::new();
    for service in workspace.services.values() {
        let Some(Ok(value)) = service.rollback.as_ref().map(serde_json::to_value) else { continue };
        walk(&value, "/rollback".to_owned(), &mut |key, value, pointer| match key {
            "recipe" => found.extend(recipe(workspace, &service.service, value, pointer)),
            "command" => found.extend(programs(&service.service, value, pointer)),
            _ => {}
        });
    }
    found
}

fn walk(value: &Value, pointer: String, visit: &mut impl FnMut(&str, &Value, &str)) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                visit(key, value, &pointer);
                walk(value, pointer, visit);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, format!("{pointer}/{index}"), visit);
            }
        }
        _ => {}
    }
}

fn recipe(workspace: &Workspace, service: &str, value: &Value, pointer: &str) -> Vec<Finding> {
    let Ok(used) = serde_json::from_value::<RecipeConfig>(value.clone()) else { return Vec::new() };
    let Some(recipe) = workspace.recipes.get(&used.name) else {
        return unknown(workspace, service, &used.name, pointer).into_iter().collect();
    };
    let at = format!("{pointer}/with");
    recipe
        .problems_with(&used.with)
        .into_iter()
        .map(|problem| finding(Kind::Service, service, &at, problem))
        .collect()
}

fn unknown(workspace: &Workspace, service: &str, name: &str, pointer: &str) -> Option<Finding> {
    let broken: &BTreeMap<(Kind, String), Broken> = &workspace.broken;
    if broken.contains_key(&(Kind::Recipe, name.to_owned())) {
        return None;
    }
    let known: Vec<&str> = workspace.recipes.keys().map(String::as_str).collect();
    let help = suggestion(name, &known).unwrap_or_else(|| format!("recipes there are: {}", known.join(", ")));
    let message = format!("there is no recipe `{name}`");
    let pointer = format!("{pointer}/name");
    Some(Finding::error(Kind::Service, service, &pointer, code::DANGLING_REFERENCE, message).help(Some(help)))
}

fn programs(service: &str, value: &Value, pointer: &str) -> Vec<Finding> {
    let Ok(config) = serde_json::from_value::<CommandTargetConfig>(value.clone()) else { return Vec::new() };
    config.problems().into_iter().map(|problem| finding(Kind::Service, service, pointer, problem)).collect()
}

fn finding(kind: Kind, name: &str, base: &str, problem: Problem) -> Finding {
    let code = match problem.kind {
        ProblemKind::Unknown => code::UNKNOWN_KEY,
        ProblemKind::Missing => code::MISSING_KEY,
        ProblemKind::WrongType => code::WRONG_TYPE,
        ProblemKind::SecretValue => code::SECRET_VALUE,
        ProblemKind::Invalid => code::INVALID_VALUE,
    };
    let on_key = matches!(problem.kind, ProblemKind::Unknown);
    let pointer = format!("{base}{}", problem.pointer);
    Finding { on_key, ..Finding::error(kind, name, &pointer, code, problem.message).help(problem.help) }
}

impl Workspace {
    /// The programs of a recipe that is used somewhere, with its parameters; secrets stay references.
    ///
    /// # Errors
    /// A recipe that there is not, or that has errors, and parameters that do not fit.
    pub fn programs(&self, used: &RecipeConfig) -> Result<CommandTargetConfig> {
        resolve(self.recipe(&used.name)?, &used.with)
    }
}
