//! What one broken part must not do to the rest: hide what others measure, keep others from being contained, or keep an
//! incident open for ever.

use super::*;
use rusqlite::Connection;
use support::rollback::bad_model;

/// The rates of routes, in a database that the service's probe asks.
fn routes(rule: &str) -> (Workspace, Connection) {
    let workspace = shop(rule, "");
    let service = "service: shop\nkind: service\nscheme: shop\nprobes:\n  errors:\n    sql:\n      \
        database: {sqlite: {file: shop.db}}\n      query: SELECT route, rate FROM rates\n      \
        read: {rows: {metric: error_rate, unit: ratio, value: rate, labels: [route]}}\n";
    workspace.write("config/services/shop.yaml", service);
    let connection = Connection::open(workspace.path("shop.db")).unwrap();
    let fill =
        "CREATE TABLE rates (route TEXT, rate REAL); INSERT INTO rates VALUES ('a', 0.01), ('b', 0.02);";
    connection.execute_batch(fill).unwrap();
    (workspace, connection)
}

#[test]
fn a_database_that_is_gone_is_never_as_good_as_it_was() {
    let (workspace, connection) = routes(", for: 30m");
    for minute in ["03:00", "03:10"] {
        clock(&workspace, minute);
        round(&workspace, 0);
    }
    connection.execute_batch("DROP TABLE rates").unwrap();
    clock(&workspace, "03:20");
    let (outcome, reason) = came_out(&round(&workspace, 3), "shop", "errors");
    assert_eq!((outcome.as_str(), reason.contains("no such table")), ("undecided", true), "{reason}");
}

#[test]
fn what_is_asked_anew_is_new_evidence() {
    let (workspace, connection) = routes("");
    connection.execute_batch("UPDATE rates SET rate = 0.5 WHERE route = 'b'").unwrap();
    clock(&workspace, "03:00");
    round(&workspace, 2);
    connection.execute_batch("UPDATE rates SET rate = 0.01").unwrap();
    // A server says what is true now, and has no file that would have to change.
    for minute in ["03:05", "03:10"] {
        clock(&workspace, minute);
        round(&workspace, 0);
    }
    assert_eq!(incidents(&workspace)[0]["state"], "resolved");
}

#[test]
fn the_same_look_is_no_new_evidence() {
    let (workspace, connection) = routes("");
    connection.execute_batch("UPDATE rates SET rate = 0.5 WHERE route = 'b'").unwrap();
    clock(&workspace, "03:00");
    round(&workspace, 2);
    connection.execute_batch("UPDATE rates SET rate = 0.01").unwrap();
    clock(&workspace, "03:05");
    (0..3).for_each(|_| drop(round(&workspace, 0)));
    assert_eq!(incidents(&workspace)[0]["state"], "triage");
}

#[test]
fn what_is_wrong_with_one_service_keeps_no_other_from_being_contained() {
    let service = "service: rila_6y20b\nkind: model\nscheme: shop\nwarm_up: 15m\n\
        serving: {json: {file: outputs/production/rila_6y20b/health.json, pointer: /model_sha256, artifact: model.json}}\n\
        probes:\n  errors: {json: {file: now.json, pointer: /error_rate, metric: error_rate, unit: ratio, time: /at}}\n\
        rollback:\n  contain: [{settings: {file: a.yml, set: {mode: disabled}}}]\n  targets:\n    \
        - files: {live: models/production/rila_6y20b, versions: \"backup_*\", \
        artifacts: [model.json, metadata.json, coefficients.json]}\n";
    let workspace = bad_model(service);
    workspace.write("config/severity/shop.yaml", scheme(""));
    let other =
        format!("{SHOP}rollback:\n  contain: [{{settings: {{file: z.yml, set: {{mode: disabled}}}}}}]\n");
    workspace.write("config/services/shop.yaml", other);
    workspace.write("a.yml", "mode: active\n");
    workspace.write("z.yml", "mode: active\n");
    at(&workspace, "03:00", 0.01);
    round(&workspace, 0);
    // What is known of its versions is damaged.
    std::fs::write(workspace.state().join("versions/rila_6y20b.json"), "{").unwrap();
    at(&workspace, "03:05", 0.01);
    let run = workspace.irctl(&["check", "--output", "json"]);
    assert_eq!(run.status, 3, "{}{}", run.stdout, run.stderr);
    at(&workspace, "03:10", 0.50);
    workspace.irctl(&["check"]).expect(2);
    assert_eq!(workspace.read("z.yml"), "mode: disabled\n");
    assert_eq!(workspace.read("a.yml"), "mode: disabled\n", "and its own harm is stopped as well");
    assert_eq!(incidents(&workspace).len(), 2);
}

#[test]
fn nobodys_good_numbers_end_no_incident() {
    let service = "service: rila_6y20b\nkind: model\nscheme: shop\n\
        serving: {json: {file: outputs/production/rila_6y20b/health.json, pointer: /model_sha256, artifact: model.json}}\n\
        probes:\n  errors: {json: {file: now.json, pointer: /error_rate, metric: error_rate, unit: ratio, time: /at}}\n\
        rollback:\n  targets:\n    - files: {live: models/production/rila_6y20b, versions: \"backup_*\", \
        artifacts: [model.json, metadata.json, coefficients.json]}\n";
    let workspace = bad_model(service);
    workspace.write("config/severity/shop.yaml", scheme(""));
    at(&workspace, "03:00", 0.50);
    round(&workspace, 2);
    // What serves now is not known.
    workspace.write("outputs/production/rila_6y20b/health.json", "{}");
    for minute in ["03:05", "03:10", "03:15"] {
        at(&workspace, minute, 0.01);
        round(&workspace, 3);
    }
    assert_eq!(incidents(&workspace)[0]["state"], "triage");
}

#[test]
fn what_is_held_of_series_ends_as_well() {
    let (workspace, connection) = routes(", on_no_data: {hold: 30m}");
    clock(&workspace, "03:00");
    round(&workspace, 0);
    connection.execute_batch("DROP TABLE rates").unwrap();
    for minute in ["03:10", "03:20", "03:30"] {
        clock(&workspace, minute);
        let found = round(&workspace, 0);
        assert_eq!(rule(&found, "shop", "errors")["held"]["decided_at"], "2026-11-20T03:00:00Z", "{minute}");
    }
    clock(&workspace, "03:40");
    let (outcome, reason) = came_out(&round(&workspace, 3), "shop", "errors");
    assert_eq!(outcome, "undecided", "{reason}");
}

#[test]
fn a_service_whose_state_is_damaged_keeps_no_other_from_being_judged() {
    let workspace = shop("", "");
    for name in ["a", "shop"] {
        let contain =
            format!("rollback:\n  contain: [{{settings: {{file: {name}.yml, set: {{mode: disabled}}}}}}]\n");
        let service = SHOP.replace("service: shop\n", &format!("service: {name}\n"));
        workspace.write(format!("config/services/{name}.yaml"), service + &contain);
        workspace.write(format!("{name}.yml"), "mode: active\n");
    }
    at(&workspace, "03:00", 0.01);
    workspace.irctl(&["contain", "--service", "a"]).expect(0);
    let record = workspace.state().join("containments/a.json");
    assert!(record.exists());
    workspace.irctl(&["release", "--service", "a"]).expect(0);
    std::fs::write(&record, "{").unwrap();
    at(&workspace, "03:05", 0.50);
    let run = workspace.irctl(&["check", "--output", "json"]);
    assert_eq!(workspace.read("shop.yml"), "mode: disabled\n", "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("a was not judged"), "{}{}", run.stdout, run.stderr);
    let screen = workspace.irctl(&[]);
    assert!(screen.stdout.contains("a: not judged: ") || screen.stderr.contains("a.json"), "{screen:?}");
    assert_eq!(run.status, 2);
    assert_eq!(incidents(&workspace).len(), 1);
}

#[test]
fn the_screen_is_no_better_than_the_last_round() {
    let workspace = shop("", "");
    at(&workspace, "03:00", 0.01);
    round(&workspace, 0);
    let good = workspace.irctl(&[]).expect(0);
    assert!(good.stdout.contains("OK") && !good.stdout.contains("UNKNOWN"), "{}", good.stdout);
    std::fs::remove_file(workspace.path("now.json")).unwrap();
    clock(&workspace, "03:05");
    round(&workspace, 3);
    let bad = workspace.irctl(&[]).expect(3).stdout;
    assert!(bad.contains("shop UNKNOWN: error_rate: now.json does not exist"), "{bad}");
    assert!(bad.contains("Next: irctl check --service shop"), "{bad}");
    let json = workspace.irctl(&["--output", "json"]).expect(3).json();
    assert_eq!(json["not_good"][0]["service"], "shop");
    // What is new was not looked at.
    at(&workspace, "03:10", 0.01);
    workspace.write("config/services/new.yaml", SHOP.replace("service: shop\n", "service: new\n"));
    round(&workspace, 0);
    workspace.irctl(&[]).expect(0);
    workspace.write("config/services/newer.yaml", SHOP.replace("service: shop\n", "service: newer\n"));
    let new = workspace.irctl(&[]).expect(3).stdout;
    assert!(new.contains("newer UNKNOWN: it was not looked at yet"), "{new}");
}
