//! `irctl incident list`, `show` and `timeline`.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::{named, screen};
use crate::base::Result;
use crate::cli::{Context, NowArgs};
use crate::config::{ServiceKind, Workspace};
use crate::incident::deadlines::{Promise, detection_time, promises};
use crate::incident::timeline::{Line, lines};
use crate::incident::{Incident, book};
use crate::store::EventFilter;

/// List the incidents that are open, the worst first.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Also those that are over.
    #[arg(long)]
    all: bool,
    /// Only those of this service.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    #[command(flatten)]
    now: NowArgs,
}

/// Show an incident: the harm, who is acting, what is due, the next command.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The incident; the only open one where it is left out.
    id: Option<String>,
    /// Everything that happened, too.
    #[arg(long)]
    timeline: bool,
    #[command(flatten)]
    now: NowArgs,
}

/// Show everything that happened in an incident, each line with the number of its event.
#[derive(Debug, clap::Args)]
pub struct TimelineArgs {
    /// The incident; the only open one where it is left out.
    id: Option<String>,
    #[command(flatten)]
    now: NowArgs,
}

/// An incident as JSON: what its events tell, and what follows from it at an instant.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Shown {
    /// The incident.
    pub incident: Incident,
    /// What its level promises, and what became of it.
    pub promises: Vec<Promise>,
    /// How long it lasted, or lasts so far, in seconds.
    pub duration_seconds: i64,
    /// From the newest event time in the evidence to the opening, in seconds.
    pub detection_seconds: Option<i64>,
    /// When the postmortem is due (UTC), once it is resolved.
    pub postmortem_due: Option<DateTime<Utc>>,
    /// The commands to type next, the most urgent first.
    pub next: Vec<String>,
    /// Everything that happened, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Vec<Line>>,
    #[serde(skip)]
    now: DateTime<Utc>,
}

impl Shown {
    /// What there is to show of an incident at an instant.
    pub fn new(incident: &Incident, context: &Context, now: DateTime<Utc>) -> Result<Self> {
        let way = rollback_way(context.workspace()?, &incident.service);
        Ok(Self {
            promises: promises(incident, now),
            duration_seconds: incident.duration(now).num_seconds(),
            detection_seconds: detection_time(incident).map(|elapsed| elapsed.num_seconds()),
            postmortem_due: incident
                .resolved
                .as_ref()
                .and_then(|moment| incident.deadlines.postmortem_due(moment.at)),
            next: screen::next_commands(incident, way.as_deref()),
            incident: incident.clone(),
            timeline: None,
            now,
        })
    }

    /// Prints it and returns the exit status.
    pub fn print(&self, context: &Context) -> Result<u8> {
        if context.out.is_json() {
            context.out.json(self)?;
            return Ok(0);
        }
        let tone = |tone, text: &str| context.out.tone(tone, text);
        let page = screen::Page { now: self.now, width: context.out.width(), tone: &tone };
        context.out.text(&page.incident(&self.incident, &self.promises, &self.next))?;
        if let Some(lines) = &self.timeline {
            context.out.line("")?;
            print_timeline(lines, context)?;
        }
        Ok(0)
    }
}

/// How the service is named on `irctl rollback`'s command line, where it can be rolled back.
fn rollback_way(workspace: &Workspace, service: &str) -> Option<String> {
    let config = workspace.services.get(service).filter(|service| service.rollback.is_some())?;
    let option = if config.kind == ServiceKind::Model { "--model" } else { "--service" };
    Some(format!("{option} {service}"))
}

/// Lists them.
pub fn list(args: &ListArgs, context: &Context) -> Result<u8> {
    let now = context.now(&args.now)?;
    if let Some(service) = &args.service {
        context.workspace()?.service(service)?;
    }
    let store = context.store()?;
    let service = args.service.as_deref();
    let read = if args.all { book::list } else { book::open };
    let mut incidents = store.view(|session| read(session, service))?;
    incidents.sort_by_key(|incident| (!incident.is_open(), incident.level.rank, incident.opened.sequence));
    if context.out.is_json() {
        let shown: Vec<_> =
            incidents.iter().map(|incident| Shown::new(incident, context, now)).collect::<Result<_>>()?;
        context.out.json(&shown)?;
        return Ok(0);
    }
    if incidents.is_empty() {
        let what = if args.all { "There was never an incident." } else { "No incident is open." };
        context.out.line(what)?;
        return Ok(0);
    }
    let rows: Vec<_> = incidents.iter().map(|incident| screen::row(incident, now)).collect();
    context.out.table(screen::HEADERS, &rows)?;
    Ok(0)
}

/// Shows one.
pub fn show(args: &ShowArgs, context: &Context) -> Result<u8> {
    let now = context.now(&args.now)?;
    let store = context.store()?;
    let (incident, events) = store.view(|session| {
        let incident = named(session, args.id.as_deref())?;
        let filter = EventFilter { incident: Some(incident.id.clone()), ..EventFilter::default() };
        let events = if args.timeline { session.events(&filter)? } else { Vec::new() };
        Ok((incident, events))
    })?;
    let mut shown = Shown::new(&incident, context, now)?;
    shown.timeline = args.timeline.then(|| lines(&events));
    shown.print(context)
}

/// Shows everything that happened in one.
pub fn timeline(args: &TimelineArgs, context: &Context) -> Result<u8> {
    let store = context.store()?;
    let until = args.now.now;
    let events = store.view(|session| {
        let incident = named(session, args.id.as_deref())?;
        session.events(&EventFilter { incident: Some(incident.id), until, ..EventFilter::default() })
    })?;
    let lines = lines(&events);
    if context.out.is_json() {
        context.out.json(&lines)?;
    } else {
        print_timeline(&lines, context)?;
    }
    Ok(0)
}

fn print_timeline(lines: &[Line], context: &Context) -> Result<()> {
    let rows: Vec<_> = lines.iter().map(screen::timeline_row).collect();
    context.out.table(screen::TIMELINE_HEADERS, &rows)
}
