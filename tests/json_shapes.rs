//! The schemas of what commands print as JSON are in step, and what commands print fits them.

mod support;

use std::collections::BTreeSet;
use support::{Workspace, repository};

/// `docs/schema/output` is what the program prints. `UPDATE_SCHEMA=1` rewrites it.
#[test]
fn committed_output_schemas_are_in_step() {
    let folder = repository().join("docs/schema/output");
    let table = std::fs::read_to_string(repository().join("docs/json.md")).unwrap();
    for (name, schema) in irctl::cli::shapes() {
        let path = folder.join(format!("{name}.json"));
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        assert!(table.contains(&format!("schema/output/{name}.json")), "docs/json.md does not name {name}");
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, text).unwrap();
        } else {
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(committed == text, "{} is out of step: UPDATE_SCHEMA=1", path.display());
        }
    }
}

/// Every field that a command prints is described, and every field that must be there is.
#[test]
fn commands_print_what_their_schemas_say() {
    let workspace = Workspace::variant("mape-two-weeks");
    workspace.irctl(&["check"]).expect(2);
    let rolled = workspace.irctl(&["rollback", "--to", "prev", "--yes", "--output", "json"]).expect(0).json();
    let mut printed = vec![("rollback", rolled)];
    for (name, arguments) in [
        ("irctl", &[][..]),
        ("check", &["check"]),
        ("classify", &["classify", "--metric", "error_rate=0.6"]),
        ("contain", &["contain"]),
        ("contain", &["release"]),
        ("rollback-status", &["rollback", "status"]),
        ("rollback-history", &["rollback", "history"]),
        ("rollback-versions", &["rollback", "versions"]),
        ("rollback-dry-run", &["rollback", "--to", "prev", "--dry-run"]),
        ("snapshot", &["snapshot"]),
        ("snapshot", &["snapshot", "--name", "again"]),
        ("snapshot-check", &["snapshot", "--check"]),
        ("snapshot-list", &["snapshot", "list"]),
        ("snapshot-show", &["snapshot", "show"]),
        ("snapshot-verify", &["snapshot", "verify"]),
        ("snapshot-remove", &["snapshot", "remove", "again", "--yes"]),
        ("drill", &["drill"]),
        ("drill-list", &["drill", "list"]),
        ("rollback-quarantine", &["rollback", "quarantine", "backup_2026-08-03", "--reason", "old features"]),
        ("verify", &["verify"]),
        ("incident", &["incident", "show"]),
        ("incident-timeline", &["incident", "timeline"]),
        ("notify-outbox", &["notify", "outbox", "--all"]),
        ("notify-preview", &["notify", "preview", "rolled-back"]),
        ("notify-flush", &["notify", "flush"]),
        ("notify-explain", &["notify", "explain", "--service", "rila_6y20b"]),
        ("postmortem", &["postmortem", "draft"]),
        ("report-incident", &["report", "incident"]),
        ("report-incident-log", &["report", "incident-log"]),
        ("report-rollback-history", &["report", "rollback-history"]),
        ("report-decision-log", &["report", "decision-log"]),
        ("report-metrics", &["report", "metrics"]),
    ] {
        printed.push((name, workspace.irctl(&[arguments, &["--output", "json"]].concat()).json()));
    }
    let shapes = irctl::cli::shapes();
    for (name, value) in printed {
        let (_, schema) = shapes.iter().find(|(known, _)| *known == name).unwrap();
        let schema = schema.as_value();
        let (shape, value) = match schema.get("items").filter(|_| value.is_array()) {
            Some(items) => (resolved(schema, items), value[0].clone()),
            None => (schema, value),
        };
        let own: BTreeSet<_> = shape["properties"].as_object().unwrap().keys().cloned().collect();
        let found: BTreeSet<_> =
            value.as_object().unwrap_or_else(|| panic!("{name}: {value}")).keys().cloned().collect();
        assert!(found.is_subset(&own), "{name}: {:?}", found.difference(&own));
        let required = shape["required"].as_array().into_iter().flatten();
        for field in required.filter_map(|field| field.as_str()) {
            assert!(found.contains(field), "{name}: {field} is missing");
        }
    }
}

fn resolved<'a>(schema: &'a serde_json::Value, items: &'a serde_json::Value) -> &'a serde_json::Value {
    match items["$ref"].as_str() {
        Some(reference) => schema.pointer(reference.trim_start_matches('#')).unwrap(),
        None => items,
    }
}
