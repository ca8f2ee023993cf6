//! The policy, driven as events drive it: examples, and properties over any rounds.

use super::PolicyConfig;
use super::event::{Evidence, EvidenceInput, FindingKind};
use super::policy::*;
use crate::base::Digest;
use crate::incident::fixtures::{at, level};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn input(key: &str) -> Vec<EvidenceInput> {
    vec![EvidenceInput { key: key.into(), event_time: None }]
}

fn evidence(finding: &Finding, kind: FindingKind, key: &str, version: u8) -> Evidence {
    Evidence {
        finding: kind,
        verdict: finding.verdict(),
        level: finding.level().cloned(),
        inputs: input(key),
        version: Some(Digest::of(&[version])),
        summary: "".into(),
    }
}

fn matched(name: &str) -> Finding {
    Finding::Matched { level: level(name), at_least: false }
}

/// A watch, driven as the events would drive it.
struct Driven {
    watch: Watch,
    policy: PolicyConfig,
    minute: i64,
    over: bool,
}

impl Driven {
    fn new() -> Self {
        let mut watch = Watch::new(level("P0"), at(0));
        watch.see(&input("opening"));
        watch.matched();
        Self { watch, policy: PolicyConfig::default(), minute: 0, over: false }
    }

    /// One round; says what it did, and whether it caused any event.
    fn round(&mut self, finding: &Finding, key: &str, version: u8, minutes: i64) -> (PolicyStep, bool) {
        self.minute += minutes;
        let now = at(self.minute);
        let seen = evidence(finding, finding.kind(), key, version);
        let Decision { record, step } = self.watch.decide(&seen, finding, &self.policy, now);
        if let Some(kind) = record {
            self.watch.record(&evidence(finding, kind, key, version));
        }
        match &step {
            PolicyStep::Raise(level) | PolicyStep::Lower(level) => {
                self.watch.change_level(level.clone(), now, false);
            }
            PolicyStep::Resolve => self.over = true,
            PolicyStep::Stay => {}
        }
        let event = record.is_some() || step != PolicyStep::Stay;
        (step, event)
    }
}

#[test]
fn two_new_good_pieces_resolve_and_the_same_piece_twice_does_not() {
    let mut driven = Driven::new();
    assert_eq!(driven.round(&Finding::Clear, "a", 2, 30), (PolicyStep::Stay, true));
    assert_eq!(driven.round(&Finding::Clear, "a", 2, 30), (PolicyStep::Stay, false));
    assert_eq!(driven.round(&Finding::Clear, "a", 2, 30), (PolicyStep::Stay, false));
    assert_eq!(driven.round(&Finding::Clear, "b", 2, 30), (PolicyStep::Resolve, true));
}

#[test]
fn evidence_of_two_versions_does_not_add_up() {
    let mut driven = Driven::new();
    driven.round(&Finding::Clear, "a", 2, 30);
    assert_eq!(driven.round(&Finding::Clear, "b", 3, 30).0, PolicyStep::Stay);
    assert_eq!(driven.round(&Finding::Clear, "c", 3, 30).0, PolicyStep::Resolve);
}

#[test]
fn unknown_and_warming_break_the_row_and_are_said_once() {
    for finding in [Finding::Undecided, Finding::Warming] {
        let mut driven = Driven::new();
        driven.round(&Finding::Clear, "a", 2, 30);
        assert_eq!(driven.round(&finding, "x", 2, 30), (PolicyStep::Stay, true));
        assert_eq!(driven.round(&finding, "y", 2, 30), (PolicyStep::Stay, false));
        assert_eq!(driven.round(&Finding::Clear, "b", 2, 30).0, PolicyStep::Stay);
        assert_eq!(driven.round(&Finding::Clear, "c", 2, 30).0, PolicyStep::Resolve);
    }
}

#[test]
fn lowering_waits_for_the_hold_and_falls_to_the_worst_seen() {
    let mut driven = Driven::new();
    driven.policy.resolve_after = 3;
    driven.round(&matched("P2"), "a", 2, 5);
    assert_eq!(driven.round(&matched("P1"), "b", 2, 5).0, PolicyStep::Stay, "the hold is not over");
    // The hold ends without new evidence: what came in a row still stands.
    assert_eq!(driven.round(&matched("P1"), "b", 2, 25).0, PolicyStep::Lower(level("P1")));
    assert_eq!(driven.round(&matched("P0"), "c", 2, 1).0, PolicyStep::Raise(level("P0")), "at once");
}

#[test]
fn a_level_never_falls_below_what_the_same_round_found() {
    let mut driven = Driven::new();
    driven.policy.resolve_after = 3;
    // `a` was seen while the level was the same; afterwards it says P1 again, with better evidence in the row.
    driven.round(&matched("P0"), "a", 2, 1);
    driven.round(&matched("P2"), "b", 2, 1);
    driven.round(&matched("P2"), "c", 2, 1);
    assert_eq!(driven.round(&matched("P1"), "a", 2, 60).0, PolicyStep::Lower(level("P1")));
    assert_eq!(driven.round(&matched("P1"), "a", 2, 0), (PolicyStep::Stay, false));
}

#[test]
fn a_better_level_with_a_worse_one_undecided_is_not_better() {
    let mut driven = Driven::new();
    let unsure = Finding::Matched { level: level("P2"), at_least: true };
    for key in ["a", "b", "c"] {
        assert_eq!(driven.round(&unsure, key, 2, 60).0, PolicyStep::Stay);
    }
    assert_eq!(driven.watch.better_in_a_row(), 0);
}

#[test]
fn people_have_the_last_word_until_something_is_new() {
    let mut driven = Driven::new();
    driven.watch.change_level(level("P2"), at(1), true);
    assert_eq!(driven.round(&matched("P0"), "opening", 2, 30), (PolicyStep::Stay, false));
    assert_eq!(driven.round(&matched("P0"), "a", 2, 30).0, PolicyStep::Raise(level("P0")));
    driven.watch.change_level(level("P0"), at(70), true);
    for key in ["b", "c", "d"] {
        assert_eq!(driven.round(&matched("P1"), key, 2, 60).0, PolicyStep::Stay);
    }
    let mut declared = Driven::new();
    declared.watch = Watch::new(level("P0"), at(0));
    for key in ["a", "b", "c"] {
        assert_eq!(declared.round(&Finding::Clear, key, 2, 60).0, PolicyStep::Stay);
    }
}

fn finding() -> impl Strategy<Value = Finding> {
    prop_oneof![
        3 => (prop_oneof![Just("P0"), Just("P1"), Just("P2")], any::<bool>())
            .prop_map(|(name, at_least)| Finding::Matched { level: level(name), at_least }),
        4 => Just(Finding::Clear),
        1 => Just(Finding::Undecided),
        1 => Just(Finding::Warming),
    ]
}

fn rounds() -> impl Strategy<Value = Vec<(Finding, String, u8, i64)>> {
    proptest::collection::vec((finding(), "[a-h]", 0_u8..2, -20_i64..60), 1..40)
}

proptest! {
    #[test]
    fn the_same_round_again_causes_no_event(rounds in rounds()) {
        let mut driven = Driven::new();
        for (finding, key, version, minutes) in rounds {
            driven.round(&finding, &key, version, minutes);
            if driven.over {
                break;
            }
            prop_assert_eq!(driven.round(&finding, &key, version, 0), (PolicyStep::Stay, false));
        }
    }

    #[test]
    fn bad_news_counts_at_once_and_good_news_only_when_new(rounds in rounds()) {
        let mut driven = Driven::new();
        let mut clear_keys = BTreeSet::new();
        let mut seen = BTreeSet::from(["opening".to_owned()]);
        for (finding, key, version, minutes) in rounds {
            let before = driven.watch.level().clone();
            let (step, _) = driven.round(&finding, &key, version, minutes);
            if let Some(level) = finding.level() {
                prop_assert!(!level.is_worse_than(driven.watch.level()), "not raised at once");
            }
            let decided = matches!(finding, Finding::Clear | Finding::Matched { at_least: false, .. });
            match &step {
                PolicyStep::Lower(level) => {
                    prop_assert!(before.is_worse_than(level));
                    prop_assert!(decided, "{finding:?} lowered");
                }
                PolicyStep::Resolve => {
                    prop_assert_eq!(&finding, &Finding::Clear);
                    clear_keys.insert(key.clone());
                    prop_assert!(clear_keys.len() >= 2, "resolved on {clear_keys:?}");
                    break;
                }
                _ => {}
            }
            match finding {
                Finding::Clear if !seen.contains(&key) => { clear_keys.insert(key.clone()); }
                Finding::Clear => {}
                _ => clear_keys.clear(),
            }
            if decided {
                seen.insert(key);
            }
        }
    }

    #[test]
    fn what_cannot_be_decided_never_ends_an_incident(
        rounds in proptest::collection::vec(("[a-z]", 0_u8..3, 0_i64..600, any::<bool>()), 1..40)
    ) {
        let mut driven = Driven::new();
        for (key, version, minutes, warming) in rounds {
            let finding = if warming { Finding::Warming } else { Finding::Undecided };
            prop_assert_eq!(driven.round(&finding, &key, version, minutes).0, PolicyStep::Stay);
        }
    }
}
