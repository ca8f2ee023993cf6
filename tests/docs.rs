//! The documentation says what the code does.

mod support;

use irctl::base::ErrorCode;

#[test]
fn every_error_code_is_documented_with_its_exit_status() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/exit-codes.md");
    let text = std::fs::read_to_string(path).unwrap();
    let missing: Vec<_> = ErrorCode::ALL
        .iter()
        .map(|code| format!("| `{}` | {} |", code.as_str(), code.exit()))
        .filter(|row| !text.contains(row))
        .collect();
    assert!(missing.is_empty(), "add these rows to docs/exit-codes.md:\n{}", missing.join("\n"));
}

/// Every command of the table in docs/json.md prints the keys that stand beside it, on a night of the fixtures.
#[test]
fn the_keys_of_json_output_are_documented() {
    let workspace = support::Workspace::healthy();
    let text = std::fs::read_to_string(support::repository().join("docs/json.md")).unwrap();
    let mut seen = 0;
    let keys = text.lines().take_while(|line| !line.starts_with("| command | schema |"));
    for line in keys.filter(|line| line.starts_with("| `irctl")) {
        let mut cells = line.trim_matches('|').split(" | ");
        let command = cells.next().unwrap().trim().trim_matches('`').to_owned();
        let documented: Vec<_> = cells.next().unwrap().split('`').skip(1).step_by(2).collect();
        let mut arguments: Vec<_> = command.split_whitespace().skip(1).collect();
        arguments.extend(["--output", "json"]);
        let run = workspace.irctl(&arguments);
        let mut value = run.json();
        if line.contains("[…]") {
            value = value.as_array_mut().unwrap().remove(0);
        }
        let missing: Vec<_> = value.as_object().unwrap().keys().collect();
        let missing: Vec<_> = missing.into_iter().filter(|key| !documented.contains(&key.as_str())).collect();
        assert!(missing.is_empty(), "{command}: docs/json.md lacks {missing:?}");
        seen += 1;
    }
    assert!(seen > 20, "the table is gone");
}

/// A link from one page to another leads to a file.
#[test]
fn links_lead_somewhere() {
    let root = support::repository();
    let mut pages: Vec<_> =
        std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.push(root.join("README.md"));
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap();
            let there =
                link.contains("://") || target.is_empty() || page.parent().unwrap().join(target).exists();
            assert!(there, "{}: {link}", page.display());
        }
    }
}

/// The fenced YAML of a page.
fn examples(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(support::repository().join("docs").join(page)).unwrap();
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    blocks.map(|block| format!("{block}\n")).collect()
}

/// The YAML of the pages is what irctl takes; only names that it leaves to the reader are missing.
#[test]
fn examples_of_configuration_are_valid() {
    let workspace = support::Workspace::healthy();
    let first = |page: &str| examples(page).remove(0);
    workspace.write("config/verify/doc.yaml", first("verify.md").replace("suite: rila-smoke", "suite: doc"));
    workspace.write("config/severity/doc.yaml", first("severity.md"));
    workspace.write("config/notify.yaml", first("notify.md"));
    let probes: String = examples("probes.md").concat().lines().map(|line| format!("  {line}\n")).collect();
    // What stands under `rollback:` on two pages is one mapping in the file.
    let ready = first("readiness.md").replace("rollback:\n", "");
    let service = format!(
        "service: doc\nkind: model\nscheme: protocol-25\nprobes:\n{probes}{}{ready}{}",
        first("rollback.md"),
        first("incidents.md")
    );
    workspace.write("config/services/doc.yaml", &service);
    let found = workspace.irctl(&["config", "check", "--output", "json"]).json();
    let wrong: Vec<_> = found
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["severity"] == "error" && one["code"] != "dangling-reference")
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(!found.as_array().unwrap().is_empty(), "the examples were not read");
}
