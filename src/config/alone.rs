//! One file alone, outside a workspace: a mapping or a scheme that is named on the command line.

use serde::de::DeserializeOwned;
use std::path::Path;

use super::diagnostic::Severity;
use super::file::File;
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
        if let Some(diagnostic) = super::finding::locate(&finding, std::slice::from_ref(&file)) {
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
