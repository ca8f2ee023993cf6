//! Patterns of feature names that see words and whole numbers: `competitor*lag*0` is not in `competitor_lag_10`.
//!
//! Names are taken apart into words and numbers, at everything that is neither letter nor digit, between a letter and a
//! digit, and before a capital letter that begins a word: `C_lag0`, `c-lag-0` and `CLag0` are all c, lag, 0.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use crate::base::{Error, ErrorCode, Result};

/// Words after which a number says how far back a value lies.
const BACK: [&str; 8] = ["minus", "m", "lag", "lags", "lagged", "l", "shift", "shifted"];

/// A pattern of feature names: words and numbers, and `*` for anything between them.
///
/// It fits a name that has its parts one after the other, wherever they stand. Upper and lower case are the same. A
/// number fits only a whole number; before a number, `*` passes over no other number. Where the pattern ends with a
/// word, the name must not go on with a lag: `C_t` is in `log_C_t`, but not in `C_t_1` nor in `C_t_lag2`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamePattern {
    text: String,
    segments: Vec<Vec<Part>>,
}

/// A word, in lower case, or a number without zeros before it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Word(String),
    Number(String),
}

/// The patterns of competitors' values of the same period.
pub(super) fn usual() -> Vec<NamePattern> {
    ["C_lag0", "competitor*lag*0", "C_t"].iter().filter_map(|text| text.parse().ok()).collect()
}

impl NamePattern {
    /// Whether it fits a name.
    pub fn matches(&self, name: &str) -> bool {
        let name = parts(name);
        (0..name.len()).any(|start| self.stands_at(&name, start, 0))
    }

    /// Whether the segments from `segment` on stand in the name, the first of them at `start`.
    fn stands_at(&self, name: &[Part], start: usize, segment: usize) -> bool {
        let Some(wanted) = self.segments.get(segment) else { return false };
        let end = start + wanted.len();
        let Some(there) = name.get(start..end) else { return false };
        let open = segment + 1 < self.segments.len();
        let last = wanted.len().saturating_sub(1);
        let mut pairs = wanted.iter().zip(there).enumerate();
        if !pairs.all(|(at, (wanted, there))| fits(wanted, there, open && at == last)) {
            return false;
        }
        self.after(name, end, segment) || self.joined(name, end, segment)
    }

    /// Whether the segments after `segment`, which ended at `end`, stand in the rest of the name.
    fn after(&self, name: &[Part], end: usize, segment: usize) -> bool {
        let Some(next) = self.segments.get(segment + 1) else {
            let word = matches!(self.segments.get(segment).and_then(|s| s.last()), Some(Part::Word(_)));
            return !(word && goes_back(name.get(end..).unwrap_or_default()));
        };
        let number_next = matches!(next.first(), Some(Part::Number(_)));
        for place in end..name.len() {
            if self.stands_at(name, place, segment + 1) {
                return true;
            }
            if number_next && matches!(name.get(place), Some(Part::Number(_))) {
                return false;
            }
        }
        false
    }

    /// The same where the next word hangs on this one without anything between them: `competitorlag0`.
    fn joined(&self, name: &[Part], end: usize, segment: usize) -> bool {
        let own = self.segments.get(segment).and_then(|segment| segment.last());
        let next = self.segments.get(segment + 1).map(Vec::as_slice);
        let there = end.checked_sub(1).and_then(|last| name.get(last));
        let (Some(Part::Word(own)), Some([Part::Word(next)]), Some(Part::Word(there))) = (own, next, there)
        else {
            return false;
        };
        let rest = there.strip_prefix(own.as_str()).unwrap_or_default();
        let whole = segment + 2 == self.segments.len();
        let fits = if whole { rest.ends_with(next.as_str()) } else { rest.contains(next.as_str()) };
        fits && self.after(name, end, segment + 1)
    }
}

/// Whether a part of a name is what is wanted. Before a `*`, a word may go on.
fn fits(wanted: &Part, there: &Part, open: bool) -> bool {
    match (wanted, there) {
        (Part::Number(wanted), Part::Number(there)) => wanted == there,
        (Part::Word(wanted), Part::Word(there)) if open => there.starts_with(wanted.as_str()),
        (Part::Word(wanted), Part::Word(there)) => wanted == there,
        _ => false,
    }
}

/// Whether the rest of a name begins with a lag: `_1`, `_minus_1`, `_lag2`.
fn goes_back(rest: &[Part]) -> bool {
    match rest {
        [Part::Number(_), ..] => true,
        [Part::Word(word), Part::Number(_), ..] => BACK.contains(&word.as_str()),
        _ => false,
    }
}

/// Takes a name apart.
fn parts(text: &str) -> Vec<Part> {
    let mut found: Vec<Part> = Vec::new();
    let mut before: Option<char> = None;
    let mut letters: Vec<char> = text.chars().collect();
    letters.push(' ');
    for pair in letters.windows(2) {
        let [c, next] = pair else { continue };
        let (c, next) = (*c, *next);
        // `CLag`: the capital letter before a small one begins a word.
        let begins = c.is_uppercase() && before.is_some_and(|a| a.is_lowercase() || next.is_lowercase());
        let joins = |a: char| {
            (a.is_ascii_digit() && c.is_ascii_digit()) || (a.is_alphabetic() && c.is_alphabetic() && !begins)
        };
        let continues = before.is_some_and(joins);
        match (found.last_mut(), continues) {
            (Some(Part::Word(word)), true) => word.extend(c.to_lowercase()),
            (Some(Part::Number(number)), true) => number.push(c),
            _ if c.is_ascii_digit() => found.push(Part::Number(c.to_string())),
            _ if c.is_alphabetic() => found.push(Part::Word(c.to_lowercase().collect())),
            _ => {}
        }
        before = Some(c);
    }
    found.into_iter().map(without_zeros).collect()
}

/// `00` is 0, and `01` is 1.
fn without_zeros(part: Part) -> Part {
    match part {
        Part::Number(number) => {
            let short = number.trim_start_matches('0');
            Part::Number(if short.is_empty() { "0".to_owned() } else { short.to_owned() })
        }
        word => word,
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for NamePattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let segments: Vec<Vec<Part>> = text.split('*').map(parts).filter(|parts| !parts.is_empty()).collect();
        if segments.is_empty() {
            let message = format!("`{}` fits every name, or none", text.escape_debug());
            return Err(Error::new(ErrorCode::InvalidData, message)
                .hint("write words and numbers, with `*` for anything between them: competitor*lag*0"));
        }
        Ok(Self { text: text.to_owned(), segments })
    }
}

impl TryFrom<String> for NamePattern {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<NamePattern> for String {
    fn from(pattern: NamePattern) -> Self {
        pattern.text
    }
}

impl JsonSchema for NamePattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NamePattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "name-pattern",
            "description": "Words and whole numbers of a name, with `*` for anything between them.",
            "examples": ["competitor*lag*0"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str) -> bool {
        usual().iter().any(|pattern| pattern.matches(name))
    }

    #[test]
    fn the_usual_patterns_find_what_is_of_the_same_period() {
        for name in [
            "C_lag0",
            "C_lag_0",
            "c_lag0",
            "CLag0",
            "C-lag-0",
            "log_C_lag0",
            "C_lag0_squared",
            "C_lag00",
            "competitor_lag_0",
            "competitor_mean_lag_0",
            "competitors_lag0",
            "competitor_rate_lagged_0",
            "Competitor_LAG_0_x",
            "competitorlag0",
            "competitor_top3_lag_0",
            "avg_competitor_rate_lag_weeks_0",
            "competitorRateLag0",
            "C_t",
            "C_t_squared",
            "log_C_t",
            "c_t",
            "competitor_lag_0_to_4",
        ] {
            assert!(found(name), "{name}");
        }
    }

    #[test]
    fn and_leave_alone_what_is_not() {
        for name in [
            "competitor_lag_10",
            "competitor_lag_01",
            "competitor_lag10",
            "C_lag01",
            "C_lag10",
            "C_lag1",
            "C_tax",
            "C_total",
            "C_t1",
            "C_t_1",
            "C_t-1",
            "C_t_minus_1",
            "C_t_lag2",
            "C_lag_1_0",
            "competitor_lag_1_0",
            "competitor_lag_2",
            "competitor_mean",
            "lag_0",
            "own_rate_lag_0",
            "PC_tx",
            "sec_t",
            "competitor_flag_0",
            "vix",
            "",
            "_",
            "competitor_flag_x",
            "C",
            "t",
        ] {
            assert!(!found(name), "{name}");
        }
    }

    #[test]
    fn patterns_are_configurable_and_are_not_empty() {
        let pattern: NamePattern = "rival*lead".parse().unwrap();
        assert!(pattern.matches("rival_rate_lead") && pattern.matches("rivals_1_lead"));
        assert!(!pattern.matches("rival_rate_lead_2") && !pattern.matches("lead_rival"));
        for text in ["", "*", "_", "**"] {
            assert!(text.parse::<NamePattern>().is_err(), "{text}");
        }
        assert_eq!(pattern.to_string(), "rival*lead");
    }
}
