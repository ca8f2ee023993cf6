//! Templates of messages: a few header lines, a blank line, the text, as in a mail.
//!
//! ```text
//! Subject: [{{ level }}] {{ title }} is contained
//! Colour: warning
//! Field: Environment | {{ environment }}
//!
//! What consumes {{ title }} was stopped at {{ at }}.
//! ```
//!
//! Header lines are split before anything is filled in, so that no value can add a header.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

use super::config::NotifyConfig;
use super::notice::Notice;
use crate::base::untrusted::Sink;
use crate::base::{Error, ErrorCode, Result, file, path, template};

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        /// Every shipped template: its name and source.
        pub const SHIPPED: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("templates/", $name, ".j2"))),)+];
    };
}

shipped! {
    "incident-opened", "incident-raised", "incident-updated", "contained", "rollback-started", "rolled-back",
    "rollback-halted", "released", "incident-resolved", "test",
    "rila-predictions-failing", "rila-rolled-back", "rila-unsafe", "rila-previous-week",
    "protocol-25-rollback", "phases-initial-alert", "phases-rollback-complete", "acis-rollback",
}

/// How large a template file may be.
const LIMIT: u64 = 64 * 1024;

/// A shipped template's source.
pub fn shipped(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, source)| *source)
}

/// The template that says `notice`: the service's own for one of its rules, its symptom or the message, else the
/// scheme's, else the message's name itself.
pub fn chosen(config: &NotifyConfig, notice: &Notice) -> String {
    let message = notice.template.as_str();
    let keys: Vec<String> = notice
        .rules
        .iter()
        .chain(notice.symptom.as_ref())
        .map(|narrower| format!("{message}/{narrower}"))
        .chain([message.to_owned()])
        .collect();
    let owners = [Some(notice.service.as_str()), notice.scheme.as_deref()];
    let templates = owners.into_iter().flatten().filter_map(|owner| config.templates.get(owner));
    for own in templates {
        if let Some(template) = keys.iter().find_map(|key| own.get(key)) {
            return template.clone();
        }
    }
    message.to_owned()
}

/// The templates of a workspace, by name: `NAME.j2` in `directory`. A missing folder holds none.
pub fn overrides(directory: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let entries = match fs_err::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(Error::io("cannot list the templates", error)),
    };
    for entry in entries {
        let entry = entry?;
        let file_name = entry.file_name().to_string_lossy().into_owned();
        let Some(name) = file_name.strip_suffix(".j2") else { continue };
        let bytes = file::read_limited(&path::inside(directory, Path::new(&file_name))?, LIMIT)?;
        let source = String::from_utf8(bytes).map_err(|_| {
            Error::new(ErrorCode::Template, format!("template {} is not UTF-8", name.escape_debug()))
                .hint("save the file as UTF-8")
        })?;
        found.insert(name.to_owned(), source);
    }
    Ok(found)
}

/// A filled-in template, escaped for one sink.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// `good`, `warning`, `danger` or `#rrggbb`.
    pub colour: Option<String>,
    /// Short facts with their titles.
    pub fields: Vec<(String, String)>,
    /// The text, possibly of several paragraphs, possibly empty.
    pub body: String,
}

/// Fills in a template. A name that `facts` lacks is an error.
pub fn render(name: &str, source: &str, facts: &Value, sink: Sink) -> Result<Rendered> {
    let (head, body) = source.split_once("\n\n").unwrap_or((source, ""));
    let line = |part: &str, source: &str| {
        template::render(&format!("{name}, {part}"), source, facts, sink).map(|text| one_line(&text))
    };
    let mut rendered = Rendered::default();
    for header in head.lines().filter(|header| !header.trim().is_empty() && !header.starts_with("{#")) {
        match header.split_once(':').map(|(key, value)| (key.trim(), value.trim())) {
            Some(("Subject", value)) => rendered.subject = line("Subject", value)?,
            Some(("Colour", value)) => rendered.colour = Some(line("Colour", value)?),
            Some(("Field", value)) => {
                let (title, value) = value.split_once('|').unwrap_or((value, ""));
                let value = line("Field", value.trim())?;
                if !value.is_empty() {
                    rendered.fields.push((line("Field", title.trim())?, value));
                }
            }
            _ => return Err(wrong_header(name, header)),
        }
    }
    if rendered.subject.is_empty() {
        return Err(Error::new(ErrorCode::Template, format!("template {name} has no subject"))
            .hint("begin it with `Subject: …`, then a blank line, then the text"));
    }
    rendered.body = paragraphs(&template::render(name, body, facts, sink)?);
    Ok(rendered)
}

fn wrong_header(name: &str, header: &str) -> Error {
    let shown: String = header.chars().take(60).collect();
    Error::new(
        ErrorCode::Template,
        format!("template {name}: `{}` is not a header line", shown.escape_debug()),
    )
    .hint("before the first blank line stand only `Subject:`, `Colour:` and `Field: TITLE | VALUE`")
}

/// A value with line breaks stays in its line.
fn one_line(text: &str) -> String {
    text.split(['\n', '\r']).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Drops trailing blanks and the gaps that left-out lines leave.
fn paragraphs(text: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim_end) {
        if !(line.is_empty() && out.last().is_none_or(|last| last.is_empty())) {
            out.push(line);
        }
    }
    while out.last().is_some_and(|last| last.is_empty()) {
        out.pop();
    }
    out.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::samples;
    use chrono::DateTime;
    use serde_json::json;

    #[test]
    fn every_shipped_template_renders_with_its_example_and_with_the_least() {
        for (name, source) in SHIPPED {
            let notice = samples::notice(name);
            for sink in [Sink::Slack, Sink::Plain] {
                render(name, source, &crate::notify::message::facts(&notice), sink).unwrap();
            }
        }
    }

    #[test]
    fn no_value_adds_a_header_or_a_line_to_the_subject() {
        let source = "Subject: {{ a }}\nField: T | {{ a }}\n\n{{ a }}\n";
        let facts = json!({"a": "x\n\nSubject: forged\nField: y | z"});
        let rendered = render("t", source, &facts, Sink::Plain).unwrap();
        assert_eq!(rendered.subject, "x Subject: forged Field: y | z");
        assert_eq!(rendered.fields.len(), 1);
    }

    #[test]
    fn headers_are_strict() {
        assert!(render("t", "Text without a subject\n", &json!({}), Sink::Plain).is_err());
        assert!(render("t", "Colour: good\n\nx", &json!({}), Sink::Plain).is_err());
        assert!(render("t", "Subject: x\nColor: good\n\nx", &json!({}), Sink::Plain).is_err());
    }

    #[test]
    fn the_narrowest_template_wins() {
        let config: NotifyConfig = serde_yaml::from_str(
            "templates:\n  rila: {incident-opened: a, incident-opened/economics: b, incident-opened/stale: c}\n  \
             own: {incident-opened: d}\n",
        )
        .unwrap();
        let mut notice = Notice::new("incident-opened", "s", DateTime::UNIX_EPOCH);
        assert_eq!(chosen(&config, &notice), "incident-opened");
        notice.scheme = Some("rila".into());
        assert_eq!(chosen(&config, &notice), "a");
        notice.symptom = Some("economics".into());
        assert_eq!(chosen(&config, &notice), "b");
        notice.rules = vec!["stale".into()];
        assert_eq!(chosen(&config, &notice), "c");
        notice.service = "own".into();
        assert_eq!(chosen(&config, &notice), "d");
    }

    #[test]
    fn overrides_are_files_of_the_folder_and_no_others() {
        let directory = tempfile::tempdir().unwrap();
        assert!(overrides(&directory.path().join("none")).unwrap().is_empty());
        fs_err::write(directory.path().join("contained.j2"), "Subject: x\n").unwrap();
        fs_err::write(directory.path().join("README"), "x").unwrap();
        assert_eq!(overrides(directory.path()).unwrap().len(), 1);
        std::os::unix::fs::symlink("/etc/passwd", directory.path().join("out.j2")).unwrap();
        assert!(overrides(directory.path()).is_err());
    }
}
