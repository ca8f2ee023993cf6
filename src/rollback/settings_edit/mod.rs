//! Changes single keys in a YAML, JSON, TOML or .env text and leaves every other byte as it is: comments, order, quotes,
//! line endings, a missing last line break.
//!
//! This is text in, text out; reading and writing the file belongs to the caller. After an edit the result is
//! read again and compared with what it was made from: unless exactly the named keys changed, it is an error.

mod compare;
mod env;
mod json;
mod path;
mod splice;
mod toml;
mod tree;
mod write;
mod yaml;

use serde_json::Value;
use std::path::Path;

use crate::base::{Error, ErrorCode, Result};
use compare::{Edit, difference};
pub use path::KeyPath;
use splice::{holds, replacement, splice};
use tree::Document;

/// The language a settings file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// YAML, one document.
    Yaml,
    /// Strict JSON.
    Json,
    /// TOML.
    Toml,
    /// Environment variables: `KEY=value` lines.
    Env,
}

impl Format {
    /// The format that a file's name announces: `.json` is JSON, `.yml` and `.yaml` are YAML, `.toml` is TOML; `.env`,
    /// `.env.*` and `*.env` are environment files.
    pub fn of(path: &Path) -> Result<Self> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => Ok(Format::Json),
            Some("yml" | "yaml") => Ok(Format::Yaml),
            Some("toml") => Ok(Format::Toml),
            Some("env") => Ok(Format::Env),
            _ if name == ".env" || name.starts_with(".env.") => Ok(Format::Env),
            _ => Err(Error::new(
                ErrorCode::InvalidData,
                format!("{} is neither YAML, JSON, TOML nor an environment file by its name", path.display()),
            )
            .hint("settings are edited in files that end in .yaml, .yml, .json, .toml or .env, or are called .env.NAME")),
        }
    }

    fn parse(self, text: &str) -> Result<Document> {
        match self {
            Format::Yaml => yaml::parse(text),
            Format::Json => json::parse(text),
            Format::Toml => toml::parse(text),
            Format::Env => env::parse(text),
        }
    }
}

/// The value at a dotted path; `None` where there is none.
///
/// YAML scalars are typed by the core schema of YAML 1.2: a plain `off` is a text. Dates of TOML are texts as they are
/// written, values of an environment file are always texts. It is an error if the text cannot be read, or if the path
/// leads through an alias.
pub fn get(format: Format, text: &str, path: &str) -> Result<Option<Value>> {
    let path: KeyPath = path.parse()?;
    let document = format.parse(text)?;
    match document.find(&path) {
        Ok(place) => place.node.value(&path).map(Some),
        Err(error) if error.code == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The text with each named key set to its value, all other bytes unchanged.
///
/// A text keeps its quotes where they can hold the new value. A key that already has the value is left as it is
/// written. Errors: a key that does not exist (with the one probably meant), a key named twice, and places
/// that cannot be changed without changing something else (aliases, anchors, tags, indented collections,
/// several documents, duplicate keys). A date of TOML stays a date, a value of an environment file a text.
pub fn set<P: AsRef<str>>(format: Format, text: &str, changes: &[(P, Value)]) -> Result<String> {
    let document = format.parse(text)?;
    let mut edits: Vec<Edit<'_>> = Vec::new();
    let mut splices = Vec::new();
    for (path, value) in changes {
        let path: KeyPath = path.as_ref().parse()?;
        if let Some(edit) = edits.iter().find(|edit| edit.path.overlaps(&path)) {
            return Err(Error::new(
                ErrorCode::InvalidData,
                format!("`{}` and `{path}` would change the same setting", edit.path),
            ));
        }
        let place = document.find(&path)?;
        document.refuse_shared(&place, &path)?;
        if !holds(format, text, place.node, &path, value) {
            splices.extend(replacement(format, text, &document, &place, &path, value)?);
        }
        edits.push(Edit { path, trail: place.trail, value });
    }
    let edited = splice(text, splices);
    let after = format.parse(&edited).map_err(|error| spoiled(&error.message))?;
    match difference((&document.root, text), (&after.root, &edited), &edits) {
        Some(difference) => Err(spoiled(&difference)),
        None => Ok(edited),
    }
}

fn spoiled(why: &str) -> Error {
    Error::new(ErrorCode::InvalidData, format!("the change would not leave the rest as it is: {why}"))
        .hint("change this file by hand, and report the case")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const ROLLOUT: &str = "# Rollout of the model. Ask before you touch it.\r\n\
        rollout:\r\n  mode: enabled   # enabled, shadow, disabled\r\n  share: '25'\r\n\
        clients: [ {name: desk, on: yes}, {name: web, on: off} ]\r\n\
        note: |  # kept\r\n  two\r\n  lines\r\n\r\nempty:\r\n\
        base: &base {a: 1}\r\nderived: *base\r\n\
        \"app.example.org\": {mode: \"x\"}\r\nlast: 1.50";

    fn yaml(path: &str, value: Value) -> Result<String> {
        set(Format::Yaml, ROLLOUT, &[(path, value)])
    }

    #[test]
    fn changes_only_what_is_named() {
        for (path, value, from, to) in [
            ("rollout.mode", json!("disabled"), "mode: enabled ", "mode: disabled "),
            ("rollout.mode", json!("off"), "mode: enabled ", "mode: \"off\" "),
            ("rollout.share", json!("50"), "share: '25'", "share: '50'"),
            ("rollout.share", json!(50), "share: '25'", "share: 50"),
            ("clients.1.on", json!(false), "web, on: off}", "web, on: false}"),
            ("clients.1.on", json!("off"), "web, on: off}", "web, on: \"off\"}"),
            ("clients", json!([]), "[ {name: desk, on: yes}, {name: web, on: off} ]", "[]"),
            ("note", json!("one"), "|  # kept\r\n  two\r\n  lines\r\n", "\"one\"  # kept\r\n"),
            ("empty", json!("x y"), "empty:\r\n", "empty: x y\r\n"),
            ("\"app.example.org\".mode", json!("y"), "{mode: \"x\"}", "{mode: \"y\"}"),
            ("last", json!(2), "last: 1.50", "last: 2"),
        ] {
            let edited = yaml(path, value.clone()).unwrap();
            assert_eq!(edited, ROLLOUT.replace(from, to), "{path}");
            assert_eq!(get(Format::Yaml, &edited, path).unwrap(), Some(value), "{path}");
        }
    }

    #[test]
    fn names_announce_formats() {
        for (name, format) in [
            ("config/app.yml", Some(Format::Yaml)),
            ("a.yaml", Some(Format::Yaml)),
            ("a.json", Some(Format::Json)),
            ("pyproject.toml", Some(Format::Toml)),
            (".env", Some(Format::Env)),
            ("deploy/.env.production", Some(Format::Env)),
            ("prod.env", Some(Format::Env)),
            (".environment", None),
            ("env", None),
            ("a.ini", None),
        ] {
            assert_eq!(Format::of(Path::new(name)).ok(), format, "{name}");
        }
    }

    #[test]
    fn contains_the_fixture_and_releases_it_again() {
        let text = include_str!("../../../fixtures/rila_6y20b/base/config/rollout.yml");
        let contained = set(Format::Yaml, text, &[("rollout.mode", json!("disabled"))]).unwrap();
        assert_eq!(contained, text.replacen("mode: active   #", "mode: disabled   #", 1));
        assert_eq!(set(Format::Yaml, &contained, &[("rollout.mode", json!("active"))]).unwrap(), text);
    }

    #[test]
    fn changes_several_at_once_and_leaves_what_already_is_so() {
        let both = [("last", json!(1.5)), ("rollout.mode", json!("enabled")), ("rollout.share", json!("25"))];
        assert_eq!(set(Format::Yaml, ROLLOUT, &both[1..]).unwrap(), ROLLOUT);
        let edited =
            set(Format::Yaml, ROLLOUT, &[("last", json!(3)), ("rollout.mode", json!("shadow"))]).unwrap();
        assert_eq!(edited, ROLLOUT.replace("1.50", "3").replace("mode: enabled", "mode: shadow"));
        assert_eq!(
            set(Format::Yaml, &edited, &[("rollout.mode", json!("enabled"))]).unwrap(),
            ROLLOUT.replace("1.50", "3")
        );
    }

    #[test]
    fn says_why_it_refuses() {
        let message = |error: Error| format!("{} ({})", error.message, error.hint.unwrap_or_default());
        let refusals: Vec<_> = [
            ("rollout.mod", json!(1)),
            ("rollout.colour", json!(1)),
            ("clients.7", json!(1)),
            ("clients.web", json!(1)),
            ("rollout.mode.x", json!(1)),
            ("rollout", json!(1)),
            ("base.a", json!(1)),
            ("derived", json!(1)),
            ("derived.a", json!(1)),
            ("a..b", json!(1)),
        ]
        .into_iter()
        .map(|(path, value)| message(yaml(path, value).unwrap_err()))
        .collect();
        insta::assert_snapshot!(refusals.join("\n"));
        let documents: Vec<_> = [
            "a: 1\n---\na: 2\n",
            "a: 1\nb: 2\na: 3\n",
            "a:\n\tb: 1\n",
            "",
            "a: [1, # x\n2]\n",
            "a: !!str 1\n",
            "<<: {b: 1}\nc: 1\n",
        ]
        .into_iter()
        .map(|text| message(set(Format::Yaml, text, &[("a", json!(9))]).unwrap_err()))
        .collect();
        insta::assert_snapshot!(documents.join("\n"));
        assert!(set(Format::Yaml, ROLLOUT, &[("last", json!(1)), ("last", json!(2))]).is_err());
    }

    #[test]
    fn edits_json_in_place() {
        let text =
            "{\n\t\"rollout\" : {\"mode\":\"enabled\", \"n\": 1e2 },\n\t\"list\": [1, {\"a\": null}]\n}";
        let edited =
            set(Format::Json, text, &[("rollout.mode", json!("a\"b")), ("list.1.a", json!([true]))]).unwrap();
        assert_eq!(edited, text.replace("\"enabled\"", "\"a\\\"b\"").replace("null", "[true]"));
        assert_eq!(get(Format::Json, text, "rollout.n").unwrap(), Some(json!(100.0)));
        assert_eq!(get(Format::Json, text, "rollout.x").unwrap(), None);
    }

    #[test]
    fn places_that_are_easy_to_miss() {
        for (text, path, value, expected) in [
            ("a: |\n  x", "a", json!("v"), "a: \"v\""),
            ("a: >-\n\n\n  x\n\n\nb: 1\n", "a", json!("v"), "a: \"v\"\n\n\nb: 1\n"),
            ("a: |\nb: 1\n", "a", json!("v"), "a: \"v\"\nb: 1\n"),
            ("a: two\n  lines # c\nb: 1\n", "a", json!(1), "a: 1 # c\nb: 1\n"),
            ("a: # c\n", "a", json!(1), "a: 1 # c\n"),
            ("a:", "a", json!(1), "a: 1"),
            ("\"a\" :\n", "a", json!("b"), "\"a\" : b\n"),
            ("\u{feff}é: ü\nb: 2", "b", json!("ö"), "\u{feff}é: ü\nb: \"ö\""),
            ("- a\n-   - 1\n    - 2 # c\n", "1.1", json!("z"), "- a\n-   - 1\n    - z # c\n"),
            ("---\na: 1\n...\n", "a", json!(2), "---\na: 2\n...\n"),
            ("? a\n: 1\n", "a", json!(2), "? a\n: 2\n"),
            ("1: x\ntrue: y\n", "true", json!("z"), "1: x\ntrue: z\n"),
            ("{a: 1,b: [x,y]}", "b.0", json!("a,b"), "{a: 1,b: [\"a,b\",y]}"),
        ] {
            assert_eq!(set(Format::Yaml, text, &[(path, value)]).unwrap(), expected, "{text:?}");
        }
    }

    /// Documents with comments, odd spacing, both collection styles, every way to write a scalar.
    fn document() -> impl Strategy<Value = String> {
        let scalar = prop::sample::select(vec![
            "plain",
            "two words",
            "'it''s'",
            "\"q\\n\"",
            "12",
            "1.5",
            "true",
            "~",
            "",
            "yes",
            "0x1f",
            "a\n      b",
            "|\n      block\n      more\n",
            ">- # folded\n      text",
            "[x, 'y', {z: 1}]",
            "{k: v}",
            "é",
        ]);
        let comment = prop::sample::select(vec!["", " # note: x", "   #", "\t# tab"]);
        let entry = (scalar, comment, prop::bool::ANY).prop_map(|(scalar, comment, blank)| {
            let comment = if scalar.contains(['|', '>']) { "" } else { comment };
            format!("{scalar}{comment}\n{}", if blank { "\n# apart\n" } else { "" })
        });
        (prop::collection::vec(entry, 1..6), prop::bool::ANY, prop::bool::ANY).prop_map(
            |(entries, crlf, end)| {
                let mut text = "# head\ntop:\n".to_owned();
                for (number, entry) in entries.iter().enumerate() {
                    text.push_str(&format!("  key{number}: {entry}"));
                }
                text.push_str("list:\n  - 1\n  - a: x # y\n    b: 'z'\n");
                let text = if crlf { text.replace('\n', "\r\n") } else { text };
                if end { text } else { text.trim_end().to_owned() }
            },
        )
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<String>().prop_map(Value::from),
            "[a-zA-Z0-9 :#,'\"\\[\\]{}&*!|>%@`~._/-]{0,12}".prop_map(Value::from),
            prop::sample::select(vec![
                "yes",
                "null",
                "1",
                "1e3",
                "0o7",
                "off",
                "~",
                "2026-11-20",
                "a\nb\n",
                "\r"
            ])
            .prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_filter("JSON has it", |number| number.is_finite()).prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            Just(Value::from("other")),
            Just(Value::Null),
            prop::collection::vec(any::<String>(), 0..3).prop_map(Value::from),
        ]
    }

    fn comments(text: &str) -> Vec<&str> {
        let document = yaml::parse(text).unwrap();
        document.comments.into_iter().map(|span| &text[span]).collect()
    }

    proptest! {
        #[test]
        fn set_then_get_and_nothing_else_moves(text in document(), value in value(), pick in 0_usize..6) {
            let path = ["top.key0", "top.key1", "top.key4", "list.0", "list.1.a", "list.1.b"][pick];
            let Some(before) = get(Format::Yaml, &text, path).unwrap() else { return Ok(()) };
            let edited = set(Format::Yaml, &text, &[(path, value.clone())]).unwrap();
            prop_assert_eq!(get(Format::Yaml, &edited, path).unwrap(), Some(value.clone()));
            let reader: serde_json::Value = serde_yaml::from_str(&edited).unwrap();
            let pointer = format!("/{}", path.replace('.', "/"));
            prop_assert_eq!(reader.pointer(&pointer), Some(&value), "another reader reads {:?}", edited);
            prop_assert_eq!(comments(&text), comments(&edited));
            prop_assert_eq!(text.ends_with('\n'), edited.ends_with('\n'));
            let back = set(Format::Yaml, &edited, &[(path, before.clone())]).unwrap();
            prop_assert_eq!(get(Format::Yaml, &back, path).unwrap(), Some(before.clone()));
            if before == "plain" && value == "other" {
                prop_assert_eq!(back, text);
            }
        }

        #[test]
        fn json_set_then_get(value in value(), pick in 0_usize..4) {
            let text = " {\"a\": {\"b\": [1, \"x\", {\"c\": null}]},\n\t\"d\":\"e\"}\r\n";
            let (path, pointer) = [("a.b.0", "/a/b/0"), ("a.b.2.c", "/a/b/2/c"), ("d", "/d"), ("a", "/a")][pick];
            let edited = set(Format::Json, text, &[(path, value.clone())]).unwrap();
            let reader: Value = serde_json::from_str(&edited).unwrap();
            // serde_json reads fractions to within one unit in the last place only.
            if !value.is_f64() {
                prop_assert_eq!(reader.pointer(pointer), Some(&value));
            }
            prop_assert_eq!(get(Format::Json, &edited, path).unwrap(), Some(value));
            let original = get(Format::Json, text, path).unwrap().unwrap();
            if path != "a" {
                prop_assert_eq!(set(Format::Json, &edited, &[(path, original)]).unwrap(), text);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), path in "[a-z0-9.\"]{0,6}") {
            let _ = set(Format::Yaml, &text, &[(path.as_str(), json!("v"))]);
            let _ = set(Format::Json, &text, &[(path.as_str(), json!("v"))]);
        }
    }
}
