//! Asking an environment what it has, and pip to install into it.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Installed, is_virtual};
use crate::base::process::{Invocation, Output};
use crate::base::{Error, ErrorCode, Result};
use crate::rollback::adapters::{Given, Request};

/// Lists packages and tries imports, each module in a process of its own: one that crashes must not hide the others.
const LOOK: &str = r"
import importlib.metadata as metadata, json, re, subprocess, sys
packages = {}
for one in metadata.distributions():
    name = one.metadata['Name']
    if name:
        packages.setdefault(re.sub(r'[-_.]+', '-', name).lower(), one.version or 'unknown')
imports = {}
for module in sys.argv[1:]:
    code = 'import importlib, sys; importlib.import_module(sys.argv[1])'
    ran = subprocess.run([sys.executable, '-B', '-c', code, module], stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    imports[module] = ran.returncode == 0
print(json.dumps({'packages': packages, 'imports': imports}))
";

/// A virtual environment and what is to be installed into it.
#[derive(Debug, Clone)]
pub struct Environment {
    folder: PathBuf,
    root: PathBuf,
    requirements: Vec<String>,
    editable: Option<String>,
    imports: Vec<String>,
    find_links: Vec<String>,
    index: bool,
    hashes: bool,
    force: bool,
}

impl Environment {
    /// Reads the parameters.
    ///
    /// # Errors
    /// No virtual environment, or nothing to install.
    pub fn of(request: &Request) -> Result<Self> {
        let environment = Self::of_folder_alone(request)?;
        let wrong = |message: String| Err(Error::new(ErrorCode::InvalidData, message));
        let shown = environment.folder.display().to_string();
        if !is_virtual(&environment.folder) {
            return wrong(format!("{shown} is no virtual environment: it has no pyvenv.cfg"));
        }
        if environment.requirements.is_empty() && environment.editable.is_none() {
            return wrong("there is nothing to install: give `requirements` or `editable`".to_owned());
        }
        let option = |text: &&String| text.starts_with('-');
        let texts = environment.requirements.iter().chain(&environment.editable).chain(&environment.imports);
        if let Some(text) = texts.chain(&environment.find_links).find(option) {
            return wrong(format!("`{}` looks like an option of pip", text.escape_debug()));
        }
        Ok(environment)
    }

    /// The same, when the environment may be gone or in pieces.
    pub fn of_folder_alone(request: &Request) -> Result<Self> {
        let given = Given(request);
        let folder = given.path("environment")?;
        if folder.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
            let message = format!("{} is a symbolic link; name the folder itself", folder.display());
            return Err(Error::new(ErrorCode::NotPermitted, message));
        }
        Ok(Self {
            folder,
            root: request.root.clone(),
            requirements: given.list("requirements")?,
            editable: given.text_if("editable")?.map(str::to_owned),
            imports: given.list("imports")?,
            find_links: given.list("find_links")?,
            index: given.flag("index", true)?,
            hashes: given.flag("hashes", false)?,
            force: given.flag("force", false)?,
        })
    }

    /// The same with another folder: a copy.
    pub fn at(&self, folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), ..self.clone() }
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn python(&self) -> String {
        self.folder.join("bin/python").display().to_string()
    }

    fn run(&self, arguments: Vec<String>, limit: u64) -> Result<Output> {
        let argv = std::iter::once(self.python()).chain(arguments).collect();
        // An ambient configuration must not turn the answer round, and nothing may wait for a human.
        let invocation = Invocation::new(argv)
            .directory(&self.root)
            .environment("PIP_NO_INPUT", "1")
            .environment("PIP_DISABLE_PIP_VERSION_CHECK", "1")
            .environment("PYTHONDONTWRITEBYTECODE", "1")
            .forget("PYTHONPATH")
            .forget("PYTHONHOME")
            .forget("PIP_TARGET")
            .forget("PIP_PREFIX")
            .forget("PIP_USER")
            .timeout(Duration::from_secs(limit));
        let output = invocation.run()?;
        if output.success() {
            return Ok(output);
        }
        let shown = self.python();
        Err(Error::new(
            ErrorCode::Subprocess,
            format!("{shown} ended with {}: {}", output.ending, reason(&output)),
        ))
    }

    /// What it has.
    pub fn look(&self) -> Result<Installed> {
        let mut arguments: Vec<String> = ["-B", "-c", LOOK].map(str::to_owned).to_vec();
        arguments.extend(self.imports.iter().cloned());
        let output = self.run(arguments, 300)?;
        serde_json::from_slice(&output.stdout).map_err(|error| {
            Error::new(
                ErrorCode::InvalidData,
                format!("{} said nothing of its packages: {error}", self.python()),
            )
        })
    }

    /// Why a module cannot be imported.
    pub fn why_not_importable(&self, module: &str) -> String {
        let code = "import importlib, sys; importlib.import_module(sys.argv[1])";
        match self.run(["-B", "-c", code, module].map(str::to_owned).to_vec(), 120) {
            Ok(_) => "it can, now".to_owned(),
            Err(error) => error.message,
        }
    }

    /// What pip would install: names and versions. Changes nothing.
    pub fn planned(&self) -> Result<BTreeMap<String, String>> {
        let report = ["--dry-run", "--quiet", "--report", "-"].map(str::to_owned);
        let output = self.run(self.pip(&report, false), 280)?;
        let report: Report = serde_json::from_slice(&output.stdout).map_err(|error| {
            Error::new(ErrorCode::InvalidData, format!("pip's report cannot be read: {error}"))
                .hint("pip 22.2 or newer is needed")
        })?;
        Ok(report
            .install
            .into_iter()
            .map(|item| (normal(&item.metadata.name), item.metadata.version))
            .collect())
    }

    /// Installs. `again` also installs what has the right version already.
    pub fn install(&self, again: bool) -> Result<()> {
        self.run(self.pip(&["--quiet".to_owned()], again), 840).map(drop)
    }

    fn pip(&self, options: &[String], again: bool) -> Vec<String> {
        let mut arguments: Vec<String> = ["-m", "pip", "install", "--no-color"].map(str::to_owned).to_vec();
        arguments.extend_from_slice(options);
        for (given, option) in [
            (!self.index, "--no-index"),
            (self.hashes, "--require-hashes"),
            (self.force || again, "--force-reinstall"),
        ] {
            if given {
                arguments.push(option.to_owned());
            }
        }
        for (option, values) in [("--find-links", &self.find_links), ("--requirement", &self.requirements)] {
            for value in values {
                arguments.extend([option.to_owned(), value.clone()]);
            }
        }
        if let Some(editable) = &self.editable {
            arguments.extend(["--editable".to_owned(), editable.clone()]);
        }
        arguments
    }
}

/// What pip prints with `--report`, as far as it is needed.
#[derive(Deserialize)]
struct Report {
    install: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    version: String,
}

/// Names as the index compares them: lower case, runs of `-`, `_` and `.` as one `-` (PEP 503).
fn normal(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            c => out.extend(c.to_lowercase()),
        }
    }
    out
}

/// The line that says why: pip's own `ERROR:`, else the last.
fn reason(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let found = lines.iter().find(|line| line.starts_with("ERROR:")).or(lines.last());
    found.map_or_else(|| output.last_words(), |line| (*line).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_the_index_does() {
        for name in ["Typing_Extensions", "typing.extensions", "typing-_.extensions"] {
            assert_eq!(normal(name), "typing-extensions");
        }
    }
}
