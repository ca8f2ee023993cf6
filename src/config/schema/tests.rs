//! The shapes that configuration structs have, each with what people get wrong in it.

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::*;
use crate::base::{Duration, SecretReference};
use crate::config::render::render;
use crate::config::yaml::parse;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Whole {
    probes: Option<BTreeMap<String, Probe>>,
    mode: Option<Mode>,
    limit: Option<Limit>,
    contain: Option<bool>,
    ratio: Option<f64>,
    pair: Option<[f64; 2]>,
    wait: Option<Duration>,
    secret: Option<SecretReference>,
    #[schemars(extend("format" = "test-quantity"))]
    quantity: Option<String>,
    any: Option<serde_json::Value>,
}

/// One of these.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Probe {
    /// A table.
    Table(Table),
    /// A list of words.
    Command(Vec<String>),
    /// Nothing to say about it.
    Manual,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Table {
    /// The file.
    file: String,
    rows: Option<u32>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    /// File by file.
    PerFile,
    /// All at once.
    Exchange,
}

/// A bound.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Limit {
    Number(f64),
    Range { least: f64, most: f64 },
}

fn quantity(text: &str) -> Result<(), formats::Fault> {
    match text.find('?') {
        None => Ok(()),
        Some(at) => Err(formats::Fault { message: "a question".into(), help: None, span: Some(at..at + 1) }),
    }
}

fn checked(text: &str) -> (Json, Report, Arc<Source>) {
    let source = Source::new("x.yaml", text);
    let (tree, report) = parse(&source);
    assert!(report.is_empty(), "{}", render(&report, false));
    let schema = schema_for!(Whole).to_value();
    let mut formats = Formats::standard();
    formats.register("test-quantity", quantity);
    let (value, mut report) = check(&source, &tree.unwrap(), &schema, &formats);
    report.sort();
    (value, report, source)
}

/// Code, what is underlined, message, help.
fn faults(text: &str) -> Vec<String> {
    let (_, report, source) = checked(text);
    let shown = report.diagnostics().iter().map(|found| {
        let help = found.help.as_deref().unwrap_or("-");
        format!("{} [{}] {} | {help}", found.code, source.slice(&found.span), found.message)
    });
    shown.collect()
}

#[track_caller]
fn fault(text: &str, expected: &str) {
    assert_eq!(faults(text), [expected], "{text}");
}

#[test]
fn what_fits_deserializes() {
    let (value, report, _) = checked(
        "probes: {a: {table: {file: x}}, b: {command: [ls]}, c: manual}\nmode: per-file\nlimit: {least: 1, most: 2}\n\
         contain: true\nratio: 1\npair: [0, 1]\nwait: 5m\nsecret: env:X\nquantity: 5\nany: {yes: [1]}\n",
    );
    assert!(report.is_empty(), "{}", render(&report, false));
    assert_eq!(value["quantity"], "5", "a text with a grammar is taken as written");
    assert!(serde_json::from_value::<Whole>(value).is_ok());
}

#[test]
fn kinds() {
    fault(
        "probes: {a: {tabel: {file: x}}}",
        "unknown-key [tabel] there is no kind `tabel` here | did you mean `table`?",
    );
    fault("probes: {a: table}", "one-kind [table] `table` needs details | write `table: …` as a mapping");
    fault("probes: {a: {}}", "one-kind [a] `a` names no kind | kinds: `table`, `command`");
    fault(
        "probes: {a: [x]}",
        "wrong-type [a] `a` must name one kind, not a list | kinds: `manual`, `table`, `command`",
    );
    fault(
        "probes: {a: {table: {file: x}, rows: 5}}",
        "unknown-key [rows] `rows` cannot stand beside `table` | if it belongs to `table`, indent it below that",
    );
    fault(
        "probes: {a: {table: {file: x}, command: [x]}}",
        "one-kind [command] `a` names two kinds: `table` and `command` | choose one; give the other a name of its own",
    );
    fault(
        "probes: {a: {manual: {x: 1}}}",
        "unknown-key [manual] there is no kind `manual` here | `manual` takes no details: write just the word",
    );
    fault("probes: {a: manuel}", "unknown-value [manuel] `a` cannot be `manuel` | did you mean `manual`?");
    fault("probes: {a: {table: {}}}", "missing-key [table] `table` lacks the key `file` | `file`: The file.");
    fault(
        "probes: {a: {table: {file: x, rows: -1}}}",
        "out-of-range [-1] `rows` is -1, and must be at least 0 | -",
    );
}

#[test]
fn words_and_switches() {
    fault(
        "mode: per_file",
        "unknown-value [per_file] `mode` cannot be `per_file` | did you mean `per-file`?",
    );
    fault("mode: 5", "unknown-value [5] `mode` cannot be `5` | it is one of `per-file`, `exchange`");
    fault("contain: yes", "wrong-type [yes] `contain` must be true or false, not text | write true");
    fault("contain: off", "wrong-type [off] `contain` must be true or false, not text | write false");
    fault(
        "contain: 'true'",
        "wrong-type ['true'] `contain` must be true or false, not text | leave the quotes out",
    );
    fault("contain: 1", "wrong-type [1] `contain` must be true or false, not a number | -");
}

#[test]
fn numbers() {
    fault("ratio: 25%", "wrong-type [25%] `ratio` must be a number, not text | write the fraction: 0.25");
    fault(
        "ratio: 1_000",
        "wrong-type [1_000] `ratio` must be a number, not text | write it without separators: 1000",
    );
    fault("ratio: '5'", "wrong-type ['5'] `ratio` must be a number, not text | leave the quotes out");
    fault("pair: [1]", "out-of-range [pair] `pair` has 1 items, exactly 2 are needed | -");
    fault("limit: high", "wrong-type [high] `limit` must be a number or a mapping, not text | -");
    fault("limit: {least: 1}", "missing-key [limit] `limit` lacks the key `most` | -");
}

#[test]
fn grammars_point_into_the_text() {
    fault("quantity: 12 ? 5", "invalid-value [?] a question | -");
    fault("quantity: >\n  12\n  ? 5", "invalid-value [?] a question | -");
    fault(
        "wait: 90",
        "invalid-value [90] `90` has no unit: is it 90s, 90m or 90h? | write a number and a unit: 500ms, 30s, 15m, 1h, 7 days, 2w, 3bd (business days)",
    );
}

#[test]
fn secrets_in_files_are_not_repeated() {
    for text in ["secret: hunter2", "{mode: exchange, secret: hunter2}", "password: hunter2"] {
        let (_, report, _) = checked(text);
        let shown = render(&report, false) + &serde_json::to_string(&report.to_json()).unwrap();
        assert!(report.errors() == 1 && !shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn nothing_is_not_something() {
    fault("mode:", "wrong-type [mode] `mode` has no value | give it a value, or leave the key out");
    assert!(faults("mode: null").is_empty());
    assert!(faults("any:").is_empty());
}
