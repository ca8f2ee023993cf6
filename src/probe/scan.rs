//! One pass over every file, however many probes read it; and again, once, if it changed meanwhile.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::dataset::{Batch, Dataset, Pass, Want};
use super::{Outcome, Request};
use crate::base::{Error, ErrorCode, path};

/// A probe that reads tables.
pub(super) trait Reading {
    /// The files that it reads, as they are configured.
    fn inputs(&self) -> Vec<PathBuf>;
    /// Learns the columns of an input and says what it wants of them. Wants that do not exist are left out.
    fn begin(&mut self, input: usize, columns: &[String]) -> Vec<Want>;
    /// Takes some rows of an input.
    fn take(&mut self, input: usize, batch: &Batch);
    /// Says what it found. There is one entry for every input.
    fn finish(&mut self, inputs: &[Input]) -> Outcome;
}

/// What became of an input.
#[derive(Debug, Clone)]
pub(super) enum Input {
    /// It was read to its end.
    Read(Pass),
    /// There is no such file.
    Absent(String),
    /// It is there, but it could not be read.
    Failed(String),
    /// It was written to while it was read, twice.
    Changed(String),
}

impl Input {
    /// Why there is nothing to measure.
    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            Input::Read(_) => None,
            Input::Absent(reason) | Input::Failed(reason) | Input::Changed(reason) => Some(reason),
        }
    }
}

/// A file that some probes read.
struct Shared {
    /// As it is configured, for messages.
    shown: String,
    /// Which input of which reading it is.
    readers: Vec<(usize, usize)>,
    state: Result<Dataset, Input>,
}

/// Builds the reading of the probe with this number.
pub(super) type Build<'a, 'b> = dyn Fn(usize) -> Option<Box<dyn Reading + 'a>> + 'b;

/// Runs `count` readings and returns their outcomes in order.
///
/// All files are opened before the first is read, so that what belongs together is of one moment.
pub(super) fn run<'a>(count: usize, build: &Build<'a, '_>, request: &Request<'_>) -> Vec<Outcome> {
    let all: Vec<usize> = (0..count).collect();
    let mut outcomes = BTreeMap::new();
    let again = round(&all, build, request, false, &mut outcomes);
    if !again.is_empty() {
        round(&again, build, request, true, &mut outcomes);
    }
    outcomes.into_values().collect()
}

/// One try. Returns the probes whose inputs changed; the last try makes an outcome of them, too.
fn round<'a>(
    numbers: &[usize],
    build: &Build<'a, '_>,
    request: &Request<'_>,
    last: bool,
    outcomes: &mut BTreeMap<usize, Outcome>,
) -> Vec<usize> {
    let mut readings: Vec<_> = numbers.iter().filter_map(|number| build(*number)).collect();
    let mut files = open(&readings, request);
    let read: Vec<Input> = files.values_mut().map(|file| pass(file, &mut readings)).collect();
    // Only now, so that a probe with two inputs knows that the first did not change while the second was read.
    let settled: Vec<Input> = files.values().zip(read).map(|(file, input)| settle(file, input)).collect();
    let mut again = Vec::new();
    for (at, (reading, number)) in readings.iter_mut().zip(numbers).enumerate() {
        let inputs = inputs_of(at, reading.inputs().len(), &files, &settled);
        let changed = inputs.iter().any(|input| matches!(input, Input::Changed(_)));
        if changed && !last {
            again.push(*number);
        } else {
            outcomes.insert(*number, reading.finish(&inputs));
        }
    }
    again
}

fn open(readings: &[Box<dyn Reading + '_>], request: &Request<'_>) -> BTreeMap<PathBuf, Shared> {
    let mut files: BTreeMap<PathBuf, Shared> = BTreeMap::new();
    for (at, reading) in readings.iter().enumerate() {
        for (input, configured) in reading.inputs().iter().enumerate() {
            let file = files.entry(configured.clone()).or_insert_with(|| Shared {
                shown: configured.display().to_string(),
                readers: Vec::new(),
                state: open_one(request.root, configured),
            });
            file.readers.push((at, input));
        }
    }
    files
}

fn open_one(root: &Path, configured: &Path) -> Result<Dataset, Input> {
    let opened = path::inside(root, configured).and_then(|path| Dataset::open(&path));
    opened.map_err(|error| failure(&configured.display().to_string(), &error))
}

fn failure(shown: &str, error: &Error) -> Input {
    let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    match error.code {
        ErrorCode::NotFound => Input::Absent(format!("{shown} does not exist")),
        _ => Input::Failed(format!("{shown}: {}{hint}", error.message)),
    }
}

/// Reads one file for all who want something of it.
fn pass(file: &mut Shared, readings: &mut [Box<dyn Reading + '_>]) -> Input {
    let dataset = match &mut file.state {
        Ok(dataset) => dataset,
        Err(input) => return input.clone(),
    };
    let columns = dataset.columns().to_vec();
    let mut wants: Vec<Want> = Vec::new();
    for (at, input) in &file.readers {
        let reading = readings.get_mut(*at);
        for want in reading.map(|reading| reading.begin(*input, &columns)).unwrap_or_default() {
            if !wants.contains(&want) {
                wants.push(want);
            }
        }
    }
    let readers = &file.readers;
    let read = dataset.read(&wants, &mut |batch| {
        for (at, input) in readers {
            if let Some(reading) = readings.get_mut(*at) {
                reading.take(*input, batch);
            }
        }
    });
    read.map_or_else(|error| failure(&file.shown, &error), Input::Read)
}

/// A file that changed says nothing, whether or not it could be read.
fn settle(file: &Shared, input: Input) -> Input {
    match &file.state {
        Ok(dataset) if dataset.changed() => {
            Input::Changed(format!("{} changed while it was read", file.shown))
        }
        _ => input,
    }
}

fn inputs_of(at: usize, count: usize, files: &BTreeMap<PathBuf, Shared>, settled: &[Input]) -> Vec<Input> {
    let find = |input: usize| {
        let mut places = files.values().zip(settled);
        places.find(|(file, _)| file.readers.contains(&(at, input))).map(|(_, settled)| settled.clone())
    };
    (0..count).map(|input| find(input).unwrap_or(Input::Failed("not read".to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::VersionMap;
    use crate::probe::dataset::Kind;
    use std::cell::Cell;

    /// Sums a column, and writes to the file while it does, the first `spoils` times.
    struct Sum<'a> {
        path: PathBuf,
        total: f64,
        spoils: &'a Cell<u32>,
        root: &'a Path,
    }

    impl Reading for Sum<'_> {
        fn inputs(&self) -> Vec<PathBuf> {
            vec![self.path.clone()]
        }

        fn begin(&mut self, _: usize, _: &[String]) -> Vec<Want> {
            vec![Want::new("x", Kind::Number)]
        }

        fn take(&mut self, _: usize, batch: &Batch) {
            self.total += batch.numbers("x").unwrap().iter().sum::<f64>();
            if self.spoils.get() > 0 {
                self.spoils.set(self.spoils.get() - 1);
                fs_err::write(self.root.join(&self.path), "x\n10\n20\n30\n").unwrap();
            }
        }

        fn finish(&mut self, inputs: &[Input]) -> Outcome {
            let mut outcome = Outcome::new("sum");
            outcome.fact("sum", self.total.to_string());
            if let Some(reason) = inputs[0].reason() {
                outcome.problem(None, reason);
            }
            outcome
        }
    }

    fn sums(spoils: u32) -> Vec<Outcome> {
        let root = tempfile::tempdir().unwrap();
        fs_err::write(root.path().join("a.csv"), "x\n1\n2\n").unwrap();
        let versions = VersionMap::default();
        let request = Request {
            service: "s",
            root: root.path(),
            now: chrono::DateTime::UNIX_EPOCH,
            versions: &versions,
            untrusted: false,
        };
        let spoils = Cell::new(spoils);
        let root = root.path();
        let build = |_| {
            Some(Box::new(Sum { path: "a.csv".into(), total: 0.0, spoils: &spoils, root }) as Box<dyn Reading>)
        };
        run(2, &build, &request)
    }

    #[test]
    fn both_see_all_rows_of_one_pass() {
        let outcomes = sums(0);
        assert_eq!(outcomes.len(), 2);
        for outcome in outcomes {
            assert_eq!((outcome.examined[0].value.raw(), outcome.problems.len()), ("3", 0));
        }
    }

    #[test]
    fn a_file_that_changed_is_read_again() {
        for outcome in sums(1) {
            assert_eq!((outcome.examined[0].value.raw(), outcome.problems.len()), ("60", 0));
        }
    }

    #[test]
    fn a_file_that_keeps_changing_says_nothing() {
        for outcome in sums(100) {
            assert_eq!(outcome.problems[0].reason.raw(), "a.csv changed while it was read");
        }
    }
}
