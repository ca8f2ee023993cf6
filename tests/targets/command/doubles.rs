//! `helm-release` and `compose-profile` against programs that take exactly the arguments that the real ones take and
//! keep what these would do in a file. The real ones need a cluster and a daemon: see the tests that say `not run`.

use irctl::rollback::targets::command::{CommandTarget, CommandTargetConfig};
use irctl::rollback::targets::{Ground, Target};
use irctl::rollback::versions::Version;
use serde_json::{Value, json};
use std::path::PathBuf;

use super::adapter::{Asked, sweep};
use super::{ground, recipe, versions};
use crate::conformance::{self, Fixture};

const HELM: &str = r#"#!/usr/bin/env python3
import json, os, sys
path = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "state.json")
state = json.load(open(path))
words = sys.argv[1:]
if words[:2] != ["--namespace", "shop"]: sys.exit("Error: release: not found")
words = words[2:]
if words == ["history", "pricing", "--output", "json", "--max", "256"]:
    print(json.dumps(state))
elif words[:2] == ["rollback", "pricing"] and words[3:] == ["--wait", "--timeout", "300s"]:
    number = int(words[2])
    found = [r for r in state if r["revision"] == number]
    if not found: sys.exit("Error: release has no %d version" % number)
    if state[-1]["status"].startswith("pending"): sys.exit("Error: another operation is in progress")
    state[-1]["status"] = "superseded"
    state.append(dict(found[0], revision=state[-1]["revision"] + 1, status="deployed", description="Rollback to %d" % number))
    json.dump(state, open(path + ".new", "w")); os.rename(path + ".new", path)
    print("Rollback was a success! Happy Helming!")
else:
    sys.exit("Error: unknown arguments %r" % words)
"#;

const DOCKER: &str = include_str!("../../support/docker.py");

/// A program and its state, in a folder.
struct Double {
    directory: tempfile::TempDir,
}

impl Double {
    fn new(program: &str, state: &Value) -> Self {
        let double = Self { directory: tempfile::tempdir().unwrap() };
        // The system's own, where there is one: a version manager's takes half a second for each call.
        let own = std::path::Path::new("/usr/bin/python3").exists();
        let program = if own {
            program.replace("/usr/bin/env python3", "/usr/bin/python3 -IS")
        } else {
            program.to_owned()
        };
        std::fs::write(double.program(), program).unwrap();
        std::fs::set_permissions(double.program(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        double.write(state);
        double
    }

    fn program(&self) -> PathBuf {
        self.directory.path().join("program")
    }

    fn read(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.directory.path().join("state.json")).unwrap()).unwrap()
    }

    fn write(&self, state: &Value) {
        std::fs::write(self.directory.path().join("state.json"), state.to_string()).unwrap();
    }
}

fn revision(number: u64, status: &str, description: &str) -> Value {
    json!({
        "revision": number, "updated": "2026-11-20T03:00:00Z", "status": status, "chart": format!("pricing-{number}"),
        "app_version": "1", "description": description
    })
}

fn history() -> Value {
    json!([
        revision(1, "superseded", "Install complete"),
        revision(2, "failed", "Upgrade \"pricing\" failed: timed out"),
        revision(3, "superseded", "Rollback to 1"),
        revision(4, "deployed", "Upgrade complete"),
    ])
}

/// The chart that is in place, and how it stands: revisions grow with every rollback.
fn release(double: &Double) -> String {
    let state = double.read();
    let history = state.as_array().unwrap();
    let last = history.last().unwrap();
    let mut chart = last["chart"].clone();
    if let Some(number) = last["description"].as_str().unwrap().strip_prefix("Rollback to ") {
        let of = history.iter().find(|held| held["revision"].as_u64() == number.parse().ok()).unwrap();
        chart = of["chart"].clone();
    }
    format!("{chart} {}", last["status"])
}

fn mode(mode: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(mode.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn real() -> Value {
    let held = |name: &str| json!({"state": "running", "hash": mode(&format!("{name}real"))});
    json!({"ai_scorer": held("ai_scorer"), "executor": held("executor"), "risk": held("risk")})
}

struct Fake {
    double: Double,
    config: CommandTargetConfig,
    ground: Ground,
    seen: fn(&Double) -> String,
    meddle: fn(&mut Value),
}

impl Fake {
    fn helm(with: Value) -> Self {
        let double = Double::new(HELM, &history());
        let mut with = with;
        with["program"] = json!(double.program());
        let meddle = |state: &mut Value| {
            state[3]["status"] = json!("superseded");
            state.as_array_mut().unwrap().push(revision(9, "deployed", "Upgrade complete"));
        };
        let (config, ground) = (recipe("helm-release", with), ground(double.directory.path()));
        Self { double, config, ground, seen: release, meddle }
    }

    fn compose(with: Value) -> Self {
        let double = Double::new(DOCKER, &real());
        let mut with = with;
        with["program"] = json!(double.program());
        let meddle = |state: &mut Value| state["executor"]["hash"] = json!("theirs");
        let (config, ground) = (recipe("compose-profile", with), ground(double.directory.path()));
        Self { double, config, ground, seen: |double| double.read().to_string(), meddle }
    }
}

impl Fixture for Fake {
    fn target(&self) -> Box<dyn Target + '_> {
        Box::new(CommandTarget { config: &self.config, ground: &self.ground })
    }

    fn versions(&self) -> (Version, Version) {
        versions()
    }

    fn fingerprint(&self) -> String {
        (self.seen)(&self.double)
    }

    fn meddle(&self) {
        let mut state = self.double.read();
        (self.meddle)(&mut state);
        self.double.write(&state);
    }
}

fn paper() -> Value {
    json!({
        "file": ["compose.yaml"], "project": "trading", "profile": "paper", "services": ["ai_scorer", "executor"],
        "stop": ["risk"], "environment": ["EXCHANGE_MODE=paper"], "former_profile": "real",
        "former_environment": ["EXCHANGE_MODE=real"]
    })
}

#[test]
fn helm_release_conforms() {
    conformance::run(|| Fake::helm(json!({"release": "pricing", "namespace": "shop"})));
}

#[test]
fn compose_profile_conforms() {
    conformance::run(|| Fake::compose(paper()));
}

#[test]
fn the_previous_content_is_found_through_rollbacks_and_pending_is_refused() {
    let double = Double::new(HELM, &history());
    let with = json!({"release": "pricing", "namespace": "shop", "program": double.program()});
    let asked = Asked::staged("helm-release", with.clone());
    assert_eq!((&asked.before, &asked.after), (&json!({"content_of": 4}), &json!({"content_of": 1})));
    let kills = sweep(|| Asked::staged("helm-release", with.clone()), || release(&double));
    super::adapter::enough(kills, 4);
    let mut pending = history();
    pending[3]["status"] = json!("pending-upgrade");
    double.write(&pending);
    let predicted = Asked::new("helm-release", with.clone()).ask("predict").good();
    assert!(predicted["refusals"][0].as_str().unwrap().contains("pending-upgrade"), "{predicted}");
    asked.ask("apply").bad(12, "pending-upgrade");
    double.write(&json!([revision(1, "deployed", "Install complete")]));
    let predicted = Asked::new("helm-release", with).ask("predict").good();
    assert!(predicted["refusals"][0].as_str().unwrap().contains("no earlier revision"), "{predicted}");
    let hostile = json!({"release": "--kube-apiserver=x", "program": double.program()});
    Asked::new("helm-release", hostile).ask("observe").bad(78, "no plain name");
}

#[test]
fn a_former_environment_that_is_not_what_ran_is_said_and_refused() {
    let double = Double::new(DOCKER, &real());
    let mut with = paper();
    with["program"] = json!(double.program());
    let kills = sweep(|| Asked::staged("compose-profile", with.clone()), || double.read().to_string());
    super::adapter::enough(kills, 3);
    with["former_environment"] = json!(["EXCHANGE_MODE=other"]);
    let mut asked = Asked::new("compose-profile", with.clone());
    let predicted = asked.stage();
    let lost = predicted["cannot_be_undone"][0].as_str().unwrap();
    assert!(lost.contains("ai_scorer, executor, risk"), "{predicted}");
    asked.ask("apply").good();
    let state = double.read();
    asked.ask("undo").bad(12, "do not make what ran");
    assert_eq!(state, double.read());
    with["services"] = json!(["nobody"]);
    let predicted = Asked::new("compose-profile", with).ask("predict").good();
    assert!(predicted["refusals"][0].as_str().unwrap().contains("no such service: nobody"), "{predicted}");
}

#[test]
fn a_real_helm() {
    let (Ok(kubeconfig), Ok(release)) =
        (std::env::var("IRCTL_TEST_KUBECONFIG"), std::env::var("IRCTL_TEST_HELM_RELEASE"))
    else {
        println!("not run: real Helm: it needs a cluster (IRCTL_TEST_KUBECONFIG, IRCTL_TEST_HELM_RELEASE)");
        return;
    };
    let asked = Asked::staged("helm-release", json!({"release": release, "kubeconfig": kubeconfig}));
    asked.ask("apply").good();
    assert_eq!(asked.ask("observe").good()["state"], asked.after);
    asked.ask("undo").good();
    assert_eq!(asked.ask("observe").good()["state"], asked.before);
}

#[test]
fn a_real_docker_compose() {
    if std::env::var_os("IRCTL_TEST_DOCKER").is_none() {
        println!("not run: real docker compose: it needs a daemon (IRCTL_TEST_DOCKER=1)");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("compose.yaml");
    let text = "name: irctl-test\nservices:\n  executor:\n    image: busybox\n    command: [sleep, '1000']\n    \
                profiles: [paper, real]\n    environment: {MODE: '${EXCHANGE_MODE}'}\n";
    std::fs::write(&file, text).unwrap();
    let compose = |arguments: &[&str]| {
        let mut command = std::process::Command::new("docker");
        command.args(["compose", "--file"]).arg(&file).args(["--profile", "real"]).args(arguments);
        assert!(command.env("EXCHANGE_MODE", "real").status().unwrap().success());
    };
    compose(&["up", "--detach"]);
    let asked = Asked::staged(
        "compose-profile",
        json!({
            "file": [file], "profile": "paper", "services": ["executor"], "environment": ["EXCHANGE_MODE=paper"],
            "former_profile": "real", "former_environment": ["EXCHANGE_MODE=real"]
        }),
    );
    asked.ask("apply").good();
    assert_eq!(asked.ask("observe").good()["state"], asked.after);
    asked.ask("undo").good();
    assert_eq!(asked.ask("observe").good()["state"], asked.before);
    compose(&["down"]);
}
