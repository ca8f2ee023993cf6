//! One file alone, outside a workspace: a mapping or a scheme that is named on the command line.

use serde::de::DeserializeOwned;
use std::path::Path;

use super::diagnostic::Severity;
use super::file::File;
use super::finding::Locator;
use super::kind::Kind;
use super::render::render;
use super::schema::Formats;
use crate::base::{Error, ErrorCode, Result};
use crate::severity::input::MappingConfig;
use crate::severity::{Scheme, SchemeConfig};

/// Reads a mapping file.
///
/// # Errors
/// `invalid-configuration` with every mistake at its place.
pub fn mapping_file(real: &Path, shown: &str) -> Result<MappingConfig> {
    alone(Kind::Mapping, real, shown).map(|(config, _)| config)
}

/// Reads a severity scheme, and checks that it compiles.
///
/// # Errors
/// `invalid-configuration` with every mistake at its place.
pub fn scheme_file(real: &Path, shown: &str) -> Result<SchemeConfig> {
    let (config, file): (SchemeConfig, File) = alone(Kind::Severity, real, shown)?;
    let Err(problems) = Scheme::compile(&config) else { return Ok(config) };
    let mut report = super::diagnostic::Report::default();
    for problem in problems {
        let span = (problem.length > 0).then(|| problem.offset..problem.offset + problem.length);
        let finding = super::finding::Finding::error(
            Kind::Severity,
            &file.name,
            &problem.pointer,
            super::diagnostic::code::INVALID_SCHEME,
            problem.message,
        );
        let finding = finding.help(problem.help).at(span);
        if let Some(diagnostic) = Locator::new(std::slice::from_ref(&file)).locate(&finding) {
            report.push(diagnostic);
        }
    }
    Err(invalid(shown, &render(&report, false)))
}

fn alone<T: DeserializeOwned>(kind: Kind, real: &Path, shown: &str) -> Result<(T, File)> {
    let mut file = File::read(kind, real, shown, &Formats::standard());
    let typed = file.typed();
    match typed {
        Some(typed) if file.report.errors() == 0 => Ok((typed, file)),
        _ => Err(invalid(shown, &render(&file.report.only(Severity::Error), false))),
    }
}

fn invalid(shown: &str, text: &str) -> Error {
    let shown = shown.escape_debug();
    Error::new(ErrorCode::InvalidConfiguration, format!("{shown} has errors\n\n{}", text.trim_end()))
        .hint("`irctl config schema` prints what each kind of file may say")
}

/// Where things stand in the file of a scheme.
pub struct SchemePlaces {
    /// The file as it is shown.
    pub shown: String,
    file: Option<File>,
}

impl SchemePlaces {
    /// The places in the file that a workspace has the scheme from, or in the shipped one.
    pub fn of(workspace: &super::Workspace, scheme: &str) -> Self {
        let formats = Formats::standard();
        if let Some(real) = workspace.source(Kind::Severity, Some(scheme)) {
            let shown = real.strip_prefix(&workspace.root).unwrap_or(&real).display().to_string();
            let file = File::read(Kind::Severity, &real, &shown, &formats);
            return Self { shown, file: Some(file) };
        }
        let shown = format!("(shipped) severity/{scheme}.yaml");
        let text = crate::severity::shipped().iter().find(|(name, _)| *name == scheme).map(|(_, text)| text);
        let file = text.map(|text| File::from_bytes(Kind::Severity, &shown, text.as_bytes(), &formats));
        Self { shown, file }
    }

    /// A place as `file:line:column`: of some bytes of the text that a JSON pointer leads to.
    pub fn at(&self, pointer: &str, (offset, length): (usize, usize)) -> String {
        let Some(file) = &self.file else { return self.shown.clone() };
        let finding = super::finding::Finding::error(Kind::Severity, &file.name, pointer, "", "")
            .at(Some(offset..offset + length));
        let Some(found) = Locator::new(std::slice::from_ref(file)).locate(&finding) else {
            return self.shown.clone();
        };
        let position = found.source.position(found.span.start);
        format!("{}:{}:{}", self.shown, position.line, position.column)
    }
}
