//! Whether a rollback could be relied on: in each round what `drill:` and `snapshot:` ask for, and the whole checklist
//! before a deploy.

mod documents;
mod people;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::after::Hand;
use super::{Surroundings, scope};
use crate::base::{Result, Untrusted, Verdict};
use crate::config::{ServiceConfig, Workspace};
use crate::operation::Stop;
use crate::rollback::snapshot::readiness::{self, Readiness};
use crate::rollback::snapshot::{self, rehash};
use crate::rollback::{RollbackConfig, Subject};

/// Something that a rollback would need and that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unready {
    /// What: `drill`, `snapshot` or `backup`.
    pub what: &'static str,
    /// In one sentence.
    pub summary: Untrusted,
    /// What to do about it.
    pub next: String,
}

impl Unready {
    fn new(what: &'static str, summary: impl Into<Untrusted>, next: impl Into<String>) -> Self {
        Self { what, summary: summary.into(), next: next.into() }
    }
}

/// What a round has to say about it. It never keeps a round from going on.
pub fn round(surroundings: &Surroundings<'_>, service: &ServiceConfig, now: DateTime<Utc>) -> Vec<Unready> {
    let Some(config) = &service.rollback else { return Vec::new() };
    if config.drill.is_none() && config.snapshot.is_none() {
        return Vec::new();
    }
    let found = scope::subject(surroundings.workspace, service).and_then(|subject| {
        let mut all = drills(surroundings, &subject, config, now)?;
        all.extend(snapshots(surroundings, &subject, config, now)?);
        Ok(all)
    });
    found.unwrap_or_else(|error| {
        let next = format!("irctl snapshot --check --service {}", service.service);
        vec![Unready::new(
            "snapshot",
            format!("nobody knows whether a rollback is ready: {}", error.message),
            next,
        )]
    })
}

fn drills(
    surroundings: &Surroundings<'_>,
    subject: &Subject,
    config: &RollbackConfig,
    now: DateTime<Utc>,
) -> Result<Vec<Unready>> {
    if config.drill.is_none() {
        return Ok(Vec::new());
    }
    let mut plans = Vec::new();
    if !config.targets.is_empty() {
        plans.push(subject.clone());
    }
    for phase in config.phases.keys() {
        plans.push(subject.clone().narrowed(phase, None)?);
    }
    let judged = plans.iter().filter_map(|plan| {
        let (verdict, said) = readiness::rehearsed(&surroundings.workspace.state, plan, now);
        let phase = plan.phase.as_ref().map(|phase| format!(" --phase {phase}")).unwrap_or_default();
        let next = format!("irctl drill --service {}{phase}", plan.service);
        (verdict != Verdict::Ok).then(|| Unready::new("drill", said, next))
    });
    Ok(judged.collect())
}

fn snapshots(
    surroundings: &Surroundings<'_>,
    subject: &Subject,
    config: &RollbackConfig,
    now: DateTime<Utc>,
) -> Result<Vec<Unready>> {
    let Some(wanted) = &config.snapshot else { return Ok(Vec::new()) };
    let state = &surroundings.workspace.state;
    let name = &subject.service;
    let again = format!("irctl snapshot --service {name}");
    Hand::of(surroundings).with_environment(&Stop::default(), &|_| {}, &mut |environment| {
        snapshot::settle(environment, name)
    })?;
    let mut all = Vec::new();
    let newest =
        snapshot::list(state, Some(name))?.into_iter().filter_map(|found| found.snapshot.ok()).next_back();
    match (newest, wanted.max_age) {
        (None, _) => all.push(Unready::new("snapshot", "no snapshot was ever taken", again)),
        (Some(newest), _) if newest.at > now => {
            all.push(Unready::new("snapshot", format!("{} is dated in the future", newest.id), again));
        }
        (Some(newest), Some(allowed)) if allowed.after(newest.at) < now => {
            all.push(Unready::new("snapshot", format!("{} is older than {allowed}", newest.id), again));
        }
        _ => {}
    }
    let mut more = Vec::new();
    if let Some(backup) = &wanted.database_backup {
        match readiness::backup(&subject.root, backup) {
            Ok(item) => more.extend(item),
            Err(error) => all.push(Unready::new(
                "backup",
                format!("the database backup cannot be looked at: {}", error.message),
                format!("irctl snapshot --check --service {name}"),
            )),
        }
    }
    for fault in rehash::round(state, name, &more, wanted.rehash, now)? {
        let is_backup = more.iter().any(|item| item.place == fault.place);
        let (what, next) = if is_backup {
            ("backup", "make the backup again".to_owned())
        } else {
            ("snapshot", format!("irctl snapshot --service {name}, then: irctl snapshot list"))
        };
        all.push(Unready::new(what, format!("{}: {}", fault.what.raw(), fault.why.raw()), next));
    }
    Ok(all)
}

/// The checklist before a deploy: what rollback knows, and what only the whole workspace knows.
pub fn checklist(
    workspace: &Workspace,
    service: &ServiceConfig,
    subject: &Subject,
    now: DateTime<Utc>,
) -> Readiness {
    let config = subject.rollback.snapshot.clone().unwrap_or_default();
    let mut checks = readiness::checks(&workspace.state, subject, now);
    checks.push(people::contacts(workspace, config.contacts_within, now));
    checks.push(documents::decisions(workspace, service, subject));
    checks.push(documents::classification(workspace, service));
    checks.push(people::on_call(workspace, service));
    checks.push(people::escalation(workspace));
    checks.push(people::channels(workspace));
    Readiness {
        service: service.service.clone(),
        phase: subject.phase.clone(),
        at: now,
        verdict: Verdict::worst_of(checks.iter().map(|check| check.verdict)),
        checks,
    }
}
