//! What a `calibration` probe reads, and what it says.

use std::path::PathBuf;

use super::figures::{Figures, Sums};
use super::{CalibrationConfig, metrics};
use crate::base::Unit;
use crate::probe::cohort::{Cohort, Cohorts};
use crate::probe::dataset::{Batch, Kind, Pass, Want};
use crate::probe::scan::{Input, Reading};
use crate::probe::source::Window;
use crate::probe::{Outcome, Request};

/// How many bins there may be.
const BINS: std::ops::RangeInclusive<u32> = 1..=1000;

/// A `calibration` probe at work.
pub(in crate::probe) struct CalibrationReading<'a> {
    name: &'a str,
    config: &'a CalibrationConfig,
    request: &'a Request<'a>,
    window: Window<'a>,
    cohorts: Cohorts<'a, Sums>,
}

impl<'a> CalibrationReading<'a> {
    /// A reading that has seen nothing yet.
    pub(in crate::probe) fn new(
        name: &'a str,
        config: &'a CalibrationConfig,
        request: &'a Request<'a>,
    ) -> Self {
        let dated = config.rows.date.is_some();
        Self {
            name,
            config,
            request,
            window: Window::new(&config.rows, config.timezone, request.now),
            cohorts: Cohorts::new(request, config.version_column.as_deref(), config.by.as_deref(), dated),
        }
    }

    fn wants(&self) -> Vec<Want> {
        let numbers = [&self.config.probability, &self.config.outcome];
        let numbers = numbers.map(|column| Want::new(column, Kind::Number));
        self.window.want().into_iter().chain(numbers).chain(self.cohorts.wants()).collect()
    }

    fn undecided(&self, mut outcome: Outcome, reason: &str) -> Outcome {
        for (metric, unit) in metrics(self.name, self.config) {
            outcome.samples.push(self.request.undecided(self.name, &metric, unit, reason));
        }
        outcome.problem(None, reason);
        outcome
    }

    fn objection(&self, pass: &Pass) -> Option<String> {
        if !BINS.contains(&self.config.bins) {
            return Some("`bins` has to be from 1 to 1000".to_owned());
        }
        let file = self.config.rows.file.display();
        let columns = self.wants().iter().find_map(|want| pass.objection(want));
        let columns = columns.map(|objection| format!("{file}: {objection}"));
        let many = || {
            self.cohorts
                .too_many
                .then(|| "rows name too many different versions, or values of `by`".to_owned())
        };
        let lonely = (self.config.by.is_none() && !self.config.expect.is_empty())
            .then(|| "`expect` needs `by`, the column whose values it names".to_owned());
        lonely.or(columns).or_else(|| self.window.objection(pass)).or_else(many)
    }

    fn say(&self, cohort: &Cohort<Sums>, pass: &Pass, outcome: &mut Outcome) {
        let figures = cohort.sums.figures(self.config.minimum);
        if let Err(reason) = &figures {
            outcome.problem(None, format!("{}{reason}", self.who(cohort)));
        }
        let of = |figure: &dyn Fn(&Figures) -> f64| figures.as_ref().map(figure).map_err(Clone::clone);
        let values = [
            of(&|figures| figures.ece),
            of(&|figures| figures.expected),
            of(&|figures| figures.brier),
            Ok(cohort.sums.rows as f64),
        ];
        for ((metric, unit), value) in metrics(self.name, self.config).into_iter().zip(values) {
            let mut sample = match value {
                Ok(value) => self.request.sample(self.name, &metric, value, unit),
                Err(reason) => self.request.undecided(self.name, &metric, unit, reason),
            };
            sample.labels.extend(self.config.by.clone().zip(cohort.label.clone()));
            sample.version.clone_from(&cohort.version);
            sample.rows = cohort.sums.rows;
            sample.input = Some(pass.digest.clone());
            outcome.samples.push(sample);
        }
        if let Ok(figures) = figures {
            let [ece, expected, rate] =
                [figures.ece, figures.expected, cohort.sums.rate()].map(|value| Unit::Ratio.show(value));
            let rows = cohort.sums.rows;
            let text = format!(
                "{}ECE {ece} ({expected} if perfectly calibrated), Brier {:.4}; {rows} rows, {rate} came true",
                self.who(cohort),
                figures.brier
            );
            outcome.fact("calibration", text);
        }
    }

    /// Values of `by` that there should be, and that no row has.
    fn absent(&self, sorted: &[&Cohort<Sums>], pass: &Pass, outcome: &mut Outcome) {
        let there = |value: &String| sorted.iter().any(|cohort| cohort.label.as_ref() == Some(value));
        for value in self.config.expect.iter().filter(|value| !there(value)) {
            let cohort = Cohort {
                version: self.request.versions.served.clone(),
                label: Some(value.clone()),
                sums: Sums::default(),
            };
            self.say(&cohort, pass, outcome);
        }
    }

    /// Whose rows they are, where there are several series, or it is not the served version's.
    fn who(&self, cohort: &Cohort<Sums>) -> String {
        let version = cohort.version.as_ref();
        let foreign = version.filter(|version| Some(*version) != self.request.versions.served.as_ref());
        let foreign = foreign.map(|version| format!("version {}", version.short()));
        let parts: Vec<String> = cohort.label.clone().into_iter().chain(foreign).collect();
        if parts.is_empty() { String::new() } else { format!("{}: ", parts.join(", ")) }
    }
}

impl Reading for CalibrationReading<'_> {
    fn inputs(&self) -> Vec<PathBuf> {
        vec![self.config.rows.file.clone()]
    }

    fn begin(&mut self, _: usize, _: &[String]) -> Vec<Want> {
        self.wants()
    }

    fn take(&mut self, _: usize, batch: &Batch) {
        let columns = (batch.numbers(&self.config.probability), batch.numbers(&self.config.outcome));
        let (Some(probabilities), Some(outcomes)) = columns else { return };
        if !BINS.contains(&self.config.bins) {
            return;
        }
        self.window.take(batch);
        self.cohorts.assign(batch, &self.window);
        let (cohorts, owners) = self.cohorts.parts();
        for ((owner, probability), outcome) in owners.iter().zip(probabilities).zip(outcomes) {
            if let Some(cohort) = owner.and_then(|owner| cohorts.get_mut(owner)) {
                cohort.sums.take(*probability, *outcome, self.config.bins);
            }
        }
    }

    fn finish(&mut self, inputs: &[Input]) -> Outcome {
        let mut outcome = Outcome::new(self.name);
        let pass = match inputs.first() {
            Some(Input::Read(pass)) => pass,
            other => {
                let reason = other.and_then(Input::reason).unwrap_or("not read");
                return self.undecided(outcome, reason);
            }
        };
        self.window.facts("file", pass, &mut outcome);
        outcome.fact("input", pass.digest.to_string());
        self.cohorts.facts(&mut outcome);
        if let Some(objection) = self.objection(pass) {
            return self.undecided(outcome, &objection);
        }
        let sorted = self.cohorts.sorted();
        if sorted.is_empty() {
            let reason = format!("none of {} rows is of a version that is known", self.cohorts.strange());
            return self.undecided(outcome, &reason);
        }
        let pending: u64 = sorted.iter().map(|cohort| cohort.sums.pending).sum();
        if pending > 0 {
            outcome.fact("also", format!("{pending} rows have no outcome yet"));
        }
        for cohort in &sorted {
            self.say(cohort, pass, &mut outcome);
        }
        self.absent(&sorted, pass, &mut outcome);
        outcome
    }
}
