//! One suite for all targets: what each must do when it is observed, predicted, staged, switched, undone, meddled with
//! and rehearsed. A kind of target without a row here fails.

mod command;
mod conformance;
mod files;
mod folders;
mod git;
mod kubernetes;
mod registry;
mod settings;
mod sql;
#[path = "../support/sweep.rs"]
mod thoroughness;

/// Each kind of target that the configuration knows has a file here that runs the suite.
#[test]
fn every_kind_of_target_has_a_row() {
    let schema = schemars::schema_for!(irctl::rollback::config::TargetConfig);
    let alternatives = schema.get("oneOf").and_then(|value| value.as_array()).expect("an enumeration");
    let mut kinds = Vec::new();
    for alternative in alternatives {
        let properties = alternative.get("properties").and_then(|value| value.as_object()).expect("a kind");
        kinds.extend(properties.keys().cloned());
    }
    assert!(kinds.len() >= 7, "{kinds:?}");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/targets");
    let missing: Vec<_> = kinds
        .iter()
        .filter(|kind| {
            // A recipe is a command with its programs in a file of their own.
            let file = if *kind == "recipe" { "command" } else { kind.as_str() };
            !files_of(&folder, file).iter().any(|text| text.contains("conformance::run("))
        })
        .collect();
    assert!(missing.is_empty(), "kinds of targets without a row in the conformance suite: {missing:?}");
}

/// The text of a kind's file, and of those in its folder.
fn files_of(folder: &std::path::Path, kind: &str) -> Vec<String> {
    let below = std::fs::read_dir(folder.join(kind)).into_iter().flatten().flatten();
    let all = below.map(|entry| entry.path()).chain([folder.join(format!("{kind}.rs"))]);
    all.filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}
