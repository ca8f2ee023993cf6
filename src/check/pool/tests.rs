//! Services that take as long as their names say.

use super::*;
use crate::probe::Outcome;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Services whose probes take as long as their names say, in milliseconds.
struct Sleepers {
    services: Vec<Vec<&'static str>>,
    limit: Duration,
    at_once: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Job for Sleepers {
    fn steps(&self, number: usize) -> (VecDeque<Step>, VecDeque<Step>) {
        let names = self.services[number].iter().filter(|name| **name != "last");
        let all = names.map(|name| Step::Probe((*name).to_owned()));
        all.partition(|step| matches!(step, Step::Probe(name) if name.starts_with('d')))
    }

    fn last(&self, number: usize, taken: &Taken) -> Option<Step> {
        let names = self.services[number].contains(&"last");
        let seen = taken.outcomes.iter().map(|outcome| outcome.probe.clone()).collect::<Vec<_>>().join(" ");
        names.then(|| Step::Compare(vec![seen], Arc::default()))
    }

    fn limit(&self, _: usize, _: &Step) -> Duration {
        self.limit
    }

    fn measure(&self, number: usize, step: &Step, _: Arc<VersionMap>) -> Found {
        if let Step::Compare(names, _) = step {
            return Found::Outcomes(vec![Outcome::new(&format!("after {}", names.join(" ")))]);
        }
        let Step::Probe(name) = step else { return Found::Versions(VersionMap::default(), None) };
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let time: u64 = name[1..].parse().unwrap();
        assert_ne!(time, 13, "a probe with a bug");
        std::thread::sleep(Duration::from_millis(time));
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        let mut outcome = Outcome::new(name);
        outcome.fact("service", number.to_string());
        Found::Outcomes(vec![outcome])
    }

    fn is_cut(&self, _: usize, step: &Step) -> bool {
        matches!(step, Step::Probe(name) if name.starts_with('c'))
    }

    fn undecided(&self, _: usize, step: &Step, why: &str) -> Found {
        if let Step::Compare(names, _) = step {
            let mut outcome = Outcome::new(&format!("after {}", names.join(" ")));
            outcome.problem(None, why);
            return Found::Undecided(vec![outcome]);
        }
        let Step::Probe(name) = step else {
            return Found::Versions(VersionMap::default(), Some(why.to_owned()));
        };
        let mut outcome = Outcome::new(name);
        outcome.problem(None, why);
        Found::Undecided(vec![outcome])
    }
}

fn sleepers(services: &[&[&'static str]], limit: u64) -> Sleepers {
    Sleepers {
        services: services.iter().map(|one| one.to_vec()).collect(),
        limit: Duration::from_millis(limit),
        at_once: Arc::default(),
        most: Arc::default(),
    }
}

fn shown(taken: &Taken) -> String {
    let one = |outcome: &Outcome| match outcome.problems.first() {
        Some(problem) => format!("{}: {}", outcome.probe, problem.reason.raw()),
        None => outcome.probe.clone(),
    };
    taken.outcomes.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn everything_is_measured_once_and_no_more_at_once_than_allowed() {
    let services: Vec<Vec<&str>> = (0..60).map(|_| vec!["d1", "p0", "p1", "d0"]).collect();
    let job = sleepers(&services.iter().map(Vec::as_slice).collect::<Vec<_>>(), 5000);
    let most = Arc::clone(&job.most);
    let taken: Vec<_> = start(job, 60, Limits { jobs: 3, deadline: None }).iter().collect();
    let mut numbers: Vec<_> = taken.iter().map(|one| one.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..60).collect::<Vec<_>>());
    assert!(taken.iter().all(|one| shown(one) == "d0, d1, p0, p1"), "{:?}", shown(&taken[0]));
    assert!(most.load(Ordering::SeqCst) <= 3);
}

#[test]
fn who_hangs_keeps_nobody_waiting() {
    let begun = Instant::now();
    let job = sleepers(&[&["d60000", "d1", "p60001"], &["p0"], &["d0", "d13"]], 2000);
    let receiver = start(job, 3, Limits { jobs: 1, deadline: None });
    let mut taken: Vec<_> = receiver.iter().collect();
    assert!(begun.elapsed() < Duration::from_secs(20));
    taken.sort_by_key(|one| one.number);
    assert_eq!(shown(&taken[0]), "d1, d60000: it took longer than 2s, p60001: it took longer than 2s");
    assert_eq!(shown(&taken[1]), "p0");
    assert_eq!(shown(&taken[2]), "d0, d13: irctl failed on it, which is a bug");
    assert_eq!(taken[0].overrun, ["d60000", "p60001"]);
}

#[test]
fn what_its_limit_cut_short_says_nothing() {
    // Each ends a little after its limit, and before anybody gives it up.
    let taken: Vec<_> =
        start(sleepers(&[&["c410", "d410"]], 400), 1, Limits { jobs: 2, deadline: None }).iter().collect();
    assert_eq!(shown(&taken[0]), "c410: it took longer than 400ms, d410");
}

#[test]
fn what_compares_comes_last_whoever_was_ready_first() {
    let job = sleepers(&[&["last", "p20", "d1", "p0"], &["last"], &["last", "p60000", "d2"]], 2000);
    let receiver = start(job, 3, Limits { jobs: 2, deadline: None });
    let mut taken: Vec<_> = receiver.iter().collect();
    taken.sort_by_key(|one| one.number);
    assert_eq!(shown(&taken[0]), "after d1 p0 p20, d1, p0, p20");
    assert_eq!(shown(&taken[1]), "after ");
    assert_eq!(shown(&taken[2]), "after d2 p60000, d2, p60000: it took longer than 2s");
    let deadline = Some(Instant::now() + Duration::from_millis(100));
    let job = sleepers(&[&["last", "p60000"]], 50_000);
    let taken: Vec<_> = start(job, 1, Limits { jobs: 2, deadline }).iter().collect();
    assert_eq!(taken[0].overrun, ["after p60000", "p60000"], "{}", shown(&taken[0]));
}

#[test]
fn at_the_deadline_it_ends() {
    let begun = Instant::now();
    let services: Vec<&[&str]> = vec![&["p60000", "d60000"]; 20];
    let deadline = Some(Instant::now() + Duration::from_millis(200));
    let taken: Vec<_> = start(sleepers(&services, 50_000), 20, Limits { jobs: 2, deadline }).iter().collect();
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(taken.len(), 20);
    for one in &taken {
        assert_eq!(one.outcomes.len(), 2);
        assert!(one.outcomes.iter().all(|outcome| outcome.problems[0].reason.raw().contains("deadline")));
    }
}

#[test]
fn nothing_to_measure_ends_at_once() {
    assert_eq!(start(sleepers(&[], 1), 0, Limits { jobs: 4, deadline: None }).iter().count(), 0);
}
