//! What a `coefficients` probe reads, and what it says.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::drift::{self, Drifts, History};
use super::{CoefficientsConfig, DRIFT, VIOLATIONS, signs};
use crate::base::file::read_limited;
use crate::base::{Digest, Unit, path};
use crate::probe::dataset::{Batch, Kind, Pass, Want};
use crate::probe::pattern::Pattern;
use crate::probe::scan::{Input, Reading};
use crate::probe::{Outcome, Request, VersionSource};
use crate::store::Measurement;

/// How large a file of coefficients may be, in bytes.
const LIMIT: u64 = 16 * 1024 * 1024;

/// How many items of a kind are named in a fact.
const NAMED: usize = 12;

/// The coefficients and the digest of their file.
type Model = (BTreeMap<String, f64>, Digest);

/// A `coefficients` probe at work.
pub(in crate::probe) struct CoefficientsReading<'a> {
    name: &'a str,
    config: &'a CoefficientsConfig,
    request: &'a Request<'a>,
    model: Result<Model, String>,
    histories: BTreeMap<String, History>,
}

impl<'a> CoefficientsReading<'a> {
    /// A reading that knows the coefficients and nothing of their history yet.
    pub(in crate::probe) fn new(
        name: &'a str,
        config: &'a CoefficientsConfig,
        request: &'a Request<'a>,
    ) -> Self {
        Self { name, config, request, model: read(&config.file, request), histories: BTreeMap::new() }
    }

    fn push(
        &self,
        outcome: &mut Outcome,
        of: (&str, Unit),
        value: Result<f64, String>,
        feature: Option<&str>,
    ) {
        let measurement = match value {
            Ok(value) => Measurement::judged(value, of.1),
            Err(reason) => {
                outcome.problem(Some(of.0), reason.clone());
                Measurement::Undecided(reason.into())
            }
        };
        let mut sample = self.request.undecided(self.name, of.0, of.1, "");
        sample.measurement = measurement;
        sample.labels.extend(feature.map(|feature| ("feature".to_owned(), feature.to_owned())));
        if let Ok((coefficients, digest)) = &self.model {
            sample.input = Some(digest.clone());
            sample.rows = coefficients.len() as u64;
        }
        outcome.samples.push(sample);
    }

    fn signs(&self, outcome: &mut Outcome) {
        let wrong = self.model.as_ref().map_err(Clone::clone).and_then(|(coefficients, _)| {
            signs::violations(coefficients, &self.config.positive, &self.config.negative)
        });
        if let Ok(wrong) = &wrong
            && !wrong.is_empty()
        {
            let named: Vec<String> =
                wrong.iter().take(NAMED).map(|(name, value)| format!("{name} {value}")).collect();
            outcome.fact("wrong sign", named.join(", "));
        }
        self.push(outcome, VIOLATIONS, wrong.map(|wrong| wrong.len() as f64), None);
    }

    fn drift(&self, outcome: &mut Outcome, input: Option<&Input>) {
        let Some(history) = &self.config.history else { return };
        let pass = match (&self.model, input) {
            (Err(reason), _) => return self.push(outcome, DRIFT, Err(reason.clone()), None),
            (_, Some(Input::Read(pass))) => pass,
            (_, other) => {
                let reason = other.and_then(Input::reason).unwrap_or("the history was not read");
                return self.push(outcome, DRIFT, Err(reason.to_owned()), None);
            }
        };
        outcome.fact("history", format!("{}, {} rows", history.file.display(), pass.rows));
        let drifts = self.drifts(pass);
        match drift::largest(&drifts) {
            Some((feature, drift)) => self.push(outcome, DRIFT, Ok(drift.abs()), Some(feature)),
            None if drifts.is_empty() => {
                self.push(outcome, DRIFT, Err("no coefficient has a history".to_owned()), None);
            }
            None => {}
        }
        for (feature, drift) in &drifts {
            match drift {
                Ok(drift) if drift.abs() > history.tolerance.fraction() => {
                    outcome.fact("drift", format!("{feature} {}", Unit::Change.show(*drift)));
                }
                Ok(_) => {}
                Err(reason) => {
                    self.push(outcome, DRIFT, Err(format!("`{feature}`: {reason}")), Some(feature));
                }
            }
        }
    }

    fn drifts(&self, pass: &Pass) -> Drifts {
        let empty = BTreeMap::new();
        let coefficients = self.model.as_ref().map_or(&empty, |(coefficients, _)| coefficients);
        let mut drifts = drift::drifts(coefficients, &self.histories);
        for (feature, drift) in &mut drifts {
            if let Some(objection) = pass.objection(&Want::new(feature, Kind::Number)) {
                *drift = Err(objection);
            }
        }
        drifts
    }
}

impl Reading for CoefficientsReading<'_> {
    fn inputs(&self) -> Vec<PathBuf> {
        self.config.history.iter().map(|history| history.file.clone()).collect()
    }

    fn begin(&mut self, _: usize, columns: &[String]) -> Vec<Want> {
        let Ok((coefficients, _)) = &self.model else { return Vec::new() };
        let known = columns.iter().filter(|column| coefficients.contains_key(*column));
        self.histories = known.map(|column| (column.clone(), History::default())).collect();
        self.histories.keys().map(|column| Want::new(column, Kind::Number)).collect()
    }

    fn take(&mut self, _: usize, batch: &Batch) {
        for (column, history) in &mut self.histories {
            history.take(batch.numbers(column).unwrap_or_default());
        }
    }

    fn finish(&mut self, inputs: &[Input]) -> Outcome {
        let mut outcome = Outcome::new(self.name);
        outcome.version_source = Some(VersionSource::Adopted);
        if let Ok((coefficients, digest)) = &self.model {
            outcome.fact("file", self.config.file.display().to_string());
            outcome.fact("coefficients", coefficients.len().to_string());
            outcome.fact("input", digest.to_string());
        }
        self.signs(&mut outcome);
        self.drift(&mut outcome, inputs.first());
        outcome
    }
}

fn read(file: &Path, request: &Request<'_>) -> Result<Model, String> {
    let shown = file.display();
    let bytes = path::inside(request.root, file)
        .and_then(|path| read_limited(&path, LIMIT))
        .map_err(|error| format!("{shown}: {}", error.message))?;
    let document: Value = serde_json::from_slice(&bytes).map_err(|error| format!("{shown}: {error}"))?;
    let object = document.get("coefficients").filter(|inner| inner.is_object()).unwrap_or(&document);
    let object =
        object.as_object().ok_or_else(|| format!("{shown} is not an object of names and numbers"))?;
    let mut coefficients = BTreeMap::new();
    for (name, value) in object {
        let number = value.as_f64().filter(|number| number.is_finite());
        let number = number.ok_or_else(|| format!("{shown}: `{name}` is not a number"))?;
        coefficients.insert(name.clone(), number);
    }
    if coefficients.is_empty() {
        return Err(format!("{shown} has no coefficients"));
    }
    Ok((coefficients, Digest::of(&bytes)))
}

/// Coefficients with the wrong sign, and what was looked at.
pub(in crate::probe) struct Signs {
    pub(in crate::probe) wrong: Vec<(String, f64)>,
    pub(in crate::probe) coefficients: usize,
    pub(in crate::probe) input: Digest,
}

/// The signs of the coefficients in a file, for whoever else judges them.
pub(in crate::probe) fn wrong_signs(
    file: &Path,
    positive: &[Pattern],
    negative: &[Pattern],
    request: &Request<'_>,
) -> Result<Signs, String> {
    let (coefficients, input) = read(file, request)?;
    let wrong = signs::violations(&coefficients, positive, negative)?;
    Ok(Signs { wrong, coefficients: coefficients.len(), input })
}
