//! What a `leakage` probe reads of tables.

use std::path::{Path, PathBuf};

use super::boundary::{self, Days};
use super::config::{DatesConfig, DatesInTable, LeakageConfig, LinearModel, NamesConfig, PredictionsConfig};
use super::config::{RSquaredConfig, ShuffledConfig};
use super::judge;
use crate::probe::dataset::{Batch, Kind, Pass, Want};
use crate::probe::pattern::select;
use crate::probe::scan::{Input, Reading};
use crate::probe::{Outcome, Request};

/// The most values that are held in memory for one fit.
const MOST_VALUES: usize = 20_000_000;

/// What a table is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    RSquared,
    Names,
    Train,
    Test,
    Shuffled,
}

/// Some columns of numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Columns {
    pub(super) names: Vec<String>,
    pub(super) values: Vec<Vec<f64>>,
    /// Why they cannot be used: a pattern fits nothing, there are too many values.
    pub(super) objection: Option<String>,
}

/// What was taken from a table.
#[derive(Debug, Clone)]
pub(super) enum Taken {
    Columns(Columns),
    Days(Days),
    Nothing,
}

/// A table that the probe reads.
struct Table<'a> {
    purpose: Purpose,
    file: &'a Path,
    taken: Taken,
}

/// A `leakage` probe at work.
pub(in crate::probe) struct LeakageReading<'a> {
    name: &'a str,
    config: &'a LeakageConfig,
    request: &'a Request<'a>,
    tables: Vec<Table<'a>>,
}

/// A table after its pass.
pub(super) struct Read<'r> {
    pub(super) purpose: Purpose,
    pub(super) file: &'r Path,
    pub(super) taken: &'r Taken,
    pub(super) pass: Result<&'r Pass, String>,
}

impl<'a> LeakageReading<'a> {
    /// A reading that has seen nothing yet.
    pub(in crate::probe) fn new(name: &'a str, config: &'a LeakageConfig, request: &'a Request<'a>) -> Self {
        let mut tables = Vec::new();
        let mut add = |purpose, file: &'a Path, taken| tables.push(Table { purpose, file, taken });
        match config.r_squared.as_ref().map(|gate| &gate.of) {
            Some(RSquaredConfig::Predictions(predictions)) => {
                add(Purpose::RSquared, &predictions.file, Taken::Columns(Columns::default()));
            }
            Some(RSquaredConfig::Linear(model)) => {
                add(Purpose::RSquared, &model.file, Taken::Columns(Columns::default()));
            }
            _ => {}
        }
        if let Some(NamesConfig::Table(file)) = config.lag_features.as_ref().map(|gate| &gate.of) {
            add(Purpose::Names, file, Taken::Nothing);
        }
        if let Some(gate) = &config.boundary {
            for (purpose, dates) in [(Purpose::Train, &gate.train), (Purpose::Test, &gate.test)] {
                if let DatesConfig::Table(table) = dates {
                    add(purpose, &table.file, Taken::Days(Days::default()));
                }
            }
        }
        if let Some(ShuffledConfig::Linear(model)) = config.shuffled.as_ref().map(|gate| &gate.of) {
            add(Purpose::Shuffled, &model.file, Taken::Columns(Columns::default()));
        }
        Self { name, config, request, tables }
    }

    fn dates(&self, purpose: Purpose) -> Option<&'a DatesInTable> {
        let gate = self.config.boundary.as_ref()?;
        let dates = if purpose == Purpose::Train { &gate.train } else { &gate.test };
        match dates {
            DatesConfig::Table(table) => Some(table),
            DatesConfig::Json(_) => None,
        }
    }

    fn columns(&self, purpose: Purpose, there: &[String]) -> Columns {
        match (purpose, self.config.r_squared.as_ref().map(|gate| &gate.of)) {
            (Purpose::RSquared, Some(RSquaredConfig::Predictions(predictions))) => {
                of_predictions(predictions)
            }
            (Purpose::RSquared, Some(RSquaredConfig::Linear(model))) => of_model(model, there),
            _ => match self.config.shuffled.as_ref().map(|gate| &gate.of) {
                Some(ShuffledConfig::Linear(model)) => of_model(model, there),
                _ => Columns::default(),
            },
        }
    }
}

fn of_predictions(config: &PredictionsConfig) -> Columns {
    let names = vec![config.actual.clone(), config.predicted.clone()];
    Columns { values: vec![Vec::new(); names.len()], names, objection: None }
}

/// The target, and then the features.
fn of_model(model: &LinearModel, there: &[String]) -> Columns {
    let features = there.iter().map(String::as_str).filter(|column| *column != model.target);
    let (chosen, idle) = select(&model.features, features);
    let objection = match idle.first() {
        Some(idle) => Some(format!("no feature is called `{idle}`")),
        None if chosen.is_empty() => Some("the model has no features".to_owned()),
        None => None,
    };
    let names: Vec<String> =
        std::iter::once(model.target.as_str()).chain(chosen).map(str::to_owned).collect();
    Columns { values: vec![Vec::new(); names.len()], names, objection }
}

impl Columns {
    fn take(&mut self, batch: &Batch) {
        if self.objection.is_some() {
            return;
        }
        for (name, values) in self.names.iter().zip(&mut self.values) {
            values.extend_from_slice(batch.numbers(name).unwrap_or_default());
        }
        if self.values.iter().map(Vec::len).sum::<usize>() > MOST_VALUES {
            self.objection = Some(format!("more than {MOST_VALUES} values are too many for one fit"));
            self.values.iter_mut().for_each(Vec::clear);
        }
    }

    /// The columns as rows without holes, and how many rows were left out; or why there are none.
    pub(super) fn complete(&self, pass: &Pass, allow_missing: bool) -> Result<(Vec<Vec<f64>>, u64), String> {
        if let Some(objection) = &self.objection {
            return Err(objection.clone());
        }
        for name in &self.names {
            if let Some(objection) = pass.objection(&Want::new(name, Kind::Number)) {
                return Err(objection);
            }
        }
        let rows = self.values.iter().map(Vec::len).min().unwrap_or(0);
        let whole: Vec<bool> = (0..rows)
            .map(|row| {
                self.values.iter().all(|values| values.get(row).is_some_and(|value| value.is_finite()))
            })
            .collect();
        let left_out = whole.iter().filter(|whole| !**whole).count() as u64;
        if left_out > 0 && !allow_missing {
            return Err(format!("{left_out} of {rows} rows have a value that is missing or infinite"));
        }
        let keep = |values: &Vec<f64>| {
            values.iter().zip(&whole).filter(|(_, whole)| **whole).map(|(value, _)| *value).collect()
        };
        Ok((self.values.iter().map(keep).collect(), left_out))
    }
}

impl Reading for LeakageReading<'_> {
    fn inputs(&self) -> Vec<PathBuf> {
        self.tables.iter().map(|table| table.file.to_owned()).collect()
    }

    fn begin(&mut self, input: usize, columns: &[String]) -> Vec<Want> {
        let Some(purpose) = self.tables.get(input).map(|table| table.purpose) else { return Vec::new() };
        let (taken, wants) = match purpose {
            Purpose::Names => (Taken::Nothing, Vec::new()),
            Purpose::Train | Purpose::Test => {
                let zone = self.config.boundary.as_ref().map(|gate| gate.timezone).unwrap_or_default();
                let wants = self.dates(purpose).map(|table| boundary::wants(table, zone));
                (Taken::Days(Days::default()), wants.unwrap_or_default())
            }
            Purpose::RSquared | Purpose::Shuffled => {
                let columns = self.columns(purpose, columns);
                let wants = columns.names.iter().map(|name| Want::new(name, Kind::Number)).collect();
                (Taken::Columns(columns), wants)
            }
        };
        if let Some(table) = self.tables.get_mut(input) {
            table.taken = taken;
        }
        wants
    }

    fn take(&mut self, input: usize, batch: &Batch) {
        let Some(purpose) = self.tables.get(input).map(|table| table.purpose) else { return };
        let dates = self.dates(purpose);
        let zone = self.config.boundary.as_ref().map(|gate| gate.timezone).unwrap_or_default();
        match (self.tables.get_mut(input).map(|table| &mut table.taken), dates) {
            (Some(Taken::Columns(columns)), _) => columns.take(batch),
            (Some(Taken::Days(days)), Some(dates)) => days.take(dates, zone, batch),
            _ => {}
        }
    }

    fn finish(&mut self, inputs: &[Input]) -> Outcome {
        let pass = |at: usize| match inputs.get(at) {
            Some(Input::Read(pass)) => Ok(pass),
            other => Err(other.and_then(Input::reason).unwrap_or("it was not read").to_owned()),
        };
        let read = self.tables.iter().enumerate().map(|(at, table)| Read {
            purpose: table.purpose,
            file: table.file,
            taken: &table.taken,
            pass: pass(at),
        });
        judge::outcome(self.name, self.config, self.request, &read.collect::<Vec<_>>())
    }
}
