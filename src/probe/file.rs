//! The `file` probe: whether a file exists, how old and how large it is, and what its bytes are.

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Outcome, Request, VersionSource};
use crate::base::clock::format_instant;
use crate::base::{Digest, Unit, path};

/// How far in the future a file may have been modified: clocks differ, and a file may be written while we look.
pub(super) const SKEW: TimeDelta = TimeDelta::minutes(1);

/// A file, by its name. Emits `NAME_exists` (flag), `NAME_age` (days since it was modified) and `NAME_size` (bytes).
///
/// A missing file has `NAME_exists` 0; its age and size are undecided.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// The file, relative to the workspace.
    pub file: PathBuf,
}

/// The metrics that it emits.
pub(super) fn metrics(name: &str, _config: &FileConfig) -> Vec<(String, Unit)> {
    vec![
        (format!("{name}_exists"), Unit::Flag),
        (format!("{name}_age"), Unit::Days),
        (format!("{name}_size"), Unit::Bytes),
    ]
}

/// Measures.
pub(super) fn measure(name: &str, config: &FileConfig, request: &Request<'_>) -> Outcome {
    let all = metrics(name, config);
    let shown = config.file.display();
    let path = match path::inside(request.root, &config.file) {
        Ok(path) => path,
        Err(error) => return Outcome::undecided(name, &all, request, error.message),
    };
    let metadata = match fs_err::metadata(&path) {
        Ok(metadata) if metadata.is_file() => metadata,
        Ok(_) => return Outcome::undecided(name, &all, request, format!("{shown} is not a regular file")),
        Err(error) if error.kind() == ErrorKind::NotFound => return missing(name, config, request),
        Err(error) => {
            return Outcome::undecided(name, &all, request, format!("cannot look at {shown}: {error}"));
        }
    };
    present(name, config, request, &path, &metadata)
}

fn missing(name: &str, config: &FileConfig, request: &Request<'_>) -> Outcome {
    let mut outcome = Outcome::new(name);
    outcome.version_source = Some(VersionSource::Adopted);
    let reason = format!("{} does not exist", config.file.display());
    outcome.fact("file", reason.clone());
    outcome.samples.push(request.sample(name, &format!("{name}_exists"), 0.0, Unit::Flag));
    for (metric, unit) in metrics(name, config).into_iter().skip(1) {
        outcome.samples.push(request.undecided(name, &metric, unit, reason.clone()));
    }
    outcome
}

fn present(
    name: &str,
    config: &FileConfig,
    request: &Request<'_>,
    path: &Path,
    metadata: &Metadata,
) -> Outcome {
    let mut outcome = Outcome::new(name);
    outcome.version_source = Some(VersionSource::Adopted);
    outcome.fact("file", config.file.display().to_string());
    let (age_metric, size_metric) = (format!("{name}_age"), format!("{name}_size"));
    outcome.samples.push(request.sample(name, &format!("{name}_exists"), 1.0, Unit::Flag));
    match modified(metadata) {
        Some(modified) => {
            outcome.fact("modified", format_instant(modified));
            outcome.samples.push(match age(modified, request.now) {
                Ok(days) => request.sample(name, &age_metric, days, Unit::Days),
                Err(reason) => request.undecided(name, &age_metric, Unit::Days, reason),
            });
        }
        None => {
            let reason = "the file's modification time cannot be read";
            outcome.samples.push(request.undecided(name, &age_metric, Unit::Days, reason));
        }
    }
    outcome.fact("size", format!("{} bytes", metadata.len()));
    #[expect(clippy::cast_precision_loss, reason = "no file is larger than 2^53 bytes")]
    let size = metadata.len() as f64;
    outcome.samples.push(request.sample(name, &size_metric, size, Unit::Bytes));
    match Digest::of_file(path) {
        Ok((digest, length)) => {
            if length != metadata.len() || !same(path, metadata) {
                outcome.problem(None, format!("{} changed while it was read", config.file.display()));
            }
            outcome.fact("digest", digest.to_string());
            for sample in &mut outcome.samples {
                sample.input = Some(digest.clone());
                sample.rows = 1;
            }
        }
        Err(error) => outcome.problem(None, format!("its bytes cannot be read: {}", error.message)),
    }
    outcome
}

fn same(path: &Path, before: &Metadata) -> bool {
    let identity =
        |metadata: &Metadata| (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec());
    fs_err::metadata(path).is_ok_and(|after| identity(&after) == identity(before))
}

/// When a file was last modified; `None` where that is not an instant of the calendar.
pub(super) fn modified(metadata: &Metadata) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(metadata.mtime(), u32::try_from(metadata.mtime_nsec()).ok()?)
}

/// Days from `then` to `now`; a reason if `then` lies in the future.
pub(super) fn age(then: DateTime<Utc>, now: DateTime<Utc>) -> Result<f64, String> {
    let age = now - then;
    if age < -SKEW {
        return Err(format!("{} lies in the future", format_instant(then)));
    }
    #[expect(clippy::cast_precision_loss, reason = "a century has fewer than 2^53 milliseconds")]
    let milliseconds = age.num_milliseconds().max(0) as f64;
    Ok(milliseconds / Unit::Days.factor())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{ProbeConfig, VersionMap, measure_all};
    use crate::store::Measurement;
    use std::collections::BTreeMap;
    use std::time::{Duration, SystemTime};

    fn look(root: &Path, path: &str, now: DateTime<Utc>) -> Outcome {
        let versions = VersionMap::default();
        let request = Request { service: "s", root, now, versions: &versions, untrusted: false };
        let probes =
            BTreeMap::from([("f".to_owned(), ProbeConfig::File(Box::new(FileConfig { file: path.into() })))]);
        measure_all(&probes, &request).remove(0)
    }

    fn values(outcome: &Outcome) -> Vec<Option<f64>> {
        outcome.samples.iter().map(|sample| sample.measurement.value()).collect()
    }

    #[test]
    fn existence_age_size_and_digest() {
        let root = tempfile::tempdir().unwrap();
        let file = fs_err::File::create(root.path().join("a")).unwrap();
        fs_err::write(root.path().join("a"), "abc").unwrap();
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        file.file().set_modified(then).unwrap();
        let now = DateTime::from_timestamp(1_700_000_000 + 86_400 * 8 + 43_200, 0).unwrap();
        let outcome = look(root.path(), "a", now);
        assert_eq!(values(&outcome), [Some(1.0), Some(8.5), Some(3.0)]);
        assert_eq!(outcome.samples[0].input, Some(Digest::of(b"abc")));
        assert!(outcome.problems.is_empty());
        let early = look(root.path(), "a", now - TimeDelta::days(9));
        assert!(
            matches!(&early.samples[1].measurement, Measurement::Undecided(why) if why.raw().contains("future"))
        );
        assert_eq!(
            values(&look(root.path(), "a", now - TimeDelta::seconds(86_400 * 8 + 43_230)))[1],
            Some(0.0)
        );
    }

    #[test]
    fn what_is_not_a_file_is_not_good() {
        let root = tempfile::tempdir().unwrap();
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        fs_err::create_dir(root.path().join("folder")).unwrap();
        assert_eq!(values(&look(root.path(), "none", now)), [Some(0.0), None, None]);
        for path in ["folder", "../none", "/etc/passwd", "folder/../none"] {
            let outcome = look(root.path(), path, now);
            assert_eq!(values(&outcome), [None, None, None], "{path}");
            assert_eq!(outcome.problems.len(), 1);
        }
    }
}
