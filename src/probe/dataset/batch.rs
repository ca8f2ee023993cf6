//! Some rows of the wanted columns, each as what it is wanted as.

use chrono_tz::Tz;
use std::collections::HashMap;

/// What a column's values are read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::probe) enum Kind {
    /// A number; what is missing or not a number is NaN.
    Number,
    /// A calendar day. Instants are days in this zone; dates and times without an offset stand as they are.
    Day(Tz),
    /// Text.
    Text,
    /// Whether a value is missing: null, NaN, or in CSV empty or one of the words for it.
    Missing,
}

impl Kind {
    /// As it stands in a sentence.
    pub(in crate::probe) const fn as_str(self) -> &'static str {
        match self {
            Kind::Number => "numbers",
            Kind::Day(_) => "dates",
            Kind::Text => "text",
            Kind::Missing => "values",
        }
    }
}

/// A column and what it is wanted as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::probe) struct Want {
    /// Its name.
    pub(in crate::probe) column: String,
    /// What it is wanted as.
    pub(in crate::probe) kind: Kind,
}

impl Want {
    /// A want.
    pub(in crate::probe) fn new(column: &str, kind: Kind) -> Self {
        Self { column: column.to_owned(), kind }
    }
}

/// The day of a row that has none.
pub(in crate::probe) const NO_DAY: i32 = i32::MIN;

/// The word of a row that has none.
pub(in crate::probe) const NO_WORD: u32 = u32::MAX;

/// Texts, each different one once, and for every row which of them it has. Whoever looks at texts looks at each
/// different one once a batch.
#[derive(Debug, Default)]
pub(in crate::probe) struct Words {
    /// Which word each row has; [`NO_WORD`] where it has none.
    pub(in crate::probe) codes: Vec<u32>,
    /// The words.
    pub(in crate::probe) words: Vec<Vec<u8>>,
    index: HashMap<Vec<u8>, u32>,
    /// Where a word's bytes were last seen: dictionary pages hand out the same memory again and again.
    seen: Vec<(usize, u32)>,
}

const SEEN: usize = 256;

impl Words {
    fn clear(&mut self) {
        self.codes.clear();
        self.words.clear();
        self.index.clear();
        self.seen.clear();
    }

    /// Adds a row with this text.
    pub(super) fn push(&mut self, text: &[u8]) {
        if self.seen.is_empty() {
            self.seen.resize(SEEN, (0, NO_WORD));
        }
        let address = text.as_ptr() as usize;
        let slot = (address ^ (address >> 8)) % SEEN;
        let known = self.seen.get(slot).copied().unwrap_or((0, NO_WORD));
        // The memory may have been used anew since: the bytes decide.
        if known.0 == address && self.words.get(known.1 as usize).is_some_and(|word| word == text) {
            self.codes.push(known.1);
            return;
        }
        let code = self.code(text);
        if let Some(entry) = self.seen.get_mut(slot) {
            *entry = (address, code);
        }
        self.codes.push(code);
    }

    /// Adds a row without a text.
    pub(super) fn push_none(&mut self) {
        self.codes.push(NO_WORD);
    }

    fn code(&mut self, text: &[u8]) -> u32 {
        if let Some(code) = self.index.get(text) {
            return *code;
        }
        let code = u32::try_from(self.words.len()).unwrap_or(NO_WORD);
        self.words.push(text.to_vec());
        self.index.insert(text.to_vec(), code);
        code
    }
}

/// The values of one wanted column.
#[derive(Debug)]
pub(in crate::probe) enum Values {
    /// Numbers; NaN where there is none.
    Numbers(Vec<f64>),
    /// Days from 1970-01-01; [`NO_DAY`] where there is none.
    Days(Vec<i32>),
    /// Texts.
    Texts(Words),
    /// Whether the value is missing.
    Missing(Vec<bool>),
}

/// Values that could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::probe) struct Unreadable {
    /// How many.
    pub(in crate::probe) count: u64,
    /// Row number (from 1) and text of the first.
    pub(in crate::probe) first: Option<(u64, String)>,
}

/// A wanted column with its values in this batch, and what could not be read in the whole pass.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) want: Want,
    pub(super) values: Values,
    pub(super) unreadable: Unreadable,
}

impl Column {
    /// Records a value that cannot be read as what is wanted.
    pub(super) fn refuse(&mut self, row: u64, text: impl FnOnce() -> String) {
        self.unreadable.count += 1;
        if self.unreadable.first.is_none() {
            let mut text = text();
            if let Some((end, _)) = text.char_indices().nth(40) {
                text.truncate(end);
            }
            self.unreadable.first = Some((row, format!("`{}`", text.escape_debug())));
        }
    }
}

/// Some rows.
#[derive(Debug)]
pub(in crate::probe) struct Batch {
    /// How many rows.
    pub(in crate::probe) rows: usize,
    pub(super) columns: Vec<Column>,
}

impl Batch {
    /// An empty batch for these columns.
    pub(super) fn new(wants: impl Iterator<Item = Want>) -> Self {
        let columns = wants.map(|want| {
            let values = match want.kind {
                Kind::Number => Values::Numbers(Vec::new()),
                Kind::Day(_) => Values::Days(Vec::new()),
                Kind::Text => Values::Texts(Words::default()),
                Kind::Missing => Values::Missing(Vec::new()),
            };
            Column { want, values, unreadable: Unreadable::default() }
        });
        Self { rows: 0, columns: columns.collect() }
    }

    pub(super) fn clear(&mut self) {
        self.rows = 0;
        for column in &mut self.columns {
            match &mut column.values {
                Values::Numbers(values) => values.clear(),
                Values::Days(values) => values.clear(),
                Values::Texts(words) => words.clear(),
                Values::Missing(values) => values.clear(),
            }
        }
    }

    /// An empty batch for the same columns.
    pub(super) fn alike(&self) -> Self {
        Self::new(self.columns.iter().map(|column| column.want.clone()))
    }

    /// Makes it as good as new.
    pub(super) fn reset(&mut self) {
        self.clear();
        for column in &mut self.columns {
            column.unreadable = Unreadable::default();
        }
    }

    /// Adds what could not be read in rows that come after these.
    pub(super) fn add_unreadable(&mut self, later: &Self) {
        for (column, later) in self.columns.iter_mut().zip(&later.columns) {
            column.unreadable.count += later.unreadable.count;
            if column.unreadable.first.is_none() {
                column.unreadable.first.clone_from(&later.unreadable.first);
            }
        }
    }

    pub(super) fn unreadable(&self) -> Vec<(Want, Unreadable)> {
        let doubtful = self.columns.iter().filter(|column| column.unreadable.count > 0);
        doubtful.map(|column| (column.want.clone(), column.unreadable.clone())).collect()
    }

    fn values(&self, column: &str, kind: Kind) -> Option<&Values> {
        let mut columns = self.columns.iter();
        columns.find(|c| c.want.kind == kind && c.want.column == column).map(|c| &c.values)
    }

    /// A column's numbers.
    pub(in crate::probe) fn numbers(&self, column: &str) -> Option<&[f64]> {
        match self.values(column, Kind::Number) {
            Some(Values::Numbers(values)) => Some(values),
            _ => None,
        }
    }

    /// A column's days.
    pub(in crate::probe) fn days(&self, column: &str, zone: Tz) -> Option<&[i32]> {
        match self.values(column, Kind::Day(zone)) {
            Some(Values::Days(values)) => Some(values),
            _ => None,
        }
    }

    /// A column's texts.
    pub(in crate::probe) fn words(&self, column: &str) -> Option<&Words> {
        match self.values(column, Kind::Text) {
            Some(Values::Texts(words)) => Some(words),
            _ => None,
        }
    }

    /// Where a column has no value.
    pub(in crate::probe) fn missing(&self, column: &str) -> Option<&[bool]> {
        match self.values(column, Kind::Missing) {
            Some(Values::Missing(values)) => Some(values),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart_by_their_bytes() {
        let mut words = Words::default();
        let mut memory = b"Athene".to_vec();
        words.push(&memory);
        words.push(&memory);
        memory.copy_from_slice(b"Jackso");
        words.push(&memory);
        words.push_none();
        assert_eq!(words.codes, [0, 0, 1, NO_WORD]);
        assert_eq!(words.words, [b"Athene".to_vec(), b"Jackso".to_vec()]);
    }
}
