//! A procedure in Markdown, through the program.

use super::support::Workspace;

const PROCEDURE: &str = "# Flush the caches\n\n## Look\n\n```bash\nls outputs\n```\n\n## Empty them\n\n```bash\nredis-cli FLUSHDB\nPGPASSWORD='hunter2hunter2' psql -c 'SELECT 1'\n```\n";

#[test]
fn a_draft_is_a_runbook_that_lints_without_errors() {
    let workspace = Workspace::healthy();
    workspace.write("flush.md", PROCEDURE);
    let printed = workspace.irctl(&["runbook", "import", "flush.md"]).expect(0);
    assert!(!printed.stdout.contains("hunter2") && !printed.stderr.contains("hunter2"), "{}", printed.stdout);
    assert!(printed.stderr.contains("flush.md:11: "), "{}", printed.stderr);
    workspace.irctl(&["runbook", "import", "flush.md", "--write", "runbooks/flush.yaml"]).expect(0);
    assert_eq!(workspace.read("runbooks/flush.yaml"), printed.stdout);
    let linted = workspace.irctl(&["runbook", "lint", "flush", "--output", "json"]).expect(0).json();
    let rules: Vec<_> = linted.as_array().unwrap().iter().map(|row| row["rule"].as_str().unwrap()).collect();
    assert!(rules.contains(&"no-owner"), "{rules:?}");
    workspace.irctl(&["config", "check"]).expect(0);
    let shown = workspace.irctl(&["runbook", "show", "flush"]).expect(0).stdout;
    assert!(shown.contains("Not run as it stands (database-flush)"), "{shown}");
}

#[test]
fn nothing_is_written_over_and_no_name_is_made_up() {
    let workspace = Workspace::healthy();
    workspace.write("flush.md", PROCEDURE);
    let before = workspace.read("runbooks/signs-flip.yaml");
    workspace.irctl(&["runbook", "import", "flush.md", "--write", "runbooks/signs-flip.yaml"]).expect(12);
    assert_eq!(workspace.read("runbooks/signs-flip.yaml"), before);
    workspace.irctl(&["runbook", "import", "flush.md", "--name", "../x"]).expect(64);
    workspace.irctl(&["runbook", "import", "none.md"]).expect(65);
    let json = workspace.irctl(&["runbook", "import", "flush.md", "--output", "json"]).expect(0).json();
    assert_eq!(json["runbook"], "flush");
}
