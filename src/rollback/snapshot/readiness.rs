//! What must be ready before a deploy, as far as rollback itself knows: a tag, a database backup, a saved
//! configuration, a rehearsal. Rooms above add what they know of people and documents.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use std::path::{Path, PathBuf};

use super::config::BackupConfig;
use super::manifest::Snapshot;
use super::rehash::Item;
use super::{shelf, work_tree};
use crate::base::clock::Elapsed;
use crate::base::{Digest, Duration, Error, ErrorCode, Result, Untrusted, Verdict, file, path};
use crate::rollback::drill;
use crate::rollback::environment::Subject;
use crate::rollback::targets;

/// The checklist before a deploy.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Readiness {
    /// The service.
    pub service: String,
    /// The phase, where one was asked about.
    pub phase: Option<String>,
    /// As of when (UTC).
    pub at: DateTime<Utc>,
    /// The worst verdict.
    pub verdict: Verdict,
    /// Every check.
    pub checks: Vec<Check>,
}

/// One check of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Check {
    /// Its identifier.
    pub id: &'static str,
    /// What must be so.
    pub title: &'static str,
    /// What was found; nothing found is UNKNOWN.
    pub verdict: Verdict,
    /// What was looked at, and what it said.
    pub evidence: Untrusted,
    /// What to do about it.
    pub next: Option<String>,
}

impl Check {
    /// A check with its result.
    pub fn new(
        id: &'static str,
        title: &'static str,
        verdict: Verdict,
        evidence: impl Into<Untrusted>,
    ) -> Self {
        Self { id, title, verdict, evidence: evidence.into(), next: None }
    }

    /// With what to do about it, where it is not OK.
    #[must_use]
    pub fn next(self, next: impl Into<String>) -> Self {
        let next = (self.verdict != Verdict::Ok).then(|| next.into());
        Self { next, ..self }
    }
}

/// The checks that rollback itself can make.
pub fn checks(state: &Path, subject: &Subject, now: DateTime<Utc>) -> Vec<Check> {
    let newest = shelf::newest(state, &subject.service, subject.phase.as_deref());
    let newest = newest.as_ref();
    let snapshot = newest.map(Option::as_ref);
    vec![
        tagged(subject),
        database(subject, snapshot, now),
        configuration(subject, snapshot, now),
        tested(state, subject, now),
    ]
}

fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{} ago", Elapsed(now - at))
}

/// How old something is against what is allowed. What dates from the future says nothing.
fn aged(at: DateTime<Utc>, allowed: Option<Duration>, now: DateTime<Utc>) -> Verdict {
    match allowed {
        _ if at > now => Verdict::Unknown,
        Some(allowed) if allowed.after(at) < now => Verdict::Warn,
        _ => Verdict::Ok,
    }
}

/// The previous version is tagged in git: what serves now is the previous version once something else is deployed.
fn tagged(subject: &Subject) -> Check {
    let check = |verdict, evidence: String| {
        Check::new("previous-version-tagged", "Previous version tagged in git", verdict, evidence)
            .next("git tag NAME, on the commit that serves")
    };
    let ground = subject.ground();
    let targets: Vec<_> =
        subject.rollback.targets.iter().map(|config| targets::build(config, &ground)).collect();
    let mut trees: Vec<PathBuf> = targets.iter().filter_map(|target| target.work_tree()).collect();
    if trees.is_empty() {
        trees.push(subject.root.clone());
    }
    let pattern = subject.rollback.snapshot.as_ref().and_then(|config| config.tag.clone());
    let pattern = match pattern.as_deref().map(glob::Pattern::new).transpose() {
        Ok(pattern) => pattern,
        Err(error) => return check(Verdict::Unknown, format!("`tag:` is no pattern: {error}")),
    };
    let mut said = Vec::new();
    let mut worst = Verdict::Ok;
    for tree in trees {
        let (verdict, evidence) = tag_of(&tree, pattern.as_ref());
        worst = worst.worst(verdict);
        said.push(evidence);
    }
    check(worst, said.join("; "))
}

fn tag_of(tree: &Path, pattern: Option<&glob::Pattern>) -> (Verdict, String) {
    let commit = match work_tree::commit(tree) {
        Ok(commit) => commit,
        Err(error) => return (Verdict::Unknown, format!("{}: {}", tree.display(), error.message)),
    };
    let short = commit.hash.get(..12).unwrap_or(&commit.hash).to_owned();
    let fits = |tag: &&Untrusted| pattern.is_none_or(|pattern| pattern.matches(tag.raw()));
    if let Some(tag) = commit.tags.iter().find(fits) {
        return (Verdict::Ok, format!("{} is at {short}, tagged {}", tree.display(), tag.raw()));
    }
    match work_tree::last_tag(tree) {
        Ok(tag) => {
            (Verdict::Warn, format!("{} is at {short}, which has no tag; the last is {tag}", tree.display()))
        }
        Err(_) => {
            (Verdict::Crit, format!("{} is at {short}, and nothing before it is tagged", tree.display()))
        }
    }
}

type Newest<'a> = std::result::Result<Option<&'a Snapshot>, &'a Error>;

/// The database is backed up: its rows are in the newest snapshot, or something else made a backup.
fn database(subject: &Subject, snapshot: Newest<'_>, now: DateTime<Utc>) -> Check {
    let check = |verdict, evidence: String| {
        Check::new("database-backup", "Database backup completed", verdict, evidence)
    };
    let config = subject.rollback.snapshot.clone().unwrap_or_default();
    if let Some(backup) = &config.database_backup {
        let (verdict, evidence) = match backed_up(&subject.root, backup, now) {
            Ok(found) => found,
            Err(error) if error.code == ErrorCode::NotFound => (Verdict::Crit, error.message),
            Err(error) => (Verdict::Unknown, error.message),
        };
        return check(verdict, evidence).next("make a backup, then look again");
    }
    let has_rows = |snapshot: &&Snapshot| {
        let mut kept =
            snapshot.targets.iter().filter(|target| target.kind == "sql").flat_map(|one| &one.kept);
        kept.any(|file| file.name.raw() == targets::ROWS)
    };
    let rows = snapshot.ok().flatten().filter(has_rows);
    match rows {
        Some(snapshot) => check(
            aged(snapshot.at, config.max_age, now),
            format!("{} keeps the rows that a rollback changes, {}", snapshot.id, ago(snapshot.at, now)),
        )
        .next("irctl snapshot"),
        None if config.without_database => {
            check(Verdict::Ok, "`without_database: true` says that there is none".to_owned())
        }
        None => {
            check(Verdict::Unknown, "neither a snapshot with rows nor a declared backup is there".to_owned())
                .next("`snapshot: {database_backup: {file: …}}`, or `without_database: true`, in `rollback:`")
        }
    }
}

fn backed_up(root: &Path, config: &BackupConfig, now: DateTime<Utc>) -> Result<(Verdict, String)> {
    let (backup, at) = backup_file(root, config)?;
    let shown = backup.strip_prefix(root).unwrap_or(&backup).display().to_string();
    let length = fs_err::metadata(&backup)?.len();
    if length == 0 {
        return Ok((Verdict::Crit, format!("{shown} is empty")));
    }
    let verdict = aged(at, Some(config.max_age), now);
    let mut evidence = format!("{shown}: {length} bytes, written {}", ago(at, now));
    match verdict {
        Verdict::Unknown => evidence.push_str(", which is in the future"),
        Verdict::Warn => evidence.push_str(&format!(", which is older than {}", config.max_age)),
        _ => {}
    }
    let Some(item) = backup_item(&backup)? else {
        return Ok((verdict, evidence));
    };
    if Digest::of_file(&backup)?.0 != item.digest {
        return Ok((Verdict::Crit, format!("{evidence}; it does not match {shown}.sha256")));
    }
    Ok((verdict, format!("{evidence}; it matches {shown}.sha256")))
}

/// The newest file that a backup's pattern names, and when it was written.
fn backup_file(root: &Path, config: &BackupConfig) -> Result<(PathBuf, DateTime<Utc>)> {
    let folder = path::inside(root, file::parent(&config.file))?;
    let name = config.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let pattern = glob::Pattern::new(&name).map_err(|error| {
        let why = format!("`database_backup: {}` is no pattern: {error}", config.file.display());
        Error::new(ErrorCode::InvalidConfiguration, why)
    })?;
    let mut found: Vec<(DateTime<Utc>, PathBuf)> = Vec::new();
    for entry in fs_err::read_dir(&folder)? {
        let entry = entry?;
        let own = entry.file_name().to_string_lossy().into_owned();
        // A link could lead anywhere, and a digest beside a backup is no backup.
        if entry.file_type()?.is_file() && (own == name || pattern.matches(&own)) && !own.ends_with(".sha256")
        {
            found.push((entry.metadata()?.modified()?.into(), entry.path()));
        }
    }
    let newest = found.into_iter().max();
    newest
        .map(|(at, path)| (path, at))
        .ok_or_else(|| Error::new(ErrorCode::NotFound, format!("there is no {}", config.file.display())))
}

/// The digest that stands beside a backup, as `sha256sum` writes it.
fn backup_item(backup: &Path) -> Result<Option<Item>> {
    let mut beside = backup.as_os_str().to_owned();
    beside.push(".sha256");
    let beside = PathBuf::from(beside);
    if !beside.exists() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&file::read_limited(&beside, 64 * 1024)?).into_owned();
    let digest = text.split_whitespace().next().unwrap_or_default().parse()?;
    let name = backup.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Some(Item {
        owner: "database backup".to_owned(),
        name: name.into(),
        place: backup.to_path_buf(),
        digest,
    }))
}

/// The declared backup, where its digest is known, for hashing it again.
pub fn backup(root: &Path, config: &BackupConfig) -> Result<Option<Item>> {
    backup_item(&backup_file(root, config)?.0)
}

/// The configuration is saved: the newest snapshot has it as it is now.
fn configuration(subject: &Subject, snapshot: Newest<'_>, now: DateTime<Utc>) -> Check {
    let check = |verdict, evidence: String| {
        Check::new("configuration-saved", "Configuration snapshot saved", verdict, evidence)
            .next("irctl snapshot")
    };
    let snapshot = match snapshot {
        Err(error) => return check(Verdict::Unknown, error.message.clone()),
        Ok(None) => return check(Verdict::Crit, "there is no snapshot".to_owned()),
        Ok(Some(snapshot)) => snapshot,
    };
    let ground = subject.ground();
    let config = &subject.rollback;
    let mut changed = Vec::new();
    for target in config.targets.iter().chain(&config.contain) {
        let target = targets::build(target, &ground);
        let now = match target.observe() {
            Ok(observed) => observed.digest,
            Err(error) => return check(Verdict::Unknown, format!("{}: {}", target.name(), error.message)),
        };
        let recorded = snapshot.targets.iter().filter(|one| one.name == target.name());
        if !recorded.clone().any(|one| one.observed.digest == now) {
            changed.push(target.name());
        }
    }
    let age = ago(snapshot.at, now);
    if !changed.is_empty() {
        let changed = changed.join(", ");
        return check(Verdict::Warn, format!("{} was taken {age}; changed since: {changed}", snapshot.id));
    }
    let allowed = config.snapshot.as_ref().and_then(|config| config.max_age);
    let verdict = aged(snapshot.at, allowed, now);
    check(
        verdict,
        format!(
            "{} ({}) was taken {age}, and everything is as it says",
            snapshot.id,
            snapshot.digest.short()
        ),
    )
}

/// A rollback was rehearsed, not long ago, and it went well.
fn tested(state: &Path, subject: &Subject, now: DateTime<Utc>) -> Check {
    let (verdict, evidence) = rehearsed(state, subject, now);
    let phase = subject.phase.as_ref().map(|phase| format!(" --phase {phase}")).unwrap_or_default();
    Check::new("rollback-tested", "Rollback scripts tested", verdict, evidence)
        .next(format!("irctl drill --service {}{phase}", subject.service))
}

/// What the newest drill says, and how old that is.
pub fn rehearsed(state: &Path, subject: &Subject, now: DateTime<Utc>) -> (Verdict, String) {
    let every = subject.rollback.drill.clone().unwrap_or_default().every;
    let newest = match drill::newest(state, &subject.service, subject.phase.as_deref()) {
        Ok(newest) => newest,
        Err(error) => return (Verdict::Unknown, error.message),
    };
    let phase = subject.phase.as_ref().map(|phase| format!(" phase {phase}")).unwrap_or_default();
    let Some(drill) = newest else {
        return (Verdict::Crit, format!("a rollback of {}{phase} was never rehearsed", subject.service));
    };
    let age = aged(drill.at, Some(every), now);
    let said = format!("{}, {}", drill.summary, ago(drill.at, now));
    match (drill.verdict, age) {
        (_, Verdict::Unknown) => (Verdict::Unknown, format!("{said}: that is in the future")),
        (Verdict::Ok, Verdict::Warn) => (Verdict::Warn, format!("{said}: more than {every}")),
        (verdict, _) => (verdict, said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_backup_is_judged_and_its_digest_compared() {
        let root = tempfile::tempdir().unwrap();
        let config = BackupConfig { file: "backups/db_*.dump".into(), max_age: Duration::minutes(60) };
        let judged = |now: DateTime<Utc>| backed_up(root.path(), &config, now).map(|(verdict, _)| verdict);
        let now: DateTime<Utc> = fs_err::metadata(root.path()).unwrap().modified().unwrap().into();
        let now = now + chrono::TimeDelta::minutes(5);
        assert_eq!(judged(now).unwrap_err().code, ErrorCode::NotFound);
        fs_err::create_dir(root.path().join("backups")).unwrap();
        assert_eq!(judged(now).unwrap_err().code, ErrorCode::NotFound);
        let backup = root.path().join("backups/db_1.dump");
        fs_err::write(&backup, "rows").unwrap();
        assert_eq!(judged(now).unwrap(), Verdict::Ok);
        assert_eq!(judged(now + chrono::TimeDelta::hours(2)).unwrap(), Verdict::Warn);
        assert_eq!(judged(now - chrono::TimeDelta::hours(2)).unwrap(), Verdict::Unknown);
        let beside = root.path().join("backups/db_1.dump.sha256");
        fs_err::write(&beside, format!("{}  db_1.dump\n", Digest::of(b"rows").hex())).unwrap();
        assert_eq!(judged(now).unwrap(), Verdict::Ok);
        fs_err::write(&backup, "ruws").unwrap();
        assert_eq!(judged(now).unwrap(), Verdict::Crit);
        fs_err::write(&beside, "nonsense").unwrap();
        assert!(judged(now).is_err());
        fs_err::remove_file(&beside).unwrap();
        fs_err::write(&backup, "").unwrap();
        assert_eq!(judged(now).unwrap(), Verdict::Crit);
    }
}
