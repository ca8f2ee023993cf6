//! `irctl runbook lint`: findings as text, JSON, annotations and SARIF.

use schemars::JsonSchema;
use serde::Serialize;

use super::{github, sarif};
use crate::base::error::exit;
use crate::base::{Error, ErrorCode, Result};
use crate::cli::Context;
use crate::cli::output::{Format, Tone};
use crate::config::diagnostic::Severity;
use crate::config::runbooks::{LintReport, Linted};
use crate::config::{Workspace, render};
use crate::runbook::lint::{Level, RULES, Rule, rule};

/// What to lint.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The runbooks; all without one.
    names: Vec<String>,
    /// What makes the exit status 1 (warnings) or 2 (errors).
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = FailOn::Error)]
    fail_on: FailOn,
    /// Explain the rules instead: all of them, or those that are named.
    #[arg(long)]
    rules: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FailOn {
    /// Errors only.
    Error,
    /// Warnings as well.
    Warning,
    /// Nothing.
    Never,
}

/// A finding, as `irctl runbook lint --output json` prints it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LintRow {
    /// The runbook.
    pub runbook: String,
    /// The rule, or the stable name of an error of the configuration.
    pub rule: String,
    /// Error or warning.
    pub severity: Severity,
    /// The file, relative to the workspace's root.
    pub file: String,
    /// The line, from 1; absent where the whole file is meant.
    pub line: Option<usize>,
    /// The first column, from 1, in characters.
    pub column: Option<usize>,
    /// The column after the last, on the same line.
    pub end_column: Option<usize>,
    /// What was found.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Why there is such a rule.
    pub explanation: Option<&'static str>,
}

impl LintRow {
    fn new(linted: &Linted) -> Self {
        let place = linted.diagnostic.to_json();
        Self {
            runbook: linted.runbook.clone(),
            rule: place.code,
            severity: place.severity,
            file: place.file,
            line: place.line,
            column: place.column,
            end_column: place.end_column,
            message: place.message,
            help: place.help,
            explanation: linted.rule.map(|rule| rule.explanation),
        }
    }
}

/// Runs it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    if args.rules {
        return explain(&args.names, context);
    }
    let today = context.clock.now()?.date_naive();
    let report = Workspace::lint(&context.directory, &args.names, today)?;
    let rows = || report.found.iter().map(LintRow::new).collect::<Vec<_>>();
    match context.out.format() {
        Format::Json => context.out.json(&rows())?,
        Format::Sarif => context.out.json(&sarif::log(&rows()))?,
        Format::Github => {
            context.out.commands(&github::annotations(&rows()))?;
            context.out.note(&summary(&report, context));
        }
        _ => {
            context.out.text(&render(&report.report(), context.out.is_color()))?;
            context.out.line(&summary(&report, context))?;
        }
    }
    Ok(status(&report, args.fail_on))
}

fn status(report: &LintReport, fail_on: FailOn) -> u8 {
    match fail_on {
        FailOn::Never => exit::OK,
        _ if report.count(Severity::Error) > 0 => exit::CRIT,
        FailOn::Warning if report.count(Severity::Warning) > 0 => exit::WARN,
        _ => exit::OK,
    }
}

fn summary(report: &LintReport, context: &Context) -> String {
    let counted = |count: usize, noun: &str| match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    };
    let (errors, warnings) = (report.count(Severity::Error), report.count(Severity::Warning));
    let runbooks = counted(report.runbooks.len(), "runbook");
    if errors + warnings == 0 {
        return format!("{}: nothing found in {runbooks}", context.out.tone(Tone::Good, "lint ok"));
    }
    let found = format!("{}, {} in {runbooks}", counted(errors, "error"), counted(warnings, "warning"));
    let (tone, word) = if errors > 0 { (Tone::Bad, "lint failed") } else { (Tone::Warning, "lint warns") };
    format!("{}: {found}; `irctl runbook lint --rules NAME` explains a rule", context.out.tone(tone, word))
}

/// A rule, as `irctl runbook lint --rules --output json` prints it.
#[derive(Debug, Serialize)]
struct Explained {
    rule: &'static str,
    severity: Level,
    summary: &'static str,
    explanation: &'static str,
}

fn explain(names: &[String], context: &Context) -> Result<u8> {
    let chosen: Vec<&Rule> = if names.is_empty() {
        RULES.to_vec()
    } else {
        names.iter().map(|name| rule(name).ok_or_else(|| unknown(name))).collect::<Result<_>>()?
    };
    if context.out.is_json() {
        let rows: Vec<_> = chosen
            .iter()
            .map(|rule| Explained {
                rule: rule.id,
                severity: rule.level,
                summary: rule.summary,
                explanation: rule.explanation,
            })
            .collect();
        context.out.json(&rows)?;
        return Ok(exit::OK);
    }
    for rule in chosen {
        let level = match rule.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        context.out.line(&format!(
            "{} ({level}): {}",
            context.out.tone(Tone::Strong, rule.id),
            rule.summary
        ))?;
        context.out.line(&format!("    {}", rule.explanation))?;
    }
    Ok(exit::OK)
}

fn unknown(name: &str) -> Error {
    let known: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    Error::new(ErrorCode::NotFound, format!("there is no rule `{}`", name.escape_debug()))
        .hint(format!("rules: {}", known.join(", ")))
}
