//! Nulls and values out of range, counted by the version that a row says it comes from.

use std::collections::HashMap;

use crate::probe::dataset::{Batch, Kind, NO_WORD, Want};

/// How many different versions one table may name before it is taken for something else.
const LABELS: usize = 1000;

/// What was counted of the rows of one version label.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Rows.
    pub(super) rows: u64,
    /// Values that are null or NaN.
    pub(super) nulls: u64,
    /// For every range metric: rows with a value out of range, and values that are missing though they must not be.
    pub(super) ranges: Vec<(u64, u64)>,
}

impl Tally {
    /// Adds another one.
    pub(super) fn add(&mut self, other: &Tally) {
        self.rows += other.rows;
        self.nulls += other.nulls;
        self.ranges.resize(self.ranges.len().max(other.ranges.len()), (0, 0));
        for (sum, more) in self.ranges.iter_mut().zip(&other.ranges) {
            *sum = (sum.0 + more.0, sum.1 + more.1);
        }
    }
}

/// A column that has to be within bounds.
#[derive(Debug, Clone)]
pub(super) struct Bounded {
    /// The column.
    pub(super) column: String,
    /// Both ends, included.
    pub(super) bounds: (f64, f64),
    /// Whether a missing value says nothing against it.
    pub(super) allow_missing: bool,
    /// Which range metric it belongs to.
    pub(super) metric: usize,
    /// The least and the greatest value out of bounds that was seen.
    pub(super) worst: Option<(f64, f64)>,
}

impl Bounded {
    /// Marks the rows whose value is out of bounds. NaN compares false with everything: what is missing is not marked.
    fn mark(&mut self, numbers: &[f64], marks: &mut [bool]) {
        let (low, high) = self.bounds;
        let outside = |value: f64| (value < low) | (value > high) | value.is_infinite();
        let mut any = false;
        for (mark, value) in marks.iter_mut().zip(numbers) {
            let bad = outside(*value);
            *mark |= bad;
            any |= bad;
        }
        if any {
            for value in numbers.iter().copied().filter(|value| outside(*value)) {
                let (least, greatest) = self.worst.unwrap_or((value, value));
                self.worst = Some((least.min(value), greatest.max(value)));
            }
        }
    }
}

/// Counts what is wrong with values, by version label.
#[derive(Debug, Default)]
pub(super) struct Counts {
    version_column: Option<String>,
    /// Columns in which nulls are counted, and how many each has.
    pub(super) nulls: Vec<(String, u64)>,
    /// Columns that have to be within bounds.
    pub(super) bounded: Vec<Bounded>,
    metrics: usize,
    labels: HashMap<Vec<u8>, usize>,
    /// What each label's rows are like. The first is that of rows without a label.
    pub(super) tallies: Vec<(Option<Vec<u8>>, Tally)>,
    /// Whether there were so many labels that they cannot be versions.
    pub(super) too_many: bool,
    owners: Vec<usize>,
    marks: Vec<bool>,
}

impl Counts {
    pub(super) fn new(
        version_column: Option<&str>,
        nulls: Vec<String>,
        bounded: Vec<Bounded>,
        metrics: usize,
    ) -> Self {
        let nulls = nulls.into_iter().map(|column| (column, 0)).collect();
        let tally = Tally { ranges: vec![(0, 0); metrics], ..Tally::default() };
        let version_column = version_column.map(str::to_owned);
        Self { version_column, nulls, bounded, metrics, tallies: vec![(None, tally)], ..Self::default() }
    }

    pub(super) fn wants(&self) -> Vec<Want> {
        let versions = self.version_column.iter().map(|column| Want::new(column, Kind::Text));
        let nulls = self.nulls.iter().map(|(column, _)| Want::new(column, Kind::Missing));
        let bounded = self.bounded.iter().map(|bounded| Want::new(&bounded.column, Kind::Number));
        versions.chain(nulls).chain(bounded).collect()
    }

    pub(super) fn take(&mut self, batch: &Batch) {
        let split = self.assign(batch);
        self.take_nulls(batch, split);
        for metric in 0..self.metrics {
            self.take_range(batch, metric, split);
        }
    }

    fn take_nulls(&mut self, batch: &Batch, split: bool) {
        for (column, total) in &mut self.nulls {
            let Some(missing) = batch.missing(column) else { continue };
            let counted = count(missing);
            *total += counted;
            if split && counted > 0 {
                for (owner, _) in self.owners.iter().zip(missing).filter(|(_, missing)| **missing) {
                    if let Some((_, tally)) = self.tallies.get_mut(*owner) {
                        tally.nulls += 1;
                    }
                }
            } else if let Some((_, tally)) = self.tallies.first_mut() {
                tally.nulls += counted;
            }
        }
    }

    /// Counts the rows of every label, and says whether the rows of this batch have more than one owner.
    fn assign(&mut self, batch: &Batch) -> bool {
        let words = self.version_column.as_ref().and_then(|column| batch.words(column));
        let Some(words) = words else {
            self.add_rows(0, batch.rows as u64);
            return false;
        };
        let owners: Vec<usize> = words.words.iter().map(|word| self.owner(word)).collect();
        let owner =
            |code: &u32| if *code == NO_WORD { 0 } else { owners.get(*code as usize).copied().unwrap_or(0) };
        self.owners.clear();
        self.owners.extend(words.codes.iter().map(owner));
        let mut rows = vec![0_u64; self.tallies.len()];
        for owner in &self.owners {
            if let Some(rows) = rows.get_mut(*owner) {
                *rows += 1;
            }
        }
        for (owner, rows) in rows.into_iter().enumerate() {
            self.add_rows(owner, rows);
        }
        true
    }

    fn add_rows(&mut self, owner: usize, rows: u64) {
        if let Some((_, tally)) = self.tallies.get_mut(owner) {
            tally.rows += rows;
        }
    }

    fn owner(&mut self, label: &[u8]) -> usize {
        if let Some(owner) = self.labels.get(label) {
            return *owner;
        }
        if self.labels.len() >= LABELS {
            self.too_many = true;
            return 0;
        }
        let owner = self.tallies.len();
        let tally = Tally { ranges: vec![(0, 0); self.metrics], ..Tally::default() };
        self.tallies.push((Some(label.to_vec()), tally));
        self.labels.insert(label.to_vec(), owner);
        owner
    }

    fn take_range(&mut self, batch: &Batch, metric: usize, split: bool) {
        self.marks.clear();
        self.marks.resize(batch.rows, false);
        for bounded in self.bounded.iter_mut().filter(|bounded| bounded.metric == metric) {
            let Some(numbers) = batch.numbers(&bounded.column) else { continue };
            bounded.mark(numbers, &mut self.marks);
            if bounded.allow_missing {
                continue;
            }
            let missing = numbers.iter().map(|value| u64::from(value.is_nan())).sum();
            if split && missing > 0 {
                for (owner, _) in self.owners.iter().zip(numbers).filter(|(_, value)| value.is_nan()) {
                    add(&mut self.tallies, *owner, metric, (0, 1));
                }
            } else {
                add(&mut self.tallies, 0, metric, (0, missing));
            }
        }
        let marked = count(&self.marks);
        if split && marked > 0 {
            for (owner, _) in self.owners.iter().zip(&self.marks).filter(|(_, mark)| **mark) {
                add(&mut self.tallies, *owner, metric, (1, 0));
            }
        } else {
            add(&mut self.tallies, 0, metric, (marked, 0));
        }
    }
}

fn count(marks: &[bool]) -> u64 {
    marks.iter().map(|mark| u64::from(*mark)).sum()
}

fn add(tallies: &mut [(Option<Vec<u8>>, Tally)], owner: usize, metric: usize, more: (u64, u64)) {
    let range = tallies.get_mut(owner).and_then(|(_, tally)| tally.ranges.get_mut(metric));
    if let Some(range) = range {
        *range = (range.0 + more.0, range.1 + more.1);
    }
}
