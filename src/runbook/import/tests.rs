//! What becomes of Markdown.

use super::*;
use crate::runbook::lint::{self, Level};
use crate::runbook::{Kind, problems};
use proptest::prelude::*;

const PROCEDURE: &str = r#"# Emergency rollback

When to use this: losses.

## Checklist

- [ ] Issue is confirmed
- [x] Backup is there

## Step 1: Look

Check what is in production:

```bash
ls -l models/
```

```bash
PGPASSWORD='hunter22' psql -c "SELECT 1"
```

```sql
SELECT * FROM log WHERE model = '{MODEL_NAME}';
```

## Step 2: Stop

```bash
pkill -f "run_daily"
```

Tell everybody.

```bash
rm -rf outputs/*
```

## Contacts

| Role | Contact | When |
|---|---|---|
| Lead | ada@example.org | always |

## Timeline

| Time | Action |
|---|---|
| T+2 min | Trading stopped |
| T+1 hour | All over |
"#;

/// Nothing is wrong with a draft, and nothing about it is unwise.
fn is_sound(draft: &Draft) {
    let found = problems(&draft.runbook);
    assert!(found.is_empty(), "{found:?}\n{:#?}", draft.runbook.steps);
    let found: Vec<_> = lint::alone(&draft.runbook, chrono::NaiveDate::MIN)
        .into_iter()
        .filter(|finding| finding.rule.level == Level::Error)
        .collect();
    assert!(found.is_empty(), "{found:?}\n{:#?}", draft.runbook.steps);
}

#[test]
fn a_procedure_becomes_steps() {
    let draft = import(PROCEDURE, "rollback", "rollback.md");
    is_sound(&draft);
    let yaml = draft.yaml("rollback.md").unwrap();
    assert!(!yaml.contains("hunter22"), "{yaml}");
    insta::assert_snapshot!("procedure", yaml);
    let kinds: Vec<_> = draft.runbook.steps.iter().filter_map(|step| step.kind()).map(Kind::name).collect();
    assert_eq!(kinds, ["manual", "run", "run", "sql", "manual", "manual", "note", "note"]);
}

#[test]
fn whatever_is_read_is_read_back() {
    let draft = import(PROCEDURE, "rollback", "rollback.md");
    let yaml = draft.yaml("rollback.md").unwrap();
    let value: serde_json::Value = serde_yaml::from_str(&yaml).unwrap();
    let again: RunbookConfig = serde_json::from_value(value).unwrap();
    assert_eq!(serde_json::to_value(&again).unwrap(), serde_json::to_value(&draft.runbook).unwrap());
}

#[test]
fn little_and_nothing_are_drafts_as_well() {
    for text in [
        "",
        "\n\n",
        "# ",
        "just a text",
        "```\n",
        "- [ ] ",
        "| a |\n|---|\n",
        "## One\n## Two",
        "```bash\n```",
        "> quote\n> ```sh\n> rm -rf /\n> ```",
    ] {
        is_sound(&import(text, "little", "little.md"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_text_panics_and_every_draft_is_sound(
        text in "(# |## |- |- \\[ \\] |```bash\n|```sql\n|```\n|\\||---|rm -rf \\*|pkill x|PASSWORD=abcdef1|SELECT 1|\\{A_B\\}|\\{\\{|\\}\\}|`|'|\"|\\$\\(|https://a:secretsecret@b|[a-zé \n\t]){0,40}",
    ) {
        let draft = import(&text, "random", "random.md");
        is_sound(&draft);
        draft.yaml("random.md").unwrap();
    }

    #[test]
    fn any_text_is_taken(text in any::<String>()) {
        is_sound(&import(&text, "random", "random.md"));
    }
}
