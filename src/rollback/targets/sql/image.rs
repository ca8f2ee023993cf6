//! Rows as they were: kept, compared, and shown.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::name::TableName;
use super::value::Value;
use crate::base::{Digest, Error, ErrorCode, Result, Untrusted, fault, file};
use crate::rollback::targets::{Change, Fidelity};

/// How many changes a plan shows.
pub(super) const SHOWN: usize = 20;

/// The largest image that is read.
const LIMIT: u64 = 1024 * 1024 * 1024;

/// What tells a row from the others of its table.
pub(super) type Key = Vec<Value>;

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    /// The values of its key.
    pub key: Key,
    /// The values of all its columns.
    pub values: Vec<Value>,
}

/// Rows of one table, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TableImage {
    pub table: TableName,
    pub key: Vec<String>,
    pub columns: Vec<String>,
    pub rows: Vec<Row>,
}

/// Rows of several tables, in the order in which they are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Image {
    pub tables: Vec<TableImage>,
}

impl TableImage {
    /// The rows by their keys.
    pub fn by_key(&self) -> BTreeMap<&Key, &Row> {
        self.rows.iter().map(|row| (&row.key, row)).collect()
    }

    /// A row's place, for people.
    pub fn place(&self, key: &Key) -> String {
        let parts: Vec<_> =
            self.key.iter().zip(key).map(|(name, value)| format!("{name}={}", value.shown())).collect();
        format!("{} {}", self.table, parts.join(" "))
    }

    /// The values of a row that are not NULL, for people.
    fn words(&self, row: &Row) -> String {
        let named = self.columns.iter().zip(&row.values).filter(|(_, value)| **value != Value::Null);
        named.map(|(name, value)| format!("{name}={}", value.shown())).collect::<Vec<_>>().join(", ")
    }
}

impl Image {
    /// The same rows have the same digest.
    pub fn digest(&self) -> Result<Digest> {
        Ok(Digest::of(&self.bytes()?))
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|error| Error::new(ErrorCode::Bug, format!("rows cannot be written down: {error}")))
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.tables.iter().map(|table| table.rows.len()).sum()
    }

    /// Keeps it in a folder, under its digest.
    ///
    /// # Errors
    /// A folder that cannot be written to, or a full disk.
    pub fn save(&self, folder: &Path) -> Result<Digest> {
        let bytes = self.bytes()?;
        let digest = Digest::of(&bytes);
        let path = path(folder, &digest);
        if Digest::of_file(&path).is_ok_and(|(found, _)| found == digest) {
            return Ok(digest);
        }
        fault::point("sql:before-image");
        file::write_atomic(&path, &bytes, 0o600).map_err(|error| {
            let what = format!("the rows as they are cannot be kept: {}", error.message);
            Error::new(error.code, what).hint("make room for it; nothing is changed without a way back")
        })?;
        fault::point("sql:after-image");
        Ok(digest)
    }

    /// Reads one that was kept.
    ///
    /// # Errors
    /// One that is gone, or that is not what was written.
    pub fn load(folder: &Path, digest: &Digest) -> Result<Self> {
        let path = path(folder, digest);
        let bytes = file::read_limited(&path, LIMIT)?;
        let wrong = |why: &str| {
            Error::new(ErrorCode::InvalidData, format!("{}: {why}", path.display()))
                .hint("the rows that were kept are damaged; put them back from a backup of the database")
        };
        if Digest::of(&bytes) != *digest {
            return Err(wrong("its digest is not the one that was recorded"));
        }
        serde_json::from_slice(&bytes).map_err(|error| wrong(&error.to_string()))
    }

    /// The keys of every table, in the order of the tables.
    pub fn keys(&self) -> Vec<BTreeSet<Key>> {
        self.tables.iter().map(|table| table.rows.iter().map(|row| row.key.clone()).collect()).collect()
    }
}

fn path(folder: &Path, digest: &Digest) -> PathBuf {
    folder.join(format!("rows-{}.json", digest.hex()))
}

/// What differs between two images of the same tables.
#[derive(Debug, Clone, Default)]
pub(super) struct Difference {
    /// The first changes.
    pub changes: Vec<Change>,
    /// In how many rows they are.
    pub rows: usize,
}

/// What differs.
pub(super) fn difference(before: &Image, after: &Image, fidelity: Fidelity) -> Difference {
    let mut difference = Difference::default();
    for (a, b) in before.tables.iter().zip(&after.tables) {
        let (from, to) = (a.by_key(), b.by_key());
        let keys: BTreeSet<_> = from.keys().chain(to.keys()).copied().collect();
        for key in keys {
            let (from, to) = (from.get(key).copied(), to.get(key).copied());
            if from != to {
                difference.rows += 1;
                row_changes(a, key, from, to, fidelity, &mut difference.changes);
            }
        }
    }
    difference.changes.truncate(SHOWN);
    difference
}

fn row_changes(
    table: &TableImage,
    key: &Key,
    from: Option<&Row>,
    to: Option<&Row>,
    fidelity: Fidelity,
    changes: &mut Vec<Change>,
) {
    if changes.len() >= SHOWN {
        return;
    }
    let place = table.place(key);
    let (Some(a), Some(b)) = (from, to) else {
        let words = |row: Option<&Row>| row.map(|row| Untrusted::from(table.words(row)));
        changes.push(Change { place: place.into(), from: words(from), to: words(to), fidelity });
        return;
    };
    for (column, (from, to)) in table.columns.iter().zip(a.values.iter().zip(&b.values)) {
        if from != to {
            let (from, to) = unalike(from, to);
            let place = format!("{place} {column}").into();
            changes.push(Change { place, from: Some(from.into()), to: Some(to.into()), fidelity });
        }
    }
}

/// Two values that differ, in words that differ.
fn unalike(from: &Value, to: &Value) -> (String, String) {
    let (a, b) = (from.shown(), to.shown());
    if a == b { (format!("{a} (before)"), format!("{b} (after)")) } else { (a, b) }
}

/// Where what was found is not what was expected: before, after and found, row by row. None when all is as expected.
pub(super) fn three_way(expected: &Image, before: &Image, after: &Image, found: &Image) -> Option<String> {
    let mut places = Vec::new();
    let mut rows = 0;
    for (index, expected) in expected.tables.iter().enumerate() {
        let at = |image: &Image| image.tables.get(index).cloned();
        let (Some(before), Some(after), Some(found)) = (at(before), at(after), at(found)) else { continue };
        let maps = [before.by_key(), after.by_key(), found.by_key()];
        let wanted = expected.by_key();
        let keys: BTreeSet<_> = wanted.keys().chain(maps[2].keys()).copied().collect();
        for key in keys {
            let [was, is, found_row] = maps.each_ref().map(|map| map.get(key).copied());
            let wanted = wanted.get(key).copied();
            if wanted != found_row {
                rows += 1;
                if places.len() < 5 {
                    places.push(told(expected, key, wanted, [was, is, found_row]));
                }
            }
        }
    }
    let more =
        if rows > places.len() { format!(" (and {} rows more)", rows - places.len()) } else { String::new() };
    (rows > 0).then(|| format!("{}{more}", places.join("; ")))
}

fn told(table: &TableImage, key: &Key, wanted: Option<&Row>, rows: [Option<&Row>; 3]) -> String {
    let place = Untrusted::from(table.place(key));
    let column = wanted.zip(rows[2]).and_then(|(wanted, found)| {
        wanted.values.iter().zip(&found.values).position(|(wanted, found)| wanted != found)
    });
    let show = |row: Option<&Row>| match (row, column) {
        (None, _) => "no row".to_owned(),
        (Some(row), Some(column)) => row.values.get(column).map(Value::shown).unwrap_or_default(),
        (Some(_), None) => "a row".to_owned(),
    };
    let [was, is, found] = rows.map(|row| Untrusted::from(show(row)));
    let column = column
        .and_then(|column| table.columns.get(column))
        .map(|name| format!(" {name}"))
        .unwrap_or_default();
    format!("{place}{}: before {was}, after {is}, found {found}", Untrusted::from(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(rows: &[(i64, &str)]) -> Image {
        let rows = rows
            .iter()
            .map(|(id, text)| Row {
                key: vec![Value::Integer(*id)],
                values: vec![Value::Integer(*id), Value::text(*text)],
            })
            .collect();
        let table = TableName::plain("t");
        let columns = vec!["id".to_owned(), "a".to_owned()];
        Image { tables: vec![TableImage { table, key: vec!["id".to_owned()], columns, rows }] }
    }

    #[test]
    fn differences_are_told_row_by_row() {
        let (a, b) = (image(&[(1, "x"), (2, "y")]), image(&[(1, "z"), (3, "w")]));
        let difference = difference(&a, &b, Fidelity::Proven);
        assert_eq!(difference.rows, 3);
        let told: Vec<_> = difference
            .changes
            .iter()
            .map(|change| format!("{} {:?} {:?}", change.place, change.from, change.to))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        t id=1 a Some(Untrusted("x")) Some(Untrusted("z"))
        t id=2 Some(Untrusted("id=2, a=y")) None
        t id=3 None Some(Untrusted("id=3, a=w"))
        "#);
        let many: Vec<_> = (0..50).map(|id| (id, "m")).collect();
        let shown = super::difference(&image(&[]), &image(&many), Fidelity::Proven);
        assert_eq!((shown.rows, shown.changes.len()), (50, SHOWN));
    }

    #[test]
    fn a_third_party_is_told_three_ways() {
        let (before, after) = (image(&[(1, "x")]), image(&[(1, "z")]));
        assert_eq!(three_way(&after, &before, &after, &after), None);
        let told = three_way(&after, &before, &after, &image(&[(1, "theirs\u{1b}"), (9, "new")])).unwrap();
        assert_eq!(
            told,
            "t id=1 a: before x, after z, found theirs\\u{1b}; t id=9: before no row, after no row, found a row"
        );
    }

    #[test]
    fn images_are_kept_for_the_owner_and_a_damaged_one_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let image = image(&[(1, "x")]);
        let digest = image.save(folder.path()).unwrap();
        assert_eq!(Image::load(folder.path(), &digest).unwrap(), image);
        let path = path(folder.path(), &digest);
        assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs_err::write(&path, "{}").unwrap();
        assert_eq!(Image::load(folder.path(), &digest).unwrap_err().code, ErrorCode::InvalidData);
        image.save(folder.path()).unwrap();
        assert_eq!(Image::load(folder.path(), &digest).unwrap(), image, "a damaged one is written anew");
        assert!(image.save(Path::new("/nonexistent")).unwrap_err().hint.is_some());
    }
}
