//! The things that a rollback switches: one trait for all of them, one folder for each kind.
//!
//! A [`Target`] is made from the configuration and only looks, predicts and stages. What it stages is a
//! [`SwitchSpec`]: plain data that an operation pins, from which any later process can switch and undo without
//! reading the workspace again. Every kind has a row in the conformance suite (`tests/targets/`).

mod change;
pub mod check;
pub mod command;
pub mod declared;
pub mod files;
pub mod git;
mod kept;
pub mod kubernetes;
pub mod registry;
pub mod rehearsal;
pub mod settings;
mod spec;
pub mod sql;
mod unresolved;

use chrono::{DateTime, Utc};
use std::path::{Path, PathBuf};

pub use change::{Change, Fence, Fidelity, Observed, Prediction, Rehearsed};
pub use kept::{Kept, KeptAt, ROWS};
pub use spec::{SwitchSpec, build};

use super::digests::DigestCache;
use super::versions::Version;
use crate::base::{Digest, Error, ErrorCode, Result};
use crate::operation::{Observation, Phase, StepContext};

/// Where a target stands.
#[derive(Debug, Clone)]
pub struct Ground {
    /// The workspace; every path in the configuration is relative to it and may not leave it.
    pub root: PathBuf,
    /// The service.
    pub service: String,
}

/// What a target is to become, and for whom. Templates in the configuration are filled in from it.
#[derive(Debug, Clone, Copy)]
pub struct Goal<'a> {
    /// The version that comes back.
    pub version: &'a Version,
    /// The version that serves.
    pub served: &'a Version,
    /// The operation; absent while nothing is to be changed (a dry run).
    pub operation: Option<&'a str>,
    /// The incident it answers.
    pub incident: Option<&'a str>,
    /// Why, in the words of who asks.
    pub reason: Option<&'a str>,
    /// Who asks.
    pub actor: &'a str,
    /// Now (UTC).
    pub now: DateTime<Utc>,
}

impl Goal<'_> {
    /// Fills a template in: `{version}` (the label, else the name), `{name}`, `{digest}`, `{previous}` (what serves),
    /// `{operation}`, `{incident}`, `{reason}`, `{actor}`, `{now}` (RFC 3339) and `{version_dir}`.
    ///
    /// # Errors
    /// A placeholder that is not known, or that has no value here (a version without a digest or a folder).
    pub fn fill(&self, template: &str) -> Result<String> {
        let mut out = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let Some((name, tail)) = after.split_once('}') else {
                return Err(unfillable(template, "a brace is not closed"));
            };
            out.push_str(&self.value(name).ok_or_else(|| {
                unfillable(template, &format!("`{{{}}}` has no value here", name.escape_debug()))
            })?);
            rest = tail;
        }
        out.push_str(rest);
        Ok(out)
    }

    fn value(&self, name: &str) -> Option<String> {
        let text = |value: Option<&str>| Some(value.unwrap_or_default().to_owned());
        match name {
            "version" => Some(self.version.shown().to_owned()),
            "name" => Some(self.version.name.clone()),
            "digest" => self.version.digest.as_ref().map(Digest::to_string),
            "previous" => Some(self.served.shown().to_owned()),
            "version_dir" => self.version.folder.as_ref().map(|folder| folder.display().to_string()),
            "operation" => Some(self.operation.unwrap_or("OP-not-yet").to_owned()),
            "incident" => text(self.incident),
            "reason" => text(self.reason),
            "actor" => text(Some(self.actor)),
            "now" => Some(crate::base::clock::format_instant(self.now)),
            _ => None,
        }
    }
}

fn unfillable(template: &str, why: &str) -> Error {
    Error::new(ErrorCode::InvalidConfiguration, format!("`{}`: {why}", template.escape_debug())).hint(
        "known are {version}, {name}, {digest}, {previous}, {version_dir}, {operation}, {incident}, {reason}, \
         {actor} and {now}",
    )
}

/// Where staging keeps what the switch and the way back need.
#[derive(Debug, Clone, Copy)]
pub struct Staging<'a> {
    /// A folder of this target alone, readable by the owner only, for before-images. It exists.
    pub images: &'a Path,
    /// The operation.
    pub operation: &'a str,
}

/// One thing that is switched.
///
/// Nothing here changes what anybody can see: that is for the [`Switch`] that staging returns.
pub trait Target {
    /// The kind, as the configuration names it: `git`.
    fn kind(&self) -> &'static str;

    /// What is switched, in a few words, unique among the targets of a service: `git /srv/app`.
    fn name(&self) -> String;

    /// What keeps two writers apart.
    fn fence(&self) -> Fence;

    /// The lock files of a claim, beside what they protect ([`crate::operation::claim::beside`]).
    fn claims(&self) -> Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    /// Whether it can say which versions there are. The first target of a plan that can leads it.
    fn leads(&self) -> bool {
        false
    }

    /// Every version one could go back to, newest first; broken ones with their defect.
    fn versions(&self) -> Result<Vec<Version>> {
        Err(Error::new(ErrorCode::InvalidConfiguration, format!("{} says nothing of versions", self.name())))
    }

    /// [`Target::versions`], with the digests of files that are known taken as known.
    fn versions_with(&self, _digests: &DigestCache) -> Result<Vec<Version>> {
        self.versions()
    }

    /// The version that is in place.
    fn served(&self) -> Result<Version> {
        Err(Error::new(ErrorCode::InvalidConfiguration, format!("{} says nothing of versions", self.name())))
    }

    /// [`Target::served`] for whoever only looks: the digests of files that are known are taken as known. It proves
    /// nothing.
    fn served_with(&self, _digests: &DigestCache) -> Result<Version> {
        self.served()
    }

    /// Refuses what can be no name of a version here, before anybody's consumers are stopped.
    fn accepts(&self, name: &str) -> Result<()> {
        crate::base::path::single_name(name).map(|_| ())
    }

    /// Finds a version that is no member of [`Target::versions`] but can be named: a git revision.
    fn find(&self, _name: &str) -> Result<Option<Version>> {
        Ok(None)
    }

    /// Whether what a service says it serves stands for this version; `artifact` names the file whose SHA-256 it says,
    /// where the configuration names one.
    fn answers(&self, version: &Version, says: &str, _artifact: Option<&str>) -> bool {
        let digest = says.parse::<Digest>().ok();
        let named = version.name == says || version.label.as_deref() == Some(says);
        named || (digest.is_some() && digest == version.digest)
    }

    /// The folder that holds the staged version, once it is staged, so that it can be loaded before it is switched.
    fn staged(&self, _operation: &str) -> Option<PathBuf> {
        None
    }

    /// Takes away what an operation left that died while it staged, before it had a plan.
    fn sweep(&self, _operation: &str) -> Result<()> {
        Ok(())
    }

    /// What is in place now: its digest and its words. The same state always gives the same digest.
    fn observe(&self) -> Result<Observed>;

    /// Keeps what is in place now as known to be good: writes what it makes up into the folder `into` (which exists
    /// and is empty), and names the files that are to be copied. What it observes, unless the kind can keep more.
    /// Changes nothing else, and never keeps the value of a secret.
    fn keep(&self, into: &Path) -> Result<Vec<Kept>> {
        Ok(vec![Kept::observed(into, &self.observe()?)?])
    }

    /// The git work tree (or bare repository) that it stands in, where tags say which versions there were.
    fn work_tree(&self) -> Option<PathBuf> {
        None
    }

    /// What switching would change, and how sure that is. Changes nothing.
    fn predict(&self, goal: &Goal<'_>) -> Result<Prediction>;

    /// [`Target::observe`] and [`Target::predict`] together: a kind that looks at the same for both looks once.
    fn look(&self, goal: &Goal<'_>) -> (Result<Observed>, Result<Prediction>) {
        (self.observe(), self.predict(goal))
    }

    /// Does everything slow (copy, fetch, hash, load), keeps the before-image, and returns what to switch, in order.
    /// Nothing to do is an empty list.
    fn stage(&self, goal: &Goal<'_>, staging: &Staging<'_>) -> Result<Vec<SwitchSpec>>;

    /// Switches and undoes a copy in `scratch` (an empty folder), and says how each part went.
    fn rehearse(&self, goal: &Goal<'_>, scratch: &Path) -> Result<Vec<Rehearsed>>;
}

/// One switch of one target: pinned data that any process can act on.
///
/// `act` compares before it sets (what is in place must be the before-image's), and both `act` and `undo` may be
/// repeated after a crash at any instruction.
pub trait Switch {
    /// Its name, unique within its target: `model.json`.
    fn id(&self) -> String;

    /// What it does, for people: `put model.json in place`.
    fn describe(&self) -> String;

    /// Which part of the operation it belongs to: `Prepare` for what only keeps what is in place.
    fn phase(&self) -> Phase {
        Phase::Switch
    }

    /// Which of before, after or something else is in place now.
    fn observe(&self) -> Result<Observation>;

    /// Switches; returns what there is to say about it. Refuses (code `drifted`) what a third party changed.
    fn act(&self, context: &mut StepContext<'_>) -> Result<Option<String>>;

    /// Puts back what was, byte for byte or row for row. Refuses (code `drifted`) what a third party changed since.
    fn undo(&self, context: &mut StepContext<'_>) -> Result<Option<String>>;

    /// Puts back what was as far as nobody else changed it since, and names what was left alone. Letting consumers
    /// back uses this: a setting that a human changed meanwhile stays as the human set it.
    fn put_back(&self, context: &mut StepContext<'_>) -> Result<Vec<String>> {
        self.undo(context).map(|_| Vec::new())
    }

    /// The lock files that protect what it switches, as far as it knows them ([`Target::claims`]).
    fn claims(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// What it changes, as the plan of an undo shows it (`back` turned round).
    fn changes(&self) -> Vec<Change>;

    /// The switch that takes this one back in an operation of its own, with before-images of its own, so that it can
    /// be taken back in turn.
    ///
    /// # Errors
    /// `drifted` when what is in place is not what this switch left.
    fn reverse(&self, staging: &Staging<'_>) -> Result<SwitchSpec>;

    /// Takes away what staging left beside the target, when the operation is over. Before-images stay.
    fn tidy(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(name: &str) -> Version {
        Version { label: Some(format!("v-{name}")), ..Version::named(name) }
    }

    #[test]
    fn templates_are_filled_and_unknown_words_are_refused() {
        let (to, from) = (version("a"), version("b"));
        let goal = Goal {
            version: &to,
            served: &from,
            operation: None,
            incident: None,
            reason: Some("{name}"),
            actor: "cli:ada",
            now: crate::base::clock::parse_instant("2026-11-20T03:07:00Z").unwrap(),
        };
        assert_eq!(goal.fill("{name} {version} {previous} {reason}").unwrap(), "a v-a v-b {name}");
        assert_eq!(goal.fill("plain").unwrap(), "plain");
        assert!(goal.fill("{digest}").is_err());
        assert!(goal.fill("{nonsense}").is_err());
        assert!(goal.fill("{open").is_err());
    }
}
