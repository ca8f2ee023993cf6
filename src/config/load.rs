//! Loading: every file of a scope, all diagnostics of all of them, and the workspace that comes out.

use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Report, Severity, code};
use super::file::File;
use super::find;
use super::kind::Kind;
use super::schema::Formats;
use super::scope::Scope;
use super::settings::{LoadSettings, Settings};
use super::{Broken, Workspace, cadence, finding, references, render};
use crate::base::Result;

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
    let formats = Formats::standard();
    let mut loader =
        Loader { root, scope, formats, files: Vec::new(), report: Report::default(), shipped: 0 };
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
    /// What concerns more than one file.
    report: Report,
    shipped: usize,
}

impl Loader<'_> {
    fn settings(&mut self) -> Option<Settings> {
        let mut file = File::read(Kind::Irctl, &self.root.join(find::MARK), find::MARK, &self.formats);
        let settings = file.typed();
        self.files.push(file);
        settings
    }

    fn read(&mut self, load: &LoadSettings) {
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Irctl && self.scope.reads(*kind)) {
            let Some(settings) = self.files.first() else { return };
            let (found, report) = find::files(self.root, kind, load, settings);
            self.report.extend(if self.scope.needs(kind) { report } else { report.lowered() });
            for found in found {
                self.files.push(File::read(kind, &found.real, &found.shown, &self.formats));
            }
        }
    }

    /// The shipped schemes and recipes that the workspace does not replace.
    fn add_shipped(&mut self) {
        let recipes = crate::rollback::targets::command::shipped();
        for (kind, folder, files) in
            [(Kind::Severity, "severity", crate::severity::shipped()), (Kind::Recipe, "recipes", recipes)]
        {
            for (name, text) in files.iter().filter(|_| self.scope.reads(kind)) {
                let taken = self.files.iter().any(|file| file.kind == kind && file.name == *name);
                if !taken {
                    let path = format!("(shipped) {folder}/{name}.yaml");
                    self.files.push(File::from_bytes(kind, &path, text.as_bytes(), &self.formats));
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
        let mut broken = BTreeMap::new();
        let schemes = self.take(Kind::Severity, &mut broken);
        let services = self.take(Kind::Service, &mut broken);
        let suites = self.take(Kind::Verify, &mut broken);
        let runbooks = self.take(Kind::Runbook, &mut broken);
        let notify = self.take(Kind::Notify, &mut broken).into_values().next().unwrap_or_default();
        let contacts = self.take(Kind::Contacts, &mut broken).into_values().next().unwrap_or_default();
        let recipes = self.take(Kind::Recipe, &mut broken);
        let mappings = self.take(Kind::Mapping, &mut broken);
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
        Some(Workspace {
            sources,
            shipped: names(Kind::Severity),
            shipped_recipes: names(Kind::Recipe),
            root: self.root.to_path_buf(),
            state,
            settings: settings?,
            schemes,
            services,
            suites,
            notify,
            contacts,
            runbooks,
            recipes,
            mappings,
            warnings: Report::default(),
            broken,
        })
    }

    /// The typed values of a kind, by name; of two with one name the first.
    fn take<T: DeserializeOwned>(
        &mut self,
        kind: Kind,
        broken: &mut BTreeMap<(Kind, String), Broken>,
    ) -> BTreeMap<String, T> {
        let mut typed = BTreeMap::new();
        for file in self.files.iter_mut().filter(|file| file.kind == kind) {
            match file.typed() {
                Some(value) => {
                    typed.entry(file.name.clone()).or_insert(value);
                }
                None => {
                    let text = render::render(&file.report, false);
                    let path = file.source.path.clone();
                    broken.insert((kind, file.name.clone()), Broken { path, text });
                }
            }
        }
        typed
    }

    fn duplicate_names(&mut self) {
        let mut found = Vec::new();
        let mut first: BTreeMap<(Kind, &str), &File> = BTreeMap::new();
        for file in self.own().iter().filter(|file| file.kind != Kind::Irctl && file.tree.is_some()) {
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

    fn finish(mut self, mut workspace: Option<Workspace>) -> Loaded {
        let scope = self.scope;
        let mut across: Vec<(Kind, Diagnostic)> = references::check(self.own(), &self.files, scope);
        if let Some(workspace) = &workspace {
            across.extend(cadence::check(workspace, self.own(), &self.files));
            for check in finding::CHECKS {
                let found = check(workspace);
                for finding in &found {
                    let Some(diagnostic) = finding::locate(finding, &self.files) else { continue };
                    // A name that leads nowhere is one error, however many find it.
                    if !across.iter().any(|(_, known)| known.is_at(&diagnostic)) {
                        across.push((finding.kind, diagnostic));
                    }
                }
            }
        }
        for (kind, diagnostic) in across {
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
