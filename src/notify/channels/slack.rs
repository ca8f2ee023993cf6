//! Slack, by an incoming webhook: the address is the secret, and there is no way to tell a repeated message.

use serde::Serialize;

use super::http::Post;
use super::{ChannelKind, Outcome, Parcel, Preview, Surroundings, json_line};
use crate::notify::config::SlackConfig;
use crate::notify::message::Draft;

/// Slack shows an attachment's text in full up to about this many characters; beyond it nobody reads on at 3 a.m.
const TEXT_LIMIT: usize = 3000;
/// Room for a subject line.
const SUBJECT_LIMIT: usize = 300;
/// Room for a field.
const FIELD_LIMIT: usize = 500;
/// A field up to this length shares its line with another.
const SHORT: usize = 40;

/// What Slack answers in plain text when it refuses, and what to do about it. Nothing else of an answer is repeated.
const REFUSALS: &[(&str, &str)] = &[
    ("invalid_payload", "Slack cannot read the message"),
    ("no_text", "the message is empty"),
    ("channel_not_found", "the Slack channel does not exist any more"),
    ("channel_is_archived", "the Slack channel is archived"),
    ("action_prohibited", "the Slack workspace forbids it"),
    ("posting_to_general_channel_denied", "the Slack workspace forbids posting there"),
    ("no_service", "the webhook is switched off or was removed"),
    ("no_service_id", "the webhook's address is not complete"),
    ("no_team", "the Slack workspace does not exist"),
    ("team_disabled", "the Slack workspace is switched off"),
    ("invalid_token", "the webhook's address is not valid any more"),
    ("user_not_found", "the person does not exist in Slack"),
    ("rollup_error", "Slack could not take it now"),
];

#[derive(Serialize)]
struct Payload<'a> {
    text: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Attachment<'a>>,
    // Links from outside are not fetched by Slack on our behalf.
    unfurl_links: bool,
    unfurl_media: bool,
}

#[derive(Serialize)]
struct Attachment<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    color: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
}

#[derive(Serialize)]
struct Field {
    title: String,
    value: String,
    short: bool,
}

/// The message in Slack's form: the subject as text, the rest as one coloured attachment.
pub fn payload(draft: &Draft<'_>) -> String {
    let rendered = draft.rendered;
    let subject = cut(&rendered.subject, SUBJECT_LIMIT);
    let body = cut(&rendered.body, TEXT_LIMIT);
    let fields: Vec<_> = rendered
        .fields
        .iter()
        .map(|(title, value)| Field {
            title: cut(title, FIELD_LIMIT),
            value: cut(value, FIELD_LIMIT),
            short: value.chars().count() <= SHORT,
        })
        .collect();
    let text = if body.is_empty() { subject } else { format!("*{subject}*") };
    let attachment = Attachment {
        color: rendered.colour.as_deref(),
        text: Some(body).filter(|body| !body.is_empty()),
        fields,
    };
    let said = attachment.text.is_some() || !attachment.fields.is_empty();
    let attachments = if said { vec![attachment] } else { Vec::new() };
    json_line(&Payload { text, attachments, unfurl_links: false, unfurl_media: false })
}

/// Cuts a text that is escaped for Slack, never inside a character or an entity such as `&amp;`.
fn cut(text: &str, limit: usize) -> String {
    const MARK: &str = " … (cut)";
    let Some((end, _)) = text.char_indices().nth(limit) else { return text.to_owned() };
    let room = text.char_indices().nth(limit - MARK.chars().count()).map_or(end, |(at, _)| at);
    let mut kept = text.get(..room).unwrap_or_default();
    if let Some(at) = kept.rfind('&')
        && kept.get(at..).is_some_and(|tail| !tail.contains(';') && tail.len() < 6)
    {
        kept = kept.get(..at).unwrap_or_default();
    }
    format!("{kept}{MARK}")
}

/// Sends it.
pub fn send(config: &SlackConfig, parcel: &Parcel<'_>, around: &Surroundings<'_>) -> Outcome {
    let url = match (around.resolver)(&config.url) {
        Ok(url) => url,
        Err(error) => return Outcome::Retry { after: None, error: error.message },
    };
    let post = Post {
        url: url.expose(),
        headers: headers(),
        body: &parcel.message.payload,
        timeout: around.timeout,
        now: around.now,
        secrets: Vec::new(),
    };
    match around.transport.post(&post) {
        Ok(answer) => {
            let said = answer.body.trim();
            answer.outcome(REFUSALS.iter().find(|(code, _)| *code == said).map(|(_, meaning)| *meaning))
        }
        Err(outcome) => outcome,
    }
}

fn headers() -> Vec<(String, String)> {
    vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())]
}

/// What it looks like when it leaves.
pub fn preview(config: &SlackConfig, parcel: &Parcel<'_>) -> Preview {
    Preview {
        kind: ChannelKind::Slack,
        destination: format!("POST <{}>", config.url),
        headers: headers(),
        body: parcel.message.payload.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_between_characters_and_outside_entities() {
        let text = format!("{}&amp;&amp;&amp;", "é".repeat(40));
        for limit in 20..=text.chars().count() {
            let short = cut(&text, limit);
            assert!(short.chars().count() <= limit, "{limit}");
            let stripped = short.replace("&amp;", "");
            assert!(!stripped.contains('&'), "{short}");
        }
        assert_eq!(cut("short", 300), "short");
    }
}
