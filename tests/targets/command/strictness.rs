//! What programs do wrong is said clearly, and what they leave half done is taken back.

use irctl::base::{Clock, Digest, ErrorCode, Result};
use irctl::operation::{Journal, Observation, StepContext};
use irctl::rollback::targets::command::CommandTarget;
use irctl::rollback::targets::{Fidelity, Goal, Staging, Switch, SwitchSpec, Target};
use irctl::rollback::versions::Version;
use serde_json::{Value, json};
use std::path::Path;

use super::programs::Pair;
use super::versions;
use crate::conformance::Fixture as _;

/// A rollback to the first of these from the second.
pub fn goal<'a>(versions: &'a (Version, Version)) -> Goal<'a> {
    Goal {
        version: &versions.0,
        served: &versions.1,
        operation: Some("OP-1"),
        incident: None,
        reason: None,
        actor: "cli:engineer",
        now: irctl::base::clock::parse_instant("2026-11-20T03:07:00Z").unwrap(),
    }
}

/// Stages, with the images in a folder of this one.
pub fn stage_into(target: &dyn Target, directory: &Path) -> Result<Vec<SwitchSpec>> {
    let images = directory.join("images");
    std::fs::create_dir_all(&images).unwrap();
    target.stage(&goal(&versions()), &Staging { images: &images, operation: "OP-1" })
}

/// Switches.
pub fn act(directory: &Path, switch: &dyn Switch) -> Result<Option<String>> {
    with_journal(directory, |context| switch.act(context))
}

/// Takes back.
pub fn undo(directory: &Path, switch: &dyn Switch) -> Result<Option<String>> {
    with_journal(directory, |context| switch.undo(context))
}

fn with_journal<T>(directory: &Path, work: impl FnOnce(&mut StepContext<'_>) -> T) -> T {
    let path = directory.join("journal.jsonl");
    let _ = std::fs::remove_file(&path);
    let mut journal = Journal::create(&path, &Digest::of(b"plan")).unwrap();
    let clock = Clock::from_hidden_value("2026-11-20T03:07:00Z").unwrap();
    work(&mut StepContext::new("step", &mut journal, &clock))
}

fn stage(pair: &Pair) -> Result<Vec<SwitchSpec>> {
    stage_into(pair.target().as_ref(), pair.directory.path())
}

fn with<T>(pair: &Pair, work: impl FnOnce(&mut StepContext<'_>) -> T) -> T {
    with_journal(pair.directory.path(), work)
}

#[test]
fn an_apply_that_breaks_off_is_taken_back_or_finished() {
    for undo in [true, false] {
        let pair = Pair::new(true);
        let specs = stage(&pair).unwrap();
        let switch = specs[0].switch();
        std::fs::write(pair.file("break"), "").unwrap();
        let error = with(&pair, |context| switch.act(context)).unwrap_err();
        assert_eq!(error.code, ErrorCode::Subprocess);
        assert!(error.message.contains("the disk is full"), "{}", error.message);
        let half = [pair.file("value.txt"), pair.file("copy.txt")]
            .map(|path| std::fs::read_to_string(path).unwrap());
        assert_eq!(half, ["value of v-good", "old"]);
        assert_eq!(switch.observe().unwrap(), Observation::Before(None), "it may be done again");
        let wanted = if undo {
            with(&pair, |context| switch.undo(context)).unwrap();
            "old"
        } else {
            with(&pair, |context| switch.act(context)).unwrap();
            "value of v-good"
        };
        for name in ["value.txt", "copy.txt"] {
            assert_eq!(std::fs::read_to_string(pair.file(name)).unwrap(), wanted);
        }
    }
}

#[test]
fn a_program_that_only_says_it_worked_is_found_out() {
    let mut pair = Pair::new(true);
    pair.config.apply = vec!["sh".into(), "-c".into(), "cat >/dev/null; echo '{}'".into()];
    let specs = stage(&pair).unwrap();
    let error = with(&pair, |context| specs[0].switch().act(context)).unwrap_err();
    assert!(error.message.contains("said that apply is done"), "{}", error.message);
    let mut pair = Pair::new(false);
    pair.config.apply = vec!["sh".into(), "-c".into(), "cat >/dev/null; echo '{}'".into()];
    let specs = stage(&pair).unwrap();
    assert!(with(&pair, |context| specs[0].switch().act(context)).is_err());
    let mut pair = Pair::new(true);
    pair.config.undo = vec!["sh".into(), "-c".into(), "cat >/dev/null; echo '{}'".into()];
    let specs = stage(&pair).unwrap();
    with(&pair, |context| specs[0].switch().act(context)).unwrap();
    let error = with(&pair, |context| specs[0].switch().undo(context)).unwrap_err();
    assert!(error.message.contains("said that undo is done"), "{}", error.message);
}

#[test]
fn without_a_prediction_the_plan_says_that_nobody_knows() {
    let pair = Pair::new(false);
    let prediction = pair.target().predict(&goal(&versions())).unwrap();
    assert_eq!(prediction.changes.len(), 1);
    assert_eq!(prediction.changes[0].fidelity, Fidelity::Unknown);
    assert!(prediction.warnings[0].contains("nothing says what it will change"));
    let parts = pair.target().rehearse(&goal(&versions()), pair.directory.path()).unwrap();
    let last = parts.last().unwrap();
    assert!(last.not_run.as_ref().unwrap().contains("no `rehearse` program"));
}

#[test]
fn every_way_to_answer_badly_is_refused_before_anything_changes() {
    let cases = [
        ("exit 3", ErrorCode::Subprocess, "exit status 3"),
        ("kill -9 $$", ErrorCode::Subprocess, "signal 9"),
        ("sleep 20", ErrorCode::TimedOut, "longer than 500 ms"),
        ("true", ErrorCode::InvalidData, "printed nothing"),
        ("echo ok", ErrorCode::InvalidData, "not what it must be"),
        ("echo '{\"after\": NaN}'", ErrorCode::InvalidData, "not what it must be"),
        ("echo '{} {}'", ErrorCode::InvalidData, "trailing characters"),
        ("echo '{\"changed\": 1}'", ErrorCode::InvalidData, "unknown field `changed`"),
        ("echo '{\"changes\": 1}'", ErrorCode::InvalidData, "invalid type"),
        (
            "echo '{\"after\": {\"value.txt\": \"x\", \"copy.txt\": \"x\"}}'",
            ErrorCode::InvalidData,
            "`changes` is empty",
        ),
        ("head -c 2000000 /dev/zero", ErrorCode::InvalidData, "more than 1 MiB"),
    ];
    for (script, code, wanted) in cases {
        let mut pair = Pair::new(true);
        pair.config.predict = Some(vec!["sh".into(), "-c".into(), script.into()]);
        pair.config.timeouts.predict =
            (code == ErrorCode::TimedOut).then_some(irctl::base::Duration::Fixed(500));
        let before = pair.fingerprint();
        let error = stage(&pair).map(|_| ()).unwrap_err();
        assert_eq!(error.code, code, "{script}: {error:?}");
        assert!(error.message.contains(wanted), "{script}: {}", error.message);
        assert!(error.message.contains("the pair: `sh` asked to predict"), "{}", error.message);
        assert_eq!(before, pair.fingerprint());
    }
}

#[test]
fn a_program_that_is_not_there_is_a_refusal_in_the_plan() {
    let mut pair = Pair::new(true);
    pair.config.needs = vec!["python3".into(), "no-such-program".into()];
    let prediction = pair.target().predict(&goal(&versions())).unwrap();
    assert_eq!(prediction.refusals, ["`no-such-program` is needed and is not there"]);
    assert_eq!(stage(&pair).map(|_| ()).unwrap_err().code, ErrorCode::Refused);
}

#[test]
fn what_changes_while_it_is_looked_at_is_not_planned_on() {
    let mut pair = Pair::new(true);
    let script = format!(
        "cat > /dev/null; date +%N > {}; echo '{{\"after\": {{\"x\": 1}}, \"changes\": [{{\"place\": \"x\"}}]}}'",
        pair.file("value.txt").display()
    );
    pair.config.predict = Some(vec!["sh".into(), "-c".into(), script]);
    assert_eq!(stage(&pair).map(|_| ()).unwrap_err().code, ErrorCode::Drifted);
}

#[test]
fn a_claim_stands_beside_what_it_protects() {
    let mut pair = Pair::new(true);
    pair.config.fence = irctl::rollback::targets::Fence::Claim;
    assert!(pair.target().claims().is_err());
    pair.config.claim = Some("value.txt".into());
    let target = CommandTarget { config: &pair.config, ground: &pair.ground };
    assert_eq!(target.claims().unwrap(), [pair.file(".irctl-claim.value.txt")]);
}

#[test]
fn templates_are_filled_when_it_is_staged_and_braces_of_json_are_not() {
    let mut pair = Pair::new(true);
    let with: Value = json!({"value": "{\"on\": true, \"of\": \"{name} {operation}\"}"});
    pair.config.with = serde_json::from_value(with).unwrap();
    let specs = stage(&pair).unwrap();
    with_act(&pair, &specs);
    let written = std::fs::read_to_string(pair.file("value.txt")).unwrap();
    assert_eq!(written, "{\"on\": true, \"of\": \"good OP-1\"}");
}

fn with_act(pair: &Pair, specs: &[SwitchSpec]) {
    with(pair, |context| specs[0].switch().act(context)).unwrap();
}
