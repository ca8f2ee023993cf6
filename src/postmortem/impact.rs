//! Impact Assessment: what users, the business and the systems felt.

use super::document::{Field, Item};
use super::draft::{Source, duration};
use crate::incident::deadlines::Standing;
use crate::incident::event::NoteKind;

/// User Impact.
pub(super) fn user(source: &Source) -> Vec<Field> {
    let incident = source.incident;
    let affected = source.note_or(NoteKind::Impact, "impact", "who was affected and how many?");
    let severity = format!("{} ({})", incident.peak.name, incident.scheme);
    vec![
        Field::new("Users Affected", affected),
        Field::new("Duration", duration(source)),
        Field::new("Severity", Item::told(severity, source.opened())),
    ]
}

/// Business Impact.
pub(super) fn business(source: &Source) -> Vec<Field> {
    let cost = source.note_or(NoteKind::BusinessImpact, "business-impact", "what did it cost?");
    let reputation = source.ask("business-impact", "what did people outside notice?");
    vec![
        Field::new("Revenue Impact", cost),
        Field::new("SLA Breach", breach(source)),
        Field::new("Reputation", reputation),
    ]
}

/// What the level promised and was not kept in time.
fn breach(source: &Source) -> Item {
    if source.promises.is_empty() {
        return Item::open("which agreement applied, and was it kept?");
    }
    let missed: Vec<_> =
        source.promises.iter().filter(|promise| promise.standing == Standing::Missed).collect();
    let events = source.promises.iter().filter_map(|promise| promise.done.as_ref().map(|done| done.sequence));
    let events = events.chain(source.opened());
    let level = &source.incident.level.name;
    if missed.is_empty() {
        return Item::told(format!("No - nothing that {level} promises was missed"), events);
    }
    let names: Vec<_> = missed.iter().map(|promise| promise.kind.as_str()).collect();
    Item::told(format!("Yes - of what {level} promises, missed: {}", names.join(", ")), events)
}

/// Technical Impact.
pub(super) fn technical(source: &Source) -> Vec<Field> {
    let incident = source.incident;
    let mut services = vec![incident.service.as_str()];
    services.extend(
        incident.affected_services.iter().map(|name| name.raw()).filter(|name| *name != incident.service),
    );
    let degradation = if incident.metrics.is_empty() {
        source.ask("impact", "what was slower, wrong or missing, and by how much?")
    } else {
        let values: Vec<_> =
            incident.metrics.iter().map(|(name, reading)| format!("{name} {}", reading.show())).collect();
        Item::told(values.join(", "), source.opened())
    };
    vec![
        Field::new("Services Affected", Item::told(services.join(", "), source.opened())),
        Field::new("Data Loss", source.ask("impact", "was data lost or damaged?")),
        Field::new("Performance Degradation", degradation),
    ]
}
