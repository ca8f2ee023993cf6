//! Runbooks: what is wrong with them taken alone, and among services, suites, recipes and roles.

use std::collections::{BTreeMap, BTreeSet};

use super::Workspace;
use super::diagnostic::{Diagnostic, Report, Severity, code};
use super::file::File;
use super::finding::{Finding, Locator};
use super::kind::Kind;
use crate::notify::NotifyConfig;
use crate::probe::metrics_of;
use crate::runbook::lint::{self, Level, Rule};
use crate::runbook::problem::Mistake;
use crate::runbook::{Problem, RunbookConfig, Service, Surroundings, in_surroundings, problems};
use crate::severity::{Catalog, MetricConfig};

/// Everything that is wrong with the runbooks of the workspace.
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let templates = Templates::of(workspace);
    let has_template = |name: &str| templates.has(name);
    let around = surroundings(workspace, &has_template);
    let mut found = Vec::new();
    for (name, runbook) in &workspace.runbooks {
        found.extend(problems(runbook).into_iter().map(|problem| finding(name, problem)));
        found.extend(in_surroundings(runbook, &around).into_iter().map(|problem| finding(name, problem)));
    }
    found
}

/// What is wrong with one runbook taken alone, at its place in the file.
pub fn alone(runbook: &RunbookConfig, file: &File) -> Vec<Diagnostic> {
    let mut locator = Locator::new(std::slice::from_ref(file));
    let found = problems(runbook).into_iter().map(|problem| finding(&file.name, problem));
    found.filter_map(|finding| locator.locate(&finding)).collect()
}

fn finding(name: &str, problem: Problem) -> Finding {
    let code = match problem.mistake {
        Mistake::Dangling => code::DANGLING_REFERENCE,
        Mistake::Invalid => code::INVALID_VALUE,
        Mistake::Duplicate => code::DUPLICATE_NAME,
        Mistake::OneKind => code::ONE_KIND,
        Mistake::Missing => code::MISSING_KEY,
        Mistake::Unknown => code::UNKNOWN_KEY,
        Mistake::WrongType => code::WRONG_TYPE,
        Mistake::Secret => code::SECRET_VALUE,
        Mistake::Outside => code::OUTSIDE_WORKSPACE,
    };
    let found = Finding::error(Kind::Runbook, name, &problem.pointer, code, problem.message);
    Finding { on_key: problem.on_key, ..found.help(problem.help).at(problem.span) }
}

/// The templates of notices: the shipped ones, and those of the workspace.
struct Templates {
    folder: std::path::PathBuf,
}

impl Templates {
    fn of(workspace: &Workspace) -> Self {
        Self { folder: workspace.root.join("config/templates") }
    }

    fn has(&self, name: &str) -> bool {
        let own = || {
            crate::base::path::single_name(name)
                .is_ok_and(|name| self.folder.join(format!("{name}.j2")).is_file())
        };
        NotifyConfig::is_shipped_template(name) || own()
    }
}

fn surroundings<'a>(workspace: &'a Workspace, has_template: &'a dyn Fn(&str) -> bool) -> Surroundings<'a> {
    let services = workspace.services.iter().map(|(name, service)| {
        let mut metrics: Catalog =
            workspace.schemes.get(&service.scheme).map(|scheme| scheme.metrics.clone()).unwrap_or_default();
        for (probe, config) in &service.probes {
            for (metric, unit) in metrics_of(probe, config) {
                let described =
                    MetricConfig { unit, range: None, optional: false, max_age: None, description: None };
                metrics.entry(metric).or_insert(described);
            }
        }
        (name.as_str(), Service { probes: &service.probes, metrics, rollback: service.rollback.as_ref() })
    });
    let roles = workspace.contacts.roles.keys().map(String::as_str).collect::<BTreeSet<_>>();
    let knows_roles = !roles.is_empty() && !workspace.lacks(Kind::Contacts);
    Surroundings {
        services: services.collect(),
        service_names: names(workspace, Kind::Service, &workspace.services),
        suites: names(workspace, Kind::Verify, &workspace.suites),
        runbooks: &workspace.runbooks,
        runbook_names: names(workspace, Kind::Runbook, &workspace.runbooks),
        recipes: &workspace.recipes,
        recipe_names: names(workspace, Kind::Recipe, &workspace.recipes),
        roles: knows_roles.then_some(roles),
        has_template,
    }
}

/// Every name of a kind. What has errors of its own exists all the same.
fn names<'a, T>(workspace: &'a Workspace, kind: Kind, loaded: &'a BTreeMap<String, T>) -> BTreeSet<&'a str> {
    let broken =
        workspace.broken.keys().filter(move |(known, _)| *known == kind).map(|(_, name)| name.as_str());
    loaded.keys().map(String::as_str).chain(broken).collect()
}

/// A finding of `irctl runbook lint` with its place.
#[derive(Debug)]
pub struct Linted {
    /// The runbook.
    pub runbook: String,
    /// The rule; none for what `irctl config check` would say as well.
    pub rule: Option<&'static Rule>,
    /// What was found, and where.
    pub diagnostic: Diagnostic,
}

/// What `irctl runbook lint` looked at and found.
#[derive(Debug)]
pub struct LintReport {
    /// The runbooks, by name.
    pub runbooks: Vec<String>,
    /// The findings, by file and place.
    pub found: Vec<Linted>,
}

impl LintReport {
    /// The findings as diagnostics.
    pub fn report(&self) -> Report {
        let mut report = Report::default();
        self.found.iter().for_each(|linted| report.push(linted.diagnostic.clone()));
        report
    }

    /// How many findings of one severity there are.
    pub fn count(&self, severity: Severity) -> usize {
        self.found.iter().filter(|linted| linted.diagnostic.severity == severity).count()
    }
}

/// Lints runbooks: what a loaded workspace and its files show.
pub(super) fn lint_files(
    workspace: &Workspace,
    files: &[File],
    report: &Report,
    wanted: &dyn Fn(&str) -> bool,
    today: chrono::NaiveDate,
) -> LintReport {
    let templates = Templates::of(workspace);
    let has_template = |name: &str| templates.has(name);
    let around = surroundings(workspace, &has_template);
    let mut found = Vec::new();
    let mut runbooks = Vec::new();
    for file in files.iter().filter(|file| file.kind == Kind::Runbook && wanted(&file.name)) {
        runbooks.push(file.name.clone());
        let Some(runbook) = workspace.runbooks.get(&file.name) else { continue };
        let mut locator = Locator::new(std::slice::from_ref(file));
        for one in lint::lint(runbook, today, &around) {
            found.extend(linted(file, one, &mut locator));
        }
    }
    let paths: BTreeMap<&str, &str> = files
        .iter()
        .filter(|file| file.kind == Kind::Runbook && wanted(&file.name))
        .map(|file| (file.source.path.as_str(), file.name.as_str()))
        .collect();
    for diagnostic in report.diagnostics() {
        if let Some(name) = paths.get(diagnostic.source.path.as_str()) {
            found.push(Linted { runbook: (*name).to_owned(), rule: None, diagnostic: diagnostic.clone() });
        }
    }
    found.sort_by(|a, b| place(&a.diagnostic).cmp(&place(&b.diagnostic)));
    runbooks.sort();
    runbooks.dedup();
    LintReport { runbooks, found }
}

fn place(diagnostic: &Diagnostic) -> (&str, usize, usize, &str) {
    (&diagnostic.source.path, diagnostic.span.start, diagnostic.span.end, diagnostic.code)
}

fn linted(file: &File, found: lint::Finding, locator: &mut Locator<'_>) -> Option<Linted> {
    // The hidden place is starred out wherever the line is shown.
    let code = if found.hidden { code::SECRET_VALUE } else { found.rule.id };
    let severity = match found.rule.level {
        Level::Error => Severity::Error,
        Level::Warning => Severity::Warning,
    };
    let finding = Finding::error(Kind::Runbook, &file.name, &found.pointer, code, found.message);
    let finding = Finding { on_key: found.on_key, severity, ..finding.help(Some(found.help)).at(found.span) };
    let diagnostic = locator.locate(&finding)?;
    let diagnostic = Diagnostic { code: found.rule.id, ..diagnostic };
    Some(Linted { runbook: file.name.clone(), rule: Some(found.rule), diagnostic })
}
