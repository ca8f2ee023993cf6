//! Loading: every file of a scope, all diagnostics of all of them, and the workspace that comes out.

use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Report, Severity, code};
use super::file::File;
use super::find;
use super::kind::Kind;
use super::schema::Formats;
use super::scope::Scope;
use super::settings::{LoadSettings, Settings};
use super::{Broken, ServiceConfig, Workspace, cadence, finding, references, render};
use crate::base::Result;
use crate::notify::{ContactsConfig, NotifyConfig};
use crate::rollback::targets::command::Recipe;
use crate::runbook::RunbookConfig;
use crate::severity::SchemeConfig;
use crate::severity::input::MappingConfig;
use crate::verify::SuiteConfig;

/// What loading gave.
pub struct Loaded {
    /// Everything that was good; `None` if `config/irctl.yaml` itself was not.
    pub workspace: Option<Workspace>,
    /// Everything that was not.
    pub report: Report,
    /// How many files were read.
    pub files: usize,
    /// The files of the workspace, for whoever has to name places in them.
    pub sources: Vec<File>,
}

/// Loads the workspace at `root` as far as `scope` goes.
pub fn load(root: &Path, scope: Scope, state: impl FnOnce(&Settings) -> Result<PathBuf>) -> Result<Loaded> {
    let mut loader = Loader {
        root,
        scope,
        formats: Formats::standard(),
        files: Vec::new(),
        parts: Parts::default(),
        across: Vec::new(),
        report: Report::default(),
        shipped: 0,
    };
    let settings = loader.settings();
    let usual = LoadSettings::default();
    let load = settings.as_ref().map_or(&usual, |settings| &settings.load);
    loader.read(load);
    loader.add_shipped();
    let state = settings.as_ref().map(state).transpose()?;
    let workspace = loader.workspace(settings, state.unwrap_or_default());
    Ok(loader.finish(workspace))
}

struct Loader<'a> {
    root: &'a Path,
    scope: Scope,
    formats: Formats,
    /// Every file; `config/irctl.yaml` is the first, the shipped ones are the last.
    files: Vec<File>,
    /// What was read from them.
    parts: Parts,
    /// What does not fit together.
    across: Vec<(Kind, Diagnostic)>,
    /// What concerns more than one file.
    report: Report,
    shipped: usize,
}

/// The typed values of every kind, by name; of two with one name the first.
#[derive(Default)]
struct Parts {
    schemes: BTreeMap<String, SchemeConfig>,
    services: BTreeMap<String, ServiceConfig>,
    suites: BTreeMap<String, SuiteConfig>,
    runbooks: BTreeMap<String, RunbookConfig>,
    notify: BTreeMap<String, NotifyConfig>,
    contacts: BTreeMap<String, ContactsConfig>,
    recipes: BTreeMap<String, Recipe>,
    mappings: BTreeMap<String, MappingConfig>,
    broken: BTreeMap<(Kind, String), Broken>,
}

impl Parts {
    /// Takes the value of a file in.
    fn take(&mut self, file: &mut File) {
        let broken = &mut self.broken;
        match file.kind {
            Kind::Irctl => {}
            Kind::Severity => put(file, &mut self.schemes, broken),
            Kind::Service => put(file, &mut self.services, broken),
            Kind::Verify => put(file, &mut self.suites, broken),
            Kind::Notify => put(file, &mut self.notify, broken),
            Kind::Contacts => put(file, &mut self.contacts, broken),
            Kind::Runbook => put(file, &mut self.runbooks, broken),
            Kind::Recipe => put(file, &mut self.recipes, broken),
            Kind::Mapping => put(file, &mut self.mappings, broken),
        }
    }
}

fn put<T: DeserializeOwned>(
    file: &mut File,
    typed: &mut BTreeMap<String, T>,
    broken: &mut BTreeMap<(Kind, String), Broken>,
) {
    match file.typed() {
        Some(value) => {
            typed.entry(file.name.clone()).or_insert(value);
        }
        None => {
            let text = render::render(&file.report, false);
            let path = file.source.path.clone();
            broken.insert((file.kind, file.name.clone()), Broken { path, text });
        }
    }
}

impl Loader<'_> {
    fn settings(&mut self) -> Option<Settings> {
        let mut file = File::read(Kind::Irctl, &self.root.join(find::MARK), find::MARK, &self.formats);
        let settings = file.typed();
        self.across.extend(references::within(&file));
        self.files.push(file);
        settings
    }

    fn read(&mut self, load: &LoadSettings) {
        let scope = self.scope;
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Irctl && scope.reads(*kind)) {
            let Some(settings) = self.files.first() else { return };
            let (found, report) = find::files(self.root, kind, load, settings);
            self.report.extend(if scope.needs(kind) { report } else { report.lowered() });
            for found in found {
                let file = File::read(kind, &found.real, &found.shown, &self.formats);
                self.across.extend(references::within(&file));
                self.add(file);
            }
        }
    }

    /// Takes a file in: its value, and of the file what is needed to say where something stands in it.
    fn add(&mut self, mut file: File) {
        self.parts.take(&mut file);
        // Of these there may be thousands.
        if matches!(file.kind, Kind::Service | Kind::Verify) {
            file.forget_tree();
        }
        self.files.push(file);
    }

    /// The shipped schemes and recipes that the workspace does not replace.
    fn add_shipped(&mut self) {
        let (scope, recipes) = (self.scope, crate::rollback::targets::command::shipped());
        for (kind, folder, files) in
            [(Kind::Severity, "severity", crate::severity::shipped()), (Kind::Recipe, "recipes", recipes)]
        {
            for (name, text) in files.iter().filter(|_| scope.reads(kind)) {
                let taken = self.files.iter().any(|file| file.kind == kind && file.name == *name);
                if !taken {
                    let path = format!("(shipped) {folder}/{name}.yaml");
                    self.add(File::from_bytes(kind, &path, text.as_bytes(), &self.formats));
                    self.shipped += 1;
                }
            }
        }
    }

    fn own(&self) -> &[File] {
        self.files.get(..self.files.len() - self.shipped).unwrap_or_default()
    }

    fn workspace(&mut self, settings: Option<Settings>, state: PathBuf) -> Option<Workspace> {
        self.duplicate_names();
        let shipped = self.files.get(self.files.len() - self.shipped..).unwrap_or_default();
        let mut sources = BTreeMap::new();
        for file in self.own() {
            let key = (file.kind, file.name.clone());
            sources.entry(key).or_insert_with(|| PathBuf::from(&file.source.path));
        }
        let names = |kind| {
            let of_kind = shipped.iter().filter(move |file| file.kind == kind);
            of_kind.map(|file| file.name.clone()).collect()
        };
        let (shipped, shipped_recipes) = (names(Kind::Severity), names(Kind::Recipe));
        let parts = std::mem::take(&mut self.parts);
        Some(Workspace {
            sources,
            shipped,
            shipped_recipes,
            root: self.root.to_path_buf(),
            state,
            settings: settings?,
            schemes: parts.schemes,
            services: parts.services,
            suites: parts.suites,
            notify: parts.notify.into_values().next().unwrap_or_default(),
            contacts: parts.contacts.into_values().next().unwrap_or_default(),
            runbooks: parts.runbooks,
            recipes: parts.recipes,
            mappings: parts.mappings,
            warnings: Report::default(),
            broken: parts.broken,
        })
    }

    fn duplicate_names(&mut self) {
        let mut found = Vec::new();
        let mut first: BTreeMap<(Kind, &str), &File> = BTreeMap::new();
        for file in self.own().iter().filter(|file| file.kind != Kind::Irctl && file.is_yaml()) {
            let name = if file.kind.name_key().is_some() { file.name.as_str() } else { "" };
            match first.get(&(file.kind, name)) {
                None => {
                    first.insert((file.kind, name), file);
                }
                Some(other) => found.push(duplicate(file, other)),
            }
        }
        let scope = self.scope;
        for (kind, diagnostic) in found {
            self.push(kind, diagnostic, scope);
        }
    }

    /// Takes a diagnostic of a file in; in a file that is only wanted it is a warning.
    fn push(&mut self, kind: Kind, diagnostic: Diagnostic, scope: Scope) {
        let severity = if scope.needs(kind) { diagnostic.severity } else { Severity::Warning };
        self.report.push(Diagnostic { severity, ..diagnostic });
    }

    /// Everything that does not fit together.
    fn across(&mut self, workspace: Option<&Workspace>) -> Vec<(Kind, Diagnostic)> {
        let mut across = std::mem::take(&mut self.across);
        across.extend(references::check(self.own(), &self.files, self.scope));
        let Some(workspace) = workspace else { return across };
        across.extend(cadence::check(workspace, self.own(), &self.files));
        // A name that leads nowhere is one error, however many find it.
        let mut known: HashSet<_> = across.iter().map(|(_, one)| one.place()).collect();
        let mut locator = finding::Locator::new(&self.files);
        for check in finding::CHECKS {
            let found = check(workspace);
            let located = found.iter().filter_map(|one| Some((one.kind, locator.locate(one)?)));
            across.extend(located.filter(|(_, diagnostic)| known.insert(diagnostic.place())));
        }
        across
    }

    fn finish(mut self, mut workspace: Option<Workspace>) -> Loaded {
        let scope = self.scope;
        for (kind, diagnostic) in self.across(workspace.as_ref()) {
            self.push(kind, diagnostic, scope);
        }
        let mut report = self.report;
        let files = self.files.len() - self.shipped;
        for file in &mut self.files {
            let found = std::mem::take(&mut file.report);
            report.extend(if scope.needs(file.kind) { found } else { found.lowered() });
        }
        self.files.truncate(files);
        report.sort();
        if let Some(workspace) = &mut workspace {
            workspace.warnings = report.only(Severity::Warning);
        }
        Loaded { workspace, report, files, sources: self.files }
    }
}

fn duplicate(file: &File, other: &File) -> (Kind, Diagnostic) {
    let noun = file.kind.noun();
    let message = match file.kind.name_key() {
        Some(_) => format!("there are two {noun}s named `{}`", file.name),
        None => format!("there can be one {noun} only"),
    };
    let diagnostic = Diagnostic::error(code::DUPLICATE_NAME, &file.source, file.name_span(), message)
        .related(&other.source, other.name_span(), "the first is here")
        .help("rename one of them, or take one out of `load:` in config/irctl.yaml");
    (file.kind, diagnostic)
}

/// Checks one file alone, without its workspace: for tests, editors and fuzzing.
pub fn check_bytes(kind: Kind, path: &str, bytes: &[u8]) -> Report {
    let mut file = File::from_bytes(kind, path, bytes, &Formats::standard());
    match kind {
        Kind::Irctl => drop(file.typed::<Settings>()),
        Kind::Severity => drop(file.typed::<crate::severity::SchemeConfig>()),
        Kind::Service => drop(file.typed::<super::ServiceConfig>()),
        Kind::Verify => drop(file.typed::<crate::verify::SuiteConfig>()),
        Kind::Notify => drop(file.typed::<crate::notify::NotifyConfig>()),
        Kind::Contacts => drop(file.typed::<crate::notify::ContactsConfig>()),
        Kind::Runbook => {
            let runbook: Option<crate::runbook::RunbookConfig> = file.typed();
            let found = runbook.map(|runbook| super::runbooks::alone(&runbook, &file)).unwrap_or_default();
            found.into_iter().for_each(|diagnostic| file.report.push(diagnostic));
        }
        Kind::Recipe => drop(file.typed::<crate::rollback::targets::command::Recipe>()),
        Kind::Mapping => drop(file.typed::<crate::severity::input::MappingConfig>()),
    }
    file.report.sort();
    file.report
}
