//! A webhook, signed as Standard Webhooks 1.0 says: `webhook-id` stays the same over retries, so that a receiver
//! can drop a message that comes twice.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use serde_json::Value;

use super::http::Post;
use super::{ChannelKind, Outcome, Parcel, Preview, Surroundings, json_line};
use crate::base::clock::format_instant;
use crate::base::{Error, ErrorCode, Result, Secret, SecretReference};
use crate::notify::config::{Given, WebhookConfig};
use crate::notify::message::Draft;

#[derive(Serialize)]
struct Payload<'a> {
    r#type: String,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    subject: &'a str,
    text: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field<'a>>,
    service: &'a str,
    scheme: Option<&'a str>,
    incident: Option<&'a str>,
    level: Option<&'a str>,
    symptom: Option<&'a str>,
    rules: &'a [String],
    audience: &'a [String],
    queued_at: String,
    facts: &'a Value,
}

#[derive(Serialize)]
pub(super) struct Field<'a> {
    title: &'a str,
    value: &'a str,
}

pub(super) fn fields<'a>(draft: &Draft<'a>) -> Vec<Field<'a>> {
    draft.rendered.fields.iter().map(|(title, value)| Field { title, value }).collect()
}

/// The message in the form that Standard Webhooks recommends: type, timestamp of what happened, data.
pub fn payload(draft: &Draft<'_>) -> String {
    let notice = draft.notice;
    json_line(&Payload {
        r#type: format!("notice.{}", notice.template),
        timestamp: format_instant(notice.at),
        data: Data {
            subject: &draft.rendered.subject,
            text: &draft.rendered.body,
            fields: fields(draft),
            service: &notice.service,
            scheme: notice.scheme.as_deref(),
            incident: notice.incident.as_deref(),
            level: notice.level.as_deref(),
            symptom: notice.symptom.as_deref(),
            rules: &notice.rules,
            audience: &notice.audience,
            queued_at: format_instant(draft.queued_at),
            facts: &notice.context,
        },
    })
}

/// `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; `secret` is `whsec_` and the base64 of the key.
pub fn signature(secret: &Secret, id: &str, timestamp: i64, body: &str) -> Result<String> {
    let wrong = || {
        Error::new(ErrorCode::SecretUnavailable, "the signing secret is not `whsec_` and base64")
            .hint("make one: printf 'whsec_%s\\n' \"$(head -c 32 /dev/urandom | base64)\"")
    };
    let encoded = secret.expose().strip_prefix("whsec_").ok_or_else(wrong)?;
    let key = STANDARD.decode(encoded).map_err(|_| wrong())?;
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).map_err(|_| wrong())?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body.as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

/// Sends it.
pub fn send(config: &WebhookConfig, parcel: &Parcel<'_>, around: &Surroundings<'_>) -> Outcome {
    match prepared(config, parcel, around) {
        Ok((url, headers)) => {
            let secrets = url.split(['/', '?', '&', '=']).filter(|part| part.len() >= 8).collect();
            let body = &parcel.message.payload;
            let post = Post { url: &url, headers, body, timeout: around.timeout, now: around.now, secrets };
            around.transport.post(&post).map_or_else(|outcome| outcome, |answer| answer.outcome(None))
        }
        Err(error) => Outcome::Retry { after: None, error: error.message },
    }
}

fn prepared(
    config: &WebhookConfig,
    parcel: &Parcel<'_>,
    around: &Surroundings<'_>,
) -> Result<(String, Vec<(String, String)>)> {
    let given = |given: &Given| match given {
        Given::Plain(text) => Ok(text.clone()),
        Given::Secret(reference) => (around.resolver)(reference).map(|secret| secret.expose().to_owned()),
    };
    let mut headers = standard(parcel.id, around.now);
    if let Some(reference) = &config.secret {
        let secret = (around.resolver)(reference)?;
        let timestamp = around.now.timestamp();
        let signed = signature(&secret, parcel.id, timestamp, &parcel.message.payload)?;
        headers.push(("webhook-signature".to_owned(), signed));
    }
    for (name, value) in &config.headers {
        headers.push((name.to_ascii_lowercase(), given(value)?));
    }
    Ok((given(&config.url)?, headers))
}

fn standard(id: &str, now: DateTime<Utc>) -> Vec<(String, String)> {
    [
        ("content-type", "application/json".to_owned()),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", now.timestamp().to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// What it looks like when it leaves. The signature is not computed: a preview needs no secret.
pub fn preview(config: &WebhookConfig, parcel: &Parcel<'_>, now: DateTime<Utc>) -> Preview {
    let kept = |reference: &SecretReference| format!("<{reference}>");
    let shown = |given: &Given| match given {
        Given::Plain(text) => text.clone(),
        Given::Secret(reference) => kept(reference),
    };
    let mut headers = standard(parcel.id, now);
    if let Some(reference) = &config.secret {
        headers.push(("webhook-signature".to_owned(), format!("v1,<signed with {reference}>")));
    }
    headers.extend(config.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), shown(value))));
    Preview {
        kind: ChannelKind::Webhook,
        destination: format!("POST {}", shown(&config.url)),
        headers,
        body: parcel.message.payload.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example that the Standard Webhooks libraries share.
    #[test]
    fn signs_as_the_specification_does() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let signed =
            signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_wrong_secret_is_not_repeated() {
        for secret in ["hunter2", "whsec_%%%hunter2"] {
            let error = signature(&Secret::new(secret.to_owned()), "m", 0, "").unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }
}
