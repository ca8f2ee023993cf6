//! Python modules, with the real interpreter.

use crate::{Folder, fact, nothing_decided, python, value};
use irctl::probe::Outcome;

fn folder() -> Folder {
    let folder = Folder::new();
    folder
        .write("src/__init__.py", "")
        .write("src/good.py", "print('loading', end='')\nvalue = 1\n")
        .write("src/missing.py", "import not_there_at_all\n")
        .write("src/broken.py", "def f(:\n")
        .write("src/raises.py", "raise RuntimeError('first line\\nsecond line')\n")
        .write("src/ends.py", "import os\nos._exit(0)\n")
        .write("src/leaves.py", "raise SystemExit(0)\n")
        .write("src/crashes.py", "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
        .write("src/slow.py", "import time\ntime.sleep(60)\n")
        .write("src/chatty.py", "print('x' * 3_000_000)\n");
    folder
}

fn load(folder: &Folder, modules: &str) -> Outcome {
    let interpreter = python();
    folder.measure(&format!(
        "{{imports: {{interpreter: '{interpreter}', modules: [{modules}], timeout: 20s}}}}"
    ))
}

fn loaded(outcome: &Outcome) -> Vec<(String, Option<f64>)> {
    let of = outcome.samples.iter().filter(|sample| sample.metric == "p_loaded");
    of.map(|sample| (sample.labels["module"].clone(), sample.measurement.value())).collect()
}

#[test]
fn each_module_loads_by_itself_and_errors_are_named() {
    let folder = folder();
    let outcome = load(
        &folder,
        "src.good, json, src.missing, src.broken, src.raises, src.ends, src.leaves, src.crashes, src.not_there",
    );
    let expected = [
        ("src.good", 1.0),
        ("json", 1.0),
        ("src.missing", 0.0),
        ("src.broken", 0.0),
        ("src.raises", 0.0),
        ("src.ends", 0.0),
        ("src.leaves", 0.0),
        ("src.crashes", 0.0),
        ("src.not_there", 0.0),
    ];
    assert_eq!(loaded(&outcome), expected.map(|(module, loads)| (module.to_owned(), Some(loads))));
    assert_eq!((value(&outcome, "p_failures"), value(&outcome, "p_failed")), (7.0, 1.0));
    let said = fact(&outcome, "does not load");
    for words in [
        "src.missing: ModuleNotFoundError: No module named 'not_there_at_all'",
        "src.broken: SyntaxError",
        "src.raises: second line",
        "src.ends: it ended the program while it was loaded",
        "src.leaves: it ended the program while it was loaded",
        "src.crashes: signal 11 ended it",
        "src.not_there: ModuleNotFoundError: No module named 'src.not_there'",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!folder.path("src/__pycache__").exists(), "nothing is written beside the modules");
}

#[test]
fn good_modules_are_good() {
    let outcome = load(&folder(), "src.good, json");
    assert_eq!((value(&outcome, "p_failures"), value(&outcome, "p_failed")), (0.0, 0.0));
    assert_eq!(fact(&outcome, "modules"), "2");
}

#[test]
fn what_is_not_known_is_not_good() {
    let folder = folder();
    let slow = folder.measure("{imports: {modules: [src.good, src.slow], timeout: 8s}}");
    assert!(crate::reason(&slow, "p_failures").contains("src.slow: it ended with a timeout"));
    assert_eq!(loaded(&slow), [("src.good".to_owned(), Some(1.0)), ("src.slow".to_owned(), None)]);
    let both = folder.measure("{imports: {modules: [src.missing, src.slow], timeout: 8s}}");
    assert_eq!(value(&both, "p_failures"), 1.0, "a failure is one, whatever else is not known");
    nothing_decided(&folder.measure("{imports: {modules: [src.chatty]}}"), "printed more than is read");
    nothing_decided(
        &folder.measure("{imports: {interpreter: venv/bin/python, modules: [os]}}"),
        "cannot start",
    );
    nothing_decided(&folder.measure("{imports: {modules: []}}"), "no modules");
    let mut untrusted = folder;
    untrusted.untrusted = true;
    nothing_decided(&untrusted.measure("{imports: {modules: [os]}}"), "untrusted");
}
