//! A rehearsal: the slot and the chosen entry copied, switched there and back.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::entries::{Home, Registry};
use super::slot::State;
use super::{RegistryConfig, RegistryTarget};
use crate::base::{Error, ErrorCode, Result, file};
use crate::rollback::stage;
use crate::rollback::targets::{Goal, Ground, Rehearsed, Staging, SwitchSpec, Target as _};

/// The folder of the copy.
const COPY: &str = "registry";

impl RegistryTarget<'_> {
    /// See [`crate::rollback::targets::Target::rehearse`].
    pub(super) fn rehearsal(&self, goal: &Goal<'_>, scratch: &Path) -> Result<Vec<Rehearsed>> {
        let registry = self.registry()?;
        let mut parts = Vec::new();
        let copied = timed(&mut parts, "copy the registry's entry and what is in place", || {
            copy(&registry, goal, scratch)
        });
        if copied.is_none() {
            return Ok(parts);
        }
        let config = RegistryConfig { root: COPY.into(), ..self.config.clone() };
        let ground = Ground { root: scratch.to_path_buf(), service: self.ground.service.clone() };
        let rehearsed = RegistryTarget { config: &config, ground: &ground };
        let images = scratch.join("images");
        fs_err::create_dir_all(&images)?;
        let before = rehearsed.observe()?;
        let staging = Staging { images: &images, operation: goal.operation.unwrap_or("rehearsal") };
        let Some(specs) = timed(&mut parts, "stage", || rehearsed.stage(goal, &staging)) else {
            return Ok(parts);
        };
        timed(&mut parts, "switch the copy", || {
            specs.iter().try_for_each(|spec| run(spec, true))?;
            let served = rehearsed.registry()?.occupant()?.digest;
            let chosen = rehearsed.registry()?.chosen(goal)?.version.digest;
            let wrong =
                || Error::new(ErrorCode::Drifted, "the copy does not show the version that was chosen");
            if served == chosen { Ok(()) } else { Err(wrong()) }
        });
        timed(&mut parts, "undo on the copy", || {
            specs.iter().rev().try_for_each(|spec| run(spec, false))?;
            let wrong = || Error::new(ErrorCode::Drifted, "the copy is not what it was");
            if rehearsed.observe()? == before { Ok(()) } else { Err(wrong()) }
        });
        Ok(parts)
    }
}

fn run(spec: &SwitchSpec, forward: bool) -> Result<()> {
    match spec {
        SwitchSpec::Registry(switch) if forward => switch.act_now().map(drop),
        SwitchSpec::Registry(switch) => switch.undo_now().map(drop),
        _ => Err(Error::new(ErrorCode::Bug, "a registry staged a switch of another kind")),
    }
}

fn timed<T>(parts: &mut Vec<Rehearsed>, what: &str, work: impl FnOnce() -> Result<T>) -> Option<T> {
    let begun = Instant::now();
    let done = work();
    parts.push(Rehearsed {
        what: what.to_owned(),
        elapsed_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        failure: done.as_ref().err().map(|error| error.message.clone()),
        not_run: None,
    });
    done.ok()
}

/// Copies what the switch touches to the same places under `scratch`.
fn copy(registry: &Registry<'_>, goal: &Goal<'_>, scratch: &Path) -> Result<()> {
    let root = scratch.join(COPY);
    fs_err::create_dir_all(&root)?;
    let chosen = registry.chosen(goal)?;
    let mut places = vec![registry.manifest()?];
    match &chosen.home {
        Home::Folder(place) | Home::File(place) => places.push(place.clone()),
    }
    let slot = registry.slot()?;
    match State::of(&slot)? {
        State::Absent => {}
        State::Link(to) => {
            places.push(file::parent(&slot).join(&to));
            std::os::unix::fs::symlink(to, root.join(registry.config.slot()))?;
        }
        State::Folder(_) => {
            places.push(slot.clone());
            // Where the folder's model is a link, what it leads to is copied too.
            for name in &registry.config.artifacts {
                places.extend(slot.join(name).canonicalize().ok().filter(|path| !path.starts_with(&slot)));
            }
        }
    }
    for place in places {
        let relative: Option<PathBuf> = [&registry.root, &registry.real]
            .iter()
            .find_map(|root| place.strip_prefix(root).ok().map(Path::to_path_buf));
        let Some(to) = relative.map(|relative| root.join(relative)) else { continue };
        if to.symlink_metadata().is_ok() || place.symlink_metadata().is_err() {
            continue;
        }
        fs_err::create_dir_all(file::parent(&to))?;
        if place.is_dir() {
            stage::copy_tree(&place, &to)?;
        } else {
            stage::copy_file(&place, &to)?;
        }
    }
    Ok(())
}
