//! ACIS: trading stopped, model and log of deployments back, trading on again.

use super::postgres::Server;
use super::support::Workspace;
use super::{contents, example, says};
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const TABLES: &str = "
CREATE TABLE clients (client_id text PRIMARY KEY, active boolean NOT NULL);
CREATE TABLE client_settings (client_id text PRIMARY KEY, auto_rebalance boolean, require_manual_approval boolean);
CREATE TABLE model_deployment_log (
    id serial PRIMARY KEY, model_name text NOT NULL, version text NOT NULL, deployed_at timestamptz NOT NULL,
    deployed_by text, deployment_reason text, spearman_ic float8, sharpe_ratio float8,
    is_production boolean NOT NULL, is_rollback boolean NOT NULL DEFAULT false);
INSERT INTO clients VALUES ('a', true), ('b', true), ('c', true), ('gone', false);
INSERT INTO client_settings VALUES ('a', true, false), ('b', false, true), ('c', true, true), ('gone', true, false);
INSERT INTO model_deployment_log
    (model_name, version, deployed_at, deployed_by, deployment_reason, is_production) VALUES
    ('growth_large', '2026-10-15', '2026-10-15T08:00Z', 'pipeline', 'monthly', false),
    ('growth_large', '2026-11-15', '2026-11-15T08:00Z', 'pipeline', 'monthly', true),
    ('value_small', '2026-11-01', '2026-11-01T08:00Z', 'pipeline', 'monthly', true);";

struct Desk {
    workspace: Workspace,
    server: &'static Server,
    schema: String,
    url: String,
    rebalance: Option<Child>,
}

impl Desk {
    fn new() -> Self {
        let workspace = example("acis");
        let server = Server::shared();
        let schema = server.schema();
        server.sql(&format!("SET search_path = {schema}; {TABLES}"));
        for (folder, weight, date, sharpe) in [
            ("", 9, "2026-11-15", 0.1),
            ("backup_2026-10-15/", 1, "2026-10-15", 1.4),
            ("backup_2026-09-15/", 2, "2026-09-15", 1.2),
        ] {
            let folder = format!("models/growth_large/{folder}");
            workspace.write(format!("{folder}model.json"), format!("{{\"weights\": [{weight}, 2]}}"));
            let metadata = format!(
                "{{\"training_date\": \"{date}\", \"deployed_at\": \"{date}T08:00:00Z\", \"performance\": \
                 {{\"sharpe_ratio\": {sharpe}, \"spearman_ic\": 0.04}}}}"
            );
            workspace.write(format!("{folder}metadata.json"), metadata);
        }
        workspace.write("logs/trading.log", "bought\nsold\n");
        workspace.write("scripts/run_daily_rebalance.py", "import time\ntime.sleep(600)\n");
        // The virtual environment's python is a link to the system's, as venv makes it.
        std::fs::create_dir_all(workspace.path(".venv/bin")).unwrap();
        symlink("/usr/bin/python3", workspace.path(".venv/bin/python")).unwrap();
        let url = server.url(&schema);
        let mut desk = Self { workspace, server, schema, url, rebalance: None };
        let mut command = Command::new(desk.workspace.path(".venv/bin/python"));
        command.arg("scripts/run_daily_rebalance.py").current_dir(desk.workspace.root());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        desk.rebalance = Some(command.spawn().unwrap());
        desk
    }

    fn rows(&self, query: &str) -> String {
        self.server.sql(&format!("SET search_path = {}; {query}", self.schema)).trim().to_owned()
    }

    fn clients(&self) -> String {
        self.rows("SELECT * FROM client_settings ORDER BY client_id")
    }

    fn log(&self) -> String {
        self.rows("SELECT * FROM model_deployment_log ORDER BY id")
    }

    fn irctl(&self, line: &str) -> super::Run {
        says(&self.workspace, &[("ACIS_DATABASE_URL", &self.url)], line)
    }

    /// Processes that rebalance in this workspace, as the kernel names them.
    fn rebalancing(&mut self) -> Vec<u32> {
        if let Some(child) = &mut self.rebalance {
            let _ = child.try_wait();
        }
        let root = self.workspace.root().canonicalize().unwrap();
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let here = |number: &u32| {
            let words = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&words).contains("run_daily_rebalance.py")
                && std::fs::read_link(format!("/proc/{number}/cwd")).is_ok_and(|cwd| cwd == root)
        };
        numbers.filter(here).collect()
    }

    fn backups(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.workspace.path("models/growth_large")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("backup_emergency_")).collect()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        for number in self.rebalancing() {
            let _ = Command::new("kill").args(["-9", &number.to_string()]).status();
        }
        if let Some(child) = &mut self.rebalance {
            let _ = child.wait();
        }
    }
}

#[test]
fn trading_stops_and_goes_on_as_it_was() {
    let mut desk = Desk::new();
    desk.irctl("irctl config check").expect(0);
    let before = desk.clients();
    assert_eq!(desk.rebalancing().len(), 1);
    desk.irctl("irctl contain --service growth_large --reason losses").expect(0);
    assert_eq!(desk.clients(), "a|f|t\nb|f|t\nc|f|t\ngone|t|f", "active clients alone");
    assert!(desk.rebalancing().is_empty(), "the rebalance that ran is stopped");
    desk.irctl("irctl release --service growth_large --reason false-alarm").expect(0);
    assert_eq!(desk.clients(), before, "who was off stays off");
    let begun = Instant::now();
    while desk.rebalancing().len() != 1 {
        assert!(begun.elapsed() < Duration::from_secs(5), "it is started again");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_model_and_its_log_go_back_together_and_are_put_back() {
    let mut desk = Desk::new();
    let (clients, log) = (desk.clients(), desk.log());
    let files = contents(&desk.workspace, &["models"]);
    let versions = desk.irctl("irctl rollback versions --service growth_large").expect(0).stdout;
    assert!(versions.contains("backup_2026-10-15") && versions.contains("backup_2026-09-15"), "{versions}");
    let plan = desk.irctl("irctl rollback --model growth_large --to prev --dry-run").expect(0).stdout;
    assert!(plan.contains("log of deployments"), "{plan}");
    assert_eq!((desk.clients(), desk.log()), (clients.clone(), log.clone()), "a dry run changes nothing");
    assert_eq!(desk.rebalancing().len(), 1);

    desk.irctl("irctl rollback --model growth_large --to prev --reason losses --yes").expect(0);
    let model = desk.workspace.read("models/growth_large/model.json");
    assert_eq!(model, desk.workspace.read("models/growth_large/backup_2026-10-15/model.json"));
    let displaced = desk.backups();
    assert_eq!(displaced.len(), 1, "what was bad is kept: {displaced:?}");
    assert!(
        desk.workspace.read(format!("models/growth_large/{}/model.json", displaced[0])).contains("[9, 2]")
    );
    let production = "SELECT version, deployed_by, deployment_reason, is_rollback FROM model_deployment_log \
                      WHERE is_production AND model_name = 'growth_large'";
    let entered = "backup_2026-10-15|emergency_rollback|Emergency rollback due to: losses|t";
    assert_eq!(desk.rows(production), entered, "exactly one row is in production");
    assert_eq!(
        desk.rows("SELECT is_production FROM model_deployment_log WHERE model_name = 'value_small'"),
        "t"
    );
    assert_eq!(desk.clients(), clients, "released: everybody has what they had");
    assert_eq!(desk.rebalancing().len(), 1);

    // What comes back by that is bad, and the suite says so: nobody trades until a human lets them.
    desk.irctl("irctl rollback undo --service growth_large --yes").expect(14);
    assert_eq!(desk.log(), log, "row for row");
    let without = |text: &str| {
        text.lines().filter(|line| !line.contains("backup_emergency_")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(without(&contents(&desk.workspace, &["models"])), without(&files), "byte for byte");
    desk.irctl("irctl release --service growth_large --reason looked-at").expect(0);
    assert_eq!(desk.clients(), clients);
}

#[test]
fn a_model_that_does_not_load_is_refused_and_a_model_that_fails_stays_contained() {
    let desk = Desk::new();
    let (log, files) = (desk.log(), contents(&desk.workspace, &["models"]));
    desk.workspace.write("models/growth_large/backup_2026-10-20/model.json", "{\"weights\": [");
    desk.workspace.write("models/growth_large/backup_2026-10-20/metadata.json", "{}");
    desk.irctl("irctl rollback --model growth_large --to backup_2026-10-20 --yes").expect(12);
    std::fs::remove_dir_all(desk.workspace.path("models/growth_large/backup_2026-10-20")).unwrap();
    assert_eq!((desk.log(), contents(&desk.workspace, &["models"])), (log, files), "nothing was switched");
    desk.workspace.write("scripts/test_prediction.py", "raise SystemExit(1)\n");
    desk.irctl("irctl rollback --model growth_large --to prev --reason losses --yes").expect(14);
    assert!(desk.clients().starts_with("a|f|t"), "not proven: nobody trades");
    assert!(
        desk.workspace.read("models/growth_large/model.json").contains("[1, 2]"),
        "and not back to the bad one"
    );
}

#[test]
fn a_corrupted_model_is_replaced() {
    let desk = Desk::new();
    desk.workspace.write("models/growth_large/model.json", "{\"weights\": [");
    desk.irctl("irctl rollback --model growth_large --to prev --reason corrupted --yes").expect(0);
    assert!(desk.workspace.read("models/growth_large/model.json").contains("[1, 2]"));
}
