//! From events to a postmortem. Nothing is invented: what no event tells becomes a question.

use chrono::{DateTime, TimeDelta, Utc};

use super::document::{Document, Due, Field, Item, TimelineRow};
use super::story::story;
use super::{impact, prevention, resolution};
use crate::base::clock::Elapsed;
use crate::incident::deadlines::{Promise, Standing, detection_time, promises};
use crate::incident::event::{IncidentEvent, NoteKind};
use crate::incident::{Incident, State, fold};
use crate::store::{Actor, Event};

/// What the draft is told besides the incident's events.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The instant of drafting.
    pub now: DateTime<Utc>,
    /// Other incidents that may be related.
    pub related: Vec<Incident>,
}

/// Everything that a section is written from.
pub(super) struct Source<'a> {
    pub events: &'a [Event],
    pub incident: &'a Incident,
    pub promises: Vec<Promise>,
    pub now: DateTime<Utc>,
}

impl Source<'_> {
    /// The notes of a kind, or a question that such a note answers.
    pub fn notes_or(&self, kind: NoteKind, word: &str, question: &str) -> Vec<Item> {
        let notes: Vec<_> = self.incident.notes_of(kind).map(Item::note).collect();
        if notes.is_empty() { vec![self.ask(word, question)] } else { notes }
    }

    /// The notes of a kind as one item, or a question that such a note answers.
    pub fn note_or(&self, kind: NoteKind, word: &str, question: &str) -> Item {
        let notes: Vec<_> = self.incident.notes_of(kind).collect();
        if notes.is_empty() {
            return self.ask(word, question);
        }
        let text: Vec<_> = notes.iter().map(|note| note.text().raw()).collect();
        Item::told(text.join("; "), notes.iter().flat_map(|note| note.sequences()))
    }

    /// A question that a note of this kind answers.
    pub fn ask(&self, word: &str, question: &str) -> Item {
        Item::open_note(&self.incident.id, word, question)
    }

    /// The event that opened the incident.
    pub fn opened(&self) -> [u64; 1] {
        [self.incident.opened.sequence]
    }
}

/// The draft of an incident's postmortem, or `None` where the events are not an incident's.
pub fn draft(events: &[Event], facts: &Facts) -> Option<Document> {
    let incident = fold(events)?;
    let source =
        Source { events, incident: &incident, promises: promises(&incident, facts.now), now: facts.now };
    let (short_term, medium_term, long_term) = prevention::measures(&source);
    let newest = events.iter().max_by_key(|event| event.sequence);
    Some(Document {
        incident: incident.id.clone(),
        day: incident.opened_at.date_naive(),
        summary: summary(&source),
        timeline: timeline(&source),
        what_happened: what_happened(&source),
        why: source.notes_or(NoteKind::RootCause, "root-cause", "why did it happen?"),
        contributing: source.notes_or(NoteKind::Contributing, "contributing", "what helped it happen?"),
        user_impact: impact::user(&source),
        business_impact: impact::business(&source),
        technical_impact: impact::technical(&source),
        actions_taken: resolution::actions_taken(&source),
        rollback: resolution::rollback(&source),
        went_well: went(&source, NoteKind::WentWell, "went-well", Standing::Met, "what went well?"),
        went_wrong: went(
            &source,
            NoteKind::WentWrong,
            "went-wrong",
            Standing::Missed,
            "what went wrong in the response?",
        ),
        lucky: source.notes_or(NoteKind::Lucky, "lucky", "where did luck help?"),
        action_items: prevention::action_items(&source),
        short_term,
        medium_term,
        long_term,
        related: related(&source, &facts.related),
        metrics: metrics(&source),
        communication: resolution::communication(&source),
        due: due(&incident),
        drafted_at: facts.now,
        head: newest.map(|event| (event.sequence, event.hash.clone())),
    })
}

fn summary(source: &Source) -> Vec<Field> {
    let incident = source.incident;
    let opened = source.opened();
    let status = status(source);
    let severity = if incident.peak.name == incident.level.name {
        incident.level.name.clone()
    } else {
        format!("{} at its worst, {} at the end", incident.peak.name, incident.level.name)
    };
    let level_events = incident.levels.iter().map(|step| step.moment.sequence);
    vec![
        Field::new("Incident ID", Item::told(incident.id.as_str(), opened)),
        Field::new("Severity", Item::told(severity, opened.into_iter().chain(level_events))),
        Field::new("Status", status),
        Field::new("Date", Item::told(incident.opened_at.format("%Y-%m-%d").to_string(), opened)),
        Field::new("Duration", duration(source)),
        Field::new("Impact", source.note_or(NoteKind::Impact, "impact", "who was affected and how many?")),
    ]
}

fn status(source: &Source) -> Item {
    let incident = source.incident;
    let (word, event) = match incident.state {
        State::Resolved | State::Closed => ("Resolved", incident.resolved.as_ref()),
        State::Mitigated => ("Mitigated", incident.mitigated.as_ref()),
        State::Cancelled => ("Cancelled: it was none", None),
        State::Merged => ("Merged into another incident", None),
        State::Triage | State::Active => ("Not over yet", None),
    };
    Item::told(word, [event.map_or(incident.last_sequence, |moment| moment.sequence)])
}

/// `X hours Y minutes`, as the template has it.
pub(super) fn spell(elapsed: TimeDelta) -> String {
    let unit = |count: i64, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let minutes = elapsed.num_minutes();
    match (minutes / 60, minutes % 60) {
        (0, 0) => unit(elapsed.num_seconds().max(0), "second"),
        (0, minutes) => unit(minutes, "minute"),
        (hours, minutes) => format!("{} {}", unit(hours, "hour"), unit(minutes, "minute")),
    }
}

pub(super) fn duration(source: &Source) -> Item {
    let incident = source.incident;
    let spelled = spell(incident.duration(source.now));
    match &incident.resolved {
        Some(moment) => Item::told(spelled, [incident.opened.sequence, moment.sequence]),
        None => Item::told(format!("{spelled} so far"), source.opened()),
    }
}

/// The notes written afterwards, for the postmortem, are no part of the night.
fn timeline(source: &Source) -> Vec<TimelineRow> {
    let late = |event: &Event| match IncidentEvent::decode(event) {
        IncidentEvent::Noted(note) => matches!(
            note.kind,
            NoteKind::Action
                | NoteKind::Prevention
                | NoteKind::WentWell
                | NoteKind::WentWrong
                | NoteKind::Lucky
                | NoteKind::Contributing
        ),
        _ => false,
    };
    let events: Vec<Event> = source.events.iter().filter(|event| !late(event)).cloned().collect();
    let row = |told: super::story::Told| {
        let who = match &told.by {
            Actor::Human(name) => format!(" ({name})"),
            Actor::Automation => String::new(),
        };
        let mut events = told.events.into_iter();
        TimelineRow {
            at: told.at,
            text: format!("{}{who}", told.text.raw()).into(),
            event: events.next().unwrap_or_default(),
            also: events.collect(),
        }
    };
    story(&events).into_iter().map(row).collect()
}

fn what_happened(source: &Source) -> Vec<Item> {
    let incident = source.incident;
    let mut items = vec![Item::told(incident.title.clone(), source.opened())];
    if !incident.description.raw().trim().is_empty() {
        items.push(Item::told(incident.description.clone(), source.opened()));
    }
    let rules_event = incident.levels.last().map_or(incident.opened.sequence, |step| step.moment.sequence);
    let rule = |rule: &crate::incident::RuleReason| {
        Item::told(format!("Rule {}: {}", rule.id, rule.reason.raw()), [rules_event])
    };
    items.extend(incident.rules.iter().map(rule));
    let notes: Vec<_> = incident.notes_of(NoteKind::WhatHappened).map(Item::note).collect();
    if notes.is_empty() {
        items.push(source.ask("what-happened", "what went wrong, in detail?"));
    }
    items.extend(notes);
    items
}

/// Notes, and the promises that were kept or broken: these are facts.
fn went(source: &Source, kind: NoteKind, word: &str, standing: Standing, question: &str) -> Vec<Item> {
    let kept = source.promises.iter().filter(|promise| promise.standing == standing).map(|promise| {
        let due = promise.due.format("%Y-%m-%d %H:%M UTC");
        let what = promise.kind.deed();
        match &promise.done {
            Some(done) => {
                let at = done.at.format("%Y-%m-%d %H:%M UTC");
                let how = if standing == Standing::Met { "kept" } else { "missed" };
                Item::told(format!("Promise to {what} {how}: by {due}, done {at}"), [done.sequence])
            }
            None => Item::told(format!("Promise to {what} missed: by {due}, not done"), source.opened()),
        }
    });
    let mut items: Vec<_> = kept.collect();
    items.extend(source.notes_or(kind, word, question));
    items
}

fn related(source: &Source, others: &[Incident]) -> Vec<Item> {
    let other = |other: &Incident| {
        let merged = other.merged_into.as_deref() == Some(source.incident.id.as_str());
        let how = if merged { "merged into this one" } else { other.state.as_str() };
        let text = format!("{} - {} ({}, {how})", other.id, other.title.raw(), other.level.name);
        Item::told(text, [other.opened.sequence])
    };
    let found: Vec<_> = others.iter().filter(|other| other.id != source.incident.id).map(other).collect();
    if found.is_empty() { vec![Item::told("None on record for this service", [])] } else { found }
}

fn metrics(source: &Source) -> Vec<Item> {
    let incident = source.incident;
    let mut items: Vec<_> = incident
        .metrics
        .iter()
        .map(|(name, reading)| Item::told(format!("{name} at opening: {}", reading.show()), source.opened()))
        .collect();
    if let Some(elapsed) = detection_time(incident) {
        let text = format!("Time to detect: {} after the newest evidence", Elapsed(elapsed));
        items.push(Item::told(text, source.opened()));
    }
    let since = incident.episode_at;
    let steps = [
        ("acknowledge", &incident.acknowledged),
        ("tell", &incident.notified),
        ("mitigate", &incident.mitigated),
        ("resolve", &incident.resolved),
    ];
    for (what, moment) in steps {
        if let Some(moment) = moment {
            let text = format!("Time to {what}: {}", Elapsed(moment.at - since));
            items.push(Item::told(text, [incident.opened.sequence, moment.sequence]));
        }
    }
    items.push(Item::open("which graphs show it? Attach them here"));
    items
}

fn due(incident: &Incident) -> Option<Due> {
    let within = incident.deadlines.postmortem_within?;
    let why = incident.deadlines.postmortem_because.as_deref().unwrap_or("the level asks for it");
    let at = incident.resolved.as_ref().map(|moment| within.after(moment.at));
    let because = match at {
        Some(_) => format!("{within} after the resolution: {why}"),
        None => format!("{within} after the resolution, which has not come: {why}"),
    };
    Some(Due { at, because })
}

/// An instant within a document: the time of day, with the day where it is another one.
pub(super) fn clock_text(at: DateTime<Utc>, day: chrono::NaiveDate) -> String {
    let format = if at.date_naive() == day { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    at.format(format).to_string()
}
