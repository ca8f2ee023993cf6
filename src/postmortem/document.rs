//! A postmortem, section by section, before it is written as Markdown or JSON.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use crate::base::{Digest, Untrusted};
use crate::incident::state::Note;

/// A statement with the events behind it, or a question that no event answers.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// What events tell.
    Told {
        /// The statement.
        text: Untrusted,
        /// The sequence numbers of the events behind it.
        events: Vec<u64>,
    },
    /// What no event tells.
    Open {
        /// The question.
        question: String,
        /// The command that records an answer.
        command: Option<String>,
    },
}

impl Item {
    /// A statement.
    pub fn told(text: impl Into<Untrusted>, events: impl IntoIterator<Item = u64>) -> Self {
        let mut events: Vec<_> = events.into_iter().collect();
        events.sort_unstable();
        events.dedup();
        Item::Told { text: text.into(), events }
    }

    /// A question.
    pub fn open(question: impl Into<String>) -> Self {
        Item::Open { question: question.into(), command: None }
    }

    /// A question that a note answers.
    pub fn open_note(id: &str, kind: &str, question: &str) -> Self {
        let command = format!("irctl incident note {id} --kind {kind} \"…\"");
        Item::Open { question: question.to_owned(), command: Some(command) }
    }

    /// A note, as it was corrected.
    pub fn note(note: &Note) -> Self {
        Item::told(note.text().clone(), note.sequences())
    }

    /// Whether it is a question.
    pub fn is_open(&self) -> bool {
        matches!(self, Item::Open { .. })
    }
}

/// A labelled item.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Field {
    /// The label, as it stands in the template.
    pub label: &'static str,
    /// What is said.
    pub item: Item,
}

impl Field {
    /// A labelled item.
    pub fn new(label: &'static str, item: Item) -> Self {
        Self { label, item }
    }
}

/// A line of the timeline.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TimelineRow {
    /// When (UTC).
    pub at: DateTime<Utc>,
    /// What.
    pub text: Untrusted,
    /// The event.
    pub event: u64,
    /// Further events that say the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<u64>,
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ActionItem {
    /// What.
    pub action: Item,
    /// Who owns it.
    pub owner: Option<Untrusted>,
    /// How urgent it is.
    pub priority: Option<&'static str>,
    /// When it is due (UTC).
    pub due: Option<DateTime<Utc>>,
}

/// When the postmortem is due, and why then.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Due {
    /// When (UTC); absent while the incident lasts.
    pub at: Option<DateTime<Utc>>,
    /// Why then.
    pub because: String,
}

/// A postmortem.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Document {
    /// The incident.
    pub incident: String,
    /// The day it began: times of this day are shown without it.
    pub day: chrono::NaiveDate,
    /// Incident Summary.
    pub summary: Vec<Field>,
    /// Timeline.
    pub timeline: Vec<TimelineRow>,
    /// What Happened.
    pub what_happened: Vec<Item>,
    /// Why It Happened.
    pub why: Vec<Item>,
    /// Contributing Factors.
    pub contributing: Vec<Item>,
    /// User Impact.
    pub user_impact: Vec<Field>,
    /// Business Impact.
    pub business_impact: Vec<Field>,
    /// Technical Impact.
    pub technical_impact: Vec<Field>,
    /// Immediate Actions Taken.
    pub actions_taken: Vec<Item>,
    /// Rollback Details.
    pub rollback: Vec<Field>,
    /// What Went Well.
    pub went_well: Vec<Item>,
    /// What Went Wrong.
    pub went_wrong: Vec<Item>,
    /// Where We Got Lucky.
    pub lucky: Vec<Item>,
    /// Action Items.
    pub action_items: Vec<ActionItem>,
    /// Prevention Measures within a week.
    pub short_term: Vec<Item>,
    /// Prevention Measures within four weeks.
    pub medium_term: Vec<Item>,
    /// Prevention Measures later.
    pub long_term: Vec<Item>,
    /// Related Incidents.
    pub related: Vec<Item>,
    /// Metrics.
    pub metrics: Vec<Item>,
    /// Communication Log.
    pub communication: Vec<Item>,
    /// When it is due.
    pub due: Option<Due>,
    /// As of when it was drafted (UTC).
    pub drafted_at: DateTime<Utc>,
    /// The newest event it stands on, and its hash: a witness for `irctl audit`.
    pub head: Option<(u64, Digest)>,
}

impl Document {
    /// How many questions are open.
    pub fn open_questions(&self) -> usize {
        let fields =
            [&self.summary, &self.user_impact, &self.business_impact, &self.technical_impact, &self.rollback];
        let lists = [
            &self.what_happened,
            &self.why,
            &self.contributing,
            &self.actions_taken,
            &self.went_well,
            &self.went_wrong,
            &self.lucky,
            &self.short_term,
            &self.medium_term,
            &self.long_term,
            &self.related,
            &self.metrics,
            &self.communication,
        ];
        let in_fields = fields.into_iter().flatten().filter(|field| field.item.is_open()).count();
        let in_lists = lists.into_iter().flatten().filter(|item| item.is_open()).count();
        let in_actions = self.action_items.iter().filter(|action| action.action.is_open()).count();
        in_fields + in_lists + in_actions
    }
}
