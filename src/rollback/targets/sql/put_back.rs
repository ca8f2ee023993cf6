//! Letting consumers back: every row as it was, except those that somebody else has changed meanwhile.

use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

use super::connection::Connection;
use super::image::{Image, Row, TableImage};
use super::marker;
use super::replace::replace;
use super::scope::{Which, shapes};
use super::switch::SqlSwitch;
use super::transact::{Inside, transact};
use crate::base::{Result, Untrusted, fault};

impl SqlSwitch {
    /// Puts rows back as they were. A row that somebody else changed since is left as they left it, and named; so is
    /// nothing of a column that the switch did not set. What was put back before, or never switched, is left alone.
    ///
    /// # Errors
    /// A database that is not available, or that refuses; then nothing was put back.
    pub(super) fn return_rows(&self, now: DateTime<Utc>) -> Result<Vec<String>> {
        let mut left_alone = Vec::new();
        transact(self, |connection| {
            let (inside, left) = self.returned(connection, now)?;
            left_alone = left;
            Ok(inside)
        })?;
        Ok(left_alone)
    }

    fn returned(&self, connection: &mut dyn Connection, now: DateTime<Utc>) -> Result<(Inside, Vec<String>)> {
        connection.lock(&self.whose().lock())?;
        let Some((before, after)) = self.baseline(connection)? else {
            return Ok((Inside::Nothing("there is nothing to put back".to_owned()), Vec::new()));
        };
        let known = shapes(connection, &self.scopes)?;
        let found = self.found(connection, &known, Which::Keys, (&before, &after), true)?;
        let mut left_alone = Vec::new();
        let mut wanted = Image::default();
        for ((was, is), found) in before.tables.iter().zip(&after.tables).zip(&found.tables) {
            wanted.tables.push(table(was, is, found, &mut left_alone));
        }
        fault::point("sql:before-put-back");
        replace(connection, &known, &found, &wanted)?;
        for switch in self.all() {
            marker::undone(connection, switch.whose(), now)?;
        }
        let said = format!("rows are as they were, {} left alone", left_alone.len());
        Ok((Inside::Commit { said, undone: true }, left_alone))
    }
}

/// What a table becomes.
fn table(was: &TableImage, is: &TableImage, found: &TableImage, left_alone: &mut Vec<String>) -> TableImage {
    let (before, after, present) = (was.by_key(), is.by_key(), found.by_key());
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
    let mut rows = Vec::new();
    for key in keys {
        let [was, is, here] = [&before, &after, &present].map(|rows| rows.get(key).copied());
        match row(was, is, here) {
            Some(back) => rows.extend(back),
            None => {
                let what =
                    if here.is_some() { "was changed by somebody else, and is left so" } else { "is gone" };
                left_alone.push(format!("{} {what}", Untrusted::from(found.place(key))));
                rows.extend(here.cloned());
            }
        }
    }
    TableImage { rows, ..found.clone() }
}

/// What a row becomes; none when somebody else changed what the switch had set.
fn row(was: Option<&Row>, is: Option<&Row>, here: Option<&Row>) -> Option<Option<Row>> {
    if was == is || here == was {
        return Some(here.cloned());
    }
    let (Some(was), Some(is), Some(here)) = (was, is, here) else {
        return (here == is).then(|| was.cloned());
    };
    let mut back = here.clone();
    let mut same_as_before = true;
    let mut same_as_after = true;
    let columns = back.values.iter_mut().zip(was.values.iter().zip(&is.values));
    for (value, (was, is)) in columns.filter(|(_, (was, is))| was != is) {
        same_as_before &= value == was;
        same_as_after &= value == is;
        value.clone_from(was);
    }
    // Somebody who has put it back already has changed nothing.
    (same_as_after || same_as_before).then_some(Some(back))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollback::targets::sql::value::Value;

    fn of(values: [&str; 3]) -> Row {
        Row { key: vec![Value::text("1")], values: values.map(Value::text).to_vec() }
    }

    #[test]
    fn rows_go_back_unless_somebody_else_set_them() {
        let (was, is) = (of(["on", "a", "n"]), of(["off", "b", "n"]));
        let back = |here: Option<&Row>| row(Some(&was), Some(&is), here);
        assert_eq!(back(Some(&is)), Some(Some(was.clone())));
        assert_eq!(
            back(Some(&of(["off", "b", "note"]))),
            Some(Some(of(["on", "a", "note"]))),
            "another column stays"
        );
        assert_eq!(back(Some(&was)), Some(Some(was.clone())));
        assert_eq!(back(Some(&of(["off", "z", "n"]))), None);
        assert_eq!(back(Some(&of(["on", "b", "n"]))), None);
        assert_eq!(back(None), None);
        assert_eq!(row(None, Some(&is), Some(&is)), Some(None), "what was inserted goes");
        assert_eq!(row(None, Some(&is), None), Some(None));
        assert_eq!(row(None, Some(&is), Some(&was)), None);
        assert_eq!(row(Some(&was), None, None), Some(Some(was.clone())), "what was deleted comes back");
        assert_eq!(row(Some(&was), None, Some(&is)), None);
    }
}
