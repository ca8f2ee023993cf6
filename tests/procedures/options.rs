//! The phased system: each of its four phases goes back with all its parts, and forward again.

use super::redis_server::RedisServer;
use super::support::{Run, Workspace};
use super::systemd::Manager;
use super::{contents, example, git, says};
use rusqlite::Connection;

/// What is no part of the git repository.
const OUTSIDE: &str = "outputs/\n.irctl*\nconfig/.irctl*\n*.pyc\nconfig/backup_emergency_*\n";

const INGESTION: &str = "tasks/options_trading_system/data_ingestion/databento_api/solution.py";
const FLOW: &str = "tasks/options_trading_system/analysis_engine/institutional_flow_v3/solution.py";

/// What `irctl rollback` may change in the workspace.
const PLACES: [&str; 4] = ["config", "tasks", "integration.py", "config_manager.py"];

struct System {
    workspace: Workspace,
    redis: RedisServer,
    variables: Vec<(&'static str, String)>,
}

impl System {
    fn new() -> Self {
        let workspace = example("phased");
        let redis = RedisServer::start(&[]);
        let variables = vec![("SIGNAL_CACHE_URL", redis.url())];
        let system = Self { workspace, redis, variables };
        system.code();
        system.data();
        system
    }

    /// Code with the tags of every phase, and then the code that is broken.
    fn code(&self) {
        let (workspace, root) = (&self.workspace, self.workspace.root());
        for (name, text) in [
            (
                "config/system.yml",
                "trading: {enabled: true}\ndatabento:\n  streaming: true # paid\ndata:\n  source: databento\n",
            ),
            (
                "config/profiles.json",
                "{\n  \"production\": {\"algorithm_version\": \"v3.0\", \"testing_mode\": \"ab\"}\n}\n",
            ),
            (
                "config/components.yml",
                "success_metrics: {enabled: true}\nwebsocket_backfill: {enabled: true}\nbudget_dashboard: {enabled: true}\n",
            ),
            ("config/backup/pipeline_config.json", "{\"pipeline\": \"old\"}\n"),
            ("config/pipeline_config.json", "{\"pipeline\": \"new\"}\n"),
            ("scripts/reset_metrics.sql", "DELETE FROM history;\nUPDATE counters SET value = 0;\n"),
            (
                "scripts/health_check.py",
                "import sys\nsys.exit(0 if open('outputs/health').read() == 'good' else 1)\n",
            ),
            (
                "tests/test_integration.py",
                "import sys\nsys.exit(0 if 'good' in open('integration.py').read() else 1)\n",
            ),
            (".gitignore", OUTSIDE),
        ] {
            workspace.write(name, text);
        }
        git(&root, &["init", "-q", "-b", "main"]);
        for (tag, text) in [
            ("pre-phase1-stable", "good = 1\n"),
            ("phase2-rollback", "good = 2\n"),
            ("pre-phase3", "good = 3\n"),
            ("phase4", "broken\n"),
        ] {
            for file in [INGESTION, FLOW, "integration.py", "config_manager.py", "unrelated.py"] {
                workspace.write(file, text);
            }
            git(&root, &["add", "-A"]);
            git(&root, &["commit", "-q", "-m", tag]);
            git(&root, &["tag", tag]);
        }
    }

    fn data(&self) {
        let workspace = &self.workspace;
        workspace.write("outputs/health", "good");
        workspace.write("outputs/flows.json", "[1, 2, 3]");
        workspace.write("outputs/baselines.json", "{\"mean\": 99}");
        for cache in ["databento_cache/a/1", "databento_cache/b", "signal_cache/c", "phase4_state/d"] {
            workspace.write(format!("outputs/{cache}"), cache);
        }
        self.execute(
            "market_data.db",
            "CREATE TABLE mbo_events (id INTEGER PRIMARY KEY, timestamp TEXT, price REAL);
             INSERT INTO mbo_events VALUES (1, '2026-11-20 01:00:00', 1.5), (2, '2026-11-20 02:30:00', 2.5),
                                           (3, '2026-11-20 03:05:00', NULL);",
        );
        self.execute(
            "metrics.db",
            "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER);
             CREATE TABLE history (id INTEGER PRIMARY KEY, at TEXT);
             INSERT INTO counters VALUES ('trades', 7), ('errors', 3);
             INSERT INTO history VALUES (1, '2026-11-19'), (2, '2026-11-20');",
        );
        for (key, value) in [("signal:SPX", "buy"), ("signal:NDX", "sell"), ("session:9", "keep")] {
            self.redis.run::<()>(&["SET", key, value]);
        }
        self.redis.run::<i64>(&["EXPIREAT", "signal:SPX", "1900000000"]);
    }

    fn execute(&self, file: &str, sql: &str) {
        Connection::open(self.workspace.path("outputs").join(file)).unwrap().execute_batch(sql).unwrap();
    }

    /// One text of everything that a query gives.
    fn rows(&self, file: &str, query: &str) -> String {
        let connection = Connection::open(self.workspace.path("outputs").join(file)).unwrap();
        let mut statement = connection.prepare(query).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells = (0..columns).map(|at| Ok(format!("{:?}", row.get::<_, rusqlite::types::Value>(at)?)));
            cells.collect::<rusqlite::Result<Vec<_>>>()
        });
        rows.unwrap().map(|row| row.unwrap().join(" ")).collect::<Vec<_>>().join("\n")
    }

    fn irctl(&self, line: &str) -> Run {
        let variables: Vec<_> = self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        says(&self.workspace, &variables, line)
    }

    /// Everything outside of irctl that a phase could change.
    fn seen(&self) -> String {
        [
            contents(&self.workspace, &PLACES),
            self.caches(),
            self.rows("market_data.db", "SELECT * FROM mbo_events ORDER BY id"),
            self.rows("metrics.db", "SELECT * FROM counters ORDER BY name"),
            self.rows("metrics.db", "SELECT * FROM history ORDER BY id"),
            self.redis_keys(),
            self.workspace.read("outputs/baselines.json"),
        ]
        .join("\n--\n")
        .lines()
        .filter(|line| !line.contains("backup_emergency_"))
        .collect::<Vec<_>>()
        .join("\n")
    }

    /// The keys of the application; irctl leaves a note of its own.
    fn redis_keys(&self) -> String {
        let all = self.redis.everything();
        all.lines().filter(|line| !line.starts_with("irctl")).collect::<Vec<_>>().join("\n")
    }

    fn caches(&self) -> String {
        contents(
            &self.workspace,
            &["outputs/databento_cache", "outputs/signal_cache", "outputs/phase4_state"],
        )
    }

    fn back(&self, phase: &str) {
        self.irctl(&format!("irctl rollback --service options --phase {phase} --yes")).expect(0);
    }

    /// Takes the last rollback back and lets trading go on: nothing else is left of it.
    #[track_caller]
    fn undone(&self, before: &str) {
        self.undone_with(before, 0);
    }

    /// The same where the suite does not pass on what comes back.
    #[track_caller]
    fn undone_with(&self, before: &str, status: i32) {
        self.irctl("irctl rollback undo --service options --yes").expect(status);
        self.irctl("irctl release --service options --reason looked-at").expect(0);
        same(before, &self.seen());
    }
}

#[track_caller]
fn same(before: &str, after: &str) {
    let lost: Vec<_> = before.lines().filter(|line| !after.contains(*line)).collect();
    let new: Vec<_> = after.lines().filter(|line| !before.contains(*line)).collect();
    assert!(before == after, "not as it was; lost {lost:#?}, new {new:#?}");
}

#[test]
fn phase_1_stops_ingestion_and_brings_the_data_client_back() {
    let system = System::new();
    let before = system.seen();
    let plan = system.irctl("irctl rollback --service options --phase 1 --dry-run").expect(0).stdout;
    assert!(plan.contains("immediate") && plan.contains("recovery"), "{plan}");
    assert_eq!(system.seen(), before, "a dry run changes nothing");
    system.irctl("irctl rollback --service options --phase 1 --only immediate --yes").expect(0);
    let config = system.workspace.read("config/system.yml");
    assert!(config.contains("streaming: false # paid") && config.contains("source: barchart"), "{config}");
    assert!(config.contains("trading: {enabled: false}"), "nothing is traded meanwhile: {config}");
    assert_eq!(system.caches().lines().count(), 2, "the cache is out of the way, the others are not");
    assert_eq!(system.rows("market_data.db", "SELECT id FROM mbo_events"), "Integer(1)", "an hour of events");
    assert_eq!(system.workspace.read(INGESTION), "broken\n");
    system.back("1");
    assert_eq!(system.workspace.read(INGESTION), "good = 1\n");
    assert_eq!(system.workspace.read("unrelated.py"), "broken\n", "the branch stays where it is");
    system.irctl("irctl rollback undo --service options --yes").expect(0);
    system.undone(&before);
}

#[test]
fn phase_2_goes_back_to_the_old_algorithm_and_its_baselines() {
    let system = System::new();
    let before = system.seen();
    system.back("2");
    let profiles = system.workspace.read("config/profiles.json");
    assert_eq!(
        profiles,
        "{\n  \"production\": {\"algorithm_version\": \"v1.0\", \"testing_mode\": \"ab\"}\n}\n"
    );
    assert!(!system.redis_keys().contains("signal:"), "{}", system.redis_keys());
    assert!(system.redis_keys().contains("session:9 string keep"), "never the whole database");
    assert!(!system.caches().contains("signal_cache"));
    assert_eq!(system.workspace.read(FLOW), "good = 2\n");
    assert_eq!(system.workspace.read("outputs/baselines.json"), "{\"mean\": 2.0, \"flows\": 3}");
    system.undone(&before);
}

#[test]
fn phase_3_ends_the_test_and_brings_configuration_and_integration_back() {
    let system = System::new();
    let before = system.seen();
    system.irctl("irctl rollback --service options --phase 3 --to backup --yes").expect(0);
    let profiles = system.workspace.read("config/profiles.json");
    assert!(profiles.contains("\"testing_mode\": \"production\""), "{profiles}");
    assert_eq!(system.workspace.read("config/pipeline_config.json"), "{\"pipeline\": \"old\"}\n");
    assert_eq!(system.workspace.read("integration.py"), "good = 3\n");
    assert_eq!(system.workspace.read("config_manager.py"), "good = 3\n");
    // The integration that comes back by that is the broken one.
    system.undone_with(&before, 14);
}

#[test]
fn phase_4_disables_components_and_falls_back_to_basic_monitoring() {
    let manager = match Manager::start() {
        Ok(manager) => manager,
        Err(why) => {
            println!("not run: phase 4: systemd: {why}");
            return;
        }
    };
    manager.reset();
    let mut system = System::new();
    // A `systemctl` that leads to the manager of the test.
    let text = std::fs::read_to_string(manager.program()).unwrap();
    let own = text
        .replace("exec systemctl", "exec /usr/bin/systemctl --user")
        .replace("#!/bin/sh\n", "#!/bin/sh\n[ \"$1\" = --system ] && shift\n");
    std::fs::write(manager.program(), own).unwrap();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", manager.directory.path().display());
    system.variables.push(("PATH", path));
    let (before, units) = (system.seen(), manager.seen());
    let immediate = system.irctl("irctl rollback --service options --phase 4 --only immediate --yes");
    let immediate = immediate.expect(0);
    let components = system.workspace.read("config/components.yml");
    assert_eq!(components.matches("enabled: false").count(), 3, "{components}");
    assert_eq!(manager.seen(), units, "that is recovery's: {}{}", immediate.stdout, immediate.stderr);
    system.back("4");
    let running = |unit: &str| manager.control(&["is-active", unit]).1.trim().to_owned();
    assert_eq!(running("basic-monitoring"), "active");
    assert_eq!(running("advanced-monitoring"), "inactive");
    assert!(!system.caches().contains("phase4_state"));
    assert_eq!(system.rows("metrics.db", "SELECT sum(value) FROM counters"), "Integer(0)");
    assert_eq!(system.rows("metrics.db", "SELECT count(*) FROM history"), "Integer(0)");
    let record = system.irctl("irctl report rollback-tracking --output json").expect(0).json();
    assert_eq!(record[0]["phase"], "4", "{record}");
    assert!(record[0]["duration_minutes"].is_number() && record[0]["rollback_id"].is_string(), "{record}");
    system.irctl("irctl rollback undo --service options --yes").expect(0);
    system.undone(&before);
    assert_eq!(manager.seen(), units);
}

#[test]
fn a_phase_that_is_not_healthy_afterwards_stays_contained() {
    let system = System::new();
    system.workspace.write("outputs/health", "bad");
    let run =
        system.irctl("irctl rollback --service options --phase 2 --yes --output json").expect(14).json();
    let id = run["operation"].as_str().unwrap();
    assert!(system.workspace.read("config/system.yml").contains("trading: {enabled: false}"));
    system.workspace.write("outputs/health", "good");
    system.irctl(&format!("irctl rollback resume {id}")).expect(0);
    system.irctl("irctl release --service options --reason healthy").expect(0);
    assert!(system.workspace.read("config/system.yml").contains("trading: {enabled: true}"));
}
