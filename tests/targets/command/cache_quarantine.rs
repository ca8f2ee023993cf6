//! `cache-quarantine`: through the binary, on a real file system.

use irctl::rollback::targets::command::{CommandTarget, CommandTargetConfig};
use irctl::rollback::targets::{Ground, Target};
use irctl::rollback::versions::Version;
use serde_json::json;

use super::{ground, recipe, tree, versions};
use crate::conformance::{self, Fixture};

struct Caches {
    directory: tempfile::TempDir,
    config: CommandTargetConfig,
    ground: Ground,
}

impl Caches {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("workspace");
        for (name, text) in [
            ("outputs/signal_cache/a/b", "one"),
            ("outputs/signal_cache/c", "two"),
            ("outputs/databento_cache/d", "three"),
            ("outputs/latest.csv", "kept"),
        ] {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let with = json!({
            "roots": ["outputs"],
            "entries": ["outputs/signal_cache/*", "outputs/databento_cache/*"],
        });
        Self { config: recipe("cache-quarantine", with), ground: ground(&root), directory }
    }
}

impl Fixture for Caches {
    fn target(&self) -> Box<dyn Target + '_> {
        Box::new(CommandTarget { config: &self.config, ground: &self.ground })
    }

    fn versions(&self) -> (Version, Version) {
        versions()
    }

    fn fingerprint(&self) -> String {
        tree(self.directory.path())
    }

    /// What is moved aside is found under the name of the operation that did it.
    fn forgive(&self, fingerprint: String) -> String {
        ["OP-20261120-031500", "OP-20261120-032000"]
            .iter()
            .fold(fingerprint, |text, operation| text.replace(operation, "OP-20261120-030700"))
    }

    fn meddle(&self) {
        std::fs::write(self.ground.root.join("outputs/signal_cache/fresh"), "theirs").unwrap();
    }
}

#[test]
fn cache_quarantine_conforms() {
    conformance::run(Caches::new);
}

#[test]
fn a_killed_move_is_finished_or_taken_back() {
    let kills = super::crash::sweep(Caches::new, |caches| &mut caches.config);
    super::crash::enough(kills, 8);
}
