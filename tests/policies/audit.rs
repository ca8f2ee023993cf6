//! The audit event of a rollback: sent once, tried again, and no part of the rollback itself.

use super::support::http::Server;
use super::{desk, incident, night, round, verified};

const ENV: &[(&str, &str)] =
    &[("AUDIT_TOKEN", "Bearer hunter2hunter2"), ("AUDIT_KEY", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];

fn configured(server: &str) -> super::support::Workspace {
    let workspace = night("");
    let text = format!(
        "{}\naudit:\n  url: {server}/api/events\n  headers: {{authorization: \"env:AUDIT_TOKEN\"}}\n  secret: env:AUDIT_KEY\n  \
         environment: staging\n  delivery: {{timeout: 2s, backoff: {{first: 1h, longest: 1h}}}}\n",
        workspace.read("config/irctl.yaml")
    );
    workspace.write("config/irctl.yaml", text);
    workspace.irctl(&["config", "check"]).expect(0);
    verified(&workspace);
    workspace
}

#[test]
fn an_audit_service_that_fails_first_learns_of_it_later() {
    let server = Server::start(|_, number| (if number == 0 { 503 } else { 200 }, String::new()));
    let workspace = configured(&server.url());
    desk(&workspace, &[("parity", 2.0)]);
    workspace.irctl_with(ENV, &["check"]).expect(2);
    let id = incident(&workspace);
    let back = workspace
        .irctl_with(ENV, &["rollback", "--to", "prev", "--yes", "--output", "json"])
        .expect(0)
        .json();
    let outbox = workspace.irctl(&["notify", "outbox", "--output", "json"]).expect(0).json();
    let row = outbox.as_array().unwrap().iter().find(|row| row["channel"] == "audit-service").unwrap();
    assert_eq!(
        (row["state"].as_str(), row["last_error"].as_str()),
        (Some("queued"), Some("HTTP 503")),
        "{row}"
    );
    desk(&workspace, &[]);
    workspace.set_clock("2026-11-20T05:00:00Z");
    workspace.irctl_with(ENV, &["check"]);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    let body: serde_json::Value = serde_json::from_str(&requests[1].body).unwrap();
    let expected = serde_json::json!({
        "event_type": "model_rollback", "incident_id": id, "rollback_version": back["to"]["name"],
        "timestamp": "2026-11-20T03:07:00Z", "environment": "staging",
    });
    let mut shown = body.clone();
    // When it ended, to the second: the operation itself takes some milliseconds of the frozen clock.
    let ended = shown["timestamp"].as_str().unwrap().to_owned();
    assert!(ended.starts_with("2026-11-20T03:07:0"), "{ended}");
    shown["timestamp"] = expected["timestamp"].clone();
    assert_eq!(shown, expected);
    let of = |name: &str| [requests[0].header(name), requests[1].header(name)];
    assert_eq!(of("webhook-id")[0], of("webhook-id")[1], "the same event, so that a receiver can tell");
    assert_eq!(of("authorization"), [Some("Bearer hunter2hunter2"); 2]);
    assert!(of("webhook-signature")[1].unwrap().starts_with("v1,"));
    let all = workspace.irctl(&["notify", "outbox", "--all"]).expect(0).stdout;
    assert!(all.contains("audit-service") && !all.contains("hunter2"), "{all}");
    workspace.set_clock("2026-11-20T06:00:00Z");
    workspace.irctl_with(ENV, &["check"]);
    assert_eq!(server.requests().len(), 2, "once is enough");
}

#[test]
fn no_audit_service_keeps_nobody_from_rolling_back() {
    let gone = Server::start(|_, _| (200, String::new())).url();
    let workspace = configured(&gone);
    // Not even the secret is there.
    workspace.irctl(&["rollback", "--to", "prev", "--yes"]).expect(0);
    let outbox = workspace.irctl(&["notify", "outbox"]).expect(0).stdout;
    assert!(outbox.contains("audit-service"), "{outbox}");
    let plain = night("");
    plain.irctl(&["rollback", "--to", "prev", "--yes"]).expect(0);
    assert!(!plain.irctl(&["notify", "outbox", "--all"]).expect(0).stdout.contains("audit-service"));
}

#[test]
fn a_rollback_by_a_round_is_audited_too() {
    let server = Server::start(|_, _| (202, String::new()));
    let workspace = configured(&server.url());
    let text = workspace.read("config/services/scalper.yaml");
    let policy = "  auto: {triggers: [{reason: onnx_parity_fail, when: onnx_parity_failures > 0}]}\n";
    workspace.write("config/services/scalper.yaml", format!("{text}{policy}"));
    desk(&workspace, &[("parity", 2.0)]);
    workspace.irctl_with(ENV, &["check"]).expect(0);
    assert_eq!(server.requests().len(), 1);
    assert!(server.requests()[0].body.contains(&incident(&workspace)));
    workspace.set_clock("2026-11-20T03:22:00Z");
    desk(&workspace, &[]);
    round(&workspace, 0);
    assert_eq!(server.requests().len(), 1);
}
