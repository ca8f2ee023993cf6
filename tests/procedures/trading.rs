//! The trading registry: paper first, the entry before the active one, and real again when somebody says so.

use super::redis_server::RedisServer;
use super::support::{Run, Workspace, repository};
use super::{example, ran, says};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// Takes exactly the arguments that `docker compose` takes, and keeps in a file what it would do.
const DOCKER: &str = include_str!("../support/docker.py");

struct Desk {
    workspace: Workspace,
    redis: RedisServer,
}

impl Desk {
    fn new() -> Self {
        let workspace = example("trading");
        let fixtures = repository().join("fixtures/trading");
        for name in ["models", "outputs", "scripts", "config/app.yml"] {
            let mut copy = Command::new("cp");
            ran(copy.arg("-a").args([fixtures.join(name), workspace.path(name)]));
        }
        workspace.write("compose.yaml", "services: {}\n");
        workspace.write("bin/docker", DOCKER.replace("/usr/bin/env python3", "/usr/bin/python3 -IS"));
        let program = workspace.path("bin/docker");
        std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let desk = Self { workspace, redis: RedisServer::start(&[]) };
        desk.workspace.write("bin/state.json", "{}");
        let mut up = Command::new(desk.workspace.path("bin/docker"));
        up.args([
            "compose",
            "--progress=plain",
            "--profile=real",
            "up",
            "--detach",
            "ai_scorer",
            "executor",
            "risk",
        ]);
        ran(up.env("EXCHANGE_MODE", "real"));
        desk
    }

    fn irctl(&self, line: &str) -> Run {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.workspace.path("bin").display());
        let url = self.redis.url();
        says(&self.workspace, &[("PATH", path.as_str()), ("CONTROL_REDIS_URL", url.as_str())], line)
    }

    fn services(&self) -> Value {
        serde_json::from_str(&self.workspace.read("bin/state.json")).unwrap()
    }

    fn active(&self) -> String {
        let model: Value =
            serde_json::from_str(&self.workspace.read("models/registry/active/model.json")).unwrap();
        model["id"].as_str().unwrap().to_owned()
    }

    fn events(&self) -> Vec<String> {
        let all: Vec<redis::Value> = self.redis.run(&["XRANGE", "control:events", "-", "+"]);
        all.iter().map(|event| format!("{event:?}")).collect()
    }
}

#[test]
fn execution_goes_to_paper_and_back_to_real() {
    let desk = Desk::new();
    desk.irctl("irctl config check").expect(0);
    let (app, services) = (desk.workspace.read("config/app.yml"), desk.services());
    desk.irctl("irctl contain --service executor --reason stale-books").expect(0);
    let contained = desk.workspace.read("config/app.yml");
    for line in ["mode: paper", "mode: disabled", "canary_fraction: 0.0"] {
        assert!(contained.contains(line), "{contained}");
    }
    let events = desk.events();
    assert_eq!(events.len(), 1);
    assert!(events[0].contains("MODE_SWITCH") && events[0].contains("CRIT") && events[0].contains("paper"));
    let running = |name: &str| desk.services()[name]["state"].clone();
    assert_eq!((running("executor"), running("risk")), (json!("running"), json!("exited")));
    assert_ne!(desk.services()["executor"]["hash"], services["executor"]["hash"], "EXCHANGE_MODE=paper");
    desk.irctl("irctl release --service executor --reason depth-is-normal").expect(0);
    assert_eq!(desk.workspace.read("config/app.yml"), app, "byte for byte");
    assert_eq!(desk.services(), services);
    assert_eq!(desk.events().len(), 2, "an event cannot be taken back: the opposite one is sent");
}

#[test]
fn the_entry_before_the_active_one_serves_and_the_rollout_stays_off() {
    let desk = Desk::new();
    let app = desk.workspace.read("config/app.yml");
    assert_eq!(desk.active(), "sc-2026-11-02");
    desk.irctl("irctl rollback --service executor --to prev --yes").expect(0);
    assert_eq!(desk.active(), "sc-2026-10-12");
    let off = desk.workspace.read("config/app.yml");
    assert!(off.contains("mode: disabled") && off.contains("mode: paper"), "{off}");
    desk.irctl("irctl rollback undo --service executor --yes").expect(0);
    assert_eq!(desk.active(), "sc-2026-11-02");
    desk.irctl("irctl release --service executor --reason looked-at").expect(0);
    assert_eq!(desk.workspace.read("config/app.yml"), app);
}

#[test]
fn entries_are_promoted_by_their_id() {
    let desk = Desk::new();
    desk.irctl("irctl rollback --service executor_shadow --to sc-2026-10-12 --yes").expect(0);
    let shadow = std::fs::read_link(desk.workspace.path("models/registry/shadow")).unwrap();
    assert_eq!(shadow, Path::new("sc-2026-10-12"));
    desk.irctl("irctl rollback --service executor --to sc-2026-11-14 --yes").expect(0);
    assert_eq!(desk.active(), "sc-2026-11-14");
}

#[test]
fn load_is_shed_and_taken_again() {
    let desk = Desk::new();
    let app = desk.workspace.read("config/app.yml");
    for (phase, line) in [("throttle", "canary_fraction: 0.02"), ("shed-load", "drop_mode: \"halt\"")] {
        desk.irctl(&format!("irctl rollback --service executor_gates --phase {phase} --yes")).expect(0);
        let set = desk.workspace.read("config/app.yml");
        assert!(set.contains(line), "{set}");
        desk.irctl("irctl rollback undo --service executor_gates --yes").expect(0);
        assert_eq!(desk.workspace.read("config/app.yml"), app, "{phase}");
    }
}
