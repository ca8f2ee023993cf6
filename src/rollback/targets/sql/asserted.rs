//! A containment that is asserted again: what was before the first time is what is put back.

use super::connection::Connection;
use super::image::{Image, Row, TableImage};
use super::marker;
use super::switch::SqlSwitch;
use crate::base::Result;

impl SqlSwitch {
    /// This containment asserted again by `newer`, which found rows that somebody had turned back on, or new ones.
    pub fn reasserted(&self, newer: &Self) -> Self {
        let mut changes = self.changes.clone();
        let known: Vec<_> = changes.iter().map(|change| change.place.clone()).collect();
        changes.extend(newer.changes.iter().filter(|change| !known.contains(&change.place)).cloned());
        Self { earlier: Some(Box::new(self.clone())), changes, ..newer.clone() }
    }

    /// The rows as they were before the first time, and as the last time left them; nothing where this switch, and all
    /// before it, were never committed.
    pub(super) fn baseline(&self, connection: &mut dyn Connection) -> Result<Option<(Image, Image)>> {
        let earlier = match &self.earlier {
            Some(earlier) => earlier.baseline(connection)?,
            None => None,
        };
        let Some(mark) = marker::read(connection, self.whose())?.filter(|mark| !mark.undone) else {
            return Ok(earlier);
        };
        let (before, after) = self.images(Some(&mark))?;
        Ok(Some(match earlier {
            Some((first, left)) => (merged(&before, &after, &first, &left), after),
            None => (before, after),
        }))
    }

    /// Every switch of this containment, the newest first.
    pub(super) fn all(&self) -> impl Iterator<Item = &SqlSwitch> {
        std::iter::successors(Some(self), |switch| switch.earlier.as_deref())
    }
}

/// The rows before the newer switch, with what the first one found where either of them set something.
fn merged(before: &Image, after: &Image, first: &Image, left: &Image) -> Image {
    let of = |image: &Image, like: &TableImage| {
        image.tables.iter().find(|table| table.table == like.table && table.columns == like.columns).cloned()
    };
    let tables = before.tables.iter().zip(&after.tables).map(|(before, after)| {
        match (of(first, before), of(left, before)) {
            (Some(first), Some(left)) => table(before, after, &first, &left),
            // Its columns are others now: what the newer switch found is all there is.
            _ => before.clone(),
        }
    });
    Image { tables: tables.collect() }
}

fn table(before: &TableImage, after: &TableImage, first: &TableImage, left: &TableImage) -> TableImage {
    let (is, was, were) = (after.by_key(), first.by_key(), left.by_key());
    let rows = before.rows.iter().filter_map(|row| {
        match (was.get(&row.key), were.get(&row.key), is.get(&row.key)) {
            (None, Some(_), _) => None,
            (Some(first), Some(left), Some(after)) => Some(self::row(row, after, first, left)),
            (Some(first), ..) => Some((*first).clone()),
            (None, None, _) => Some(row.clone()),
        }
    });
    let mut rows: Vec<Row> = rows.collect();
    let here = before.by_key();
    // What the first one deleted is to come back, though the newer one never saw it.
    rows.extend(first.rows.iter().filter(|row| !here.contains_key(&row.key)).cloned());
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    TableImage { rows, ..before.clone() }
}

/// A column that neither switch set stays as it was found the second time: somebody else's.
fn row(before: &Row, after: &Row, first: &Row, left: &Row) -> Row {
    let mut merged = before.clone();
    let others = after.values.iter().zip(first.values.iter().zip(&left.values));
    for (value, (after, (first, left))) in merged.values.iter_mut().zip(others) {
        if *value != *after || first != left {
            value.clone_from(first);
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollback::targets::sql::value::Value;

    fn of(values: [&str; 2]) -> Row {
        Row { key: vec![Value::text("1")], values: values.map(Value::text).to_vec() }
    }

    #[test]
    fn what_was_before_the_first_time_wins_in_what_was_set() {
        // On at first, set off, turned on by somebody, set off again.
        let merged = row(&of(["on", "n"]), &of(["off", "n"]), &of(["on", "a"]), &of(["off", "a"]));
        assert_eq!(merged, of(["on", "n"]), "their note stays");
        // Off at first, so not set; turned on by somebody, then set off.
        let merged = row(&of(["on", "a"]), &of(["off", "a"]), &of(["off", "a"]), &of(["off", "a"]));
        assert_eq!(merged, of(["off", "a"]));
        // Set off the first time, and still off the second.
        let merged = row(&of(["off", "a"]), &of(["off", "a"]), &of(["on", "a"]), &of(["off", "a"]));
        assert_eq!(merged, of(["on", "a"]));
    }
}
