//! The rows of `command`: a program of one's own, and each shipped recipe on what it is made for.

mod adapter;
mod cache_quarantine;
mod cluster;
mod crash;
mod doubles;
mod http_flag;
mod mlflow;
mod pip_environment;
mod process_stop;
mod programs;
mod redis;
mod secrets;
mod server;
mod strictness;
mod systemd;

use irctl::rollback::targets::Ground;
use irctl::rollback::targets::command::{CommandTargetConfig, Parameter, Recipe, resolve};
use irctl::rollback::versions::Version;
use std::collections::BTreeMap;
use std::path::Path;

/// The binary that `{irctl}` stands for: in a test the running executable is the test.
pub const IRCTL: &str = env!("CARGO_BIN_EXE_irctl");

/// A shipped recipe, resolved as the loader would.
pub fn recipe(name: &str, with: serde_json::Value) -> CommandTargetConfig {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("config/recipes/{name}.yaml"));
    let recipe = Recipe::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
    let with: BTreeMap<String, Parameter> = serde_json::from_value(with).unwrap();
    let mut config = resolve(&recipe, &with).unwrap_or_else(|error| panic!("{error:?}"));
    let programs = [Some(&mut config.observe), config.predict.as_mut(), Some(&mut config.apply)];
    let more = [Some(&mut config.undo), config.rehearse.as_mut()];
    for argv in programs.into_iter().chain(more).flatten() {
        for part in argv.iter_mut().filter(|part| *part == "{irctl}") {
            *part = IRCTL.to_owned();
        }
    }
    config
}

/// A workspace.
pub fn ground(root: &Path) -> Ground {
    Ground { root: root.to_path_buf(), service: "pricing".to_owned() }
}

/// What comes back, and what serves.
pub fn versions() -> (Version, Version) {
    let version = |name: &str| Version { label: Some(format!("v-{name}")), ..Version::named(name) };
    (version("good"), version("bad"))
}

/// Every path under a folder with what it is, hidden ones too.
pub fn tree(root: &Path) -> String {
    let mut lines = Vec::new();
    walk(root, root, &mut lines);
    lines.sort();
    lines.join("\n")
}

fn walk(root: &Path, folder: &Path, lines: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            lines.push(format!("{name}/"));
            walk(root, &path, lines);
        } else if metadata.is_symlink() {
            lines.push(format!("{name} -> {}", std::fs::read_link(&path).unwrap().display()));
        } else {
            // What is no text is one line all the same.
            let bytes = std::fs::read(&path).unwrap();
            let digest = irctl::base::Digest::of(&bytes);
            lines.push(format!("{name}: {}", String::from_utf8(bytes).unwrap_or(digest.to_string())));
        }
    }
}
