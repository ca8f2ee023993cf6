//! How much of the configuration a command needs, so that what it does not need cannot stop it.

use super::kind::Kind;

/// What is loaded, and which errors stop the command.
///
/// A file of a *needed* kind that has errors is an error. A file of a *wanted* kind that has errors is left out and
/// its errors become warnings of the [`super::Workspace`]; asking the workspace for what such a file would have
/// defined says so. Kinds that are neither are not read at all. `config/irctl.yaml` is always needed.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    needed: &'static [Kind],
    wanted: &'static [Kind],
}

impl Scope {
    /// Everything, and all of it good: `config check`.
    pub const ALL: Scope = Scope { needed: &Kind::ALL, wanted: &[] };

    /// Severity schemes, and the mappings that may be asked for: `classify`.
    pub const CLASSIFY: Scope = Scope { needed: &[Kind::Severity], wanted: &[Kind::Mapping] };

    /// Whatever is good: everything that is typed, or run by cron, while something burns. A broken notify.yaml does
    /// not stop a rollback; a broken service file stops only what concerns that service. A round of `check` with a
    /// file left out is at best UNKNOWN.
    pub const OPERATE: Scope = Scope { needed: &[], wanted: &Kind::ALL };

    /// Services and suites must be good, the rest is taken as it is: `verify`.
    pub const VERIFY: Scope = Scope {
        needed: &[Kind::Service, Kind::Verify],
        wanted: &[Kind::Severity, Kind::Notify, Kind::Contacts, Kind::Recipe],
    };

    /// Channels, routes and contacts must be good: `notify`.
    pub const NOTIFY: Scope = Scope {
        needed: &[Kind::Notify, Kind::Contacts],
        wanted: &[Kind::Severity, Kind::Service, Kind::Runbook, Kind::Recipe],
    };

    /// Runbooks, and what they name: `runbook lint`. What is wrong elsewhere is not its business.
    pub const LINT: Scope = Scope { needed: &[Kind::Runbook], wanted: &Kind::ALL };

    /// Whether errors in files of this kind stop the command.
    pub fn needs(&self, kind: Kind) -> bool {
        kind == Kind::Irctl || self.needed.contains(&kind)
    }

    /// Whether files of this kind are read.
    pub fn reads(&self, kind: Kind) -> bool {
        self.needs(kind) || self.wanted.contains(&kind)
    }
}
