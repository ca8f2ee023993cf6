//! Keys of a settings file: YAML, JSON, TOML or .env; the rest of the file byte for byte.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

use super::{
    Change, Fence, Fidelity, Goal, Ground, Kept, Observed, Prediction, Rehearsed, Staging, Switch,
    SwitchSpec, Target, rehearsal,
};
use crate::base::{Digest, Error, ErrorCode, Result, Untrusted, file, path};
use crate::operation::{Observation, StepContext, claim};
use crate::rollback::config::SettingsConfig;
use crate::rollback::settings::{self, FileEdit, KeyState, Wanted};
use crate::rollback::snapshot::conceal;

/// See [`SettingsConfig`].
pub struct SettingsTarget<'a> {
    /// What is configured.
    pub config: &'a SettingsConfig,
    /// Where it stands.
    pub ground: &'a Ground,
}

impl SettingsTarget<'_> {
    /// The file itself: a link to it stays a link, and whoever names it by another link claims the same.
    fn path(&self) -> Result<PathBuf> {
        let path = path::inside(&self.ground.root, &self.config.file)?;
        if !path.is_symlink() {
            return Ok(path);
        }
        path.canonicalize().map_err(|error| Error::io(path.display().to_string(), error))
    }

    /// The keys and what they are to become.
    fn wanted(&self, goal: &Goal<'_>) -> Result<Vec<(String, Value)>> {
        let fill = |value: &Value| match value {
            Value::String(text) => goal.fill(text).map(Value::String),
            other => Ok(other.clone()),
        };
        self.config.set.iter().map(|(key, value)| Ok((key.clone(), fill(&value.0)?))).collect()
    }
}

fn shown(value: &Value) -> Untrusted {
    match value {
        Value::String(text) => text.as_str().into(),
        other => other.to_string().into(),
    }
}

impl Target for SettingsTarget<'_> {
    fn kind(&self) -> &'static str {
        "settings"
    }

    fn name(&self) -> String {
        format!("settings {}", self.config.file.display())
    }

    fn fence(&self) -> Fence {
        Fence::Claim
    }

    fn claims(&self) -> Result<Vec<PathBuf>> {
        Ok(vec![claim::beside(&self.path()?)])
    }

    fn sweep(&self, _operation: &str) -> Result<()> {
        file::discard_half_written(&self.path()?)
    }

    fn observe(&self) -> Result<Observed> {
        let path = self.path()?;
        let text = settings::read(&path)?;
        let mut values = Vec::new();
        for key in self.config.set.keys() {
            values.push((key, settings::get(&path, &text, key)?));
        }
        let words: Vec<_> = values.iter().map(|(key, value)| format!("{key} {value}")).collect();
        let parts: Vec<_> = values
            .iter()
            .map(|(key, value)| (key.as_str(), Digest::of(value.to_string().as_bytes())))
            .collect();
        let digest = Digest::of_parts(parts.iter().map(|(key, digest)| (*key, digest)));
        Ok(Observed { digest, shown: words.join(", ").into() })
    }

    fn keep(&self, into: &Path) -> Result<Vec<Kept>> {
        let text = settings::read(&self.path()?)?;
        let (text, left_out) = conceal::secrets(&text);
        let kept = Kept::written(into, self.config.file.display().to_string(), text.as_bytes())?;
        Ok(vec![Kept { left_out, ..kept }])
    }

    fn predict(&self, goal: &Goal<'_>) -> Result<Prediction> {
        let path = self.path()?;
        let text = settings::read(&path)?;
        let mut changes = Vec::new();
        for (key, to) in self.wanted(goal)? {
            let from = settings::get(&path, &text, &key)?;
            if from != to {
                changes.push(Change {
                    place: format!("{} {key}", self.config.file.display()).into(),
                    from: Some(shown(&from)),
                    to: Some(shown(&to)),
                    fidelity: Fidelity::Proven,
                });
            }
        }
        Ok(Prediction { changes, ..Prediction::default() })
    }

    fn stage(&self, goal: &Goal<'_>, staging: &Staging<'_>) -> Result<Vec<SwitchSpec>> {
        let wanted = Wanted { file: self.config.file.clone(), keys: self.wanted(goal)?, whole: None };
        let edit = settings::plan(self.path()?, &wanted, staging.images.join("settings"))?;
        Ok(vec![SwitchSpec::Settings(SettingsSwitch { edit })])
    }

    fn rehearse(&self, goal: &Goal<'_>, scratch: &Path) -> Result<Vec<Rehearsed>> {
        let copy = scratch.join(&self.config.file);
        fs_err::create_dir_all(file::parent(&copy))?;
        fs_err::copy(self.path()?, &copy)?;
        let ground = Ground { root: scratch.to_path_buf(), ..self.ground.clone() };
        rehearsal::on_copy(&SettingsTarget { config: self.config, ground: &ground }, goal, scratch)
    }
}

/// Keys of one file that are set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SettingsSwitch {
    /// The keys, what they were, what they are set to.
    pub edit: FileEdit,
}

impl SettingsSwitch {
    /// This containment asserted again by `newer`: what was before the first time stays what is put back.
    pub fn reasserted(&self, newer: &Self) -> Self {
        let mut edit = self.edit.clone();
        edit.after = newer.edit.after.clone();
        let known: Vec<_> = edit.keys.iter().map(|key| key.key.clone()).collect();
        edit.keys.extend(newer.edit.keys.iter().filter(|key| !known.contains(&key.key)).cloned());
        Self { edit }
    }

    fn set_to(&self) -> String {
        let each = self.edit.keys.iter().map(|key| format!("{} to {}", key.key, key.is));
        each.collect::<Vec<_>>().join(", ")
    }

    fn was(&self) -> String {
        let each = self.edit.keys.iter().map(|key| format!("{} {}", key.key, key.was));
        each.collect::<Vec<_>>().join(", ")
    }

    fn found(&self) -> String {
        let path = &self.edit.file;
        let Ok(text) = settings::read(path) else { return "a file that cannot be read".to_owned() };
        let value =
            |key: &str| settings::get(path, &text, key).map_or("nothing".to_owned(), |v| v.to_string());
        let each = self.edit.keys.iter().map(|key| format!("{} {}", key.key, value(&key.key)));
        each.collect::<Vec<_>>().join(", ")
    }
}

/// How a step says that it left something alone.
pub fn left_alone(keys: &[String]) -> Option<String> {
    (!keys.is_empty())
        .then(|| format!("left alone, because somebody changed it meanwhile: {}", keys.join(", ")))
}

impl Switch for SettingsSwitch {
    fn id(&self) -> String {
        self.edit.shown.clone()
    }

    fn describe(&self) -> String {
        format!("set {} in {}", self.set_to(), self.edit.shown)
    }

    fn observe(&self) -> Result<Observation> {
        Ok(match self.edit.state()? {
            KeyState::Is => Observation::After,
            KeyState::Was => Observation::Before(None),
            KeyState::Mixed => {
                Observation::Other { before: self.was(), after: self.set_to(), found: self.found() }
            }
        })
    }

    fn act(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        self.edit.apply()?;
        Ok(None)
    }

    fn undo(&self, _context: &mut StepContext<'_>) -> Result<Option<String>> {
        let left = self.edit.put_back()?;
        match left_alone(&left) {
            Some(said) if self.edit.state()? == KeyState::Mixed => {
                Err(Error::new(ErrorCode::Drifted, format!("{}: {said}", self.edit.shown)))
            }
            said => Ok(said),
        }
    }

    fn put_back(&self, _context: &mut StepContext<'_>) -> Result<Vec<String>> {
        self.edit.put_back()
    }

    fn claims(&self) -> Vec<PathBuf> {
        vec![claim::beside(&self.edit.file)]
    }

    fn changes(&self) -> Vec<Change> {
        let each = self.edit.keys.iter().map(|key| Change {
            place: format!("{} {}", self.edit.shown, key.key).into(),
            from: Some(shown(&key.was)),
            to: Some(shown(&key.is)),
            fidelity: Fidelity::Proven,
        });
        each.filter(|change| change.from != change.to).collect()
    }

    fn reverse(&self, staging: &Staging<'_>) -> Result<SwitchSpec> {
        if self.edit.state()? != KeyState::Is {
            return Err(Error::new(
                ErrorCode::Drifted,
                format!(
                    "{} was {}, was set to {}, and is now {}",
                    self.edit.shown,
                    self.was(),
                    self.set_to(),
                    self.found()
                ),
            ));
        }
        let keys = self.edit.keys.iter().map(|key| (key.key.clone(), key.was.clone())).collect();
        let whole = Some((self.edit.after.clone(), self.edit.image.clone()));
        let wanted = Wanted { file: self.edit.shown.clone().into(), keys, whole };
        let edit = settings::plan(self.edit.file.clone(), &wanted, staging.images.join("settings"))?;
        Ok(SwitchSpec::Settings(Self { edit }))
    }

    fn tidy(&self) -> Result<()> {
        file::discard_half_written(&self.edit.file)
    }
}
