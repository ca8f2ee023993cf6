//! `irctl notify`: send, preview, outbox, flush, test, explain.

pub mod outbox;
pub mod preview;
mod send;

use chrono::DateTime;
use std::collections::BTreeMap;

use super::Context;
use crate::base::error::exit;
use crate::base::untrusted::{Sink, escape};
use crate::base::{Error, ErrorCode, Result, SecretReference};
use crate::check::held;
use crate::config::Scope;
use crate::notify::{ChannelConfig, Courier, Notice, Summary, enqueue_to, give_up, route, template};
use crate::store::{Actor, DeliveryState};

/// See, send and account for messages.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  irctl notify outbox                 # what did not get through\n  \
                        irctl notify preview rila-unsafe    # the exact bytes, secrets masked\n  \
                        irctl notify send incident-updated --set summary=\"retraining runs\"")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Send(send::Args),
    Preview(preview::Args),
    Outbox(outbox::OutboxArgs),
    Flush(outbox::FlushArgs),
    Test(TestArgs),
    Explain(ExplainArgs),
}

/// Send a test message over one channel, once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  irctl notify test oncall\n\nExit status: 0 delivered, 69 not.")]
struct TestArgs {
    /// The channel.
    channel: String,
}

/// Show which route a message takes, and why.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  irctl notify explain --service rila_6y20b --level P0 --template rolled-back"
)]
struct ExplainArgs {
    /// Its level.
    #[arg(long)]
    level: Option<String>,
    /// The service it is about.
    #[arg(long)]
    service: String,
    /// The message.
    #[arg(long, default_value = "incident-opened")]
    template: String,
    /// The symptom.
    #[arg(long)]
    symptom: Option<String>,
    /// A rule that decided; may be given more than once.
    #[arg(long = "rule", value_name = "RULE")]
    rules: Vec<String>,
    /// A role that it concerns; may be given more than once.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
}

/// Runs it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    // Whoever sends must not do it by half a configuration: a message for a channel that was left out would fail for
    // good. What stands in the outbox can be seen anyway.
    if !matches!(args.command, Command::Outbox(_)) {
        context.workspace_for(Scope::NOTIFY)?;
    }
    match &args.command {
        Command::Send(args) => send::run(args, context),
        Command::Preview(args) => preview::run(args, context),
        Command::Outbox(args) => outbox::list(args, context),
        Command::Flush(args) => outbox::flush(args, context),
        Command::Test(args) => test(args, context),
        Command::Explain(args) => explain(args, context),
    }
}

/// Delivers what is due, staying up to `patience` for retries: what every command that tells something ends with.
pub fn deliver(context: &Context, patience: std::time::Duration) -> Result<Summary> {
    let workspace = context.workspace_for(Scope::NOTIFY)?;
    let store = context.store()?;
    let now = context.clock.now()?;
    if store.view(held::count)? > 0 {
        store.with(|session| held::let_go(session, workspace, now))?;
    }
    let overrides = overrides(context)?;
    let _progress = context.out.progress("delivering");
    let config = workspace.delivering();
    Courier {
        store: &*store,
        config: &config,
        overrides: &overrides,
        root: &workspace.root,
        resolver: &SecretReference::resolve,
        clock: &context.clock,
        jitter: &jitter,
        patience,
    }
    .deliver_due()
}

/// Templates that cannot be read are a warning: the shipped ones still tell what happened.
fn overrides(context: &Context) -> Result<BTreeMap<String, String>> {
    let directory = context.workspace_for(Scope::NOTIFY)?.root.join("config/templates");
    Ok(template::overrides(&directory).unwrap_or_else(|error| {
        context.out.warning(&format!("{}; the shipped templates are used", error.message));
        BTreeMap::new()
    }))
}

/// A number in [0, 1); zero where the system has no randomness, which spreads nothing and breaks nothing.
fn jitter() -> f64 {
    let random = crate::base::identity::random_hex(4).ok();
    let number = random.and_then(|hex| u32::from_str_radix(&hex, 16).ok()).unwrap_or(0);
    f64::from(number) / (f64::from(u32::MAX) + 1.0)
}

fn channel_config<'c>(name: &str, context: &'c Context) -> Result<&'c ChannelConfig> {
    let channels = &context.workspace_for(Scope::NOTIFY)?.notify.channels;
    channels.get(name).ok_or_else(|| {
        let known: Vec<_> = channels.keys().map(String::as_str).collect();
        Error::new(ErrorCode::NotFound, format!("there is no channel `{}`", name.escape_debug()))
            .hint(format!("channels in config/notify.yaml: {}", known.join(", ")))
    })
}

fn test(args: &TestArgs, context: &Context) -> Result<u8> {
    channel_config(&args.channel, context)?;
    let now = context.clock.now()?;
    let mut notice = Notice::new("test", "irctl", now);
    notice.occasion = crate::base::identity::random_hex(8)?;
    let actor = match &context.actor {
        Actor::Human(name) => name.clone(),
        Actor::Automation => "irctl".to_owned(),
    };
    notice.context = serde_json::json!({"channel": args.channel, "actor": actor});
    let queued = context.store()?.with(|session| enqueue_to(session, &args.channel, &notice, now))?;
    deliver(context, std::time::Duration::ZERO)?;
    let settled = context.store()?.with(|session| give_up(session, queued.number, now))?;
    if context.out.is_json() {
        context.out.json(&outbox::row(settled.clone()))?;
    } else {
        let said = settled.receipt.as_deref().or(settled.last_error.as_deref()).unwrap_or("no answer");
        let channel = escape(&args.channel, Sink::Terminal);
        context.out.line(&format!(
            "{channel}: {}, {}",
            outbox::word(settled.state),
            escape(said, Sink::Terminal)
        ))?;
    }
    Ok(if settled.state == DeliveryState::Delivered { exit::OK } else { ErrorCode::Delivery.exit() })
}

fn explain(args: &ExplainArgs, context: &Context) -> Result<u8> {
    let workspace = context.workspace_for(Scope::NOTIFY)?;
    let mut notice = Notice::new(&args.template, &args.service, DateTime::UNIX_EPOCH);
    match workspace.service(&args.service) {
        Ok(service) => notice.scheme = Some(service.scheme.clone()),
        Err(error) => context.out.warning(&format!("{}; its scheme's templates are left out", error.message)),
    }
    notice.level = args.level.clone();
    notice.symptom = args.symptom.clone();
    notice.rules = args.rules.clone();
    notice.audience = args.roles.clone();
    let routing = route::explain(&workspace.notify, &workspace.contacts, &notice);
    if context.out.is_json() {
        context.out.json(&routing)?;
        return Ok(exit::OK);
    }
    context.out.line(&format!("Template: {}", routing.template))?;
    for route in &routing.routes {
        let verdict = if route.matched { "matches" } else { "does not match" };
        context.out.line(&format!("Route {}: {verdict}: {}", route.number, route.why))?;
    }
    for role in &routing.roles_without_channel {
        context.out.line(&format!("Role {role}: no channel of its own in config/contacts.yaml"))?;
    }
    for reached in &routing.channels {
        let missing = if reached.configured { "" } else { " — not in config/notify.yaml" };
        context.out.line(&format!("Channel {}: {}{missing}", reached.channel, reached.why))?;
    }
    if routing.channels.is_empty() {
        context.out.line("Nobody is told.")?;
    }
    Ok(exit::OK)
}
