//! Globs over names: `competitor_*`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use crate::base::{Error, ErrorCode, Result};

/// A name, or a pattern of names: `*` stands for any characters, `?` for one, `[ab]` for one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(glob::Pattern);

impl Pattern {
    /// Whether a name fits. Upper and lower case are different.
    pub fn matches(&self, name: &str) -> bool {
        self.0.matches(name)
    }

    /// The one name it can fit, if it has no wildcard.
    pub fn literal(&self) -> Option<&str> {
        let text = self.0.as_str();
        (!text.contains(['*', '?', '['])).then_some(text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl FromStr for Pattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        glob::Pattern::new(text).map(Pattern).map_err(|error| {
            Error::new(ErrorCode::InvalidData, format!("`{}` is not a pattern: {error}", text.escape_debug()))
                .hint("`*` stands for any characters, `?` for one, `[ab]` for one of these")
        })
    }
}

impl TryFrom<String> for Pattern {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.to_string()
    }
}

impl JsonSchema for Pattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "glob",
            "description": "A name, or a pattern of names: `*` any characters, `?` one, `[ab]` one of these.",
            "examples": ["competitor_*"]
        })
    }
}

/// The names that any of the patterns fits, in the order of `names`, and the patterns that fit none.
pub(super) fn select<'a, 'p>(
    patterns: &'p [Pattern],
    names: impl Iterator<Item = &'a str> + Clone,
) -> (Vec<&'a str>, Vec<&'p Pattern>) {
    let chosen = names.clone().filter(|name| patterns.iter().any(|pattern| pattern.matches(name)));
    let idle = patterns.iter().filter(|pattern| !names.clone().any(|name| pattern.matches(name)));
    (chosen.collect(), idle.collect())
}

/// The known name most like a wrong one, if any is like it at all.
pub(super) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = wrong.to_lowercase();
    let scored = known.into_iter().map(|name| (strsim::jaro_winkler(&lower, &name.to_lowercase()), name));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(score, _)| *score >= 0.7).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_choose_and_say_what_is_idle() {
        let patterns = ["comp*", "none"].map(|text| text.parse::<Pattern>().unwrap());
        let (chosen, idle) = select(&patterns, ["own", "comp_a", "comp_b"].into_iter());
        assert_eq!((chosen, idle), (vec!["comp_a", "comp_b"], vec![&patterns[1]]));
        assert!("[".parse::<Pattern>().is_err());
    }

    #[test]
    fn the_nearest_name_is_near() {
        assert_eq!(nearest("meen", ["date", "mean", "lower"]), Some("mean"));
        assert_eq!(nearest("Date", ["date", "mean"]), Some("date"));
        assert_eq!(nearest("qqq", ["date", "mean"]), None);
    }
}
