//! Making the plan: looking only, changing nothing.

use std::cell::OnceCell;

use super::candidates::{self, Candidate, Choice, Selector, Skipped};
use super::config::ReleaseMode;
use super::contain;
use super::digests::DigestCache;
use super::environment::{Environment, Request, Subject};
use super::evaluate::{self, WouldHelp};
use super::evidence::{self, Tier};
use super::guards::{self, Guard, GuardState};
use super::plan::{Contained, Plan, TargetPlan, VersionView};
use super::serving::{self, Served};
use super::targets::{Goal, Prediction, Target};
use super::versions::{EMERGENCY, Version};
use crate::base::{Digest, Error, ErrorCode, Result, host};
use crate::operation::listing::{self, Listed};
use crate::operation::timing::Timing;

/// How many candidates are evaluated at most; the chosen one always is.
const EVALUATED: usize = 5;

/// What a plan is made for.
pub(super) struct Scene<'a> {
    pub environment: &'a Environment<'a>,
    pub subject: &'a Subject,
    pub request: &'a Request<'a>,
    /// The operation; absent in a dry run.
    pub operation: Option<&'a str>,
    /// Who asks.
    pub actor: String,
    /// Whether it is taken back what was rolled back. What is to be rolled back before what says nothing of that: the
    /// stack of operations does.
    taking_back: bool,
    /// Every operation so far, read when it is first asked for.
    history: OnceCell<Vec<Listed>>,
}

/// What is gone back to, before it is looked at closely.
pub(super) struct Aim {
    pub to: Version,
    pub tier: Tier,
    pub why: String,
    pub skipped: Vec<Skipped>,
    pub evaluated: Vec<Candidate>,
}

/// The plan for a request. Nothing is claimed, contained, copied or changed.
pub fn dry_run(environment: &Environment<'_>, subject: &Subject, request: &Request<'_>) -> Result<Plan> {
    let scene = Scene::new(environment, subject, request, None);
    let served = serving::served(subject)?;
    let aim = scene.aim(&request.to, &served)?;
    let contained = match contain::current(environment.state, &subject.service)? {
        Some(known) => Contained::Yes { since: known.since, proof: None },
        None if subject.rollback.contain.is_empty() => Contained::NotConfigured,
        None => Contained::Would,
    };
    scene.draft(contained, &served, aim).map(|(plan, _)| plan)
}

impl<'a> Scene<'a> {
    /// The scene of a request.
    pub fn new(
        environment: &'a Environment<'a>,
        subject: &'a Subject,
        request: &'a Request<'a>,
        operation: Option<&'a str>,
    ) -> Self {
        let actor = environment.actor.to_string();
        let (taking_back, history) = (false, OnceCell::new());
        Self { environment, subject, request, operation, actor, taking_back, history }
    }

    /// The scene of an undo.
    pub fn taking_back(self) -> Self {
        Self { taking_back: true, ..self }
    }

    fn history(&self) -> Result<&[Listed]> {
        if let Some(known) = self.history.get() {
            return Ok(known);
        }
        let all = listing::list_all(self.environment.state)?;
        Ok(self.history.get_or_init(|| all))
    }

    /// Which version a selector means now.
    pub fn aim(&self, selector: &Selector, served: &Served) -> Result<Aim> {
        let now = self.environment.clock.now()?;
        let evidence = evidence::load(self.environment.state, &self.subject.service)?;
        let ground = self.subject.ground();
        let lead = self.subject.lead(&ground)?;
        let digests = DigestCache::open(self.environment.state);
        let mut all = lead.versions_with(&digests)?;
        digests.save();
        let mut selector = selector.clone();
        if let Selector::Named(name) = &selector
            && !all.iter().any(|version| candidates::is_named(version, name))
            && let Some(found) = lead.find(name)?
        {
            // What `HEAD~1` means is a commit, and the version is known by that.
            selector = Selector::Named(found.name.clone());
            if !all.iter().any(|version| version.name == found.name) {
                all.push(found);
            }
        }
        if let Some(name) = unfit(&all, &selector) {
            selector = Selector::Named(name);
        }
        let selector = &selector;
        let candidates = candidates::sort(all, served, &evidence, now);
        let Choice { mut to, why, skipped } = candidates::choose(selector, &candidates, served, &evidence)?;
        to.version.metadata = to.version.metadata.held()?;
        let mut evaluated = candidates.usable;
        let chosen = evaluated.iter().position(|one| one.digest == to.digest).unwrap_or(0);
        evaluated.truncate(EVALUATED.max(chosen + 1));
        Ok(Aim { tier: to.tier, why, skipped, evaluated, to: to.version })
    }

    /// What each target is to become.
    pub fn goal<'g>(&'g self, to: &'g Version, served: &'g Served) -> Result<Goal<'g>> {
        Ok(Goal {
            version: to,
            served: &served.on_disk,
            operation: self.operation,
            incident: self.request.incident.as_deref(),
            reason: self.request.reason.as_deref(),
            actor: &self.actor,
            now: self.environment.clock.now()?,
        })
    }

    /// Puts the plan together; returns the version that it goes to with it.
    pub fn draft(&self, contained: Contained, served: &Served, aim: Aim) -> Result<(Plan, Version)> {
        let ground = self.subject.ground();
        let timing = Timing::of(self.environment.state, self.history()?, &self.subject.service)?;
        let goal = self.goal(&aim.to, served)?;
        let mut looked = Vec::new();
        for (number, target) in self.subject.targets(&ground).iter().enumerate() {
            looked.push(self.look(number, target.as_ref(), &goal, &timing));
        }
        let to = aim.to.clone();
        let plan = self.finish(contained, served, aim, looked)?;
        Ok((plan, to))
    }

    /// What one target is and would become. What cannot be seen is said, and refuses.
    fn look(
        &self,
        number: usize,
        target: &dyn Target,
        goal: &Goal<'_>,
        timing: &Timing,
    ) -> (TargetPlan, Prediction) {
        let (observed, predicted) = target.look(goal);
        let mut prediction = predicted.unwrap_or_else(|error| Prediction {
            refusals: vec![format!("{}: {}", target.name(), error.message)],
            ..Prediction::default()
        });
        if let (Err(error), true) = (&observed, prediction.refusals.is_empty()) {
            prediction.refusals.push(format!("{}: {}", target.name(), error.message));
        }
        let plan = TargetPlan {
            name: target.name(),
            kind: target.kind().to_owned(),
            part: self.subject.part(number),
            fence: target.fence(),
            observed: observed.ok(),
            changes: prediction.changes.clone(),
            manner: prediction.manner.clone(),
            kept: prediction.kept.clone(),
            meanwhile: None,
            predicted_ms: timing.target(number),
        };
        (plan, prediction)
    }

    /// The plan of what was looked at.
    pub fn finish(
        &self,
        contained: Contained,
        served: &Served,
        aim: Aim,
        looked: Vec<(TargetPlan, Prediction)>,
    ) -> Result<Plan> {
        let Scene { subject, request, operation, .. } = *self;
        let config = &subject.rollback;
        let would_help = would_help(subject, request, served, &aim);
        let mixed = looked.iter().any(|(_, prediction)| prediction.mixed);
        let (guards, predicted_ms) = self.judge(served, &aim, (&contained, mixed), would_help.as_ref())?;
        let mut warnings = warnings(request, served, &aim, &contained, would_help.as_ref(), &guards);
        let (mut cannot_be_undone, mut could_undo_this, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
        let mut targets = Vec::new();
        for (mut target, prediction) in looked {
            target.meanwhile = prediction.mixed.then(|| quiet(&contained).to_owned());
            cannot_be_undone.extend(prediction.cannot_be_undone);
            could_undo_this.extend(prediction.could_undo_this);
            warnings.extend(prediction.warnings);
            refusals.extend(prediction.refusals);
            targets.push(target);
        }
        if let Some(command) = &config.activate {
            cannot_be_undone.push(format!("running `{}` (an undo runs it again)", command.command.join(" ")));
        }
        let milliseconds = |duration: crate::base::Duration| {
            u64::try_from(duration.to_std().as_millis()).unwrap_or(u64::MAX)
        };
        Ok(Plan {
            operation: operation.map(str::to_owned),
            service: subject.service.clone(),
            phase: subject.phase.clone(),
            environment: subject.environment.clone(),
            reverts: None,
            incident: request.incident.clone(),
            served: VersionView::from(&served.on_disk),
            served_proof: served.proof.clone(),
            to: VersionView::from(&aim.to),
            tier: aim.tier,
            why: aim.why,
            skipped: aim.skipped,
            would_help,
            targets,
            contained,
            activate: config.activate.as_ref().map(|command| command.command.clone()),
            verify: config.verify.clone(),
            release: release_text(subject),
            cannot_be_undone,
            could_undo_this,
            guards,
            warnings,
            refusals,
            predicted_ms,
            budget_ms: milliseconds(config.guards.budget),
            undo_budget_ms: milliseconds(config.guards.undo_budget)
                .min(milliseconds(config.guards.budget) / 2),
            backup: None,
            host: host::host_name(),
        })
    }

    fn judge(
        &self,
        served: &Served,
        aim: &Aim,
        (contained, mixed): (&Contained, bool),
        would_help: Option<&WouldHelp>,
    ) -> Result<(Vec<Guard>, Option<u64>)> {
        let Scene { environment, subject, request, .. } = *self;
        let past = guards::past(self.history()?, &subject.service);
        let to = aim.to.digest.clone().unwrap_or_else(|| Digest::of(b""));
        let from = served.on_disk.digest.as_ref();
        let now = environment.clock.now()?;
        let mut guards = guards::judge(&subject.rollback.guards, &past, from, &to, now);
        let mut add = |name: &str, why: &str| guards.push(Guard::new(name, GuardState::Refuses, why));
        if aim.tier == Tier::Unproven && !request.attended {
            add(
                "unproven",
                "nothing shows that this version is good; a human may take it, automation may not",
            );
        }
        if would_help.is_some_and(|would_help| would_help.answer == Some(false)) {
            add("would_help", "the failing rule fails on this version too");
        }
        if matches!(contained, Contained::Failed { .. }) && mixed {
            guards.push(Guard::new(
                "contained",
                GuardState::Refuses,
                "its consumers are not stopped, and could see a mix of two versions",
            ));
        }
        if !self.taking_back {
            guards.extend(super::phases::guard(environment.state, self.history()?, subject));
        }
        guards.extend(guards::history(self.environment.state, &subject.service)?);
        Ok((guards, past.iter().rev().find_map(|one| one.duration_ms)))
    }
}

impl Plan {
    /// An error if the plan cannot be carried out as things stand.
    pub(super) fn refuse_if_impossible(&self) -> Result<()> {
        if self.refusals.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorCode::Refused, format!("it cannot be done: {}", self.refusals.join("; ")))
            .hint("nothing was switched; `--dry-run` shows the whole plan"))
    }
}

fn would_help(subject: &Subject, request: &Request<'_>, served: &Served, aim: &Aim) -> Option<WouldHelp> {
    let failing = request.failing.as_ref()?;
    let of = |version: &Version| evaluate::evaluate(subject, failing, version);
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

fn quiet(contained: &Contained) -> &'static str {
    match contained {
        Contained::Yes { .. } => "its consumers are stopped meanwhile",
        Contained::Would => "its consumers are stopped first",
        Contained::NotConfigured => "nothing stops its consumers meanwhile",
        Contained::Failed { .. } => "its consumers are NOT stopped",
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

/// The name of the one version that is meant by its label and cannot be gone back to: what is wrong with it is known by
/// its name.
fn unfit(all: &[Version], selector: &Selector) -> Option<String> {
    let Selector::Named(name) = selector else { return None };
    let mut meant = all.iter().filter(|version| candidates::is_named(version, name));
    match (meant.next(), meant.next()) {
        (Some(one), None) if one.defect.is_some() => Some(one.name.clone()),
        _ => None,
    }
}
