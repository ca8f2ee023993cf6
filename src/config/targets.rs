//! What a service switches: do the parts fit together, is every placeholder known, in every environment and phase?

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::diagnostic::{Severity, code};
use super::finding::Finding;
use super::kind::Kind;
use super::schema::suggestion;
use super::{ServiceConfig, Workspace};
use crate::rollback::config::TargetConfig;
use crate::rollback::targets::{Ground, build};
use crate::rollback::{RollbackConfig, Subject};

/// Targets that stand together, and where.
struct List<'a> {
    pointer: String,
    targets: &'a [TargetConfig],
    containing: bool,
    /// The plan they are part of: its targets have names of their own.
    plan: String,
}

impl List<'_> {
    /// The keys of settings files that they set, each with its place.
    fn keys(&self) -> impl Iterator<Item = ((&Path, &str), String)> {
        let settings = self.targets.iter().enumerate().filter_map(|(number, target)| match target {
            TargetConfig::Settings(settings) => Some((number, settings)),
            _ => None,
        });
        settings.flat_map(move |(number, settings)| {
            let place = format!("{}/{number}/settings/set", self.pointer);
            settings
                .set
                .keys()
                .map(move |key| ((settings.file.as_path(), key.as_str()), format!("{place}/{}", step(key))))
        })
    }
}

fn lists(rollback: &RollbackConfig) -> Vec<List<'_>> {
    let list =
        |pointer: String, targets, containing, plan: String| List { pointer, targets, containing, plan };
    let mut all = vec![
        list("/rollback/contain".to_owned(), rollback.contain.as_slice(), true, "what contains".to_owned()),
        list("/rollback/targets".to_owned(), rollback.targets.as_slice(), false, "the plan".to_owned()),
    ];
    for (name, phase) in &rollback.phases {
        for (part, targets) in [("immediate", &phase.immediate), ("recovery", &phase.recovery)] {
            let pointer = format!("/rollback/phases/{}/{part}", step(name));
            all.push(list(pointer, targets, false, format!("phase {name}")));
        }
    }
    all
}

fn step(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn each(
    workspace: &Workspace,
    check: impl Fn(&ServiceConfig, &RollbackConfig) -> Vec<Finding>,
) -> Vec<Finding> {
    let able = workspace.services.values().filter_map(|service| Some((service, service.rollback.as_ref()?)));
    able.flat_map(|(service, rollback)| check(service, rollback)).collect()
}

fn wrong(service: &ServiceConfig, pointer: &str, text: impl Into<String>) -> Finding {
    Finding::error(Kind::Service, &service.service, pointer, code::INVALID_VALUE, text)
}

/// The configuration with the values of the environment that is meant where none is named, or of the first; none where
/// a value is missing, which is said elsewhere.
fn filled(service: &ServiceConfig, rollback: &RollbackConfig) -> Option<RollbackConfig> {
    let first = rollback.environments.keys().next();
    let name = rollback.environment.as_ref().or(first)?;
    let subject = Subject {
        service: service.service.clone(),
        root: Default::default(),
        rollback: rollback.clone(),
        serving: None,
        suites: serde_json::Value::Null,
        phase: None,
        environment: None,
        immediate: 0,
    };
    subject.in_environment(Some(name)).ok().map(|subject| subject.rollback)
}

/// The parts of each target fit together; what contains is of a kind that can.
pub fn parts(workspace: &Workspace) -> Vec<Finding> {
    each(workspace, |service, rollback| {
        let mut found = Vec::new();
        let filled = filled(service, rollback);
        for list in lists(filled.as_ref().unwrap_or(rollback)) {
            for (number, target) in list.targets.iter().enumerate() {
                let pointer = format!("{}/{number}/{}", list.pointer, target.kind());
                if list.containing && !target.can_contain() {
                    let text = format!("consumers cannot be stopped with this `{}` target", target.kind());
                    let help = "it goes back to a version; stop them with settings, sql, kubernetes (scale), command or a recipe";
                    let finding = wrong(service, &pointer, text).help(Some(help.to_owned()));
                    found.push(Finding { on_key: true, ..finding });
                } else if let Err(error) = target.check() {
                    found.push(wrong(service, &pointer, error.message).help(error.hint));
                }
            }
        }
        found
    })
}

/// Every placeholder is known; where nothing says which versions there are, none stands for one.
pub fn templates(workspace: &Workspace) -> Vec<Finding> {
    each(workspace, |service, rollback| {
        let mut found = Vec::new();
        let lists = lists(rollback);
        for list in &lists {
            let led = list.containing || is_led(service, &lists, &list.plan);
            for (number, target) in list.targets.iter().enumerate() {
                for template in target.templates() {
                    let pointer = format!("{}/{number}/{}{}", list.pointer, target.kind(), template.pointer);
                    if let Some(fault) = template.fault(list.containing) {
                        let known: Vec<_> = fault.known.iter().map(|word| format!("{{{word}}}")).collect();
                        let help = suggestion(&fault.word, &fault.known)
                            .unwrap_or_else(|| format!("known here are {}", known.join(", ")));
                        found.push(
                            wrong(service, &pointer, fault.message).help(Some(help)).at(Some(fault.span)),
                        );
                    } else if let (false, Some((span, word))) = (led, template.names_version()) {
                        let text =
                            format!("nothing says which versions there are, so `{{{word}}}` stands for none");
                        let help = "add a target that knows versions (files, registry, git, kubernetes), or write the value itself";
                        let finding = wrong(service, &pointer, text).help(Some(help.to_owned()));
                        found.push(Finding { severity: Severity::Warning, ..finding.at(Some(span)) });
                    }
                }
            }
        }
        found
    })
}

/// Whether a target of the plan says which versions there are.
fn is_led(service: &ServiceConfig, lists: &[List<'_>], plan: &str) -> bool {
    let ground = ground(service);
    let of_plan = lists.iter().filter(|list| list.plan == plan).flat_map(|list| list.targets);
    of_plan.into_iter().any(|target| build(target, &ground).leads())
}

/// Names and leads are told by the configuration alone.
fn ground(service: &ServiceConfig) -> Ground {
    Ground { root: std::path::PathBuf::new(), service: service.service.clone() }
}

/// The targets of a plan have names of their own: screens, journals and releases tell them apart by those.
pub fn plans(workspace: &Workspace) -> Vec<Finding> {
    each(workspace, |service, rollback| {
        let ground = ground(service);
        let mut found = Vec::new();
        let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for list in lists(rollback) {
            for (number, target) in list.targets.iter().enumerate() {
                // Each use of a recipe is told apart by what it is handed.
                let name = match target {
                    TargetConfig::Recipe(used) => match workspace.programs(used) {
                        Ok(programs) => programs.title(),
                        Err(_) => continue,
                    },
                    other => build(other, &ground).name(),
                };
                if names.entry(list.plan.clone()).or_default().insert(name.clone()) {
                    continue;
                }
                let pointer = format!("{}/{number}/{}", list.pointer, target.kind());
                let help = match target {
                    TargetConfig::Settings(_) => "write all keys of a file under one `set:`",
                    TargetConfig::Sql(_) => "give each a `name:` of its own",
                    _ => "take one of them away, or put them into plans of their own",
                };
                let text = format!("{} has two targets `{name}`", list.plan);
                let finding = wrong(service, &pointer, text).help(Some(help.to_owned()));
                found.push(Finding { on_key: true, ..finding });
            }
        }
        found
    })
}

/// What stops consumers and what is switched are different keys: letting consumers back would turn a key that both set
/// back to what was before, and an undo would find neither what it left nor what it is to put back.
pub fn contained_keys(workspace: &Workspace) -> Vec<Finding> {
    each(workspace, |service, rollback| {
        let (containing, switching): (Vec<_>, Vec<_>) =
            lists(rollback).into_iter().partition(|list| list.containing);
        let contained: BTreeSet<_> = containing.iter().flat_map(List::keys).map(|(key, _)| key).collect();
        let both = switching.iter().flat_map(List::keys).filter(|(key, _)| contained.contains(key));
        let warn = |((_, key), pointer): ((&Path, &str), String)| {
            let text = format!("`{}` is what stops consumers, too", key.escape_debug());
            let help =
                "leave it to `contain:`: letting consumers back would undo what is switched here".to_owned();
            let finding = wrong(service, &pointer, text).help(Some(help));
            Finding { severity: Severity::Warning, on_key: true, ..finding }
        };
        both.map(warn).collect()
    })
}

/// A phase switches something, and its order can be kept.
pub fn phases(workspace: &Workspace) -> Vec<Finding> {
    each(workspace, |service, rollback| {
        let mut found = Vec::new();
        for (name, phase) in &rollback.phases {
            let pointer = format!("/rollback/phases/{}", step(name));
            if phase.immediate.is_empty() && phase.recovery.is_empty() {
                let text = format!("phase {name} switches nothing");
                let help = "give it `immediate:` or `recovery:` targets".to_owned();
                found.push(Finding { on_key: true, ..wrong(service, &pointer, text).help(Some(help)) });
            }
            for (number, other) in phase.after.iter().enumerate() {
                if let Some(way) = way(rollback, other, name) {
                    let shown: Vec<_> = [name.as_str()].into_iter().chain(way).collect();
                    let text = format!("these phases wait for each other: {}", shown.join(" after "));
                    let help = "a phase names only phases that build on it".to_owned();
                    found.push(wrong(service, &format!("{pointer}/after/{number}"), text).help(Some(help)));
                }
            }
        }
        found
    })
}

/// The way from a phase to another along `after:`, both ends included.
fn way<'a>(rollback: &'a RollbackConfig, from: &'a str, to: &str) -> Option<Vec<&'a str>> {
    let mut ways = vec![vec![from]];
    let mut seen = BTreeSet::from([from]);
    while let Some(way) = ways.pop() {
        let Some(last) = way.last() else { continue };
        if *last == to {
            return Some(way);
        }
        for next in rollback.phases.get(*last).into_iter().flat_map(|phase| &phase.after) {
            if seen.insert(next) || next == to {
                let mut longer = way.clone();
                longer.push(next);
                ways.push(longer);
            }
        }
    }
    None
}

/// Every `{values.NAME}` has a value in every environment.
pub fn environments(workspace: &Workspace) -> Vec<Finding> {
    each(workspace, |service, rollback| {
        let mut found = Vec::new();
        let parts = [
            ("/rollback", serde_json::to_value(rollback)),
            ("/serving", serde_json::to_value(&service.serving)),
        ];
        for (pointer, value) in parts {
            let Ok(value) = value else { continue };
            walk(&value, pointer.to_owned(), &mut |pointer, text| {
                found.extend(values(service, rollback, pointer, text));
            });
        }
        found
    })
}

fn walk(value: &Value, pointer: String, visit: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => visit(&pointer, text),
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                walk(item, format!("{pointer}/{number}"), visit);
            }
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                let pointer = format!("{pointer}/{}", step(key));
                if pointer != "/rollback/environments" {
                    walk(value, pointer, visit);
                }
            }
        }
        _ => {}
    }
}

fn values(service: &ServiceConfig, rollback: &RollbackConfig, pointer: &str, text: &str) -> Vec<Finding> {
    const OPEN: &str = "{values.";
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(OPEN)).map(|at| from + at) {
        let rest = text.get(at + OPEN.len()..).unwrap_or_default();
        let Some((key, _)) = rest.split_once('}') else { break };
        from = at + OPEN.len() + key.len() + 1;
        let lacking = |values: &BTreeMap<String, _>| !values.contains_key(key);
        let without: Vec<_> = rollback
            .environments
            .iter()
            .filter_map(|(name, values)| lacking(values).then_some(name.as_str()))
            .collect();
        let shown = key.escape_debug();
        let (text, help) = if rollback.environments.is_empty() {
            let help = format!("environments: {{production: {{{shown}: …}}}}");
            (format!("there are no environments, so nothing says what `{{values.{shown}}}` is"), help)
        } else if without.is_empty() {
            continue;
        } else {
            let known: BTreeSet<&str> =
                rollback.environments.values().flat_map(BTreeMap::keys).map(String::as_str).collect();
            let known: Vec<&str> = known.into_iter().collect();
            let help = suggestion(key, &known)
                .filter(|_| without.len() == rollback.environments.len())
                .unwrap_or_else(|| {
                    format!("give it one: environments: {{{}: {{{shown}: …}}}}", without.join(", "))
                });
            (format!("`{shown}` has no value in {}", without.join(", ")), help)
        };
        found.push(wrong(service, pointer, text).help(Some(help)).at(Some(at..from)));
    }
    found
}
