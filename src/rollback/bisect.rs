//! Finding the commit that broke a service, before it is rolled back to the commit before it.

use std::time::Duration;

use super::config::TargetConfig;
use super::subject::Subject;
use super::targets::git::GitTarget;
use super::targets::git::bisect::{Found, Tried, first_bad};
use super::targets::{Target as _, build};
use crate::base::{Error, ErrorCode, Result, path};

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Hunt<'a> {
    /// The program and its arguments: 0 is good, 125 cannot be tested, 1 to 127 is bad.
    pub argv: &'a [String],
    /// A revision that was good.
    pub good: &'a str,
    /// A revision that is bad; the served one otherwise.
    pub bad: Option<&'a str>,
    /// How long the program may take on one commit.
    pub timeout: Duration,
}

/// Finds the first bad commit of the git work tree that says which versions a service has, in a checkout of its own.
/// `told` hears of each commit that was tried, and may end the search.
///
/// # Errors
/// `usage` where no git work tree says which versions there are; else those of [`first_bad`].
pub fn first_bad_of(
    subject: &Subject,
    hunt: &Hunt<'_>,
    told: &mut dyn FnMut(&Tried) -> Result<()>,
) -> Result<Found> {
    let ground = subject.ground();
    let lead = subject.rollback.targets.iter().find(|config| build(config, &ground).leads());
    let Some(TargetConfig::Git(config)) = lead else {
        return Err(Error::new(
            ErrorCode::Usage,
            format!("--bisect looks through commits, and no git work tree says which versions {} has", subject.service),
        )
        .hint("it needs a `git:` target before any other that knows versions, or a work tree: `irctl rollback DIR --bisect …`"));
    };
    let target = GitTarget { config, ground: &ground };
    let bad = match hunt.bad {
        Some(bad) => bad.to_owned(),
        None => {
            let served = target.served()?;
            let metadata = served.metadata.read()?;
            let commit = metadata.as_deref().and_then(|metadata| metadata.pointer("/git/commit"));
            // With uncommitted changes what serves is no commit; the newest one is what can be tried.
            let tip = || config.branch.clone().unwrap_or_else(|| "HEAD".to_owned());
            commit.and_then(|commit| commit.as_str()).map_or_else(tip, str::to_owned)
        }
    };
    let repository = path::inside(&subject.root, &config.repository)?;
    let scratch = tempfile::Builder::new()
        .prefix("irctl-bisect-")
        .tempdir()
        .map_err(|error| Error::io("cannot make a temporary folder", error))?;
    first_bad(&repository, hunt.good, &bad, hunt.argv, hunt.timeout, scratch.path(), told)
}
