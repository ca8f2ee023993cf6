//! What an outsider sees of a folder.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Everything below a folder: mode, modification time and bytes of each file, the names of folders and links.
pub fn fingerprint(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    walk(folder, folder, &mut all);
    all
}

fn walk(root: &Path, folder: &Path, all: &mut BTreeMap<PathBuf, String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let about = path.symlink_metadata().unwrap();
        let name = path.strip_prefix(root).unwrap().to_path_buf();
        let time = (about.mtime(), about.mtime_nsec());
        if about.is_dir() {
            all.insert(name, format!("folder {:o}", about.mode()));
            walk(root, &path, all);
        } else if about.is_symlink() {
            all.insert(name, format!("link {:?}", std::fs::read_link(&path).unwrap()));
        } else {
            let digest = irctl::base::Digest::of(&std::fs::read(&path).unwrap());
            all.insert(name, format!("file {:o} {time:?} {digest}", about.mode()));
        }
    }
}

/// Every file below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    fingerprint(folder).keys().map(|name| folder.join(name)).filter(|path| path.is_file()).collect()
}

/// Does something for every number from 1 on, on four threads.
pub fn each(count: usize, work: impl Fn(usize) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    if at > count {
                        return;
                    }
                    work(at);
                }
            });
        }
    });
}
