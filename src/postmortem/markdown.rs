//! A postmortem as Markdown: Protocol 25's template, section by section.

use std::fmt::Write as _;

use super::document::{ActionItem, Document, Field, Item};
use super::draft::clock_text;
use crate::base::Untrusted;
use crate::base::clock::format_instant;
use crate::base::untrusted::Sink;

/// The document. Text from outside is escaped; a number in brackets is the event behind a line.
pub fn markdown(document: &Document) -> String {
    let mut page = Page { text: format!("# Incident Postmortem: {}\n", document.incident) };
    page.section("Incident Summary").fields(&document.summary);
    page.section("Timeline").timeline(document);
    page.section("Root Cause Analysis");
    page.part("What Happened").paragraphs(&document.what_happened);
    page.part("Why It Happened").paragraphs(&document.why);
    page.part("Contributing Factors").bullets(&document.contributing);
    page.section("Impact Assessment");
    page.part("User Impact").fields(&document.user_impact);
    page.part("Business Impact").fields(&document.business_impact);
    page.part("Technical Impact").fields(&document.technical_impact);
    page.section("Resolution");
    page.part("Immediate Actions Taken").numbered(&document.actions_taken);
    page.part("Rollback Details").fields(&document.rollback);
    page.section("Lessons Learned");
    page.part("What Went Well").bullets(&document.went_well);
    page.part("What Went Wrong").bullets(&document.went_wrong);
    page.part("Where We Got Lucky").bullets(&document.lucky);
    page.section("Action Items").actions(&document.action_items);
    page.section("Prevention Measures");
    page.part("Short-term (< 1 week)").boxes(&document.short_term);
    page.part("Medium-term (1-4 weeks)").boxes(&document.medium_term);
    page.part("Long-term (> 1 month)").boxes(&document.long_term);
    page.section("Appendix");
    page.part("Related Incidents").bullets(&document.related);
    page.part("Metrics & Graphs").bullets(&document.metrics);
    page.part("Communication Log").bullets(&document.communication);
    page.footer(document);
    page.text
}

/// An item as inline Markdown.
pub fn inline(item: &Item) -> String {
    match item {
        Item::Told { text, events } => {
            let references: String = events.iter().map(|event| format!(" [#{event}]")).collect();
            format!("{}{references}", shown(text))
        }
        Item::Open { question, command: Some(command) } => {
            format!("_Open: {} (add with: `{}`)_", shown_str(question), command.replace('`', "'"))
        }
        Item::Open { question, command: None } => format!("_Open: {}_", shown_str(question)),
    }
}

fn shown(text: &Untrusted) -> String {
    text.escaped(Sink::Markdown).trim().to_owned()
}

fn shown_str(text: &str) -> String {
    crate::base::untrusted::escape(text, Sink::Markdown)
}

struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn section(&mut self, title: &str) -> &mut Self {
        let _ = write!(self.text, "\n## {title}\n");
        self
    }

    fn part(&mut self, title: &str) -> &mut Self {
        let _ = write!(self.text, "\n### {title}\n");
        self
    }

    fn fields(&mut self, fields: &[Field]) {
        for field in fields {
            self.line(&format!("- **{}**: {}", field.label, inline(&field.item)));
        }
    }

    fn bullets(&mut self, items: &[Item]) {
        self.each(items, |_| "- ".to_owned());
    }

    fn boxes(&mut self, items: &[Item]) {
        self.each(items, |_| "- [ ] ".to_owned());
    }

    fn numbered(&mut self, items: &[Item]) {
        self.each(items, |position| format!("{}. ", position + 1));
    }

    fn each(&mut self, items: &[Item], mark: impl Fn(usize) -> String) {
        for (position, item) in items.iter().enumerate() {
            self.line(&format!("{}{}", mark(position), inline(item)));
        }
    }

    fn paragraphs(&mut self, items: &[Item]) {
        let paragraphs: Vec<_> = items.iter().map(inline).collect();
        self.line(&paragraphs.join("\n\n"));
    }

    fn timeline(&mut self, document: &Document) {
        self.line("| Time (UTC) | Event |");
        self.line("|------------|-------|");
        for row in &document.timeline {
            let at = clock_text(row.at, document.day);
            let events: String =
                std::iter::once(&row.event).chain(&row.also).map(|event| format!(" [#{event}]")).collect();
            self.line(&format!("| {at} | {}{events} |", shown(&row.text)));
        }
    }

    fn actions(&mut self, items: &[ActionItem]) {
        self.line("| Action | Owner | Priority | Due Date | Status |");
        self.line("|--------|-------|----------|----------|--------|");
        for item in items {
            let owner = item.owner.as_ref().map(shown).unwrap_or_default();
            let due = item.due.map(|due| due.format("%Y-%m-%d").to_string()).unwrap_or_default();
            let status = if item.action.is_open() { "" } else { "Open" };
            let action = inline(&item.action);
            self.line(&format!(
                "| {action} | {owner} | {} | {due} | {status} |",
                item.priority.unwrap_or_default()
            ));
        }
    }

    fn footer(&mut self, document: &Document) {
        self.line("\n---");
        if let Some(due) = &document.due {
            let at = due.at.map(|at| at.format("%Y-%m-%d %H:%M UTC").to_string());
            let at = at.unwrap_or_else(|| "not yet known".to_owned());
            self.line(&format!("**Postmortem Due**: {at} ({})  ", shown_str(&due.because)));
        }
        let id = &document.incident;
        self.line(&format!(
            "**Postmortem Completed By**: _Open: who completed it? (close the incident with: \
             `irctl incident close {id} --reason \"…\"`)_  "
        ));
        self.line("**Date**: _Open: when?_  ");
        self.line("**Reviewed By**: _Open: who read it?_");
        let drafted = format_instant(document.drafted_at);
        let open = document.open_questions();
        self.line("");
        self.line(&format!(
            "_Drafted {drafted} from the events of {id}; {open} questions are open. A number in brackets is the \
             event behind a line: `irctl incident timeline {id}`._"
        ));
        if let Some((sequence, hash)) = &document.head {
            self.line(&format!(
                "_Newest event: `irctl audit --witness {sequence}:{hash}` proves that none was changed._"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::fixtures::{at, night, opened_event};
    use crate::postmortem::{Facts, draft};

    fn drafted(events: &[crate::store::Event], minutes: i64) -> Document {
        draft(events, &Facts { now: at(minutes), related: Vec::new() }).unwrap()
    }

    #[test]
    fn a_whole_night() {
        insta::assert_snapshot!(markdown(&drafted(&night(), 600)));
    }

    #[test]
    fn an_incident_that_has_just_begun_is_mostly_questions() {
        insta::assert_snapshot!(markdown(&drafted(&[opened_event()], 20)));
    }

    /// The headings of the template, in its order.
    const TEMPLATE: &[&str] = &[
        "# Incident Postmortem: INC-20261120-030700",
        "## Incident Summary",
        "## Timeline",
        "## Root Cause Analysis",
        "### What Happened",
        "### Why It Happened",
        "### Contributing Factors",
        "## Impact Assessment",
        "### User Impact",
        "### Business Impact",
        "### Technical Impact",
        "## Resolution",
        "### Immediate Actions Taken",
        "### Rollback Details",
        "## Lessons Learned",
        "### What Went Well",
        "### What Went Wrong",
        "### Where We Got Lucky",
        "## Action Items",
        "## Prevention Measures",
        "### Short-term (< 1 week)",
        "### Medium-term (1-4 weeks)",
        "### Long-term (> 1 month)",
        "## Appendix",
        "### Related Incidents",
        "### Metrics & Graphs",
        "### Communication Log",
    ];

    #[test]
    fn the_template_is_kept_and_hostile_text_cannot_break_it() {
        let text = markdown(&drafted(&night(), 600));
        let headings: Vec<_> = text.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(headings, TEMPLATE);
        assert!(!text.contains("<script>"));
        assert_eq!(text.matches("](").count(), text.matches("\\](").count(), "a link got through");
    }

    #[test]
    fn every_reference_is_an_event_that_exists() {
        let events = night();
        let text = markdown(&drafted(&events, 600));
        let references: Vec<u64> =
            text.split("[#").skip(1).filter_map(|rest| rest.split(']').next()?.parse().ok()).collect();
        assert!(references.len() > 40);
        assert!(references.iter().all(|reference| events.iter().any(|event| event.sequence == *reference)));
    }
}
