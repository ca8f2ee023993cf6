//! Snapshots and checklists for people.

use super::Taken;
use crate::base::{Result, Verdict};
use crate::cli::Context;
use crate::cli::output::Tone;
use crate::rollback::snapshot::readiness::Readiness;
use crate::rollback::snapshot::{Snapshot, Stored};

/// What was taken, and what else is ready.
pub fn taken(context: &Context, taken: &Taken) -> Result<()> {
    let out = &context.out;
    let snapshot = &taken.snapshot;
    out.line(&format!("{} recorded ({})", out.tone(Tone::Strong, &snapshot.id), snapshot.digest.short()))?;
    contents(context, snapshot)?;
    out.line("")?;
    readiness(context, &taken.readiness)
}

/// What a snapshot recorded.
pub fn contents(context: &Context, snapshot: &Snapshot) -> Result<()> {
    let out = &context.out;
    let rows: Vec<_> = snapshot
        .targets
        .iter()
        .map(|target| {
            let kept = target.kept.iter();
            let elsewhere = kept.clone().filter(|file| file.stored != Stored::Store).count();
            let here = target.kept.len() - elsewhere;
            let mut files = Vec::new();
            if here > 0 {
                files.push(format!("{here} kept here"));
            }
            if elsewhere > 0 {
                files.push(format!("{elsewhere} in version folders"));
            }
            let left_out: usize = kept.map(|file| file.left_out.len()).sum();
            if left_out > 0 {
                files.push(format!("{left_out} secrets left out"));
            }
            vec![
                target.name.clone(),
                target.role.clone(),
                target.observed.shown.to_string(),
                files.join(", "),
            ]
        })
        .collect();
    out.table(&["TARGET", "FOR", "WAS", "FILES"], &rows)?;
    let files: Vec<_> = snapshot.files.iter().map(|file| file.name.to_string()).collect();
    if !files.is_empty() {
        out.line(&format!("  configuration  {}", files.join(", ")))?;
    }
    if let Some(commit) = &snapshot.commit {
        let tags: Vec<_> = commit.tags.iter().map(ToString::to_string).collect();
        let tags = if tags.is_empty() { "no tag".to_owned() } else { tags.join(", ") };
        out.line(&format!("  commit         {} ({tags})", commit.hash.get(..12).unwrap_or(&commit.hash)))?;
    }
    let version = snapshot.served.as_ref().map(|served| served.name.as_str()).unwrap_or("what serves");
    let version = crate::base::untrusted::escape(version, crate::base::untrusted::Sink::Terminal);
    match &snapshot.not_adopted {
        None => out.line(&format!("  adopted        {version} counts as known to be good from now on")),
        Some(why) => out.line(&out.tone(Tone::Warning, &format!("  NOT adopted    {why}"))),
    }
}

/// The checklist.
pub fn readiness(context: &Context, readiness: &Readiness) -> Result<()> {
    let out = &context.out;
    let ready = readiness.checks.iter().filter(|check| check.verdict == Verdict::Ok).count();
    let phase = readiness.phase.as_ref().map(|phase| format!(" phase {phase}")).unwrap_or_default();
    out.line(&format!(
        "{}{phase}: {ready} of {} ready for a deploy, {}",
        readiness.service,
        readiness.checks.len(),
        out.verdict(readiness.verdict)
    ))?;
    let rows: Vec<_> = readiness
        .checks
        .iter()
        .map(|check| vec![check.verdict.to_string(), check.title.to_owned(), check.evidence.to_string()])
        .collect();
    out.table(&["VERDICT", "CHECK", "EVIDENCE"], &rows)?;
    if let Some(next) = readiness.checks.iter().find_map(|check| check.next.as_ref()) {
        out.line(&format!("Next: {}", out.tone(Tone::Strong, next)))?;
    }
    Ok(())
}
