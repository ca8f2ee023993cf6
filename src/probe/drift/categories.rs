//! Rows of every category, in the reference and now.

use std::collections::HashMap;

use crate::probe::dataset::{NO_WORD, Words};
use crate::probe::statistics::stability::Bins;
use crate::probe::statistics::{CURRENT, REFERENCE};

/// How many different categories one column may have before it is taken for something else.
const LIMIT: usize = 10_000;

/// The rows of a column's categories.
#[derive(Debug, Clone, Default)]
pub(super) struct Categories {
    rows: HashMap<Vec<u8>, [u64; 2]>,
    missing: [u64; 2],
    /// Whether there are so many that they cannot be categories.
    pub(super) too_many: bool,
}

impl Categories {
    /// Takes the rows that are kept.
    pub(super) fn take(&mut self, side: usize, words: &Words, keep: &[bool]) {
        let mut counts = vec![0_u64; words.words.len()];
        for (code, _) in words.codes.iter().zip(keep).filter(|(_, kept)| **kept) {
            if let Some(count) = counts.get_mut(*code as usize) {
                *count += 1;
            } else if *code == NO_WORD
                && let Some(missing) = self.missing.get_mut(side)
            {
                *missing += 1;
            }
        }
        for (word, count) in words.words.iter().zip(counts).filter(|(_, count)| *count > 0) {
            self.add(side, word, count);
        }
    }

    fn add(&mut self, side: usize, word: &[u8], count: u64) {
        if !self.rows.contains_key(word) && self.rows.len() >= LIMIT {
            self.too_many = true;
            return;
        }
        if let Some(rows) = self.rows.entry(word.to_vec()).or_default().get_mut(side) {
            *rows += count;
        }
    }

    /// A bin for every category, in the order of their names, and one for rows without.
    pub(super) fn bins(&self) -> Bins {
        let mut named: Vec<_> = self.rows.iter().collect();
        named.sort_unstable();
        named.into_iter().map(|(_, rows)| *rows).chain(std::iter::once(self.missing)).collect()
    }

    /// How many rows there are, those without a category included.
    pub(super) fn count(&self, side: usize) -> u64 {
        self.rows.values().chain(std::iter::once(&self.missing)).filter_map(|rows| rows.get(side)).sum()
    }

    /// Whether all rows of one side are alike.
    pub(super) fn constant(&self, side: usize) -> bool {
        let all = self.rows.values().chain(std::iter::once(&self.missing));
        all.filter(|rows| rows.get(side).is_some_and(|rows| *rows > 0)).count() == 1
    }

    /// Categories that the reference does not have, the most frequent first.
    pub(super) fn unseen(&self) -> Vec<(String, u64)> {
        let unseen = self.rows.iter().filter(|(_, rows)| rows.get(REFERENCE) == Some(&0));
        let mut unseen: Vec<(String, u64)> = unseen
            .map(|(word, rows)| {
                (String::from_utf8_lossy(word).into_owned(), rows.get(CURRENT).copied().unwrap_or_default())
            })
            .collect();
        unseen.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        unseen
    }
}
