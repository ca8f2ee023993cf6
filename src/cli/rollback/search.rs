//! `irctl rollback --bisect`: the first bad commit, then the plan to go back to the one before it.

use schemars::JsonSchema;
use serde::Serialize;
use std::time::Instant;

use super::words;
use crate::base::clock::Elapsed;
use crate::base::{Duration, Error, ErrorCode, Result};
use crate::cli::Context;
use crate::cli::output::Tone;
use crate::operation::Stop;
use crate::rollback::bisect::{Hunt, first_bad_of};
use crate::rollback::targets::git::bisect::{Fared, Found, Tried};
use crate::rollback::{Plan, RollbackOutcome, Subject};

/// How long the program may take on one commit, where nothing else is said.
const TIMEOUT: Duration = Duration::minutes(5);

/// Looks for the commit that broke it, and goes back to the one before.
#[derive(Debug, clap::Args)]
pub struct SearchArgs {
    /// Find the commit that broke it first: a program and its arguments in one argument, run on commits in a
    /// checkout of its own. It ends with 0 where all is good, 125 where that cannot be told, else with 1 to 127.
    #[arg(long, value_name = "COMMAND", requires = "good", conflicts_with_all = ["to", "plan"])]
    pub bisect: Option<String>,
    /// For --bisect: a revision that was good.
    #[arg(long, value_name = "REVISION", requires = "bisect")]
    good: Option<String>,
    /// For --bisect: a revision that is bad; the served one otherwise.
    #[arg(long, value_name = "REVISION", requires = "bisect")]
    bad: Option<String>,
    /// For --bisect: how long the program may take on one commit; 5m otherwise.
    #[arg(long, value_name = "DURATION", requires = "bisect")]
    bisect_timeout: Option<Duration>,
}

/// What `--bisect` prints with `--output json`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct BisectReport<'a> {
    /// The first bad commit, and how it was found.
    pub bisect: &'a Found,
    /// The plan to go back to the commit before it, with `--dry-run` or `--plan-out`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<&'a Plan>,
    /// How going back ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'a RollbackOutcome>,
}

impl SearchArgs {
    /// Looks for it and says what it found; nothing where it is not asked for.
    pub fn run(&self, context: &Context, subject: &Subject, stop: &Stop) -> Result<Option<Found>> {
        let (Some(command), Some(good)) = (&self.bisect, &self.good) else { return Ok(None) };
        let argv = words::split(command)?;
        let timeout = self.bisect_timeout.unwrap_or(TIMEOUT).to_std();
        let hunt = Hunt { argv: &argv, good, bad: self.bad.as_deref(), timeout };
        let begun = Instant::now();
        context.out.note(&format!("Looking for the first bad commit of {}:", subject.service));
        let mut number = 0;
        let mut told = |tried: &Tried| {
            number += 1;
            context.out.note(&step(number, tried));
            if stop.is_requested() {
                return Err(Error::new(ErrorCode::Refused, "the search was stopped")
                    .hint("nothing was changed; the same command searches again"));
            }
            Ok(())
        };
        let found = first_bad_of(subject, &hunt, &mut told)?;
        if !context.out.is_json() {
            say(context, &found, begun.elapsed())?;
        }
        Ok(Some(found))
    }
}

fn elapsed(milliseconds: u64) -> String {
    Elapsed(chrono::TimeDelta::milliseconds(i64::try_from(milliseconds).unwrap_or(i64::MAX))).to_string()
}

fn step(number: usize, tried: &Tried) -> String {
    let fared = match tried.fared {
        Fared::Good => "good",
        Fared::Bad => "BAD",
        Fared::Skipped => "cannot be tested",
    };
    let (commit, took) = (short(&tried.commit), elapsed(tried.elapsed_ms));
    format!("  {number:>3}  {commit}  {fared:<4}  {took:>8}  {}", tried.subject)
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

fn say(context: &Context, found: &Found, took: std::time::Duration) -> Result<()> {
    let out = &context.out;
    let tried = found.steps.len();
    let took = elapsed(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    let Some(commit) = &found.commit else {
        let title = format!("One of {} commits is the first bad one", found.suspects.len());
        out.line(&out.tone(Tone::Warning, &title))?;
        let suspects: Vec<_> = found.suspects.iter().map(|commit| short(commit)).collect();
        out.line(&format!("  suspects   {}", suspects.join(", ")))?;
        out.line("  why        commits between them cannot be tested")?;
        out.line(&format!("  goes to    {}, the newest that is known to be good", short(&found.parent)))?;
        out.line(&format!("  tried      {tried} commits in {took}\n"))?;
        return Ok(());
    };
    out.line(&out.tone(Tone::Strong, &format!("The first bad commit is {}", short(commit))))?;
    if let Some(subject) = &found.subject {
        out.line(&format!("  subject    {subject}"))?;
    }
    if let Some(author) = &found.author {
        let at = found.committed_at.map(crate::base::clock::format_minute);
        out.line(&format!("  author     {author}{}", at.map(|at| format!(", {at}")).unwrap_or_default()))?;
    }
    out.line(&format!("  goes to    {}, its parent", short(&found.parent)))?;
    out.line(&format!("  tried      {tried} commits in {took}\n"))
}
