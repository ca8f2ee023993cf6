//! Action Items and Prevention Measures: what people noted, and questions that the numbers raise.

use chrono::{DateTime, TimeDelta, Utc};

use super::document::{ActionItem, Item};
use super::draft::Source;
use crate::base::clock::Elapsed;
use crate::incident::deadlines::{Standing, detection_time};
use crate::incident::event::{NoteKind, Priority};
use crate::incident::state::Note;

/// Action Items.
pub(super) fn action_items(source: &Source) -> Vec<ActionItem> {
    let item = |note: &Note| ActionItem {
        action: Item::note(note),
        owner: note.note.owner.clone(),
        priority: note.note.priority.map(Priority::as_str),
        due: note.note.due,
    };
    let items: Vec<_> = source.incident.notes_of(NoteKind::Action).map(item).collect();
    if !items.is_empty() {
        return items;
    }
    let action = source.ask("action", "what has to be done, by whom, until when?");
    vec![ActionItem { action, owner: None, priority: None, due: None }]
}

/// Prevention Measures: within a week, within four, later. What has no due date stands in the middle.
pub(super) fn measures(source: &Source) -> (Vec<Item>, Vec<Item>, Vec<Item>) {
    let (mut short, mut medium, mut long) = (Vec::new(), Vec::new(), Vec::new());
    let start = source.incident.resolved.as_ref().map_or(source.now, |moment| moment.at);
    let kinds = [NoteKind::Action, NoteKind::Prevention];
    for note in source.incident.notes.iter().filter(|note| kinds.contains(&note.note.kind)) {
        match horizon(note.note.due, start) {
            Some(weeks) if weeks <= TimeDelta::weeks(1) => short.push(Item::note(note)),
            Some(weeks) if weeks > TimeDelta::weeks(4) => long.push(Item::note(note)),
            _ => medium.push(Item::note(note)),
        }
    }
    short.extend(questions(source));
    for list in [&mut short, &mut medium, &mut long] {
        if list.is_empty() {
            list.push(source.ask("prevention", "what keeps it from happening again?"));
        }
    }
    (short, medium, long)
}

fn horizon(due: Option<DateTime<Utc>>, start: DateTime<Utc>) -> Option<TimeDelta> {
    due.map(|due| due - start)
}

/// Detection that took longer than this asks for a question; the usual promise is five minutes.
const SLOW_DETECTION: TimeDelta = TimeDelta::minutes(5);

fn questions(source: &Source) -> Vec<Item> {
    let incident = source.incident;
    let mut questions = Vec::new();
    if let Some(elapsed) = detection_time(incident).filter(|elapsed| *elapsed > SLOW_DETECTION) {
        let question = format!("noticing took {}; what would have noticed it sooner?", Elapsed(elapsed));
        questions.push(source.ask("prevention", &question));
    }
    if incident.runbook.is_none() {
        questions.push(source.ask("prevention", "no runbook was named; which steps should stand in one?"));
    }
    for promise in source.promises.iter().filter(|promise| promise.standing == Standing::Missed) {
        let question = format!("the promise to {} was missed; why?", promise.kind.deed());
        questions.push(source.ask("went-wrong", &question));
    }
    questions
}
