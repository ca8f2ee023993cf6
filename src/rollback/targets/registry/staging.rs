//! Staging: the chosen entry copied beside the slot where that is a folder, and what is there kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::config::Form;
use super::entries::{Home, Registry, source};
use super::manifest::Entry;
use super::slot::{Occupant, State, contents, tree};
use super::switch::{self, SlotSwitch};
use super::{RegistrySwitch, RegistryTarget, pointer, unusable};
use crate::base::{Digest, Error, ErrorCode, Result, file};
use crate::rollback::copying;
use crate::rollback::digests::DigestCache;
use crate::rollback::stage;
use crate::rollback::targets::{Goal, Staging, SwitchSpec};
use crate::rollback::versions::Version;

/// The entry that is to come, and where it is.
pub struct Chosen {
    /// The entry as a version.
    pub version: Version,
    /// Its files.
    pub home: Home,
}

impl Registry<'_> {
    /// The entry that a goal means: by its id, else by the name people call its version.
    pub fn chosen(&self, goal: &Goal<'_>) -> Result<Chosen> {
        let entry = self.find(&goal.version.name).or_else(|error| {
            if goal.version.shown() == goal.version.name {
                Err(error)
            } else {
                self.find(goal.version.shown())
            }
        })?;
        self.usable(&entry, goal)
    }

    fn usable(&self, entry: &Entry, goal: &Goal<'_>) -> Result<Chosen> {
        let home = self.home(entry)?.map_err(|defect| unusable(&entry.id, &defect))?;
        let version = self.version(entry, &DigestCache::none())?;
        if let Some(defect) = &version.defect {
            return Err(unusable(&entry.id, defect));
        }
        // Where another target leads, its versions have other files.
        let ours = goal.version.artifacts.keys().eq(&self.config.artifacts_sorted());
        if ours && goal.version.digest != version.digest {
            return Err(Error::new(
                ErrorCode::Drifted,
                format!("the model of {} changed since it was chosen", entry.id.escape_debug()),
            )
            .hint("somebody writes there; wait for that to end, then make a new plan"));
        }
        Ok(Chosen { version, home })
    }

    /// What the slot is to become, but for the digest of a folder.
    pub fn form(&self, occupant: &Occupant) -> Form {
        match occupant.state {
            State::Absent => self.config.form,
            State::Link(_) => Form::Link,
            State::Folder(_) => Form::Folder,
        }
    }

    /// What a link to an entry says: absolute where the one in place is.
    pub fn link_to(&self, occupant: &Occupant, chosen: &Chosen) -> Result<PathBuf> {
        let Home::Folder(folder) = &chosen.home else {
            return Err(unusable(&chosen.version.name, "it is one file, and a link leads to a folder")
                .hint("make the slot a folder, or give the entry a folder of its own"));
        };
        let absolute = matches!(&occupant.state, State::Link(to) if to.is_absolute());
        Ok(match folder.strip_prefix(&self.root) {
            Ok(relative) if !absolute => relative.to_path_buf(),
            _ => folder.clone(),
        })
    }

    /// Copies the chosen entry to `into`, so that it looks as the slot does: its model as a link where that is one.
    fn build(&self, chosen: &Chosen, into: &Path) -> Result<BTreeMap<String, Digest>> {
        let slot = self.slot()?;
        let linked = |name: &String| slot.join(name).is_symlink();
        fs_err::create_dir_all(into)?;
        if let (Home::Folder(folder), false) = (&chosen.home, self.config.artifacts.iter().any(linked)) {
            stage::copy_tree_with(folder, into, self.config.share, &DigestCache::none())?;
        } else {
            for name in &self.config.artifacts {
                let (from, to) = (source(&chosen.home, name)?, into.join(name));
                fs_err::create_dir_all(file::parent(&to))?;
                if linked(name) {
                    let text = fs_err::read_link(slot.join(name))?;
                    let up: PathBuf = Path::new(name).components().map(|_| "..").collect();
                    let relative = from.strip_prefix(&self.root).ok().filter(|_| !text.is_absolute());
                    let target = relative.map_or_else(|| from.clone(), |relative| up.join(relative));
                    std::os::unix::fs::symlink(target, to)?;
                } else {
                    copying::copy(&from, &to, self.config.share, &DigestCache::none())?;
                }
            }
        }
        let id_file = &self.config.id_file;
        if let Ok(there) = fs_err::read_to_string(slot.join(id_file)) {
            let end = if there.ends_with('\n') { "\n" } else { "" };
            file::write_atomic(
                &into.join(id_file),
                format!("{}{end}", chosen.version.name).as_bytes(),
                0o644,
            )?;
        }
        switch::own_like(into, &slot)?;
        file::sync_directory(into)?;
        file::sync_directory(&self.root)?;
        contents(into)
    }
}

impl super::RegistryConfig {
    /// The artifacts in the order of a map.
    pub fn artifacts_sorted(&self) -> Vec<String> {
        let mut artifacts = self.artifacts.clone();
        artifacts.sort();
        artifacts
    }
}

fn digests(artifacts: &BTreeMap<String, crate::rollback::versions::Artifact>) -> BTreeMap<String, Digest> {
    artifacts.iter().map(|(name, artifact)| (name.clone(), artifact.digest.clone())).collect()
}

impl RegistryTarget<'_> {
    /// See [`crate::rollback::targets::Target::stage`].
    pub(super) fn stage_all(&self, goal: &Goal<'_>, staging: &Staging<'_>) -> Result<Vec<SwitchSpec>> {
        let registry = self.registry()?;
        let chosen = registry.chosen(goal)?;
        let prediction = self.prediction(goal)?;
        if let Some(refusal) = prediction.refusals.first() {
            return Err(unusable(&chosen.version.name, refusal));
        }
        let occupant = registry.occupant()?;
        let mut switches = Vec::new();
        if occupant.digest != chosen.version.digest {
            let switch = stage_slot(&registry, &chosen, &occupant, goal, staging)?;
            switches.push(RegistrySwitch::Slot(switch));
        }
        if let Some(key) = &self.config.pointer {
            let pointer = pointer::stage(registry.manifest()?, key, &chosen.version.name, staging)?;
            switches.extend(pointer.map(RegistrySwitch::Pointer));
        }
        Ok(switches.into_iter().map(SwitchSpec::Registry).collect())
    }
}

fn stage_slot(
    registry: &Registry<'_>,
    chosen: &Chosen,
    occupant: &Occupant,
    goal: &Goal<'_>,
    staging: &Staging<'_>,
) -> Result<SlotSwitch> {
    let (slot, name) = (registry.slot()?, registry.config.slot());
    let stage = switch::stage_path(&registry.root, name, staging.operation);
    let after = match registry.form(occupant) {
        Form::Link => State::Link(registry.link_to(occupant, chosen)?),
        Form::Folder => {
            let built = registry.build(chosen, &stage)?;
            for (artifact, expected) in &chosen.version.artifacts {
                let path = stage.join(artifact);
                let found = if path.is_symlink() {
                    Some(Digest::of_file(&path)?.0)
                } else {
                    built.get(artifact).cloned()
                };
                if found.as_ref() != Some(&expected.digest) {
                    return Err(Error::new(
                        ErrorCode::Drifted,
                        format!("{artifact} changed while it was copied"),
                    )
                    .hint("somebody writes there; wait for that to end, then make a new plan"));
                }
            }
            State::Folder(tree(&built))
        }
    };
    let image = match &occupant.state {
        State::Folder(_) => {
            let image = staging.images.join(name);
            stage::copy_tree(&slot, &image)?;
            Some(image)
        }
        _ => None,
    };
    let served = if goal.served.digest == occupant.digest { goal.served.shown() } else { "what is there" };
    Ok(SlotSwitch {
        root: registry.root.clone(),
        slot: name.to_owned(),
        before: occupant.state.clone(),
        after,
        names: (served.to_owned(), chosen.version.shown().to_owned()),
        stage,
        image,
        was: digests(&occupant.artifacts),
        is: digests(&chosen.version.artifacts),
    })
}
