//! Making the plan: looking only, changing nothing.

use std::path::{Path, PathBuf};

use super::candidates::{self, Candidate, Choice, Selector, Skipped};
use super::config::{ReleaseMode, Scalar, SwitchMode};
use super::contain;
use super::environment::{Environment, Request, Subject};
use super::evaluate::{self, WouldHelp};
use super::evidence::{self, Tier};
use super::guards::{self, Guard, GuardState};
use super::plan::{Contained, FileChange, FileState, Plan, ValueChange, VersionView, differences};
use super::serving::{self, Served};
use super::settings::{self, Wanted};
use super::versions::{self, Artifact, EMERGENCY, Version};
use crate::base::{Digest, Error, ErrorCode, Result, host, path};

/// How many candidates are evaluated at most; the chosen one always is.
const EVALUATED: usize = 5;

/// A plan with what is needed to carry it out.
pub(super) struct Draft {
    pub plan: Plan,
    pub served: Served,
    pub to: Version,
    pub settings: Vec<Wanted>,
    pub backup: PathBuf,
}

/// What is gone back to, before it is looked at closely.
pub(super) struct Aim {
    pub to: Version,
    pub tier: Tier,
    pub why: String,
    pub skipped: Vec<Skipped>,
    pub evaluated: Vec<Candidate>,
    pub settings: Vec<Wanted>,
}

/// The plan for a request. Nothing is claimed, contained, copied or changed.
pub fn dry_run(environment: &Environment<'_>, subject: &Subject, request: &Request<'_>) -> Result<Plan> {
    let served = serving::served(subject)?;
    let aim = aim(environment, subject, &request.to, &served)?;
    let contained = match contain::current(environment.state, &subject.service)? {
        Some(known) => Contained::Yes { since: known.since, proof: None },
        None if subject.rollback.contain.is_empty() => Contained::NotConfigured,
        None => Contained::Would,
    };
    draft(environment, subject, request, None, contained, served, aim).map(|draft| draft.plan)
}

/// Which version a selector means now.
pub(super) fn aim(
    environment: &Environment<'_>,
    subject: &Subject,
    selector: &Selector,
    served: &Served,
) -> Result<Aim> {
    let now = environment.clock.now()?;
    let evidence = evidence::load(environment.state, &subject.service)?;
    let all = versions::list(&subject.live()?, subject.rollback.files()?)?;
    let candidates = candidates::sort(all, served, &evidence, now);
    let mut evaluated = candidates.usable.clone();
    let Choice { to, why, skipped } = candidates::choose(selector, candidates, served, &evidence)?;
    let chosen = evaluated.iter().position(|one| one.digest == to.digest).unwrap_or(0);
    evaluated.truncate(EVALUATED.max(chosen + 1));
    let settings = wanted_settings(subject, &to.version);
    Ok(Aim { tier: to.tier, why, skipped, evaluated, settings, to: to.version })
}

/// Puts the plan together.
pub(super) fn draft(
    environment: &Environment<'_>,
    subject: &Subject,
    request: &Request<'_>,
    operation: Option<&str>,
    contained: Contained,
    served: Served,
    aim: Aim,
) -> Result<Draft> {
    let live = subject.live()?;
    let files = subject.rollback.files()?;
    let config = &subject.rollback;
    let backup = backup_path(environment, subject, &live)?;
    let would_help = would_help(subject, request, &served, &aim);
    let (guards, predicted_ms) =
        judge(environment, subject, request, &served, &aim, &contained, would_help.as_ref())?;
    let warnings = warnings(request, &served, &aim, &contained, would_help.as_ref(), &guards);
    let plan = Plan {
        operation: operation.map(str::to_owned),
        service: subject.service.clone(),
        incident: request.incident.clone(),
        served: VersionView::from(&served.on_disk),
        served_proof: served.proof.clone(),
        to: VersionView::from(&aim.to),
        tier: aim.tier,
        why: aim.why,
        skipped: aim.skipped,
        would_help,
        files: file_changes(&files.artifacts, &served.on_disk, &aim.to),
        metadata: differences(served.on_disk.metadata.as_ref(), aim.to.metadata.as_ref(), 20),
        settings: settings_changes(subject, &aim.settings)?,
        switch: switch_text(files.mode, &contained),
        contained,
        activate: config.activate.as_ref().map(|command| command.command.clone()),
        verify: config.verify.clone(),
        release: release_text(subject),
        cannot_be_undone: cannot_be_undone(subject, &served),
        could_undo_this: could_undo_this(&live),
        guards,
        warnings,
        predicted_ms,
        budget_ms: u64::try_from(config.guards.budget.to_std().as_millis()).unwrap_or(u64::MAX),
        backup: backup.file_name().map(|name| name.to_string_lossy().into_owned()),
        host: host::host_name(),
    };
    Ok(Draft { plan, served, to: aim.to, settings: aim.settings, backup })
}

fn would_help(subject: &Subject, request: &Request<'_>, served: &Served, aim: &Aim) -> Option<WouldHelp> {
    let failing = request.failing.as_ref()?;
    let of = |version: &Version| {
        evaluate::evaluate(
            subject,
            failing,
            (version.shown(), version.digest.as_ref(), &version.folder.clone().unwrap_or_default()),
        )
    };
    let candidates: Vec<_> = aim.evaluated.iter().map(|one| of(&one.version)).collect();
    let chosen = candidates.iter().find(|one| one.digest == aim.to.digest);
    Some(WouldHelp {
        rule: failing.rule.clone(),
        metric: failing.metric.clone(),
        expression: failing.expression.clone(),
        served: of(&served.on_disk),
        answer: chosen.and_then(|one| one.fails).map(|fails| !fails),
        candidates,
    })
}

fn judge(
    environment: &Environment<'_>,
    subject: &Subject,
    request: &Request<'_>,
    served: &Served,
    aim: &Aim,
    contained: &Contained,
    would_help: Option<&WouldHelp>,
) -> Result<(Vec<Guard>, Option<u64>)> {
    let past = guards::past(environment.state, &subject.service)?;
    let to = aim.to.digest.clone().unwrap_or_else(|| Digest::of(b""));
    let from = served.on_disk.digest.as_ref();
    let now = environment.clock.now()?;
    let mut guards = guards::judge(&subject.rollback.guards, &past, from, &to, now);
    let mut add = |name: &str, why: &str| guards.push(Guard::new(name, GuardState::Refuses, why));
    if aim.tier == Tier::Unproven && !request.attended {
        add("unproven", "nothing shows that this version is good; a human may take it, automation may not");
    }
    if would_help.is_some_and(|would_help| would_help.answer == Some(false)) {
        add("would_help", "the failing rule fails on this version too");
    }
    let files = subject.rollback.files()?;
    if matches!(contained, Contained::Failed { .. }) && files.mode == SwitchMode::PerFile {
        add("contained", "its consumers are not stopped, and could see a mix of two versions");
    }
    Ok((guards, past.iter().rev().find_map(|one| one.duration_ms)))
}

fn warnings(
    request: &Request<'_>,
    served: &Served,
    aim: &Aim,
    contained: &Contained,
    would_help: Option<&WouldHelp>,
    guards: &[Guard],
) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(defect) = &served.on_disk.defect {
        warnings.push(format!("what serves is damaged: {defect}"));
    }
    if matches!(served.proof, serving::Proof::Different { .. } | serving::Proof::Silent { .. }) {
        warnings.push(format!("what serves is {}", served.proof));
    }
    if let Contained::Failed { why } = contained {
        warnings.push(format!("its consumers are NOT stopped: {why}"));
    }
    if aim.to.name.starts_with(EMERGENCY) {
        warnings.push("this brings back what was rolled back".to_owned());
    } else if aim.tier == Tier::Unproven {
        warnings.push("nothing shows that this version is good, except that it was staged whole".to_owned());
    }
    match would_help.map(|would_help| would_help.answer) {
        Some(None) => warnings.push("it is not known whether this would have helped".to_owned()),
        Some(Some(false)) => warnings.push("this would NOT have helped".to_owned()),
        _ => {}
    }
    if request.attended {
        let holding = guards.iter().filter(|guard| guard.state != GuardState::Passes);
        warnings.extend(holding.map(|guard| format!("automation would not do this: {}", guard.why)));
    }
    warnings
}

fn file_changes(artifacts: &[String], from: &Version, to: &Version) -> Vec<FileChange> {
    let state = |artifact: Option<&Artifact>| {
        artifact.map(|artifact| FileState { digest: artifact.digest.clone(), size: artifact.size })
    };
    let change = |name: &String| FileChange {
        file: name.clone(),
        from: state(from.artifacts.get(name)),
        to: state(to.artifacts.get(name)),
    };
    artifacts.iter().map(change).collect()
}

/// What the settings that belong to a version become.
fn wanted_settings(subject: &Subject, to: &Version) -> Vec<Wanted> {
    let fill = |value: &Scalar| match &value.0 {
        serde_json::Value::String(text) => {
            let digest = to.digest.as_ref().map(|digest| digest.hex()).unwrap_or_default();
            let text = text.replace("{version}", to.shown()).replace("{name}", &to.name);
            serde_json::Value::String(text.replace("{digest}", digest))
        }
        other => other.clone(),
    };
    let each = subject.rollback.settings();
    each.map(|one| Wanted {
        file: one.file.clone(),
        keys: one.set.iter().map(|(key, value)| (key.clone(), fill(value))).collect(),
        whole: None,
    })
    .collect()
}

fn settings_changes(subject: &Subject, wanted: &[Wanted]) -> Result<Vec<ValueChange>> {
    let mut changes = Vec::new();
    let show = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.as_str().into(),
        other => other.to_string().into(),
    };
    for Wanted { file: name, keys, .. } in wanted {
        let path = path::inside(&subject.root, name)?;
        let text = settings::read(&path)?;
        for (key, to) in keys {
            let from = settings::get(&path, &text, key)?;
            changes.push(ValueChange {
                place: format!("{} {key}", name.display()).into(),
                from: Some(show(&from)),
                to: Some(show(to)),
            });
        }
    }
    Ok(changes)
}

/// A name for the safety backup that nothing has yet.
fn backup_path(environment: &Environment<'_>, subject: &Subject, live: &Path) -> Result<PathBuf> {
    let (folder, _) = versions::folder(live, subject.rollback.files()?)?;
    let base = format!("{EMERGENCY}{}", environment.clock.now()?.format("%Y-%m-%d_%H-%M-%S"));
    let names = std::iter::once(base.clone()).chain((2..1000).map(|n| format!("{base}-{n}")));
    names.map(|name| folder.join(name)).find(|path| path.symlink_metadata().is_err()).ok_or_else(|| {
        Error::new(ErrorCode::Io, format!("{} is full of emergency backups", folder.display()))
    })
}

fn switch_text(mode: SwitchMode, contained: &Contained) -> String {
    let quiet = match contained {
        Contained::Yes { .. } => "its consumers are stopped meanwhile",
        Contained::Would => "its consumers are stopped first",
        Contained::NotConfigured => "nothing stops its consumers meanwhile",
        Contained::Failed { .. } => "its consumers are NOT stopped",
    };
    match mode {
        SwitchMode::PerFile => {
            format!("file by file: for some milliseconds the folder holds a mix; {quiet}")
        }
        SwitchMode::Exchange => format!("the whole folder at once; {quiet}"),
    }
}

fn release_text(subject: &Subject) -> String {
    let watch = subject.rollback.watch.map(|watch| format!(", then watched for {watch}"));
    match (subject.rollback.contain.is_empty(), subject.rollback.release) {
        (true, _) => format!("nothing to release{}", watch.unwrap_or_default()),
        (false, ReleaseMode::Auto) => format!("as soon as it is proved{}", watch.unwrap_or_default()),
        (false, ReleaseMode::Manual) => "by hand: `irctl release`".to_owned(),
        (false, ReleaseMode::AfterPostmortem) => {
            "by hand, when the incident's postmortem is completed: `irctl release`".to_owned()
        }
        (false, ReleaseMode::When) => {
            let when = subject.rollback.release_when.as_ref().map(|when| {
                let sustained = when.sustained.map(|time| format!(" for {time}")).unwrap_or_default();
                format!(" that {}{sustained}", when.condition.trim())
            });
            format!("when `irctl check` finds{}{}", when.unwrap_or_default(), watch.unwrap_or_default())
        }
    }
}

fn cannot_be_undone(subject: &Subject, served: &Served) -> Vec<String> {
    let since = served.on_disk.dated.map(|dated| crate::base::clock::format_minute(dated.at));
    let since = since.map_or(String::new(), |since| format!(" since {since}"));
    let mut all = vec![format!("what consumers already did with {}{since}", served.on_disk.shown())];
    if let Some(command) = &subject.rollback.activate {
        all.push(format!("running `{}` (an undo runs it again)", command.command.join(" ")));
    }
    all
}

/// What could put the bad version back without anybody meaning to.
fn could_undo_this(live: &Path) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(tree) = live.ancestors().find(|folder| folder.join(".git").exists()) {
        all.push(format!("a checkout, pull or deploy in the git work tree {}", tree.display()));
    }
    if live.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
        all.push("whatever moves the symbolic link that serves".to_owned());
    }
    all
}
