//! The templates of services: none is loaded from where it stands, each is valid, can be loaded once it is copied, and
//! its scheme's thresholds fire on what it measures.

use irctl::config::{Kind, check_bytes, render};
use std::path::PathBuf;

use crate::support::{Workspace, copy_tree, repository};

fn folder() -> PathBuf {
    repository().join("config/services/templates")
}

/// Every template: its name and its text.
fn templates() -> Vec<(String, String)> {
    let mut found: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    found.sort();
    assert!(found.len() >= 2, "{found:?}");
    found
}

/// A workspace with one template copied as its head says.
fn copied(text: &str) -> Workspace {
    let workspace = Workspace::healthy();
    let service: serde_json::Value = serde_saphyr::from_str(text).unwrap();
    let name = service["service"].as_str().unwrap();
    workspace.write(format!("config/services/{name}.yaml"), text);
    for suite in std::fs::read_dir(folder().join("verify")).unwrap() {
        let path = suite.unwrap().path();
        let suite = std::fs::read_to_string(&path).unwrap();
        if suite.contains(&format!("\nservice: {name}\n")) {
            workspace.write(format!("config/verify/{}", path.file_name().unwrap().display()), suite);
        }
    }
    workspace
}

#[test]
fn none_is_loaded_from_where_it_stands() {
    let with = Workspace::healthy();
    let shown = |workspace: &Workspace| workspace.irctl(&["config", "check"]).expect(0).stdout;
    let all = shown(&with);
    assert!(with.path("config/services/templates").is_dir());
    std::fs::remove_dir_all(with.path("config/services/templates")).unwrap();
    assert_eq!(shown(&with), all, "as many files");
    assert!(!all.contains("templates"), "{all}");
}

#[test]
fn each_is_valid_by_itself() {
    for (name, text) in templates() {
        let report = check_bytes(Kind::Service, &format!("{name}.yaml"), text.as_bytes());
        assert!(report.is_empty(), "{}", render(&report, false));
    }
    for suite in std::fs::read_dir(folder().join("verify")).unwrap() {
        let path = suite.unwrap().path();
        let report = check_bytes(Kind::Verify, "suite.yaml", &std::fs::read(&path).unwrap());
        assert!(report.is_empty(), "{}: {}", path.display(), render(&report, false));
    }
}

#[test]
fn each_is_loaded_once_it_is_copied() {
    for (name, text) in templates() {
        let workspace = copied(&text);
        let found = workspace.irctl(&["config", "check", "--output", "json"]).json();
        let errors: Vec<_> =
            found.as_array().unwrap().iter().filter(|one| one["severity"] == "error").collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
        assert!(
            !found.to_string().contains("unmeasured-metric"),
            "{name} measures what its scheme needs: {found:#}"
        );
        // Whoever keeps the folder beside it loads nothing twice.
        copy_tree(&folder(), &workspace.path("config/services/templates"));
        assert_eq!(workspace.irctl(&["config", "check", "--output", "json"]).json(), found);
    }
}

/// Whoever takes the template loses nothing that the demonstration measures.
#[test]
fn the_template_of_rila_measures_what_the_shipped_service_does() {
    let text = std::fs::read_to_string(repository().join("config/services/rila_6y20b.yaml")).unwrap();
    let shipped = crate::measured(&serde_saphyr::from_str(&text).unwrap());
    let template = crate::measured(&crate::template("rila-production", &[]));
    for (name, metrics) in shipped {
        let own = template.get(&name).unwrap_or_else(|| panic!("there is no probe {name}"));
        assert!(metrics.iter().all(|metric| own.contains(metric)), "{name}: {metrics:?}, {own:?}");
    }
}

#[test]
fn every_threshold_fires_on_what_each_measures() {
    for (name, text) in templates() {
        let service: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let workspace = copied(&text);
        let service = service["service"].as_str().unwrap();
        let report = workspace.irctl(&["check", "--test", "--service", service, "--output", "json"]);
        let found = report.json();
        assert_eq!((report.status, found["never"].as_u64()), (0, Some(0)), "{name}: {found:#}");
        assert!(found["thresholds"].as_u64().unwrap() > 10, "{name}");
    }
}
