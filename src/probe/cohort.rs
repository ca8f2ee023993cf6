//! Rows that belong together: of one version, and with one label.

use std::collections::{BTreeMap, HashMap};

use super::dataset::{Batch, Kind, NO_WORD, Want};
use super::source::Window;
use super::zone::Zone;
use super::{Outcome, Request, VersionSource};
use crate::base::Digest;

/// How many different versions and labels one table may name before they are taken for something else.
const LIMIT: usize = 1000;

/// How many of them are named in a sentence.
const NAMED: usize = 5;

/// Rows of one version with one label, summed up.
#[derive(Debug)]
pub(super) struct Cohort<T> {
    /// The version; absent where none is known.
    pub(super) version: Option<Digest>,
    /// The label; absent where there is no column for it, or it is empty.
    pub(super) label: Option<String>,
    /// What their rows add up to.
    pub(super) sums: T,
}

/// Whose a row is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Owner {
    Version(Option<Digest>),
    Stranger(String),
}

/// All rows, by version and label.
pub(super) struct Cohorts<'a, T> {
    request: &'a Request<'a>,
    version_column: Option<&'a str>,
    label_column: Option<&'a str>,
    /// In the order in which they were first seen.
    pub(super) all: Vec<Cohort<T>>,
    index: HashMap<(Option<Digest>, Option<String>), usize>,
    strangers: BTreeMap<String, u64>,
    /// Whether there are so many that they cannot be versions or labels.
    pub(super) too_many: bool,
    source: VersionSource,
    owners: Vec<Option<usize>>,
}

impl<'a, T: Default> Cohorts<'a, T> {
    /// No rows yet. Without a version column rows belong to the version that was deployed when their day began, if there
    /// are dates and deployments; else to the served one.
    pub(super) fn new(
        request: &'a Request<'a>,
        version_column: Option<&'a str>,
        label_column: Option<&'a str>,
        dated: bool,
    ) -> Self {
        let versions = request.versions;
        let known = !versions.names.is_empty() || versions.served.is_some();
        let source = match version_column {
            Some(_) if known => VersionSource::Column,
            None if dated && !versions.deployments.is_empty() => VersionSource::Deployments,
            _ => VersionSource::Adopted,
        };
        Self {
            request,
            version_column,
            label_column,
            all: Vec::new(),
            index: HashMap::new(),
            strangers: BTreeMap::new(),
            too_many: false,
            source,
            owners: Vec::new(),
        }
    }

    /// The columns that tell rows apart.
    pub(super) fn wants(&self) -> impl Iterator<Item = Want> {
        self.version_column.into_iter().chain(self.label_column).map(|column| Want::new(column, Kind::Text))
    }

    /// Says for every row of a batch to which of [`Cohorts::all`] it belongs; rows that the window leaves out, and those
    /// of versions that are not known, belong to none.
    pub(super) fn assign(&mut self, batch: &Batch, window: &Window<'_>) -> &[Option<usize>] {
        let words = |column: Option<&str>| column.and_then(|column| batch.words(column));
        let (versions, labels) = (words(self.version_column), words(self.label_column));
        let by_day = self.source == VersionSource::Deployments;
        let days =
            window.config.date.as_ref().filter(|_| by_day).and_then(|date| batch.days(date, window.zone));
        let mut seen: HashMap<(u32, u32, i32), Option<usize>> = HashMap::new();
        let mut strange: HashMap<(u32, u32, i32), String> = HashMap::new();
        self.owners.clear();
        for (row, kept) in window.kept().iter().enumerate() {
            if !kept {
                self.owners.push(None);
                continue;
            }
            let code = |words: Option<&super::dataset::Words>| {
                words.and_then(|words| words.codes.get(row)).copied().unwrap_or(NO_WORD)
            };
            let day = days.and_then(|days| days.get(row)).copied().unwrap_or_default();
            let key = (code(versions), code(labels), day);
            if let Some(stranger) = strange.get(&key) {
                *self.strangers.entry(stranger.clone()).or_default() += 1;
                self.owners.push(None);
                continue;
            }
            if let Some(owner) = seen.get(&key) {
                self.owners.push(*owner);
                continue;
            }
            let text = |words: Option<&super::dataset::Words>, code: u32| {
                let word = words.and_then(|words| words.words.get(code as usize))?;
                Some(String::from_utf8_lossy(word).into_owned())
            };
            let owner = match self.owner(text(versions, key.0), day, window.zone) {
                Owner::Version(version) => self.cohort(version, text(labels, key.1)),
                Owner::Stranger(name) => {
                    *self.strangers.entry(name.clone()).or_default() += 1;
                    strange.insert(key, name);
                    None
                }
            };
            seen.insert(key, owner);
            self.owners.push(owner);
        }
        &self.owners
    }

    /// The sums and the owners, to add the rows of the batch that was assigned last.
    pub(super) fn parts(&mut self) -> (&mut [Cohort<T>], &[Option<usize>]) {
        (&mut self.all, &self.owners)
    }

    fn owner(&self, label: Option<String>, day: i32, zone: chrono_tz::Tz) -> Owner {
        let versions = self.request.versions;
        match self.source {
            VersionSource::Adopted => Owner::Version(versions.served.clone()),
            VersionSource::Column => match label {
                Some(label) => match versions.named(&label) {
                    Some(version) => Owner::Version(Some(version.clone())),
                    None => Owner::Stranger(shorten(&label)),
                },
                None => Owner::Stranger("no version".to_owned()),
            },
            VersionSource::Deployments => match versions.deployed(Zone(zone).start_of(day)) {
                Some(version) => Owner::Version(Some(version.clone())),
                None => Owner::Stranger("from before the first deployment".to_owned()),
            },
        }
    }

    fn cohort(&mut self, version: Option<Digest>, label: Option<String>) -> Option<usize> {
        let key = (version, label);
        if let Some(at) = self.index.get(&key) {
            return Some(*at);
        }
        if self.all.len() >= LIMIT {
            self.too_many = true;
            return None;
        }
        let at = self.all.len();
        let (version, label) = key.clone();
        self.all.push(Cohort { version, label, sums: T::default() });
        self.index.insert(key, at);
        Some(at)
    }

    /// Says where versions come from, and what belongs to none that is known.
    pub(super) fn facts(&self, outcome: &mut Outcome) {
        outcome.version_source = Some(self.source);
        if self.version_column.is_some() && self.source != VersionSource::Column {
            outcome.problem(None, "no version is known: the version column is not used");
        }
        let rows: u64 = self.strangers.values().sum();
        if rows > 0 {
            let names: Vec<&str> = self.strangers.keys().take(NAMED).map(String::as_str).collect();
            let names = names.join(", ");
            outcome.problem(None, format!("{rows} rows come from versions that are not known: {names}"));
        }
    }

    /// The cohorts, by version and label.
    pub(super) fn sorted(&self) -> Vec<&Cohort<T>> {
        let mut sorted: Vec<&Cohort<T>> = self.all.iter().collect();
        sorted.sort_by(|a, b| (&a.version, &a.label).cmp(&(&b.version, &b.label)));
        sorted
    }

    /// Rows that belong to no version that is known.
    pub(super) fn strange(&self) -> u64 {
        self.strangers.values().sum()
    }
}

fn shorten(label: &str) -> String {
    label.chars().take(12).collect()
}
