//! What is wrong with a target that can be told from its configuration alone.

use std::ops::Range;

use super::command::PLACEHOLDERS;
use super::git::GitMode;
use super::sql::SqlChange;
use crate::base::{Error, ErrorCode, Result};
use crate::rollback::config::{Scalar, TargetConfig};
use crate::rollback::settings_edit::Format;

/// The placeholders that have a value while consumers are stopped, when no version is gone to.
const WHILE_CONTAINING: [&str; 5] = ["operation", "incident", "reason", "actor", "now"];

/// The placeholders that stand for the version that is gone to.
const OF_A_VERSION: [&str; 4] = ["version", "name", "digest", "version_dir"];

/// A text of a target that is filled in.
#[derive(Debug)]
pub struct Template<'a> {
    /// Where it stands: a JSON pointer from the target's value on.
    pub pointer: String,
    /// The text.
    pub text: &'a str,
    /// Whether `{service}` is known as well.
    pub knows_service: bool,
}

/// A mistake in a template.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// The bytes to blame.
    pub span: Range<usize>,
    /// One sentence.
    pub message: String,
    /// The words that are known there.
    pub known: Vec<&'static str>,
    /// The word that is not.
    pub word: String,
}

impl Template<'_> {
    /// The first placeholder that is not known, or a brace that is not closed. `{values.NAME}` is somebody else's.
    pub fn fault(&self, containing: bool) -> Option<Fault> {
        let mut known: Vec<&'static str> =
            if containing { WHILE_CONTAINING.to_vec() } else { PLACEHOLDERS.to_vec() };
        if self.knows_service {
            known.push("service");
        }
        for (span, word) in words(self.text) {
            let Some(word) = word else {
                let message = "a brace is not closed".to_owned();
                return Some(Fault { span, message, known, word: String::new() });
            };
            if known.contains(&word) || word.starts_with("values.") {
                continue;
            }
            let shown = word.escape_debug();
            let message = if containing && PLACEHOLDERS.contains(&word) {
                format!("`{{{shown}}}` has no value while consumers are stopped: no version is gone to yet")
            } else {
                format!("there is no placeholder `{{{shown}}}`")
            };
            return Some(Fault { span, message, known, word: word.to_owned() });
        }
        None
    }

    /// The first placeholder that stands for the version that is gone to.
    pub fn names_version(&self) -> Option<(Range<usize>, &str)> {
        words(self.text)
            .find_map(|(span, word)| Some((span, word.filter(|word| OF_A_VERSION.contains(word))?)))
    }
}

/// Each `{word}` with its place; no word where a brace is not closed.
fn words(text: &str) -> impl Iterator<Item = (Range<usize>, Option<&str>)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let open = from + text.get(from..)?.find('{')?;
        let Some(length) = text.get(open + 1..)?.find('}') else {
            from = text.len();
            return Some((open..text.len(), None));
        };
        let close = open + 1 + length;
        from = close + 1;
        Some((open..from, text.get(open + 1..close)))
    })
}

/// `/a~1b` for `a/b`.
fn step(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

impl TargetConfig {
    /// Its kind, as the configuration names it.
    pub fn kind(&self) -> &'static str {
        match self {
            TargetConfig::Files(_) => "files",
            TargetConfig::Settings(_) => "settings",
            TargetConfig::Registry(_) => "registry",
            TargetConfig::Git(_) => "git",
            TargetConfig::Sql(_) => "sql",
            TargetConfig::Kubernetes(_) => "kubernetes",
            TargetConfig::Command(_) => "command",
            TargetConfig::Recipe(_) => "recipe",
        }
    }

    /// Whether stopping consumers can be done with it: what goes back to a version cannot.
    pub fn can_contain(&self) -> bool {
        match self {
            TargetConfig::Files(_) | TargetConfig::Registry(_) | TargetConfig::Git(_) => false,
            TargetConfig::Kubernetes(kubernetes) => {
                kubernetes.undo.is_none() && kubernetes.deployments.is_none()
            }
            _ => true,
        }
    }

    /// Whether its parts fit together.
    ///
    /// # Errors
    /// `invalid-configuration`, in words that need no place.
    pub fn check(&self) -> Result<()> {
        let wrong = |why: &str, hint: &str| Err(Error::new(ErrorCode::InvalidConfiguration, why).hint(hint));
        match self {
            TargetConfig::Kubernetes(config) => config.check(),
            TargetConfig::Git(config) => config.check(),
            TargetConfig::Files(config) if config.artifacts.is_empty() => {
                wrong("a version without artifacts has no identity", "artifacts: [model.json]")
            }
            TargetConfig::Files(config) => glob(&config.versions),
            TargetConfig::Settings(config) if config.set.is_empty() => {
                wrong("nothing is set", "set: {rollout.mode: disabled}")
            }
            // The name may be that of an environment only.
            TargetConfig::Settings(config) if config.file.to_string_lossy().contains("{values.") => Ok(()),
            TargetConfig::Settings(config) => Format::of(&config.file).map(|_| ()),
            TargetConfig::Sql(config) => config.check(),
            _ => Ok(()),
        }
    }

    /// Its texts that are filled in when it is switched. Those of programs and recipes are looked at where their
    /// parameters are.
    pub fn templates(&self) -> Vec<Template<'_>> {
        match self {
            TargetConfig::Settings(config) => config
                .set
                .iter()
                .filter_map(|(key, value)| scalar(format!("/set{}", step(key)), value))
                .collect(),
            TargetConfig::Git(config) if config.mode != GitMode::Paths || config.to.is_some() => {
                let to = config.to.as_deref();
                to.map(|text| Template { pointer: "/to".to_owned(), text, knows_service: false })
                    .into_iter()
                    .collect()
            }
            TargetConfig::Kubernetes(config) => config
                .selector
                .iter()
                .map(|(key, text)| Template {
                    pointer: format!("/selector{}", step(key)),
                    text,
                    knows_service: false,
                })
                .collect(),
            TargetConfig::Sql(config) => of_sql(&config.change),
            _ => Vec::new(),
        }
    }
}

fn scalar(pointer: String, value: &Scalar) -> Option<Template<'_>> {
    value.0.as_str().map(|text| Template { pointer, text, knows_service: false })
}

fn of_sql(change: &SqlChange) -> Vec<Template<'_>> {
    let mut templates = Vec::new();
    match change {
        SqlChange::Statements(config) => {
            let with = config.with.iter();
            templates.extend(
                with.filter_map(|(key, value)| {
                    scalar(format!("/change/statements/with{}", step(key)), value)
                }),
            );
        }
        SqlChange::DeploymentLog(config) => {
            let texts = [
                ("model", Some(&config.model)),
                ("version", Some(&config.version)),
                ("by", Some(&config.by)),
                ("reason", config.reason.as_ref()),
            ];
            templates.extend(texts.into_iter().filter_map(|(key, text)| {
                let pointer = format!("/change/deployment_log/{key}");
                Some(Template { pointer, text: text?, knows_service: true })
            }));
        }
        SqlChange::ClientSettings(config) => {
            for (part, values) in [("set", &config.set), ("with", &config.with)] {
                let place = |key: &str| format!("/change/client_settings/{part}{}", step(key));
                templates.extend(values.iter().filter_map(|(key, value)| scalar(place(key), value)));
            }
        }
    }
    templates.into_iter().map(|template| Template { knows_service: true, ..template }).collect()
}

fn glob(pattern: &str) -> Result<()> {
    let name = pattern.rsplit('/').next().unwrap_or(pattern);
    glob::Pattern::new(name).map(|_| ()).map_err(|error| {
        Error::new(
            ErrorCode::InvalidConfiguration,
            format!("`versions: {}` is not a pattern: {error}", pattern.escape_debug()),
        )
        .hint("versions: \"backup_*\"")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str, containing: bool) -> Option<(Range<usize>, String)> {
        let template = Template { pointer: String::new(), text, knows_service: false };
        template.fault(containing).map(|fault| (fault.span, fault.message))
    }

    #[test]
    fn placeholders_are_looked_at_where_they_stand() {
        assert_eq!(fault("v{version} of {values.region} at {now}", false), None);
        assert_eq!(
            fault("v{verison}", false),
            Some((1..10, "there is no placeholder `{verison}`".to_owned()))
        );
        assert_eq!(fault("{version", false), Some((0..8, "a brace is not closed".to_owned())));
        assert!(fault("{version}", true).unwrap().1.contains("no version is gone to"));
        assert_eq!(fault("{reason}", true), None);
    }
}
