//! The row of `settings`: each format.

use crate::conformance::{self, Fixture};
use irctl::rollback::config::{Scalar, SettingsConfig};
use irctl::rollback::targets::settings::SettingsTarget;
use irctl::rollback::targets::{Ground, Target};
use irctl::rollback::versions::Version;

struct Settings {
    config: SettingsConfig,
    ground: Ground,
    meddled: &'static str,
    directory: tempfile::TempDir,
}

impl Settings {
    fn new(
        file: &str,
        text: &'static str,
        keys: &[(&str, serde_json::Value)],
        meddled: &'static str,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("workspace");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join(file), text).unwrap();
        let set = keys.iter().map(|(key, value)| ((*key).to_owned(), Scalar(value.clone()))).collect();
        let config = SettingsConfig { file: file.into(), set };
        Self { config, ground: Ground { root, service: "pricing".into() }, meddled, directory }
    }
}

impl Fixture for Settings {
    fn target(&self) -> Box<dyn Target + '_> {
        Box::new(SettingsTarget { config: &self.config, ground: &self.ground })
    }

    fn versions(&self) -> (Version, Version) {
        let good = Version { label: Some("v1".into()), ..Version::named("backup_1") };
        (good, Version::named("live"))
    }

    fn fingerprint(&self) -> String {
        assert!(self.directory.path().exists());
        std::fs::read_to_string(self.ground.root.join(&self.config.file)).unwrap()
    }

    fn meddle(&self) {
        std::fs::write(self.ground.root.join(&self.config.file), self.meddled).unwrap();
    }
}

#[test]
fn yaml() {
    let keys = [("model.version", "{version}".into()), ("model.weight", 7.into())];
    let meddled = "model: {version: v9, weight: 7} # theirs\n";
    let text = "# which\nmodel:\n  version: 'v2'   # the one\n  weight: 3\nother: [1, 2]\n";
    conformance::run(|| Settings::new("model.yml", text, &keys, meddled));
}

#[test]
fn json() {
    let keys = [("a.b", "{name}".into()), ("a.c", false.into())];
    let text = "{\"a\": {\"b\": \"x\",\n  \"c\": true}, \"d\": [1,2]}";
    conformance::run(|| {
        Settings::new("model.json", text, &keys, "{\"a\": {\"b\": \"theirs\", \"c\": true}}")
    });
}
