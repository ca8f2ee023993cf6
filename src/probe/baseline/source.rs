//! Where the baseline comes from.

use serde_json::Value;
use std::collections::BTreeMap;

use super::config::{Against, BaselineConfig, DocumentBaseline, PreviousRelease, TableBaseline};
use super::{in_unit, newest};
use crate::base::file::read_limited;
use crate::base::path;
use crate::probe::Request;
use crate::probe::dataset::{Batch, Dataset, Kind, Want};
use crate::probe::version::Release;
use crate::store::Sample;

/// The largest document that is read, in bytes.
const LIMIT: u64 = 16 * 1024 * 1024;

/// The most values of a column that are held.
const MOST_VALUES: usize = 10_000_000;

type Labels = BTreeMap<String, String>;

/// A baseline, and what it was made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Baseline {
    pub(super) value: f64,
    pub(super) looked: String,
}

/// Baselines by labels; what is the same for all is read once.
pub(super) struct Source<'r> {
    config: &'r BaselineConfig,
    request: &'r Request<'r>,
    round: &'r [Sample],
    same: Option<Result<Baseline, String>>,
}

impl<'r> Source<'r> {
    pub(super) fn new(config: &'r BaselineConfig, request: &'r Request<'r>, round: &'r [Sample]) -> Self {
        Self { config, request, round, same: None }
    }

    /// The baseline of the series with these labels.
    pub(super) fn of(&mut self, labels: &Labels) -> Result<Baseline, String> {
        let config = self.config;
        let request = self.request;
        match &config.against {
            Against::Value(value) => Ok(Baseline { value: *value, looked: "as configured".to_owned() }),
            Against::Json(document) => {
                self.same.get_or_insert_with(|| of_document(document, request)).clone()
            }
            Against::Table(table) => self.same.get_or_insert_with(|| of_table(table, request)).clone(),
            Against::Metric(metric) => self.of_metric(metric, labels),
            Against::PreviousRelease(release) => self.of_release(release, labels),
        }
    }

    fn of_metric(&self, metric: &str, labels: &Labels) -> Result<Baseline, String> {
        let newest = newest(metric, self.request, self.round)?;
        let same = newest.iter().find(|sample| sample.labels == *labels);
        let sample = same.or_else(|| newest.iter().find(|sample| sample.labels.is_empty()));
        let sample = sample.ok_or_else(|| format!("`{metric}` has no series with the same labels"))?;
        let value = in_unit(sample, self.config.unit())?;
        Ok(Baseline { value, looked: format!("the metric {metric}") })
    }

    fn of_release(&self, config: &PreviousRelease, labels: &Labels) -> Result<Baseline, String> {
        let versions = self.request.versions;
        let earlier = versions.earlier.as_ref().ok_or("what was measured earlier is not at hand here")?;
        let release = versions.previous_release()?;
        let of_it = |sample: &&Sample| {
            sample.metric == self.config.of && sample.labels == *labels && belongs(sample, &release)
        };
        let samples: Vec<&Sample> = earlier.iter().filter(of_it).collect();
        let values: Vec<f64> =
            samples.iter().filter_map(|sample| in_unit(sample, self.config.unit()).ok()).collect();
        let (count, undecided) = (values.len(), samples.len() - values.len());
        let also = if undecided > 0 { format!(", {undecided} more undecided") } else { String::new() };
        let minimum = config.minimum();
        if (count as u64) < minimum {
            return Err(format!(
                "{count} values were measured of the previous release {release}{also}; {minimum} are needed"
            ));
        }
        let value = config.statistic.of(&values).ok_or("the previous release was not measured")?;
        let looked = format!("{} of {count} values{also} of {release}", config.statistic);
        Ok(Baseline { value, looked })
    }
}

/// Whether a sample was measured of a release while it served.
fn belongs(sample: &Sample, release: &Release) -> bool {
    sample.version.as_ref() == Some(&release.version)
        && sample.event_time >= release.from
        && sample.event_time <= release.until
}

fn of_document(config: &DocumentBaseline, request: &Request<'_>) -> Result<Baseline, String> {
    let shown = config.file.display();
    let bytes = path::inside(request.root, &config.file)
        .and_then(|path| read_limited(&path, LIMIT))
        .map_err(|error| format!("{shown}: {}", error.message))?;
    let document: Value =
        serde_json::from_slice(&bytes).map_err(|error| format!("{shown} is not JSON: {error}"))?;
    let value = document.pointer(&config.pointer);
    let value = value.ok_or_else(|| format!("{shown} has nothing at {}", config.pointer))?;
    let value = value.as_f64().filter(|value| value.is_finite());
    let value = value.ok_or_else(|| format!("{shown} {} is not a number", config.pointer))?;
    Ok(Baseline { value, looked: format!("{shown} {}", config.pointer) })
}

fn of_table(config: &TableBaseline, request: &Request<'_>) -> Result<Baseline, String> {
    let shown = config.file.display().to_string();
    let wrong = |why: String| format!("{shown}: {why}");
    let mut dataset = path::inside(request.root, &config.file)
        .and_then(|path| Dataset::open(&path))
        .map_err(|error| wrong(error.message))?;
    let number = Want::new(&config.column, Kind::Number);
    let texts = config.only.keys().map(|column| Want::new(column, Kind::Text));
    let wants: Vec<Want> = std::iter::once(number).chain(texts).collect();
    let mut values = Vec::new();
    let pass = dataset.read(&wants, &mut |batch| collect(config, batch, &mut values));
    let pass = pass.map_err(|error| wrong(error.message))?;
    if dataset.changed() {
        return Err(wrong("it changed while it was read".to_owned()));
    }
    if let Some(objection) = wants.iter().find_map(|want| pass.objection(want)) {
        return Err(wrong(objection));
    }
    if values.len() > MOST_VALUES {
        return Err(wrong(format!("more than {MOST_VALUES} values")));
    }
    let missing = values.iter().filter(|value| !value.is_finite()).count();
    values.retain(|value| value.is_finite());
    let value = match config.statistic {
        None if values.len() + missing == 1 => values.first().copied(),
        None => return Err(wrong(format!("{} rows where one is expected", values.len() + missing))),
        Some(statistic) => statistic.of(&values),
    };
    let value = value.ok_or_else(|| wrong(format!("there is no number in {}", config.column)))?;
    let statistic = config.statistic.map(|statistic| format!("{statistic} of ")).unwrap_or_default();
    let without = if missing > 0 { format!(", {missing} rows without a number") } else { String::new() };
    let looked = format!("{statistic}{} values of {} in {shown}{without}", values.len(), config.column);
    Ok(Baseline { value, looked })
}

fn collect(config: &TableBaseline, batch: &Batch, values: &mut Vec<f64>) {
    if values.len() > MOST_VALUES {
        return;
    }
    let Some(numbers) = batch.numbers(&config.column) else { return };
    let mut asked = Vec::new();
    for (column, text) in &config.only {
        let words = batch.words(column);
        let code = words.and_then(|words| words.words.iter().position(|word| word == text.as_bytes()));
        let (Some(words), Some(code)) = (words, code.and_then(|code| u32::try_from(code).ok())) else {
            return;
        };
        asked.push((words, code));
    }
    for (row, number) in numbers.iter().enumerate() {
        if asked.iter().all(|(words, code)| words.codes.get(row) == Some(code)) {
            values.push(*number);
        }
    }
}
