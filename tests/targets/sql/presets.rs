//! The log of deployments and the settings of clients.

use super::{Case, Fixture as _, Kind, goal};
use irctl::base::ErrorCode;
use irctl::rollback::targets::{Switch as _, Target as _};

pub fn deployment_log(kind: Kind) -> Case {
    log_with(kind, "change: {deployment_log: {cross_check: true}}")
}

fn log_with(kind: Kind, rest: &str) -> Case {
    let (id, moment, flag) = match kind {
        Kind::Postgres => ("integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "timestamp", "boolean"),
        Kind::Sqlite => ("INTEGER PRIMARY KEY AUTOINCREMENT", "TEXT", "INTEGER"),
    };
    let setup = format!(
        "CREATE TABLE model_deployment_log (id {id}, model_name varchar(100), version text, deployed_at {moment}, \
         deployed_by text, deployment_reason text, is_production {flag} NOT NULL, is_rollback {flag} DEFAULT false, \
         sharpe_ratio numeric);
         CREATE UNIQUE INDEX one_in_production ON model_deployment_log (model_name) WHERE is_production;
         INSERT INTO model_deployment_log (model_name, version, deployed_at, deployed_by, is_production, sharpe_ratio) VALUES
             ('growth_large', 'v0', '2026-09-01 00:00:00', 'ci', false, 1.10),
             ('growth_large', 'v2', '2026-11-01 12:00:00.5', 'ci', true, 0.70),
             ('value_small', 'v9', '2026-10-01 00:00:00', 'ci', true, NULL);"
    );
    let meddle = "UPDATE model_deployment_log SET deployed_by = 'somebody' WHERE model_name = 'growth_large' AND is_production";
    Case::new(kind, &setup, &["model_deployment_log"], rest, meddle)
}

pub fn client_settings(kind: Kind) -> Case {
    let flag = if kind == Kind::Postgres { "boolean" } else { "INTEGER" };
    let setup = format!(
        "CREATE TABLE clients (client_id integer PRIMARY KEY, active {flag});
         INSERT INTO clients VALUES (1, true), (2, true), (3, false), (4, true), (5, true);
         CREATE TABLE client_settings (client_id integer PRIMARY KEY, auto_rebalance {flag}, \
         require_manual_approval {flag}, note text);
         INSERT INTO client_settings VALUES (1, true, false, 'a'), (2, false, true, 'was off'), (3, true, false, 'inactive'), (4, true, NULL, 'b'), (5, true, false, 'c');"
    );
    Case::new(
        kind,
        &setup,
        &["clients", "client_settings"],
        "change: {client_settings: {}}",
        "UPDATE client_settings SET auto_rebalance = NULL WHERE client_id = 1",
    )
}

fn production(case: &Case) -> String {
    let query = "SELECT version || ' ' || deployed_by || ' ' || deployment_reason || ' ' || CASE WHEN is_rollback THEN 'rollback' ELSE 'deployment' END \
                 FROM model_deployment_log WHERE model_name = 'growth_large' AND is_production";
    case.value(query)
}

#[test]
fn exactly_one_row_is_in_production_afterwards() {
    for kind in [Kind::Postgres, Kind::Sqlite] {
        let case = deployment_log(kind);
        let target = case.sql_target();
        assert!(
            target
                .observe()
                .unwrap()
                .shown
                .raw()
                .starts_with("in production: v2 (deployed 2026-11-01 12:00:00.5 by ci)")
        );
        let (to, from) = case.versions();
        let prediction = target.predict(&goal(&to, &from)).unwrap();
        assert_eq!(prediction.warnings, Vec::<String>::new());
        assert_eq!(prediction.changes.len(), 2, "{:?}", prediction.changes);
        assert_eq!(
            prediction.cannot_be_undone.len(),
            1,
            "the number given out: {:?}",
            prediction.cannot_be_undone
        );
        let switch = case.staged("OP-1");
        case.with(|context| switch.act(context)).unwrap();
        assert_eq!(
            production(&case),
            "v1'; DROP TABLE settings; -- cli:engineer Rollback from v2: drift confirmed rollback"
        );
        let says = target.in_production().unwrap();
        assert_eq!(says.len(), 1);
        assert_eq!(
            case.value(
                "SELECT version FROM model_deployment_log WHERE model_name = 'value_small' AND is_production"
            ),
            "v9"
        );
        // It says so already: nothing to do, whoever asks.
        assert!(case.stage_as("OP-2").unwrap().is_empty());
        // Another version serves than the log says.
        let other = irctl::rollback::versions::Version::named("v7");
        let prediction = target.predict(&goal(&from, &other)).unwrap();
        assert!(
            prediction.warnings.iter().any(|warning| warning.contains("but v7 serves")),
            "{:?}",
            prediction.warnings
        );
    }
}

#[test]
fn a_deployment_after_the_rollback_is_not_undone_over() {
    for kind in [Kind::Postgres, Kind::Sqlite] {
        let case = deployment_log(kind);
        let switch = case.staged("OP-1");
        case.with(|context| switch.act(context)).unwrap();
        case.sql(
            "DROP INDEX one_in_production; INSERT INTO model_deployment_log (model_name, version, deployed_at, deployed_by, is_production) \
             VALUES ('growth_large', 'v3', '2026-11-21 00:00:00', 'ci', true)",
        );
        let theirs = case.all();
        let error = case.with(|context| switch.undo(context)).unwrap_err();
        assert_eq!(error.code, ErrorCode::Drifted, "{error:?}");
        assert!(error.message.contains("before no row, after no row, found a row"), "{}", error.message);
        assert_eq!(case.all(), theirs);
    }
}

#[test]
fn the_log_may_have_other_names() {
    let rest = "change:
                  deployment_log:
                    table: releases
                    key: [service, ref]
                    columns: {model: service, version: ref, deployed_at: at, deployed_by: null, reason: null, is_production: live, is_rollback: null}
                    model: 'svc-{service}'
                    version: '{name}'";
    let setup = "CREATE TABLE releases (service text, ref text, at text, live integer);
                 INSERT INTO releases VALUES ('svc-growth_large', 'b', 'x', 1), ('svc-growth_large', 'a', 'y', 1)";
    for kind in [Kind::Postgres, Kind::Sqlite] {
        let case = Case::new(kind, setup, &["releases"], rest, "");
        let before = case.all();
        let switch = case.staged("OP-1");
        case.with(|context| switch.act(context)).unwrap();
        assert_eq!(case.value("SELECT ref FROM releases WHERE live = 1"), "backup_2025-10-15");
        case.with(|context| switch.undo(context)).unwrap();
        assert_eq!(case.all(), before);
    }
}

#[test]
fn clients_get_back_what_each_of_them_had() {
    for kind in [Kind::Postgres, Kind::Sqlite] {
        let case = client_settings(kind);
        let before = case.all();
        let switch = case.staged("OP-1");
        assert_eq!(switch.rows, 3, "who was off already is not touched");
        case.with(|context| switch.act(context)).unwrap();
        let still_on = "SELECT CAST(count(*) AS text) FROM client_settings JOIN clients USING (client_id) WHERE active = true AND auto_rebalance = true";
        assert_eq!(case.value(still_on), "0");
        // A human turns one on again and off, one writes a note, one client goes.
        case.sql(
            "UPDATE client_settings SET require_manual_approval = NULL WHERE client_id = 1;
             UPDATE client_settings SET note = 'called them' WHERE client_id = 4;
             DELETE FROM client_settings WHERE client_id = 5",
        );
        let left = case.with(|context| switch.put_back(context)).unwrap();
        assert_eq!(
            left,
            [
                "client_settings client_id=1 was changed by somebody else, and is left so",
                "client_settings client_id=5 is gone"
            ]
            .map(|text| if kind == Kind::Postgres {
                format!("{}.{text}", case.schema.as_deref().unwrap())
            } else {
                text.to_owned()
            })
        );
        let auto = "SELECT CAST(count(*) AS text) FROM client_settings WHERE auto_rebalance = true AND client_id IN (3, 4)";
        assert_eq!(case.value(auto), "2");
        assert_eq!(case.value("SELECT note FROM client_settings WHERE client_id = 4"), "called them");
        let off = "SELECT CAST(count(*) AS text) FROM client_settings WHERE auto_rebalance = false AND client_id IN (1, 2)";
        assert_eq!(case.value(off), "2");
        assert_eq!(
            case.with(|context| switch.put_back(context)).unwrap(),
            Vec::<String>::new(),
            "once is enough"
        );
        // Nobody else touched anything: all of it comes back.
        let case = client_settings(kind);
        let switch = case.staged("OP-1");
        case.with(|context| switch.act(context)).unwrap();
        assert_eq!(case.with(|context| switch.put_back(context)).unwrap(), Vec::<String>::new());
        assert_eq!(case.all(), before);
    }
}
