//! Maintenance windows.

use super::*;

const FILE: &str = "channels:\n  log: {file: {path: notices.jsonl}}\ndefault: [log]\n";

fn window(more: &str) -> String {
    format!(
        "maintenance:\n  - reason: retraining\n    timezone: America/New_York\n    \
         window: {{once: {{from: 2026-11-19T22:00, to: 2026-11-19T23:00}}}}\n{more}"
    )
}

/// What people were told, as templates.
fn told(workspace: &Workspace) -> String {
    std::fs::read_to_string(workspace.path("notices.jsonl")).unwrap_or_default()
}

fn night(more: &str) -> Workspace {
    let workspace = shop("", &window(more));
    workspace.write("config/notify.yaml", FILE);
    workspace
}

#[test]
fn nobody_is_called_in_a_window_and_it_ends_by_itself() {
    let workspace = night("");
    at(&workspace, "03:30", 0.10);
    let found = round(&workspace, 2);
    assert_eq!(found["services"][0]["incidents"][0]["change"], "opened", "it is measured and recorded");
    assert_eq!(found["services"][0]["maintenance"]["until"], "2026-11-20T04:00:00Z");
    at(&workspace, "03:59", 0.10);
    round(&workspace, 2);
    assert_eq!(told(&workspace), "");
    let at_least_once =
        |text: &str| assert!(text.contains("in maintenance until 04:00 UTC: retraining"), "{text}");
    at_least_once(&workspace.irctl(&["check"]).expect(2).stdout);
    at_least_once(&workspace.irctl(&[]).expect(2).stdout);
    at_least_once(&workspace.irctl(&["incident", "list"]).expect(0).stderr);
    // Over: what is still wrong is told, once.
    at(&workspace, "04:00", 0.10);
    let found = round(&workspace, 2);
    assert!(found["services"][0].get("maintenance").is_none());
    assert_eq!(told(&workspace).lines().count(), 1, "{}", told(&workspace));
    at(&workspace, "04:05", 0.10);
    round(&workspace, 2);
    assert_eq!(told(&workspace).lines().count(), 1, "{}", told(&workspace));
}

#[test]
fn what_began_and_ended_in_a_window_is_told_to_nobody() {
    let workspace = night("");
    for (minute, rate) in [("03:10", 0.10), ("03:15", 0.01), ("03:20", 0.01)] {
        at(&workspace, minute, rate);
        workspace.irctl(&["check"]);
    }
    assert_eq!(incidents(&workspace)[0]["state"], "resolved");
    at(&workspace, "04:30", 0.01);
    round(&workspace, 0);
    assert_eq!(told(&workspace), "");
}

#[test]
fn the_end_of_what_began_before_a_window_is_told_after_it() {
    let workspace = night("");
    at(&workspace, "02:50", 0.10);
    round(&workspace, 2);
    assert_eq!(told(&workspace).lines().count(), 1);
    for minute in ["03:15", "03:20"] {
        at(&workspace, minute, 0.01);
        round(&workspace, 0);
    }
    assert_eq!(told(&workspace).lines().count(), 1);
    at(&workspace, "04:01", 0.01);
    round(&workspace, 0);
    assert_eq!(told(&workspace).lines().count(), 2, "{}", told(&workspace));
}

#[test]
fn a_window_may_let_people_be_told() {
    let workspace = night("    notices: true\n");
    at(&workspace, "03:30", 0.10);
    round(&workspace, 2);
    assert_eq!(told(&workspace).lines().count(), 1);
}

#[test]
fn a_shared_window_is_for_the_services_it_names() {
    let workspace = shop("", "");
    workspace.write("config/services/other.yaml", SHOP.replace("service: shop\n", "service: other\n"));
    workspace.write(
        "config/irctl.yaml",
        "workspace: rila\nmaintenance:\n  - {reason: weekly, services: [other], \
         window: {weekly: {days: [thursday], from: \"23:00\", to: \"04:00\"}}}\n",
    );
    at(&workspace, "03:00", 0.01);
    let found = round(&workspace, 0);
    let services = found["services"].as_array().unwrap();
    let window =
        |name: &str| services.iter().find(|one| one["service"] == name).unwrap()["maintenance"].clone();
    assert_eq!(window("other")["reason"], "weekly");
    assert!(window("shop").is_null());
}

#[test]
fn what_is_wrong_with_a_window_is_said_in_its_place() {
    let wrong = shop(
        "",
        "maintenance:\n  - {reason: x, window: {once: {from: 2026-11-20T04:00, to: 2026-11-20T03:00}}}\n",
    );
    let said = refused(&wrong);
    assert!(said.contains("before it begins") && said.contains("config/services/shop.yaml:7:"), "{said}");
    let wrong = shop(
        "",
        "maintenance:\n  - {reason: x, timezone: Mars/Base, window: {weekly: {days: [sunday], from: 2pm, to: \"04:00\"}}}\n",
    );
    let said = refused(&wrong);
    assert!(said.contains("`2pm` is not a time") && said.contains("no time zone `Mars/Base`"), "{said}");
    let wrong = shop("", "");
    wrong.write(
        "config/irctl.yaml",
        "workspace: rila\nmaintenance:\n  - {reason: x, services: [shopp], window: {once: {from: 2026-11-20T03:00, to: 2026-11-20T04:00}}}\n",
    );
    let said = refused(&wrong);
    assert!(said.contains("no service `shopp`") && said.contains("did you mean `shop`?"), "{said}");
}

#[test]
fn quiet_rounds_say_that_a_window_begins_and_ends() {
    let workspace = night("");
    at(&workspace, "02:50", 0.01);
    round(&workspace, 0);
    let quiet = |minute: &str| {
        at(&workspace, minute, 0.01);
        workspace.irctl(&["check", "--quiet"]).expect(0).stdout
    };
    assert_eq!(quiet("03:00"), "shop: in maintenance until 2026-11-20 04:00 UTC: retraining\n");
    assert_eq!(quiet("03:30"), "", "said once");
    assert_eq!(quiet("04:00"), "shop: maintenance is over: retraining\n");
    assert_eq!(quiet("04:05"), "");
}
