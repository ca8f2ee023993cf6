//! `irctl classify --replay --rules FILE`: the past under other rules.

use chrono::{DateTime, Utc};
use std::fmt::Write as _;

use super::Context;
use super::output::Tone;
use crate::base::Result;
use crate::base::clock::format_minute;
use crate::base::error::exit;
use crate::check::replay::{self, Deadline, Kept, Replay, ReplayedIncident};
use crate::config::alone;
use crate::incident::Standing;

/// Replays and shows what would have been different.
pub(super) fn run(
    rules: &str,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    context: &Context,
) -> Result<u8> {
    let scheme = alone::scheme_file(&context.directory.join(rules), rules)?;
    let workspace = context.workspace()?;
    let found = replay::replay(workspace, &*context.store()?, &scheme, from, to)?;
    if context.out.is_json() {
        context.out.json(&found)?;
    } else {
        context.out.text(&text(&found, context))?;
    }
    Ok(exit::OK)
}

fn text(found: &Replay, context: &Context) -> String {
    let mut text = String::new();
    let from = found.from.map(|from| format!("from {} ", format_minute(from))).unwrap_or_default();
    let count = found.incidents.len();
    let _ = writeln!(
        text,
        "scheme {}, {from}until {}: {} and {} judged again",
        found.scheme,
        format_minute(found.to),
        counted(found.rounds, "round"),
        counted(found.incidents.len() as u64, "incident"),
    );
    for incident in &found.incidents {
        one(&mut text, incident, context);
    }
    for opened in &found.would_open {
        let _ = writeln!(
            text,
            "\n{} {} {}: {} from {} to {}",
            context.out.tone(Tone::Warning, "would have been an incident:"),
            opened.service,
            opened.symptom,
            opened.level,
            format_minute(opened.first),
            format_minute(opened.last)
        );
        for rule in &opened.rules {
            let _ = writeln!(text, "  {}  {}", rule.rule, rule.reason);
        }
        let _ = writeln!(text, "  would tell  {}", people(&opened.would_tell));
    }
    if !found.not_replayed.is_empty() {
        let _ = writeln!(text, "\n{}", context.out.tone(Tone::Strong, "cannot be replayed"));
        for not in &found.not_replayed {
            let _ = writeln!(text, "  {}  {}", not.subject, not.reason);
        }
    }
    if found.other_schemes > 0 {
        let others = counted(found.other_schemes as u64, "incident");
        let _ = writeln!(text, "\n{others} of other schemes left aside");
    }
    let changed = found.incidents.iter().filter(|incident| incident.changes).count();
    let _ = writeln!(
        text,
        "\n{changed} of {count} incidents change level, {} would be new, {} cannot be replayed",
        found.would_open.len(),
        found.not_replayed.len()
    );
    text
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn one(text: &mut String, incident: &ReplayedIncident, context: &Context) {
    let would_be = match (&incident.would_be, incident.at_least) {
        (Some(level), true) => format!("at least {level}"),
        (Some(level), false) => level.clone(),
        (None, true) => "not decided".to_owned(),
        (None, false) => "no incident".to_owned(),
    };
    let change = if incident.changes {
        context.out.tone(Tone::Warning, &format!("{} → {would_be}", incident.was))
    } else {
        format!("{} as before", incident.was)
    };
    let _ = writeln!(
        text,
        "\n{}  {} {}  {change}",
        context.out.tone(Tone::Strong, &incident.incident),
        incident.service,
        incident.symptom
    );
    for rule in &incident.rules {
        let _ = writeln!(text, "  {}  {}", rule.rule, rule.reason);
    }
    for deadline in &incident.deadlines {
        if let Some(line) = deadline_line(deadline) {
            let _ = writeln!(text, "  {line}");
        }
    }
    if incident.told != incident.would_tell {
        let _ = writeln!(text, "  told        {}", people(&incident.told));
        let _ = writeln!(text, "  would tell  {}", people(&incident.would_tell));
    }
    if let Some(doubt) = &incident.doubt {
        let _ = writeln!(text, "  doubt: {doubt}");
    }
}

/// A deadline that came out differently, or that is missed either way.
fn deadline_line(deadline: &Deadline) -> Option<String> {
    let said = |kept: &Option<Kept>| match kept {
        None => "not promised".to_owned(),
        Some(kept) => {
            let word = match kept.standing {
                Standing::Met => "kept",
                Standing::Missed => "missed",
                Standing::Pending => "still open",
            };
            format!("{word} (due {})", format_minute(kept.due))
        }
    };
    let same = match (&deadline.was, &deadline.would_be) {
        (Some(was), Some(would_be)) => was.standing == would_be.standing && was.standing != Standing::Missed,
        (None, None) => true,
        _ => false,
    };
    let promise = deadline.promise.as_str();
    (!same).then(|| format!("{promise:<11} {} → {}", said(&deadline.was), said(&deadline.would_be)))
}

fn people(roles: &[String]) -> String {
    if roles.is_empty() { "nobody by role".to_owned() } else { roles.join(", ") }
}
