//! What a switch of a registry would change, and what speaks against it.

use serde_json::Value;
use std::collections::BTreeMap;

use super::config::Form;
use super::entries::Registry;
use super::slot::{Occupant, State, contents};
use super::staging::Chosen;
use super::{RegistryTarget, manifest, pointer};
use crate::base::{ErrorCode, Result, Untrusted};
use crate::rollback::targets::{Change, Fidelity, Goal, Prediction, Target as _};

/// The most lines of `thresholds` that a plan shows.
const THRESHOLDS: usize = 40;

impl RegistryTarget<'_> {
    /// See [`crate::rollback::targets::Target::predict`].
    pub(super) fn prediction(&self, goal: &Goal<'_>) -> Result<Prediction> {
        let registry = self.registry()?;
        let mut prediction = Prediction::default();
        let chosen = match registry.chosen(goal) {
            Ok(chosen) => chosen,
            Err(error)
                if [ErrorCode::NotFound, ErrorCode::Refused, ErrorCode::Drifted].contains(&error.code) =>
            {
                prediction.refusals.push(error.message);
                return Ok(prediction);
            }
            Err(error) => return Err(error),
        };
        let occupant = registry.occupant()?;
        if let Some(key) = &self.config.pointer {
            let said = pointer::value(&manifest::text(&registry.manifest()?)?, key)?;
            if said != chosen.version.name.as_str() {
                let to = Value::from(chosen.version.name.as_str());
                prediction.changes.push(change(&format!("manifest {key}"), Some(&said), Some(&to)));
            }
        }
        if occupant.digest == chosen.version.digest {
            return Ok(prediction);
        }
        let same = goal.served.digest == occupant.digest;
        let served = match if same { goal.served.metadata.read()? } else { None } {
            Some(entry) => Some(entry),
            None => self.served()?.metadata.read()?,
        };
        prediction
            .changes
            .splice(0..0, self.slot_changes(&registry, &chosen, &occupant, goal, &mut prediction.refusals)?);
        let entry = chosen.version.metadata.read()?;
        prediction.changes.extend(thresholds(served.as_deref(), entry.as_deref()));
        self.schema(served.as_deref(), entry.as_deref(), &mut prediction);
        prediction.manner = Some(match registry.form(&occupant) {
            Form::Link => "the symbolic link is replaced in one step".to_owned(),
            Form::Folder => "the whole folder is swapped in one step".to_owned(),
        });
        prediction
            .could_undo_this
            .push(format!("the next release or promotion that writes {}", self.place("")));
        Ok(prediction)
    }

    fn place(&self, name: &str) -> String {
        let slot = format!("{}/{}", self.config.root.display(), self.config.slot());
        if name.is_empty() { slot } else { format!("{slot}/{name}") }
    }

    fn slot_changes(
        &self,
        registry: &Registry<'_>,
        chosen: &Chosen,
        occupant: &Occupant,
        goal: &Goal<'_>,
        refusals: &mut Vec<String>,
    ) -> Result<Vec<Change>> {
        let name = |name: &str, how: &str| Some(Untrusted::new(format!("{name}: {how}")));
        let served = if goal.served.digest == occupant.digest { goal.served.shown() } else { "unknown" };
        let to = match registry.form(occupant) {
            Form::Folder => "a folder".to_owned(),
            Form::Link => match registry.link_to(occupant, chosen) {
                Ok(to) => State::Link(to).to_string(),
                Err(error) => {
                    refusals.push(error.message);
                    return Ok(Vec::new());
                }
            },
        };
        let from = match &occupant.state {
            State::Absent => None,
            state => name(served, &state.to_string()),
        };
        let mut changes = vec![Change {
            place: self.place("").into(),
            from,
            to: name(chosen.version.shown(), &to),
            fidelity: Fidelity::Proven,
        }];
        for (file, artifact) in &chosen.version.artifacts {
            let there = occupant.artifacts.get(file).map(|artifact| &artifact.digest);
            if there != Some(&artifact.digest) {
                changes.push(Change {
                    place: self.place(file).into(),
                    from: there.map(|digest| digest.short().into()),
                    to: Some(artifact.digest.short().into()),
                    fidelity: Fidelity::Proven,
                });
            }
        }
        changes.extend(self.other_files(registry, chosen, occupant)?);
        Ok(changes)
    }

    /// Files in the folder in place that are no part of the version: they go with it.
    fn other_files(
        &self,
        registry: &Registry<'_>,
        chosen: &Chosen,
        occupant: &Occupant,
    ) -> Result<Vec<Change>> {
        if !matches!(occupant.state, State::Folder(_)) {
            return Ok(Vec::new());
        }
        let there = contents(&registry.slot()?)?;
        let comes = chosen.version.folder.as_deref().map(contents).transpose()?.unwrap_or_default();
        let own = |name: &String| self.config.artifacts.contains(name) || *name == self.config.id_file;
        let gone = there.iter().filter(|(name, _)| !name.ends_with('/') && !own(name));
        let gone = gone.filter(|(name, _)| !comes.contains_key(*name)).map(|(name, digest)| Change {
            place: self.place(name).into(),
            from: Some(digest.short().into()),
            to: None,
            fidelity: Fidelity::Predicted,
        });
        Ok(gone.collect())
    }

    /// A model of another schema wants other features from whoever asks it.
    fn schema(&self, served: Option<&Value>, entry: Option<&Value>, prediction: &mut Prediction) {
        let hash = |entry: Option<&Value>| entry?.get("schema_hash").filter(|hash| !hash.is_null()).cloned();
        let (from, to) = (hash(served), hash(entry));
        let objection = match (&from, &to) {
            (Some(from), Some(to)) if from == to => return,
            (Some(_), Some(_)) => {
                prediction.changes.push(change("schema_hash", from.as_ref(), to.as_ref()));
                "its schema_hash is another than that of the model in place: check that the features still fit"
            }
            _ => "the schemas cannot be compared: one of the two entries has no schema_hash",
        };
        if self.config.require_same_schema {
            prediction.refusals.push(format!("{objection} (`require_same_schema`)"));
        } else {
            prediction.warnings.push(objection.to_owned());
        }
    }
}

fn text(value: &Value) -> Untrusted {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned).into()
}

fn change(place: &str, from: Option<&Value>, to: Option<&Value>) -> Change {
    Change { place: place.into(), from: from.map(text), to: to.map(text), fidelity: Fidelity::Proven }
}

/// Thresholds that differ between two entries.
fn thresholds(served: Option<&Value>, entry: Option<&Value>) -> Vec<Change> {
    let flat = |entry: Option<&Value>| {
        let mut found = BTreeMap::new();
        if let Some(value) = entry.and_then(|entry| entry.get("thresholds")) {
            flatten("thresholds", value, &mut found);
        }
        found
    };
    let (from, to) = (flat(served), flat(entry));
    let names: std::collections::BTreeSet<_> = from.keys().chain(to.keys()).collect();
    let differing = names.into_iter().filter(|name| from.get(*name) != to.get(*name));
    differing.take(THRESHOLDS).map(|name| change(name, from.get(name), to.get(name))).collect()
}

fn flatten(name: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                flatten(&format!("{name}.{key}"), value, found);
            }
        }
        value => {
            found.insert(name.to_owned(), value.clone());
        }
    }
}
