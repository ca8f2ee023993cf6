//! The `imports` probe: whether Python modules load, each by itself in an interpreter of its own.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{Outcome, Request, VersionSource};
use crate::base::process::{Ending, Invocation};
use crate::base::{Digest, Duration, Error, ErrorCode, Result, Unit};

/// How long a module may take to load if the configuration does not say.
const TIMEOUT: Duration = Duration::seconds(30);

/// How many characters of an error are repeated.
const WORDS: usize = 300;

/// What the interpreter runs. The module comes as an argument: it is data, never code. Only what gets to the end writes
/// the last word, so a module that ends the program has not loaded.
const PROGRAM: &str = "import importlib, sys; importlib.import_module(sys.argv[1]); \
                       sys.__stdout__.write('\\nirctl: loaded\\n'); sys.__stdout__.flush()";

/// The last word of [`PROGRAM`].
const LOADED: &str = "irctl: loaded";

/// Python modules. Emits `NAME_failures` (count), `NAME_failed` (flag) and `NAME_loaded` (flag, label `module`).
///
/// It runs only from trusted configuration, in the workspace, which is where modules are looked for first. An
/// interpreter that cannot be started, and a module that takes too long, leave undecided what hangs on them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportsConfig {
    /// The interpreter: a path, relative to the workspace, or a name that is looked for in PATH. `python3` otherwise.
    #[serde(default = "python", skip_serializing_if = "is_python")]
    pub interpreter: PathBuf,
    /// The modules, as Python calls them: `src.models.inference`.
    pub modules: Vec<ModuleName>,
    /// How long each may take to load; 30 seconds otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Variables added to the interpreter's environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
}

fn python() -> PathBuf {
    "python3".into()
}

fn is_python(path: &Path) -> bool {
    path == Path::new("python3")
}

/// The name of a Python module: identifiers with dots between them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModuleName(String);

impl FromStr for ModuleName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let identifier = |part: &str| {
            let mut letters = part.chars();
            letters.next().is_some_and(|c| c == '_' || c.is_alphabetic())
                && letters.all(|c| c == '_' || c.is_alphanumeric())
        };
        if text.split('.').all(identifier) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::new(ErrorCode::InvalidData, format!("`{}` is not a module", text.escape_debug()))
            .hint("write it as in `import`: src.models.inference"))
    }
}

impl TryFrom<String> for ModuleName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<ModuleName> for String {
    fn from(module: ModuleName) -> Self {
        module.0
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for ModuleName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ModuleName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "python-module",
            "description": "A Python module, as in `import`.",
            "examples": ["src.models.inference"]
        })
    }
}

/// The metrics that it emits.
pub(super) fn metrics(name: &str, _config: &ImportsConfig) -> Vec<(String, Unit)> {
    vec![
        (format!("{name}_failures"), Unit::Count),
        (format!("{name}_failed"), Unit::Flag),
        (format!("{name}_loaded"), Unit::Flag),
    ]
}

/// What became of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Loading {
    Loaded,
    Failed(String),
    Unknown(String),
}

/// Measures.
pub(super) fn measure(name: &str, config: &ImportsConfig, request: &Request<'_>) -> Outcome {
    if config.modules.is_empty() {
        return Outcome::undecided(name, &metrics(name, config), request, "there are no modules to load");
    }
    let interpreter = located(&config.interpreter, request.root);
    let found: Vec<(&ModuleName, Loading)> =
        config.modules.iter().map(|module| (module, load(config, &interpreter, module, request))).collect();
    let mut outcome = Outcome::new(name);
    outcome.version_source = Some(VersionSource::Adopted);
    outcome.fact("interpreter", config.interpreter.display().to_string());
    outcome.fact("modules", found.len().to_string());
    let (failures, loaded) = (format!("{name}_failures"), format!("{name}_loaded"));
    for (module, loading) in &found {
        let mut sample = match loading {
            Loading::Loaded => request.sample(name, &loaded, 1.0, Unit::Flag),
            Loading::Failed(why) => {
                outcome.fact("does not load", format!("{module}: {why}"));
                request.sample(name, &loaded, 0.0, Unit::Flag)
            }
            Loading::Unknown(why) => {
                outcome.problem(Some(&failures), format!("{module}: {why}"));
                request.undecided(name, &loaded, Unit::Flag, why.clone())
            }
        };
        sample.labels.insert("module".to_owned(), module.to_string());
        outcome.samples.push(sample);
    }
    let overall = overall(&found);
    for (metric, unit) in metrics(name, config).into_iter().take(2) {
        outcome.samples.push(match &overall {
            Ok(count) if unit == Unit::Flag => {
                request.sample(name, &metric, f64::from(u8::from(*count > 0)), unit)
            }
            Ok(count) => request.sample(name, &metric, *count as f64, unit),
            Err(reason) => request.undecided(name, &metric, unit, reason.clone()),
        });
    }
    let input = Digest::of(format!("{found:?}").as_bytes());
    for sample in &mut outcome.samples {
        sample.input = Some(input.clone());
        sample.rows = found.len() as u64;
    }
    outcome
}

/// How many failed. A failure is one even while others are not known; without one, all have to be known.
fn overall(found: &[(&ModuleName, Loading)]) -> std::result::Result<usize, String> {
    let failed = found.iter().filter(|(_, loading)| matches!(loading, Loading::Failed(_))).count();
    let unknown = found.iter().find_map(|(module, loading)| match loading {
        Loading::Unknown(why) => Some(format!("{module}: {why}")),
        _ => None,
    });
    match unknown {
        Some(reason) if failed == 0 => Err(reason),
        _ => Ok(failed),
    }
}

/// A path is one of the workspace; a mere name is looked for in PATH.
fn located(interpreter: &Path, root: &Path) -> PathBuf {
    if interpreter.components().count() > 1 { root.join(interpreter) } else { interpreter.to_owned() }
}

fn load(config: &ImportsConfig, interpreter: &Path, module: &ModuleName, request: &Request<'_>) -> Loading {
    let Some(interpreter) = interpreter.to_str() else {
        return Loading::Unknown("the interpreter's path is not UTF-8".to_owned());
    };
    // -B: looking at modules writes nothing beside them.
    let argv = [interpreter, "-B", "-c", PROGRAM, &module.0].map(str::to_owned).to_vec();
    let mut invocation =
        Invocation::new(argv).directory(request.root).timeout(config.timeout.unwrap_or(TIMEOUT).to_std());
    for (variable, value) in &config.environment {
        invocation = invocation.environment(variable, value);
    }
    let output = match invocation.run() {
        Ok(output) => output,
        Err(error) => return Loading::Unknown(error.message),
    };
    let words: String = output.last_words().chars().take(WORDS).collect();
    let said = String::from_utf8_lossy(&output.stdout);
    match output.ending {
        Ending::Exit(0) if said.lines().any(|line| line == LOADED) => Loading::Loaded,
        Ending::Exit(0) if output.truncated => Loading::Unknown("it printed more than is read".to_owned()),
        Ending::Exit(0) => Loading::Failed("it ended the program while it was loaded".to_owned()),
        Ending::Exit(status) if words.is_empty() => Loading::Failed(format!("exit status {status}")),
        Ending::Exit(_) => Loading::Failed(words),
        Ending::Signal(signal) => Loading::Failed(format!("signal {signal} ended it")),
        Ending::TimedOut(_) => Loading::Unknown(format!("it ended with {}", output.ending)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_names_are_identifiers_and_dots() {
        for good in ["os", "src.models.inference", "_x.y2", "größe"] {
            assert!(good.parse::<ModuleName>().is_ok(), "{good}");
        }
        for bad in ["", ".", "a..b", "a b", "-c", "a;import os", "2x", "a.", "../x", "a/b"] {
            assert!(bad.parse::<ModuleName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_interpreter_is_a_path_or_a_name() {
        let root = Path::new("/srv");
        assert_eq!(located(Path::new("python3"), root), Path::new("python3"));
        assert_eq!(located(Path::new("venv/bin/python"), root), Path::new("/srv/venv/bin/python"));
        assert_eq!(located(Path::new("./python"), root), Path::new("/srv/./python"));
        assert_eq!(located(Path::new("/usr/bin/python3"), root), Path::new("/usr/bin/python3"));
    }

    #[test]
    fn a_failure_is_one_whatever_else_is_not_known() {
        let module: ModuleName = "a".parse().unwrap();
        let unknown = || Loading::Unknown("slow".to_owned());
        let of = |loadings: &[Loading]| {
            overall(&loadings.iter().map(|loading| (&module, loading.clone())).collect::<Vec<_>>())
        };
        assert_eq!(of(&[Loading::Loaded, Loading::Loaded]), Ok(0));
        assert_eq!(of(&[Loading::Loaded, unknown()]), Err("a: slow".to_owned()));
        assert_eq!(of(&[Loading::Failed("x".to_owned()), unknown()]), Ok(1));
    }
}
