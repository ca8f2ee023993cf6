//! The newest and the oldest day of a column.

use chrono_tz::Tz;

use crate::probe::dataset::{Batch, Kind, NO_DAY, Want};

/// What a column of days was seen to hold.
#[derive(Debug)]
pub(super) struct DayRange {
    column: String,
    zone: Tz,
    /// The newest day.
    pub(super) newest: Option<i32>,
    /// The oldest day.
    pub(super) oldest: Option<i32>,
    /// How many rows have no day.
    pub(super) missing: u64,
}

impl DayRange {
    pub(super) fn new(column: &str, zone: Tz) -> Self {
        Self { column: column.to_owned(), zone, newest: None, oldest: None, missing: 0 }
    }

    pub(super) fn want(&self) -> Want {
        Want::new(&self.column, Kind::Day(self.zone))
    }

    pub(super) fn take(&mut self, batch: &Batch) {
        let Some(days) = batch.days(&self.column, self.zone) else { return };
        // One comparison for both ends: a missing day is the least number there is.
        let newest = days.iter().copied().max().filter(|day| *day != NO_DAY);
        let oldest = days.iter().map(|day| if *day == NO_DAY { i32::MAX } else { *day }).min();
        self.newest = self.newest.max(newest);
        let oldest = oldest.filter(|day| *day != i32::MAX);
        self.oldest = match (self.oldest, oldest) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.missing += days.iter().filter(|day| **day == NO_DAY).count() as u64;
    }
}
