//! Running a drill: find the candidate, rehearse every target on a copy, load and evaluate the candidate's copy, see
//! that the suites are there.

use std::path::Path;
use std::time::Instant;

use super::judge::{self, Budget};
use super::record::{self, Drill, DrillPart, FORMAT, Outcome};
use super::scratch::Scratch;
use crate::base::{Digest, Error, ErrorCode, Result, fault};
use crate::rollback::candidates::Selector;
use crate::rollback::config::TargetConfig;
use crate::rollback::environment::{Environment, Request, Subject, VersionName};
use crate::rollback::planning::Scene;
use crate::rollback::serving::{self, Served};
use crate::rollback::subject::Part;
use crate::rollback::targets::{self, Goal, Rehearsed, Target};
use crate::rollback::versions::Version;
use crate::rollback::{evaluate, stage};

/// Rehearses a rollback of a service, or of one phase, and records how it went. What goes wrong with the rehearsal is
/// a part of it.
///
/// # Errors
/// The state directory cannot be used.
pub fn drill(environment: &Environment<'_>, subject: &Subject, to: &Selector) -> Result<Drill> {
    let now = environment.clock.now()?;
    let scratch = Scratch::make(environment.state, now)?;
    let mut run = Run { environment, subject, scratch: &scratch, parts: Vec::new() };
    let aim = run.resolve(to);
    match &aim {
        Some((served, version)) => run.rehearse(served, version)?,
        None => run.nothing_to_go_to(),
    }
    run.never();
    let stopped = environment.stop.is_requested();
    let mut parts = run.parts;
    let judged = judge::judge(&mut parts, &budget(subject), stopped);
    let name =
        |version: &Version| VersionName { name: version.shown().to_owned(), digest: version.digest.clone() };
    let took = crate::base::clock::Elapsed(span(judged.total_ms));
    let allowed = crate::base::clock::Elapsed(span(judged.budget_ms));
    let phase = subject.phase.as_ref().map(|phase| format!(" phase {phase}")).unwrap_or_default();
    let drill = Drill {
        format: FORMAT,
        id: scratch.id.clone(),
        service: subject.service.clone(),
        phase: subject.phase.clone(),
        environment: subject.environment.clone(),
        at: now,
        actor: environment.actor.to_string(),
        from: aim.as_ref().map(|(served, _)| name(&served.on_disk)),
        to: aim.as_ref().map(|(_, version)| name(version)),
        verdict: judged.verdict,
        summary: format!(
            "{} of {}{phase} {}: {}, {took} of {allowed}",
            scratch.id, subject.service, judged.verdict, judged.said
        ),
        total_ms: judged.total_ms,
        budget_ms: judged.budget_ms,
        fits: judged.fits,
        immediate: judged.immediate,
        parts,
    };
    record::write(environment, &drill)?;
    Ok(drill)
}

fn span(milliseconds: u64) -> chrono::TimeDelta {
    chrono::TimeDelta::milliseconds(i64::try_from(milliseconds).unwrap_or(i64::MAX))
}

/// What a rollback may take; that of a phase is already the service's own budget.
fn budget(subject: &Subject) -> Budget {
    let immediate =
        subject.phase_config().filter(|_| subject.immediate > 0).map(|phase| phase.immediate_within);
    Budget { whole: subject.rollback.guards.budget, immediate }
}

struct Run<'a> {
    environment: &'a Environment<'a>,
    subject: &'a Subject,
    scratch: &'a Scratch,
    parts: Vec<DrillPart>,
}

impl Run<'_> {
    /// Which version would come back. What is found is judged as a rollback would judge it.
    fn resolve(&mut self, to: &Selector) -> Option<(Served, Version)> {
        let request = Request::human(to.clone());
        let scene = Scene::new(self.environment, self.subject, &request, None);
        let subject = self.subject;
        self.timed("candidate", "prepare", "look at what serves, and find the version to go back to", || {
            let served = serving::served(subject)?;
            let aim = scene.aim(to, &served)?;
            Ok((served, aim.to))
        })
    }

    fn rehearse(&mut self, served: &Served, version: &Version) -> Result<()> {
        let actor = self.environment.actor.to_string();
        let goal = Goal {
            version,
            served: &served.on_disk,
            operation: None,
            incident: None,
            reason: Some("a drill"),
            actor: &actor,
            now: self.environment.clock.now()?,
        };
        for (number, (role, config)) in self.targets().into_iter().enumerate() {
            self.target(number, &role, &config, &goal)?;
        }
        self.candidate(version)?;
        self.suites();
        Ok(())
    }

    /// Every target, with what it is for: first those that contain.
    fn targets(&self) -> Vec<(String, TargetConfig)> {
        let config = &self.subject.rollback;
        let contain = config.contain.iter().map(|target| ("contain".to_owned(), target.clone()));
        let own = config.targets.iter().enumerate().map(|(number, target)| {
            let part = self.subject.part(number).as_ref().map(Part::to_string);
            (part.unwrap_or_else(|| "target".to_owned()), target.clone())
        });
        contain.chain(own).collect()
    }

    fn target(&mut self, number: usize, role: &str, config: &TargetConfig, goal: &Goal<'_>) -> Result<()> {
        let ground = self.subject.ground();
        let target = targets::build(config, &ground);
        let name = target.name();
        if self.environment.stop.is_requested() {
            self.not_run(&name, role, "rehearse", "stopped before it came to this");
            return Ok(());
        }
        let folder = self.scratch.room(&format!("target-{number}"))?;
        fault::point("drill:target");
        let before = target.observe().map(|observed| observed.digest);
        let begun = Instant::now();
        let rehearsed = target.rehearse(goal, &folder);
        let elapsed_ms = elapsed(begun);
        match rehearsed {
            Err(error) => self.push(&name, role, "rehearse", elapsed_ms, Err(error)),
            Ok(parts) if parts.is_empty() => {
                self.not_run(&name, role, "rehearse", "this kind of target rehearses nothing");
            }
            Ok(parts) => parts.into_iter().for_each(|part| self.rehearsed(&name, role, part)),
        }
        self.untouched(target.as_ref(), role, before.ok());
        Ok(())
    }

    /// A rehearsal must leave what it rehearses alone.
    fn untouched(&mut self, target: &dyn Target, role: &str, before: Option<Digest>) {
        let Some(before) = before else { return };
        let why = match target.observe() {
            Ok(observed) if observed.digest == before => return,
            Ok(observed) => format!("it changed while it was rehearsed: it is now {}", observed.shown.raw()),
            Err(error) => format!("it cannot be looked at after it was rehearsed: {}", error.message),
        };
        let error = Error::new(ErrorCode::Drifted, why);
        self.push(&target.name(), role, "compare what serves with what served before", 0, Err(error));
    }

    /// Loads and evaluates a copy of the candidate.
    fn candidate(&mut self, version: &Version) -> Result<()> {
        let config = &self.subject.rollback;
        let (load, evaluates) = (config.load.clone(), config.evaluate.is_some());
        if load.is_none() && !evaluates {
            return Ok(());
        }
        let Some(folder) = &version.folder else {
            let why = "the candidate is no folder of files; its target's own rehearsal has to load it";
            if load.is_some() {
                self.not_run("load", "prepare", "load the candidate", why);
            }
            if evaluates {
                self.evaluate(version);
            }
            return Ok(());
        };
        let copy = self.scratch.folder.join("candidate");
        let copied = self
            .timed("candidate", "prepare", "copy the candidate", || stage::copy_tree(folder, &copy))
            .is_some();
        let subject = self.subject;
        if let Some(command) = &load {
            if copied && !self.environment.stop.is_requested() {
                self.timed("load", "prepare", "load a copy of the candidate", || {
                    stage::load(&subject.root, command, &copy)
                });
            } else {
                self.not_run("load", "prepare", "load a copy of the candidate", "there is no copy to load");
            }
        }
        if evaluates && copied && !self.environment.stop.is_requested() {
            self.evaluate(&Version { folder: Some(copy), ..version.clone() });
        } else if evaluates {
            self.not_run("evaluate", "prepare", "evaluate a copy of the candidate", "there is no copy");
        }
        Ok(())
    }

    fn evaluate(&mut self, version: &Version) {
        let subject = self.subject;
        self.timed("evaluate", "prepare", "evaluate a copy of the candidate", || {
            let metrics = evaluate::metrics(subject, version, None)?;
            let bad: Vec<_> = metrics
                .iter()
                .filter(|(_, value)| !value.is_some_and(f64::is_finite))
                .map(|(name, _)| name.as_str())
                .collect();
            if metrics.is_empty() {
                return Err(Error::new(ErrorCode::InvalidData, "it gives no metric at all"));
            }
            if !bad.is_empty() {
                let why = format!("it gives no number for {}", bad.join(", "));
                return Err(Error::new(ErrorCode::InvalidData, why));
            }
            Ok(())
        });
    }

    /// The suites that a rollback runs are there. They are not run: they judge what serves.
    fn suites(&mut self) {
        let config = &self.subject.rollback;
        let names: Vec<String> = config.proof.iter().chain(&config.verify).cloned().collect();
        let suites = self.subject.suites.get("suites").cloned().unwrap_or_default();
        for name in names {
            self.timed(&format!("suite {name}"), "prepare", "see that it is there", || {
                let there = suites.get(&name).is_some_and(|suite| !suite.is_null());
                let missing = || Error::new(ErrorCode::NotFound, format!("there is no suite `{name}`"));
                if there { Ok(()) } else { Err(missing()) }
            });
        }
    }

    /// What a rollback does and a drill never can, because it would act on what serves.
    fn never(&mut self) {
        if let Some(command) = &self.subject.rollback.activate {
            let what = format!("run `{}`", command.command.join(" "));
            let why = "it acts on what serves: only a rollback runs it";
            self.not_run("activate", "target", &what, why);
            if let Some(part) = self.parts.last_mut() {
                part.never = true;
            }
        }
    }

    fn nothing_to_go_to(&mut self) {
        let ground = self.subject.ground();
        for (role, config) in self.targets() {
            let name = targets::build(&config, &ground).name();
            self.not_run(&name, &role, "rehearse", "there is no version to go back to");
        }
    }

    fn rehearsed(&mut self, name: &str, role: &str, part: Rehearsed) {
        if let Some(why) = part.not_run {
            return self.not_run(name, role, &part.what, &why);
        }
        let outcome = match part.failure {
            Some(failure) => Err(Error::new(ErrorCode::Refused, failure)),
            None => Ok(()),
        };
        self.push(name, role, &part.what, part.elapsed_ms, outcome);
    }

    fn timed<T>(
        &mut self,
        name: &str,
        role: &str,
        what: &str,
        work: impl FnOnce() -> Result<T>,
    ) -> Option<T> {
        let begun = Instant::now();
        let done = work();
        let elapsed_ms = elapsed(begun);
        let (value, outcome) = match done {
            Ok(value) => (Some(value), Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.push(name, role, what, elapsed_ms, outcome);
        value
    }

    fn push(&mut self, name: &str, role: &str, what: &str, took_ms: u64, outcome: Result<()>) {
        let why = outcome.as_ref().err().map(|error| error.message.as_str().into());
        self.parts.push(DrillPart {
            target: name.to_owned(),
            part: role.to_owned(),
            what: self.without_scratch(what).into(),
            took_ms: Some(took_ms),
            share: None,
            outcome: if outcome.is_ok() { Outcome::Passed } else { Outcome::Failed },
            why,
            never: false,
        });
    }

    fn not_run(&mut self, name: &str, role: &str, what: &str, why: &str) {
        self.parts.push(DrillPart {
            target: name.to_owned(),
            part: role.to_owned(),
            what: self.without_scratch(what).into(),
            took_ms: None,
            share: None,
            outcome: Outcome::NotRun,
            why: Some(why.into()),
            never: false,
        });
    }

    /// Without the path of copies that are gone by the time that somebody reads it.
    fn without_scratch(&self, text: &str) -> String {
        let scratch: &Path = &self.scratch.folder;
        text.replace(&format!("{}/", scratch.display()), "")
    }
}

fn elapsed(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}
