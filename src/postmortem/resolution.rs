//! Resolution: what was done, how the rollback went, who was told.

use super::document::{Field, Item};
use super::draft::{Source, clock_text};
use super::story::story;
use crate::base::clock::Elapsed;
use crate::incident::event::{IncidentEvent, NoteKind};
use crate::incident::response::{Outcome, RollbackRecord, VersionName, notices, rollbacks};
use crate::store::Event;

/// Immediate Actions Taken: who, what, when.
pub(super) fn actions_taken(source: &Source) -> Vec<Item> {
    let is_action = |event: &Event| match IncidentEvent::decode(event) {
        IncidentEvent::Acknowledged(_)
        | IncidentEvent::Assigned(_)
        | IncidentEvent::Contained(_)
        | IncidentEvent::Released(_)
        | IncidentEvent::Mitigated(_)
        | IncidentEvent::Resolved(_) => true,
        IncidentEvent::Noted(note) => matches!(note.kind, NoteKind::Note | NoteKind::Decision),
        IncidentEvent::Unknown { kind, .. } => {
            ["contain.completed", "release.completed"].contains(&kind.as_str())
                || kind == "rollback.completed"
        }
        _ => false,
    };
    let events: Vec<Event> = source.events.iter().filter(|event| is_action(event)).cloned().collect();
    let day = source.incident.opened_at.date_naive();
    let item = |told: super::story::Told| {
        let text = format!("{}, {} UTC: {}", name(&told.by), clock_text(told.at, day), told.text.raw());
        Item::told(text, told.events)
    };
    let items: Vec<_> = story(&events).into_iter().map(item).collect();
    if items.is_empty() { vec![source.ask("note", "what was done, by whom, and when?")] } else { items }
}

/// A name as it is, for a document that escapes it later.
fn name(actor: &crate::store::Actor) -> &str {
    match actor {
        crate::store::Actor::Automation => "irctl",
        crate::store::Actor::Human(name) => name,
    }
}

/// Rollback Details. With several rollbacks the last one counts, and the others are named.
pub(super) fn rollback(source: &Source) -> Vec<Field> {
    let records = rollbacks(source.events);
    let Some(last) = records.last() else {
        let none = |label| Field::new(label, Item::told("None: no rollback is recorded", []));
        return vec![none("Rollback Version"), none("Rollback Duration"), none("Rollback Success")];
    };
    let event = [last.moment.sequence];
    let told = |text: Option<String>, question: &str| match text {
        Some(text) => Item::told(text, event),
        None => Item::open(question),
    };
    let mut fields = vec![
        Field::new("Rollback Version", told(version(&last.to), "which version came back?")),
        Field::new("Rollback Duration", told(last.duration_ms.map(took), "how long did it take?")),
        Field::new("Rollback Success", success(last)),
    ];
    let mut more = |label, text: Option<String>| {
        if let Some(text) = text {
            fields.push(Field::new(label, Item::told(text, event)));
        }
    };
    more("Rolled Back From", version(&last.from));
    more("Failing Rule", failing_rule(last));
    let skipped: Vec<_> = last.skipped.iter().map(|skipped| skipped.raw().to_owned()).collect();
    more("Passed Over", (!skipped.is_empty()).then(|| skipped.join("; ")));
    let before = records.len() - 1;
    if before > 0 {
        let events = records.iter().take(before).map(|record| record.moment.sequence);
        let text = format!("{before} earlier in this incident");
        fields.push(Field::new("Other Rollbacks", Item::told(text, events)));
    }
    fields
}

fn took(milliseconds: u64) -> String {
    Elapsed(chrono::TimeDelta::milliseconds(i64::try_from(milliseconds).unwrap_or(i64::MAX / 1000)))
        .to_string()
}

fn version(version: &VersionName) -> Option<String> {
    let name = version.name.as_ref().map(|name| name.raw());
    let digest = version.digest.as_ref().map(|digest| short(digest.raw()));
    match (name, digest) {
        (Some(name), Some(digest)) => Some(format!("{name} ({digest})")),
        (Some(one), None) => Some(one.to_owned()),
        (None, digest) => digest,
    }
}

/// A digest, as long as people can compare.
fn short(digest: &str) -> String {
    digest
        .parse::<crate::base::Digest>()
        .map_or_else(|_| digest.to_owned(), |digest| digest.short().to_owned())
}

fn success(record: &RollbackRecord) -> Item {
    let word = match record.outcome {
        Outcome::Restored => "Yes",
        Outcome::Undone => "No - undone, in the end nothing changed",
        Outcome::Halted => "No - halted",
        Outcome::Unproven => "Not proven - switched, and still contained",
        Outcome::Unknown => return Item::open("did the rollback succeed?"),
    };
    let detail = record.proof.as_ref().or(record.error.as_ref());
    let text = detail.map_or(word.to_owned(), |detail| format!("{word} - {}", detail.raw()));
    Item::told(text, [record.moment.sequence])
}

fn failing_rule(record: &RollbackRecord) -> Option<String> {
    match (&record.rule_before, &record.rule_after) {
        (Some(before), Some(after)) => Some(format!("before {}, after {}", before.raw(), after.raw())),
        (Some(before), None) => Some(format!("before {}", before.raw())),
        _ => None,
    }
}

/// Communication Log: delivered notices, and what people wrote that they said.
pub(super) fn communication(source: &Source) -> Vec<Item> {
    let day = source.incident.opened_at.date_naive();
    let notices = notices(source.events).into_iter().map(|notice| {
        let said = notice.summary.as_ref().map(|summary| summary.raw().to_owned()).unwrap_or_else(|| {
            let what = notice.template.as_ref().map_or("notice", |template| template.raw());
            let channel = notice.channel.as_ref().map_or("an unnamed channel", |channel| channel.raw());
            format!("{what} to {channel}")
        });
        let at = clock_text(notice.moment.at, day);
        (notice.moment.sequence, format!("{at} UTC: {said}"), vec![notice.moment.sequence])
    });
    let said = source.incident.notes_of(NoteKind::Communication).map(|note| {
        let (at, by) = (clock_text(note.moment.at, day), name(&note.moment.by));
        (note.moment.sequence, format!("{at} UTC, {by}: {}", note.text().raw()), note.sequences())
    });
    let mut log: Vec<_> = notices.chain(said).collect();
    log.sort_by_key(|(sequence, ..)| *sequence);
    if log.is_empty() {
        return vec![source.ask("communication", "who was told what, and when?")];
    }
    log.into_iter().map(|(_, text, events)| Item::told(text, events)).collect()
}
