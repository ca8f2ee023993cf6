//! RILA: broken code, broken packages, changed baselines, each put back and forward again.

use super::support::Workspace;
use super::{contents, example, git, ran, says};
use std::path::Path;
use std::process::Command;

/// Writes two wheels of a package that is not really pandas.
const WHEELS: &str = r#"
import base64, hashlib, sys, zipfile
def wheel(name, version, files):
    info = f"{name}-{version}.dist-info"
    files = dict(files)
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text)}\n"
    with zipfile.ZipFile(f"{sys.argv[1]}/{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")
wheel("pandas", "1.0", {"pandas.py": "VERSION = 1\n"})
wheel("pandas", "2.0", {"pandas.py": "raise ImportError('broken')\n"})
"#;

/// A repository with one good commit and a broken one, and work that nobody has committed.
fn code() -> Workspace {
    let workspace = example("rila");
    let root = workspace.root();
    let service = workspace.read("config/services/rila_code.yaml");
    let local = service.replace("force: true", "force: true, find_links: [wheels], index: false");
    assert_ne!(local, service);
    workspace.write("config/services/rila_code.yaml", local);
    workspace.write("config/known-good.txt", "pandas==1.0\n");
    workspace.write(".gitignore", ".venv/\nwheels/\noutputs/\n.irctl*\n__pycache__/\n");
    git(&root, &["init", "-q", "-b", "feature"]);
    for (message, text) in [("good", "VERSION = 1\n"), ("broken", "import nothing_like_this\n")] {
        workspace.write("rila/__init__.py", text);
        workspace.write("tests/baselines/elasticity.json", format!("\"{message}\""));
        workspace.write("tests/fixtures/rates.csv", message);
        git(&root, &["add", "-A"]);
        git(&root, &["commit", "-q", "-m", message]);
    }
    workspace.write("notes.txt", "not committed");
    workspace.write("rila/__init__.py", "import nothing_like_this\n# half a thought\n");
    workspace
}

fn state(workspace: &Workspace) -> String {
    let files = contents(workspace, &["rila", "tests", "config", "notes.txt"]);
    let root = workspace.root();
    let files: Vec<_> = files.lines().filter(|line| !line.contains("__pycache__")).collect();
    format!(
        "{}\n{}\n{}",
        git(&root, &["rev-parse", "HEAD"]),
        git(&root, &["status", "--short"]),
        files.join("\n")
    )
}

/// A virtual environment with this version installed.
fn environment(workspace: &Workspace) {
    let root = workspace.root();
    std::fs::create_dir_all(root.join("wheels")).unwrap();
    ran(Command::new("/usr/bin/python3").args(["-c", WHEELS]).arg(root.join("wheels")));
    let mut venv = Command::new("python3");
    ran(venv.args(["-m", "venv", "--system-site-packages", "--without-pip"]).arg(root.join(".venv")));
    let mut pip = Command::new(root.join(".venv/bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--find-links",
        "wheels",
        "pandas==2.0",
    ]);
    ran(pip.current_dir(&root));
}

fn frozen(root: &Path) -> String {
    let mut pip = Command::new(root.join(".venv/bin/python"));
    ran(pip.args(["-B", "-m", "pip", "freeze", "--local"]).env("PYTHONDONTWRITEBYTECODE", "1"))
}

#[test]
fn broken_code_goes_back_and_nothing_of_it_is_lost() {
    let workspace = code();
    // Only the imports of the code count here.
    let suite = workspace.read("config/verify/rila-imports.yaml");
    let suite = suite.replace(".venv/bin/python", "python3").replace("rila, pandas", "rila");
    workspace.write("config/verify/rila-imports.yaml", suite);
    git(&workspace.root(), &["commit", "-q", "-m", "configuration", "config"]);
    let root = workspace.root();
    let before = state(&workspace);
    let tip = git(&root, &["rev-parse", "HEAD"]);
    let plan = says(&workspace, &[], "irctl rollback --service rila_code --to HEAD~2 --dry-run").expect(0);
    assert!(plan.stdout.contains("backup/feature_"), "{}", plan.stdout);
    assert_eq!(state(&workspace), before, "a dry run changes nothing");
    says(&workspace, &[], "irctl rollback --service rila_code --to HEAD~2 --yes").expect(0);
    assert_eq!(workspace.read("rila/__init__.py"), "VERSION = 1\n");
    let stashed = git(&root, &["stash", "show", "--include-untracked", "--name-only"]);
    assert_eq!(stashed, "notes.txt\nrila/__init__.py", "kept and named");
    assert!(workspace.read("config/services/rila_code.yaml").contains("find_links"), "kept");
    let backups =
        git(&root, &["for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads/backup/"]);
    assert!(backups.starts_with("backup/feature_") && backups.contains(&tip), "{backups}");
    // What comes back by that is broken, and the suite says so.
    says(&workspace, &[], "irctl rollback undo --service rila_code --yes").expect(14);
    assert_eq!(state(&workspace), before, "the branch, the index and what was not committed");
}

#[test]
fn code_that_cannot_be_imported_is_no_way_back() {
    let workspace = code();
    let root = workspace.root();
    workspace.write("rila/__init__.py", "VERSION = 3\n");
    git(&root, &["commit", "-q", "-a", "-m", "good again"]);
    let before = state(&workspace);
    let run = says(&workspace, &[], "irctl rollback --service rila_code --to HEAD~1 --yes");
    assert!([10, 12].contains(&run.status), "{} {}", run.status, run.stderr);
    assert_eq!(state(&workspace), before);
}

#[test]
fn packages_are_those_of_the_known_good_requirements_again() {
    let workspace = code();
    let root = workspace.root();
    git(&root, &["reset", "-q", "--hard", "HEAD~1"]);
    environment(&workspace);
    let before = frozen(&root);
    assert_eq!(before.trim(), "pandas==2.0");
    says(&workspace, &[], "irctl rollback --service rila_code --phase packages --yes").expect(0);
    assert_eq!(frozen(&root).trim(), "pandas==1.0");
    // What comes back by that is broken, and the suite says so.
    says(&workspace, &[], "irctl rollback undo --service rila_code --yes").expect(14);
    assert_eq!(frozen(&root), before);
}

#[test]
fn baselines_and_fixtures_come_from_the_commit_before() {
    let workspace = code();
    let before = state(&workspace);
    // The code is broken all the while, so that the suite of the service could not pass.
    let service = workspace.read("config/services/rila_code.yaml").replace("  verify: rila-imports\n", "");
    workspace.write("config/services/rila_code.yaml", service);
    let configured = state(&workspace);
    assert_ne!(configured, before);
    for (phase, file) in
        [("baselines", "tests/baselines/elasticity.json"), ("fixtures", "tests/fixtures/rates.csv")]
    {
        says(&workspace, &[], &format!("irctl rollback --service rila_code --phase {phase} --yes")).expect(0);
        assert!(workspace.read(file).contains("good"), "{phase}");
        assert!(workspace.read("rila/__init__.py").contains("half a thought"), "nothing else is touched");
        says(&workspace, &[], "irctl rollback undo --service rila_code --yes").expect(0);
        assert_eq!(state(&workspace), configured, "{phase}");
    }
}

#[test]
fn last_stable_served_a_day_without_an_incident() {
    let workspace = Workspace::healthy();
    let live = "models/production/rila_6y20b/model.json";
    let stable = workspace.read(live);
    let go = "irctl rollback --model rila_6y20b --to last-stable --yes";
    for (instant, deployed) in [("2026-11-20T03:07:00Z", false), ("2026-11-21T03:37:00Z", true)] {
        workspace.set_clock(instant);
        workspace.irctl(&["check"]);
        if !deployed {
            // It was seen once, and serves: nothing else is known.
            says(&workspace, &[], go).expect(12);
            says(&workspace, &[], "irctl release --service rila_6y20b --reason nothing-was-switched")
                .expect(0);
        }
    }
    // What is deployed then is bad; what served is kept beside it, as a deployment does.
    workspace.lay_over("mape-two-weeks");
    assert_ne!(workspace.read(live), stable);
    says(&workspace, &[], go).expect(0);
    assert_eq!(workspace.read(live), stable);
}
