//! `{{ inputs.NAME }}`, `{{ steps.ID.NAME }}`, `{{ run.NAME }}`, `{{ incident.NAME }}`: where a value goes in.
//!
//! There are no filters, no conditions, no loops. A value is put in once and is data from then on: what it holds is not
//! looked at again, and it never becomes a second argument.

use std::ops::Range;

/// What the run knows of itself.
pub const RUN: [&str; 4] = ["id", "actor", "started", "runbook"];
/// What the run knows of the incident it answers; each is empty where there is none.
pub const INCIDENT: [&str; 5] = ["id", "service", "level", "symptom", "reason"];

/// A name between double braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference<'a> {
    /// An input of the runbook.
    Input(&'a str),
    /// An output of a step: the step's id, and the name it is saved under.
    Step(&'a str, &'a str),
    /// Something that the run knows of itself.
    Run(&'a str),
    /// Something of the incident.
    Incident(&'a str),
}

/// A mistake in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// One sentence.
    pub message: String,
    /// The way out.
    pub help: String,
}

/// Each reference with its place, braces included; or what is wrong with it.
pub type References<'a> = Vec<(Range<usize>, Result<Reference<'a>, Fault>)>;

/// A text with places for values.
#[derive(Debug, Clone, Copy)]
pub struct Template<'a>(pub &'a str);

impl<'a> Template<'a> {
    /// Whether values go into it at all.
    pub fn is_plain(self) -> bool {
        !self.0.contains("{{")
    }

    /// Its references, in order.
    pub fn references(self) -> References<'a> {
        let text = self.0;
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(open) = text.get(from..).and_then(|rest| rest.find("{{")).map(|at| from + at) {
            let rest = text.get(open + 2..).unwrap_or_default();
            let Some(length) = rest.find("}}") else {
                let message = "these braces are not closed".to_owned();
                found.push((
                    open..text.len(),
                    Err(Fault { message, help: "write {{ inputs.NAME }}".to_owned() }),
                ));
                break;
            };
            let close = open + 2 + length + 2;
            found.push((open..close, read(rest.get(..length).unwrap_or_default().trim())));
            from = close;
        }
        found
    }

    /// Puts the values in, each once: braces in a value mean nothing.
    ///
    /// # Errors
    /// The first reference that is none, or that `value` has nothing for.
    pub fn fill(self, value: impl Fn(&Reference<'a>) -> Option<String>) -> Result<String, Fault> {
        let mut out = String::with_capacity(self.0.len());
        let mut from = 0;
        for (span, reference) in self.references() {
            let reference = reference?;
            out.push_str(self.0.get(from..span.start).unwrap_or_default());
            let text = value(&reference).ok_or_else(|| Fault {
                message: format!("`{}` has no value", self.0.get(span.clone()).unwrap_or_default()),
                help: "the step that gives it was not done".to_owned(),
            })?;
            out.push_str(&text);
            from = span.end;
        }
        out.push_str(self.0.get(from..).unwrap_or_default());
        Ok(out)
    }

    /// The text with every reference replaced by letters, byte for byte as long: for checks that know nothing of them.
    pub fn masked(self) -> String {
        let mut out = String::with_capacity(self.0.len());
        let mut from = 0;
        for (span, _) in self.references() {
            out.push_str(self.0.get(from..span.start).unwrap_or_default());
            out.extend(std::iter::repeat_n('x', span.len()));
            from = span.end;
        }
        out.push_str(self.0.get(from..).unwrap_or_default());
        out
    }
}

fn read(inside: &str) -> Result<Reference<'_>, Fault> {
    let fault = |message: String, help: &str| Err(Fault { message, help: help.to_owned() });
    let plain = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    let parts: Vec<&str> = inside.split('.').collect();
    match parts.as_slice() {
        ["inputs", name] if plain(name) => Ok(Reference::Input(name)),
        ["steps", step, name] if plain(step) && plain(name) => Ok(Reference::Step(step, name)),
        ["steps", step] if plain(step) => fault(
            format!("`steps.{step}` lacks the name of the output"),
            "write {{ steps.ID.NAME }}, with a name under the step's `save:`",
        ),
        ["run", name] if RUN.contains(name) => Ok(Reference::Run(name)),
        ["incident", name] if INCIDENT.contains(name) => Ok(Reference::Incident(name)),
        ["run", _] => fault(
            format!("`{}` is nothing that a run knows", inside.escape_debug()),
            "run.id, run.actor, run.started, run.runbook",
        ),
        ["incident", _] => fault(
            format!("`{}` is nothing that an incident has", inside.escape_debug()),
            "incident.id, incident.service, incident.level, incident.symptom, incident.reason",
        ),
        ["secrets", ..] => fault(
            "a secret is not put into a text".to_owned(),
            "name it under the step's `secrets:`; the program finds it in its environment or in a file",
        ),
        _ => fault(
            format!("`{{{{ {} }}}}` is no reference", inside.escape_debug()),
            "known are {{ inputs.NAME }}, {{ steps.ID.NAME }}, {{ run.id }} and {{ incident.id }}; there are no filters",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn references_are_found_with_their_places() {
        let template = Template("a {{ inputs.x }}-{{steps.look.state}}{{ run.id }} {one}");
        let found: Vec<_> =
            template.references().into_iter().map(|(span, one)| (span, one.unwrap())).collect();
        assert_eq!(
            found,
            [
                (2..16, Reference::Input("x")),
                (17..37, Reference::Step("look", "state")),
                (37..49, Reference::Run("id"))
            ]
        );
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "{{ x }}",
            "{{ inputs.x | upper }}",
            "{{ secrets.db }}",
            "{{ steps.a }}",
            "{{ run.pid }}",
            "{{ inputs.x",
            "{{}}",
            "{{ inputs.a.b }}",
        ] {
            let found = Template(text).references();
            assert!(matches!(found.as_slice(), [(_, Err(_))]), "{text}: {found:?}");
        }
    }

    #[test]
    fn a_value_goes_in_once() {
        let value = |reference: &Reference<'_>| match reference {
            Reference::Input("x") => Some("{{ inputs.y }} $(id) '".to_owned()),
            _ => None,
        };
        assert_eq!(Template("<{{ inputs.x }}>").fill(value).unwrap(), "<{{ inputs.y }} $(id) '>");
        assert!(Template("{{ inputs.y }}").fill(value).unwrap_err().message.contains("no value"));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_a_mask_is_as_long(text in "([{} a-z.é]|\\{\\{|\\}\\}|inputs.x){0,40}") {
            let template = Template(&text);
            prop_assert_eq!(template.masked().len(), text.len());
            let _ = template.fill(|_| Some("{{ inputs.x }}".to_owned()));
        }
    }
}
