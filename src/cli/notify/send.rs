//! `irctl notify send`: says something about an incident that no round says by itself.

use super::{channel_config, deliver, outbox, overrides};
use crate::base::error::exit;
use crate::base::{Error, ErrorCode, Result};
use crate::check::{measure, notices};
use crate::cli::Context;
use crate::cli::incident::named;
use crate::config::Scope;
use crate::notify::{Composer, Dispatch, Notice, enqueue, enqueue_to};
use crate::store::{Delivery, DeliveryState};

/// Send a message about an incident: an update, or what people are to do meanwhile.
///
/// The facts of the incident are filled in; `--set` says the rest. A template that lacks a fact is refused before
/// anything is queued; `irctl notify preview TEMPLATE` shows what it says.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  irctl notify send rila-previous-week --set eta=\"Friday 12:00 UTC\"\n  \
                        irctl notify send incident-updated --incident 030700 --set summary=\"retraining runs\"\n\n\
                        Exit status: 0 when everything was delivered, 69 otherwise."
)]
pub struct Args {
    /// The template.
    template: String,
    /// The incident it is about; the only open one where it is left out.
    #[arg(long, value_name = "INCIDENT")]
    incident: Option<String>,
    /// A fact that the template uses; may be given several times.
    #[arg(long = "set", value_name = "NAME=TEXT", value_parser = parse_fact)]
    facts: Vec<(String, String)>,
    /// Only over this channel, whatever the routes say.
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
}

fn parse_fact(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=TEXT")?;
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_word) {
        return Err(format!("`{}` is no name of a fact", name.escape_debug()));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Runs it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let workspace = context.workspace_for(Scope::NOTIFY)?;
    if let Some(channel) = &args.channel {
        channel_config(channel, context)?;
    }
    let notice = notice(args, context)?;
    refuse_incomplete(&notice, context)?;
    let now = notice.at;
    let queued = context.store()?.with(|session| match &args.channel {
        Some(channel) => enqueue_to(session, channel, &notice, now).map(|row| vec![row]),
        None => enqueue(session, &workspace.notify, &workspace.contacts, &notice, now),
    })?;
    if queued.is_empty() {
        return Err(Error::new(ErrorCode::NotFound, "no route leads to a channel: nobody was told").hint(
            format!(
                "name one with --channel; `irctl notify explain --service {} --template {}` says why",
                notice.service, notice.template
            ),
        ));
    }
    deliver(context, std::time::Duration::from_secs(3))?;
    let rows = context.store()?.view(|session| session.deliveries(None))?;
    let sent: Vec<Delivery> =
        rows.into_iter().filter(|row| queued.iter().any(|queued| queued.number == row.number)).collect();
    let told = sent.iter().all(|row| row.state == DeliveryState::Delivered);
    outbox::table(sent, context)?;
    Ok(if told { exit::OK } else { ErrorCode::Delivery.exit() })
}

fn notice(args: &Args, context: &Context) -> Result<Notice> {
    let workspace = context.workspace_for(Scope::NOTIFY)?;
    let now = context.clock.now()?;
    let incident = context.store()?.view(|session| named(session, args.incident.as_deref()))?;
    let service = workspace.service(&incident.service)?;
    let scheme = measure::scheme(workspace, &service.scheme)?;
    let mut notice = notices::about(service, &scheme, &incident, &args.template, now);
    // Said as often as a person says it.
    notice.occasion = format!("sent/{}", crate::base::identity::random_hex(8)?);
    let facts = args.facts.iter().map(|(name, text)| (name.clone(), text.as_str().into())).collect();
    notice.context = notices::merged(notice.context, serde_json::Value::Object(facts));
    Ok(notice)
}

fn refuse_incomplete(notice: &Notice, context: &Context) -> Result<()> {
    let workspace = context.workspace_for(Scope::NOTIFY)?;
    let overrides = overrides(context)?;
    let composer = Composer { config: &workspace.notify, overrides: &overrides };
    composer.source(&notice.template)?;
    let dispatch = Dispatch { id: "preview", queued_at: notice.at, sent_at: notice.at, witness: None };
    let composed = composer.compose(notice, crate::notify::ChannelKind::File, &dispatch);
    match composed.fallback {
        None => Ok(()),
        Some(why) => Err(Error::new(ErrorCode::Usage, format!("{} cannot be said: {why}", notice.template))
            .hint("give the facts that are missing with --set NAME=TEXT")),
    }
}
