//! No text makes irctl panic, whatever it says.

use irctl::config::{Kind, check_bytes, render};
use irctl::runbook::lint::lint;
use irctl::runbook::{RunbookConfig, Surroundings, show};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const SEEDS: [&str; 3] = [
    include_str!("../config/valid/runbook/everything.yaml"),
    include_str!("../../runbooks/mape-sustained.yaml"),
    include_str!("../../runbooks/acis-model-rollback.yaml"),
];

/// The runbook, if it is one.
fn read(text: &[u8]) -> Option<RunbookConfig> {
    let value: serde_json::Value = serde_yaml::from_str(std::str::from_utf8(text).ok()?).ok()?;
    serde_json::from_value(value).ok()
}

fn everything(text: &[u8]) {
    let report = check_bytes(Kind::Runbook, "runbooks/x.yaml", text);
    render(&report, false);
    let _ = report.to_json();
    let Some(runbook) = read(text) else { return };
    let (runbooks, recipes) = (BTreeMap::new(), BTreeMap::new());
    let around = Surroundings {
        services: BTreeMap::new(),
        service_names: BTreeSet::new(),
        suites: BTreeSet::new(),
        runbooks: &runbooks,
        runbook_names: BTreeSet::new(),
        recipes: &recipes,
        recipe_names: BTreeSet::new(),
        roles: None,
        has_template: &|_| false,
    };
    lint(&runbook, "2026-11-20".parse().unwrap(), &around);
    irctl::runbook::in_surroundings(&runbook, &around);
    show::text(&runbook, 80);
    show::markdown(&runbook);
    show::checklist(&runbook);
}

#[test]
fn the_seeds_are_looked_at_as_a_whole() {
    for seed in SEEDS {
        assert!(read(seed.as_bytes()).is_some());
        everything(seed.as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn damaged_runbooks_never_panic(
        seed in 0..SEEDS.len(),
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut bytes = SEEDS[seed].as_bytes().to_vec();
        for (index, byte) in cuts {
            let at = index.index(bytes.len());
            match byte % 4 {
                0 => drop(bytes.remove(at)),
                1 => bytes[at] = b"{}[]:,'\"`$*&|>- \n"[usize::from(byte) % 17],
                _ => bytes[at] = byte,
            }
        }
        everything(&bytes);
    }

    #[test]
    fn texts_in_steps_never_panic(text in any::<String>(), words in proptest::collection::vec(any::<String>(), 1..4)) {
        let step = serde_json::json!({
            "runbook": "r", "title": "t", "allow": ["shell"],
            "steps": [
                {"id": "a", "manual": text},
                {"id": "b", "shell": {"script": text}},
                {"id": "c", "run": {"argv": words, "env": {"X": text}}},
                {"id": "d", "sql": {"read": {"database": {"sqlite": {"file": "a.db"}}, "query": text}}},
            ]
        });
        everything(step.to_string().as_bytes());
    }
}
