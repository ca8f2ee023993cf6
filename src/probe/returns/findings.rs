//! What a `returns` probe says after its passes.

use super::figures::{self, Baseline, Sums};
use super::reading::{ReturnsReading, Rows};
use super::{BaselineConfig, metrics};
use crate::base::{Digest, Unit};
use crate::probe::cohort::Cohort;
use crate::probe::dataset::Pass;
use crate::probe::forecast::wilson;
use crate::probe::scan::Input;
use crate::probe::{Outcome, Request};

/// How many series are described in facts.
const NAMED: usize = 12;

pub(super) fn outcome(reading: &ReturnsReading<'_>, inputs: &[Input]) -> Outcome {
    let mut outcome = Outcome::new(reading.name);
    let mut findings = Findings { reading, input: None, outcome: &mut outcome };
    if let Err(reason) = findings.all(inputs) {
        findings.undecided(&reason);
    }
    outcome
}

struct Findings<'r> {
    reading: &'r ReturnsReading<'r>,
    input: Option<Digest>,
    outcome: &'r mut Outcome,
}

impl Findings<'_> {
    fn all(&mut self, inputs: &[Input]) -> Result<(), String> {
        let reading = self.reading;
        let Some(Input::Read(pass)) = inputs.first() else {
            return Err(inputs.first().and_then(Input::reason).unwrap_or("not read").to_owned());
        };
        self.facts("file", &reading.rows, pass);
        reading.rows.cohorts.facts(self.outcome);
        self.input = Some(pass.digest.clone());
        if let Some(objection) = self.objection(&reading.rows, pass) {
            return Err(objection);
        }
        let baseline = self.baseline(inputs.get(1));
        let sorted = reading.rows.cohorts.sorted();
        if sorted.is_empty() {
            let rows = reading.rows.cohorts.strange();
            return Err(format!("none of {rows} rows is of a version that is known"));
        }
        for (number, cohort) in sorted.iter().enumerate() {
            self.series(cohort, &baseline, number < NAMED);
        }
        if sorted.len() > NAMED {
            self.outcome.fact("also", format!("{} more series", sorted.len() - NAMED));
        }
        let expected = reading.config.expect.iter();
        for name in expected.filter(|name| !sorted.iter().any(|c| c.label.as_ref() == Some(*name))) {
            self.refuse(Some(name), &format!("`{name}` has no row"));
        }
        Ok(())
    }

    fn facts(&mut self, label: &str, rows: &Rows<'_>, pass: &Pass) {
        rows.window.facts(label, pass, self.outcome);
        self.outcome.fact(if label == "file" { "input" } else { "baseline input" }, pass.digest.to_string());
    }

    fn objection(&self, rows: &Rows<'_>, pass: &Pass) -> Option<String> {
        let wants = rows.wants(&self.reading.config.column);
        let file = rows.window.config.file.display();
        let columns = wants.iter().find_map(|want| pass.objection(want));
        let columns = columns.map(|objection| format!("{file}: {objection}"));
        let many =
            || rows.cohorts.too_many.then(|| "rows name too many different versions or series".to_owned());
        columns.or_else(|| rows.window.objection(pass)).or_else(many)
    }

    /// What win rates are compared with, or why with nothing.
    fn baseline(&mut self, input: Option<&Input>) -> Result<(), String> {
        let reading = self.reading;
        match (&reading.config.baseline, &reading.baseline, input) {
            (None, ..) => Ok(()),
            (Some(BaselineConfig::Value(rate)), ..) if (0.0..=1.0).contains(rate) => Ok(()),
            (Some(BaselineConfig::Value(rate)), ..) => Err(format!("the baseline {rate} is not a win rate")),
            (_, Some(rows), Some(Input::Read(pass))) => {
                self.facts("baseline", rows, pass);
                if reading.rows.window.overlaps(&rows.window) {
                    return Err("some rows of the baseline are the same ones".to_owned());
                }
                let own = self.input.take();
                self.input = own.map(|own| Digest::of_parts([("rows", &own), ("baseline", &pass.digest)]));
                self.objection(rows, pass).map_or(Ok(()), Err)
            }
            (_, _, other) => {
                Err(other.and_then(Input::reason).unwrap_or("the baseline was not read").to_owned())
            }
        }
    }

    /// The win rate less the baseline's, and what that is by chance.
    fn delta(&self, cohort: &Cohort<Sums>, baseline: &Result<(), String>) -> Result<(f64, f64), String> {
        baseline.clone()?;
        let reading = self.reading;
        if let Some(BaselineConfig::Value(rate)) = &reading.config.baseline {
            return Ok(figures::delta(&cohort.sums, Baseline::Value(*rate)));
        }
        let all = reading.baseline.iter().flat_map(|rows| &rows.cohorts.all);
        let other = all.into_iter().find(|other| other.label == cohort.label);
        let other = other.ok_or_else(|| "the baseline has no row of it".to_owned())?;
        match other.sums.objection(reading.config) {
            Some(objection) => Err(format!("the baseline: {objection}")),
            None => Ok(figures::delta(&cohort.sums, Baseline::Rows(&other.sums))),
        }
    }

    fn series(&mut self, cohort: &Cohort<Sums>, baseline: &Result<(), String>, described: bool) {
        let (config, sums) = (self.reading.config, &cohort.sums);
        let sound = sums.objection(config).map_or(Ok(()), Err);
        let sharpe = sound.clone().and_then(|()| sums.sharpe(config));
        let drawdown = sound.clone().and_then(|()| sums.drawdown());
        let winrate = sound.clone().map(|()| sums.winrate());
        let delta = sound.and_then(|()| self.delta(cohort, baseline));
        if described {
            self.describe(cohort, [&sharpe, &drawdown, &winrate], &delta);
        }
        let mut values = vec![sharpe, drawdown, winrate, Ok(sums.rows as f64)];
        if config.baseline.is_some() {
            values.push(delta.clone().map(|(value, _)| value));
            values.push(delta.map(|(_, expected)| expected));
        }
        let mut told: Vec<String> = Vec::new();
        for ((metric, unit), value) in metrics(self.reading.name, config).into_iter().zip(values) {
            if let Err(reason) = &value
                && !told.contains(reason)
            {
                self.outcome.problem(Some(&metric), format!("{}{reason}", who(cohort, self.reading.request)));
                told.push(reason.clone());
            }
            let mut sample = match value {
                Ok(value) => self.reading.request.sample(self.reading.name, &metric, value, unit),
                Err(reason) => self.reading.request.undecided(self.reading.name, &metric, unit, reason),
            };
            sample.labels.extend(config.label().cloned().zip(cohort.label.clone()));
            sample.version.clone_from(&cohort.version);
            sample.input.clone_from(&self.input);
            sample.rows = sums.rows;
            self.outcome.samples.push(sample);
        }
    }

    fn describe(
        &mut self,
        cohort: &Cohort<Sums>,
        figures: [&Result<f64, String>; 3],
        delta: &Result<(f64, f64), String>,
    ) {
        let [sharpe, drawdown, winrate] = figures;
        let mut words = Vec::new();
        words.extend(sharpe.as_ref().ok().map(|value| format!("Sharpe {}", Unit::Number.show(*value))));
        words.extend(drawdown.as_ref().ok().map(|value| format!("drawdown {}", Unit::Ratio.show(*value))));
        if let (Ok(rate), Some((low, high))) = (winrate, wilson(cohort.sums.wins, cohort.sums.rows)) {
            let [rate, low, high] = [*rate, low, high].map(|value| Unit::Ratio.show(value));
            words.push(format!("wins {rate} (95 % sure: {low} to {high})"));
        }
        if let (Some(_), Ok((value, expected))) = (&self.reading.config.baseline, delta) {
            let [value, expected] = [Unit::Change.show(*value), Unit::Ratio.show(*expected)];
            words.push(format!("against the baseline {value} (±{expected} by chance)"));
        }
        words.push(format!("{} rows", cohort.sums.rows));
        if cohort.sums.missing > 0 {
            words.push(format!("{} without a return", cohort.sums.missing));
        }
        let text = format!("{}{}", who(cohort, self.reading.request), words.join(", "));
        self.outcome.fact("series", text);
    }

    /// Every metric undecided, of one series.
    fn refuse(&mut self, series: Option<&String>, reason: &str) {
        let reading = self.reading;
        for (metric, unit) in metrics(reading.name, reading.config) {
            let mut sample = reading.request.undecided(reading.name, &metric, unit, reason);
            sample.labels.extend(reading.config.label().cloned().zip(series.cloned()));
            sample.input.clone_from(&self.input);
            self.outcome.samples.push(sample);
        }
        self.outcome.problem(None, reason);
    }

    /// Everything undecided: each series that is expected; without such, all of them, whatever they are called. Where
    /// others carry a label, what has none would stand behind what was known of them earlier.
    fn undecided(&mut self, reason: &str) {
        let expected = &self.reading.config.expect;
        for series in expected {
            self.refuse(Some(series), reason);
        }
        if expected.is_empty() {
            let all = self.reading.config.by.as_ref().map(|_| "*".to_owned());
            self.refuse(all.as_ref(), reason);
        }
    }
}

/// Whose rows they are.
fn who(cohort: &Cohort<Sums>, request: &Request<'_>) -> String {
    let version =
        cohort.version.as_ref().filter(|version| Some(*version) != request.versions.served.as_ref());
    let version = version.map(|version| format!("version {}", version.short()));
    let parts: Vec<String> = cohort.label.clone().into_iter().chain(version).collect();
    if parts.is_empty() { String::new() } else { format!("{}: ", parts.join(", ")) }
}
