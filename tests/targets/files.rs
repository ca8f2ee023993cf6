//! The row of `files`: file by file, the whole folder, and a folder behind a symbolic link.

use crate::conformance::{self, Fixture};
use irctl::rollback::config::{FilesConfig, SwitchMode};
use irctl::rollback::targets::files::FilesTarget;
use irctl::rollback::targets::{Ground, Target};
use irctl::rollback::versions::{EMERGENCY, Version};
use std::path::{Path, PathBuf};

struct Files {
    config: FilesConfig,
    ground: Ground,
    directory: tempfile::TempDir,
}

fn write(path: PathBuf, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

impl Files {
    fn new(mode: SwitchMode, live: &str, versions: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("workspace");
        let good = match mode {
            SwitchMode::PerFile => "model/backup_2026-09-28",
            SwitchMode::Exchange => "releases/2026-09-28",
        };
        for (folder, what) in [(live, "bad"), (good, "good")] {
            write(root.join(folder).join("model.json"), &format!("{{\"weights\": \"{what}\"}}"));
            write(root.join(folder).join("metadata.json"), &format!("{{\"version\": \"{what}\"}}"));
        }
        // A file that only what serves has, and one that is no part of the version.
        write(root.join(good).join("extra.json"), "{}");
        write(root.join(live).join("notes.txt"), "left alone");
        let config = FilesConfig {
            live: live.into(),
            versions: versions.into(),
            artifacts: vec!["model.json".into(), "metadata.json".into()],
            mode,
            metadata: "metadata.json".into(),
            share: Default::default(),
        };
        Self { config, ground: Ground { root, service: "pricing".into() }, directory }
    }

    fn linked() -> Self {
        let mut files = Self::new(SwitchMode::Exchange, "releases/2026-10-01", "2026-*");
        std::os::unix::fs::symlink("2026-10-01", files.ground.root.join("releases/current")).unwrap();
        files.config.live = "releases/current".into();
        files
    }
}

fn tree(folder: &Path, below: &str, out: &mut Vec<String>) {
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()).collect();
    names.sort_by_key(std::fs::DirEntry::file_name);
    for entry in names {
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        // What irctl keeps or stages beside what serves is not what serves.
        if name.contains(".irctl-") || name.contains(EMERGENCY) {
            continue;
        }
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            out.push(format!("{name} -> {}", std::fs::read_link(entry.path()).unwrap().display()));
        } else if kind.is_dir() {
            tree(&entry.path(), &format!("{name}/"), out);
        } else {
            out.push(format!("{name}: {}", std::fs::read_to_string(entry.path()).unwrap()));
        }
    }
}

impl Fixture for Files {
    fn target(&self) -> Box<dyn Target + '_> {
        Box::new(FilesTarget { config: &self.config, ground: &self.ground })
    }

    fn versions(&self) -> (Version, Version) {
        let target = self.target();
        let good = target.versions().unwrap().into_iter().find(|version| version.name.contains("2026-09-28"));
        (good.unwrap(), target.served().unwrap())
    }

    fn fingerprint(&self) -> String {
        let mut lines = Vec::new();
        tree(&self.ground.root, "", &mut lines);
        assert!(self.directory.path().exists());
        lines.join("\n")
    }

    fn meddle(&self) {
        let live = self.ground.root.join(&self.config.live);
        if live.is_symlink() {
            // A deploy points the link at a release of its own.
            write(self.ground.root.join("releases/theirs/model.json"), "somebody else's");
            std::fs::remove_file(&live).unwrap();
            std::os::unix::fs::symlink("theirs", &live).unwrap();
            return;
        }
        write(self.ground.root.join(&self.config.live).join("model.json"), "somebody else's");
    }
}

#[test]
fn files_one_by_one() {
    conformance::run(|| Files::new(SwitchMode::PerFile, "model", "backup_*"));
}

#[test]
fn a_whole_folder() {
    conformance::run(|| Files::new(SwitchMode::Exchange, "releases/live", "2026-*"));
}

#[test]
fn a_whole_folder_behind_a_link() {
    conformance::run(Files::linked);
}
