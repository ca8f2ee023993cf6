//! The service that is acted on, with its configuration narrowed to one phase and one environment.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::config::{PhaseConfig, RollbackConfig, Scalar, ServingConfig, TargetConfig};
use super::targets::declared::DeclaredTarget;
use super::targets::{self, Ground, Target};
use crate::base::{Error, ErrorCode, Result};

/// The service that is acted on, with its configuration. An operation pins a copy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Subject {
    /// Its name.
    pub service: String,
    /// The workspace; every path in the configuration is relative to it.
    pub root: PathBuf,
    /// How it is contained and rolled back.
    pub rollback: RollbackConfig,
    /// How to see what serves.
    pub serving: Option<ServingConfig>,
    /// The suites, as the caller needs them to run them; opaque here.
    #[serde(default)]
    pub suites: Value,
    /// The phase that is rolled back; absent where the service is rolled back as a whole.
    #[serde(default)]
    pub phase: Option<String>,
    /// The environment whose values are used.
    #[serde(default)]
    pub environment: Option<String>,
    /// How many of the targets are the immediate part of a phase.
    #[serde(default)]
    pub immediate: usize,
}

/// Which part of a phase a target belongs to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// It stops the harm.
    Immediate,
    /// It restores the service.
    Recovery,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Part::Immediate => "immediate",
            Part::Recovery => "recovery",
        })
    }
}

impl Subject {
    /// Where its targets stand.
    pub fn ground(&self) -> Ground {
        Ground { root: self.root.clone(), service: self.service.clone() }
    }

    /// Its targets, in the order in which they are switched.
    pub fn targets<'a>(&'a self, ground: &'a Ground) -> Vec<Box<dyn Target + 'a>> {
        self.rollback.targets.iter().map(|config| targets::build(config, ground)).collect()
    }

    /// The target that says which versions there are.
    ///
    /// # Errors
    /// `invalid-configuration` where nothing is to be switched.
    pub fn lead<'a>(&'a self, ground: &'a Ground) -> Result<Box<dyn Target + 'a>> {
        let mut targets = self.targets(ground);
        if let Some(first) = targets.iter().position(|target| target.leads()) {
            return Ok(targets.swap_remove(first));
        }
        if targets.is_empty() {
            return Err(self.nothing_to_switch());
        }
        let configuration = serde_json::to_value(&self.rollback.targets)
            .map_err(|error| Error::new(ErrorCode::Bug, format!("targets: {error}")))?;
        let phase = self.phase.as_ref().map(|phase| format!("before phase {phase}"));
        Ok(Box::new(DeclaredTarget { targets, configuration, title: phase }))
    }

    fn nothing_to_switch(&self) -> Error {
        let error = |text: &str| {
            Error::new(ErrorCode::InvalidConfiguration, format!("`rollback:` of {} {text}", self.service))
        };
        if self.rollback.phases.is_empty() {
            return error("has no targets")
                .hint("targets: [{files: {live: DIR, versions: \"backup_*\", artifacts: [model.json]}}]");
        }
        let known: Vec<_> = self.rollback.phases.keys().map(String::as_str).collect();
        error("has phases, and none was named").hint(format!("--phase NAME; there are: {}", known.join(", ")))
    }

    /// Which part of its phase the target with this number belongs to.
    pub fn part(&self, target: usize) -> Option<Part> {
        self.phase.as_ref()?;
        Some(if target < self.immediate { Part::Immediate } else { Part::Recovery })
    }

    /// The phase as it is configured.
    pub fn phase_config(&self) -> Option<&PhaseConfig> {
        self.rollback.phases.get(self.phase.as_deref()?)
    }

    /// Narrowed to one phase: its targets are switched, and its suite verifies.
    ///
    /// # Errors
    /// `not-found` for a phase that is not configured.
    pub fn narrowed(mut self, phase: &str, only: Option<Part>) -> Result<Self> {
        let Some(config) = self.rollback.phases.get(phase).cloned() else {
            let known: Vec<_> = self.rollback.phases.keys().map(String::as_str).collect();
            let hint = if known.is_empty() { "it has none".to_owned() } else { known.join(", ") };
            return Err(Error::new(
                ErrorCode::NotFound,
                format!("{} has no phase `{}`", self.service, phase.escape_debug()),
            )
            .hint(format!("phases: {hint}")));
        };
        let keep = |part: Part, targets: &[TargetConfig]| match only {
            Some(only) if only != part => Vec::new(),
            _ => targets.to_vec(),
        };
        self.rollback.targets = keep(Part::Immediate, &config.immediate);
        self.immediate = self.rollback.targets.len();
        self.rollback.targets.extend(keep(Part::Recovery, &config.recovery));
        // What was asked for and what there is must give the same: a saved plan only says what there was.
        let only_immediate = self.rollback.targets.len() == self.immediate;
        self.rollback.guards.budget =
            if only_immediate { config.immediate_within } else { config.recovery_within };
        self.rollback.verify = config.verify.or(self.rollback.verify);
        self.phase = Some(phase.to_owned());
        Ok(self)
    }

    /// With the values of one environment: the named one, else the one that the configuration names.
    ///
    /// # Errors
    /// `not-found` for an environment that is not configured; `invalid-configuration` for a value that it lacks.
    pub fn in_environment(mut self, named: Option<&str>) -> Result<Self> {
        let Some(name) = named.or(self.rollback.environment.as_deref()) else {
            return if self.rollback.environments.is_empty() {
                Ok(self)
            } else {
                Err(self.which_environment())
            };
        };
        let name = name.to_owned();
        let Some(values) = self.rollback.environments.get(&name).cloned() else {
            let known: Vec<_> = self.rollback.environments.keys().map(String::as_str).collect();
            let hint = if known.is_empty() { "it has none".to_owned() } else { known.join(", ") };
            return Err(Error::new(
                ErrorCode::NotFound,
                format!("{} has no environment `{}`", self.service, name.escape_debug()),
            )
            .hint(format!("environments: {hint}")));
        };
        let bug = |error: serde_json::Error| Error::new(ErrorCode::Bug, format!("rollback: {error}"));
        let wrong = |part: &str, error: serde_json::Error| {
            Error::new(
                ErrorCode::InvalidConfiguration,
                format!("with the values of environment {name}, `{part}:` is wrong: {error}"),
            )
        };
        // The values themselves are no text that names values.
        let environments = std::mem::take(&mut self.rollback.environments);
        let mut tree = serde_json::to_value(&self.rollback).map_err(bug)?;
        fill(&mut tree, &name, &values)?;
        self.rollback = serde_json::from_value(tree).map_err(|error| wrong("rollback", error))?;
        self.rollback.environments = environments;
        let mut tree = serde_json::to_value(&self.serving).map_err(bug)?;
        fill(&mut tree, &name, &values)?;
        self.serving = serde_json::from_value(tree).map_err(|error| wrong("serving", error))?;
        self.environment = Some(name);
        Ok(self)
    }

    /// With what containment sets left alone by git: a reset would take it for uncommitted work, stash it, and let
    /// consumers back.
    #[must_use]
    pub fn keeping_contained(mut self) -> Self {
        let files = self.rollback.contain.iter().filter_map(|target| match target {
            TargetConfig::Settings(settings) => Some(plain(&settings.file)),
            _ => None,
        });
        let files: Vec<PathBuf> = files.collect();
        let phases =
            self.rollback.phases.values_mut().flat_map(|phase| [&mut phase.immediate, &mut phase.recovery]);
        for target in phases.chain([&mut self.rollback.targets]).flatten() {
            let TargetConfig::Git(git) = target else { continue };
            let repository = plain(&git.repository);
            let inside = files.iter().filter_map(|file| file.strip_prefix(&repository).ok());
            let inside = inside.map(|file| file.display().to_string());
            for file in inside.collect::<Vec<_>>() {
                if !git.keep.contains(&file) {
                    git.keep.push(file);
                }
            }
        }
        self
    }

    fn which_environment(&self) -> Error {
        let known: Vec<_> = self.rollback.environments.keys().map(String::as_str).collect();
        Error::new(ErrorCode::Usage, format!("which environment of {} is meant is missing", self.service))
            .hint(format!(
                "--env NAME, or `environment: NAME` in `rollback:`; there are: {}",
                known.join(", ")
            ))
    }
}

/// A path without `./`.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

/// Puts the values in wherever a text names one, in keys as in values.
fn fill(tree: &mut Value, name: &str, values: &BTreeMap<String, Scalar>) -> Result<()> {
    match tree {
        Value::String(text) => {
            *text = filled(text, name, values)?;
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| fill(item, name, values)),
        Value::Object(map) => {
            for (key, mut value) in std::mem::take(map) {
                fill(&mut value, name, values)?;
                map.insert(filled(&key, name, values)?, value);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// A text with the values put in. What stands in a value is put in as it is: it names no other value.
fn filled(text: &str, name: &str, values: &BTreeMap<String, Scalar>) -> Result<String> {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, named)) = rest.split_once("{values.") {
        let Some((key, after)) = named.split_once('}') else { break };
        let Some(value) = values.get(key) else {
            return Err(Error::new(
                ErrorCode::InvalidConfiguration,
                format!("environment {name} has no value `{}`", key.escape_debug()),
            )
            .hint(format!("environments: {{{name}: {{{key}: …}}}}")));
        };
        out.push_str(before);
        match &value.0 {
            Value::String(text) => out.push_str(text),
            other => out.push_str(&other.to_string()),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(rollback: &str) -> Subject {
        Subject {
            service: "pricing".into(),
            root: "/srv".into(),
            rollback: serde_saphyr::from_str(rollback).unwrap(),
            serving: None,
            suites: Value::Null,
            phase: None,
            environment: None,
            immediate: 0,
        }
    }

    const PHASED: &str = r#"
verify: whole
phases:
  "1":
    immediate: [{settings: {file: "config/{values.where}.yml", set: {feed.source: backup}}}]
    recovery: [{settings: {file: config/client.yml, set: {version: v1}}}]
    verify: feed
environments:
  production: {where: live}
  staging: {where: trial}
"#;

    #[test]
    fn a_phase_brings_its_targets_its_suite_and_its_budget() {
        let whole = subject(PHASED).in_environment(Some("staging")).unwrap().narrowed("1", None).unwrap();
        assert_eq!(whole.rollback.targets.len(), 2);
        assert_eq!(whole.rollback.verify.as_deref(), Some("feed"));
        assert_eq!((whole.part(0), whole.part(1)), (Some(Part::Immediate), Some(Part::Recovery)));
        let ground = whole.ground();
        assert_eq!(whole.targets(&ground)[0].name(), "settings config/trial.yml");
        let now = subject(PHASED).narrowed("1", Some(Part::Immediate)).unwrap();
        assert_eq!((now.rollback.targets.len(), now.immediate), (1, 1));
        assert_eq!(now.rollback.guards.budget.to_std().as_secs(), 15 * 60);
    }

    #[test]
    fn values_are_put_in_once_and_everywhere() {
        let text = r#"
targets:
  - settings: {file: "{values.a}ues.b}.yml", set: {"x.{values.b}": "{values.b}", environments: "{values.b}"}}
environments:
  production: {a: "{val", b: "{values.a}"}
"#;
        let filled = subject(text).in_environment(Some("production")).unwrap();
        let targets = serde_json::to_value(&filled.rollback.targets).unwrap();
        let wanted = serde_json::json!([{"settings": {
            "file": "{values.b}.yml",
            "set": {"x.{values.a}": "{values.a}", "environments": "{values.a}"},
        }}]);
        assert_eq!(targets, wanted);
        assert_eq!(filled.rollback.environments.len(), 1, "what is pinned says where the values came from");
    }

    #[test]
    fn git_leaves_alone_what_containment_sets() {
        let kept = subject(
            "contain: [{settings: {file: ./app/config/mode.yml, set: {mode: halted}}}, {settings: {file: other.yml, set: {a: 1}}}]\ntargets: [{git: {repository: app, keep: [data]}}, {git: {}}]",
        )
        .keeping_contained();
        let keep = |number: usize| match &kept.rollback.targets[number] {
            TargetConfig::Git(git) => git.keep.clone(),
            _ => Vec::new(),
        };
        assert_eq!(keep(0), ["data", "config/mode.yml"]);
        assert_eq!(keep(1), ["app/config/mode.yml", "other.yml"]);
    }

    #[test]
    fn what_is_not_configured_is_named_with_what_is() {
        let error = subject(PHASED).narrowed("9", None).unwrap_err();
        assert_eq!((error.code, error.hint.as_deref()), (ErrorCode::NotFound, Some("phases: 1")));
        let error = subject(PHASED).in_environment(None).unwrap_err();
        assert!(error.hint.unwrap().contains("production, staging"));
        assert!(subject(PHASED).in_environment(Some("moon")).is_err());
        let missing = PHASED.replace("{where: trial}", "{}");
        assert_eq!(
            subject(&missing).in_environment(Some("staging")).unwrap_err().code,
            ErrorCode::InvalidConfiguration
        );
        let subject = subject(PHASED);
        let ground = subject.ground();
        assert!(subject.lead(&ground).is_err_and(|error| error.hint.unwrap().contains("--phase")));
    }
}
