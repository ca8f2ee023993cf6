//! `pip-environment`: real environments and wheels, no network.

use irctl::base::ErrorCode;
use irctl::rollback::targets::command::{CommandTarget, CommandTargetConfig};
use irctl::rollback::targets::{Ground, Target};
use irctl::rollback::versions::Version;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::strictness::{act, goal, stage_into, undo};
use super::{ground, recipe, tree, versions};
use crate::conformance::{self, Fixture};

/// Writes the wheels. `broken` passes every check until it is installed; it comes after what it depends on.
const WHEELS: &str = r#"
import base64, hashlib, sys, zipfile
def wheel(name, version, files, requires=()):
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {one}\n" for one in requires)
    files = dict(files)
    files[f"{info}/METADATA"] = metadata
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text)}\n"
    with zipfile.ZipFile(f"{sys.argv[1]}/{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")
wheel("alpha", "1.0", {"alpha.py": "VERSION = 1\n"})
wheel("alpha", "2.0", {"alpha.py": "VERSION = 2\n"})
wheel("beta", "1.0", {"beta.py": "raise ImportError('beta is not for this machine')\n"})
wheel("broken", "1.0", {"broken.py": "", "../../../../outside.py": ""}, ["alpha==2.0"])
"#;

/// A backend that needs nothing, so that an editable project can be built without a network.
const BACKEND: &str = r#"
import os, zipfile
def get_requires_for_build_editable(config_settings=None): return []
def get_requires_for_build_wheel(config_settings=None): return []
def prepare_metadata_for_build_editable(folder, config_settings=None):
    info = "rila-1.0.dist-info"
    os.mkdir(os.path.join(folder, info))
    text = "Metadata-Version: 2.1\nName: rila\nVersion: 1.0\nProvides-Extra: all\nRequires-Dist: alpha==2.0; extra == 'all'\n"
    open(os.path.join(folder, info, "METADATA"), "w").write(text)
    open(os.path.join(folder, info, "WHEEL"), "w").write("Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    return info
def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "rila-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        archive.writestr("rila.pth", os.path.abspath("src") + "\n")
        for part in ["METADATA", "WHEEL"]:
            archive.write(os.path.join(metadata_directory, part), "rila-1.0.dist-info/" + part)
        archive.writestr("rila-1.0.dist-info/RECORD", "rila.pth,,\nrila-1.0.dist-info/METADATA,,\nrila-1.0.dist-info/WHEEL,,\nrila-1.0.dist-info/RECORD,,\n")
    return name
"#;

fn ran(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// An environment with alpha 1.0, and the wheels beside it: made once, copied for each use.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = TEMPLATE.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let wheels = root.join("wheels");
        std::fs::create_dir(&wheels).unwrap();
        ran(Command::new("python3").args(["-c", WHEELS]).arg(&wheels));
        ran(Command::new("python3")
            .args(["-m", "venv", "--system-site-packages", "--without-pip"])
            .arg(root.join("venv")));
        let mut pip = Command::new(root.join("venv/bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--no-index", "--find-links"])
            .arg(&wheels)
            .arg("alpha==1.0");
        ran(&mut pip);
        directory
    });
    made.path()
}

struct Pip {
    directory: tempfile::TempDir,
    config: CommandTargetConfig,
    ground: Ground,
}

impl Pip {
    fn new() -> Self {
        Self::with("alpha==2.0\n", json!({"imports": ["alpha"]}))
    }

    fn with(requirements: &str, more: Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("workspace");
        ran(Command::new("cp").args(["-a", "--"]).arg(template()).arg(&root));
        std::fs::write(root.join("requirements.txt"), requirements).unwrap();
        let mut with = json!({"environment": "venv", "find_links": ["wheels"], "index": false});
        if !requirements.is_empty() {
            with["requirements"] = json!(["requirements.txt"]);
        }
        with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Self { config: recipe("pip-environment", with), ground: ground(&root), directory }
    }

    fn freeze(&self) -> String {
        let mut pip = Command::new(self.ground.root.join("venv/bin/python"));
        ran(pip.args(["-B", "-m", "pip", "freeze", "--local"]).env("PYTHONDONTWRITEBYTECODE", "1"))
    }
}

impl Fixture for Pip {
    fn target(&self) -> Box<dyn Target + '_> {
        Box::new(CommandTarget { config: &self.config, ground: &self.ground })
    }

    fn versions(&self) -> (Version, Version) {
        versions()
    }

    fn fingerprint(&self) -> String {
        tree(&self.ground.root)
    }

    /// pip compiles what it installs with the time in it, and notes which of the equal ways it went.
    fn forgive(&self, fingerprint: String) -> String {
        fingerprint.lines().filter(|line| !line.contains("__pycache__")).collect::<Vec<_>>().join("\n")
    }

    fn meddle(&self) {
        let mut pip = Command::new(self.ground.root.join("venv/bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--find-links"]);
        ran(pip.arg(self.ground.root.join("wheels")).arg("beta==1.0"));
    }
}

#[test]
fn pip_environment_conforms() {
    conformance::run(Pip::new);
}

#[test]
fn an_installation_that_breaks_off_half_way_is_made_whole() {
    let pip = Pip::with("broken==1.0\n", json!({"imports": ["alpha"]}));
    let (freeze, before) = (pip.freeze(), pip.fingerprint());
    assert_eq!(freeze.trim(), "alpha==1.0");
    let specs = stage_into(pip.target().as_ref(), pip.directory.path()).unwrap();
    let error = act(pip.directory.path(), specs[0].switch()).unwrap_err();
    assert_eq!(error.code, ErrorCode::Subprocess, "{error:?}");
    assert_eq!(pip.freeze().trim(), "alpha==2.0", "it is really half done");
    undo(pip.directory.path(), specs[0].switch()).unwrap();
    assert_eq!(pip.freeze(), freeze);
    assert_eq!(pip.fingerprint(), before, "byte for byte");
}

#[test]
fn an_environment_that_lost_its_python_is_put_back() {
    let pip = Pip::new();
    let before = pip.fingerprint();
    let specs = stage_into(pip.target().as_ref(), pip.directory.path()).unwrap();
    let switch = specs[0].switch();
    act(pip.directory.path(), switch).unwrap();
    assert_eq!(pip.freeze().trim(), "alpha==2.0");
    undo(pip.directory.path(), switch).unwrap();
    assert_eq!(pip.freeze().trim(), "alpha==1.0");
    // The next installation dies with the environment in pieces.
    std::fs::write(pip.directory.path().join("images/busy"), "apply").unwrap();
    for part in ["venv/bin/python", "venv/pyvenv.cfg"] {
        std::fs::remove_file(pip.ground.root.join(part)).unwrap();
    }
    undo(pip.directory.path(), switch).unwrap();
    assert_eq!(pip.fingerprint(), before);
    std::fs::write(pip.directory.path().join("images/busy"), "apply").unwrap();
    std::fs::remove_dir_all(pip.ground.root.join("venv")).unwrap();
    undo(pip.directory.path(), switch).unwrap();
    assert_eq!(pip.fingerprint(), before);
}

#[test]
fn a_module_that_cannot_be_imported_fails_the_installation() {
    let pip = Pip::with("beta==1.0\n", json!({"imports": ["alpha", "beta"]}));
    let specs = stage_into(pip.target().as_ref(), pip.directory.path()).unwrap();
    let error = act(pip.directory.path(), specs[0].switch()).unwrap_err();
    assert!(error.message.contains("`beta` cannot be imported"), "{}", error.message);
    assert!(error.message.contains("not for this machine"), "{}", error.message);
    undo(pip.directory.path(), specs[0].switch()).unwrap();
    assert_eq!(pip.freeze().trim(), "alpha==1.0");
}

#[test]
fn a_module_that_is_damaged_is_installed_again_although_its_version_is_right() {
    let pip = Pip::with("alpha==1.0\n", json!({"imports": ["alpha"]}));
    let found =
        glob::glob(&format!("{}/venv/lib/*/site-packages/alpha.py", pip.ground.root.display())).unwrap();
    let module = found.flatten().next().unwrap();
    // Of another length than before: Python takes what it compiled for the source by its time and its length.
    std::fs::write(&module, "VERSION = (  # broken\n").unwrap();
    let specs = stage_into(pip.target().as_ref(), pip.directory.path()).unwrap();
    act(pip.directory.path(), specs[0].switch()).unwrap();
    assert_eq!(std::fs::read_to_string(&module).unwrap(), "VERSION = 1\n");
}

#[test]
fn an_editable_project_with_its_extras() {
    let pip = Pip::with("", json!({"editable": ".[all]", "imports": ["rila", "alpha"]}));
    let root = &pip.ground.root;
    std::fs::create_dir(root.join("src")).unwrap();
    std::fs::write(root.join("src/rila.py"), "").unwrap();
    std::fs::write(root.join("backend.py"), BACKEND).unwrap();
    let project = "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n\
                   [project]\nname = \"rila\"\nversion = \"1.0\"\n[project.optional-dependencies]\nall = [\"alpha==2.0\"]\n";
    std::fs::write(root.join("pyproject.toml"), project).unwrap();
    let freeze = pip.freeze();
    let versions = versions();
    let prediction = pip.target().predict(&goal(&versions)).unwrap();
    let places: Vec<_> = prediction.changes.iter().map(|change| change.place.raw().to_owned()).collect();
    assert_eq!(places, ["alpha", "rila", "import rila"]);
    let specs = stage_into(pip.target().as_ref(), pip.directory.path()).unwrap();
    act(pip.directory.path(), specs[0].switch()).unwrap();
    assert!(pip.freeze().contains("rila"), "{}", pip.freeze());
    undo(pip.directory.path(), specs[0].switch()).unwrap();
    assert_eq!(pip.freeze(), freeze);
}

#[test]
fn what_cannot_be_resolved_is_a_refusal_in_the_plan() {
    let pip = Pip::with("alpha==9.9\n", json!({}));
    let versions = versions();
    let prediction = pip.target().predict(&goal(&versions)).unwrap();
    assert!(prediction.refusals[0].contains("alpha==9.9"), "{:?}", prediction.refusals);
    let system =
        recipe("pip-environment", json!({"environment": "wheels", "requirements": ["requirements.txt"]}));
    let target = CommandTarget { config: &system, ground: &pip.ground };
    assert!(target.predict(&goal(&versions)).unwrap_err().message.contains("no virtual environment"));
}

#[test]
fn a_killed_installation_is_finished_or_taken_back() {
    let kills = super::crash::sweep(Pip::new, |pip| &mut pip.config);
    super::crash::enough(kills, 4);
}
