//! Every sample of `tests/config/valid` must pass, every sample of `tests/config/invalid` must fail as its snapshot
//! shows. A sample is a file, with its kind by folder, or a folder of `workspaces` with a whole workspace.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use irctl::config::diagnostic::Report;
use irctl::config::{Kind, Scope, Workspace, check_bytes, render};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(name)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

/// Every sample: its name, as `irctl/unknown-key`, and what was found.
fn samples(which: &str) -> Vec<(String, Report)> {
    let mut samples = Vec::new();
    for group in entries(&folder(which)) {
        let group_name = group.file_name().unwrap().to_str().unwrap().to_owned();
        for path in entries(&group) {
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let report = match Kind::named(&group_name) {
                Some(kind) => {
                    check_bytes(kind, &format!("config/{stem}.yaml"), &std::fs::read(&path).unwrap())
                }
                None => Workspace::check(&path).unwrap().report,
            };
            samples.push((format!("{group_name}/{stem}"), report));
        }
    }
    assert!(!samples.is_empty());
    samples
}

#[test]
fn valid_samples_pass() {
    let failed: Vec<_> = samples("valid")
        .into_iter()
        .filter(|(_, report)| !report.is_empty())
        .map(|(name, report)| format!("{name}\n{}", render(&report, false)))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn invalid_samples_fail_as_shown() {
    let mut wrong = Vec::new();
    for (name, report) in samples("invalid") {
        if report.errors() == 0 {
            wrong.push(name.clone());
        }
        let text = render(&report, false);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{name} lets control characters through");
        insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false, snapshot_path => "config/snapshots"}, {
            insta::assert_snapshot!(name.replace('/', "__"), text);
        });
    }
    assert!(wrong.is_empty(), "no error in {wrong:?}");
}

#[test]
fn diagnostics_for_programs_have_places() {
    let report = check_bytes(Kind::Irctl, "config/irctl.yaml", b"workspace: w\ncadense: 5m\n");
    insta::assert_snapshot!(serde_json::to_string_pretty(&report.to_json()).unwrap(), @r#"
    [
      {
        "severity": "error",
        "code": "unknown-key",
        "file": "config/irctl.yaml",
        "line": 2,
        "column": 1,
        "end_column": 8,
        "message": "there is no key `cadense` here",
        "help": "did you mean `cadence`?"
      }
    ]
    "#);
}

fn workspace(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    root
}

#[test]
fn what_a_command_does_not_need_does_not_stop_it() {
    let root = workspace(&[
        ("config/irctl.yaml", "workspace: w\nstate: ../state\n"),
        ("config/notify.yaml", "nonsense: [\n"),
        ("config/services/bad.yaml", "service: bad\nkind: model\n"),
        ("runbooks/a.yaml", "runbook: a\ntitle: A\n"),
    ]);
    let error = Workspace::load(root.path()).unwrap_err();
    assert_eq!(error.exit(), 78);
    assert!(error.message.contains("config/notify.yaml:1:11"), "{}", error.message);
    assert!(error.message.contains("config/services/bad.yaml"), "{}", error.message);

    let operating = Workspace::load_for(root.path(), Scope::OPERATE).unwrap();
    assert_eq!(operating.warnings.warnings(), 2, "{}", render(&operating.warnings, false));
    assert!(operating.runbook("a").is_ok());
    let error = operating.service("bad").unwrap_err();
    assert!(error.message.contains("lacks") || error.message.contains("missing"), "{}", error.message);
    assert_eq!(operating.service("none").unwrap_err().exit(), 65);

    let classifying = Workspace::load_for(root.path(), Scope::CLASSIFY).unwrap();
    assert!(classifying.warnings.is_empty());
    assert!(Workspace::load_for(root.path(), Scope::NOTIFY).is_err());
}

#[test]
fn the_workspace_is_found_from_below_and_missed_with_advice() {
    let root = workspace(&[("config/irctl.yaml", "workspace: w\nstate: ../s\n"), ("a/b/c", "")]);
    let found = Workspace::load(&root.path().join("a/b")).unwrap();
    assert_eq!(found.root, root.path().canonicalize().unwrap());
    assert_eq!(found.state, found.root.join("../s"));
    let empty = tempfile::tempdir().unwrap();
    let error = Workspace::load(empty.path()).unwrap_err();
    assert_eq!(error.exit(), 78);
    assert!(error.hint.unwrap().contains("irctl init"));
}

#[test]
fn huge_files_are_refused_without_reading_them() {
    let root = workspace(&[("config/irctl.yaml", "workspace: w\nstate: ../s\n")]);
    let file = std::fs::File::create(root.path().join("config/notify.yaml")).unwrap();
    file.set_len(100 * 1024 * 1024).unwrap();
    let start = Instant::now();
    let report = Workspace::check(root.path()).unwrap().report;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(report.diagnostics().iter().any(|found| found.code == "file-too-large"));
}

#[test]
fn hostile_files_are_refused_in_time() {
    let anchors: String = (1..20_000).map(|n| format!("a{n}: &a{n} [*a{}]\n", n - 1)).collect();
    let long = "x".repeat(60_000);
    for (name, text) in [
        ("brackets", "[".repeat(4_000_000)),
        ("dashes", "- ".repeat(2_000_000)),
        ("keys", (0..300_000).map(|n| format!("k{n}: 1\n")).collect()),
        ("one key", "k: 1\n".repeat(800_000)),
        ("chain of aliases", format!("a0: &a0 [x]\n{anchors}")),
        ("long text", format!("a: &a \"{long}\"\nb: [{}]\n", "*a, ".repeat(100_000))),
        ("flow", "{".repeat(60) + &"a: 1, ".repeat(600_000)),
        ("one line", format!("workspace: {}", "é".repeat(2_000_000))),
        ("comments", "#\n".repeat(2_000_000)),
        ("blank", " ".repeat(4_000_000)),
        ("question marks", "? ".repeat(2_000_000)),
        ("colons", ":".repeat(4_000_000)),
        ("quotes", "\"".repeat(3_999_999)),
        ("anchors", "&a ".repeat(1_000_000)),
        ("tags", "!a ".repeat(1_000_000)),
        ("block", format!("a: |\n{}", " \n".repeat(1_900_000))),
    ] {
        let start = Instant::now();
        let report = check_bytes(Kind::Irctl, "x.yaml", text.as_bytes());
        let text = render(&report, false);
        let _ = serde_json::to_string(&report.to_json()).unwrap();
        assert!(report.errors() > 0, "{name}");
        // Ten times what a release build may take: tests run unoptimized, several at a time.
        assert!(start.elapsed() < Duration::from_secs(10), "{name}: {:?}", start.elapsed());
        assert!(text.len() < 200_000, "{name}: {} bytes of diagnostics", text.len());
    }
}

#[test]
fn rounds_too_far_apart_for_a_promise_are_a_warning() {
    let root = workspace(&[
        ("config/irctl.yaml", "workspace: w\nstate: ../s\ncadence: 30m\n"),
        ("config/services/a.yaml", "service: a\nkind: model\nscheme: own\n"),
        (
            "config/severity/own.yaml",
            "scheme: own\nlevels: {P0: {name: Critical, verdict: CRIT, acknowledge: 15m}}\n\
             metrics: {down: {unit: flag}}\nrules: [{id: down, level: P0, when: down}]\n",
        ),
    ]);
    let loaded = Workspace::load(root.path()).unwrap();
    let found = loaded.warnings.diagnostics();
    assert_eq!(found.len(), 1, "{}", render(&loaded.warnings, false));
    assert_eq!(found[0].code, "cadence-too-slow");
    assert!(found[0].message.contains("level P0 promises `acknowledge` within 15m"), "{}", found[0].message);
    assert!(loaded.left_out().is_empty());
}

#[test]
fn the_shipped_configuration_passes() {
    let report = Workspace::check(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap().report;
    assert!(report.is_empty(), "{}", render(&report, false));
}

/// The schemas under `docs/schema` are what `irctl config schema KIND` prints. `UPDATE_SCHEMA=1` rewrites them.
#[test]
fn committed_schemas_are_in_step() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema");
    for kind in Kind::ALL {
        let path = folder.join(format!("{kind}.json"));
        let text = format!("{}\n", serde_json::to_string_pretty(kind.schema()).unwrap());
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, text).unwrap();
        } else {
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                committed == text,
                "{} is out of step: run `UPDATE_SCHEMA=1 cargo test --test config schemas`",
                path.display()
            );
        }
    }
}

mod random {
    use super::*;
    use proptest::prelude::*;

    const SEEDS: [&str; 3] = [
        include_str!("config/valid/irctl/everything.yaml"),
        include_str!("config/valid/runbook/anchors.yaml"),
        include_str!("config/valid/runbook/text-styles.yaml"),
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for kind in Kind::ALL {
                render(&check_bytes(kind, "x.yaml", &bytes), false);
            }
        }

        #[test]
        fn yaml_like_text_never_panics(text in "([a-z\"'|>&*!?%@`{}\\[\\],:#~ü\t\n -]|: |\n  |- ){0,80}") {
            for kind in [Kind::Irctl, Kind::Runbook] {
                let report = check_bytes(kind, "x.yaml", text.as_bytes());
                render(&report, false);
                let _ = report.to_json();
            }
        }

        #[test]
        fn damaged_files_never_panic(
            seed in 0..SEEDS.len(),
            cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let mut bytes = SEEDS[seed].as_bytes().to_vec();
            for (index, byte) in cuts {
                let at = index.index(bytes.len());
                if byte % 3 == 0 { bytes.remove(at); } else { bytes[at] = byte; }
                if bytes.is_empty() { bytes.push(b'a'); }
            }
            for kind in [Kind::Irctl, Kind::Runbook, Kind::Service] {
                render(&check_bytes(kind, "x.yaml", &bytes), false);
            }
        }
    }
}

/// A workspace with so many services, each with a warning; `broken` has an error too.
fn fleet(services: usize, broken: Option<usize>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: String, text: String| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("config/irctl.yaml".into(), "workspace: fleet\nstate: ../fleet-state\n".into());
    let scheme = "scheme: fleet\nlevels: {P0: {name: Critical, verdict: CRIT}}\n\
                  metrics: {load: {unit: ratio}, depth: {unit: count}}\n\
                  rules: [{id: a, level: P0, when: load > 90%}, {id: b, level: P0, when: depth > 9}]\n";
    write("config/severity/fleet.yaml".into(), scheme.into());
    for number in 0..services {
        let scheme = if broken == Some(number) { "fleeet" } else { "fleet" };
        let probe = "probes: {load: {json: {file: a.json, pointer: /load, unit: ratio}}}";
        let text = format!("service: s{number:05}\nkind: service\nscheme: {scheme}\n{probe}\n");
        write(format!("config/services/s{number:05}.yaml"), text);
    }
    folder
}

#[test]
fn thousands_of_services_with_a_warning_each_are_loaded() {
    let folder = fleet(2300, None);
    let loaded = Workspace::load(folder.path()).unwrap();
    assert_eq!(loaded.services.len(), 2300);
    assert_eq!(loaded.warnings.warnings(), 2300, "all are counted, however many are kept");
}

#[test]
fn one_error_is_seen_among_thousands_of_warnings() {
    let folder = fleet(1500, Some(1400));
    let error = Workspace::load(folder.path()).unwrap_err();
    assert!(error.message.starts_with("the configuration has 1 error\n"), "{}", error.message);
    assert!(error.message.contains("config/services/s01400.yaml:3:9"), "{}", error.message);
    assert!(error.hint.is_some(), "did you mean `fleet`?");
}
