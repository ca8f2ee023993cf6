//! From a notice to the message of one channel: template, escaping, lateness, digest.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

use super::channels::{self, ChannelKind};
use super::config::NotifyConfig;
use super::notice::Notice;
use super::template::{self, Rendered};
use crate::base::untrusted::{Sink, escape};
use crate::base::{Digest, Error, ErrorCode, Result};

/// A message that is sent this long after it was queued says so.
pub const LATE: TimeDelta = TimeDelta::minutes(2);

/// What one channel is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// One line.
    pub subject: String,
    /// The text.
    pub body: String,
    /// The exact bytes that are sent: JSON in the form that the channel takes.
    pub payload: String,
}

/// A message, and whether it says what its template meant it to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// The template that was chosen.
    pub template: String,
    /// The message.
    pub message: Message,
    /// Why the plain form was used instead of the template.
    pub fallback: Option<String>,
}

/// What is known of a message beside the notice.
#[derive(Debug, Clone, Copy)]
pub struct Dispatch<'a> {
    /// The same for every try of the same message, so that a receiver can tell.
    pub id: &'a str,
    /// When it was queued.
    pub queued_at: DateTime<Utc>,
    /// When it is being sent.
    pub sent_at: DateTime<Utc>,
    /// The newest event when it was queued, as `NUMBER:HASH`: outside irctl's machine it proves the chain up to there.
    pub witness: Option<&'a str>,
}

/// Everything a channel needs to write a message in its own form.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// Identifier, times and witness.
    pub dispatch: Dispatch<'a>,
    /// The facts.
    pub notice: &'a Notice,
    /// The words, escaped for the channel.
    pub rendered: &'a Rendered,
}

/// Turns notices into messages.
#[derive(Debug, Clone, Copy)]
pub struct Composer<'a> {
    /// Which template says what.
    pub config: &'a NotifyConfig,
    /// The workspace's own templates, by name.
    pub overrides: &'a BTreeMap<String, String>,
}

impl<'a> Composer<'a> {
    /// A template's source: the workspace's own, else the shipped one.
    pub fn source(&self, name: &str) -> Result<&'a str> {
        let own = self.overrides.get(name).map(String::as_str);
        own.or_else(|| template::shipped(name)).ok_or_else(|| {
            let known: Vec<_> = template::SHIPPED.iter().map(|(name, _)| *name).collect();
            Error::new(ErrorCode::NotFound, format!("there is no template `{}`", name.escape_debug()))
                .hint(format!("templates: {}; yours stand in config/templates/NAME.j2", known.join(", ")))
        })
    }

    /// The message that says `notice` over a channel of this kind. It never fails: what a template cannot say is
    /// said plainly, and [`Composed::fallback`] tells why.
    pub fn compose(&self, notice: &Notice, kind: ChannelKind, dispatch: &Dispatch<'_>) -> Composed {
        let template = template::chosen(self.config, notice);
        let facts = facts(notice);
        let sink = kind.sink();
        let rendered =
            self.source(&template).and_then(|source| template::render(&template, source, &facts, sink));
        let (mut rendered, fallback) = match rendered {
            Ok(rendered) => (rendered, None),
            Err(error) => (plain(notice, &facts, sink), Some(error.message)),
        };
        if let Some(late) = late(dispatch.queued_at, dispatch.sent_at) {
            let gap = if rendered.body.is_empty() { "" } else { "\n\n" };
            rendered.body = format!("{}{gap}{late}", rendered.body);
        }
        let draft = Draft { dispatch: *dispatch, notice, rendered: &rendered };
        Composed { template, message: finish(kind, &draft), fallback }
    }

    /// One message for many late notices about the same thing, oldest first, each dated.
    pub fn digest(
        &self,
        notices: &[(Notice, DateTime<Utc>)],
        kind: ChannelKind,
        dispatch: &Dispatch<'_>,
    ) -> Option<Composed> {
        let (newest, _) = notices.last()?;
        let mut lines = Vec::new();
        for (notice, queued_at) in notices {
            let on_time = Dispatch { queued_at: *queued_at, sent_at: *queued_at, ..*dispatch };
            let said = self.compose(notice, kind, &on_time).message.subject;
            lines.push(format!("{} {said}", clock_time(notice.at, dispatch.sent_at)));
        }
        let about = newest.incident.as_deref().unwrap_or(&newest.service);
        let sink = kind.sink();
        let level = escape(newest.level.as_deref().unwrap_or(NO_LEVEL), sink);
        let subject = format!("[{level}] {} late messages about {}", notices.len(), escape(about, sink));
        let dates = format!("Sent {}; times are UTC.", minute(dispatch.sent_at));
        let body = format!("{}\n\n{dates}", lines.join("\n"));
        let rendered = Rendered { subject, body, colour: Some("warning".to_owned()), fields: Vec::new() };
        let mut notice = newest.clone();
        notice.template = DIGEST.to_owned();
        let draft = Draft { dispatch: *dispatch, notice: &notice, rendered: &rendered };
        Some(Composed { template: DIGEST.to_owned(), message: finish(kind, &draft), fallback: None })
    }
}

/// What a digest calls itself where a message names its template.
pub const DIGEST: &str = "digest";

pub(super) const NO_LEVEL: &str = "unclassified";

pub(super) fn finish(kind: ChannelKind, draft: &Draft<'_>) -> Message {
    Message {
        subject: draft.rendered.subject.clone(),
        body: draft.rendered.body.clone(),
        payload: visible(&channels::payload(kind, draft)),
    }
}

/// JSON in which no invisible or control character stands as itself: the same data, nothing disguised.
fn visible(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() || escape(c.encode_utf8(&mut [0; 4]), Sink::Plain).chars().eq([c]) {
            if c == '\u{7f}' { out.push_str("\\u007f") } else { out.push(c) }
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

/// The names that a template can use: the notice's own, and what its context adds.
pub fn facts(notice: &Notice) -> Value {
    let mut facts = match known(notice.context.clone()) {
        Some(Value::Object(context)) => context,
        _ => Map::new(),
    };
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            facts.insert(name.to_owned(), Value::String(value));
        }
    };
    set("template", Some(notice.template.clone()));
    set("service", Some(notice.service.clone()));
    set("scheme", notice.scheme.clone());
    set("incident", notice.incident.clone());
    set("level", Some(notice.level.clone().unwrap_or_else(|| NO_LEVEL.to_owned())));
    set("symptom", Some(notice.symptom.clone().unwrap_or_default()));
    set("at", Some(minute(notice.at)));
    facts.insert("rules".to_owned(), notice.rules.clone().into());
    facts.insert("audience".to_owned(), notice.audience.clone().into());
    facts.entry("title").or_insert_with(|| Value::String(notice.service.clone()));
    Value::Object(facts)
}

/// A value without the facts that are `null`: in a template not known is not there.
fn known(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(map) => Some(Value::Object(
            map.into_iter().filter_map(|(name, value)| Some((name, known(value)?))).collect(),
        )),
        Value::Array(values) => Some(Value::Array(values.into_iter().filter_map(known).collect())),
        other => Some(other),
    }
}

/// The message without a template: what is known, line by line.
fn plain(notice: &Notice, facts: &Value, sink: Sink) -> Rendered {
    let show = |value: &Value| match value {
        Value::String(text) => escape(text, sink).replace('\n', " "),
        other => escape(&other.to_string(), sink),
    };
    let fact = |name: &str| facts.get(name).map(show).unwrap_or_default();
    let said = escape(&notice.template, sink).replace('-', " ");
    let mut subject = format!("[{}] {}: {said}", fact("level"), fact("title"));
    if notice.incident.is_some() {
        subject.push_str(&format!(", {}", fact("incident")));
    }
    let shown = ["title", "level", "template", "rules", "audience", "scheme", "symptom"];
    let body = facts
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !shown.contains(&name.as_str()))
        .map(|(name, value)| format!("{}: {}", escape(name, sink).replace('_', " "), show(value)))
        .collect::<Vec<_>>()
        .join("\n");
    Rendered { subject, body, colour: Some("warning".to_owned()), fields: Vec::new() }
}

/// `2026-11-20 03:07 UTC`.
pub fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// `03:07`, with the date where it is another day than `day`'s.
fn clock_time(at: DateTime<Utc>, day: DateTime<Utc>) -> String {
    let format = if at.date_naive() == day.date_naive() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    at.format(format).to_string()
}

fn late(queued_at: DateTime<Utc>, sent_at: DateTime<Utc>) -> Option<String> {
    (sent_at - queued_at >= LATE).then(|| {
        format!("(Late: queued {}, sent {} UTC)", clock_time(queued_at, sent_at), sent_at.format("%H:%M"))
    })
}

/// The identifier of a message: of what its deduplication keys say, without a full stop, as Standard Webhooks asks.
pub fn identifier<'k>(keys: impl IntoIterator<Item = &'k str>) -> String {
    let mut hasher = crate::base::digest::Hasher::default();
    for key in keys {
        hasher.update(key.as_bytes());
        hasher.update(b"\n");
    }
    let digest: Digest = hasher.finish();
    format!("msg_{}", digest.hex().get(..32).unwrap_or(digest.hex()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::parse_instant;
    use crate::notify::samples;
    use serde_json::json;

    fn at(text: &str) -> DateTime<Utc> {
        parse_instant(&format!("2026-11-20T{text}Z")).unwrap()
    }

    fn dispatch(queued_at: DateTime<Utc>, sent_at: DateTime<Utc>) -> Dispatch<'static> {
        Dispatch { id: "m", queued_at, sent_at, witness: None }
    }

    fn composer_test(test: impl Fn(Composer<'_>)) {
        let (config, overrides) = (NotifyConfig::default(), BTreeMap::new());
        test(Composer { config: &config, overrides: &overrides });
    }

    #[test]
    fn a_missing_fact_does_not_break_the_message() {
        composer_test(|composer| {
            let mut notice = samples::notice("rolled-back");
            notice.context = json!({"title": "RILA", "version": null, "duration": "3 s"});
            let composed =
                composer.compose(&notice, ChannelKind::Webhook, &dispatch(at("03:07:00"), at("03:07:00")));
            assert!(composed.fallback.as_deref().is_some_and(|why| why.contains("rolled-back, Subject")));
            assert_eq!(composed.message.subject, "[P0] RILA: rolled back, INC-20261120-030700");
            assert!(composed.message.body.contains("duration: 3 s"), "{}", composed.message.body);
        });
    }

    #[test]
    fn an_unknown_template_is_said_plainly() {
        composer_test(|composer| {
            let notice = Notice::new("something-new", "s", at("03:07:00"));
            let composed =
                composer.compose(&notice, ChannelKind::Slack, &dispatch(at("03:07:00"), at("03:07:00")));
            assert!(composed.fallback.is_some());
            assert_eq!(composed.message.subject, "[unclassified] s: something new");
        });
    }

    #[test]
    fn late_messages_are_dated() {
        composer_test(|composer| {
            let notice = samples::notice("contained");
            let compose =
                |sent| composer.compose(&notice, ChannelKind::File, &dispatch(at("03:07:00"), sent));
            assert!(!compose(at("03:08:59")).message.body.contains("Late"));
            assert!(compose(at("03:41:00")).message.body.ends_with("(Late: queued 03:07, sent 03:41 UTC)"));
            let next_day = parse_instant("2026-11-21T00:10:00Z").unwrap();
            assert!(
                compose(next_day).message.body.ends_with("(Late: queued 2026-11-20 03:07, sent 00:10 UTC)")
            );
        });
    }

    #[test]
    fn a_digest_is_in_order_and_dated() {
        composer_test(|composer| {
            let notices: Vec<_> = ["incident-opened", "contained", "rolled-back"]
                .iter()
                .enumerate()
                .map(|(index, name)| {
                    let mut notice = samples::notice(name);
                    notice.at += TimeDelta::minutes(index as i64);
                    (notice.clone(), notice.at)
                })
                .collect();
            let composed = composer
                .digest(&notices, ChannelKind::Webhook, &dispatch(at("03:07:00"), at("03:41:00")))
                .unwrap()
                .message;
            assert_eq!(composed.subject, "[P0] 3 late messages about INC-20261120-030700");
            let lines: Vec<_> = composed.body.lines().collect();
            assert!(lines[0].starts_with("03:07 [P0] RILA 6Y20B: MAPE"), "{lines:?}");
            assert!(lines[2].starts_with("03:09 [P0] RILA 6Y20B is rolled back"), "{lines:?}");
            assert_eq!(lines[4], "Sent 2026-11-20 03:41 UTC; times are UTC.");
        });
    }

    #[test]
    fn nothing_invisible_is_left_in_the_bytes() {
        let json = serde_json::to_string("a\u{202e}b\u{1b}c\u{9b}d\u{7f}σ🔄\u{feff}").unwrap();
        let shown = visible(&json);
        assert_eq!(shown, "\"a\\u202eb\\u001bc\\u009bd\\u007fσ🔄\\ufeff\"");
        assert_eq!(
            serde_json::from_str::<String>(&shown).unwrap(),
            serde_json::from_str::<String>(&json).unwrap()
        );
    }
}
