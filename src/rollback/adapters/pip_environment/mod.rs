//! A Python environment, installed again and, if need be, put back.
//!
//! The before-image is a copy of the whole environment. Putting it back is one exchange of two folders, so that the
//! way back needs neither pip nor a network nor an environment that still works.

mod environment;
mod tree;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

use super::{Adapter, Applied, Given, Predicted, PredictedChange, Request, State};
use crate::base::{Error, ErrorCode, Result, fault};
use crate::rollback::targets::Fidelity;
use environment::Environment;

/// See the module.
pub struct PipEnvironment;

/// What stands there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Installed {
    /// Packages and their versions.
    packages: BTreeMap<String, String>,
    /// Modules, and whether they can be imported.
    imports: BTreeMap<String, bool>,
    /// Whether it is in pieces: its Python does not run, or it is gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    broken: bool,
}

impl Installed {
    fn shown(&self) -> String {
        if self.broken {
            return "no environment that runs".to_owned();
        }
        let broken: Vec<_> =
            self.imports.iter().filter(|(_, good)| !**good).map(|(name, _)| name.as_str()).collect();
        let count = match self.packages.len() {
            1 => "1 package".to_owned(),
            count => format!("{count} packages"),
        };
        if broken.is_empty() { count } else { format!("{count}; cannot import {}", broken.join(", ")) }
    }
}

fn value(installed: &Installed) -> Result<serde_json::Value> {
    serde_json::to_value(installed)
        .map_err(|error| Error::new(ErrorCode::Bug, format!("a state cannot be written: {error}")))
}

/// What installing would make of it: the versions that pip names, and modules that can be imported.
fn afterwards(now: &Installed, planned: &BTreeMap<String, String>) -> Installed {
    let mut after = now.clone();
    after.packages.extend(planned.iter().map(|(name, version)| (name.clone(), version.clone())));
    after.imports.values_mut().for_each(|good| *good = true);
    after
}

fn changes(now: &Installed, after: &Installed) -> Vec<PredictedChange> {
    let change = |place: String, from: Option<String>, to: String| PredictedChange {
        place,
        from,
        to: Some(to),
        fidelity: Fidelity::Predicted,
    };
    let packages = after.packages.iter().filter(|(name, version)| now.packages.get(*name) != Some(version));
    let mut found: Vec<_> = packages
        .map(|(name, version)| change(name.clone(), now.packages.get(name).cloned(), version.clone()))
        .collect();
    let broken = now.imports.iter().filter(|(_, good)| !**good);
    found.extend(
        broken
            .map(|(name, _)| change(format!("import {name}"), Some("fails".to_owned()), "works".to_owned())),
    );
    found
}

impl Adapter for PipEnvironment {
    fn observe(&self, request: &Request) -> Result<State> {
        let Some(keep) = &request.keep else {
            // One in pieces is a state like others: that is when the way back is needed most.
            let environment = Environment::of_folder_alone(request)?;
            let installed = environment.look().unwrap_or(Installed { broken: true, ..Installed::default() });
            return Ok(State { state: value(&installed)?, shown: installed.shown() });
        };
        let environment = Environment::of(request)?;
        let installed = environment.look()?;
        tree::copy(environment.folder(), &keep.join("environment"))?;
        Given(request).note("installed.json", &installed)?;
        Ok(State { state: value(&installed)?, shown: installed.shown() })
    }

    fn predict(&self, request: &Request) -> Result<Predicted> {
        let environment = Environment::of(request)?;
        let now = environment.look()?;
        let planned = match environment.planned() {
            Ok(planned) => planned,
            // What cannot even be planned cannot be done: that is a refusal, not a failure to look.
            Err(error) => {
                return Ok(Predicted { refusals: vec![error.message], ..Predicted::default() });
            }
        };
        let after = afterwards(&now, &planned);
        let changes = changes(&now, &after);
        let mixed = "while pip installs, the environment is a mix; what runs from it should be stopped";
        Ok(Predicted {
            warnings: if changes.is_empty() { Vec::new() } else { vec![mixed.to_owned()] },
            after: Some(value(&after)?),
            changes,
            ..Predicted::default()
        })
    }

    fn apply(&self, request: &Request) -> Result<Applied> {
        let environment = Environment::of(request)?;
        let before: Installed = Given(request).before()?;
        let now = environment.look()?;
        if now != before {
            let message = format!("the environment has {} now, not {}", now.shown(), before.shown());
            return Err(Error::new(ErrorCode::Drifted, message));
        }
        fault::point("pip-environment:before-install");
        let broken = now.imports.values().any(|good| !good);
        environment.install(broken)?;
        fault::point("pip-environment:after-install");
        let after = environment.look()?;
        if let Some((name, _)) = after.imports.iter().find(|(_, good)| !**good) {
            let why = environment.why_not_importable(name);
            return Err(Error::new(ErrorCode::Subprocess, format!("`{name}` cannot be imported: {why}")));
        }
        Ok(Applied { detail: Some(after.shown()) })
    }

    fn undo(&self, request: &Request) -> Result<Applied> {
        let environment = Environment::of_folder_alone(request)?;
        let given = Given(request);
        let kept = given.keep()?.join("environment");
        if given.noted::<Installed>("installed.json")?.is_none() || !kept.is_dir() {
            let message = "there is no copy of the environment: `observe` was not asked to keep one";
            return Err(Error::new(ErrorCode::InvalidData, message));
        }
        tree::put_back(&kept, environment.folder())?;
        let before: Installed = given.before()?;
        Ok(Applied { detail: Some(format!("{}, as before", before.shown())) })
    }

    /// Installs into a copy. The copy's programs name the real environment in their first lines, so that only its
    /// interpreter is used.
    fn rehearse(&self, request: &Request) -> Result<Applied> {
        let environment = Environment::of(request)?;
        let scratch = request
            .scratch
            .as_deref()
            .ok_or_else(|| Error::new(ErrorCode::InvalidData, "a request to rehearse without `scratch`"))?;
        let copy = scratch.join("environment");
        tree::copy(environment.folder(), &copy)?;
        let copied = environment.at(&copy);
        copied.install(false)?;
        let after = copied.look()?;
        match after.imports.iter().find(|(_, good)| !**good) {
            Some((name, _)) => {
                let why = copied.why_not_importable(name);
                Err(Error::new(
                    ErrorCode::Subprocess,
                    format!("`{name}` cannot be imported from the copy: {why}"),
                ))
            }
            None => Ok(Applied { detail: Some(format!("installed into a copy: {}", after.shown())) }),
        }
    }
}

/// Whether a folder is a virtual environment.
fn is_virtual(folder: &Path) -> bool {
    folder.join("pyvenv.cfg").is_file()
}
