//! Numbers with their units, as they stand in expressions and alerts: `25%`, `0.25`, `200ms`, `14 days`, `true`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use crate::base::unit::Dimension;
use crate::base::{Error, ErrorCode, Result, Unit};

/// What is written behind a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suffix {
    /// Nothing.
    None,
    /// `%`: hundredths.
    Percent,
    /// A unit of time.
    Time(Unit),
    /// A multiple of bytes: its name and its size.
    Bytes(&'static str, u64),
    /// Standard deviations.
    Sigma,
    /// The word `true` or `false` instead of a number.
    Flag,
}

/// A number and its unit as written.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quantity {
    /// The number before the unit; a flag is 1 or 0.
    pub number: f64,
    /// The unit behind it.
    pub suffix: Suffix,
}

/// Every word that may stand behind a number.
const SUFFIXES: &[(&str, Suffix)] = &[
    ("ms", Suffix::Time(Unit::Milliseconds)),
    ("milliseconds", Suffix::Time(Unit::Milliseconds)),
    ("s", Suffix::Time(Unit::Seconds)),
    ("second", Suffix::Time(Unit::Seconds)),
    ("seconds", Suffix::Time(Unit::Seconds)),
    ("m", Suffix::Time(Unit::Minutes)),
    ("min", Suffix::Time(Unit::Minutes)),
    ("minute", Suffix::Time(Unit::Minutes)),
    ("minutes", Suffix::Time(Unit::Minutes)),
    ("h", Suffix::Time(Unit::Hours)),
    ("hour", Suffix::Time(Unit::Hours)),
    ("hours", Suffix::Time(Unit::Hours)),
    ("d", Suffix::Time(Unit::Days)),
    ("day", Suffix::Time(Unit::Days)),
    ("days", Suffix::Time(Unit::Days)),
    ("sigma", Suffix::Sigma),
    ("σ", Suffix::Sigma),
    ("bytes", Suffix::Bytes("bytes", 1)),
    ("kB", Suffix::Bytes("kB", 1000)),
    ("MB", Suffix::Bytes("MB", 1_000_000)),
    ("GB", Suffix::Bytes("GB", 1_000_000_000)),
    ("KiB", Suffix::Bytes("KiB", 1 << 10)),
    ("MiB", Suffix::Bytes("MiB", 1 << 20)),
    ("GiB", Suffix::Bytes("GiB", 1 << 30)),
];

/// The suffix that `word` stands for.
pub(crate) fn suffix(word: &str) -> Option<Suffix> {
    SUFFIXES.iter().find(|(name, _)| *name == word).map(|(_, suffix)| *suffix)
}

/// The suffix whose name is most like `word`.
pub(crate) fn similar_suffix(word: &str) -> Option<&'static str> {
    super::similar(word, SUFFIXES.iter().map(|(name, _)| *name))
}

impl Quantity {
    /// A truth value.
    pub const fn flag(value: bool) -> Self {
        Self { number: if value { 1.0 } else { 0.0 }, suffix: Suffix::Flag }
    }

    /// Reads the digits of a number with its suffix; hundredths are shifted in the text, so that `2.5%` is
    /// exactly the number that `0.025` is.
    pub(crate) fn from_digits(digits: &str, suffix: Suffix) -> Option<Self> {
        let number: f64 = digits.parse().ok()?;
        number.is_finite().then_some(Self { number, suffix })
    }

    /// The value in `unit`, or why it has none there.
    pub fn to(self, unit: Unit) -> Result<f64, String> {
        let value = match (self.suffix, unit.dimension()) {
            (Suffix::Percent, Dimension::Fraction) => hundredths(self.number),
            (Suffix::None, Dimension::Fraction | Dimension::Count | Dimension::Number | Dimension::Bytes) => {
                self.number
            }
            (Suffix::Time(own), Dimension::Time) if own == unit => self.number,
            (Suffix::Time(own), Dimension::Time) => self.number * own.factor() / unit.factor(),
            (Suffix::Bytes(_, size), Dimension::Bytes) => self.number * size as f64,
            (Suffix::Sigma, Dimension::Sigma) | (Suffix::Flag, Dimension::Flag) => self.number,
            _ => return Err(format!("`{self}` is not {}", wanted(unit))),
        };
        if value.is_finite() { Ok(value) } else { Err(format!("`{self}` is too large")) }
    }
}

/// A hundredth of `number`, as exact as if its decimal point had been moved on paper.
fn hundredths(number: f64) -> f64 {
    format!("{number}e-2").parse().unwrap_or(number / 100.0)
}

/// What a literal for a metric of this unit looks like.
pub(crate) fn wanted(unit: Unit) -> &'static str {
    match unit.dimension() {
        Dimension::Fraction => "a ratio: write `25%` or `0.25`",
        Dimension::Time => "a length of time: write `200ms`, `30s`, `15m`, `2h` or `14 days`",
        Dimension::Count => "a count: write a bare number",
        Dimension::Bytes => "a size: write a bare number of bytes, or `10 MB`",
        Dimension::Sigma => "a number of standard deviations: write `1.5 sigma`",
        Dimension::Flag => "true or false",
        Dimension::Number => "a number without a unit",
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number;
        match self.suffix {
            Suffix::Flag => f.write_str(if number == 0.0 { "false" } else { "true" }),
            Suffix::None => write!(f, "{number}"),
            Suffix::Percent => write!(f, "{number}%"),
            Suffix::Sigma => write!(f, "{number} sigma"),
            Suffix::Bytes(name, _) => write!(f, "{number} {name}"),
            Suffix::Time(Unit::Milliseconds) => write!(f, "{number}ms"),
            Suffix::Time(Unit::Seconds) => write!(f, "{number}s"),
            Suffix::Time(Unit::Minutes) => write!(f, "{number}m"),
            Suffix::Time(Unit::Hours) => write!(f, "{number}h"),
            Suffix::Time(_) => write!(f, "{number} days"),
        }
    }
}

impl FromStr for Quantity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let trimmed = text.trim();
        let wrong = |why: &str| {
            let shown: String = text.chars().take(40).collect();
            Error::new(ErrorCode::InvalidData, format!("`{}` {why}", shown.escape_debug())).hint(
                "write a number and its unit: 25%, 0.25, 200ms, 14 days, 1.5 sigma, 10 MB, or true, false",
            )
        };
        match trimmed {
            "true" => return Ok(Quantity::flag(true)),
            "false" => return Ok(Quantity::flag(false)),
            _ => {}
        }
        let split = trimmed
            .find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-'))
            .map_or(trimmed.len(), |at| exponent_end(trimmed, at));
        let (digits, unit) = trimmed.split_at(split);
        if !digits.contains(|c: char| c.is_ascii_digit()) {
            return Err(wrong("is not a number with a unit"));
        }
        let suffix = match unit.trim() {
            "" => Suffix::None,
            "%" => Suffix::Percent,
            word => suffix(word).ok_or_else(|| wrong("has a unit that is not known"))?,
        };
        Quantity::from_digits(digits, suffix).ok_or_else(|| wrong("is not a finite number"))
    }
}

/// Where the number ends if an exponent (`e-3`) begins at `at`; else `at`.
fn exponent_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let Some(exponent) = rest.strip_prefix(['e', 'E']) else { return at };
    let sign = exponent.len() - exponent.trim_start_matches(['+', '-']).len();
    let digits = exponent.bytes().skip(sign).take_while(u8::is_ascii_digit).count();
    if sign <= 1 && digits > 0 { at + 1 + sign + digits } else { at }
}

impl TryFrom<String> for Quantity {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Quantity> for String {
    fn from(quantity: Quantity) -> Self {
        quantity.to_string()
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "quantity",
            "description": "A number and its unit: 25%, 0.25, 200ms, 14 days, 1.5 sigma, 10 MB; or true, false.",
            "examples": ["25%", "14 days", "true"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, unit: Unit) -> Result<f64, String> {
        text.parse::<Quantity>().map_err(|error| error.message)?.to(unit)
    }

    #[test]
    fn a_percentage_is_the_ratio_it_says() {
        for (percent, ratio) in
            [("25%", 0.25), ("0.1 %", 0.001), ("2.5%", 0.025), ("7%", 0.07), ("-15%", -0.15)]
        {
            assert_eq!(read(percent, Unit::Ratio), Ok(ratio), "{percent}");
        }
        assert_eq!(read("0.25", Unit::Ratio), Ok(0.25));
        assert_eq!(read("1e-3", Unit::Ratio), Ok(0.001));
    }

    #[test]
    fn units_convert_within_their_dimension_only() {
        assert_eq!(read("14 days", Unit::Days), Ok(14.0));
        assert_eq!(read("36h", Unit::Days), Ok(1.5));
        assert_eq!(read("0.2s", Unit::Milliseconds), Ok(200.0));
        assert_eq!(read("1.5 sigma", Unit::Sigma), Ok(1.5));
        assert_eq!(read("1.5σ", Unit::Sigma), Ok(1.5));
        assert_eq!(read("10 MB", Unit::Bytes), Ok(1e7));
        assert_eq!(read("true", Unit::Flag), Ok(1.0));
        for (text, unit) in [
            ("25%", Unit::Count),
            ("14", Unit::Days),
            ("14 days", Unit::Ratio),
            ("1.5", Unit::Sigma),
            ("1", Unit::Flag),
            ("true", Unit::Number),
        ] {
            assert!(read(text, unit).is_err(), "{text} as {unit}");
        }
    }

    #[test]
    fn what_is_not_a_quantity_is_refused() {
        for text in ["", "%", "abc", "1.2.3", "12 parsecs", "1e999", "NaN", "inf", "--3", "5 % %", "e5"] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }

    #[test]
    fn shows_what_it_reads() {
        for text in ["25%", "0.25", "200ms", "14 days", "1.5 sigma", "10 MB", "true", "15m", "-3"] {
            assert_eq!(text.parse::<Quantity>().unwrap().to_string(), text);
        }
    }
}
