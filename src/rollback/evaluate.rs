//! Whether going back would have helped: the failing metric on what serves and on each candidate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::config::EvaluateConfig;
use super::environment::{FailingRule, Subject};
use super::versions::Version;
use crate::base::process::Invocation;
use crate::base::{Digest, Error, ErrorCode, Result, Untrusted, file, path};

/// The failing metric of one version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evaluation {
    /// The version's name.
    pub name: Untrusted,
    /// The version.
    pub digest: Option<Digest>,
    /// The metric's value.
    pub value: Option<f64>,
    /// The value as people read it.
    pub shown: String,
    /// Whether the rule fails on it; absent where that cannot be decided.
    pub fails: Option<bool>,
    /// Why there is no value.
    pub why: Option<Untrusted>,
}

/// Whether going back would have helped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WouldHelp {
    /// The rule that fails now.
    pub rule: String,
    /// The metric it looks at.
    pub metric: String,
    /// The rule as written.
    pub expression: String,
    /// What serves.
    pub served: Evaluation,
    /// The candidates, newest first; the chosen one is among them.
    pub candidates: Vec<Evaluation>,
    /// Whether the chosen one passes the rule; absent where that is not known.
    pub answer: Option<bool>,
}

/// Evaluates one version.
pub fn evaluate(subject: &Subject, failing: &FailingRule<'_>, version: &Version) -> Evaluation {
    let mut evaluation = Evaluation {
        name: version.shown().into(),
        digest: version.digest.clone(),
        value: None,
        shown: "unknown".to_owned(),
        fails: None,
        why: None,
    };
    match value(subject, &failing.metric, version) {
        Ok(value) if value.is_finite() => {
            evaluation.value = Some(value);
            evaluation.shown = failing.unit.show(value);
            evaluation.fails = (failing.fails)(value);
        }
        Ok(value) => evaluation.why = Some(format!("{} is {value}", failing.metric).into()),
        Err(error) => evaluation.why = Some(error.message.into()),
    }
    evaluation
}

fn value(subject: &Subject, metric: &str, version: &Version) -> Result<f64> {
    let found = metrics(subject, version, Some(metric))?;
    let none = || Error::new(ErrorCode::InvalidData, format!("there is no {metric}"));
    found.get(metric).copied().flatten().ok_or_else(none)
}

/// Every metric that is found for a version; with `only`, at least that one. One without a value is not known.
pub fn metrics(
    subject: &Subject,
    version: &Version,
    only: Option<&str>,
) -> Result<BTreeMap<String, Option<f64>>> {
    match &subject.rollback.evaluate {
        None => Err(Error::new(ErrorCode::InvalidConfiguration, "no `evaluate:` says how to find out")),
        Some(EvaluateConfig::Command(argv)) => {
            let output = Invocation::new(with_version(argv, version)?).directory(&subject.root).run()?;
            if !output.success() {
                let words = Untrusted::new(output.last_words());
                return Err(Error::new(ErrorCode::Subprocess, format!("{}: {words}", output.ending)));
            }
            let printed: Printed = serde_json::from_slice(&output.stdout).map_err(|error| {
                Error::new(
                    ErrorCode::InvalidData,
                    format!("what it printed is not {{\"metrics\": …}}: {error}"),
                )
            })?;
            Ok(printed.metrics)
        }
        Some(EvaluateConfig::Metadata(metadata)) => {
            let wanted = metadata.metrics.iter().filter(|(name, _)| only.is_none_or(|only| only == *name));
            let mut found = BTreeMap::new();
            for (name, pointer) in wanted {
                let value = recorded(version, &metadata.file)?;
                found.insert(name.clone(), value.pointer(pointer).and_then(serde_json::Value::as_f64));
            }
            Ok(found)
        }
    }
}

#[derive(Deserialize)]
struct Printed {
    metrics: BTreeMap<String, Option<f64>>,
}

/// What a file of the version records; for a version that is no folder of files, its metadata.
fn recorded(version: &Version, name: &str) -> Result<Arc<serde_json::Value>> {
    let Some(folder) = &version.folder else {
        let none =
            || Error::new(ErrorCode::InvalidData, format!("nothing is recorded of {}", version.shown()));
        return version.metadata.read()?.ok_or_else(none);
    };
    let path = path::inside(folder, Path::new(name))?;
    // A registry records it in the manifest, not in the folder.
    if !path.exists()
        && let Some(metadata) = version.metadata.read()?
    {
        return Ok(metadata);
    }
    let bytes = file::read_limited(&path, 16 * 1024 * 1024)?;
    serde_json::from_slice(&bytes)
        .map(Arc::new)
        .map_err(|error| Error::new(ErrorCode::InvalidData, format!("{name} is not JSON: {error}")))
}

/// An argv in which `{version}`, `{name}` and `{version_dir}` stand for a version's.
///
/// # Errors
/// `refused` for a version whose name would be taken for an option: names and labels are other people's words.
fn with_version(argv: &[String], version: &Version) -> Result<Vec<String>> {
    let fill = |template: &String| {
        let (mut filled, mut rest) = (String::new(), template.as_str());
        // One pass, so that braces in a name stay what they are.
        while let Some((at, word)) = next_word(rest) {
            filled.push_str(rest.get(..at).unwrap_or_default());
            match word {
                "{version}" => filled.push_str(version.shown()),
                "{name}" => filled.push_str(&version.name),
                _ => filled.push_str(&version.folder()?.display().to_string()),
            }
            rest = rest.get(at + word.len()..).unwrap_or_default();
        }
        filled.push_str(rest);
        if filled.starts_with('-') && !template.starts_with('-') {
            return Err(Error::new(
                ErrorCode::Refused,
                format!("`{}` would be taken for an option, not for a version", filled.escape_debug()),
            )
            .hint("write it behind something that is yours, as `--version={version}`"));
        }
        Ok(filled)
    };
    argv.iter().map(fill).collect()
}

/// The first word in braces that stands for something of a version, and where it stands.
fn next_word(text: &str) -> Option<(usize, &'static str)> {
    let words = ["{version}", "{name}", "{version_dir}"];
    words.into_iter().filter_map(|word| Some((text.find(word)?, word))).min()
}

/// An argv in which `{version_dir}` is a folder.
pub fn with_folder(argv: &[String], folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    argv.iter().map(|part| part.replace("{version_dir}", &folder)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_data_in_an_argv() {
        let argv = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        let version = Version { label: Some("{name} {version_dir}".into()), ..Version::named("-rf") };
        let filled = with_version(&argv(&["score", "--of={name}", "of {version}"]), &version).unwrap();
        assert_eq!(filled, ["score", "--of=-rf", "of {name} {version_dir}"]);
        assert_eq!(with_version(&argv(&["score", "{name}"]), &version).unwrap_err().code, ErrorCode::Refused);
        assert!(with_version(&argv(&["score", "{version_dir}"]), &version).is_err(), "it has no folder");
    }
}
