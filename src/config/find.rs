//! Finding the workspace, and the files that its patterns name.

use std::path::{Component, Path, PathBuf};

use super::diagnostic::{Diagnostic, Report, code};
use super::file::File;
use super::kind::Kind;
use super::settings::{LoadSettings, Patterns};
use super::source::Span;
use crate::base::{Error, ErrorCode, Result};

/// The file that marks a workspace, relative to its root.
pub const MARK: &str = "config/irctl.yaml";

/// How many files of one kind are loaded at most.
const MOST_FILES: usize = 20_000;

/// A file to load.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// The path relative to the root, as it is shown.
    pub shown: String,
    /// The path to open.
    pub real: PathBuf,
}

/// The root of the workspace that `directory` is in.
pub fn root(directory: &Path) -> Result<PathBuf> {
    let start =
        directory.canonicalize().map_err(|error| Error::io(directory.display().to_string(), error))?;
    let found = start.ancestors().find(|directory| directory.join(MARK).is_file());
    found.map(Path::to_path_buf).ok_or_else(|| {
        Error::new(
            ErrorCode::NoConfiguration,
            format!("there is no {MARK} in {} or above it", start.display()),
        )
        .hint(
            "`irctl init` writes a working set for the layout it finds here; \
             to roll back without any configuration: `irctl rollback DIR --to prev`",
        )
    })
}

/// The files of one kind. What is wrong with the patterns is reported at their place in `settings`.
pub fn files(root: &Path, kind: Kind, load: &LoadSettings, settings: &File) -> (Vec<Found>, Report) {
    let mut report = Report::default();
    let mut found = Vec::new();
    let Some(patterns) = load.patterns(kind) else { return (found, report) };
    for (index, pattern) in patterns.patterns.iter().enumerate() {
        let place = place(settings, &patterns, index);
        let matched = matches(root, pattern);
        if matched.is_empty() && patterns.named {
            report.push(nothing(settings, pattern, place.clone()));
        }
        for path in matched {
            match inside(root, &path) {
                Some(file) => found.push(file),
                None => report.push(outside(settings, &path, place.clone())),
            }
        }
    }
    found.sort();
    found.dedup();
    if found.len() > MOST_FILES {
        let message = format!("{} files of one kind are more than irctl takes ({MOST_FILES})", found.len());
        let span = place(settings, &patterns, 0);
        report.push(Diagnostic::error(code::OUT_OF_RANGE, &settings.source, span, message));
        found.truncate(MOST_FILES);
    }
    (found, report)
}

fn matches(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let base = root.join("config");
    let whole = format!("{}/{pattern}", glob::Pattern::escape(&base.to_string_lossy()));
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..Default::default() };
    let Ok(paths) = glob::glob_with(&whole, options) else { return Vec::new() };
    paths.filter_map(std::result::Result::ok).filter(|path| !path.is_dir()).take(MOST_FILES + 1).collect()
}

fn nothing(settings: &File, pattern: &str, span: Span) -> Diagnostic {
    if pattern.contains(['*', '?', '[']) {
        let message = format!("no file matches `{pattern}`");
        return Diagnostic::warning(code::NO_MATCH, &settings.source, span, message)
            .help("patterns are relative to config/");
    }
    let message = format!("there is no file `{pattern}`");
    Diagnostic::error(code::MISSING_FILE, &settings.source, span, message)
        .help("paths are relative to config/; leave the key out if there is no such file")
}

fn outside(settings: &File, path: &Path, span: Span) -> Diagnostic {
    let message = format!("`{}` stands outside the workspace", path.display());
    Diagnostic::error(code::OUTSIDE_WORKSPACE, &settings.source, span, message)
        .help("configuration is loaded from below the folder that holds config/, symbolic links followed")
}

/// The file, if it really stands below the root.
fn inside(root: &Path, path: &Path) -> Option<Found> {
    let lexical = normalized(path);
    let shown = lexical.strip_prefix(root).ok()?.to_string_lossy().into_owned();
    let real = path.canonicalize().unwrap_or_else(|_| lexical.clone());
    real.starts_with(root).then_some(Found { shown, real: lexical })
}

/// The path without `.` and `..`.
fn normalized(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

/// Where a pattern stands in irctl.yaml.
fn place(settings: &File, patterns: &Patterns, index: usize) -> Span {
    let Some(tree) = settings.tree() else { return 0..0 };
    let item = tree.at(&format!("/load/{}/{index}", patterns.key));
    let node = item.or_else(|| tree.at(&format!("/load/{}", patterns.key)));
    node.map_or(0..0, |(node, _)| node.head())
}
