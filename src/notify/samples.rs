//! Example notices: what a template is previewed and checked with.

use chrono::DateTime;
use serde_json::json;

use super::message::{self, Composer};
use super::notice::Notice;
use super::template;
use crate::base::Result;
use crate::base::untrusted::Sink;

/// An example of the notice that `template` says, with the facts that irctl knows then.
pub fn notice(template: &str) -> Notice {
    let service = match template {
        "acis-rollback" => "growth_largecap",
        "protocol-25-rollback" => "model-serving",
        "phases-initial-alert" | "phases-rollback-complete" => "phase-4",
        _ => "rila_6y20b",
    };
    let at = DateTime::from_timestamp(1_795_144_020, 0).unwrap_or_default();
    let mut notice = Notice::new(template, service, at);
    notice.incident = Some("INC-20261120-030700".to_owned());
    notice.level = Some(if template.starts_with("phases-") { "CRITICAL" } else { "P0" }.to_owned());
    notice.symptom = Some("accuracy".to_owned());
    notice.audience = vec!["model-owner".to_owned()];
    notice.context = json!({
        "title": match service { "rila_6y20b" => "RILA 6Y20B", "phase-4" => "Phase 4", other => other },
        "environment": "production",
    });
    let facts = match template {
        "incident-raised" => {
            json!({"previous_level": "P1", "reason": "weekly MAPE is 31 %, over 25 % for 2 weeks"})
        }
        "contained" => json!({"proof": "config/rollout.yml says rollout.mode: disabled"}),
        "rollback-started" => json!({"version": "backup_2026-09-28", "operation": "OP-20261120-031000"}),
        "rolled-back" => json!({
            "version": "backup_2026-09-28", "duration": "340 ms", "verification": "rila-smoke: OK, 6 of 6",
            "proof": "health.json serves sha256:3f2a…",
        }),
        "rila-rolled-back" | "phases-rollback-complete" => json!({"version": "backup_2026-09-28"}),
        "protocol-25-rollback" => json!({"version": "v41", "error_rate": "1.2 %"}),
        "rollback-halted" => json!({"reason": "the disk is full", "contained": "yes"}),
        "released" => json!({"version": "backup_2026-09-28", "watch": "2026-11-20 03:40 UTC"}),
        "incident-resolved" => json!({"duration": "33 min", "reason": "weekly MAPE is 12 %"}),
        "rila-previous-week" => json!({"reason": "15 days stale", "predictions_date": "2026-11-13"}),
        "test" => json!({"channel": "oncall"}),
        _ => {
            json!({"summary": "MAPE over 25 % for 2 weeks", "reason": "weekly MAPE is 31 %, over 25 % for 2 weeks"})
        }
    };
    if let (Some(context), serde_json::Value::Object(facts)) = (notice.context.as_object_mut(), facts) {
        context.extend(facts);
    }
    notice
}

/// Renders a template with its example: an unknown name, a wrong header or a missing fact is the error.
pub fn check(composer: &Composer<'_>, name: &str) -> Result<()> {
    let source = composer.source(name)?;
    template::render(name, source, &message::facts(&notice(name)), Sink::Plain).map(|_| ())
}
