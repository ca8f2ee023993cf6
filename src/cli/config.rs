//! `irctl config`: check, schema, show.

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::Context;
use super::output::Tone;
use crate::base::error::exit;
use crate::base::{Error, ErrorCode, Result};
use crate::config::{Checked, Kind, Scope, Workspace, render};

/// Check, describe and show the configuration.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  irctl config check\n  irctl config schema service > service.schema.json\n  irctl config show service/rila_6y20b"
)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Load everything and report every error with its place; exit 78 if there is one.
    Check,
    /// Print the JSON Schema of a kind of file; without a kind, list the kinds.
    Schema {
        /// The kind, as `service`.
        kind: Option<String>,
    },
    /// Print the configuration as it was understood, defaults filled in; secrets stay references.
    Show {
        /// Only this: a kind (`service`), or one thing of it (`service/NAME`).
        what: Option<String>,
    },
}

/// Runs it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    match &args.command {
        Command::Check => check(context),
        Command::Schema { kind } => schema(kind.as_deref(), context),
        Command::Show { what } => show(what.as_deref(), context),
    }
}

fn check(context: &Context) -> Result<u8> {
    let checked = Workspace::check(&context.directory)?;
    let errors = checked.report.errors();
    let status = if errors == 0 { exit::OK } else { exit::CONFIGURATION };
    if context.out.is_json() {
        context.out.json(&checked.report.to_json())?;
        return Ok(status);
    }
    context.out.text(&render(&checked.report, context.out.is_color()))?;
    context.out.line(&summary(&checked, context))?;
    Ok(status)
}

/// One line: how it ended, and what there is.
fn summary(checked: &Checked, context: &Context) -> String {
    let warnings = match checked.report.warnings() {
        0 => String::new(),
        count => format!(", {}", counted(count, "warning")),
    };
    let files = counted(checked.files, "file");
    if checked.report.errors() > 0 {
        let failed = context.out.tone(Tone::Bad, "config failed");
        let errors = counted(checked.report.errors(), "error");
        return format!("{failed}: {errors}{warnings} in {files} of {}", checked.root.display());
    }
    let parts = checked.workspace.as_ref().map_or_else(Vec::new, |workspace| {
        vec![
            counted(workspace.services.len(), "service"),
            match workspace.shipped.len() {
                0 => counted(workspace.schemes.len(), "scheme"),
                shipped => format!("{} ({shipped} shipped)", counted(workspace.schemes.len(), "scheme")),
            },
            counted(workspace.suites.len(), "suite"),
            counted(workspace.runbooks.len(), "runbook"),
        ]
    });
    format!("{}: {} in {files}{warnings}", context.out.tone(Tone::Good, "config ok"), parts.join(", "))
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn schema(kind: Option<&str>, context: &Context) -> Result<u8> {
    match kind {
        Some(name) => {
            let kind = Kind::named(name).ok_or_else(|| no_kind(name))?;
            context.out.json(kind.schema())?;
        }
        None if context.out.is_json() => {
            let kinds: Vec<_> =
                Kind::ALL.iter().map(|kind| json!({"kind": kind.as_str(), "files": files(*kind)})).collect();
            context.out.json(&kinds)?;
        }
        None => {
            let rows: Vec<_> = Kind::ALL.iter().map(|kind| vec![kind.to_string(), files(*kind)]).collect();
            context.out.table(&["KIND", "FILES"], &rows)?;
        }
    }
    Ok(exit::OK)
}

/// Where files of a kind are looked for.
fn files(kind: Kind) -> String {
    match crate::config::settings::LoadSettings::default().patterns(kind) {
        None => crate::config::MARK.to_owned(),
        Some(patterns) => {
            let shown = patterns.patterns.iter().map(|pattern| match pattern.strip_prefix("../") {
                Some(pattern) => pattern.to_owned(),
                None => format!("config/{pattern}"),
            });
            shown.collect::<Vec<_>>().join(", ")
        }
    }
}

fn no_kind(name: &str) -> Error {
    let kinds: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    Error::new(ErrorCode::Usage, format!("there is no kind of file `{}`", name.escape_debug()))
        .hint(format!("kinds: {}", kinds.join(", ")))
}

fn show(what: Option<&str>, context: &Context) -> Result<u8> {
    let workspace = Workspace::load_for(&context.directory, Scope::ALL)?;
    let value = match what {
        None => everything(&workspace)?,
        Some(what) => match what.split_once('/') {
            Some((kind, name)) => one(&workspace, kind_named(kind)?, name)?,
            None => of_kind(&workspace, kind_named(what)?)?,
        },
    };
    if context.out.is_json() {
        context.out.json(&value)?;
    } else {
        let text = serde_yaml::to_string(&value).map_err(|error| {
            Error::new(ErrorCode::Bug, format!("the configuration cannot be written as YAML: {error}"))
        })?;
        context.out.text(&text)?;
    }
    Ok(exit::OK)
}

fn kind_named(name: &str) -> Result<Kind> {
    Kind::named(name).ok_or_else(|| no_kind(name))
}

fn everything(workspace: &Workspace) -> Result<Json> {
    let mut object = Map::new();
    object.insert("root".into(), json!(workspace.root));
    object.insert("state".into(), json!(workspace.state));
    for kind in Kind::ALL {
        object.insert(kind.as_str().into(), of_kind(workspace, kind)?);
    }
    Ok(Json::Object(object))
}

fn of_kind(workspace: &Workspace, kind: Kind) -> Result<Json> {
    match kind {
        Kind::Irctl => value(&workspace.settings),
        Kind::Severity => value(&workspace.schemes),
        Kind::Service => value(&workspace.services),
        Kind::Verify => value(&workspace.suites),
        Kind::Notify => value(&workspace.notify),
        Kind::Contacts => value(&workspace.contacts),
        Kind::Runbook => value(&workspace.runbooks),
        Kind::Recipe => value(&workspace.recipes),
        Kind::Mapping => value(&workspace.mappings),
    }
}

fn one(workspace: &Workspace, kind: Kind, name: &str) -> Result<Json> {
    match kind {
        Kind::Severity => value(workspace.scheme(name)?),
        Kind::Service => value(workspace.service(name)?),
        Kind::Verify => value(workspace.suite(name)?),
        Kind::Runbook => value(workspace.runbook(name)?),
        Kind::Recipe => value(workspace.recipe(name)?),
        Kind::Mapping => value(workspace.mapping(name)?),
        Kind::Irctl | Kind::Notify | Kind::Contacts => {
            let message = format!("there is one `{kind}` only, without a name");
            Err(Error::new(ErrorCode::Usage, message).hint(format!("`irctl config show {kind}`")))
        }
    }
}

fn value(of: &impl Serialize) -> Result<Json> {
    serde_json::to_value(of).map_err(|error| {
        Error::new(ErrorCode::Bug, format!("the configuration cannot be written as JSON: {error}"))
    })
}
