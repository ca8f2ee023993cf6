//! What a `table` probe wants of its file, and what it takes from it.

use std::path::PathBuf;

use super::count::{Bounded, Counts};
use super::coverage::Coverage;
use super::days::DayRange;
use super::{RangeCheck, TableConfig, named};
use crate::probe::dataset::{Batch, Want};
use crate::probe::pattern::{Pattern, nearest, select};
use crate::probe::scan::{Input, Reading};
use crate::probe::{Outcome, Request};

/// A `table` probe at work.
pub(in crate::probe) struct TableReading<'a> {
    pub(super) name: &'a str,
    pub(super) config: &'a TableConfig,
    pub(super) request: &'a Request<'a>,
    /// The calendar day of the round.
    pub(super) today: i32,
    pub(super) counts: Counts,
    /// The days of the freshness check; without one, of the coverage check.
    pub(super) days: Option<DayRange>,
    pub(super) coverage: Option<Coverage>,
    /// The metrics of the range checks, each once.
    pub(super) range_metrics: Vec<String>,
    /// Metrics that cannot be decided, and why: a pattern fits no column.
    pub(super) objections: Vec<(String, String)>,
}

impl<'a> TableReading<'a> {
    /// A reading that has seen nothing yet.
    pub(in crate::probe) fn new(name: &'a str, config: &'a TableConfig, request: &'a Request<'a>) -> Self {
        let zone = config.timezone;
        let today = zone.day(request.now);
        let mut range_metrics: Vec<String> = Vec::new();
        for metric in config.range.iter().map(|range| range.metric(name)) {
            if !range_metrics.contains(&metric) {
                range_metrics.push(metric);
            }
        }
        let dated = config.freshness.as_ref().map(|freshness| &freshness.column);
        let dated = dated.or_else(|| config.coverage.as_ref().and_then(|coverage| coverage.date.as_ref()));
        Self {
            name,
            config,
            request,
            today,
            counts: Counts::default(),
            days: dated.map(|column| DayRange::new(column, zone.0)),
            coverage: config.coverage.as_ref().map(|check| Coverage::new(check, zone.0, today)),
            range_metrics,
            objections: Vec::new(),
        }
    }

    fn nulls(&mut self, columns: &[String]) -> Vec<String> {
        let Some(nulls) = &self.config.nulls else { return Vec::new() };
        let metric = named(nulls.metric.as_ref(), self.name, "nulls");
        self.chosen(&metric, &nulls.columns, columns)
    }

    fn bounded(&mut self, columns: &[String]) -> Vec<Bounded> {
        let mut bounded = Vec::new();
        for range in &self.config.range {
            let metric = range.metric(self.name);
            let place = self.range_metrics.iter().position(|other| *other == metric).unwrap_or_default();
            for column in self.chosen(&metric, &range.columns, columns) {
                bounded.push(of_range(range, column, place));
            }
        }
        bounded
    }

    /// The columns that the patterns fit. A pattern that fits none is an objection to the metric.
    fn chosen(&mut self, metric: &str, patterns: &[Pattern], columns: &[String]) -> Vec<String> {
        let (chosen, idle) = select(patterns, columns.iter().map(String::as_str));
        for pattern in idle {
            let near = pattern.literal().and_then(|name| nearest(name, columns.iter().map(String::as_str)));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            self.objections.push((metric.to_owned(), format!("there is no column `{pattern}`{near}")));
        }
        chosen.into_iter().map(str::to_owned).collect()
    }
}

fn of_range(range: &RangeCheck, column: String, metric: usize) -> Bounded {
    let bounds = (range.low.unwrap_or(f64::NEG_INFINITY), range.high.unwrap_or(f64::INFINITY));
    Bounded { column, bounds, allow_missing: range.allow_missing, metric, worst: None }
}

impl Reading for TableReading<'_> {
    fn inputs(&self) -> Vec<PathBuf> {
        vec![self.config.file.clone()]
    }

    fn begin(&mut self, _: usize, columns: &[String]) -> Vec<Want> {
        let (nulls, bounded) = (self.nulls(columns), self.bounded(columns));
        let by_version = self.config.version_column.as_deref();
        self.counts = Counts::new(by_version, nulls, bounded, self.range_metrics.len());
        let mut wants = self.counts.wants();
        wants.extend(self.days.as_ref().map(DayRange::want));
        wants.extend(self.coverage.iter().flat_map(Coverage::wants));
        wants
    }

    fn take(&mut self, _: usize, batch: &Batch) {
        self.counts.take(batch);
        if let Some(days) = &mut self.days {
            days.take(batch);
        }
        if let Some(coverage) = &mut self.coverage {
            coverage.take(batch);
        }
    }

    fn finish(&mut self, inputs: &[Input]) -> Outcome {
        super::findings::outcome(self, inputs.first())
    }
}
