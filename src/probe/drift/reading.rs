//! What a `drift` probe takes from its files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::categories::Categories;
use super::{DriftConfig, Plan};
use crate::probe::dataset::{Batch, Kind, Want};
use crate::probe::pattern::{Pattern, select};
use crate::probe::scan::{Input, Reading};
use crate::probe::source::Window;
use crate::probe::statistics::sketch::Sketch;
use crate::probe::{Outcome, Request};

/// How many columns one probe compares.
pub(super) const COLUMNS: usize = 256;

/// How many different values are kept apart in all columns together, and in one column at most.
const VALUES: usize = 1 << 20;
const VALUES_OF_ONE: usize = 1 << 17;

/// One column.
#[derive(Debug, Clone)]
pub(super) enum Column {
    /// Of numbers.
    Numbers(Sketch),
    /// Of categories.
    Categories(Categories),
}

/// A `drift` probe at work.
pub(in crate::probe) struct DriftReading<'a> {
    pub(super) name: &'a str,
    pub(super) config: &'a DriftConfig,
    pub(super) request: &'a Request<'a>,
    pub(super) plan: Plan,
    /// The reference and the current rows.
    pub(super) windows: [Window<'a>; 2],
    /// The columns by name.
    pub(super) columns: BTreeMap<String, Column>,
    /// Columns, or patterns that fit none, that only one of the files has, or none, and whether they have categories.
    pub(super) absent: BTreeMap<String, (bool, String)>,
    /// How many columns fit, where there are too many.
    pub(super) too_many: Option<usize>,
    begun: bool,
}

impl<'a> DriftReading<'a> {
    /// A reading that has seen nothing yet.
    pub(in crate::probe) fn new(name: &'a str, config: &'a DriftConfig, request: &'a Request<'a>) -> Self {
        let window = |source| Window::new(source, config.timezone, request.now);
        Self {
            name,
            config,
            request,
            plan: Plan::new(name, config),
            windows: [window(&config.reference), window(&config.current)],
            columns: BTreeMap::new(),
            absent: BTreeMap::new(),
            too_many: None,
            begun: false,
        }
    }

    /// The columns of a file that are compared, and the patterns that fit none of them.
    fn chosen(&self, columns: &[String], of_categories: bool) -> (Vec<String>, Vec<String>) {
        let dates = [&self.config.reference.date, &self.config.current.date];
        let patterns = if of_categories { &self.config.categories } else { &self.config.columns };
        let named = |column: &str| patterns.iter().filter_map(Pattern::literal).any(|name| name == column);
        // A pattern for numbers means neither dates nor what has categories.
        let meant = |column: &&String| {
            let elsewhere =
                !of_categories && self.config.categories.iter().any(|pattern| pattern.matches(column));
            named(column) || !(elsewhere || dates.iter().any(|date| date.as_ref() == Some(*column)))
        };
        let offered: Vec<&str> = columns.iter().filter(meant).map(String::as_str).collect();
        let (chosen, idle) = select(patterns, offered.into_iter());
        let chosen = chosen.into_iter().map(str::to_owned).collect();
        (chosen, idle.into_iter().map(Pattern::to_string).collect())
    }

    /// Learns the columns of the file that is read first: only they can be compared.
    fn create(&mut self, chosen: &[(String, bool)]) {
        if chosen.len() > COLUMNS {
            self.too_many = Some(chosen.len());
            return;
        }
        let capacity = (VALUES / chosen.len().max(1)).min(VALUES_OF_ONE);
        for (column, of_categories) in chosen {
            let fresh = if *of_categories {
                Column::Categories(Categories::default())
            } else {
                Column::Numbers(Sketch::new(capacity))
            };
            self.columns.entry(column.clone()).or_insert(fresh);
        }
    }
}

impl Reading for DriftReading<'_> {
    fn inputs(&self) -> Vec<PathBuf> {
        vec![self.config.reference.file.clone(), self.config.current.file.clone()]
    }

    fn begin(&mut self, input: usize, columns: &[String]) -> Vec<Want> {
        let mut chosen: Vec<(String, bool)> = Vec::new();
        let shown =
            |at: usize| self.inputs().get(at).map(|file| file.display().to_string()).unwrap_or_default();
        let (file, other) = (shown(input), shown(1 - input.min(1)));
        for of_categories in [false, true] {
            let (fit, idle) = self.chosen(columns, of_categories);
            chosen.extend(fit.into_iter().map(|column| (column, of_categories)));
            for pattern in idle {
                let reason = format!("{file} has no column `{pattern}`");
                self.absent.entry(pattern).or_insert((of_categories, reason));
            }
        }
        if self.begun {
            for (column, of_categories) in &chosen {
                if !self.columns.contains_key(column) && self.too_many.is_none() {
                    let reason = format!("{other} has no column `{column}`");
                    self.absent.entry(column.clone()).or_insert((*of_categories, reason));
                }
            }
        } else {
            self.create(&chosen);
            self.begun = true;
        }
        let mut wants: Vec<Want> = self.windows.get(input).and_then(Window::want).into_iter().collect();
        for (column, values) in &self.columns {
            let kind = if matches!(values, Column::Numbers(_)) { Kind::Number } else { Kind::Text };
            wants.push(Want::new(column, kind));
        }
        wants
    }

    fn take(&mut self, input: usize, batch: &Batch) {
        let Some(window) = self.windows.get_mut(input) else { return };
        window.take(batch);
        for (name, column) in &mut self.columns {
            match column {
                Column::Numbers(sketch) => {
                    let numbers = batch.numbers(name).unwrap_or_default();
                    for (value, _) in numbers.iter().zip(window.kept()).filter(|(_, kept)| **kept) {
                        sketch.push(input, *value);
                    }
                }
                Column::Categories(categories) => {
                    if let Some(words) = batch.words(name) {
                        categories.take(input, words, window.kept());
                    }
                }
            }
        }
    }

    fn finish(&mut self, inputs: &[Input]) -> Outcome {
        for column in self.columns.values_mut() {
            if let Column::Numbers(sketch) = column {
                sketch.settle();
            }
        }
        super::findings::outcome(self, inputs)
    }
}
