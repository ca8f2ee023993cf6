//! What a round is asked to do, from the command line and from `check:` in config/irctl.yaml.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::pool::Limits;
use super::shard::Shard;
use crate::base::{self, Result};
use crate::config::{HeartbeatConfig, ServiceConfig, Workspace};

/// How long a probe may take if nothing says so.
const TIMEOUT: base::Duration = base::Duration::seconds(30);

/// What the command line asks of a round. What it leaves out, the configuration says.
#[derive(Debug, Clone, Default)]
pub struct Orders {
    /// Only these services; all of them where none is named.
    pub services: Vec<String>,
    /// Only this part of all services.
    pub shard: Option<Shard>,
    /// How many things are measured at the same time.
    pub jobs: Option<u16>,
    /// How long a probe may take.
    pub timeout: Option<base::Duration>,
    /// How long measuring may take altogether.
    pub deadline: Option<base::Duration>,
    /// Where to write metrics for Prometheus.
    pub textfile: Option<PathBuf>,
    /// Leave out of the report what only programs read: the samples and the rules that did not match. Of thousands of
    /// services it is most of what a round takes.
    pub brief: bool,
}

impl Orders {
    /// The services that are asked for, in the order of their names.
    ///
    /// # Errors
    /// `not-found` for a name that is no service.
    pub fn select<'a>(&self, workspace: &'a Workspace) -> Result<Vec<&'a ServiceConfig>> {
        let named = super::select(workspace, &self.services)?;
        Ok(named.into_iter().filter(|one| self.shard.is_none_or(|shard| shard.has(&one.service))).collect())
    }

    /// Whether a round over the whole workspace is asked for.
    pub fn is_whole(&self, workspace: &Workspace) -> bool {
        let all = |name: &String| self.services.contains(name);
        self.shard.is_none() && (self.services.is_empty() || workspace.services.keys().all(all))
    }

    /// How long a probe may take that has no limit of its own.
    pub fn probe_timeout(&self, workspace: &Workspace) -> Duration {
        self.timeout.or(workspace.settings.check.timeout).unwrap_or(TIMEOUT).to_std()
    }

    /// How long measuring may take: until the next round would begin, if nothing else is said.
    pub fn deadline(&self, workspace: &Workspace) -> Option<base::Duration> {
        self.deadline.or(workspace.settings.check.deadline).or(workspace.settings.cadence)
    }

    /// What the pool may take. Waiting for disks and servers is most of it, so twice as many as there are processors.
    pub fn limits(&self, workspace: &Workspace, begun: Instant) -> Limits {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let jobs = self.jobs.or(workspace.settings.check.jobs).map_or(2 * processors, usize::from);
        let deadline = self.deadline(workspace).and_then(|deadline| begun.checked_add(deadline.to_std()));
        Limits { jobs: jobs.max(1), deadline }
    }

    /// Whether whoever watches rounds hears of this one. One over some services by name is somebody's look at them; it
    /// says nothing about the others.
    fn is_watched(&self, workspace: &Workspace) -> bool {
        self.shard.is_some() || self.is_whole(workspace)
    }

    /// Where metrics go: as typed, or relative to the workspace as configured.
    pub fn textfile(&self, workspace: &Workspace) -> Option<PathBuf> {
        let configured = workspace.settings.check.textfile.as_ref().filter(|_| self.is_watched(workspace));
        self.textfile.clone().or_else(|| Some(workspace.root.join(configured?)))
    }

    /// Who is told that a round begins and ends.
    pub fn heartbeat<'a>(&self, workspace: &'a Workspace) -> Option<&'a HeartbeatConfig> {
        workspace.settings.check.heartbeat.as_ref().filter(|_| self.is_watched(workspace))
    }
}
