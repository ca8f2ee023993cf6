//! A model registry from the command line: back, undone, promoted.

mod support;

use std::path::Path;
use support::Workspace;

/// The trading workspace of the fixtures.
fn trading() -> Workspace {
    let workspace = Workspace::empty();
    // Links stay links.
    let fixtures = support::repository().join("fixtures/trading/.");
    let copied = std::process::Command::new("cp").arg("-a").args([&fixtures, &workspace.root()]).status();
    assert!(copied.unwrap().success());
    workspace
}

fn active(workspace: &Workspace) -> String {
    let model: serde_json::Value =
        serde_json::from_str(&workspace.read("models/registry/active/model.json")).unwrap();
    assert_eq!(workspace.read("models/registry/active/id").trim(), model["id"].as_str().unwrap());
    model["id"].as_str().unwrap().to_owned()
}

fn names(workspace: &Workspace) -> Vec<String> {
    let entries = std::fs::read_dir(workspace.path("models/registry")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.starts_with(".irctl-claim"));
    names.sort();
    names
}

#[test]
fn the_registry_goes_back_and_is_put_back() {
    let workspace = trading();
    workspace.irctl(&["config", "check"]).expect(0);
    let (app, before) = (workspace.read("config/app.yml"), names(&workspace));
    let manifest = workspace.read("models/registry/manifest.json");
    workspace.irctl(&["rollback", "--service", "scorer", "--to", "prev", "--yes"]).expect(0);
    assert_eq!(active(&workspace), "sc-2026-10-12", "the last whole entry before the active one");
    assert!(workspace.read("outputs/executor.json").contains("\"mode\": \"paper\""), "contained first");
    let contained = workspace.read("config/app.yml");
    assert!(contained.contains("  mode: disabled "), "{contained}");
    assert!(contained.contains("canary_fraction: 0.0 "), "{contained}");
    assert_eq!(workspace.read("models/registry/manifest.json"), manifest, "the manifest is history");
    assert_eq!(names(&workspace), before, "nothing is left beside it");
    workspace.irctl(&["rollback", "undo", "--yes"]).expect(0);
    assert_eq!(active(&workspace), "sc-2026-11-02");
    assert_eq!(names(&workspace), before);
    workspace.irctl(&["release", "--service", "scorer", "--reason", "looked at"]).expect(0);
    assert_eq!(workspace.read("config/app.yml"), app, "byte for byte");
}

#[test]
fn a_candidate_is_promoted_to_shadow_and_from_there_to_active() {
    let workspace = trading();
    let shadow = || std::fs::read_link(workspace.path("models/registry/shadow")).unwrap();
    workspace.irctl(&["rollback", "--service", "scorer_shadow", "--to", "sc-2026-10-12", "--yes"]).expect(0);
    assert_eq!(shadow(), Path::new("sc-2026-10-12"));
    assert_eq!(active(&workspace), "sc-2026-11-02");
    let plan =
        workspace.irctl(&["rollback", "--service", "scorer", "--to", "sc-2026-11-14", "--dry-run"]).expect(0);
    assert!(plan.stdout.contains("schema_hash"), "{}", plan.stdout);
    workspace.irctl(&["rollback", "--service", "scorer", "--to", "sc-2026-11-14", "--yes"]).expect(0);
    assert_eq!(active(&workspace), "sc-2026-11-14");
    assert_eq!(shadow(), Path::new("sc-2026-10-12"));
    workspace.irctl(&["rollback", "--service", "scorer", "--to", "sc-2026-10-27", "--yes"]).expect(12);
    assert_eq!(active(&workspace), "sc-2026-11-14", "one that broke off is refused");
}

const DRIFT: &str = "service: scorer
kind: model
scheme: trading
probes:
  features:
    drift:
      reference: {file: data/reference.csv}
      current: {file: data/current.csv}
      columns: [spread, depth]
      psi: {metric: psi_feature}
      ks: {metric: ks_feature}
  routes:
    returns:
      rows: {file: data/trades.csv}
      by: route
      winrate_delta_metric: winrate_delta
      baseline: {value: 0.55}
";

/// Numbers from 0 to 100 whose order means nothing.
fn feature(rows: u32, shift: f64) -> impl Iterator<Item = f64> {
    (0..rows).map(move |at| f64::from(at * 37 % 101) + shift)
}

fn trades(route: &str, rows: u32, wins: u32) -> String {
    (0..rows).map(|at| format!("{route},{}\n", if at % 10 < wins { 0.01 } else { -0.01 })).collect()
}

/// What the rules of the scorer's scheme come to when its data are these, and the exit status.
fn judged(service: &str, spread: f64, wins: u32, current: u32) -> (i32, serde_json::Value) {
    let workspace = Workspace::empty();
    workspace.write("config/irctl.yaml", "workspace: trading\n");
    workspace.write("config/services/scorer.yaml", service);
    let table = |rows: u32, shift: f64| {
        let pairs = feature(rows, shift).zip(feature(rows, 0.0));
        pairs.fold("spread,depth\n".to_owned(), |all, (spread, depth)| format!("{all}{spread},{depth}\n"))
    };
    workspace.write("data/reference.csv", table(4000, 0.0));
    workspace.write("data/current.csv", table(current, spread));
    let routes = trades("maker", 200, 6) + &trades("taker", 200, wins);
    workspace.write("data/trades.csv", format!("route,return\n{routes}"));
    workspace.irctl(&["config", "check"]).expect(0);
    let run = workspace.irctl(&["check", "--output", "json"]);
    (run.status, run.json()["services"][0]["classification"]["rules"].clone())
}

fn rule<'a>(rules: &'a serde_json::Value, name: &str) -> (&'a str, &'a str) {
    let found = rules.as_array().unwrap().iter().find(|rule| rule["rule"] == name).unwrap();
    (found["outcome"].as_str().unwrap(), found["reason"].as_str().unwrap())
}

#[test]
fn drift_and_win_rates_feed_the_rules_of_the_trading_scheme() {
    let outcomes = |rules: &serde_json::Value| {
        ["drift-breach-psi", "drift-breach-ks", "winrate-delta"].map(|name| rule(rules, name).0.to_owned())
    };
    let (status, rules) = judged(DRIFT, 0.0, 6, 2000);
    assert_eq!((status, outcomes(&rules)), (0, ["missed"; 3].map(str::to_owned)));
    let (status, rules) = judged(DRIFT, 30.0, 6, 2000);
    assert_eq!((status, outcomes(&rules)), (2, ["matched", "matched", "missed"].map(str::to_owned)));
    let reason = rule(&rules, "drift-breach-psi").1;
    assert!(reason.starts_with("feature=spread: psi_feature "), "the other feature has not moved: {reason}");
    let (status, rules) = judged(DRIFT, 0.0, 3, 2000);
    assert_eq!((status, outcomes(&rules)), (2, ["missed", "missed", "matched"].map(str::to_owned)));
    assert!(rule(&rules, "winrate-delta").1.starts_with("route=taker: "));
    // So few rows say nothing; that is not the same as fine.
    let (status, rules) = judged(DRIFT, 0.0, 6, 40);
    assert_eq!((status, outcomes(&rules)), (3, ["undecided", "undecided", "missed"].map(str::to_owned)));
    assert!(rule(&rules, "drift-breach-psi").1.contains("too few rows"));
}

#[test]
fn a_shift_feeds_the_rule_of_the_elasticity_models() {
    let service = "service: scorer\nkind: model\nscheme: rila\nprobes:\n  features:\n    drift:\n      \
                   reference: {file: data/reference.csv}\n      current: {file: data/current.csv}\n      \
                   columns: [spread, depth]\n      shift: {metric: feature_shift}\n";
    // The standard deviation of the numbers from 0 to 100 is 29.2.
    for (shift, outcome) in [(0.0, "missed"), (43.0, "missed"), (45.0, "matched")] {
        let (_, rules) = judged(service, shift, 6, 2000);
        let found = rule(&rules, "feature-shift");
        assert_eq!(found.0, outcome, "{}", found.1);
    }
}
