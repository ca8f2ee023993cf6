//! What a `drift` probe says after its passes.

use super::feature::{self, Verdict};
use super::metrics;
use super::reading::{COLUMNS, Column, DriftReading};
use crate::base::{Digest, Unit};
use crate::probe::dataset::{Kind, Pass, Want};
use crate::probe::scan::Input;
use crate::probe::{Outcome, VersionSource};
use crate::store::Sample;

/// How many columns are described in facts.
const NAMED: usize = 12;

/// The label that names a column.
const LABEL: &str = "feature";

pub(super) fn outcome(reading: &DriftReading<'_>, inputs: &[Input]) -> Outcome {
    let mut outcome = Outcome::new(reading.name);
    outcome.version_source = Some(VersionSource::Adopted);
    let passes: Vec<&Pass> = inputs
        .iter()
        .filter_map(|input| if let Input::Read(pass) = input { Some(pass) } else { None })
        .collect();
    let [reference, current] = passes.as_slice() else {
        let mut reasons: Vec<&str> = inputs.iter().filter_map(Input::reason).collect();
        reasons.dedup();
        return undecided(reading, outcome, &reasons.join("; "));
    };
    let passes = [*reference, *current];
    for ((window, pass), label) in reading.windows.iter().zip(passes).zip(["reference", "current"]) {
        window.facts(label, pass, &mut outcome);
        outcome.fact(&format!("{label} input"), pass.digest.to_string());
    }
    if let Some(objection) = objection(reading, passes) {
        return undecided(reading, outcome, &objection);
    }
    let [before, now] = &reading.windows;
    let whole = before.config.date.is_none() && now.config.date.is_none();
    if whole && reference.digest == current.digest {
        outcome.problem(None, "the reference and the current file are the same, byte for byte");
    }
    let input = Digest::of_parts([("reference", &reference.digest), ("current", &current.digest)]);
    let mut findings = Findings { reading, passes, input, outcome, summaries: Vec::new() };
    findings.columns();
    findings.outcome
}

/// Every metric undecided. It carries a label as every other sample does: what is known of each column from an earlier
/// round must not stand in for it.
fn undecided(reading: &DriftReading<'_>, mut outcome: Outcome, reason: &str) -> Outcome {
    let known = reading.columns.iter().map(|(name, column)| (name, matches!(column, Column::Categories(_))));
    let absent = reading.absent.iter().map(|(name, (of_categories, _))| (name, *of_categories));
    let config = reading.config;
    let numbers = config.columns.iter().map(|pattern| (pattern.to_string(), false));
    let categories = config.categories.iter().map(|pattern| (pattern.to_string(), true));
    let mut features: Vec<(String, bool)> =
        known.chain(absent).map(|(name, of)| (name.clone(), of)).chain(numbers).chain(categories).collect();
    features.sort();
    features.dedup_by(|a, b| a.0 == b.0);
    for (name, of_categories) in &features {
        let metrics = if *of_categories { reading.plan.of_categories() } else { reading.plan.of_numbers() };
        for (metric, unit) in metrics {
            let mut sample = reading.request.undecided(reading.name, &metric, unit, reason);
            sample.labels.insert(LABEL.to_owned(), name.clone());
            outcome.samples.push(sample);
        }
    }
    if features.is_empty() {
        for (metric, unit) in metrics(reading.name, config) {
            outcome.samples.push(reading.request.undecided(reading.name, &metric, unit, reason));
        }
    }
    outcome.problem(None, reason);
    outcome
}

/// Why nothing can be compared at all.
fn objection(reading: &DriftReading<'_>, passes: [&Pass; 2]) -> Option<String> {
    let [before, now] = &reading.windows;
    if reading.config.columns.is_empty() && reading.config.categories.is_empty() {
        return Some("neither `columns` nor `categories` names a column".to_owned());
    }
    if before.overlaps(now) {
        return Some(
            "the reference and the current rows are rows of one file, and some are the same".to_owned(),
        );
    }
    if let Some(columns) = reading.too_many {
        return Some(format!("{columns} columns fit, where {COLUMNS} are the most that are compared"));
    }
    reading.windows.iter().zip(passes).find_map(|(window, pass)| window.objection(pass))
}

struct Findings<'r> {
    reading: &'r DriftReading<'r>,
    passes: [&'r Pass; 2],
    input: Digest,
    outcome: Outcome,
    summaries: Vec<(f64, String)>,
}

impl Findings<'_> {
    fn columns(&mut self) {
        for (name, column) in &self.reading.columns {
            let plan = &self.reading.plan;
            let of_categories = matches!(column, Column::Categories(_));
            if let Some(reason) = self.unusable(name, of_categories) {
                self.refuse(name, of_categories, &reason);
                continue;
            }
            let verdict = match column {
                Column::Numbers(sketch) => feature::of_numbers(sketch, plan),
                Column::Categories(categories) => feature::of_categories(categories, plan),
            };
            self.say(name, of_categories, verdict);
        }
        for (name, (of_categories, reason)) in &self.reading.absent {
            if !self.reading.columns.contains_key(name) {
                self.refuse(name, *of_categories, reason);
            }
        }
        self.summaries.sort_by(|a, b| b.0.total_cmp(&a.0));
        let more = self.summaries.len().saturating_sub(NAMED);
        for (_, summary) in self.summaries.iter().take(NAMED) {
            self.outcome.fact("feature", summary.clone());
        }
        if more > 0 {
            self.outcome.fact("also", format!("{more} columns that have moved less"));
        }
    }

    fn unusable(&self, name: &str, of_categories: bool) -> Option<String> {
        let want = Want::new(name, if of_categories { Kind::Text } else { Kind::Number });
        self.reading.windows.iter().zip(self.passes).find_map(|(window, pass)| {
            let objection = pass.objection(&want)?;
            Some(format!("{}: {objection}", window.config.file.display()))
        })
    }

    fn say(&mut self, name: &str, of_categories: bool, verdict: Verdict) {
        let units =
            if of_categories { self.reading.plan.of_categories() } else { self.reading.plan.of_numbers() };
        let mut told: Vec<String> = Vec::new();
        for (metric, value) in verdict.said {
            let unit =
                units.iter().find(|(known, _)| *known == metric).map_or(Unit::Number, |(_, unit)| *unit);
            if let Err(reason) = &value
                && !told.contains(reason)
            {
                self.outcome.problem(Some(&metric), format!("`{name}`: {reason}"));
                told.push(reason.clone());
            }
            let sample = self.sample(name, &metric, unit, value);
            self.outcome.samples.push(sample);
        }
        let (farthest, text) = verdict.summary;
        self.summaries.push((farthest, format!("{name}: {text}")));
    }

    fn refuse(&mut self, name: &str, of_categories: bool, reason: &str) {
        let plan = &self.reading.plan;
        let metrics = if of_categories { plan.of_categories() } else { plan.of_numbers() };
        for (metric, unit) in metrics {
            let sample = self.sample(name, &metric, unit, Err(reason.to_owned()));
            self.outcome.samples.push(sample);
        }
        self.outcome.problem(None, format!("`{name}`: {reason}"));
    }

    fn sample(&self, name: &str, metric: &str, unit: Unit, value: Result<f64, String>) -> Sample {
        let (request, probe) = (self.reading.request, self.reading.name);
        let mut sample = match value {
            Ok(value) => request.sample(probe, metric, value, unit),
            Err(reason) => request.undecided(probe, metric, unit, format!("`{name}`: {reason}")),
        };
        sample.labels.insert(LABEL.to_owned(), name.to_owned());
        sample.input = Some(self.input.clone());
        sample.rows = self.reading.windows.iter().map(|window| window.rows).min().unwrap_or_default();
        sample
    }
}
