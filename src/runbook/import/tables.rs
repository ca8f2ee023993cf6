//! Tables: contacts, times, and everything else.

use super::{Builder, slug};
use crate::base::Duration;
use crate::runbook::{ChecklistConfig, Moment, StepConfig, TimelineConfig};

impl Builder {
    pub(super) fn table(&mut self, line: usize, head: &[String], rows: &[Vec<String>]) {
        let has = |words: &[&str]| head.iter().any(|cell| words.contains(&cell.to_lowercase().as_str()));
        if has(&["contact", "contacts"]) || has(&["role"]) && has(&["name", "who", "when to contact"]) {
            return self.contacts(line, rows);
        }
        let times: Vec<Option<Duration>> =
            rows.iter().map(|row| row.first().and_then(|cell| time(cell))).collect();
        if !rows.is_empty() && times.iter().filter(|time| time.is_some()).count() * 2 > rows.len() {
            return self.times(line, rows, &times);
        }
        let text: Vec<String> =
            rows.iter().map(|row| row.join(" | ")).filter(|row| !row.trim().is_empty()).collect();
        if !text.is_empty() {
            self.pending.push(format!("{}: {}", head.join(" | "), text.join("; ")));
        }
    }

    /// Whom to call. Which role of the workspace each is, only a human knows.
    fn contacts(&mut self, line: usize, rows: &[Vec<String>]) {
        let items: Vec<String> =
            rows.iter().map(|row| row.join(": ")).filter(|row| !row.trim().is_empty()).collect();
        if items.is_empty() {
            return;
        }
        let mut name = "contacts".to_owned();
        while self.runbook.checklists.contains_key(&name) {
            name.push_str("-2");
        }
        let list = ChecklistConfig { title: Some("Contacts".to_owned()), at: Moment::After, items };
        self.runbook.checklists.insert(name, list);
        self.note(line, "contacts: name the roles of contacts.yaml under `escalate:`");
    }

    /// What is done by when: a step to tick off for each, expected in time.
    fn times(&mut self, line: usize, rows: &[Vec<String>], times: &[Option<Duration>]) {
        self.flush();
        for (row, time) in rows.iter().zip(times) {
            let text = row.get(1..).unwrap_or_default().join(" | ");
            if text.trim().is_empty() {
                continue;
            }
            let words = slug(&text).unwrap_or_else(|| "time".to_owned());
            let id = self.id(&words);
            if let Some(at) = *time {
                self.runbook.timeline.push(TimelineConfig { at, expect: id.clone(), otherwise: None });
            }
            self.runbook.steps.push(StepConfig {
                id,
                note: Some(super::shortened(&text, 500)),
                ..StepConfig::default()
            });
        }
        self.note(line, "timeline: let it expect the steps that do the work, and say who is called (`else: escalate.NAME`)");
    }
}

/// `T+5 min`, `T+2 hours`.
fn time(cell: &str) -> Option<Duration> {
    let rest = cell.trim().strip_prefix(['T', 't'])?.trim_start().strip_prefix('+')?.trim_start();
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, unit) = rest.split_at(digits);
    let unit = match unit.trim().to_lowercase().as_str() {
        "s" | "sec" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        _ => return None,
    };
    format!("{number}{unit}").parse().ok()
}
