//! A procedure written in Markdown becomes a draft of a runbook.
//!
//! Headings become steps, code becomes commands and queries, boxes become checklists, tables of contacts and times are
//! recognised. What would be unwise to run is not made a command: it becomes an instruction that says what stood there
//! and what to write instead. A draft is read by a human before anybody runs it.

mod blocks;
mod code;
mod safe;
mod tables;

use std::collections::BTreeSet;

use super::kinds::{ManualConfig, ManualStep};
use super::{ChecklistConfig, Moment, ReviewBy, RunbookConfig, StepConfig};
use blocks::{Block, Content};

/// A draft.
#[derive(Debug)]
pub struct Draft {
    /// The runbook.
    pub runbook: RunbookConfig,
    /// What a human has to look at, with the line of the source.
    pub notes: Vec<Note>,
}

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The line of the source, from 1; 0 where it is about a step as a whole.
    pub line: usize,
    /// What about it.
    pub text: String,
}

/// The longest procedure that is read, in bytes.
pub const LIMIT: u64 = 2 * 1024 * 1024;

/// Makes a draft of Markdown; `name` is the runbook's, `source` what the file is called. It never fails: what is not
/// understood becomes an instruction.
pub fn import(markdown: &str, name: &str, source: &str) -> Draft {
    let mut builder = Builder::new(name, source);
    for block in blocks::read(markdown) {
        builder.block(block);
    }
    builder.flush();
    let mut draft = Draft { runbook: builder.runbook, notes: builder.notes };
    safe::make(&mut draft);
    draft
}

impl Draft {
    /// The file, with what has to be looked at in front.
    ///
    /// # Errors
    /// A value that cannot be written as YAML, which would be a bug.
    pub fn yaml(&self, source: &str) -> crate::base::Result<String> {
        let bug = |error: &dyn std::fmt::Display| {
            let message = format!("the draft cannot be written as YAML: {error}");
            crate::base::Error::new(crate::base::ErrorCode::Bug, message)
        };
        let value = serde_json::to_value(&self.runbook).map_err(|error| bug(&error))?;
        let body = serde_yaml::to_string(&ordered(&value)).map_err(|error| bug(&error))?;
        let mut out =
            format!("# A draft, imported from {}. Read every step before anybody runs it.\n", plain(source));
        for note in &self.notes {
            let place = if note.line > 0 { format!("line {}: ", note.line) } else { String::new() };
            out.push_str(&format!("# {place}{}\n", plain(&note.text)));
        }
        out.push_str(&body);
        Ok(out)
    }
}

/// The keys that people look for first, in this order.
const FIRST: [&str; 12] = [
    "runbook",
    "id",
    "title",
    "description",
    "type",
    "service",
    "severity",
    "owner",
    "review_by",
    "inputs",
    "secrets",
    "argv",
];
/// The keys that stand at the end, in this order.
const LAST: [&str; 3] = ["lint", "timeline", "steps"];

/// The value with its keys in the order of people.
fn ordered(value: &serde_json::Value) -> serde_yaml::Value {
    let rank = |key: &str| {
        let first = FIRST.iter().position(|first| *first == key);
        let last = LAST.iter().position(|last| *last == key).map(|last| FIRST.len() + 1 + last);
        first.or(last).unwrap_or(FIRST.len())
    };
    match value {
        serde_json::Value::Object(entries) => {
            let mut pairs: Vec<_> = entries.iter().collect();
            pairs.sort_by_key(|(key, _)| (rank(key), (*key).clone()));
            let pairs = pairs
                .into_iter()
                .map(|(key, value)| (serde_yaml::Value::String(key.clone()), ordered(value)));
            serde_yaml::Value::Mapping(pairs.collect())
        }
        serde_json::Value::Array(items) => serde_yaml::Value::Sequence(items.iter().map(ordered).collect()),
        other => serde_yaml::to_value(other).unwrap_or(serde_yaml::Value::Null),
    }
}

/// One line without control characters.
fn plain(text: &str) -> String {
    let visible = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct Builder {
    runbook: RunbookConfig,
    notes: Vec<Note>,
    source: String,
    ids: BTreeSet<String>,
    titled: bool,
    /// The heading that what follows stands under, and its line.
    section: String,
    line: usize,
    /// Paragraphs and items that are no step yet.
    pending: Vec<String>,
    /// Boxes that are no checklist yet.
    boxes: Vec<String>,
}

impl Builder {
    fn new(name: &str, source: &str) -> Self {
        let runbook = RunbookConfig {
            runbook: name.to_owned(),
            title: name.to_owned(),
            tags: vec!["imported".to_owned()],
            review_by: Some(ReviewBy::AfterIncident),
            ..RunbookConfig::default()
        };
        Self {
            runbook,
            notes: Vec::new(),
            source: plain(source),
            ids: BTreeSet::new(),
            titled: false,
            section: String::new(),
            line: 1,
            pending: Vec::new(),
            boxes: Vec::new(),
        }
    }

    fn block(&mut self, block: Block) {
        match block.content {
            Content::Heading(1, text) if !self.titled && !text.is_empty() => {
                self.flush();
                self.runbook.title = shortened(&text, 120);
                self.titled = true;
            }
            Content::Heading(_, text) => {
                self.flush();
                self.section = shortened(&text, 120);
                self.line = block.line;
            }
            Content::Text(text) => self.pending.push(text),
            Content::Box(text) => self.boxes.push(text),
            Content::Code { language, text } => self.code(block.line, &language, &text),
            Content::Table { head, rows } => self.table(block.line, &head, &rows),
        }
    }

    /// A name for a step that nothing has yet.
    fn id(&mut self, words: &str) -> String {
        let base = slug(words).unwrap_or_else(|| "step".to_owned());
        let mut id = base.clone();
        let mut number = 2;
        while !self.ids.insert(id.clone()) {
            id = format!("{base}-{number}");
            number += 1;
        }
        id
    }

    fn note(&mut self, line: usize, text: impl Into<String>) {
        self.notes.push(Note { line, text: text.into() });
    }

    /// Makes a step, a description or a checklist of what was collected.
    fn flush(&mut self) {
        let text = std::mem::take(&mut self.pending).join("\n");
        let boxes = std::mem::take(&mut self.boxes);
        if self.section.is_empty() && boxes.is_empty() {
            if !text.is_empty() && self.runbook.description.is_none() {
                self.runbook.description = Some(shortened(&text, 2000));
            } else if !text.is_empty() {
                self.manual(&text, None);
            }
            return;
        }
        if text.is_empty() && boxes.is_empty() {
            return;
        }
        let checklist = (!boxes.is_empty()).then(|| self.checklist(boxes));
        let instruction = if text.is_empty() { "Go through the list.".to_owned() } else { text };
        self.manual(&instruction, checklist);
    }

    fn checklist(&mut self, items: Vec<String>) -> String {
        let title = if self.section.is_empty() { "Checklist".to_owned() } else { self.section.clone() };
        let base = slug(&title).unwrap_or_else(|| "checklist".to_owned());
        let mut name = base.clone();
        let mut number = 2;
        while self.runbook.checklists.contains_key(&name) {
            name = format!("{base}-{number}");
            number += 1;
        }
        let list = ChecklistConfig { title: Some(title), at: Moment::During, items };
        self.runbook.checklists.insert(name.clone(), list);
        name
    }

    fn manual(&mut self, instruction: &str, checklist: Option<String>) {
        let id = self.id(&self.section.clone());
        let instruction = shortened(instruction, 4000);
        let manual = match checklist {
            None => ManualStep::Short(instruction),
            checklist => ManualStep::Detailed(Box::new(ManualConfig {
                instruction,
                checklist,
                ..ManualConfig::default()
            })),
        };
        let title = (!self.section.is_empty()).then(|| self.section.clone());
        self.runbook.steps.push(StepConfig { id, title, manual: Some(manual), ..StepConfig::default() });
    }
}

/// A name made of words: `step-1-identify-the-model`.
fn slug(words: &str) -> Option<String> {
    let mut out = String::new();
    for c in words.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
        if out.len() >= 48 {
            break;
        }
    }
    let out = out.trim_matches('-').to_owned();
    (!out.is_empty()).then_some(out)
}

/// The text without control characters, and not longer than this many characters.
fn shortened(text: &str, most: usize) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control() || *c == '\n').collect();
    let clean = clean.trim();
    match clean.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", clean.get(..at).unwrap_or_default()),
        None => clean.to_owned(),
    }
}

#[cfg(test)]
mod tests;
