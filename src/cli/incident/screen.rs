//! An incident as text, for somebody half asleep: harm, who is acting, why, what is due, the next command.

use chrono::{DateTime, Utc};

use crate::base::Verdict;
use crate::base::clock::{Elapsed, format_near};
use crate::base::untrusted::{Sink, escape};
use crate::cli::output::Tone;
use crate::incident::deadlines::{Promise, Standing};
use crate::incident::timeline::{Line, note_word};
use crate::incident::{Incident, State};
use crate::store::Actor;

/// The columns of a list of incidents.
pub const HEADERS: &[&str] = &["INCIDENT", "LEVEL", "STATE", "SERVICE", "SYMPTOM", "AGE", "ACTING", "TITLE"];

/// The columns of a timeline.
pub const TIMELINE_HEADERS: &[&str] = &["TIME (UTC)", "EVENT", "WHO", "WHAT"];

/// A line of a list of incidents.
pub fn row(incident: &Incident, now: DateTime<Utc>) -> Vec<String> {
    vec![
        incident.id.clone(),
        level(incident),
        incident.state.as_str().to_owned(),
        terminal(&incident.service),
        terminal(&incident.symptom),
        Elapsed(incident.duration(now)).to_string(),
        acting(incident),
        incident.title.to_string(),
    ]
}

/// A line of a timeline.
pub fn timeline_row(line: &Line) -> Vec<String> {
    vec![
        line.at.format("%Y-%m-%d %H:%M:%S").to_string(),
        format!("#{}", line.sequence),
        line.by.to_string(),
        line.text.to_string(),
    ]
}

/// The commands to type next, the most urgent first. `way` names the service for `irctl rollback`, where it can
/// be rolled back.
pub fn next_commands(incident: &Incident, way: Option<&str>) -> Vec<String> {
    let id = &incident.id;
    let mut commands = Vec::new();
    let working = matches!(incident.state, State::Triage | State::Active);
    // Only what is critical is contained and rolled back: late data or a single bad week is none of the model's doing.
    let critical = incident.level.verdict == Verdict::Crit;
    if let Some(way) = way.filter(|_| working && critical) {
        if incident.contained.is_none() {
            commands.push(format!("irctl contain {way}"));
        }
        commands.push(format!("irctl rollback {way} --to prev"));
    }
    if incident.is_open() && incident.acknowledged.is_none() {
        commands.push(format!("irctl incident ack {id}"));
    }
    match incident.state {
        State::Triage | State::Active if way.is_none() => {
            commands.push(format!("irctl incident mitigate {id} --reason …"));
        }
        State::Mitigated => commands.push(format!("irctl incident resolve {id} --reason …")),
        State::Resolved => commands.push(format!("irctl postmortem draft {id}")),
        State::Merged => {
            commands.extend(incident.merged_into.iter().map(|into| format!("irctl incident show {into}")))
        }
        _ => {}
    }
    commands
}

/// The level as it is shown: `P0`, or `≥ P2` where a worse one could not be ruled out.
pub fn level(incident: &Incident) -> String {
    let unsure = incident.at_least && incident.levels.is_empty();
    format!("{}{}", if unsure { "≥ " } else { "" }, terminal(&incident.level.name))
}

/// Who is acting.
pub fn acting(incident: &Incident) -> String {
    let mut people: Vec<String> = Vec::new();
    if let Some(Actor::Human(name)) = incident.acknowledged.as_ref().map(|moment| &moment.by) {
        people.push(terminal(name));
    }
    for person in incident.roles.values().map(ToString::to_string) {
        if !people.contains(&person) {
            people.push(person);
        }
    }
    if people.is_empty() { "nobody".to_owned() } else { people.join(", ") }
}

fn terminal(text: &str) -> String {
    escape(text, Sink::Terminal)
}

/// A time as it is shown: the day only where it is another one.
pub fn time(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format_near(at, now)
}

/// The width of the labels.
const LABEL: usize = 12;

/// A page: the instant it speaks of, how wide it is, and how tones look.
pub struct Page<'a> {
    /// The instant.
    pub now: DateTime<Utc>,
    /// How many columns there are.
    pub width: usize,
    /// Text in a tone.
    pub tone: &'a dyn Fn(Tone, &str) -> String,
}

impl Page<'_> {
    /// The page of one incident.
    pub fn incident(&self, incident: &Incident, promises: &[Promise], next: &[String]) -> String {
        let mut out = self.head(incident);
        self.add(&mut out, "harm", &[self.harm(incident)]);
        self.add(&mut out, "acting", &[self.acting(incident)]);
        let why: Vec<_> =
            incident.rules.iter().map(|rule| format!("{}: {}", terminal(&rule.id), rule.reason)).collect();
        self.add(&mut out, "why", &why);
        self.add(&mut out, "", &non_empty(&incident.description.to_string()));
        let values: Vec<_> = incident
            .metrics
            .iter()
            .map(|(name, reading)| format!("{} {}", terminal(name), reading.show()))
            .collect();
        self.add(&mut out, "values", &non_empty(&values.join(" · ")));
        let others: Vec<String> = incident
            .affected_services
            .iter()
            .filter(|name| name.raw() != incident.service)
            .map(ToString::to_string)
            .collect();
        self.add(&mut out, "affects", &non_empty(&others.join(", ")));
        self.add(&mut out, "levels", &self.levels(incident));
        self.add(&mut out, "first", &first_action(incident));
        self.add(
            &mut out,
            "runbook",
            &incident.runbook.iter().map(|name| terminal(name)).collect::<Vec<_>>(),
        );
        self.add(&mut out, "opened", &[self.opened(incident)]);
        let promised: Vec<_> = promises.iter().map(|promise| self.promise(promise)).collect();
        self.add(&mut out, "promised", &promised);
        self.add(&mut out, "operations", &non_empty(&terminal(&incident.operations.join(", "))));
        self.add(&mut out, "notes", &self.notes(incident));
        self.add(&mut out, "over", &self.over(incident));
        let odd: Vec<_> = incident
            .irregularities
            .iter()
            .map(|found| format!("event #{}: {}", found.sequence, terminal(&found.problem)))
            .collect();
        self.add(&mut out, "odd", &odd);
        if !next.is_empty() {
            out.push('\n');
        }
        for (position, command) in next.iter().enumerate() {
            let label = if position == 0 { "next" } else { "then" };
            out.push_str(&format!("{label:<LABEL$}{}\n", (self.tone)(Tone::Strong, command)));
        }
        out
    }

    fn head(&self, incident: &Incident) -> String {
        let bad = if incident.is_open() { Tone::Bad } else { Tone::Faint };
        format!(
            "{}  {}  {}  {} / {}\n{}\n\n",
            (self.tone)(Tone::Strong, &incident.id),
            (self.tone)(bad, &level(incident)),
            incident.state,
            terminal(&incident.service),
            terminal(&incident.symptom),
            self.wrap(&incident.title.to_string(), 0).join("\n"),
        )
    }

    fn harm(&self, incident: &Incident) -> String {
        match (&incident.contained, &incident.mitigated, incident.state) {
            (Some(since), ..) => {
                let since = format!("contained since {} (#{})", time(since.at, self.now), since.sequence);
                (self.tone)(Tone::Good, &since)
            }
            (None, Some(since), _) if incident.state != State::Active => {
                format!("ended {} (#{})", time(since.at, self.now), since.sequence)
            }
            (None, _, state) if state.is_open() => (self.tone)(Tone::Bad, "NOT contained"),
            _ => "over".to_owned(),
        }
    }

    fn acting(&self, incident: &Incident) -> String {
        let mut parts = Vec::new();
        match &incident.acknowledged {
            Some(moment) => {
                parts.push(format!("{}, acknowledged {}", moment.by, time(moment.at, self.now)));
            }
            None if incident.is_open() => {
                parts.push((self.tone)(Tone::Warning, "nobody has acknowledged"));
            }
            None => parts.push("nobody acknowledged".to_owned()),
        }
        parts.extend(incident.roles.iter().map(|(role, person)| format!("{}: {person}", terminal(role))));
        parts.join(" · ")
    }

    fn opened(&self, incident: &Incident) -> String {
        let ago = self.now - incident.opened_at;
        let ago =
            if ago.num_seconds() == 0 { "just now".to_owned() } else { format!("{} ago", Elapsed(ago)) };
        let mut text = format!("{}, {ago}, by {}", time(incident.opened_at, self.now), incident.opened.by);
        if let Some(detected) = incident.detected_at {
            text.push_str(&format!("; noticed {}", time(detected, self.now)));
        }
        if incident.episode > 1 {
            text.push_str(&format!(
                "; episode {} since {}",
                incident.episode,
                time(incident.episode_at, self.now)
            ));
        }
        text
    }

    fn levels(&self, incident: &Incident) -> Vec<String> {
        let show = |step: &crate::incident::state::LevelStep| {
            let (from, to) = (terminal(&step.from), terminal(&step.to));
            format!(
                "{from} → {to} {} (#{}): {}",
                time(step.moment.at, self.now),
                step.moment.sequence,
                step.reason
            )
        };
        incident.levels.iter().map(show).collect()
    }

    fn promise(&self, promise: &Promise) -> String {
        let due = format!("{} by {}", promise.kind.as_str(), time(promise.due, self.now));
        match (&promise.done, promise.standing) {
            (Some(done), Standing::Met) => format!("{due}: met {}", time(done.at, self.now)),
            (Some(done), _) => {
                let late = Elapsed(done.at - promise.due);
                let missed = format!("missed, done {late} late at {}", time(done.at, self.now));
                format!("{due}: {}", (self.tone)(Tone::Warning, &missed))
            }
            (None, Standing::Missed) => {
                let over = format!("MISSED, {} over", Elapsed(self.now - promise.due));
                format!("{due}: {}", (self.tone)(Tone::Bad, &over))
            }
            (None, _) => format!("{due}: {} left", Elapsed(promise.left(self.now))),
        }
    }

    fn notes(&self, incident: &Incident) -> Vec<String> {
        let show = |note: &crate::incident::state::Note| {
            let moment = &note.moment;
            let mark = if note.corrected.is_some() { " (corrected)" } else { "" };
            let (at, word) = (time(moment.at, self.now), note_word(note.note.kind).to_lowercase());
            let text = format!("#{} {at} {} {word}{mark}: {}", moment.sequence, moment.by, note.text());
            let owner = note.note.owner.iter().map(ToString::to_string);
            let due = note.note.due.iter().map(|due| format!("due {}", due.format("%Y-%m-%d")));
            let more: Vec<_> = owner.chain(due).collect();
            if more.is_empty() { text } else { format!("{text} ({})", more.join(", ")) }
        };
        incident.notes.iter().map(show).collect()
    }

    fn over(&self, incident: &Incident) -> Vec<String> {
        let mut lines = Vec::new();
        let because = incident.resolution.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        if let Some(moment) = &incident.resolved {
            lines.push(format!("resolved {} by {}{because}", time(moment.at, self.now), moment.by));
        } else if incident.state == State::Cancelled {
            lines.push(format!("cancelled{because}"));
        }
        if let Some(into) = &incident.merged_into {
            lines.push(format!("merged into {into}"));
        }
        if let Some(moment) = &incident.closed {
            lines.push(format!("closed {} by {}", time(moment.at, self.now), moment.by));
        }
        lines
    }

    /// Adds lines under a label, wrapped to the width.
    fn add(&self, out: &mut String, label: &str, entries: &[String]) {
        let mut label = label;
        for line in entries.iter().flat_map(|entry| self.wrap(entry, LABEL)) {
            let padded = format!("{label:<LABEL$}");
            out.push_str(&(self.tone)(Tone::Faint, &padded));
            out.push_str(&line);
            out.push('\n');
            label = "";
        }
    }

    /// Breaks a text between words; a word longer than a line stands alone.
    fn wrap(&self, text: &str, indent: usize) -> Vec<String> {
        let width = self.width.saturating_sub(indent).max(20);
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            match lines.last_mut() {
                Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        lines
    }
}

/// What to do first is of use only until it is done.
fn first_action(incident: &Incident) -> Vec<String> {
    let working = matches!(incident.state, State::Triage | State::Active);
    incident.first_action.iter().filter(|_| working).map(ToString::to_string).collect()
}

fn non_empty(text: &str) -> Vec<String> {
    if text.trim().is_empty() { Vec::new() } else { vec![text.to_owned()] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::deadlines::promises;
    use crate::incident::fixtures::{at, night};
    use crate::incident::fold;

    fn page(events: usize, minutes: i64, width: usize) -> String {
        let incident = fold(&night()[..events]).unwrap();
        let tone =
            |tone: Tone, text: &str| if tone == Tone::Bad { format!("!{text}!") } else { text.to_owned() };
        let page = Page { now: at(minutes), width, tone: &tone };
        let next = next_commands(&incident, Some("--model rila_6y20b"));
        page.incident(&incident, &promises(&incident, at(minutes)), &next)
    }

    #[test]
    fn contained_and_nobody_there_yet() {
        insta::assert_snapshot!(page(4, 5, 80));
    }

    #[test]
    fn the_promises_are_running_out() {
        insta::assert_snapshot!(page(1, 20, 80));
    }

    #[test]
    fn written_about_the_next_day() {
        insta::assert_snapshot!(page(14, 2000, 110));
    }
}
