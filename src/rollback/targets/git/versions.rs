//! Revisions as versions. The same content is the same version, whatever commit it stands in.

use chrono::DateTime;
use serde_json::json;

use super::area::Area;
use super::call::Call;
use super::commit::Commit;
use super::draft::{Draft, Stand};
use super::entries::{self, Entries};
use super::refuse;
use super::repository::Repository;
use super::snapshot::{Snapshot, Untracked};
use super::target::{GitTarget, scratch};
use crate::base::{Digest, Error, ErrorCode, Result};
use crate::rollback::metadata::Metadata;
use crate::rollback::targets::Observed;
use crate::rollback::versions::{DateSource, Dated, Version};

/// How many commits are versions where no tags are named.
const RECENT: &str = "-50";

/// The most tags that are looked at.
const TAGS: usize = 100_000;

/// The commit of a version that is one of ours.
pub(super) fn commit_of(version: &Version) -> Option<String> {
    let metadata = version.metadata.read().ok()??;
    metadata.pointer("/git/commit")?.as_str().map(str::to_owned)
}

/// What makes two trees the same version: the whole tree, or what lies in the area.
fn identity(repository: &Repository, area: &Area, tree: &str) -> Result<Digest> {
    if area.is_everything() {
        return Ok(Digest::of(format!("git tree {tree}").as_bytes()));
    }
    Ok(entries::digest(&entries::of_tree(repository, tree, area)?))
}

fn version(repository: &Repository, area: &Area, name: &str, commit: &Commit) -> Result<Version> {
    Ok(Version {
        digest: Some(identity(repository, area, &commit.tree)?),
        metadata: Metadata::from(json!({"git": {
            "commit": commit.id,
            "tree": commit.tree,
            "subject": commit.subject,
            "author": commit.author,
        }})),
        dated: dated(commit.at),
        ..Version::named(name)
    })
}

fn dated(seconds: i64) -> Option<Dated> {
    DateTime::from_timestamp(seconds, 0).map(|at| Dated { at, source: DateSource::History })
}

/// Every version one could go back to, newest first: the tags that the pattern names, else the last commits.
pub(super) fn list(target: &GitTarget<'_>, repository: &Repository) -> Result<Vec<Version>> {
    let area = target.config.area()?;
    match &target.config.versions {
        Some(pattern) => tags(repository, &area, pattern),
        None => {
            let tip = Stand::of(target, repository)?.tip(repository)?;
            let commits = repository.log(["--first-parent", RECENT, "--end-of-options", &tip.id])?;
            commits.iter().map(|commit| version(repository, &area, commit.short(), commit)).collect()
        }
    }
}

pub(super) fn pattern(text: &str) -> Result<glob::Pattern> {
    let text = text.strip_prefix("refs/").unwrap_or(text);
    glob::Pattern::new(text.strip_prefix("tags/").unwrap_or(text)).map_err(|error| {
        Error::new(
            ErrorCode::InvalidConfiguration,
            format!("git target: `versions: {}` is not a pattern: {error}", text.escape_debug()),
        )
        .hint("as in `versions: \"pre-phase*-stable\"`")
    })
}

/// What git says of a tag: its name, then of what it is and, where it is annotated, of what it stands for.
const TAG: &str = "--format=%(refname:strip=2)%00%(creatordate:unix)%00%(objecttype)%00%(objectname)%00%(tree)%00\
                   %(subject)%00%(authorname)%00%(*objecttype)%00%(*objectname)%00%(*tree)%00%(*subject)%00\
                   %(*authorname)%00%01";

fn tags(repository: &Repository, area: &Area, text: &str) -> Result<Vec<Version>> {
    let pattern = pattern(text)?;
    let limit = format!("--count={TAGS}");
    let call =
        Call::new(["for-each-ref", "--sort=-refname", "--sort=-creatordate", &limit, TAG, "refs/tags"]);
    let bytes = repository.bytes(&call)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut versions = Vec::new();
    for record in text.split("\u{1}\n") {
        let fields: Vec<&str> = record.split('\0').collect();
        let [name, at, rest @ ..] = fields.as_slice() else { continue };
        if pattern.matches(name) {
            versions.push(tag(repository, area, name, at.parse().unwrap_or(0), rest)?);
        }
    }
    Ok(versions)
}

fn tag(repository: &Repository, area: &Area, name: &str, at: i64, fields: &[&str]) -> Result<Version> {
    let one = |from: usize| -> Option<Commit> {
        let [kind, id, tree, subject, author] = fields.get(from..from + 5)? else { return None };
        (*kind == "commit").then(|| Commit {
            id: (*id).to_owned(),
            tree: (*tree).to_owned(),
            at,
            parents: Vec::new(),
            author: (*author).to_owned(),
            subject: (*subject).to_owned(),
        })
    };
    match one(0).or_else(|| one(5)) {
        Some(commit) => version(repository, area, name, &commit),
        None => Ok(Version {
            dated: dated(at),
            defect: Some("the tag is of no commit".to_owned()),
            ..Version::named(name)
        }),
    }
}

/// Any revision that names a commit here. A branch or `HEAD~1` names another one tomorrow, so they are known by the
/// commit; a tag keeps its name.
pub(super) fn find(target: &GitTarget<'_>, repository: &Repository, name: &str) -> Result<Option<Version>> {
    let Some(commit) = repository.commits_named(&[name])?.pop().flatten() else {
        // Cut-off history is a reason of its own; otherwise somebody else may know the name.
        return match repository.shallow && looks_like_revision(name) {
            true => Err(repository.absent(name)),
            false => Ok(None),
        };
    };
    let plain = name.strip_prefix("refs/").unwrap_or(name);
    let plain = plain.strip_prefix("tags/").unwrap_or(plain);
    let is_tag = repository.reference(&format!("refs/tags/{plain}"))?.is_some();
    let shown = if is_tag { plain.to_owned() } else { commit.short().to_owned() };
    version(repository, &target.config.area()?, &shown, &commit).map(Some)
}

/// `HEAD~40`, `main^`, `4f2a9c1e`: what can only be meant as a revision.
fn looks_like_revision(name: &str) -> bool {
    let hex = (7..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex || name.starts_with("HEAD") || name.contains(['~', '^'])
}

/// The version in place: what the files are, where they are checked out, else what the branch says.
pub(super) fn served(target: &GitTarget<'_>, repository: &Repository) -> Result<Version> {
    let area = target.config.area()?;
    let stand = Stand::of(target, repository)?;
    let tip = stand.tip(repository)?;
    let mut served = version(repository, &area, "live", &tip)?;
    let tag = Call::new(["describe", "--tags", "--exact-match", "--abbrev=0", &tip.id]);
    let tag =
        repository.run(&tag).ok().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let mut label = tag.unwrap_or_else(|| tip.short().to_owned());
    if stand.checked_out && refuse::unfinished(repository)?.is_empty() {
        let scratch = scratch()?;
        let looking = repository.with_objects(scratch.path());
        let nothing = Default::default();
        let snapshot = Snapshot::take(&looking, &area, Untracked::Only(&nothing), scratch.path())?;
        let digest = identity(&looking, &area, &snapshot.tree)?;
        if Some(&digest) != served.digest.as_ref() {
            label.push_str(" with uncommitted changes");
            // What is on disk is no commit any more.
            served.metadata = Metadata::default();
        }
        served.digest = Some(digest);
    }
    served.label = Some(label);
    Ok(served)
}

/// What is in place: branch, index, files.
pub(super) fn observe(target: &GitTarget<'_>, repository: &Repository) -> Result<Observed> {
    let area = target.config.area()?;
    let stand = Stand::of(target, repository)?;
    let tip = stand.tip(repository)?;
    if !stand.checked_out {
        return Ok(observed(&area, &stand, &tip, None));
    }
    let scratch = scratch()?;
    let looking = repository.with_objects(scratch.path());
    let staged = entries::of_index(&looking, None, &area)?;
    if let Some(why) = refuse::unfinished(&looking)?.into_iter().next() {
        return Ok(observed(&area, &stand, &tip, Some((&staged, Err(why)))));
    }
    // Known first: a work tree without changes is a tree that need not be written.
    let committed = entries::of_tree(&looking, &tip.tree, &area)?;
    let nothing = Default::default();
    let snapshot = Snapshot::take(&looking, &area, Untracked::AllAnd(&nothing), scratch.path())?;
    let files = entries::of_tree(&looking, &snapshot.tree, &area)?;
    Ok(observed(&area, &stand, &tip, Some((&staged, Ok((&files, &committed))))))
}

/// What is in place, of what a draft has looked at; none where that holds more than what is in place.
pub(super) fn observed_in(draft: &Draft) -> Option<Observed> {
    let Draft { area, stand, tip, work, .. } = draft;
    let Some(work) = work else { return Some(observed(area, stand, tip, None)) };
    let files = Some((&work.staged, Ok((&work.files, &work.committed))));
    (!work.snapshot.asked_for).then(|| observed(area, stand, tip, files))
}

/// What is checked out: the index, and the files with what is committed, or why there is no telling.
type CheckedOut<'a> = (&'a Entries, std::result::Result<(&'a Entries, &'a Entries), String>);

fn observed(area: &Area, stand: &Stand, tip: &Commit, checked_out: Option<CheckedOut<'_>>) -> Observed {
    let mut parts = Vec::new();
    if area.only.is_empty() {
        parts.push(("head", Digest::of(format!("{} {}", stand.reference, tip.id).as_bytes())));
    }
    let mut shown = format!("{} at {}", stand.shown(), tip.shown());
    if let Some((staged, files)) = checked_out {
        parts.push(("index", entries::digest(staged)));
        match files {
            Err(why) => shown.push_str(&format!("; {why}")),
            Ok((files, committed)) => {
                if files != committed {
                    shown.push_str(" with uncommitted work");
                }
                parts.push(("files", entries::digest(files)));
            }
        }
    }
    let digest = Digest::of_parts(parts.iter().map(|(name, digest)| (*name, digest)));
    Observed { digest, shown: shown.into() }
}
