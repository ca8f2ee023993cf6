//! `irctl notify preview`: what would be sent, byte for byte, without sending it.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::{channel_config, overrides};
use crate::base::error::exit;
use crate::base::untrusted::{Sink, escape};
use crate::base::{Error, ErrorCode, Result};
use crate::cli::output::Tone;
use crate::cli::{Context, NowArgs};
use crate::config::Scope;
use crate::notify::channels::{self, Parcel, Preview};
use crate::notify::courier::compose_rows;
use crate::notify::message::identifier;
use crate::notify::{Composer, Dispatch, route, samples};
use crate::store::{Delivery, DeliveryState};

/// Show the exact bytes that would be sent, secrets masked. Nothing is sent.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  irctl notify preview rila-unsafe\n  irctl notify preview rolled-back --channel oncall\n  irctl notify preview --incident INC-20261120-030700"
)]
pub struct Args {
    /// A template, filled with an example.
    #[arg(required_unless_present = "incident", conflicts_with = "incident")]
    template: Option<String>,
    /// The messages of this incident that stand in the outbox.
    #[arg(long, value_name = "INCIDENT")]
    incident: Option<String>,
    /// Only for this channel; otherwise for every channel it would go to.
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    #[command(flatten)]
    now: NowArgs,
}

/// One message as it would leave over one channel.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Previewed {
    /// The channel.
    channel: String,
    /// The template that says it.
    template: String,
    /// Why the plain form is used instead of the template.
    fallback: Option<String>,
    /// What would be sent.
    #[serde(rename = "message")]
    preview: Preview,
}

/// Runs it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let now = context.now(&args.now)?;
    let previews = match &args.incident {
        Some(incident) => preview_incident(incident, args, context, now)?,
        None => preview_template(args.template.as_deref().unwrap_or_default(), args, context)?,
    };
    if context.out.is_json() {
        context.out.json(&previews)?;
        return Ok(exit::OK);
    }
    for shown in &previews {
        if let Some(why) = &shown.fallback {
            context.out.warning(&format!("the plain form is used: {why}"));
        }
        let Preview { kind, destination, headers, body } = &shown.preview;
        let heading = format!("# {} ({}), template {}", shown.channel, kind.as_str(), shown.template);
        context.out.line(&context.out.tone(Tone::Strong, &heading))?;
        context.out.line(&escape(destination, Sink::Terminal))?;
        for (name, value) in headers {
            context.out.line(&escape(&format!("{name}: {value}"), Sink::Terminal))?;
        }
        context.out.line("")?;
        context.out.line(body.trim_end_matches('\n'))?;
        context.out.line("")?;
    }
    Ok(exit::OK)
}

fn preview_template(name: &str, args: &Args, context: &Context) -> Result<Vec<Previewed>> {
    let workspace = context.workspace_for(Scope::NOTIFY)?;
    let overrides = overrides(context)?;
    let composer = Composer { config: &workspace.notify, overrides: &overrides };
    composer.source(name)?;
    let mut notice = samples::notice(name);
    // The example speaks of a service that may have words of its own; the template asked for is what is shown.
    notice.scheme = None;
    let reached = route::explain(&workspace.notify, &workspace.contacts, &notice);
    let channels = match &args.channel {
        Some(channel) => vec![channel.clone()],
        None => reached.channels.into_iter().map(|reached| reached.channel).collect(),
    };
    let mut previews = Vec::new();
    for channel in channels {
        let config = channel_config(&channel, context)?;
        let id = identifier([notice.deduplication_key(&channel).as_str()]);
        let dispatch = Dispatch { id: &id, queued_at: notice.at, sent_at: notice.at, witness: None };
        let composed = composer.compose(&notice, config.kind(), &dispatch);
        let parcel = Parcel { id: &id, message: &composed.message, possibly_arrived: false };
        let preview = channels::preview(config, &parcel, notice.at);
        previews.push(Previewed {
            channel,
            template: composed.template,
            fallback: composed.fallback,
            preview,
        });
    }
    Ok(previews)
}

fn preview_incident(
    incident: &str,
    args: &Args,
    context: &Context,
    now: DateTime<Utc>,
) -> Result<Vec<Previewed>> {
    let workspace = context.workspace_for(Scope::NOTIFY)?;
    let overrides = overrides(context)?;
    let composer = Composer { config: &workspace.notify, overrides: &overrides };
    let mut rows = context.store()?.view(|session| session.deliveries(None))?;
    rows.retain(|row| row.incident.as_deref() == Some(incident));
    rows.retain(|row| args.channel.as_ref().is_none_or(|channel| row.channel == *channel));
    if rows.is_empty() {
        return Err(Error::new(
            ErrorCode::NotFound,
            format!("the outbox has no message of `{}`", incident.escape_debug()),
        )
        .hint("irctl notify outbox --all lists what it has"));
    }
    let mut previews = Vec::new();
    for row in rows {
        let config = channel_config(&row.channel, context)?;
        let sent_at = if row.state == DeliveryState::Delivered { row.changed_at } else { now };
        let Some((id, composed)) = compose_rows(&composer, std::slice::from_ref(&row), sent_at)? else {
            continue;
        };
        let parcel = Parcel { id: &id, message: &composed.message, possibly_arrived: false };
        let preview = channels::preview(config, &parcel, sent_at);
        let Delivery { channel, .. } = row;
        previews.push(Previewed {
            channel,
            template: composed.template,
            fallback: composed.fallback,
            preview,
        });
    }
    Ok(previews)
}
