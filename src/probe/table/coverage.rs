//! How many rows each expected group has in the window.

use chrono_tz::Tz;
use std::collections::HashMap;

use super::CoverageCheck;
use crate::probe::dataset::{Batch, Kind, NO_WORD, Want};

/// Counts of rows by group.
#[derive(Debug)]
pub(super) struct Coverage {
    column: String,
    date: Option<String>,
    zone: Tz,
    /// First and last day that count; `None` where all rows do.
    window: Option<(i32, i32)>,
    index: HashMap<Vec<u8>, usize>,
    /// Rows of each group, in the order of the configuration.
    pub(super) counts: Vec<u64>,
    /// Rows in the window whose group nobody expects.
    pub(super) others: u64,
    /// Rows that are dated after the window.
    pub(super) future: u64,
    /// Rows in no group, and rows with no date where one is needed.
    pub(super) unplaced: u64,
}

impl Coverage {
    pub(super) fn new(check: &CoverageCheck, zone: Tz, today: i32) -> Self {
        let days = check.within.map(|within| within.approximate().num_days());
        let first = days.map(|days| today.saturating_sub(i32::try_from(days).unwrap_or(i32::MAX)));
        let groups = check.groups.iter().enumerate();
        Self {
            column: check.column.clone(),
            date: check.date.clone(),
            zone,
            window: first.map(|first| (first, today)),
            index: groups.map(|(at, group)| (group.trim().as_bytes().to_vec(), at)).collect(),
            counts: vec![0; check.groups.len()],
            others: 0,
            future: 0,
            unplaced: 0,
        }
    }

    pub(super) fn wants(&self) -> Vec<Want> {
        let group = Want::new(&self.column, Kind::Text);
        std::iter::once(group).chain(self.date_want()).collect()
    }

    fn date_want(&self) -> Option<Want> {
        self.window.and(self.date.as_ref()).map(|date| Want::new(date, Kind::Day(self.zone)))
    }

    pub(super) fn take(&mut self, batch: &Batch) {
        let Some(words) = batch.words(&self.column) else { return };
        let days = self.date_want().and_then(|want| batch.days(&want.column, self.zone));
        // Rows are counted by word first, and a word's group is looked up once.
        let mut rows = vec![0_u64; words.words.len()];
        let mut nowhere = 0;
        let mut count = |code: u32| match rows.get_mut(code as usize) {
            Some(rows) => *rows += 1,
            None => nowhere += 1,
        };
        match (self.window, days) {
            (Some((first, last)), Some(days)) => {
                for (code, day) in words.codes.iter().zip(days) {
                    if *day > last {
                        self.future += 1;
                    } else if *day >= first {
                        count(*code);
                    } else if *day == crate::probe::dataset::NO_DAY {
                        count(NO_WORD);
                    }
                }
            }
            (Some(_), None) => {}
            (None, _) => words.codes.iter().for_each(|code| count(*code)),
        }
        self.unplaced += nowhere;
        for (word, rows) in words.words.iter().zip(rows) {
            match self.index.get(word).and_then(|at| self.counts.get_mut(*at)) {
                Some(counted) => *counted += rows,
                None => self.others += rows,
            }
        }
    }
}
