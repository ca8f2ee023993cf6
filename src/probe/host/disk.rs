//! What is left on a disk.

use rustix::fs::StatVfs;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::DiskConfig;
use crate::base::Unit;
use crate::probe::{Outcome, Request};

/// The metrics of each disk.
pub(super) const METRICS: [(&str, Unit); 4] = [
    ("disk_free", Unit::Bytes),
    ("disk_free_ratio", Unit::Ratio),
    ("inodes_free", Unit::Count),
    ("inodes_free_ratio", Unit::Ratio),
];

pub(super) fn measure(name: &str, config: &DiskConfig, request: &Request<'_>, outcome: &mut Outcome) {
    let path = request.root.join(&config.path);
    let shown = config.path.display().to_string();
    let values = match looked_at(&path, config.mounted) {
        Ok(found) => {
            outcome.fact("disk", format!("{shown}: {}", total(&found)));
            figures(&found)
        }
        Err(why) => {
            outcome.problem(None, format!("{shown}: {why}"));
            METRICS.map(|_| Err(why.clone()))
        }
    };
    for ((suffix, unit), value) in METRICS.into_iter().zip(values) {
        let metric = format!("{name}_{suffix}");
        let mut sample = match value {
            Ok(value) => request.sample(name, &metric, value, unit),
            Err(why) => request.undecided(name, &metric, unit, format!("{shown}: {why}")),
        };
        sample.labels = BTreeMap::from([("path".to_owned(), shown.clone())]);
        outcome.samples.push(sample);
    }
}

fn looked_at(path: &Path, mounted: bool) -> Result<StatVfs, String> {
    if mounted && !is_mounted(path)? {
        return Err("nothing is mounted there".to_owned());
    }
    rustix::fs::statvfs(path).map_err(|error| format!("cannot look at it: {error}"))
}

/// Whether a file system begins there: a folder on another device than the one it lies in, or the root.
fn is_mounted(path: &Path) -> Result<bool, String> {
    let look = |path: &Path| std::fs::metadata(path).map_err(|error| format!("cannot look at it: {error}"));
    let (here, above) = (look(path)?, look(&path.join(".."))?);
    Ok(here.is_dir() && (here.dev() != above.dev() || here.ino() == above.ino()))
}

fn total(found: &StatVfs) -> String {
    Unit::Bytes.show(number(found.f_blocks) * number(found.f_frsize))
}

#[expect(clippy::cast_precision_loss, reason = "a ratio needs no more than 53 bits, nor do bytes of a disk")]
fn number(value: u64) -> f64 {
    value as f64
}

/// Bytes and inodes that are left for others than root, and their parts of what others can have at all, as `df` has it:
/// what is kept for root counts neither as free nor as used.
fn figures(found: &StatVfs) -> [Result<f64, String>; 4] {
    let part = |free: u64, all: u64, left: u64, what: &str| {
        let used = all.saturating_sub(left);
        if all == 0 {
            return Err(format!("its file system counts no {what}"));
        }
        match number(free) + number(used) {
            0.0 => Err(format!("its file system has no {what} for others than root")),
            there => Ok(number(free) / there),
        }
    };
    let bytes = part(found.f_bavail, found.f_blocks, found.f_bfree, "blocks");
    let inodes = part(found.f_favail, found.f_files, found.f_ffree, "inodes");
    [
        bytes.clone().map(|_| number(found.f_bavail) * number(found.f_frsize)),
        bytes,
        inodes.clone().map(|_| number(found.f_favail)),
        inodes,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statvfs() -> StatVfs {
        rustix::fs::statvfs("/").unwrap()
    }

    #[test]
    fn what_is_kept_for_root_is_neither_free_nor_used() {
        let found = StatVfs {
            f_frsize: 4096,
            f_blocks: 1000,
            f_bfree: 300,
            f_bavail: 175,
            f_files: 100,
            f_ffree: 25,
            f_favail: 25,
            ..statvfs()
        };
        let figures = figures(&found).map(Result::unwrap);
        assert_eq!(figures, [175.0 * 4096.0, 0.2, 25.0, 0.25]);
    }

    #[test]
    fn a_file_system_without_blocks_or_inodes_says_nothing_of_them() {
        let found = StatVfs {
            f_blocks: 0,
            f_bfree: 0,
            f_bavail: 0,
            f_files: 0,
            f_ffree: 0,
            f_favail: 0,
            ..statvfs()
        };
        assert!(figures(&found).iter().all(Result::is_err));
    }

    #[test]
    fn a_plain_folder_is_not_mounted() {
        let folder = tempfile::tempdir().unwrap();
        assert!(is_mounted(Path::new("/")).unwrap() && is_mounted(Path::new("/proc")).unwrap());
        assert!(!is_mounted(folder.path()).unwrap());
        assert!(looked_at(&folder.path().join("none"), false).is_err());
        assert_eq!(looked_at(folder.path(), true).err().unwrap(), "nothing is mounted there");
    }
}
