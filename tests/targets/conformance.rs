//! The suite. A row hands in a [`Fixture`]; everything is judged from outside, by its fingerprint.

use irctl::base::{Clock, Digest, ErrorCode, Result};
use irctl::operation::{Journal, Observation, StepContext};
use irctl::rollback::targets::{Fence, Fidelity, Goal, Prediction, Staging, Switch, SwitchSpec, Target};
use irctl::rollback::versions::Version;
use std::path::{Path, PathBuf};

/// One thing to roll back, made anew for every check, in a state that is to be changed.
pub trait Fixture {
    /// The target.
    fn target(&self) -> Box<dyn Target + '_>;

    /// What it goes to, and what serves.
    fn versions(&self) -> (Version, Version);

    /// Everything that an outsider can see of it, as text: bytes of files, rows, trees, objects. Not what the target
    /// says of itself, and nothing of what staging may leave beside it.
    fn fingerprint(&self) -> String;

    /// A third party changes what the target switches, so that it is neither as before nor as after.
    fn meddle(&self);

    /// Whether `meddle` can be told from before and after by this target; one without a fence may not be able to.
    fn notices_meddling(&self) -> bool {
        true
    }

    /// What a switch may leave changed even after it was undone, taken out of a fingerprint: as little as possible.
    fn forgive(&self, fingerprint: String) -> String {
        fingerprint
    }
}

/// What is checked.
type Check = fn(&Bench<'_>);

/// Runs every check, each on a fixture of its own.
pub fn run<F: Fixture>(make: impl Fn() -> F) {
    let checks: [(&str, Check); 11] = [
        ("looking changes nothing", looking_changes_nothing),
        ("staging changes nothing", staging_changes_nothing),
        ("switches, and says so", switches_and_says_so),
        ("what is done is done once", acts_once),
        ("undo is exact", undo_is_exact),
        ("undo of nothing is nothing", undo_of_nothing_is_nothing),
        ("a third party before the switch", meddling_before),
        ("a third party after the switch", meddling_after),
        ("undo and redo as operations of their own", reverse_and_back),
        ("a pinned switch is plain data", pinned_is_plain),
        ("rehearsing changes nothing", rehearsing_changes_nothing),
    ];
    for (name, check) in checks {
        let fixture = make();
        let bench = Bench::new(&fixture);
        eprintln!("{}: {name}", bench.target().name());
        check(&bench);
    }
}

/// A fixture with what an operation would give it.
struct Bench<'a> {
    fixture: &'a dyn Fixture,
    versions: (Version, Version),
    directory: tempfile::TempDir,
    journals: std::cell::Cell<u32>,
}

impl<'a> Bench<'a> {
    fn new(fixture: &'a dyn Fixture) -> Self {
        Self {
            versions: fixture.versions(),
            fixture,
            directory: tempfile::tempdir().unwrap(),
            journals: Default::default(),
        }
    }

    fn target(&self) -> Box<dyn Target + '_> {
        self.fixture.target()
    }

    fn goal(&self) -> Goal<'_> {
        Goal {
            version: &self.versions.0,
            served: &self.versions.1,
            operation: Some("OP-20261120-030700"),
            incident: Some("INC-20261120-030700"),
            reason: Some("drift confirmed"),
            actor: "cli:engineer",
            now: irctl::base::clock::parse_instant("2026-11-20T03:07:00Z").unwrap(),
        }
    }

    fn folder(&self, name: &str) -> PathBuf {
        use std::os::unix::fs::DirBuilderExt as _;
        let folder = self.directory.path().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&folder).unwrap();
        folder
    }

    fn stage(&self) -> Vec<SwitchSpec> {
        let images = self.folder("images");
        let staging = Staging { images: &images, operation: "OP-20261120-030700" };
        self.target().stage(&self.goal(), &staging).expect("staging")
    }

    fn with<T>(&self, work: impl FnOnce(&mut StepContext<'_>) -> T) -> T {
        let number = self.journals.get();
        self.journals.set(number + 1);
        let path = self.directory.path().join(format!("journal-{number}.jsonl"));
        let mut journal = Journal::create(&path, &Digest::of(b"plan")).unwrap();
        let clock = Clock::from_hidden_value("2026-11-20T03:07:00Z").unwrap();
        work(&mut StepContext::new("step", &mut journal, &clock))
    }

    fn act(&self, switch: &dyn Switch) -> Result<Option<String>> {
        self.with(|context| switch.act(context))
    }

    fn undo(&self, switch: &dyn Switch) -> Result<Option<String>> {
        self.with(|context| switch.undo(context))
    }

    /// As the engine does it: looked at first, and left alone when it is so already.
    fn forward(&self, specs: &[SwitchSpec]) {
        for spec in specs {
            let switch = spec.switch();
            match switch.observe().expect("observing") {
                Observation::After => {}
                Observation::Before(_) => {
                    self.act(switch).unwrap_or_else(|error| panic!("{}: {error:?}", switch.describe()));
                }
                other => panic!("{}: {other:?}", switch.describe()),
            }
        }
    }

    fn backward(&self, specs: &[SwitchSpec]) {
        for spec in specs.iter().rev() {
            let switch = spec.switch();
            self.undo(switch).unwrap_or_else(|error| panic!("{}: {error:?}", switch.describe()));
        }
    }

    fn seen(&self) -> String {
        self.fixture.forgive(self.fixture.fingerprint())
    }
}

fn is_before(switch: &dyn Switch) -> bool {
    matches!(switch.observe().expect("observing"), Observation::Before(_))
}

fn is_after(switch: &dyn Switch) -> bool {
    matches!(switch.observe().expect("observing"), Observation::After)
}

fn looking_changes_nothing(bench: &Bench<'_>) {
    let before = bench.fixture.fingerprint();
    let target = bench.target();
    let first = target.observe().expect("observing");
    assert_eq!(first, target.observe().expect("observing"), "the same state has the same digest");
    let prediction = target.predict(&bench.goal()).expect("predicting");
    let (observed, predicted) = target.look(&bench.goal());
    assert_eq!(observed.expect("looking"), first, "looking for both sees the same");
    // A number that a sequence gives out is another one each time, and only predicted.
    let sure = |prediction: Prediction| {
        let changes = prediction.changes.iter().filter(|change| change.fidelity != Fidelity::Predicted);
        Prediction { changes: changes.cloned().collect(), ..prediction }
    };
    assert_eq!(
        sure(predicted.expect("looking")),
        sure(prediction.clone()),
        "looking for both predicts the same"
    );
    assert!(prediction.refusals.is_empty(), "{:?}", prediction.refusals);
    assert!(!prediction.changes.is_empty(), "there is something to change");
    assert!(prediction.changes.iter().all(|change| change.from != change.to), "{:?}", prediction.changes);
    if target.leads() {
        let served = target.served().expect("what serves");
        assert!(served.digest.is_some(), "what serves has an identity");
        assert!(!target.versions().expect("versions").is_empty());
    }
    assert_eq!(before, bench.fixture.fingerprint());
}

fn staging_changes_nothing(bench: &Bench<'_>) {
    let before = bench.fixture.fingerprint();
    let observed = bench.target().observe().expect("observing");
    let specs = bench.stage();
    assert!(!specs.is_empty(), "there is something to switch");
    assert_eq!(before, bench.fixture.fingerprint());
    assert_eq!(
        observed,
        bench.target().observe().expect("observing"),
        "what is staged is not what is in place"
    );
    assert!(is_before(specs.first().unwrap().switch()));
    assert!(specs.iter().all(|spec| !spec.switch().changes().is_empty()));
    // Abandoned before anything was switched: what staging left goes away.
    for spec in &specs {
        spec.switch().tidy().expect("tidying");
    }
    assert_eq!(before, bench.fixture.fingerprint());
}

fn switches_and_says_so(bench: &Bench<'_>) {
    let before = bench.fixture.fingerprint();
    let observed = bench.target().observe().expect("observing");
    let specs = bench.stage();
    bench.forward(&specs);
    assert_ne!(before, bench.fixture.fingerprint());
    assert_ne!(observed.digest, bench.target().observe().expect("observing").digest);
    assert!(specs.iter().all(|spec| is_after(spec.switch())));
    let prediction = bench.target().predict(&bench.goal()).expect("predicting");
    let left: Vec<_> =
        prediction.changes.iter().filter(|change| change.fidelity == Fidelity::Proven).collect();
    assert!(left.is_empty(), "after the switch nothing is left to change: {left:?}");
    if bench.target().leads() {
        let served = bench.target().served().expect("what serves");
        assert_eq!(served.digest, bench.versions.0.digest, "the version that came back is in place");
    }
    for spec in &specs {
        spec.switch().tidy().expect("tidying");
    }
    assert!(specs.iter().all(|spec| is_after(spec.switch())), "tidying leaves the switch as it is");
}

fn acts_once(bench: &Bench<'_>) {
    let specs = bench.stage();
    bench.forward(&specs);
    let after = bench.fixture.fingerprint();
    bench.forward(&specs);
    // A crash between the act and its line in the journal: a resume acts again if it cannot tell.
    for spec in &specs {
        let _ = bench.act(spec.switch());
    }
    assert_eq!(after, bench.fixture.fingerprint(), "a repeated act changes nothing more");
}

fn undo_is_exact(bench: &Bench<'_>) {
    let before = bench.seen();
    let observed = bench.target().observe().expect("observing");
    let specs = bench.stage();
    bench.forward(&specs);
    bench.backward(&specs);
    assert_eq!(before, bench.seen());
    assert_eq!(observed, bench.target().observe().expect("observing"));
    bench.backward(&specs);
    assert_eq!(before, bench.seen(), "a repeated undo changes nothing more");
}

fn undo_of_nothing_is_nothing(bench: &Bench<'_>) {
    let specs = bench.stage();
    let before = bench.fixture.fingerprint();
    // The intent was written, then the machine died before the act.
    bench.backward(&specs);
    assert_eq!(before, bench.fixture.fingerprint());
}

fn meddling_before(bench: &Bench<'_>) {
    let specs = bench.stage();
    bench.fixture.meddle();
    let theirs = bench.fixture.fingerprint();
    if !bench.fixture.notices_meddling() {
        assert_eq!(
            bench.target().fence(),
            Fence::None,
            "only a target without a fence may miss a third party"
        );
        return;
    }
    let mut refused = false;
    for spec in &specs {
        let switch = spec.switch();
        match switch.observe() {
            Ok(Observation::Other { .. }) => refused = true,
            Ok(_) => match bench.act(switch) {
                Err(error) if error.code == ErrorCode::Drifted => refused = true,
                Err(error) => panic!("another error than drifted: {error:?}"),
                Ok(_) => continue,
            },
            Err(error) => panic!("{error:?}"),
        }
        break;
    }
    assert!(refused, "a change between plan and switch is noticed");
    bench.backward(&specs_acted(&specs));
    assert_eq!(theirs, bench.fixture.fingerprint(), "and nothing of it is lost");
}

/// Those that may be undone after a refusal: the ones whose state is the one they leave.
fn specs_acted(specs: &[SwitchSpec]) -> Vec<SwitchSpec> {
    specs.iter().filter(|spec| is_after(spec.switch())).cloned().collect()
}

fn meddling_after(bench: &Bench<'_>) {
    let specs = bench.stage();
    bench.forward(&specs);
    bench.fixture.meddle();
    let theirs = bench.fixture.fingerprint();
    if !bench.fixture.notices_meddling() {
        return;
    }
    let mut refused = false;
    for spec in specs.iter().rev() {
        match bench.undo(spec.switch()) {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.code, ErrorCode::Drifted, "{error:?}");
                refused = true;
                break;
            }
        }
    }
    assert!(refused, "an undo over somebody else's change is refused");
    // What was undone before the refusal belongs to this operation; what they wrote still stands.
    let _ = theirs;
}

fn reverse_and_back(bench: &Bench<'_>) {
    let before = bench.seen();
    let specs = bench.stage();
    bench.forward(&specs);
    let switched = bench.seen();
    let images = bench.folder("undo-images");
    let reverse = |specs: &[SwitchSpec], images: &Path, operation: &str| -> Vec<SwitchSpec> {
        let staging = Staging { images, operation };
        let reverse = |spec: &SwitchSpec| spec.switch().reverse(&staging).expect("reversing");
        let mut reversed: Vec<_> = specs.iter().rev().map(reverse).collect();
        // What only keeps what is in place comes first, as in an operation.
        reversed.sort_by_key(|spec| spec.switch().phase());
        reversed
    };
    let undo = reverse(&specs, &images, "OP-20261120-031500");
    assert_eq!(switched, bench.seen(), "preparing an undo changes nothing");
    bench.forward(&undo);
    assert_eq!(before, bench.seen(), "undone by an operation of its own");
    let images = bench.folder("redo-images");
    let redo = reverse(&undo, &images, "OP-20261120-032000");
    bench.forward(&redo);
    assert_eq!(switched, bench.seen(), "and redone");
    bench.backward(&redo);
    assert_eq!(before, bench.seen(), "and that undone in turn");
}

fn pinned_is_plain(bench: &Bench<'_>) {
    let before = bench.seen();
    let specs = bench.stage();
    let text = serde_json::to_string(&specs).expect("writing");
    let again: Vec<SwitchSpec> = serde_json::from_str(&text).expect("reading");
    assert_eq!(text, serde_json::to_string(&again).unwrap());
    bench.forward(&again);
    bench.backward(&specs);
    assert_eq!(before, bench.seen());
    let names: std::collections::BTreeSet<_> = specs.iter().map(|spec| spec.switch().id()).collect();
    assert_eq!(names.len(), specs.len(), "each switch of a target has a name of its own");
}

fn rehearsing_changes_nothing(bench: &Bench<'_>) {
    let before = bench.fixture.fingerprint();
    let scratch = bench.folder("scratch");
    let parts = bench.target().rehearse(&bench.goal(), &scratch).expect("rehearsing");
    assert!(!parts.is_empty());
    assert!(parts.iter().all(|part| part.failure.is_none()), "{parts:?}");
    assert_eq!(before, bench.fixture.fingerprint());
}
