//! Findings as SARIF 2.1.0 (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/>), as code scanning reads it.

use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::LintRow;
use crate::config::diagnostic::Severity;
use crate::runbook::lint::{Level, RULES};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The log of one run.
pub(super) fn log(rows: &[LintRow]) -> Value {
    let mut rules: Vec<Value> = RULES
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id,
                "shortDescription": {"text": rule.summary},
                "fullDescription": {"text": rule.explanation},
                "help": {"text": rule.explanation},
                "defaultConfiguration": {"level": level(rule.level == Level::Error)}
            })
        })
        .collect();
    let mut numbers: BTreeMap<String, usize> =
        RULES.iter().enumerate().map(|(number, rule)| (rule.id.to_owned(), number)).collect();
    // Errors of the configuration have names, too.
    for row in rows.iter().filter(|row| row.explanation.is_none()) {
        numbers.entry(row.rule.clone()).or_insert_with(|| {
            let text = "irctl config check";
            rules.push(json!({"id": row.rule, "shortDescription": {"text": text}}));
            rules.len() - 1
        });
    }
    let results: Vec<Value> = rows.iter().map(|row| result(row, numbers.get(&row.rule).copied())).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "irctl runbook lint",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules
            }},
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {"ROOT": {"description": {"text": "The root of the workspace."}}},
            "results": results
        }]
    })
}

fn level(error: bool) -> &'static str {
    if error { "error" } else { "warning" }
}

fn result(row: &LintRow, number: Option<usize>) -> Value {
    let text = match &row.help {
        Some(help) => format!("{}. Instead: {help}", row.message),
        None => row.message.clone(),
    };
    let artifact = json!({"uri": uri(&row.file), "uriBaseId": "ROOT"});
    let mut physical = json!({ "artifactLocation": artifact });
    if let (Some(line), Some(column), Some(object)) = (row.line, row.column, physical.as_object_mut()) {
        let mut region = json!({"startLine": line, "startColumn": column});
        if let (Some(end), Some(region)) = (row.end_column, region.as_object_mut()) {
            region.insert("endLine".to_owned(), line.into());
            region.insert("endColumn".to_owned(), end.max(column).into());
        }
        object.insert("region".to_owned(), region);
    }
    let mut result = json!({
        "ruleId": row.rule,
        "level": level(row.severity == Severity::Error),
        "message": {"text": text},
        "locations": [{"physicalLocation": physical}]
    });
    if let (Some(number), Some(object)) = (number, result.as_object_mut()) {
        object.insert("ruleIndex".to_owned(), number.into());
    }
    result
}

/// A path as a relative reference: everything but what may stand in one is written in hexadecimal.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_references() {
        assert_eq!(uri("runbooks/a b#ü.yaml"), "runbooks/a%20b%23%C3%BC.yaml");
    }
}
