//! The row of `registry`: a link, a folder, a folder whose model is a link, a manifest that names the active entry.

use irctl::base::{Clock, Digest, ErrorCode};
use irctl::operation::{Journal, Observation, StepContext};
use irctl::rollback::digests::DigestCache;
use irctl::rollback::targets::registry::{RegistryConfig, RegistryTarget};
use irctl::rollback::targets::{Goal, Ground, Staging, SwitchSpec, Target};
use irctl::rollback::versions::{DateSource, Version};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::conformance::{self, Fixture};

/// How the active model is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Link,
    AbsoluteLink,
    Folder,
    LinkedModel,
    Pointer,
}

struct Registry {
    directory: tempfile::TempDir,
    config: RegistryConfig,
    ground: Ground,
    shape: Shape,
}

const MANIFEST: &str = r#"[
  {"id": "m-1", "created_at": "2026-10-01T00:00:00Z", "schema_hash": "s1", "thresholds": {"buy": 0.6, "sell": {"ask": 1}},
   "path": "store/m-1", "notes": "first", "team": {"kept": [1, 2]}},
  {"id": "m-2", "created_at": "2026-11-01T00:00:00Z", "schema_hash": "s1", "thresholds": {"buy": 0.62},
   "path": "store/m-2/model.json", "notes": {"version": "2.1"}},
  {"id": "m-3", "created_at": "2026-11-10T00:00:00Z", "schema_hash": "s2", "thresholds": {"buy": 0.7},
   "path": "models/registry/store/m-3", "notes": "candidate"}
]
"#;

impl Registry {
    fn new(shape: Shape) -> Self {
        Self::configured(shape, "")
    }

    fn configured(shape: Shape, more: &str) -> Self {
        let pointer = if shape == Shape::Pointer { "entries: /models\npointer: active\n" } else { "" };
        let config = serde_yaml::from_str(&format!("root: models/registry\n{pointer}{more}")).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let ground = Ground { root: directory.path().to_path_buf(), service: "scorer".to_owned() };
        let registry = Self { directory, config, ground, shape };
        for id in ["m-1", "m-2", "m-3"] {
            registry.write(&format!("store/{id}/model.json"), &format!("{{\"weights\": \"{id}\"}}"));
            registry.write(&format!("store/{id}/scaler.bin"), &format!("scaler of {id}"));
        }
        let manifest = if shape == Shape::Pointer {
            format!("{{\n  \"active\" : \"m-2\",\n  \"models\": {MANIFEST}\n}}\n")
        } else {
            MANIFEST.to_owned()
        };
        registry.write("manifest.json", &manifest);
        registry.lay_out();
        registry
    }

    fn lay_out(&self) {
        let link = |to: PathBuf, at: &str| std::os::unix::fs::symlink(to, self.root().join(at)).unwrap();
        match self.shape {
            Shape::Link => link("store/m-2".into(), "active"),
            Shape::AbsoluteLink => link(self.root().join("store/m-2"), "active"),
            Shape::Folder | Shape::Pointer => {
                self.write("active/model.json", "{\"weights\": \"m-2\"}");
                self.write("active/id", "m-2\n");
                self.write("active/deep/extra.txt", "goes with its version");
            }
            Shape::LinkedModel => {
                std::fs::create_dir(self.root().join("active")).unwrap();
                link("../store/m-2/model.json".into(), "active/model.json");
            }
        }
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("models/registry")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn registry(&self) -> RegistryTarget<'_> {
        RegistryTarget { config: &self.config, ground: &self.ground }
    }

    fn version(&self, name: &str) -> Version {
        self.registry().versions().unwrap().into_iter().find(|version| version.name == name).unwrap()
    }

    fn goal<'a>(to: &'a Version, served: &'a Version) -> Goal<'a> {
        Goal {
            version: to,
            served,
            operation: Some("OP-20261120-030700"),
            incident: None,
            reason: None,
            actor: "cli:engineer",
            now: irctl::base::clock::parse_instant("2026-11-20T03:07:00Z").unwrap(),
        }
    }

    fn stage(&self, to: &str) -> irctl::base::Result<(tempfile::TempDir, Vec<SwitchSpec>)> {
        let images = tempfile::tempdir().unwrap();
        let (to, served) = (self.version(to), self.registry().served().unwrap());
        let staging = Staging { images: images.path(), operation: "OP-20261120-030700" };
        let specs = self.registry().stage(&Self::goal(&to, &served), &staging)?;
        Ok((images, specs))
    }

    /// Rolls to an entry, as an operation does.
    fn go(&self, to: &str) {
        let (images, specs) = self.stage(to).unwrap();
        for spec in &specs {
            with(images.path(), |context| spec.switch().act(context)).unwrap();
            spec.switch().tidy().unwrap();
        }
    }
}

fn with<T>(folder: &Path, work: impl FnOnce(&mut StepContext<'_>) -> T) -> T {
    let path = tempfile::Builder::new().tempdir_in(folder).unwrap().keep().join("journal.jsonl");
    let mut journal = Journal::create(&path, &Digest::of(b"plan")).unwrap();
    let clock = Clock::from_hidden_value("2026-11-20T03:07:00Z").unwrap();
    work(&mut StepContext::new("step", &mut journal, &clock))
}

/// Everything below a folder, links as links; what staging leaves beside the slot is not seen by consumers.
fn paint(folder: &Path, above: &str, out: &mut String) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()).collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().unwrap();
        if name.starts_with(".irctl-stage-") {
            continue;
        }
        if kind.is_symlink() {
            writeln!(out, "{above}{name} -> {}", std::fs::read_link(entry.path()).unwrap().display())
                .unwrap();
        } else if kind.is_dir() {
            writeln!(out, "{above}{name}/").unwrap();
            paint(&entry.path(), &format!("{above}{name}/"), out);
        } else {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = entry.metadata().unwrap().permissions().mode();
            writeln!(out, "{above}{name} {mode:o} {:?}", std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

impl Fixture for Registry {
    fn target(&self) -> Box<dyn Target + '_> {
        Box::new(self.registry())
    }

    fn versions(&self) -> (Version, Version) {
        (self.version("m-1"), self.registry().served().unwrap())
    }

    fn fingerprint(&self) -> String {
        let mut out = String::new();
        paint(&self.root(), "", &mut out);
        out
    }

    fn meddle(&self) {
        match self.shape {
            Shape::Link | Shape::AbsoluteLink => {
                std::fs::remove_file(self.root().join("active")).unwrap();
                std::os::unix::fs::symlink("store/m-3", self.root().join("active")).unwrap();
            }
            Shape::Folder => self.write("active/model.json", "{\"weights\": \"theirs\"}"),
            Shape::LinkedModel => {
                std::fs::remove_file(self.root().join("active/model.json")).unwrap();
                std::os::unix::fs::symlink("../store/m-3/model.json", self.root().join("active/model.json"))
                    .unwrap();
            }
            Shape::Pointer => {
                self.write("active/model.json", "{\"weights\": \"theirs\"}");
                let path = self.root().join("manifest.json");
                let text = std::fs::read_to_string(&path).unwrap();
                let said = if text.contains("\"active\" : \"m-2\"") { "m-2" } else { "m-1" };
                let text = text.replace(&format!("\"active\" : \"{said}\""), "\"active\" : \"m-3\"");
                std::fs::write(path, text).unwrap();
            }
        }
    }
}

#[test]
fn registry_link_conforms() {
    conformance::run(|| Registry::new(Shape::Link));
}

#[test]
fn registry_absolute_link_conforms() {
    conformance::run(|| Registry::new(Shape::AbsoluteLink));
}

#[test]
fn registry_folder_conforms() {
    conformance::run(|| Registry::new(Shape::Folder));
}

#[test]
fn registry_folder_with_linked_model_conforms() {
    conformance::run(|| Registry::new(Shape::LinkedModel));
}

#[test]
fn registry_with_a_pointer_in_its_manifest_conforms() {
    conformance::run(|| Registry::new(Shape::Pointer));
}

#[test]
fn registry_entries_are_versions() {
    let registry = Registry::new(Shape::Link);
    let versions = registry.registry().versions().unwrap();
    let names: Vec<_> = versions.iter().map(|version| version.name.as_str()).collect();
    assert_eq!(names, ["m-3", "m-2", "m-1"]);
    assert!(versions.iter().all(|version| version.defect.is_none()), "{versions:?}");
    assert!(versions.iter().all(|version| version.dated.unwrap().source == DateSource::CreatedAt));
    assert_eq!(versions[1].shown(), "2.1");
    assert_eq!(versions[2].metadata.read().unwrap().unwrap()["team"]["kept"][1], 2);
    let artifact = Digest::of(b"{\"weights\": \"m-1\"}");
    assert_eq!(versions[2].digest, Some(Digest::of_parts([("model.json", &artifact)])));
    let served = registry.registry().served().unwrap();
    assert_eq!((served.name.as_str(), served.shown()), ("m-2", "2.1"));
    assert_eq!(
        served.dated.unwrap().at,
        versions[1].dated.unwrap().at,
        "so that `prev` is the one before it"
    );
}

#[test]
fn registry_defects_are_of_single_entries() {
    let registry = Registry::new(Shape::Link);
    let digest = |text: &str| Digest::of(text.as_bytes());
    registry.write("store/empty/model.json", "");
    registry.write("store/torn/model.json", "{\"weights\": [1, 2");
    registry.write("store/copying/model.json", "{}");
    registry.write("store/copying/model.json.part", "{");
    registry.write("flat.json", "{}");
    std::os::unix::fs::symlink("/etc", registry.root().join("store/etc")).unwrap();
    std::os::unix::fs::symlink("m-1", registry.root().join("store/latest")).unwrap();
    registry.write(
        "manifest.json",
        &serde_json::json!([
            {"id": "m-1", "path": "store/m-1", "sha256": digest("{\"weights\": \"m-1\"}").hex()},
            {"id": "m-2", "path": "store/m-2", "digest": digest("other")},
            {"id": "m-3", "path": "store/m-3", "sha256": "tbd"},
            {"id": "twin", "path": "store/m-1"},
            {"id": "twin", "path": "store/m-2"},
            {"id": "gone", "path": "store/gone"},
            {"id": "out", "path": "../../secret"},
            {"id": "absolute", "path": "/etc/hostname"},
            {"id": "etc", "path": "store/etc"},
            {"id": "latest", "path": "store/latest"},
            {"id": "empty", "path": "store/empty"},
            {"id": "torn", "path": "store/torn"},
            {"id": "copying", "path": "store/copying"},
            {"id": "own", "path": "active/model.json"},
            {"id": "flat", "path": "flat.json"},
            {"path": "store/m-1"},
            "nonsense",
        ])
        .to_string(),
    );
    let mut said = String::new();
    for version in registry.registry().versions().unwrap().iter().rev() {
        writeln!(said, "{}: {}", version.name, version.defect.as_deref().unwrap_or("good")).unwrap();
    }
    insta::assert_snapshot!(said);
}

#[test]
fn registry_goes_back_link_by_link_and_promotes() {
    let registry = Registry::new(Shape::Link);
    std::os::unix::fs::symlink("store/m-3", registry.root().join("shadow")).unwrap();
    registry.go("m-1");
    assert_eq!(std::fs::read_link(registry.root().join("active")).unwrap(), Path::new("store/m-1"));
    assert_eq!(registry.registry().served().unwrap().name, "m-1");
    assert_eq!(std::fs::read_link(registry.root().join("shadow")).unwrap(), Path::new("store/m-3"));
    // What is in the shadow is promoted: the same switch, of another role.
    registry.go("m-3");
    assert_eq!(
        std::fs::read_to_string(registry.root().join("active/model.json")).unwrap(),
        "{\"weights\": \"m-3\"}"
    );
    let shadow = Registry {
        config: serde_yaml::from_str("{root: models/registry, role: shadow}").unwrap(),
        ..registry
    };
    shadow.go("m-2");
    assert_eq!(std::fs::read_link(shadow.root().join("shadow")).unwrap(), Path::new("store/m-2"));
    assert_eq!(std::fs::read_link(shadow.root().join("active")).unwrap(), Path::new("store/m-3"));
    let left: Vec<_> = std::fs::read_dir(shadow.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".irctl"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn registry_makes_a_shadow_where_none_was_and_takes_it_back() {
    for form in ["link", "folder"] {
        let registry = Registry::configured(Shape::Link, &format!("role: shadow\nform: {form}\n"));
        let before = registry.fingerprint();
        let served = registry.registry().served().unwrap();
        assert!(served.defect.unwrap().contains("there is no shadow"));
        let (images, specs) = registry.stage("m-3").unwrap();
        with(images.path(), |context| specs[0].switch().act(context)).unwrap();
        assert_eq!(registry.registry().served().unwrap().name, "m-3");
        assert_eq!(registry.root().join("shadow").is_symlink(), form == "link");
        with(images.path(), |context| specs[0].switch().undo(context)).unwrap();
        specs[0].switch().tidy().unwrap();
        assert_eq!(registry.fingerprint(), before);
    }
}

#[test]
fn registry_names_the_active_entry_by_digest_then_by_what_it_says() {
    let registry = Registry::new(Shape::Folder);
    registry.write("active/model.json", "{\"weights\": \"m-3\"}");
    assert_eq!(registry.registry().served().unwrap().name, "m-3", "the bytes say more than the id file");
    registry.write("active/model.json", "{\"weights\": \"changed by hand\"}");
    let served = registry.registry().served().unwrap();
    assert_eq!(served.name, "m-2", "the id file");
    assert_ne!(served.digest, registry.version("m-2").digest);
    registry.write("active/id", "nobody");
    assert_eq!(registry.registry().served().unwrap().name, "live");
}

#[test]
fn registry_schema_and_thresholds_are_in_the_plan() {
    let registry = Registry::new(Shape::Folder);
    let (to, served) = (registry.version("m-3"), registry.registry().served().unwrap());
    let prediction = registry.registry().predict(&Registry::goal(&to, &served)).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&prediction).unwrap());
    let strict = Registry::configured(Shape::Link, "require_same_schema: true\n");
    let (to, served) = (strict.version("m-3"), strict.registry().served().unwrap());
    let prediction = strict.registry().predict(&Registry::goal(&to, &served)).unwrap();
    assert!(prediction.refusals[0].contains("schema_hash"), "{prediction:?}");
    let error = strict.stage("m-3").err().unwrap();
    assert_eq!(error.code, ErrorCode::Refused);
    assert!(strict.stage("m-1").is_ok(), "the same schema");
}

#[test]
fn registry_refuses_an_entry_that_changed_since_it_was_chosen() {
    let registry = Registry::new(Shape::Link);
    let (images, specs) = registry.stage("m-1").unwrap();
    let before = registry.fingerprint();
    registry.write("store/m-1/model.json", "{\"weights\": \"other\"}");
    let error = with(images.path(), |context| specs[0].switch().act(context)).unwrap_err();
    assert_eq!(error.code, ErrorCode::Drifted, "{error:?}");
    registry.write("store/m-1/model.json", "{\"weights\": \"m-1\"}");
    assert_eq!(registry.fingerprint(), before);
}

#[test]
fn registry_puts_back_what_a_crash_displaced_unseen() {
    let registry = Registry::new(Shape::Folder);
    let (images, specs) = registry.stage("m-1").unwrap();
    // A third party wrote, then irctl swapped, then it was killed before it looked at what came out.
    registry.write("active/model.json", "{\"weights\": \"theirs\"}");
    let theirs = registry.fingerprint();
    let stage = registry.root().join(".irctl-stage-active-OP-20261120-030700");
    let active = registry.root().join("active");
    rustix::fs::renameat_with(
        rustix::fs::CWD,
        &stage,
        rustix::fs::CWD,
        &active,
        rustix::fs::RenameFlags::EXCHANGE,
    )
    .unwrap();
    let seen = specs[0].switch().observe().unwrap();
    assert!(matches!(&seen, Observation::Other { found, .. } if found.contains("displaced")), "{seen:?}");
    let error = with(images.path(), |context| specs[0].switch().act(context)).unwrap_err();
    assert_eq!(error.code, ErrorCode::Drifted);
    assert_eq!(registry.fingerprint(), theirs, "nothing of it is lost");
}

#[test]
fn registry_undoes_from_the_image_when_the_displaced_folder_is_gone() {
    let registry = Registry::new(Shape::Folder);
    let before = registry.fingerprint();
    let (images, specs) = registry.stage("m-1").unwrap();
    with(images.path(), |context| specs[0].switch().act(context)).unwrap();
    specs[0].switch().tidy().unwrap();
    with(images.path(), |context| specs[0].switch().undo(context)).unwrap();
    assert_eq!(registry.fingerprint(), before);
}

#[test]
fn registry_pointer_leaves_what_others_added() {
    let registry = Registry::new(Shape::Pointer);
    let (images, specs) = registry.stage("m-1").unwrap();
    assert_eq!(specs.len(), 2);
    let path = registry.root().join("manifest.json");
    let added = |text: &str| text.replace("\n]\n", ",\n  {\"id\": \"m-4\", \"path\": \"store/m-1\"}\n]\n");
    let text = added(&std::fs::read_to_string(&path).unwrap());
    std::fs::write(&path, &text).unwrap();
    for spec in &specs {
        with(images.path(), |context| spec.switch().act(context)).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        text.replace("\"active\" : \"m-2\"", "\"active\" : \"m-1\"")
    );
    for spec in specs.iter().rev() {
        with(images.path(), |context| spec.switch().undo(context)).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn registry_flat_files_fill_a_folder() {
    let registry = Registry::new(Shape::Folder);
    registry.write("flat-1.json", "{\"weights\": \"flat\"}");
    registry.write(
        "manifest.json",
        r#"[{"id": "flat", "path": "flat-1.json"}, {"id": "m-2", "path": "store/m-2"}]"#,
    );
    registry.go("flat");
    assert_eq!(
        std::fs::read_to_string(registry.root().join("active/model.json")).unwrap(),
        "{\"weights\": \"flat\"}"
    );
    assert_eq!(std::fs::read_to_string(registry.root().join("active/id")).unwrap(), "flat\n");
    let link = Registry::new(Shape::Link);
    link.write("flat-1.json", "{}");
    link.write("manifest.json", r#"[{"id": "flat", "path": "flat-1.json"}]"#);
    let error = link.stage("flat").err().unwrap();
    assert!(error.message.contains("one file"), "{error:?}");
}

#[test]
fn registry_of_thousands_is_read_once() {
    let registry = Registry::new(Shape::Link);
    let entries: Vec<_> = (0..1000)
        .map(|number| {
            registry.write(&format!("many/{number}/model.json"), &format!("{{\"n\": {number}}}"));
            serde_json::json!({"id": format!("n-{number}"), "path": format!("many/{number}")})
        })
        .collect();
    registry.write("manifest.json", &serde_json::to_string(&entries).unwrap());
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let state = tempfile::tempdir().unwrap();
    let cache = DigestCache::open(state.path());
    let first = registry.registry().versions_with(&cache).unwrap();
    cache.save();
    let cache = DigestCache::open(state.path());
    let again = registry.registry().versions_with(&cache).unwrap();
    let digests =
        |versions: &[Version]| versions.iter().map(|v| v.digest.clone().unwrap()).collect::<Vec<_>>();
    assert_eq!(digests(&first), digests(&again));
    assert_eq!(again.len(), 1000);
}

/// The trading workspace of the fixtures: its configuration is right, and `prev` is the last whole entry before the
/// one that is active.
#[test]
fn registry_of_the_fixtures() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/trading");
    let report = irctl::config::Workspace::check(&root).unwrap().report;
    assert!(report.is_empty(), "{}", irctl::config::render(&report, false));
    let ground = Ground { root, service: "scorer".to_owned() };
    let config: RegistryConfig = serde_yaml::from_str("root: models/registry").unwrap();
    let target = RegistryTarget { config: &config, ground: &ground };
    let served = target.served().unwrap();
    assert_eq!(served.name, "sc-2026-11-02");
    let versions = target.versions().unwrap();
    let before = versions.iter().filter(|v| v.dated.unwrap().at < served.dated.unwrap().at);
    let shown: Vec<_> =
        before.map(|v| format!("{}: {}", v.name, v.defect.as_deref().unwrap_or("good"))).collect();
    assert_eq!(
        shown,
        ["sc-2026-10-27: half-written: model.json breaks off", "sc-2026-10-12: good", "sc-2026-09-15: good"]
    );
    let candidate = versions.iter().find(|version| version.name == "sc-2026-11-14").unwrap();
    let prediction = target.predict(&Registry::goal(candidate, &served)).unwrap();
    assert!(prediction.warnings[0].contains("schema_hash"));
    let shadow: RegistryConfig = serde_yaml::from_str("{root: models/registry, role: shadow}").unwrap();
    let shadow = RegistryTarget { config: &shadow, ground: &ground };
    assert_eq!(shadow.served().unwrap().name, "sc-2026-11-14");
    // Containing sets single keys; comments and the rest of the executor's file stay.
    let app = std::fs::read_to_string(ground.root.join("config/app.yml")).unwrap();
    let keys = [
        ("exchange.mode", serde_json::json!("paper")),
        ("rollout.mode", serde_json::json!("disabled")),
        ("rollout.canary_fraction", serde_json::json!(0.0)),
    ];
    use irctl::rollback::settings_edit::{Format, set};
    let contained = set(Format::Yaml, &app, &keys).unwrap();
    let expected = app
        .replace("mode: real ", "mode: paper ")
        .replace("mode: canary ", "mode: disabled ")
        .replace("canary_fraction: 0.10 ", "canary_fraction: 0.0 ");
    assert_eq!(contained, expected);
}

/// What is known of entries is never known better than what stands there.
#[test]
fn registry_entries_that_changed_are_seen_to_have_changed() {
    let registry = Registry::new(Shape::Link);
    let entries = [
        serde_json::json!({"id": "folder", "path": "store/m-1"}),
        serde_json::json!({"id": "file", "path": "store/m-2/model.json"}),
        serde_json::json!({"id": "from above", "path": "models/registry/store/m-3"}),
        serde_json::json!({"id": "linked", "path": "through/m-1"}),
        serde_json::json!({"id": "missing", "path": "store/m-9"}),
    ];
    registry.write("manifest.json", &serde_json::to_string(&entries).unwrap());
    std::os::unix::fs::symlink("store", registry.root().join("through")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let state = tempfile::tempdir().unwrap();
    let shown = |versions: Vec<Version>| -> Vec<_> {
        versions.iter().map(|version| serde_json::to_value(version).unwrap()).collect()
    };
    let compare = |what: &str| {
        let cache = DigestCache::open(state.path());
        let known = shown(registry.registry().versions_with(&cache).unwrap());
        assert_eq!(known, shown(registry.registry().versions().unwrap()), "{what}");
        cache.save();
        known
    };
    let first = compare("at first");
    assert_eq!(first.iter().filter(|version| version["defect"].is_null()).count(), 4, "{first:?}");
    assert_eq!(compare("known"), first);
    for id in ["m-1", "m-2", "m-3"] {
        let path = registry.root().join(format!("store/{id}/model.json"));
        let before = std::fs::metadata(&path).unwrap().modified().unwrap();
        let torn = std::fs::read_to_string(&path).unwrap().replace('}', " ");
        std::fs::write(&path, torn).unwrap();
        std::fs::File::open(&path).unwrap().set_modified(before).unwrap();
        registry.write(&format!("store/{id}/scaler.bin.tmp"), "");
    }
    let after = compare("torn in place");
    let defects: Vec<_> = after.iter().filter_map(|version| version["defect"].as_str()).collect();
    assert_eq!(defects.iter().filter(|defect| defect.contains("breaks off")).count(), 4, "{defects:?}");
    for id in ["m-1", "m-2", "m-3"] {
        registry.write(&format!("store/{id}/model.json"), "{}");
    }
    let after = compare("a copy is under way");
    let copying =
        |version: &serde_json::Value| version["defect"].as_str().is_some_and(|why| why.contains(".tmp"));
    assert_eq!(after.iter().filter(|version| copying(version)).count(), 4, "{after:?}");
}

#[test]
fn registry_path_from_the_workspace_on_does_not_lead_out() {
    let registry = Registry::new(Shape::Link);
    let outside = tempfile::tempdir().unwrap();
    std::fs::create_dir(outside.path().join("m")).unwrap();
    std::fs::write(outside.path().join("m/model.json"), "{}").unwrap();
    std::os::unix::fs::symlink(outside.path(), registry.root().join("out")).unwrap();
    let entries = ["out/m", "models/registry/out/m", "models/registry/out/m/model.json"]
        .map(|path| serde_json::json!({"id": path.replace('/', "-"), "path": path}));
    registry.write("manifest.json", &serde_json::to_string(&entries).unwrap());
    let versions = registry.registry().versions().unwrap();
    assert_eq!(versions.len(), 3);
    for version in versions {
        let defect = version.defect.unwrap_or_default();
        assert!(defect.contains("leads out through a symbolic link"), "{}: {defect}", version.name);
    }
}
