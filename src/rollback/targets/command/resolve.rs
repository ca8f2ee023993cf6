//! From a recipe and its parameters to programs that can be called.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::config::{CommandTargetConfig, Parameter, Timeouts};
use super::recipe::{ParameterKind, Recipe};
use crate::base::{Error, ErrorCode, Result, SecretReference};
use crate::rollback::config::CommandConfig;

/// The programs of a recipe with these parameters. Secrets stay references.
///
/// # Errors
/// The first thing that is wrong with the recipe or the parameters, and how many more there are.
pub fn resolve(recipe: &Recipe, with: &BTreeMap<String, Parameter>) -> Result<CommandTargetConfig> {
    let mut problems = recipe.problems();
    problems.extend(recipe.problems_with(with));
    if let Some(first) = problems.first() {
        let more = match problems.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let message = format!("the recipe `{}` cannot be used: {}{more}", recipe.recipe, first.message);
        let usual = || format!("`irctl recipe show {}` lists its parameters", recipe.recipe);
        return Err(Error::new(ErrorCode::InvalidConfiguration, message)
            .hint(first.help.clone().unwrap_or_else(usual)));
    }
    let (plain, secrets) = parameters(recipe, with)?;
    let argv = |program: &CommandConfig| program.command.clone();
    Ok(CommandTargetConfig {
        name: Some(name(recipe, &plain)),
        observe: argv(&recipe.observe),
        predict: recipe.predict.as_ref().map(argv),
        apply: argv(&recipe.apply),
        undo: argv(&recipe.undo),
        rehearse: recipe.rehearse.as_ref().map(argv),
        timeout: None,
        timeouts: Timeouts {
            observe: recipe.observe.timeout,
            predict: recipe.predict.as_ref().and_then(|program| program.timeout),
            apply: recipe.apply.timeout,
            undo: recipe.undo.timeout,
            rehearse: recipe.rehearse.as_ref().and_then(|program| program.timeout),
        },
        fence: recipe.fence,
        claim: recipe.claim.as_ref().and_then(|name| path(&plain, name)),
        with: plain,
        secrets,
        cannot_be_undone: recipe.cannot_be_undone.clone(),
        could_undo_this: recipe.could_undo_this.clone(),
        needs: recipe.needs.clone(),
    })
}

type Parameters = (BTreeMap<String, Parameter>, BTreeMap<String, SecretReference>);

fn parameters(recipe: &Recipe, with: &BTreeMap<String, Parameter>) -> Result<Parameters> {
    let (mut plain, mut secrets) = Parameters::default();
    for (name, parameter) in &recipe.parameters {
        let Some(value) = with.get(name).or(parameter.default.as_ref()) else { continue };
        match value.0.as_str().filter(|_| parameter.secret) {
            Some(reference) => drop(secrets.insert(name.clone(), reference.parse()?)),
            None => drop(plain.insert(name.clone(), value.clone())),
        }
    }
    Ok((plain, secrets))
}

fn path(plain: &BTreeMap<String, Parameter>, name: &str) -> Option<PathBuf> {
    plain.get(name).and_then(|value| value.0.as_str()).map(PathBuf::from)
}

/// The recipe's name and what tells this use of it from others: what must be given and is no secret.
fn name(recipe: &Recipe, plain: &BTreeMap<String, Parameter>) -> String {
    let mut words = vec![recipe.recipe.clone()];
    let telling = |kind| matches!(kind, ParameterKind::Text | ParameterKind::Path | ParameterKind::List);
    for (name, parameter) in recipe.parameters.iter().filter(|(_, parameter)| parameter.required) {
        match plain.get(name).map(|value| &value.0).filter(|_| telling(parameter.kind)) {
            Some(Value::String(text)) => words.push(text.clone()),
            Some(Value::Array(items)) => {
                let items: Vec<_> =
                    items.iter().map(|item| item.as_str().map_or(item.to_string(), str::to_owned)).collect();
                words.push(items.join(","));
            }
            _ => {}
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn recipe() -> Recipe {
        Recipe::parse(
            "recipe: key\ntitle: A key\nparameters:\n  url: {required: true, secret: true}\n  key: {required: true, description: Which key.}\n  \
             folder: {type: path, default: cache}\n  most: {type: number}\nobserve: {command: [a], timeout: 5s}\napply: {command: [b]}\n\
             undo: {command: [c]}\nfence: claim\nclaim: folder\n",
        )
        .unwrap()
    }

    fn with(value: Value) -> BTreeMap<String, Parameter> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn secrets_stay_references_and_defaults_are_filled_in() {
        let config = resolve(&recipe(), &with(json!({"url": "env:URL", "key": "a b"}))).unwrap();
        assert_eq!(config.title(), "key a b");
        assert_eq!(config.secrets["url"], SecretReference::Environment("URL".into()));
        assert!(!config.with.contains_key("url"));
        assert_eq!(config.claim.as_deref(), Some(std::path::Path::new("cache")));
        assert_eq!(config.timeouts.observe, Some(crate::base::Duration::seconds(5)));
    }

    #[test]
    fn every_mistake_is_named_and_no_secret_is_repeated() {
        let recipe = recipe();
        let cases = [
            (json!({"key": "a"}), "needs the parameter `url`"),
            (json!({"url": "redis://:hunter2@example.org", "key": "a"}), "takes a reference, not a value"),
            (json!({"url": "env:U", "key": "a", "most": "3"}), "`most` must be a number, not text"),
            (json!({"url": "env:U", "key": ["a"]}), "`key` must be text, not a list"),
            (json!({"url": "env:U", "key": "a", "folder": "../x"}), "climbs out"),
            (json!({"url": "env:U", "key": "{verison}"}), "nothing fills in `{verison}`"),
            (json!({"url": "env:U", "key": "a", "kee": 1}), "has no parameter `kee`"),
        ];
        for (value, wanted) in cases {
            let error = resolve(&recipe, &with(value)).unwrap_err();
            assert!(error.message.contains(wanted), "{}", error.message);
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_recipe_that_does_not_fit_together_is_refused() {
        let text = "recipe: a\ntitle: A\nobserve: {command: [a]}\napply: {command: []}\nundo: {command: [c]}\nfence: claim\n\
                    parameters: {x: {required: true, default: 1}, y: {type: flag, default: 1}, z: {type: number, secret: true}}\n";
        let problems = Recipe::parse(text).unwrap().problems();
        let pointers: Vec<_> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/parameters/x/default",
                "/parameters/y/default",
                "/parameters/z/type",
                "/apply/command",
                "/fence"
            ]
        );
    }
}
