//! The recipes that come with irctl: one line each. A file of the same name in `config/recipes` replaces one.

/// Name and YAML.
#[rustfmt::skip]
pub const fn shipped() -> &'static [(&'static str, &'static str)] {
    &[
        ("argo-rollout", include_str!("../../../../config/recipes/argo-rollout.yaml")),
        ("cache-quarantine", include_str!("../../../../config/recipes/cache-quarantine.yaml")),
        ("compose-profile", include_str!("../../../../config/recipes/compose-profile.yaml")),
        ("helm-release", include_str!("../../../../config/recipes/helm-release.yaml")),
        ("http-flag", include_str!("../../../../config/recipes/http-flag.yaml")),
        ("mlflow-alias", include_str!("../../../../config/recipes/mlflow-alias.yaml")),
        ("pip-environment", include_str!("../../../../config/recipes/pip-environment.yaml")),
        ("process-stop", include_str!("../../../../config/recipes/process-stop.yaml")),
        ("redis-event", include_str!("../../../../config/recipes/redis-event.yaml")),
        ("redis-key", include_str!("../../../../config/recipes/redis-key.yaml")),
        ("redis-purge", include_str!("../../../../config/recipes/redis-purge.yaml")),
        ("systemd-unit", include_str!("../../../../config/recipes/systemd-unit.yaml")),
        ("traffic-fraction", include_str!("../../../../config/recipes/traffic-fraction.yaml")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollback::targets::command::Recipe;

    #[test]
    fn every_shipped_recipe_fits_together_under_its_name() {
        for (name, yaml) in shipped() {
            let recipe = Recipe::parse(yaml).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(recipe.recipe, *name);
            assert_eq!(recipe.problems(), [], "{name}");
            assert!(recipe.description.is_some(), "{name}");
            for (parameter, config) in &recipe.parameters {
                assert!(config.description.is_some(), "{name}: {parameter}");
            }
        }
    }

    #[test]
    fn every_shipped_recipe_calls_an_adapter_that_is_there() {
        for (name, yaml) in shipped() {
            let recipe = Recipe::parse(yaml).unwrap();
            let programs = [
                Some(recipe.observe),
                recipe.predict,
                Some(recipe.apply),
                Some(recipe.undo),
                recipe.rehearse,
            ];
            for program in programs.into_iter().flatten() {
                if let [irctl, command, adapter, ..] = program.command.as_slice()
                    && irctl == "{irctl}"
                    && command == "adapter"
                {
                    assert!(crate::rollback::adapters::find(adapter).is_some(), "{name}: {adapter}");
                }
            }
        }
    }
}
