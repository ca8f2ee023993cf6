//! A fixture: a folder that is laid over a workspace, and what irctl is to make of it.

use crate::support::{Run, Workspace, copy_tree, repository};
use irctl::severity::{Scheme, resolve_scheme};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;

/// The fixture that everything is good with.
pub const PASSING: &str = "passing";
/// Files of a fixture that are not the workspace's.
const ASIDE: [&str; 3] = ["expected.json", "metrics.prom", "metrics-before.prom"];
/// Fixtures that are looked at side by side.
const WORKERS: usize = 3;

/// What irctl is to make of a fixture.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The level; null where no rule matches.
    pub level: Option<String>,
    /// The rules that match, and no others.
    pub rules: BTreeSet<String>,
    /// The rules that cannot be decided, and no others.
    #[serde(default)]
    pub undecided: BTreeSet<String>,
}

/// Where a fixture of a scheme lies.
pub fn folder(scheme: &str, case: &str) -> PathBuf {
    repository().join("fixtures/checks").join(scheme).join(case)
}

/// The fixtures of a scheme, by name.
pub fn cases(scheme: &str) -> Vec<String> {
    let entries = std::fs::read_dir(repository().join("fixtures/checks").join(scheme)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.iter().any(|name| name == PASSING), "{scheme}: {names:?}");
    names
}

/// What irctl is to make of it.
pub fn expected(scheme: &str, case: &str) -> Expected {
    let path = folder(scheme, case).join("expected.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file of a fixture, or that of the passing one.
pub fn file(scheme: &str, case: &str, name: &str) -> String {
    let own = folder(scheme, case).join(name);
    let path = if own.exists() { own } else { folder(scheme, PASSING).join(name) };
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A workspace with the passing fixture and the scheme as it is shipped.
pub fn workspace(scheme: &str) -> Workspace {
    let workspace = Workspace::empty();
    lay_over(&workspace, scheme, PASSING);
    workspace.write("config/irctl.yaml", "workspace: checks\nstate: ../state\ncadence: 5m\n");
    let name = format!("config/severity/{scheme}.yaml");
    workspace.write(&name, std::fs::read(repository().join(&name)).unwrap());
    workspace
}

/// Lays a fixture over the workspace.
pub fn lay_over(workspace: &Workspace, scheme: &str, case: &str) {
    copy_tree(&folder(scheme, case), &workspace.root());
    for name in ASIDE {
        let _ = std::fs::remove_file(workspace.path(name));
    }
}

/// Puts the shipped service into the workspace with each of these texts replaced, as somebody who copies it does.
pub fn copy_service(workspace: &Workspace, template: &str, changes: &[(&str, &str)]) {
    let path = repository().join("config/services/templates").join(template);
    let mut service = std::fs::read_to_string(path).unwrap();
    for (from, to) in changes {
        assert!(service.contains(from), "{template} does not say {from}");
        service = service.replace(from, to);
    }
    workspace.write(format!("config/services/{template}"), service);
}

fn rules(service: &Value, wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let rules = service["classification"]["rules"].as_array().unwrap().iter();
    let of = rules.filter(|rule| wanted(rule["outcome"].as_str().unwrap()));
    of.map(|rule| rule["rule"].as_str().unwrap().to_owned()).collect()
}

/// Why a round did not make of a fixture what it is to make of it; nothing where it did.
pub fn objection(run: &Run, expected: &Expected) -> Option<String> {
    let report = run.json();
    let service = &report["services"][0];
    let matched = rules(service, |outcome| outcome == "matched");
    let open = rules(service, |outcome| !matches!(outcome, "matched" | "missed" | "unreported"));
    let level = service["classification"]["level"].as_str().map(str::to_owned);
    if matched == expected.rules && open == expected.undecided && level == expected.level {
        return None;
    }
    let said: Vec<&Value> = service["classification"]["rules"].as_array().unwrap().iter().collect();
    let said = said.iter().filter(|rule| !matches!(rule["outcome"].as_str(), Some("missed" | "unreported")));
    let said: Vec<String> =
        said.map(|rule| format!("{} {}: {}", rule["rule"], rule["outcome"], rule["reason"])).collect();
    Some(format!("{level:?} by {matched:?}, undecided {open:?}\n  {}\n{}", said.join("\n  "), run.stderr))
}

/// Looks at every fixture, several side by side, and fails with everything that was wrong.
pub fn all(scheme: &str, look: impl Fn(usize, &str) -> Option<String> + Sync) {
    let waiting = Mutex::new(cases(scheme).into_iter().enumerate().collect::<Vec<_>>());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let Some((number, case)) = waiting.lock().unwrap().pop() else { return };
                    if let Some(why) = look(number, &case) {
                        wrong.lock().unwrap().push(format!("{scheme}/{case}: {why}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every rule of the scheme is fired by a fixture, but for those that only an alert or a human fires: `irctl classify` fires
/// these by the flags that are given with them.
pub fn every_rule_fires(workspace: &Workspace, scheme: &str, told: &[(&str, &str)]) {
    let mut fired: BTreeSet<String> =
        cases(scheme).iter().flat_map(|case| expected(scheme, case).rules).collect();
    for (rule, flag) in told {
        let metric = format!("{flag}=true");
        let words = ["classify", "--scheme", scheme, "--metric", &metric, "--output", "json"];
        let found = workspace.irctl(&words).expect(0).json();
        let matched = found["rules"].as_array().unwrap().iter().filter(|one| one["outcome"] == "matched");
        let matched: Vec<&str> = matched.map(|one| one["rule"].as_str().unwrap()).collect();
        assert!(matched.contains(rule), "{flag}: {matched:?}");
        assert!(fired.insert((*rule).to_owned()), "{rule} is also measured");
    }
    let compiled = Scheme::compile(&resolve_scheme(scheme, None).unwrap()).unwrap();
    let all: BTreeSet<String> = compiled.config().rules.iter().map(|rule| rule.id.clone()).collect();
    assert_eq!(fired, all);
}

/// After a round every threshold of the scheme is tried on what the service measures, and fires; the metrics that no probe
/// of it measures are these.
pub fn thresholds(tried: &Run, scheme: &str, service: &str, unmeasured: &[&str]) {
    let report = tried.json();
    assert_eq!(report["verdict"], "OK", "{report:#}");
    let schemes = report["schemes"].as_array().unwrap();
    let found = schemes.iter().find(|found| found["scheme"] == scheme).unwrap();
    assert_eq!(found["measured_by"], service, "{found:#}");
    let told: Vec<&str> =
        found["by_alert_only"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(told, unmeasured);
}
