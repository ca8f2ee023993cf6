//! A classification for people: the level, why, what missed by how much, what is open, and what to do first.

use std::fmt::Write as _;

use super::output::{Output, Tone};
use crate::base::Untrusted;
use crate::severity::{Alert, Classification, LevelConfig, Outcome, PostmortemKind, RuleResult, Scheme};

/// Writes classifications by one scheme as text.
pub(super) struct Renderer<'a> {
    pub(super) scheme: &'a Scheme,
    pub(super) out: &'a Output,
}

impl Renderer<'_> {
    pub(super) fn render(&self, alert: &Alert, classification: &Classification) -> String {
        let mut text = String::new();
        self.heading(&mut text, alert, classification);
        let level = classification.level.as_deref();
        let decides = |rule: &&RuleResult| Some(rule.level.as_str()) == level;
        let matched: Vec<_> = classification.with(Outcome::Matched).collect();
        let (why, also): (Vec<_>, Vec<_>) = matched.into_iter().partition(decides);
        self.section(&mut text, "why", &why);
        self.section(&mut text, "also matched", &also);
        self.section(&mut text, "undecided", &classification.with(Outcome::Undecided).collect::<Vec<_>>());
        self.section(&mut text, "warming", &classification.with(Outcome::Warming).collect::<Vec<_>>());
        self.section(&mut text, "missed", &classification.with(Outcome::Missed).collect::<Vec<_>>());
        unreported(&mut text, classification);
        unknown(&mut text, classification);
        // A level that nothing matched asks for nothing.
        if let Some(first) = why.first() {
            self.response(&mut text, first);
        }
        text
    }

    fn heading(&self, text: &mut String, alert: &Alert, classification: &Classification) {
        let name = match &classification.level {
            Some(level) => {
                let name = self.scheme.level(level).map_or("", |level| level.name.as_str());
                format!("{level} {name}")
            }
            None if classification.at_least => "not decided".to_owned(),
            None => "no level".to_owned(),
        };
        let decided = classification.level.is_some();
        let at_least = if classification.at_least && decided { "at least " } else { "" };
        let head = self.out.tone(Tone::Strong, &format!("{at_least}{name}"));
        let _ = write!(text, "{head}  {}", self.out.verdict(classification.verdict));
        if let Some(alert_name) = &alert.alert_name {
            let _ = write!(text, "  {alert_name}");
        }
        let _ = writeln!(text, "  (scheme {})", classification.scheme);
        if let Some(description) = alert.description.as_ref().filter(|text| !text.raw().trim().is_empty()) {
            let _ = writeln!(text, "  {description}");
        }
        if !alert.affected_services.is_empty() {
            let services: Vec<String> = alert.affected_services.iter().map(Untrusted::to_string).collect();
            let _ = writeln!(text, "  affects {}", services.join(", "));
        }
    }

    fn section(&self, text: &mut String, title: &str, rules: &[&RuleResult]) {
        if rules.is_empty() {
            return;
        }
        let _ = writeln!(text, "{}", self.out.tone(Tone::Strong, title));
        let width = rules.iter().map(|rule| rule.rule.chars().count()).max().unwrap_or(0);
        for rule in rules {
            let reason = Untrusted::new(&rule.reason);
            let _ = writeln!(text, "  {} {:width$}  {reason}", rule.level, rule.rule);
        }
    }

    /// What the level asks for.
    fn response(&self, text: &mut String, first: &RuleResult) {
        let Some(level) = self.scheme.level(&first.level) else { return };
        let mut line = |title: &str, value: &str| {
            let _ = writeln!(text, "{:<13} {value}", title);
        };
        if let Some(action) = first.first_action.as_ref().or(level.action.as_ref()) {
            line("first action", action);
        }
        if let Some(runbook) = &first.runbook {
            line("runbook", runbook);
        }
        let times = times(level);
        if !times.is_empty() {
            line("times", &times);
        }
        if let Some(escalation) = &level.escalation {
            line("escalation", escalation);
        }
        if let Some(communication) = &level.communication {
            line("tell", communication);
        }
        if let Some(postmortem) = self.scheme.postmortem(Some(&first.rule), &first.level) {
            let kind = match postmortem.kind {
                PostmortemKind::Full => "full",
                PostmortemKind::Brief => "brief",
                PostmortemKind::None => "none",
            };
            let due =
                postmortem.due.map(|due| format!(", due {due} after it is resolved")).unwrap_or_default();
            line("postmortem", &format!("{kind}{due}"));
        }
    }
}

fn times(level: &LevelConfig) -> String {
    let times = [
        ("acknowledge within", level.acknowledge),
        ("respond within", level.respond),
        ("mitigate within", level.mitigate),
        ("resolve within", level.resolve),
        ("notify within", level.notify_within),
        ("update every", level.update_every),
    ];
    let shown: Vec<String> =
        times.iter().filter_map(|(what, time)| time.map(|time| format!("{what} {time}"))).collect();
    shown.join(", ")
}

fn unreported(text: &mut String, classification: &Classification) {
    let rules: Vec<&str> = classification.with(Outcome::Unreported).map(|rule| rule.rule.as_str()).collect();
    if !rules.is_empty() {
        let _ = writeln!(text, "not reported: {}", rules.join(", "));
    }
}

fn unknown(text: &mut String, classification: &Classification) {
    for unknown in &classification.unknown_metrics {
        let _ = write!(text, "unknown metric {}", unknown.metric);
        let _ = match &unknown.did_you_mean {
            Some(name) => writeln!(text, ": did you mean {name}?"),
            None => writeln!(text, ": the scheme {} does not know it", classification.scheme),
        };
    }
}
