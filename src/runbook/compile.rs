//! A runbook among everything else: do the names lead somewhere, and do the conditions fit what is measured?

use std::collections::{BTreeMap, BTreeSet};

use super::kinds::{CallConfig, InlineSuite, ProbeStep, RollbackStep, Verification};
use super::measured::{described, expressions, fixed, own_metrics};
use super::problem::{Mistake, Problem, escaped, nearest};
use super::problems::mask;
use super::{Kind, RunbookConfig, StepConfig, walk};
use crate::probe::{ProbeConfig, metrics_of};
use crate::rollback::RollbackConfig;
use crate::rollback::targets::command::{Parameter, ProblemKind, Recipe};
use crate::severity::{Catalog, CompiledExpression, Expression};
use crate::verify;

/// A service, as far as runbooks need it.
pub struct Service<'a> {
    /// Its probes.
    pub probes: &'a BTreeMap<String, ProbeConfig>,
    /// The metrics of its scheme and of its probes.
    pub metrics: Catalog,
    /// How it is rolled back, where it can be.
    pub rollback: Option<&'a RollbackConfig>,
}

/// What there is beside a runbook. A name that is known without details belongs to a file with errors of its own.
pub struct Surroundings<'a> {
    /// The services that could be loaded.
    pub services: BTreeMap<&'a str, Service<'a>>,
    /// The names of all services.
    pub service_names: BTreeSet<&'a str>,
    /// The names of all suites.
    pub suites: BTreeSet<&'a str>,
    /// The runbooks that could be loaded.
    pub runbooks: &'a BTreeMap<String, RunbookConfig>,
    /// The names of all runbooks.
    pub runbook_names: BTreeSet<&'a str>,
    /// The recipes that could be loaded.
    pub recipes: &'a BTreeMap<String, Recipe>,
    /// The names of all recipes.
    pub recipe_names: BTreeSet<&'a str>,
    /// The roles, where it is known which there are.
    pub roles: Option<BTreeSet<&'a str>>,
    /// Whether there is a template of a notice of this name.
    pub has_template: &'a dyn Fn(&str) -> bool,
}

/// Everything that is wrong with a runbook among the rest.
pub fn in_surroundings(runbook: &RunbookConfig, around: &Surroundings<'_>) -> Vec<Problem> {
    let mut look = Look { runbook, around, found: Vec::new() };
    look.head();
    let catalog = look.catalog();
    for (pointer, step) in walk::steps(runbook) {
        look.step(&pointer, step, catalog.as_ref());
    }
    look.found
}

struct Look<'a> {
    runbook: &'a RunbookConfig,
    around: &'a Surroundings<'a>,
    found: Vec<Problem>,
}

impl<'a> Look<'a> {
    fn head(&mut self) {
        if let Some(service) = fixed(self.runbook.service.as_ref()) {
            self.service("/service", service);
        }
        for (name, escalation) in &self.runbook.escalate {
            self.role(&format!("/escalate/{}/role", escaped(name)), &escalation.role);
        }
    }

    /// The metrics that conditions may use, where it is known which service they are about.
    fn catalog(&self) -> Option<Catalog> {
        let service = self.around.services.get(fixed(self.runbook.service.as_ref())?)?;
        let mut catalog = service.metrics.clone();
        for (metric, config) in own_metrics(self.runbook) {
            catalog.entry(metric).or_insert(config);
        }
        Some(catalog)
    }

    fn step(&mut self, pointer: &str, step: &'a StepConfig, catalog: Option<&Catalog>) {
        for (at, expression) in expressions(step) {
            self.expression(&format!("{pointer}{at}"), expression, catalog);
        }
        if let Some(proof) = step.proof() {
            self.verification(&format!("{pointer}/verify"), step, proof);
        }
        let Some(kind) = step.kind() else { return };
        if let Some(used) = kind.recipe() {
            self.recipe(pointer, kind, used.name, used.pointer, used.with);
        }
        match kind {
            Kind::Verify(suite) => self.verification(&format!("{pointer}/verify"), step, suite),
            Kind::Probe(probe) => self.probe(&format!("{pointer}/probe"), probe),
            Kind::Rollback(rollback) => self.rollback(&format!("{pointer}/rollback"), rollback),
            Kind::Contain(one) => self.contained(&format!("{pointer}/contain"), one.service.as_ref()),
            Kind::Release(one) => self.contained(&format!("{pointer}/release"), one.service.as_ref()),
            Kind::Call(call) => self.call(&format!("{pointer}/call"), call),
            Kind::Notify(notify) => {
                if !notify.template.contains("{{") && !(self.around.has_template)(&notify.template) {
                    let message = format!("there is no template `{}`", notify.template.escape_debug());
                    let problem =
                        Problem::new(format!("{pointer}/notify/template"), Mistake::Dangling, message);
                    let help =
                        format!("a template of your own stands in config/templates/{}.j2", notify.template);
                    self.found.push(problem.help(help));
                }
                for (number, role) in notify.to.iter().enumerate() {
                    self.role(&format!("{pointer}/notify/to/{number}"), role);
                }
            }
            Kind::Manual(manual) => {
                if let Some(role) = manual.details().and_then(|details| details.who.as_ref()) {
                    self.role(&format!("{pointer}/manual/who"), role);
                }
            }
            _ => {}
        }
    }

    fn missing<'n>(
        &mut self,
        pointer: &str,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'n str>,
    ) {
        let message = format!("there is no {what} `{}`", name.escape_debug());
        let help = nearest(name, known, &format!("{what}s"));
        self.found.push(Problem::new(pointer, Mistake::Dangling, message).maybe_help(help));
    }

    fn service(&mut self, pointer: &str, name: &str) {
        if !self.around.service_names.contains(name) {
            let known: Vec<&str> = self.around.service_names.iter().copied().collect();
            self.missing(pointer, "service", name, known);
        }
    }

    fn role(&mut self, pointer: &str, name: &str) {
        let Some(roles) = self.around.roles.as_ref() else { return };
        if !name.contains("{{") && !roles.contains(name) {
            let known: Vec<&str> = roles.iter().copied().collect();
            self.missing(pointer, "role", name, known);
        }
    }

    /// The service of a step: its own, else the runbook's; none where that is known only later.
    fn of(&self, own: Option<&'a String>) -> Option<(&'a str, &'a Service<'a>)> {
        let name = match own {
            Some(own) => fixed(Some(own))?,
            None => fixed(self.runbook.service.as_ref())?,
        };
        Some((name, self.around.services.get(name)?))
    }

    fn own_service(&mut self, pointer: &str, own: Option<&String>) {
        if let Some(name) = fixed(own) {
            self.service(&format!("{pointer}/service"), name);
        }
    }

    fn verification(&mut self, pointer: &str, step: &'a StepConfig, suite: &'a Verification) {
        match suite {
            Verification::Short(name) if name.contains("{{") => {}
            Verification::Short(name) => {
                if !self.around.suites.contains(name.as_str()) {
                    let known: Vec<&str> = self.around.suites.iter().copied().collect();
                    self.missing(pointer, "suite", name, known);
                }
            }
            Verification::Detailed(inline) => self.inline(pointer, step, inline),
        }
    }

    fn inline(&mut self, pointer: &str, step: &'a StepConfig, inline: &'a InlineSuite) {
        self.own_service(pointer, inline.service.as_ref());
        let named = inline.service.is_some() || self.runbook.service.is_some();
        let service = self.of(inline.service.as_ref());
        if service.is_none() && (named || !inline.uses.is_empty()) {
            // Which probes there are is known only when it runs.
            return;
        }
        let none = BTreeMap::new();
        let (name, probes) = match service {
            Some((name, service)) => (Some(name), service.probes),
            None => (None, &none),
        };
        for problem in verify::problems(&inline.suite(&step.id, name), probes) {
            let place = format!("{pointer}{}", problem.pointer);
            let fault = problem.fault;
            let found =
                Problem::new(place, Mistake::Invalid, fault.message).maybe_help(fault.help).at(fault.span);
            self.found.push(found);
        }
    }

    fn probe(&mut self, pointer: &str, probe: &'a ProbeStep) {
        let details = probe.details();
        self.own_service(pointer, details.and_then(|details| details.service.as_ref()));
        let inline = details.and_then(|details| details.measure.as_deref());
        if let (Some(config), Some(that)) = (inline, details.and_then(|details| details.that.as_ref())) {
            let catalog = described(metrics_of(probe.name(), config));
            self.compiled(&format!("{pointer}/that"), that, &catalog, "the probe");
            return;
        }
        if inline.is_some() {
            return;
        }
        let Some((service, config)) = self.of(details.and_then(|details| details.service.as_ref())) else {
            return;
        };
        let place = if details.is_some() { format!("{pointer}/name") } else { pointer.to_owned() };
        match config.probes.get(probe.name()) {
            None => {
                let message =
                    format!("the service `{service}` has no probe `{}`", probe.name().escape_debug());
                let help = nearest(probe.name(), config.probes.keys().map(String::as_str), "probes");
                self.found.push(Problem::new(place, Mistake::Dangling, message).maybe_help(help));
            }
            Some(config) => {
                if let Some(that) = details.and_then(|details| details.that.as_ref()) {
                    let catalog = described(metrics_of(probe.name(), config));
                    self.compiled(&format!("{pointer}/that"), that, &catalog, "the probe");
                }
            }
        }
    }

    fn rollback(&mut self, pointer: &str, step: &'a RollbackStep) {
        self.own_service(pointer, step.service.as_ref());
        let Some((name, service)) = self.of(step.service.as_ref()) else { return };
        let Some(rollback) = service.rollback else {
            let message = format!("the service `{name}` does not say how it is rolled back");
            let help = format!("add `rollback:` to the service `{name}`");
            self.found.push(Problem::new(pointer, Mistake::Dangling, message).help(help).on_key());
            return;
        };
        if let Some(phase) = fixed(step.phase.as_ref()).filter(|phase| !rollback.phases.contains_key(*phase))
        {
            let known: Vec<&str> = rollback.phases.keys().map(String::as_str).collect();
            self.missing(&format!("{pointer}/phase"), "phase", phase, known);
        }
        let environment = fixed(step.environment.as_ref());
        if let Some(environment) = environment.filter(|name| !rollback.environments.contains_key(*name)) {
            let known: Vec<&str> = rollback.environments.keys().map(String::as_str).collect();
            self.missing(&format!("{pointer}/environment"), "environment", environment, known);
        }
    }

    fn contained(&mut self, pointer: &str, own: Option<&'a String>) {
        self.own_service(pointer, own);
        if let Some((name, service)) = self.of(own)
            && service.rollback.is_none_or(|rollback| rollback.contain.is_empty())
        {
            let message = format!("the service `{name}` does not say how its consumers are stopped");
            let help = format!("add `rollback: {{contain: […]}}` to the service `{name}`");
            self.found.push(Problem::new(pointer, Mistake::Dangling, message).help(help).on_key());
        }
    }

    fn recipe(
        &mut self,
        pointer: &str,
        kind: Kind<'_>,
        name: &str,
        at: &str,
        with: &BTreeMap<String, Parameter>,
    ) {
        let Some(recipe) = self.around.recipes.get(name) else {
            if !self.around.recipe_names.contains(name) {
                let place = if matches!(kind, Kind::Recipe(_)) { "/recipe/name" } else { at };
                let known: Vec<&str> = self.around.recipe_names.iter().copied().collect();
                self.missing(&format!("{pointer}{place}"), "recipe", name, known);
            }
            return;
        };
        let mut with = with.clone();
        for value in with.values_mut() {
            mask(&mut value.0);
        }
        for problem in recipe.problems_with(&with) {
            let (mistake, on_key) = match problem.kind {
                ProblemKind::Unknown => (Mistake::Unknown, true),
                ProblemKind::Missing => (Mistake::Missing, true),
                ProblemKind::WrongType => (Mistake::WrongType, false),
                ProblemKind::SecretValue => (Mistake::Secret, false),
                ProblemKind::Invalid => (Mistake::Invalid, false),
            };
            let place = format!("{pointer}{at}{}", problem.pointer);
            let found = Problem::new(place, mistake, problem.message).maybe_help(problem.help);
            self.found.push(if on_key { found.on_key() } else { found });
        }
    }

    fn call(&mut self, pointer: &str, call: &CallConfig) {
        if call.runbook.contains("{{") {
            return;
        }
        let at = format!("{pointer}/runbook");
        let Some(other) = self.around.runbooks.get(&call.runbook) else {
            if !self.around.runbook_names.contains(call.runbook.as_str()) {
                let known: Vec<&str> = self.around.runbook_names.iter().copied().collect();
                self.missing(&at, "runbook", &call.runbook, known);
            }
            return;
        };
        if reaches(self.around.runbooks, &call.runbook, &self.runbook.runbook) {
            let message = format!("`{}` leads back to this runbook: it would never end", call.runbook);
            self.found.push(
                Problem::new(at, Mistake::Invalid, message).help("take one of the calls out of the circle"),
            );
            return;
        }
        for (name, value) in &call.inputs {
            let place = format!("{pointer}/inputs/{}", escaped(name));
            let Some(input) = other.inputs.get(name) else {
                let message =
                    format!("the runbook `{}` has no input `{}`", call.runbook, name.escape_debug());
                let help = nearest(name, other.inputs.keys().map(String::as_str), "inputs");
                self.found.push(Problem::new(place, Mistake::Unknown, message).maybe_help(help).on_key());
                continue;
            };
            let text = value.0.as_str().map_or_else(|| value.0.to_string(), str::to_owned);
            if !text.contains("{{")
                && let Err((why, way)) = input.accept(&text)
            {
                self.found.push(Problem::new(place, Mistake::Invalid, format!("`{name}`: {why}")).help(way));
            }
        }
        for (name, _) in other
            .inputs
            .iter()
            .filter(|(name, input)| input.default.is_none() && !call.inputs.contains_key(*name))
        {
            let message = format!("the runbook `{}` needs the input `{name}`", call.runbook);
            self.found.push(
                Problem::new(pointer, Mistake::Missing, message)
                    .help(format!("inputs: {{{name}: …}}"))
                    .on_key(),
            );
        }
    }

    fn expression(&mut self, pointer: &str, expression: &Expression, catalog: Option<&Catalog>) {
        if let Some(catalog) = catalog {
            self.compiled(pointer, expression, catalog, "the service");
        }
    }

    fn compiled(&mut self, pointer: &str, expression: &Expression, catalog: &Catalog, whose: &str) {
        for error in CompiledExpression::compile(expression, catalog).err().unwrap_or_default() {
            let message = error.message.replace("a metric of this catalog", &format!("a metric of {whose}"));
            let known = || {
                let names: Vec<&str> = catalog.keys().map(String::as_str).take(12).collect();
                format!("metrics there are: {}", names.join(", "))
            };
            let help = error.help.map(|help| if help.starts_with("declare it") { known() } else { help });
            let span = error.offset..error.offset + error.length;
            self.found.push(Problem::new(pointer, Mistake::Invalid, message).maybe_help(help).at(Some(span)));
        }
    }
}

/// Whether calls lead from one runbook to another, or to itself.
fn reaches(runbooks: &BTreeMap<String, RunbookConfig>, from: &str, to: &str) -> bool {
    let mut open = vec![from];
    let mut seen = BTreeSet::new();
    while let Some(name) = open.pop() {
        if name == to {
            return true;
        }
        if !seen.insert(name) {
            continue;
        }
        for (_, step) in runbooks.get(name).map(walk::steps).unwrap_or_default() {
            open.extend(step.call.as_ref().map(|call| call.runbook.as_str()));
        }
    }
    false
}
