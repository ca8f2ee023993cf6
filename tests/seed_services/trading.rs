//! `trading.yaml`: Prometheus, Redis, a model registry, logs and files of a desk that trades by a model.

use crate::case::{self, PASSING};
use crate::recorded;
use crate::redis_server::RedisServer;
use crate::support::prometheus::Prometheus;
use crate::support::{Workspace, repository};
use irctl::base::Digest;
use std::process::Command;

const SCHEME: &str = "trading";
/// The version that serves in the night, and the one before it.
const SERVED: &str = "sc-2026-11-02";
const BEFORE: &str = "sc-2026-10-12";

struct Desk {
    prometheus: Prometheus,
    redis: RedisServer,
    /// A workspace in which the release before was measured, and the one that serves was deployed.
    history: Workspace,
}

impl Desk {
    fn new() -> Self {
        let prometheus = recorded::prometheus(SCHEME);
        let redis = RedisServer::on_a_port(&["--databases", "64"]);
        let history = case::workspace(SCHEME);
        for name in ["models", "outputs", "scripts", "config/app.yml"] {
            let from = repository().join("fixtures/trading").join(name);
            // Links stay links, and what the fixture of the scheme has is laid over it.
            let copied =
                Command::new("cp").arg("-a").arg(from).arg(history.path(name).parent().unwrap()).status();
            assert!(copied.unwrap().success());
        }
        case::lay_over(&history, SCHEME, PASSING);
        let desk = Self { prometheus, redis, history };
        desk.live_through_the_release_before();
        desk
    }

    fn live_through_the_release_before(&self) {
        self.set_up(&self.history, PASSING, 63);
        self.serve(BEFORE);
        for minute in 10..31 {
            self.history.set_clock(&format!("2026-11-20T02:{minute}:00Z"));
            self.check(&self.history, 63);
        }
        self.serve(SERVED);
        self.history.set_clock("2026-11-20T02:40:00Z");
        self.check(&self.history, 63);
    }

    /// Makes an entry of the registry the active one, and the one that the executor says it has loaded.
    fn serve(&self, entry: &str) {
        let model = self.history.read(format!("models/registry/{entry}/model.json"));
        self.history.write("models/registry/active/model.json", &model);
        self.history.write("models/registry/active/id", format!("{entry}\n"));
        let digest = Digest::of(model.as_bytes());
        self.history.write("outputs/executor.json", format!("{{\"model_sha256\": \"{}\"}}", digest.hex()));
    }

    fn set_up(&self, workspace: &Workspace, case: &str, database: usize) {
        let job = format!("job=\"{case}\"");
        let url = self.prometheus.url();
        let changes = [("http://prometheus.example.org:9090", url.as_str()), ("job=\"executor\"", &job)];
        case::copy_service(workspace, "trading.yaml", &changes);
        let client = redis::Client::open(self.url(database)).unwrap();
        let mut connection = client.get_connection().unwrap();
        for line in case::file(SCHEME, case, "redis.txt").lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            let mut command = redis::cmd(words.next().unwrap());
            words.for_each(|word| {
                command.arg(word);
            });
            command.query::<redis::Value>(&mut connection).unwrap();
        }
    }

    fn url(&self, database: usize) -> String {
        format!("redis://127.0.0.1:{}/{database}", self.redis.port)
    }

    fn irctl(&self, workspace: &Workspace, database: usize, words: &[&str]) -> crate::support::Run {
        workspace.irctl_with(&[("TRADING_REDIS_URL", &self.url(database))], words)
    }

    fn check(&self, workspace: &Workspace, database: usize) -> crate::support::Run {
        self.irctl(workspace, database, &["check", "--output", "json"])
    }

    /// The workspace with its past, in the night of this fixture.
    fn night(&self, case: &str, database: usize) -> Workspace {
        let workspace = Workspace::empty();
        let copied =
            Command::new("cp").arg("-a").arg(self.history.path("../.")).arg(workspace.path("..")).status();
        assert!(copied.unwrap().success());
        workspace.set_clock(crate::support::NIGHT);
        case::lay_over(&workspace, SCHEME, case);
        self.set_up(&workspace, case, database);
        workspace
    }
}

#[test]
fn every_rule_of_trading_is_fired_by_a_probe_and_quiet_without_cause() {
    let desk = Desk::new();
    case::all(SCHEME, |number, case| {
        let workspace = desk.night(case, number);
        case::objection(&desk.check(&workspace, number), &case::expected(SCHEME, case))
    });
    let passing = desk.night(PASSING, 62);
    desk.irctl(&passing, 62, &["config", "check"]).expect(0);
    desk.check(&passing, 62).expect(0);
    let tried = desk.irctl(&passing, 62, &["check", "--test", "--output", "json"]).expect(0);
    case::thresholds(&tried, SCHEME, "executor", &[]);
    case::every_rule_fires(&passing, SCHEME, &[]);
    says_which_and_contains(&desk);
}

/// Labels say which symbol, route or reason it is; what may not trade any more is on paper.
fn says_which_and_contains(desk: &Desk) {
    for (database, case, says) in [
        (50, "failing-fail-safe", "reason=model_outputs"),
        (51, "failing-liquidity", "symbol=ETHUSDT"),
        (52, "failing-markout", "horizon=30s"),
        (53, "failing-winrate-delta", "route=taker"),
        (54, "failing-mode-switch", "from=real, to=paper"),
    ] {
        let workspace = desk.night(case, database);
        let run = desk.check(&workspace, database);
        assert!(run.stdout.contains(says), "{case}: {says}\n{}", run.stdout);
        let paper = workspace.read("config/app.yml").contains("mode: paper");
        assert_eq!(
            paper,
            matches!(case, "failing-fail-safe" | "failing-liquidity" | "failing-winrate-delta"),
            "{case}"
        );
    }
    // Five minutes of depth on both sides, which is what lets a desk back.
    for (database, case, minutes) in [(55, PASSING, 5.0), (56, "failing-liquidity", 0.0)] {
        let workspace = desk.night(case, database);
        let report = desk.check(&workspace, database).json();
        let probes = report["services"][0]["probes"].as_array().unwrap();
        let depth = probes.iter().find(|probe| probe["probe"] == "normal_depth").unwrap();
        assert_eq!(depth["samples"][0]["measurement"]["value"], minutes, "{case}: {depth:#}");
    }
}
