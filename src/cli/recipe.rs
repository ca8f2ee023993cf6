//! `irctl recipe`: list, show, test.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Context;
use super::output::Tone;
use crate::base::error::exit;
use crate::base::{Error, ErrorCode, Result};
use crate::config::{Scope, Workspace};
use crate::rollback::targets::command::{
    CommandTarget, Mark, Parameter, ParameterConfig, ParameterKind, Recipe, TrialReport, resolve, shipped,
    trial,
};
use crate::rollback::targets::{Goal, Ground};
use crate::rollback::versions::Version;

/// Recipes: rollback of anything, by programs that speak a small JSON contract.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the recipes of the workspace and those that irctl ships.
    List,
    /// Say what a recipe does, what it takes, and what it cannot undo.
    Show {
        /// The recipe.
        name: String,
    },
    /// Try a recipe on a throw-away thing: observe, predict, apply, observe, undo, observe.
    ///
    /// Each clause of the contract is checked and reported. What is applied is undone. Name nothing that anybody
    /// needs: this really changes it.
    Test(TestArgs),
}

#[derive(Debug, clap::Args)]
struct TestArgs {
    /// The recipe.
    name: String,
    /// A parameter; lists with commas between their items, secrets as references (`env:NAME`).
    #[arg(long, value_name = "KEY=VALUE")]
    with: Vec<String>,
    /// The version that stands for `{version}`.
    #[arg(long, value_name = "NAME", default_value = "a-version")]
    version: String,
    /// Only look and predict.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// Runs it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let book = Book::open(context)?;
    match &args.command {
        Command::List => list(&book, context),
        Command::Show { name } => show(book.find(name)?, context),
        Command::Test(args) => test(args, &book, context),
    }
}

/// The recipes at hand: a workspace's, else those that are shipped.
struct Book {
    root: PathBuf,
    recipes: BTreeMap<String, Recipe>,
    shipped: Vec<String>,
    workspace: Option<Workspace>,
}

impl Book {
    fn open(context: &Context) -> Result<Self> {
        match context.workspace_for(Scope::OPERATE) {
            Ok(workspace) => Ok(Self {
                root: workspace.root.clone(),
                recipes: workspace.recipes.clone(),
                shipped: workspace.shipped_recipes.iter().cloned().collect(),
                workspace: Some(workspace.clone()),
            }),
            Err(error) if error.code == ErrorCode::NoConfiguration => Self::shipped(context),
            Err(error) => Err(error),
        }
    }

    fn shipped(context: &Context) -> Result<Self> {
        let read = |(name, yaml): &(&str, &str)| Ok(((*name).to_owned(), Recipe::parse(yaml)?));
        let recipes: BTreeMap<_, _> = shipped().iter().map(read).collect::<Result<_>>()?;
        let shipped = recipes.keys().cloned().collect();
        Ok(Self { root: context.directory.clone(), recipes, shipped, workspace: None })
    }

    fn find(&self, name: &str) -> Result<&Recipe> {
        match &self.workspace {
            Some(workspace) if !self.recipes.contains_key(name) => {
                workspace.recipe(name)?;
            }
            _ => {}
        }
        self.recipes.get(name).ok_or_else(|| {
            let known: Vec<_> = self.recipes.keys().map(String::as_str).collect();
            Error::new(ErrorCode::NotFound, format!("there is no recipe `{}`", name.escape_debug()))
                .hint(format!("recipes here: {}", known.join(", ")))
        })
    }
}

/// A recipe as `irctl recipe list --output json` shows it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Row {
    /// Its name.
    pub recipe: String,
    /// What it switches.
    pub title: String,
    /// Whether it comes with irctl.
    pub shipped: bool,
}

fn list(book: &Book, context: &Context) -> Result<u8> {
    let rows: Vec<Row> = book
        .recipes
        .iter()
        .map(|(name, recipe)| Row {
            recipe: name.clone(),
            title: recipe.title.clone(),
            shipped: book.shipped.contains(name),
        })
        .collect();
    if context.out.is_json() {
        context.out.json(&rows)?;
        return Ok(exit::OK);
    }
    let from = |row: &Row| if row.shipped { "shipped" } else { "workspace" }.to_owned();
    let rows: Vec<_> =
        rows.iter().map(|row| vec![row.recipe.clone(), from(row), row.title.clone()]).collect();
    context.out.table(&["RECIPE", "FROM", "TITLE"], &rows)?;
    Ok(exit::OK)
}

fn show(recipe: &Recipe, context: &Context) -> Result<u8> {
    if context.out.is_json() {
        context.out.json(recipe)?;
        return Ok(exit::OK);
    }
    let out = &context.out;
    out.line(&format!("{}: {}", out.tone(Tone::Strong, &recipe.recipe), recipe.title))?;
    if let Some(description) = &recipe.description {
        out.line(&format!("\n{}", description.trim_end()))?;
    }
    out.line("")?;
    let rows: Vec<_> = recipe.parameters.iter().map(|(name, parameter)| row(name, parameter)).collect();
    out.table(&["PARAMETER", "TYPE", "GIVEN", "WHAT FOR"], &rows)?;
    for (title, lines) in [
        ("Cannot be undone", &recipe.cannot_be_undone),
        ("Could undo this", &recipe.could_undo_this),
        ("Needs", &recipe.needs),
    ] {
        if !lines.is_empty() {
            out.line(&format!("\n{title}: {}", lines.join("; ")))?;
        }
    }
    Ok(exit::OK)
}

fn row(name: &str, parameter: &ParameterConfig) -> Vec<String> {
    let kind = if parameter.secret { "secret".to_owned() } else { parameter.kind.to_string() };
    let given = match (&parameter.default, parameter.required) {
        (_, true) => "required".to_owned(),
        (Some(default), _) => format!("else {}", default.0),
        (None, _) => "optional".to_owned(),
    };
    vec![name.to_owned(), kind, given, parameter.description.clone().unwrap_or_default()]
}

fn test(args: &TestArgs, book: &Book, context: &Context) -> Result<u8> {
    let recipe = book.find(&args.name)?;
    let config = resolve(recipe, &given(recipe, &args.with)?)?;
    if !args.dry_run && !agreed(args, &config.title(), context)? {
        return Err(
            Error::new(ErrorCode::Refused, "nothing was tried").hint("`--dry-run` only looks and predicts")
        );
    }
    let ground = Ground { root: book.root.clone(), service: "a-trial".to_owned() };
    let (version, served) = (Version::named(&args.version), Version::named("what-serves"));
    let actor = context.actor.to_string();
    let goal = Goal {
        version: &version,
        served: &served,
        operation: None,
        incident: None,
        reason: Some("a trial of the recipe"),
        actor: &actor,
        now: context.clock.now()?,
    };
    let images = tempfile::tempdir().map_err(|error| Error::io("cannot make a folder", error))?;
    let report =
        trial(&CommandTarget { config: &config, ground: &ground }, &goal, images.path(), args.dry_run)?;
    print(&report, context)?;
    Ok(report.verdict.exit())
}

/// The yes that everything needs that changes something.
fn agreed(args: &TestArgs, title: &str, context: &Context) -> Result<bool> {
    if args.yes {
        return Ok(true);
    }
    if !context.out.is_interactive() {
        return Err(Error::new(
            ErrorCode::Usage,
            "this changes what it is tried on, and there is no terminal to ask on",
        )
        .hint("`--dry-run` only looks and predicts; to try it all, say `--yes`"));
    }
    context.out.note(&format!("This applies {title} and undoes it again."));
    Ok(context.out.confirm("Do it?")?.unwrap_or(false))
}

fn print(report: &TrialReport, context: &Context) -> Result<()> {
    let out = &context.out;
    if out.is_json() {
        return out.json(report);
    }
    for check in &report.checks {
        let (tone, word) = match check.mark {
            Mark::Pass => (Tone::Good, "PASS"),
            Mark::Fail => (Tone::Bad, "FAIL"),
            Mark::NotRun => (Tone::Warning, "not run"),
        };
        let detail = check.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
        out.line(&format!("{}{} {}{detail}", out.tone(tone, word), " ".repeat(7 - word.len()), check.check))?;
    }
    out.line(&format!("{}: {}", report.target, out.verdict(report.verdict)))
}

/// The parameters of the command line, each of the kind that the recipe wants.
fn given(recipe: &Recipe, texts: &[String]) -> Result<BTreeMap<String, Parameter>> {
    let mut with = BTreeMap::new();
    for text in texts {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Error::new(ErrorCode::Usage, "a parameter is written KEY=VALUE")
                .hint("as in --with key=promotions")
        })?;
        let kind = recipe.parameters.get(name).map(|parameter| parameter.kind).unwrap_or_default();
        with.insert(name.to_owned(), Parameter(typed(kind, value)));
    }
    Ok(with)
}

/// What does not fit stays text, and is refused as such with the parameter's name.
fn typed(kind: ParameterKind, text: &str) -> Value {
    let json = || serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    match kind {
        ParameterKind::Text | ParameterKind::Path => Value::from(text),
        ParameterKind::Number | ParameterKind::Flag => json(),
        ParameterKind::List if text.starts_with('[') => json(),
        ParameterKind::List => text.split(',').map(Value::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_command_line_gives_values_of_the_right_kind() {
        assert_eq!(typed(ParameterKind::Number, "3"), json!(3));
        assert_eq!(typed(ParameterKind::Flag, "true"), json!(true));
        assert_eq!(typed(ParameterKind::Text, "3"), json!("3"));
        assert_eq!(typed(ParameterKind::List, "a,b"), json!(["a", "b"]));
        assert_eq!(typed(ParameterKind::List, "[\"a,b\"]"), json!(["a,b"]));
        assert_eq!(typed(ParameterKind::Number, "many"), json!("many"));
    }
}
