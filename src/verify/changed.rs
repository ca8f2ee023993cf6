//! Which suites a change can have touched: those of whose inputs git says that they differ, and those whose inputs
//! nobody can name.

use std::collections::BTreeMap;
use std::path::Path;

use super::config::SuiteConfig;
use super::template;

use crate::base::{Error, ErrorCode, Result, git};
use crate::probe::ProbeConfig;

/// What differs between a commit and the files as they lie here.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Files that differ, or that git does not know yet, relative to the workspace.
    changed: Vec<String>,
    /// Files and folders that git ignores: it cannot say whether they differ.
    ignored: Vec<String>,
    /// Symbolic links: what differs behind one has another name.
    links: Vec<String>,
}

/// Why a suite is run, or that it need not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// This input differs.
    Changed(String),
    /// Nobody can say whether an input differs; why.
    Unknown(String),
    /// None of its inputs differs.
    Untouched,
}

impl Changes {
    /// Everything that differs from where this branch left `reference`: committed, not committed, and not added yet.
    ///
    /// # Errors
    /// `invalid-data` where git does not know the reference or there is no work tree.
    pub fn since(root: &Path, reference: &str) -> Result<Self> {
        let commit = format!("{reference}^{{commit}}");
        let wanted = one_line(
            asked(root, &["rev-parse", "--verify", "--quiet", "--end-of-options", &commit])
                .map_err(|_| unknown(reference))?,
        );
        // Without a common commit, as in a shallow clone, everything that differs counts.
        let base = asked(root, &["merge-base", &wanted, "HEAD"]).map_or(wanted, one_line);
        let mut changed = paths(asked(
            root,
            &["diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--relative", &base, "--"],
        )?);
        changed.extend(paths(asked(root, &["ls-files", "-z", "--others", "--exclude-standard"])?));
        let ignored = paths(asked(
            root,
            &["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"],
        )?);
        let links = links(&asked(root, &["ls-files", "-z", "--stage"])?);
        Ok(Self { changed, ignored, links })
    }

    /// Whether a suite has to be run. `files` are those that the suite and its service are written in, relative to the
    /// workspace; `more` is what else is configured of the service.
    pub fn touch(
        &self,
        suite: &SuiteConfig,
        service_probes: &BTreeMap<String, ProbeConfig>,
        files: &[String],
        more: &[serde_json::Value],
    ) -> Reason {
        let Ok(whole) = template::whole(suite) else {
            return Reason::Unknown("its template does not fit".to_owned());
        };
        let used = whole.uses.iter().filter_map(|name| service_probes.get_key_value(name));
        let probes: Vec<_> = used.chain(&whole.probes).collect();
        let mut inputs = files.to_vec();
        for (name, probe) in &probes {
            match serde_json::to_value(probe) {
                Ok(value) if probe.reads_only_named_files() => texts(&value, &mut inputs),
                _ => return Reason::Unknown(format!("the probe {name} looks at more than files")),
            }
        }
        if whole.expect.iter().any(|expectation| expectation.analysis.is_some()) {
            return Reason::Unknown("it takes samples over time".to_owned());
        }
        more.iter().for_each(|value| texts(value, &mut inputs));
        let first = |all: &[String]| {
            inputs
                .iter()
                .find(|input| all.iter().any(|file| meets(input, file)))
                .map(|input| plain(input).to_owned())
        };
        if let Some(input) = first(&self.changed) {
            return Reason::Changed(input);
        }
        match (first(&self.ignored), first(&self.links)) {
            (Some(input), _) => Reason::Unknown(format!("git ignores {input}")),
            (None, Some(input)) => Reason::Unknown(format!("{input} leads through a symbolic link")),
            (None, None) => Reason::Untouched,
        }
    }
}

fn unknown(reference: &str) -> Error {
    let why = format!("git does not know `{}` here", reference.escape_debug());
    Error::new(ErrorCode::InvalidData, why)
        .hint("fetch it first, as with `git fetch origin main`; CI systems clone one commit only unless told otherwise")
}

fn asked(root: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let call = git::invocation(root, [], arguments.iter().copied());
    let output = call.keep(64 * 1024 * 1024).run()?;
    if output.success() && !output.truncated {
        return Ok(output.stdout);
    }
    let why = format!("`git {}` ended with {}: {}", arguments.join(" "), output.ending, output.last_words());
    Err(Error::new(ErrorCode::Subprocess, why))
}

fn one_line(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

fn paths(bytes: Vec<u8>) -> Vec<String> {
    let all = bytes.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    all.map(|path| String::from_utf8_lossy(path).into_owned()).collect()
}

/// The symbolic links in a listing of the index: `120000 OBJECT STAGE`, a tab, the path.
fn links(listing: &[u8]) -> Vec<String> {
    let of = |line: &[u8]| {
        let link = line.strip_prefix(b"120000 ")?;
        let tab = link.iter().position(|byte| *byte == b'\t')?;
        Some(String::from_utf8_lossy(link.get(tab + 1..)?).into_owned())
    };
    listing.split(|byte| *byte == 0).filter_map(of).collect()
}

/// Every text in a value: each may be a path, and one that is not only makes a suite run too often.
fn texts(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) if !text.is_empty() => found.push(text.clone()),
        serde_json::Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        serde_json::Value::Object(values) => values.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

fn plain(path: &str) -> &str {
    path.trim_start_matches("./").trim_end_matches('/')
}

/// Whether an input is this file or folder, lies in it, or has it in it.
fn meets(input: &str, file: &str) -> bool {
    let (input, file) = (plain(input), plain(file));
    let inside = |path: &str, folder: &str| {
        path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if inside(input, file) || inside(file, input) {
        return true;
    }
    let Some(star) = input.find(['*', '?', '[']) else { return false };
    let fixed = input.get(..star).unwrap_or_default();
    // What stands before the first wildcard has to agree; the rest of a pattern may reach into folders.
    file.starts_with(fixed) || fixed.starts_with(&format!("{file}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_meets_what_it_is_what_it_is_in_and_what_is_in_it() {
        for (input, file) in [
            ("a/b.csv", "a/b.csv"),
            ("./a/b.csv", "a/b.csv"),
            ("models/x/", "models/x/model.json"),
            ("vendor/data/x.csv", "vendor/data"),
            ("outputs/x.csv", "outputs/"),
            ("data/*.csv", "data/new.csv"),
            ("data/**/x.csv", "data/a/b/x.csv"),
            ("data/2026/*.csv", "data/"),
        ] {
            assert!(meets(input, file), "{input} {file}");
        }
        for (input, file) in [
            ("a/b.csv", "a/b.csv.old"),
            ("a/b", "a/bc"),
            ("data/*.csv", "other/new.csv"),
            ("ok", "okay/x"),
            ("rows", "README.md"),
        ] {
            assert!(!meets(input, file), "{input} {file}");
        }
    }
}
