//! Finding the commit that broke something, in a checkout of its own.
//!
//! The program's exit status means what it means to `git bisect run`: 0 is good, 125 cannot be tested, 1 to 127 is bad,
//! anything above ends the search.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

use super::call::Call;
use super::commit::Commit;
use super::repository::Repository;
use super::scratch::{Copy, command};
use crate::base::process::{Ending, Output};
use crate::base::{Error, ErrorCode, Result, Untrusted};

/// How a commit fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fared {
    /// The program ended with 0.
    Good,
    /// It ended with 1 to 127, but for 125.
    Bad,
    /// It ended with 125: this commit cannot be tested.
    Skipped,
}

/// One commit that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tried {
    /// The commit.
    pub commit: String,
    /// The first line of its message.
    pub subject: Untrusted,
    /// How it fared.
    pub fared: Fared,
    /// How the program ended: `exit status 1`.
    pub ending: String,
    /// How long the program ran, in milliseconds.
    pub elapsed_ms: u64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// The first bad commit; absent where commits that cannot be tested hide it.
    pub commit: Option<String>,
    /// Who wrote it.
    pub author: Option<Untrusted>,
    /// The first line of its message.
    pub subject: Option<Untrusted>,
    /// When it was committed (UTC).
    pub committed_at: Option<DateTime<Utc>>,
    /// Its first parent: what to roll back to. With hidden commits, the newest commit known to be good.
    pub parent: String,
    /// Where commits that cannot be tested hide it: the commits that may be it.
    pub suspects: Vec<String>,
    /// The commits that were tried, in order; the two ends come first.
    pub steps: Vec<Tried>,
}

/// A search under way.
struct Search<'a> {
    copy: Copy,
    argv: &'a [String],
    timeout: Duration,
    steps: Vec<Tried>,
    told: &'a mut dyn FnMut(&Tried) -> Result<()>,
}

/// Finds the first bad commit between a good and a bad one. The work tree, HEAD and any bisection of the user's own are
/// not touched: everything happens in `scratch`, an empty folder. `told` hears of each commit that was tried, and may end
/// the search.
///
/// # Errors
/// `refused` when the good revision is not good, the bad one not bad, or the good one no ancestor of the bad one;
/// `not-found` when a revision is not here; `subprocess` when the program ends with 128 or more, or by a signal;
/// `timed-out` when it takes longer than `timeout`; whatever `told` fails with.
pub fn first_bad(
    repository: &Path,
    good: &str,
    bad: &str,
    argv: &[String],
    timeout: Duration,
    scratch: &Path,
    told: &mut dyn FnMut(&Tried) -> Result<()>,
) -> Result<Found> {
    let original = Repository::open(repository)?;
    let (good, bad) = (original.need(good)?, original.need(bad)?);
    if good == bad || !original.is_ancestor(&good, &bad)? {
        return Err(Error::new(
            ErrorCode::Refused,
            format!("the good revision {} is no ancestor of the bad one {}", short(&good), short(&bad)),
        )
        .hint("`--good` names a commit from which the bad one was built; in a shallow clone its line may be cut off"));
    }
    let copy = Copy::bare_of_history(&original, &scratch.join("bisect"))?;
    let mut search = Search { copy, argv, timeout, steps: Vec::new(), told };
    search.check_ends(&good, &bad)?;
    search.run(good, bad)
}

fn short(commit: &str) -> &str {
    super::repository::short(commit)
}

impl Search<'_> {
    fn repository(&self) -> &Repository {
        self.copy.repository()
    }

    /// A test that fails on the good end, or passes on the bad one, would find nonsense.
    fn check_ends(&mut self, good: &str, bad: &str) -> Result<()> {
        let at_good = self.try_commit(good)?;
        if at_good != Fared::Good {
            return Err(self.wrong_end("good", good));
        }
        let at_bad = self.try_commit(bad)?;
        if at_bad != Fared::Bad {
            return Err(self.wrong_end("bad", bad));
        }
        Ok(())
    }

    fn wrong_end(&self, wanted: &str, commit: &str) -> Error {
        let ending = self.steps.last().map(|tried| tried.ending.clone()).unwrap_or_default();
        Error::new(
            ErrorCode::Refused,
            format!("{} should be {wanted}, but the program ended with {ending} there", short(commit)),
        )
        .hint("try the program by hand on both ends; 0 is good, 125 cannot be tested, any other up to 127 is bad")
    }

    fn run(mut self, good: String, mut bad: String) -> Result<Found> {
        let mut goods = vec![good];
        let mut skipped: Vec<String> = Vec::new();
        loop {
            let suspects = self.suspects(&bad, &goods)?;
            let next = suspects.iter().find(|commit| **commit != bad && !skipped.contains(commit)).cloned();
            let Some(next) = next else {
                return self.conclude(bad, &goods, suspects);
            };
            match self.try_commit(&next)? {
                Fared::Good => goods.push(next),
                Fared::Bad => bad = next,
                Fared::Skipped => skipped.push(next),
            }
        }
    }

    /// The commits that may be the first bad one; those that tell most about the others come first.
    fn suspects(&self, bad: &str, goods: &[String]) -> Result<Vec<String>> {
        let call = Call::new(["rev-list", "--bisect-all", bad]).with("--not");
        let call = goods.iter().fold(call, |call, good| call.with(good)).with("--");
        let lines = self.repository().line(&call)?;
        Ok(lines.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
    }

    fn try_commit(&mut self, commit: &str) -> Result<Fared> {
        self.copy.check_out(commit)?;
        let output = command(self.argv, self.copy.folder(), self.timeout).run()?;
        let fared = fared(&output, commit)?;
        let subject = self.repository().describe(commit)?.subject.into();
        let tried = Tried {
            commit: commit.to_owned(),
            subject,
            fared,
            ending: output.ending.to_string(),
            elapsed_ms: u64::try_from(output.elapsed.as_millis()).unwrap_or(u64::MAX),
        };
        (self.told)(&tried)?;
        self.steps.push(tried);
        Ok(fared)
    }

    fn conclude(self, bad: String, goods: &[String], suspects: Vec<String>) -> Result<Found> {
        let newest_good = goods.last().cloned().unwrap_or_default();
        if suspects.len() > 1 {
            return Ok(Found {
                commit: None,
                author: None,
                subject: None,
                committed_at: None,
                parent: newest_good,
                suspects,
                steps: self.steps,
            });
        }
        let Commit { id, at, parents, author, subject, .. } = self.repository().describe(&bad)?;
        Ok(Found {
            commit: Some(id),
            author: Some(author.into()),
            subject: Some(subject.into()),
            committed_at: DateTime::from_timestamp(at, 0),
            parent: parents.first().cloned().unwrap_or(newest_good),
            suspects: Vec::new(),
            steps: self.steps,
        })
    }
}

fn fared(output: &Output, commit: &str) -> Result<Fared> {
    match output.ending {
        Ending::Exit(0) => Ok(Fared::Good),
        Ending::Exit(125) => Ok(Fared::Skipped),
        Ending::Exit(1..=127) => Ok(Fared::Bad),
        Ending::TimedOut(_) => Err(Error::new(
            ErrorCode::TimedOut,
            format!("the program ended with {} on {}", output.ending, short(commit)),
        )
        .hint(
            "a commit that hangs is neither good nor bad; allow more time, or let the program end with 125",
        )),
        Ending::Exit(_) | Ending::Signal(_) => Err(Error::new(
            ErrorCode::Subprocess,
            format!("the program ended with {} on {}", output.ending, short(commit)),
        )
        .hint("128 or more ends the search, as with `git bisect run`")),
    }
}
