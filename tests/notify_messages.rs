//! What people read: every template in every form, hostile text, and the commands that show it.

mod support;

use irctl::base::clock::parse_instant;
use irctl::notify::template::SHIPPED;
use irctl::notify::{ChannelKind, Composed, Composer, Dispatch, Notice, NotifyConfig, samples};
use std::collections::BTreeMap;
use support::Workspace;

/// Everything that somebody who writes an alert, a file name or a reason might try.
const HOSTILE: &str = "<!channel> <@U1> <https://evil.example.org|ok> & \u{1b}[31mred\u{1b}[0m \u{202e}txt\u{200b} \
                       {{ title }} \"}],\"x\":[{\"\n\nSubject: forged\n* _ `";

fn compose(notice: &Notice, kind: ChannelKind) -> Composed {
    let (config, overrides) = (NotifyConfig::default(), BTreeMap::new());
    let composer = Composer { config: &config, overrides: &overrides };
    let dispatch = Dispatch {
        id: "msg_1",
        queued_at: notice.at,
        sent_at: notice.at,
        witness: Some("14:sha256:9f2b1c4d5e6f708192a3"),
    };
    composer.compose(notice, kind, &dispatch)
}

fn pretty(payload: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(payload).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn every_template_reads_well() {
    for (name, _) in SHIPPED {
        let notice = samples::notice(name);
        let plain = compose(&notice, ChannelKind::Webhook);
        assert_eq!(plain.fallback, None, "{name}");
        let slack = compose(&notice, ChannelKind::Slack).message;
        let text = format!(
            "{}\n\n{}\n\n--- slack\n{}\n",
            plain.message.subject,
            plain.message.body,
            pretty(&slack.payload)
        );
        insta::assert_snapshot!(*name, text);
    }
}

#[test]
fn each_form_of_one_message() {
    let notice = samples::notice("rolled-back");
    let forms = ChannelKind::ALL
        .iter()
        .map(|kind| format!("--- {}\n{}\n", kind.as_str(), pretty(&compose(&notice, *kind).message.payload)));
    insta::assert_snapshot!("forms", forms.collect::<String>());
}

fn hostile(name: &str) -> Notice {
    let mut notice = samples::notice(name);
    notice.service = HOSTILE.to_owned();
    notice.incident = Some(HOSTILE.to_owned());
    notice.level = Some(HOSTILE.to_owned());
    for fact in notice.context.as_object_mut().unwrap().values_mut() {
        *fact = HOSTILE.into();
    }
    notice
}

#[test]
fn hostile_text_is_disarmed_in_every_template_and_form() {
    for (name, _) in SHIPPED {
        for kind in ChannelKind::ALL {
            let composed = compose(&hostile(name), *kind);
            assert_eq!(composed.fallback, None, "{name}");
            let payload = &composed.message.payload;
            let value: serde_json::Value = serde_json::from_str(payload).unwrap();
            assert!(value.get("x").is_none(), "{name}: the JSON keeps its shape");
            assert!(!composed.message.subject.contains('\n'), "{name}");
            assert!(!payload.chars().any(|c| c.is_control()), "{name}: {payload:?}");
            assert!(!payload.contains(['\u{202e}', '\u{200b}']), "{name}: {payload:?}");
            if *kind == ChannelKind::Slack {
                assert!(!payload.contains('<') && !payload.contains('>'), "{name}: {payload}");
            }
        }
    }
}

#[test]
fn hostile_text_as_it_is_shown() {
    let mut notice = samples::notice("rolled-back");
    notice.context["version"] = HOSTILE.into();
    let forms = ChannelKind::ALL
        .iter()
        .map(|kind| format!("--- {}\n{}\n", kind.as_str(), compose(&notice, *kind).message.payload));
    insta::assert_snapshot!("hostile", forms.collect::<String>());
}

#[test]
fn a_long_text_is_cut_for_slack() {
    let mut notice = samples::notice("incident-opened");
    notice.context["reason"] = "&".repeat(20_000).into();
    let payload = compose(&notice, ChannelKind::Slack).message.payload;
    assert!(payload.len() < 4_000, "{}", payload.len());
    assert!(payload.contains("… (cut)"));
}

/// The seed's attachment: the same text, colour and fields.
#[test]
fn protocol_25_has_its_attachment() {
    let payload = compose(&samples::notice("protocol-25-rollback"), ChannelKind::Slack).message.payload;
    let value: serde_json::Value = serde_json::from_str(&payload).unwrap();
    assert_eq!(value["text"], "🔄 Emergency rollback completed for incident INC-20261120-030700");
    assert_eq!(value["attachments"][0]["color"], "warning");
    assert_eq!(
        value["attachments"][0]["fields"],
        serde_json::json!([
            {"title": "Rollback Version", "value": "v41", "short": true},
            {"title": "Environment", "value": "production", "short": true},
            {"title": "Error Rate", "value": "1.2 %", "short": true},
        ])
    );
}

#[test]
fn late_is_said_in_utc() {
    let notice = samples::notice("contained");
    let sent_at = parse_instant("2026-11-20T03:41:00Z").unwrap();
    let (config, overrides) = (NotifyConfig::default(), BTreeMap::new());
    let composer = Composer { config: &config, overrides: &overrides };
    let dispatch = Dispatch { id: "m", queued_at: notice.at, sent_at, witness: None };
    let body = composer.compose(&notice, ChannelKind::Slack, &dispatch).message.body;
    assert!(body.ends_with("\n\n(Late: queued 03:07, sent 03:41 UTC)"), "{body}");
}

/// A workspace with nothing but channels.
fn workspace(notify: &str) -> Workspace {
    let workspace = Workspace::empty();
    workspace.write("config/irctl.yaml", "workspace: rila\n");
    workspace.write("config/notify.yaml", notify);
    workspace
}

const CHANNELS: &str = "
channels:
  sink: {file: {path: outputs/notices.jsonl}}
  oncall: {slack: {url: 'env:SLACK', delivery: {timeout: 1s}}}
  audit:
    webhook:
      url: https://audit.example.org/events
      secret: env:AUDIT_KEY
      headers: {Authorization: 'env:AUDIT_TOKEN'}
routes:
  - {levels: [P0], channels: [sink, oncall, audit]}
default: [sink]
templates:
  rila: {incident-opened/economics: rila-unsafe}
";

#[test]
fn preview_shows_bytes_and_masks_secrets() {
    let workspace = workspace(CHANNELS);
    let variables = [
        ("SLACK", "https://h.example.org/hunter2"),
        ("AUDIT_KEY", "whsec_aHVudGVyMg=="),
        ("AUDIT_TOKEN", "hunter2"),
    ];
    let run = workspace.irctl_with(&variables, &["notify", "preview", "contained"]).expect(0);
    assert!(!run.stdout.contains("hunter2") && !run.stdout.contains("aHVudGVyMg"), "{}", run.stdout);
    insta::assert_snapshot!("preview", run.stdout);
    let json = workspace
        .irctl(&["notify", "preview", "test", "--channel", "sink", "--output", "json"])
        .expect(0)
        .json();
    assert_eq!(json[0]["channel"], "sink");
    workspace.irctl(&["notify", "preview", "nosuch"]).expect(65);
    workspace.irctl(&["notify", "preview"]).expect(64);
}

#[test]
fn test_message_over_a_file_and_over_a_channel_that_cannot_be_reached() {
    let workspace = workspace(CHANNELS);
    let run = workspace.irctl(&["notify", "test", "sink"]).expect(0);
    assert_eq!(run.stdout, "sink: delivered, byte 0\n");
    let line: serde_json::Value = serde_json::from_str(&workspace.read("outputs/notices.jsonl")).unwrap();
    assert_eq!(line["subject"], "irctl test message");
    workspace.irctl(&["notify", "test", "sink"]).expect(0);
    let lines = workspace.read("outputs/notices.jsonl");
    let second: serde_json::Value = serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap();
    workspace.irctl(&["audit", "--witness", second["witness"].as_str().unwrap()]).expect(0);
    let run = workspace
        .irctl_with(&[("SLACK", "http://127.0.0.1:9/hunter2")], &["notify", "test", "oncall"])
        .expect(69);
    assert!(run.stdout.starts_with("oncall: failed, cannot connect: "), "{}", run.stdout);
    assert!(!run.stdout.contains("hunter2") && !run.stdout.contains("127.0.0.1"), "{}", run.stdout);
    let outbox = workspace.irctl(&["notify", "outbox", "--all"]).expect(0).stdout;
    insta::assert_snapshot!("outbox", outbox);
    assert_eq!(
        workspace.irctl(&["notify", "outbox", "--output", "json"]).expect(0).json().as_array().unwrap().len(),
        1
    );
    let run = workspace.irctl(&["notify", "flush"]).expect(0);
    assert_eq!(run.stdout, "Outbox: nothing to deliver.\n");
    let run = workspace.irctl(&["notify", "flush", "--all", "--wait", "0s"]).expect(69);
    assert!(
        run.stdout.starts_with("Outbox: 1 waiting.\n  3 over oncall, queued: the secret `env:SLACK`"),
        "{}",
        run.stdout
    );
}

#[test]
fn explain_says_why() {
    let workspace = workspace(CHANNELS);
    let arguments =
        ["notify", "explain", "--service", "rila_6y20b", "--level", "P1", "--role", "model-owner"];
    insta::assert_snapshot!("explain", workspace.irctl(&arguments).expect(0).stdout);
    let arguments = ["notify", "explain", "--service", "s", "--level", "P0", "--output", "json"];
    let json = workspace.irctl(&arguments).expect(0).json();
    assert_eq!(json["channels"][1]["channel"], "oncall");
}

#[test]
fn own_templates_take_the_place_of_shipped_ones() {
    let workspace = workspace(CHANNELS);
    workspace.write("config/templates/contained.j2", "Subject: {{ title }} angehalten\n\nSeit {{ at }}.\n");
    let run = workspace.irctl(&["notify", "preview", "contained", "--channel", "sink"]).expect(0);
    assert!(run.stdout.contains("\"subject\":\"RILA 6Y20B angehalten\""), "{}", run.stdout);
    workspace.write("config/templates/contained.j2", "Subject: {{ nope }}\n");
    let run = workspace.irctl(&["notify", "preview", "contained", "--channel", "sink"]).expect(0);
    assert!(
        run.stderr.contains("warning: the plain form is used: template contained, Subject"),
        "{}",
        run.stderr
    );
}

#[test]
fn without_certificates_only_https_is_impossible() {
    let workspace = workspace(
        "channels:\n  tls: {webhook: {url: 'https://127.0.0.1:9/x'}}\n  plain: {webhook: {url: 'http://127.0.0.1:9/x'}}\n",
    );
    let none = [("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")];
    let run = workspace.irctl_with(&none, &["notify", "test", "tls"]).expect(69);
    assert!(run.stdout.contains("install the system's certificates"), "{}", run.stdout);
    let run = workspace.irctl_with(&none, &["notify", "test", "plain"]).expect(69);
    assert!(run.stdout.contains("cannot connect: tcp connect error: Connection refused"), "{}", run.stdout);
}
