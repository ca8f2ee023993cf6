//! The reports of `irctl verify`, read by what they are for, and the suites that a change touches.

mod support;

use std::process::Command;
use support::{Run, Workspace};

const SCHEME: &str = "\
scheme: small
levels: {P0: {name: Critical, verdict: CRIT}}
metrics: {load: {unit: ratio}}
rules: [{id: overloaded, level: P0, when: load > 99%}]
";

const DESK: &str = "\
service: desk
kind: service
scheme: small
probes: {load: {json: {file: data/load.json, pointer: /load, unit: ratio}}}
";

const SMOKE: &str = "\
suite: smoke
service: desk
use: [load]
probes:
  size: {file: {file: data/model.bin}}
  gone: {json: {file: data/gone.json, pointer: /x, unit: count}}
  score: {command: {argv: ['true']}}
expect:
  - {id: load-critical, that: load < 90%}
  - {id: load-calm, that: load < 70%, severity: warn}
  - {id: big, that: size_size > 10 bytes}
  - {id: gone, that: gone > 1}
  - {id: score, that: score_succeeded}
";

fn workspace(load: &str) -> Workspace {
    let workspace = Workspace::empty();
    workspace.write("config/irctl.yaml", "workspace: desk\n");
    workspace.write("config/severity/small.yaml", SCHEME);
    workspace.write("config/services/desk.yaml", DESK);
    workspace.write("config/verify/smoke.yaml", SMOKE);
    workspace.write("data/load.json", format!("{{\"load\": {load}}}"));
    workspace.write("data/model.bin", "small");
    workspace
}

/// Without what is not known: a suite that can be OK.
fn calm(load: &str) -> Workspace {
    let workspace = workspace(load);
    let text = SMOKE.replace("size_size > 10 bytes", "size_size > 1 bytes");
    let lines = text.lines().filter(|line| !line.contains("gone") && !line.contains("score"));
    workspace.write("config/verify/smoke.yaml", lines.map(|line| format!("{line}\n")).collect::<String>());
    workspace
}

fn verify(workspace: &Workspace, output: &str, more: &[&str]) -> Run {
    workspace.irctl(&[&["verify", "--untrusted", "--output", output], more].concat())
}

fn tool(program: &str, arguments: &[&str], workspace: &Workspace) -> (bool, String) {
    let output = Command::new(program).args(arguments).current_dir(workspace.root()).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn a_plugin_ends_and_speaks_as_the_guidelines_say() {
    let run = verify(&workspace("0.8"), "nagios", &[]).expect(2);
    assert_eq!(run.stdout.lines().count(), 1, "{}", run.stdout);
    let (text, data) = run.stdout.trim_end().split_once(" | ").unwrap();
    assert!(text.starts_with("IRCTL CRITICAL - 1 of 5 expectations hold; smoke/big CRIT: "), "{text}");
    assert_eq!(
        data,
        "'gone'=U;;;0 'load'=80%;~:70;~:90;0;100 'score_succeeded'=U;;;0;1 'size_size'=5B;;10:;0"
    );
    assert_eq!(run.stderr, "");
    let run = verify(&calm("0.8"), "nagios", &[]).expect(1);
    assert!(
        run.stdout.starts_with("IRCTL WARNING - 2 of 3 expectations hold; smoke/load-calm WARN: "),
        "{run:?}"
    );
    let run = verify(&calm("0.5"), "nagios", &[]).expect(0);
    let expected = "IRCTL OK - 3 of 3 expectations hold | 'load'=50%;~:70;~:90;0;100 'size_size'=5B;;1:;0\n";
    assert_eq!(run.stdout, expected);
    assert!(verify(&calm("null"), "nagios", &[]).expect(3).stdout.starts_with("IRCTL UNKNOWN - "));
    verify(&calm("0.8"), "nagios", &["--fail-on", "unknown"]).expect(0);
}

#[test]
fn what_is_not_known_fails_whatever_is_asked_for() {
    for fail_on in ["warn", "unknown", "crit"] {
        verify(&calm("null"), "text", &["--fail-on", fail_on]).expect(3);
        verify(&calm("0.95"), "text", &["--fail-on", fail_on]).expect(2);
        verify(&calm("0.5"), "text", &["--fail-on", fail_on]).expect(0);
        verify(&calm("0.8"), "text", &["--fail-on", fail_on]).expect(i32::from(fail_on == "warn"));
    }
}

#[test]
fn prometheus_reads_the_metrics() {
    let workspace = workspace("0.8");
    let run = verify(&workspace, "prometheus", &["--report", "prometheus=out.prom"]).expect(2);
    let same =
        |text: &str| text.lines().filter(|line| !line.contains("duration")).collect::<Vec<_>>().join("\n");
    assert_eq!(same(&run.stdout), same(&workspace.read("out.prom")));
    let (good, said) = tool("sh", &["-c", "promtool check metrics < out.prom"], &workspace);
    assert!(good && said.is_empty(), "{said}");
    for line in [
        "irctl_verify_verdict 2",
        "irctl_verify_suite_verdict{suite=\"smoke\"} 2",
        "irctl_verify_expectation_verdict{suite=\"smoke\",expectation=\"load-calm\"} 1",
        "irctl_verify_expectation_verdict{suite=\"smoke\",expectation=\"score\"} 3",
        "irctl_verify_value{suite=\"smoke\",expectation=\"load-calm\",metric=\"load\",unit=\"ratio\"} 0.8",
    ] {
        assert!(run.stdout.lines().any(|one| one == line), "{line}\n{}", run.stdout);
    }
}

/// Perl's harness reads TAP 13, of which 14 is a superset that differs here in the first line only.
#[test]
fn a_tap_harness_reads_the_tests() {
    let failing = workspace("0.8");
    verify(&failing, "text", &["--report", "tap=out.tap"]).expect(2);
    let (good, said) = tool("prove", &["--verbose", "--exec", "sed 1s/14/13/", "out.tap"], &failing);
    assert!(!good && said.contains("Failed 2/5 subtests"), "{said}");
    assert!(said.contains("ok 5 - smoke / score # SKIP not run"), "{said}");
    let passing = calm("0.8");
    verify(&passing, "text", &["--report", "tap=out.tap"]).expect(0);
    let (good, said) = tool("prove", &["--exec", "sed 1s/14/13/", "out.tap"], &passing);
    assert!(good && said.contains("All tests successful"), "{said}");
    verify(&passing, "text", &["--report", "tap=out.tap", "--fail-on", "warn"]).expect(1);
    assert!(!tool("prove", &["--exec", "sed 1s/14/13/", "out.tap"], &passing).0);
}

/// What Jenkins and GitLab count: the totals fit the cases, and no two cases have one name.
const COUNT: &str = "
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
assert root.tag == 'testsuites', root.tag
names = []
for suite in root.iter('testsuite'):
    cases = suite.findall('testcase')
    for attribute, tag in [('failures', 'failure'), ('errors', 'error'), ('disabled', 'skipped')]:
        found = sum(case.find(tag) is not None for case in cases)
        counted = int(suite.get(attribute) or suite.get('skipped') or 0)
        assert counted == found, (attribute, counted, found)
    assert int(suite.get('tests')) == len(cases)
    names += [(suite.get('name'), case.get('classname'), case.get('name')) for case in cases]
    for case in cases:
        kinds = [child.tag for child in case if child.tag in ('failure', 'error', 'skipped')]
        print(case.get('name'), ','.join(kinds) or 'passed')
assert len(names) == len(set(names)), names
";

#[test]
fn junit_has_one_case_for_each_expectation() {
    let workspace = workspace("0.8");
    let twice = SMOKE.replace(
        "{id: gone, that: gone > 1}",
        "{that: load < 90%}\n  - {that: load < 90%}\n  - {id: gone, that: gone > 1}",
    );
    workspace.write("config/verify/smoke.yaml", &twice);
    workspace.write("config/verify/other.yaml", twice.replace("suite: smoke", "suite: other"));
    let run = verify(&workspace, "junit", &["--report", "junit=a.xml"]).expect(2);
    assert!(run.stdout.starts_with("<?xml"), "{}", run.stdout);
    let (good, said) = tool("python3", &["-c", COUNT, "a.xml"], &workspace);
    assert!(good, "{said}");
    let of_one = "load-critical passed\nload-calm passed\nbig failure\nload < 90% passed\nload < 90% (2) passed\ngone error\nscore skipped\n";
    assert_eq!(said, format!("{of_one}{of_one}"));
}

#[test]
fn github_gets_annotations_and_a_summary() {
    let workspace = workspace("0.8");
    let summary = workspace.path("summary.md");
    std::fs::write(&summary, "What another step wrote.\n").unwrap();
    let variables = [("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())];
    let run = workspace.irctl_with(&variables, &["verify", "--untrusted", "--output", "github"]).expect(2);
    let commands: Vec<_> = run.stdout.lines().filter(|line| line.starts_with("::")).collect();
    assert_eq!(commands.len(), 4, "{}", run.stdout);
    assert!(commands[0].starts_with("::error title=smoke%3A big::CRIT: "), "{}", commands[0]);
    assert!(commands[1].starts_with("::error title=smoke%3A gone::UNKNOWN: "), "{}", commands[1]);
    assert!(commands[2].starts_with("::warning title=smoke%3A load-calm::WARN: "), "{}", commands[2]);
    assert!(commands[2].contains("80 %25"), "{}", commands[2]);
    assert!(run.stdout.starts_with("CRIT smoke (desk): 5 checks"), "{}", run.stdout);
    let markdown = workspace.read("summary.md");
    assert!(markdown.starts_with("What another step wrote.\n### irctl verify: CRIT\n"), "{markdown}");
    assert!(markdown.contains("| CRIT | big | "), "{markdown}");
    // Elsewhere there is no such file.
    verify(&workspace, "github", &[]).expect(2);
}

#[test]
fn several_reports_at_once_and_only_of_verification() {
    let workspace = workspace("0.8");
    let reports = [
        "junit=out/a.xml",
        "tap=out/a.tap",
        "nagios=out/a.txt",
        "github=out/a.log",
        "prometheus=out/a.prom",
        "json=out/a.json",
        "text=out/b.txt",
    ];
    let arguments: Vec<&str> = reports.iter().flat_map(|report| ["--report", report]).collect();
    verify(&workspace, "tap", &arguments).expect(2);
    for report in reports {
        assert!(!workspace.read(report.split_once('=').unwrap().1).is_empty(), "{report}");
    }
    for command in [&["check"][..], &["incident", "list"], &[]] {
        let run = workspace.irctl(&[command, &["--output", "junit"]].concat()).expect(64);
        assert!(run.stderr.contains("only `irctl verify`"), "{}", run.stderr);
    }
    workspace.irctl(&["verify", "--output", "yaml"]).expect(64);
}

fn git(workspace: &Workspace, arguments: &[&str]) {
    let identity =
        ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"];
    let (good, said) = tool("git", &[&identity[..], arguments].concat(), workspace);
    assert!(good, "{arguments:?}: {said}");
}

/// The suites that are run, and what was said beside it.
fn changed(workspace: &Workspace, more: &[&str]) -> (Vec<String>, Run) {
    let arguments = ["verify", "--changed", "main", "--output", "json"];
    let run = workspace.irctl(&[&arguments, more].concat());
    let suites = run.json()["suites"].as_array().unwrap().clone();
    (suites.iter().map(|suite| suite["suite"].as_str().unwrap().to_owned()).collect(), run)
}

fn repository() -> Workspace {
    let workspace = calm("0.5");
    let text = workspace.read("config/verify/smoke.yaml");
    let other =
        "suite: other\nprobes: {notes: {file: {file: docs/notes.md}}}\nexpect: [{that: notes_exists}]\n";
    workspace.write("config/verify/other.yaml", other);
    workspace.write("docs/notes.md", "notes\n");
    workspace.write("README.md", "read me\n");
    workspace.write(".gitignore", "ignored/\n");
    assert!(text.contains("load < 70%"));
    git(&workspace, &["init", "-q"]);
    git(&workspace, &["add", "."]);
    git(&workspace, &["commit", "-q", "-m", "first"]);
    git(&workspace, &["checkout", "-q", "-b", "work"]);
    workspace
}

/// Below a hook git says in variables which repository it works on; and a repository may name a program that watches it.
#[test]
fn a_change_is_looked_for_in_this_repository_and_runs_nothing_of_it() {
    let (workspace, elsewhere) = (repository(), repository());
    workspace.write("docs/notes.md", "other notes\n");
    workspace.write("watch.sh", "#!/bin/sh\ntouch ran\n");
    git(&workspace, &["config", "core.fsmonitor", "sh ./watch.sh"]);
    let folder = elsewhere.path(".git");
    let folder = folder.to_str().unwrap();
    let led = [("GIT_DIR", folder), ("GIT_INDEX_FILE", "nowhere")];
    let run = workspace.irctl_with(&led, &["verify", "--changed", "main", "--output", "json"]);
    let suites = run.json()["suites"].as_array().unwrap().clone();
    assert_eq!(suites.len(), 1, "{run:?}");
    assert_eq!(suites[0]["suite"], "other");
    assert!(!workspace.path("ran").exists(), "the watching program ran");
}

#[test]
fn only_what_a_change_touches_is_verified() {
    let workspace = repository();
    let (suites, run) = changed(&workspace, &[]);
    assert_eq!((suites.len(), run.status), (0, 3), "nothing selected is not OK by itself");
    assert!(run.stderr.contains("--allow-nothing"), "{}", run.stderr);
    let reports = ["junit=out.xml", "tap=out.tap", "nagios=out.nagios", "prometheus=out.prom"];
    let asked: Vec<_> = reports.into_iter().flat_map(|report| ["--report", report]).collect();
    let (_, run) = changed(&workspace, &[&["--allow-nothing"], &asked[..]].concat());
    assert_eq!(run.status, 0);
    assert_eq!(run.json()["nothing"], "no suite has anything to do with what differs");
    assert!(workspace.read("out.nagios").starts_with("IRCTL OK - nothing was verified"));
    assert_eq!(workspace.read("out.prom"), "", "no verdict at all");
    let job = workspace.path("job.md");
    let job = [("GITHUB_STEP_SUMMARY", job.to_str().unwrap())];
    let shown = ["verify", "--changed", "main", "--allow-nothing", "--output", "github"];
    assert_eq!(workspace.irctl_with(&job, &shown).status, 0);
    assert!(workspace.read("job.md").contains("nothing to verify"), "{}", workspace.read("job.md"));
    assert!(workspace.read("out.xml").contains("<skipped"), "{}", workspace.read("out.xml"));
    assert!(workspace.read("out.tap").contains("1..0 # SKIP"));
    workspace.irctl(&["verify", "--allow-nothing"]).expect(64);
    for report in ["out.xml", "out.tap", "out.nagios", "out.prom", "job.md"] {
        std::fs::remove_file(workspace.path(report)).unwrap();
    }

    workspace.write("README.md", "another\n");
    assert_eq!(changed(&workspace, &[]).0.len(), 0, "what nobody looks at");
    workspace.write("docs/notes.md", "changed\n");
    let (suites, run) = changed(&workspace, &[]);
    assert_eq!((suites, run.status), (vec!["other".to_owned()], 0), "not committed: {}", run.stderr);
    assert!(run.stderr.contains("smoke is not run: none of its inputs differs from main"), "{}", run.stderr);
    git(&workspace, &["commit", "-q", "-a", "-m", "second"]);
    assert_eq!(changed(&workspace, &[]).0, ["other"], "committed");
    workspace.write("data/load.json", "{\"load\": 0.4}");
    assert_eq!(changed(&workspace, &[]).0, ["other", "smoke"], "the data of a service's probe");
    git(&workspace, &["checkout", "-q", "data/load.json"]);
    workspace.write("config/services/desk.yaml", format!("{DESK}title: Desk\n"));
    assert_eq!(changed(&workspace, &[]).0, ["other", "smoke"], "how it is measured");
    // What happens on the other branch meanwhile is not this one's change.
    git(&workspace, &["stash", "-q"]);
    git(&workspace, &["checkout", "-q", "main"]);
    workspace.write("data/load.json", "{\"load\": 0.3}");
    git(&workspace, &["commit", "-q", "-a", "-m", "elsewhere"]);
    git(&workspace, &["checkout", "-q", "work"]);
    assert_eq!(changed(&workspace, &[]).0, ["other"]);
}

#[test]
fn what_nobody_can_know_is_verified() {
    let workspace = repository();
    let suite = |probe: &str| {
        let text = format!("suite: other\nprobes: {{notes: {{{probe}}}}}\nexpect: [{{probe: notes}}]\n");
        workspace.write("config/verify/other.yaml", text);
        git(&workspace, &["commit", "-q", "-a", "-m", "suite"]);
        git(&workspace, &["branch", "-f", "main", "HEAD"]);
    };
    suite("command: {argv: ['true']}");
    let (suites, run) = changed(&workspace, &[]);
    assert_eq!(suites, ["other"]);
    assert!(run.stderr.contains("other is run: the probe notes looks at more than files"), "{}", run.stderr);
    workspace.write("ignored/data.json", "{}");
    suite("file: {file: ignored/data.json}");
    assert_eq!(changed(&workspace, &[]).0, ["other"], "git cannot say whether it differs");
    workspace.write("models/v1/notes.md", "{}");
    std::os::unix::fs::symlink("v1", workspace.path("models/current")).unwrap();
    git(&workspace, &["add", "models"]);
    suite("file: {file: models/current/notes.md}");
    let (suites, run) = changed(&workspace, &[]);
    assert_eq!(suites, ["other"], "what it leads to has another name");
    assert!(run.stderr.contains("leads through a symbolic link"), "{}", run.stderr);
    workspace.write("::error::owned.json", "{}");
    suite("file: {file: '::error::owned.json'}");
    let (_, run) = changed(&workspace, &[]);
    assert!(!run.stderr.lines().any(|line| line.trim_start().starts_with("::")), "{}", run.stderr);
    workspace.write("new/data.json", "{}");
    suite("file: {file: new/data.json}");
    assert_eq!(changed(&workspace, &[]).0, ["other"], "not added yet");
    let run = workspace.irctl(&["verify", "--changed", "--nosuch", "--output", "json"]);
    assert_eq!(run.status, 64, "{}", run.stderr);
    let run = workspace.irctl(&["verify", "--changed=nosuch", "--output", "json"]);
    assert_eq!(run.json()["suites"].as_array().unwrap().len(), 2);
    assert!(
        run.stderr.contains("every suite is run, since git does not know `nosuch` here"),
        "{}",
        run.stderr
    );
    std::fs::remove_dir_all(workspace.path(".git")).unwrap();
    assert_eq!(changed(&workspace, &[]).0.len(), 2, "no work tree");
}
