//! `irctl runbook`: list, show, lint, import.

mod github;
mod import;
mod lint;
mod sarif;

use schemars::JsonSchema;
use serde::Serialize;

use super::Context;
use super::output::Format;
use crate::base::error::exit;
use crate::base::{Error, ErrorCode, Result};
use crate::config::{Scope, Workspace};
use crate::runbook::{RunbookConfig, show, walk};
pub use lint::LintRow;

/// Runbooks: what to do about a symptom, step by step.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the runbooks, with what leads to each.
    List {
        /// Only those with this tag, symptom or service.
        #[arg(long, value_name = "WORD")]
        about: Option<String>,
    },
    /// Show a runbook: every step, every branch.
    ///
    /// `--output markdown` is a page for a wiki, `--output checklist` has boxes and blanks to print, `--output json`
    /// lists the steps with their numbers and effects.
    Show {
        /// The runbook.
        name: String,
    },
    /// Say what is unwise about runbooks, where, and what to write instead.
    ///
    /// Each finding has a rule with a stable name; `--rules` explains them all. An exception stands in the file, with
    /// its reason: `lint: {allow: [{rule: NAME, reason: WHY}]}`. `--output github` annotates a pull request,
    /// `--output sarif` is for code scanning.
    Lint(lint::Args),
    /// Make a draft of a runbook from a procedure in Markdown.
    ///
    /// Headings become steps, code becomes commands and queries with their effects guessed, boxes become checklists,
    /// tables of contacts and times are recognised, and secrets are taken out. What would be unwise to run becomes an
    /// instruction that says what to write instead. Read every step before anybody runs it.
    Import(import::Args),
}

/// Runs it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    match &args.command {
        Command::List { about } => {
            only(context, &[])?;
            list(about.as_deref(), context)
        }
        Command::Show { name } => {
            only(context, &[Format::Markdown, Format::Checklist])?;
            show(name, context)
        }
        Command::Import(args) => {
            only(context, &[])?;
            import::run(args, context)
        }
        Command::Lint(args) => {
            only(context, &[Format::Github, Format::Sarif])?;
            lint::run(args, context)
        }
    }
}

/// Refuses the forms that a command does not have, beside text and JSON.
fn only(context: &Context, more: &[Format]) -> Result<()> {
    let format = context.out.format();
    if !format.is_report() || more.contains(&format) {
        return Ok(());
    }
    let hint = match more {
        [] => "--output text, or --output json",
        [Format::Github, ..] => "--output text, json, github or sarif",
        _ => "--output text, json, markdown or checklist",
    };
    Err(Error::new(ErrorCode::Usage, "this command has no results of this form").hint(hint))
}

/// A runbook as `irctl runbook list --output json` shows it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Row {
    /// Its name.
    pub runbook: String,
    /// What it is for.
    pub title: String,
    /// The level it is written for.
    pub severity: Option<String>,
    /// The service it is about.
    pub service: Option<String>,
    /// What leads to it.
    pub symptoms: Vec<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// The role that keeps it.
    pub owner: Option<String>,
    /// When somebody has to read it again.
    pub review_by: Option<String>,
    /// How many steps it has, those in branches included.
    pub steps: usize,
    /// The file, relative to the workspace's root.
    pub file: Option<String>,
}

impl Row {
    fn new(runbook: &RunbookConfig, workspace: &Workspace) -> Self {
        let file = workspace.source(crate::config::Kind::Runbook, Some(&runbook.runbook));
        let file = file.map(|path| path.strip_prefix(&workspace.root).unwrap_or(&path).display().to_string());
        Self {
            runbook: runbook.runbook.clone(),
            title: runbook.title.clone(),
            severity: runbook.severity.clone(),
            service: runbook.service.clone(),
            symptoms: runbook.symptoms.clone(),
            tags: runbook.tags.clone(),
            owner: runbook.owner.clone(),
            review_by: runbook.review_by.map(|review| review.to_string()),
            steps: walk::steps(runbook).len(),
            file,
        }
    }

    fn is_about(&self, word: &str) -> bool {
        let named = self.service.as_deref() == Some(word) || self.runbook == word;
        named || self.symptoms.iter().chain(&self.tags).any(|known| known == word)
    }
}

fn list(about: Option<&str>, context: &Context) -> Result<u8> {
    let workspace = context.workspace_for(Scope::OPERATE)?;
    let all = workspace.runbooks.values().map(|runbook| Row::new(runbook, workspace));
    let rows: Vec<Row> = all.filter(|row| about.is_none_or(|word| row.is_about(word))).collect();
    if context.out.is_json() {
        context.out.json(&rows)?;
        return Ok(exit::OK);
    }
    if rows.is_empty() {
        context.out.note(match about {
            Some(_) => "no runbook is about that; `irctl runbook list` has them all",
            None => "there are no runbooks yet: write one as runbooks/NAME.yaml (docs/runbooks.md)",
        });
        return Ok(exit::OK);
    }
    let cells = rows.into_iter().map(|row| {
        vec![
            row.runbook,
            row.severity.unwrap_or_default(),
            row.steps.to_string(),
            row.symptoms.join(", "),
            row.title,
        ]
    });
    context.out.table(&["RUNBOOK", "LEVEL", "STEPS", "SYMPTOMS", "TITLE"], &cells.collect::<Vec<_>>())?;
    Ok(exit::OK)
}

fn show(name: &str, context: &Context) -> Result<u8> {
    let workspace = context.workspace_for(Scope::OPERATE)?;
    let runbook = workspace.runbook(name)?;
    match context.out.format() {
        Format::Json => context.out.json(&show::outline(runbook))?,
        Format::Markdown => context.out.text(&show::markdown(runbook))?,
        Format::Checklist => context.out.text(&show::checklist(runbook))?,
        _ => context.out.text(&show::text(runbook, context.out.width()))?,
    }
    Ok(exit::OK)
}
