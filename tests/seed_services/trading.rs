//! `trading.yaml`: Prometheus, Redis, a model registry, logs and files of a desk that trades by a model.

use crate::case::{self, PASSING};
use crate::recorded;
use crate::redis_server::RedisServer;
use crate::support::prometheus::Prometheus;
use crate::support::{NIGHT, Run, Workspace, repository};
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
        self.keep_only(&["precision", "trades"]);
        self.serve(BEFORE);
        for minute in 10..31 {
            self.history.set_clock(&format!("2026-11-20T02:{minute}:00Z"));
            self.check(&self.history, 63);
        }
        self.serve(SERVED);
        self.history.set_clock("2026-11-20T02:40:00Z");
        self.check(&self.history, 63);
    }

    /// Leaves the service only these probes: those that are compared with the release before.
    fn keep_only(&self, names: &[&str]) {
        let service = self.history.read("config/services/trading.yaml");
        let mut service: serde_yaml::Value = serde_yaml::from_str(&service).unwrap();
        let probes = service["probes"].as_mapping_mut().unwrap();
        probes.retain(|name, _| names.contains(&name.as_str().unwrap()));
        self.history.write("config/services/trading.yaml", serde_yaml::to_string(&service).unwrap());
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

    fn irctl(&self, workspace: &Workspace, database: usize, words: &[&str]) -> Run {
        workspace.irctl_with(&[("TRADING_REDIS_URL", &self.url(database))], words)
    }

    fn check(&self, workspace: &Workspace, database: usize) -> Run {
        self.irctl(workspace, database, &["check", "--output", "json"])
    }

    /// The workspace with its past, in the night of this fixture.
    fn night(&self, case: &str, database: usize) -> Workspace {
        let workspace = Workspace::empty();
        let copied =
            Command::new("cp").arg("-a").arg(self.history.path("../.")).arg(workspace.path("..")).status();
        assert!(copied.unwrap().success());
        workspace.set_clock(NIGHT);
        case::lay_over(&workspace, SCHEME, case);
        self.set_up(&workspace, case, database);
        workspace
    }
}

/// Labels say which symbol, route or reason it is.
const SAYS: [(&str, &str); 5] = [
    ("failing-fail-safe", "reason=model_outputs"),
    ("failing-liquidity", "symbol=ETHUSDT"),
    ("failing-markout", "horizon=30s"),
    ("failing-winrate-delta", "route=taker"),
    ("failing-mode-switch", "from=real, to=paper"),
];
/// What may not trade any more is on paper; nothing else is.
const HALTED: [&str; 10] = [
    "failing-precision",
    "failing-winrate-delta",
    "failing-winrate-baseline",
    "failing-parity",
    "failing-drift-breach",
    "failing-volatility",
    "failing-liquidity",
    "failing-book",
    "failing-fail-safe",
    "failing-trades-while-halted",
];

#[test]
fn every_rule_of_trading_is_fired_by_a_probe_and_quiet_without_cause() {
    let desk = Desk::new();
    case::all(SCHEME, |number, case| {
        let workspace = desk.night(case, number);
        let run = desk.check(&workspace, number);
        case::objection(&run, &case::expected(SCHEME, case)).or_else(|| unlike(&workspace, &run, case))
    });
    let passing = desk.night(PASSING, 62);
    desk.irctl(&passing, 62, &["config", "check"]).expect(0);
    desk.check(&passing, 62).expect(0);
    let tried = desk.irctl(&passing, 62, &["check", "--test", "--output", "json"]).expect(0);
    case::thresholds(&tried, SCHEME, "executor", &[]);
    case::every_rule_fires(&passing, SCHEME, &[]);
}

fn unlike(workspace: &Workspace, run: &Run, case: &str) -> Option<String> {
    let missing = SAYS.iter().find(|(of, says)| *of == case && !run.stdout.contains(says));
    if let Some((_, says)) = missing {
        return Some(format!("it does not say {says}\n{}", run.stdout));
    }
    let paper = workspace.read("config/app.yml").contains("mode: paper");
    if paper != HALTED.contains(&case) {
        return Some(format!("on paper: {paper}"));
    }
    // Five minutes of depth on both sides are what lets a desk back.
    let report = run.json();
    let probes = report["services"][0]["probes"].as_array()?;
    let depth = probes.iter().find(|probe| probe["probe"] == "normal_depth")?;
    let minutes = depth["samples"][0]["measurement"]["value"].as_f64();
    let wanted = if case == "failing-liquidity" { 0.0 } else { 5.0 };
    (minutes != Some(wanted)).then(|| format!("normal depth for {minutes:?}"))
}

/// What the comments offer can be switched on.
#[test]
fn what_the_comments_of_trading_offer_is_valid() {
    let workspace = case::workspace(SCHEME);
    workspace.write("models/registry/manifest.json", "[]");
    let copied = |changes: &[(&str, &str)]| {
        case::copy_service(&workspace, "trading.yaml", changes);
        workspace.irctl(&["config", "check"])
    };
    copied(&[]).expect(0);
    copied(&[
        ("  release: after-postmortem\n", ""),
        ("  #   release", "  release"),
        ("  #   auto:", "  auto:"),
    ])
    .expect(0);
    copied(&[("  #   auto: {when: \"winrate_delta", "  auto: {when: \"winrate_gamma")]).expect(78);
}
