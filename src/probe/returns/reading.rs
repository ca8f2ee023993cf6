//! What a `returns` probe takes from its files.

use std::path::PathBuf;

use super::figures::Sums;
use super::{BaselineConfig, ReturnsConfig};
use crate::probe::cohort::Cohorts;
use crate::probe::dataset::{Batch, Kind, Want};
use crate::probe::scan::{Input, Reading};
use crate::probe::source::{SourceConfig, Window};
use crate::probe::{Outcome, Request};

/// The rows of one file, series by series.
pub(super) struct Rows<'a> {
    pub(super) window: Window<'a>,
    pub(super) cohorts: Cohorts<'a, Sums>,
}

/// A `returns` probe at work.
pub(in crate::probe) struct ReturnsReading<'a> {
    pub(super) name: &'a str,
    pub(super) config: &'a ReturnsConfig,
    pub(super) request: &'a Request<'a>,
    pub(super) rows: Rows<'a>,
    pub(super) baseline: Option<Rows<'a>>,
}

impl<'a> ReturnsReading<'a> {
    /// A reading that has seen nothing yet.
    pub(in crate::probe) fn new(name: &'a str, config: &'a ReturnsConfig, request: &'a Request<'a>) -> Self {
        let label = config.by.as_deref();
        let rows = |source: &'a SourceConfig, version: Option<&'a str>, dated: bool| Rows {
            window: Window::new(source, config.timezone, request.now),
            cohorts: Cohorts::new(request, version, label, dated),
        };
        // A baseline is what it is, whichever version earned it.
        let baseline = match &config.baseline {
            Some(BaselineConfig::Rows(source)) => Some(rows(source, None, false)),
            _ => None,
        };
        let dated = config.rows.date.is_some();
        Self {
            name,
            config,
            request,
            rows: rows(&config.rows, config.version_column.as_deref(), dated),
            baseline,
        }
    }

    fn part(&mut self, input: usize) -> Option<&mut Rows<'a>> {
        if input == 0 { Some(&mut self.rows) } else { self.baseline.as_mut() }
    }
}

impl Rows<'_> {
    pub(super) fn wants(&self, column: &str) -> Vec<Want> {
        let values = std::iter::once(Want::new(column, Kind::Number));
        self.window.want().into_iter().chain(values).chain(self.cohorts.wants()).collect()
    }

    fn take(&mut self, column: &str, batch: &Batch) {
        let Some(values) = batch.numbers(column) else { return };
        self.window.take(batch);
        self.cohorts.assign(batch, &self.window);
        let days = self.window.config.date.as_ref().and_then(|date| batch.days(date, self.window.zone));
        let (cohorts, owners) = self.cohorts.parts();
        for (row, (owner, value)) in owners.iter().zip(values).enumerate() {
            if let Some(cohort) = owner.and_then(|owner| cohorts.get_mut(owner)) {
                cohort.sums.take(*value, days.and_then(|days| days.get(row)).copied());
            }
        }
    }
}

impl Reading for ReturnsReading<'_> {
    fn inputs(&self) -> Vec<PathBuf> {
        let baseline = self.baseline.iter().map(|baseline| baseline.window.config.file.clone());
        std::iter::once(self.config.rows.file.clone()).chain(baseline).collect()
    }

    fn begin(&mut self, input: usize, _: &[String]) -> Vec<Want> {
        let column = &self.config.column;
        self.part(input).map(|rows| rows.wants(column)).unwrap_or_default()
    }

    fn take(&mut self, input: usize, batch: &Batch) {
        let column = &self.config.column;
        if let Some(rows) = self.part(input) {
            rows.take(column, batch);
        }
    }

    fn finish(&mut self, inputs: &[Input]) -> Outcome {
        super::findings::outcome(self, inputs)
    }
}
