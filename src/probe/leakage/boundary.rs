//! The days of training and test.

use chrono::DateTime;

use crate::probe::dataset::{Batch, Kind, NO_DAY, NO_WORD, Want};
use crate::probe::zone::{Zone, date_of, day_of};

use super::config::DatesInTable;

/// The days seen in a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Days {
    /// The first and the last.
    pub(super) span: Option<(i32, i32)>,
    /// Rows with a day.
    pub(super) rows: u64,
    /// Rows that belong here and have none.
    pub(super) missing: u64,
}

impl Days {
    /// Days of one date.
    pub(super) fn of(day: i32) -> Self {
        Self { span: Some((day, day)), rows: 1, missing: 0 }
    }

    fn add(&mut self, day: i32) {
        if day == NO_DAY {
            self.missing += 1;
            return;
        }
        self.rows += 1;
        self.span = Some(self.span.map_or((day, day), |(first, last)| (first.min(day), last.max(day))));
    }

    /// Takes the rows of a batch that belong here.
    pub(super) fn take(&mut self, table: &DatesInTable, zone: Zone, batch: &Batch) {
        let Some(days) = batch.days(&table.column, zone.0) else { return };
        // For each column the code of the text that is asked for; a text that is not in the batch is in no row of it.
        let mut asked = Vec::new();
        for (column, text) in &table.only {
            let Some(words) = batch.words(column) else { return };
            let code = words.words.iter().position(|word| word == text.as_bytes());
            let code = code.and_then(|code| u32::try_from(code).ok()).filter(|code| *code != NO_WORD);
            let Some(code) = code else { return };
            asked.push((words, code));
        }
        for (row, day) in days.iter().enumerate() {
            if asked.iter().all(|(words, code)| words.codes.get(row) == Some(code)) {
                self.add(*day);
            }
        }
    }

    /// The days, for people.
    pub(super) fn shown(&self) -> String {
        match self.span {
            Some((first, last)) if first == last => date_of(first).to_string(),
            Some((first, last)) => format!("{} to {}", date_of(first), date_of(last)),
            None => "no dates".to_owned(),
        }
    }
}

/// What a boundary wants of a table.
pub(super) fn wants(table: &DatesInTable, zone: Zone) -> Vec<Want> {
    let texts = table.only.keys().map(|column| Want::new(column, Kind::Text));
    std::iter::once(Want::new(&table.column, Kind::Day(zone.0))).chain(texts).collect()
}

/// The day of a date, or of an RFC 3339 instant in a zone.
pub(super) fn parse(text: &str, zone: Zone) -> Option<i32> {
    let text = text.trim();
    match text.parse::<chrono::NaiveDate>() {
        Ok(date) => Some(day_of(date)),
        Err(_) => Some(zone.day(DateTime::parse_from_rfc3339(text).ok()?.to_utc())),
    }
}

/// By how many days training reaches into the test: 0 where its last day lies before the first day of the test.
///
/// `Err` says why that is not known. What is missing cannot undo an overlap that was seen.
pub(super) fn overlap(train: &Days, test: &Days, today: i32) -> Result<i32, String> {
    let (Some((_, newest)), Some((first, _))) = (train.span, test.span) else {
        let which = if train.span.is_none() { "training" } else { "test" };
        return Err(format!("the {which} has no dates"));
    };
    let days = (newest - first + 1).max(0);
    if days > 0 {
        return Ok(days);
    }
    if newest > today {
        return Err(format!("the newest training date, {}, lies in the future", date_of(newest)));
    }
    match (train.missing, test.missing) {
        (0, 0) => Ok(0),
        (train, test) => Err(format!("{} rows have no date", train + test)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_ends_strictly_before_the_test_begins() {
        let (train, test) = (Days { span: Some((10, 20)), rows: 11, missing: 0 }, Days::of(21));
        assert_eq!(overlap(&train, &test, 100), Ok(0));
        assert_eq!(overlap(&train, &Days::of(20), 100), Ok(1), "the same day is not before");
        assert_eq!(overlap(&train, &Days::of(15), 100), Ok(6));
        assert_eq!(overlap(&train, &Days::of(15), 12), Ok(6), "an overlap is one, whatever the clock says");
        assert!(overlap(&train, &test, 19).unwrap_err().contains("future"));
        assert_eq!(overlap(&train, &test, 20), Ok(0), "a test may lie in the future");
    }

    #[test]
    fn what_is_missing_is_not_good() {
        let (train, test) = (Days { span: Some((10, 20)), rows: 11, missing: 1 }, Days::of(21));
        assert_eq!(overlap(&train, &test, 100).unwrap_err(), "1 rows have no date");
        assert_eq!(overlap(&train, &Days::of(20), 100), Ok(1));
        assert!(overlap(&Days::default(), &test, 100).unwrap_err().contains("training"));
        assert!(overlap(&train, &Days::default(), 100).unwrap_err().contains("test"));
    }

    #[test]
    fn dates_and_instants_are_days() {
        assert_eq!(parse(" 1970-01-03 ", Zone::default()), Some(2));
        let zone: Zone = "America/New_York".parse().unwrap();
        assert_eq!(parse("1970-01-03T03:00:00Z", zone), Some(1));
        assert_eq!(parse("yesterday", zone), None);
        assert_eq!(parse("", zone), None);
    }
}
