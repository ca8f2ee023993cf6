//! The workspace: every YAML file that `config/irctl.yaml` names, loaded strictly and checked together.
//!
//! This room composes the configuration structs of the rooms below it and owns no adapter.

pub mod alone;
mod automation;
mod cadence;
mod compared;
pub mod diagnostic;
mod file;
mod find;
pub mod finding;
mod kind;
mod load;
pub mod maintenance;
mod measured;
mod misnamed;
pub mod needs;
mod places;
mod recipes;
mod references;
mod render;
pub mod rounds;
pub mod runbooks;
mod schema;
mod scope;
mod semantic;
pub mod service;
pub mod settings;
mod source;
pub mod state;
mod suites;
mod targets;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::untrusted::{Sink, escape};
use crate::base::{Error, ErrorCode, Result};
use crate::notify::{AUDIT_CHANNEL, ChannelConfig, ContactsConfig, NotifyConfig};
use crate::rollback::targets::command::Recipe;
use crate::runbook::RunbookConfig;
use crate::severity::SchemeConfig;
use crate::severity::input::MappingConfig;
use crate::store::Store;
use crate::verify::SuiteConfig;
use diagnostic::Report;
pub use find::MARK;
pub use kind::Kind;
pub use load::check_bytes;
pub use render::render;
pub use rounds::{HeartbeatConfig, RoundsConfig};
pub use schema::formats;
pub use scope::Scope;
pub use service::{ServiceConfig, ServiceKind};
pub use settings::Settings;

/// Everything that the configuration says.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// The directory that holds `config/`; paths in the configuration are relative to it.
    pub root: PathBuf,
    /// Where state is kept.
    pub state: PathBuf,
    /// `config/irctl.yaml`.
    pub settings: Settings,
    /// Severity schemes by name: those of the workspace, and the shipped ones that it does not replace.
    pub schemes: BTreeMap<String, SchemeConfig>,
    /// Services by name.
    pub services: BTreeMap<String, ServiceConfig>,
    /// Verification suites by name.
    pub suites: BTreeMap<String, SuiteConfig>,
    /// Channels and routes.
    pub notify: NotifyConfig,
    /// Roles and their contacts.
    pub contacts: ContactsConfig,
    /// Runbooks by name.
    pub runbooks: BTreeMap<String, RunbookConfig>,
    /// Recipes by name: those of the workspace, and the shipped ones that it does not replace.
    pub recipes: BTreeMap<String, Recipe>,
    /// The recipes that are part of the program and that the workspace does not replace.
    pub shipped_recipes: BTreeSet<String>,
    /// How to read the messages of other systems, by name.
    pub mappings: BTreeMap<String, MappingConfig>,
    /// The schemes that are part of the program and that the workspace does not replace.
    pub shipped: BTreeSet<String>,
    /// What does not stop the command that loaded this, and should still be said.
    pub warnings: Report,
    /// The file that each thing was read from, relative to the root, by kind and name.
    sources: BTreeMap<(Kind, String), PathBuf>,
    /// What could not be loaded and was not needed, by kind and name.
    broken: BTreeMap<(Kind, String), Broken>,
}

/// A file that was left out because it has errors.
#[derive(Debug, Clone)]
struct Broken {
    path: String,
    text: String,
}

/// The outcome of [`Workspace::check`].
#[derive(Debug)]
pub struct Checked {
    /// The workspace's root.
    pub root: PathBuf,
    /// Every error and warning.
    pub report: Report,
    /// What could be loaded; `None` if `config/irctl.yaml` itself could not.
    pub workspace: Option<Workspace>,
    /// How many files were read.
    pub files: usize,
}

impl Workspace {
    /// Finds `config/irctl.yaml` from `directory` upwards and loads all it names; any error in it is an error here.
    pub fn load(directory: &Path) -> Result<Self> {
        Self::load_for(directory, Scope::ALL)
    }

    /// Finds `config/irctl.yaml` from `directory` upwards and loads as much as `scope` says. Errors in files that
    /// the scope does not need are in [`Workspace::warnings`].
    pub fn load_for(directory: &Path, scope: Scope) -> Result<Self> {
        let root = find::root(directory)?;
        let loaded = load::load(&root, scope, |settings| state::directory(&root, settings))?;
        match loaded.workspace {
            Some(workspace) if loaded.report.errors() == 0 => Ok(workspace),
            _ => Err(invalid(&loaded.report)),
        }
    }

    /// Loads everything and says everything that is wrong. `Err` only if there is no configuration at all.
    pub fn check(directory: &Path) -> Result<Checked> {
        let root = find::root(directory)?;
        // Where state would be is not a question of the files, and a build machine may have no place for it.
        let place = |settings: &Settings| Ok(state::directory(&root, settings).unwrap_or_default());
        let loaded = load::load(&root, Scope::ALL, place)?;
        Ok(Checked { report: loaded.report, workspace: loaded.workspace, files: loaded.files, root })
    }

    /// Lints the runbooks of these names, or all; `today` is for dates of reviews. Errors that `irctl config check`
    /// would report in them are among the findings.
    ///
    /// # Errors
    /// There is no configuration, or no runbook of such a name.
    pub fn lint(
        directory: &Path,
        wanted: &[String],
        today: chrono::NaiveDate,
    ) -> Result<runbooks::LintReport> {
        let root = find::root(directory)?;
        let place = |settings: &Settings| Ok(state::directory(&root, settings).unwrap_or_default());
        let loaded = load::load(&root, Scope::LINT, place)?;
        let Some(workspace) = &loaded.workspace else { return Err(invalid(&loaded.report)) };
        let known =
            |name: &str| loaded.sources.iter().any(|file| file.kind == Kind::Runbook && file.name == name);
        if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
            workspace.runbook(unknown)?;
        }
        let wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
        Ok(runbooks::lint_files(workspace, &loaded.sources, &loaded.report, &wanted, today))
    }

    /// Opens the state store.
    pub fn open_store(&self) -> Result<Arc<dyn Store>> {
        crate::store::sqlite::SqliteStore::open(&self.state).map(|store| Arc::new(store) as Arc<dyn Store>)
    }

    /// A sentence for each file that has errors and was left out because it was not needed.
    pub fn left_out(&self) -> Vec<String> {
        self.broken.values().map(sentence).collect()
    }

    /// The same for what a round of checks judges by; a runbook is only read by people.
    pub fn left_out_of_rounds(&self) -> Vec<String> {
        let judged = self.broken.iter().filter(|((kind, _), _)| *kind != Kind::Runbook);
        judged.map(|(_, broken)| sentence(broken)).collect()
    }

    /// Whether it is known whom to tell, and how: channels, routes and contacts could be loaded.
    pub fn can_notify(&self) -> bool {
        !self.broken.keys().any(|(kind, _)| matches!(kind, Kind::Notify | Kind::Contacts))
    }

    /// The file that something was read from; without a name, the first file of the kind.
    pub fn source(&self, kind: Kind, name: Option<&str>) -> Option<PathBuf> {
        let fits = |known: &(Kind, String)| known.0 == kind && name.is_none_or(|name| known.1 == name);
        let found = self.sources.iter().find(|(known, _)| fits(known));
        found.map(|(_, path)| self.root.join(path))
    }

    /// Whether a file of this kind has errors and was left out.
    pub fn lacks(&self, kind: Kind) -> bool {
        self.broken.keys().any(|(known, _)| *known == kind)
    }

    /// The channels and routes as messages are delivered by: with the channel that `audit:` makes.
    pub fn delivering(&self) -> NotifyConfig {
        let mut notify = self.notify.clone();
        if let Some(audit) = &self.settings.audit {
            notify.channels.insert(AUDIT_CHANNEL.to_owned(), ChannelConfig::Audit(audit.clone()));
        }
        notify
    }

    /// A service by name.
    pub fn service(&self, name: &str) -> Result<&ServiceConfig> {
        self.named(Kind::Service, &self.services, name)
    }

    /// A severity scheme by name.
    pub fn scheme(&self, name: &str) -> Result<&SchemeConfig> {
        self.named(Kind::Severity, &self.schemes, name)
    }

    /// A verification suite by name.
    pub fn suite(&self, name: &str) -> Result<&SuiteConfig> {
        self.named(Kind::Verify, &self.suites, name)
    }

    /// A runbook by name.
    pub fn runbook(&self, name: &str) -> Result<&RunbookConfig> {
        self.named(Kind::Runbook, &self.runbooks, name)
    }

    /// A recipe by name.
    pub fn recipe(&self, name: &str) -> Result<&Recipe> {
        self.named(Kind::Recipe, &self.recipes, name)
    }

    /// A mapping by name.
    pub fn mapping(&self, name: &str) -> Result<&MappingConfig> {
        self.named(Kind::Mapping, &self.mappings, name)
    }

    fn named<'a, T>(&self, kind: Kind, map: &'a BTreeMap<String, T>, name: &str) -> Result<&'a T> {
        if let Some(found) = map.get(name) {
            return Ok(found);
        }
        let noun = kind.noun();
        if let Some(broken) = self.broken.get(&(kind, name.to_owned())) {
            let message =
                format!("the {noun} `{name}` cannot be used: {} has errors\n\n{}", broken.path, broken.text);
            return Err(Error::new(ErrorCode::InvalidConfiguration, message.trim_end())
                .hint("`irctl config check` shows them all"));
        }
        let known: Vec<&str> = map.keys().map(String::as_str).collect();
        let error = Error::new(ErrorCode::NotFound, format!("there is no {noun} `{}`", name.escape_debug()));
        Err(match (schema::suggestion(name, &known), known.as_slice()) {
            (Some(help), _) => error.hint(help),
            (None, []) => error.hint(format!("the configuration has no {noun} at all")),
            (None, known) => error.hint(format!("{noun}s here: {}", known.join(", "))),
        })
    }
}

fn sentence(broken: &Broken) -> String {
    let path = escape(&broken.path, Sink::Terminal);
    format!("{path} has errors and was left out; `irctl config check` shows them")
}

fn invalid(report: &Report) -> Error {
    let count = report.errors();
    let plural = if count == 1 { "error" } else { "errors" };
    let text = render(&report.only(diagnostic::Severity::Error), false);
    let message = format!("the configuration has {count} {plural}\n\n{}", text.trim_end());
    Error::new(ErrorCode::InvalidConfiguration, message)
        .hint("`irctl config check` shows this again, with warnings; nothing was changed")
}
