//! A model registry: a manifest, and an active and a shadow model.

mod config;
mod entries;
mod manifest;
mod plan;
mod pointer;
mod rehearse;
mod slot;
mod staging;
mod switch;

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use super::{
    Change, Fence, Goal, Ground, Observed, Prediction, Rehearsed, Staging, Switch, SwitchSpec, Target,
};
use crate::base::{Digest, Error, ErrorCode, Result, path};
use crate::operation::{Observation, StepContext, claim};
use crate::rollback::digests::DigestCache;
use crate::rollback::versions::Version;
pub use config::{Form, RegistryConfig, Role};
use entries::Registry;
pub use pointer::PointerSwitch;
pub use slot::State;
pub use switch::SlotSwitch;

/// See [`RegistryConfig`].
pub struct RegistryTarget<'a> {
    /// What is configured.
    pub config: &'a RegistryConfig,
    /// Where it stands.
    pub ground: &'a Ground,
}

impl RegistryTarget<'_> {
    fn registry(&self) -> Result<Registry<'_>> {
        Registry::open(self.config, path::inside(&self.ground.root, &self.config.root)?)
    }
}

impl Target for RegistryTarget<'_> {
    fn kind(&self) -> &'static str {
        "registry"
    }

    fn name(&self) -> String {
        format!("{} of the registry {}", self.config.slot(), self.config.root.display())
    }

    fn fence(&self) -> Fence {
        Fence::Claim
    }

    fn claims(&self) -> Result<Vec<PathBuf>> {
        Ok(vec![claim::beside(&self.registry()?.slot()?)])
    }

    fn leads(&self) -> bool {
        true
    }

    fn versions(&self) -> Result<Vec<Version>> {
        self.versions_with(&DigestCache::none())
    }

    fn versions_with(&self, digests: &DigestCache) -> Result<Vec<Version>> {
        self.registry()?.versions(digests)
    }

    fn served(&self) -> Result<Version> {
        self.served_with(&DigestCache::none())
    }

    fn served_with(&self, digests: &DigestCache) -> Result<Version> {
        let registry = self.registry()?;
        let occupant = registry.occupant_with(digests)?;
        let mut served = Version {
            folder: Some(registry.slot()?),
            digest: occupant.digest.clone(),
            artifacts: occupant.artifacts,
            defect: occupant.defect,
            ..Version::named("live")
        };
        let named = match registry.named_in_slot()? {
            Some(id) => Some(registry.version(&registry.find(&id)?, digests)?),
            None => None,
        };
        let is = |version: &Version| version.digest.is_some() && version.digest == served.digest;
        let by_digest = match &named {
            Some(named) if is(named) => None,
            _ => registry.versions(digests)?.into_iter().find(is),
        };
        if let Some(entry) = by_digest.or(named) {
            served.name = entry.name;
            served.label = entry.label;
            served.metadata = entry.metadata;
            served.dated = entry.dated;
        }
        Ok(served)
    }

    fn answers(&self, version: &Version, says: &str, artifact: Option<&str>) -> bool {
        let Ok(digest) = says.parse::<Digest>() else {
            return version.name == says || version.label.as_deref() == Some(says);
        };
        let of = |name: &str| version.artifacts.get(name).is_some_and(|artifact| artifact.digest == digest);
        match artifact {
            Some(name) => of(name),
            None => {
                version.digest.as_ref() == Some(&digest)
                    || self.config.artifacts.first().is_some_and(|name| of(name))
            }
        }
    }

    fn staged(&self, operation: &str) -> Option<PathBuf> {
        let root = self.registry().ok()?.root;
        Some(switch::stage_path(&root, self.config.slot(), operation)).filter(|stage| stage.is_dir())
    }

    fn sweep(&self, operation: &str) -> Result<()> {
        switch::clear(&switch::stage_path(&self.registry()?.root, self.config.slot(), operation))
    }

    fn observe(&self) -> Result<Observed> {
        let registry = self.registry()?;
        let occupant = registry.occupant()?;
        let mut words = format!("{} is {}", self.config.slot(), occupant.state);
        if let Some(digest) = &occupant.digest {
            words.push_str(&format!(", {}", digest.short()));
        }
        let mut parts = vec![("slot", Digest::of(format!("{:?}", occupant.state).as_bytes()))];
        parts.extend(occupant.digest.map(|digest| ("model", digest)));
        if let Some(key) = &self.config.pointer {
            let value = pointer::value(&manifest::text(&registry.manifest()?)?, key)?;
            words.push_str(&format!("; the manifest says {value}"));
            parts.push(("manifest", Digest::of(value.to_string().as_bytes())));
        }
        let digest = Digest::of_parts(parts.iter().map(|(name, digest)| (*name, digest)));
        Ok(Observed { digest, shown: words.into() })
    }

    fn predict(&self, goal: &Goal<'_>) -> Result<Prediction> {
        self.prediction(goal)
    }

    fn stage(&self, goal: &Goal<'_>, staging: &Staging<'_>) -> Result<Vec<SwitchSpec>> {
        self.stage_all(goal, staging)
    }

    fn rehearse(&self, goal: &Goal<'_>, scratch: &Path) -> Result<Vec<Rehearsed>> {
        self.rehearsal(goal, scratch)
    }
}

/// One switch, as it is pinned.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistrySwitch {
    /// The link or folder that leads to a model.
    Slot(SlotSwitch),
    /// The key of the manifest that names it.
    Pointer(PointerSwitch),
}

impl RegistrySwitch {
    fn act_now(&self) -> Result<Option<String>> {
        match self {
            RegistrySwitch::Slot(switch) => switch.act(),
            RegistrySwitch::Pointer(switch) => switch.act(),
        }
    }

    fn undo_now(&self) -> Result<Option<String>> {
        match self {
            RegistrySwitch::Slot(switch) => switch.undo(),
            RegistrySwitch::Pointer(switch) => switch.undo(),
        }
    }
}

impl Switch for RegistrySwitch {
    fn id(&self) -> String {
        match self {
            RegistrySwitch::Slot(switch) => switch.slot.clone(),
            RegistrySwitch::Pointer(switch) => format!("manifest:{}", switch.key),
        }
    }

    fn describe(&self) -> String {
        match self {
            RegistrySwitch::Slot(switch) => format!("make {} {}", switch.names.1, switch.slot),
            RegistrySwitch::Pointer(switch) => {
                format!("set {} of the manifest to {}", switch.key, switch.after)
            }
        }
    }

    fn observe(&self) -> Result<Observation> {
        match self {
            RegistrySwitch::Slot(switch) => switch.observe(),
            RegistrySwitch::Pointer(switch) => switch.observe(),
        }
    }

    fn act(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        self.act_now()
    }

    fn undo(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        self.undo_now()
    }

    fn changes(&self) -> Vec<Change> {
        match self {
            RegistrySwitch::Slot(switch) => switch.changes(),
            RegistrySwitch::Pointer(switch) => switch.changes(),
        }
    }

    fn reverse(&self, staging: &Staging<'_>) -> Result<SwitchSpec> {
        match self {
            RegistrySwitch::Slot(switch) => switch.reverse(staging),
            RegistrySwitch::Pointer(switch) => switch.reverse(staging),
        }
    }

    fn tidy(&self) -> Result<()> {
        match self {
            RegistrySwitch::Slot(switch) => switch.tidy(),
            RegistrySwitch::Pointer(_) => Ok(()),
        }
    }
}

/// What an entry cannot be switched to, and why.
fn unusable(id: &str, why: &str) -> Error {
    Error::new(ErrorCode::Refused, format!("{} cannot be used: {why}", id.escape_debug()))
        .hint("take another entry; `irctl rollback versions` shows what is wrong with each")
}
