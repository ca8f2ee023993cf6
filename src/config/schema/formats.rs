//! The grammars behind the `format` of a text: one table from name to parser.

use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;

use crate::base::{Digest, Duration, Error, SecretReference};
use crate::config::maintenance::{LocalTime, TimeOfDay};
use crate::notify::Given;
use crate::probe::baseline::Statistic;
use crate::probe::coefficients::Tolerance;
use crate::probe::imports::ModuleName;
use crate::probe::leakage::NamePattern;
use crate::probe::log::{LinePattern, TimeFormat};
use crate::probe::prometheus::ServerAddress;
use crate::runbook::ReviewBy;
use crate::severity::input::mapping::{JsonPointer, TemplateText};
use crate::severity::{Expression, Persistence, Quantity, WarmUp};

/// Why a text does not follow its grammar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// One sentence.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
    /// The bytes of the text that are to blame, where the parser knows.
    pub span: Option<Range<usize>>,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self { message: error.message, help: error.hint, span: None }
    }
}

/// Checks one text.
pub type Check = fn(&str) -> Result<(), Fault>;

/// Every format that is known here; the text of any other is left to the typed structs.
#[derive(Debug, Clone)]
pub struct Formats(BTreeMap<&'static str, Check>);

impl Formats {
    /// The formats of the rooms below. A room's new grammar gets its line here.
    pub fn standard() -> Self {
        let table: [(&'static str, Check); 24] = [
            ("duration", parsed::<Duration>),
            ("digest", parsed::<Digest>),
            ("secret-reference", parsed::<SecretReference>),
            ("expression", expression),
            ("quantity", parsed::<Quantity>),
            ("persistence", parsed::<Persistence>),
            ("warm-up", parsed::<WarmUp>),
            ("local-time", parsed::<LocalTime>),
            ("time-of-day", parsed::<TimeOfDay>),
            ("value-or-secret", parsed::<Given>),
            ("server-address", parsed::<ServerAddress>),
            ("line-pattern", parsed::<LinePattern>),
            ("time-format", parsed::<TimeFormat>),
            ("name-pattern", parsed::<NamePattern>),
            ("statistic", parsed::<Statistic>),
            ("python-module", parsed::<ModuleName>),
            ("percentage", parsed::<Tolerance>),
            ("glob", glob),
            ("timezone", timezone),
            ("name", name),
            ("date", date),
            ("json-pointer", parsed::<JsonPointer>),
            ("template", parsed::<TemplateText>),
            ("review-by", parsed::<ReviewBy>),
        ];
        Self(BTreeMap::from(table))
    }

    /// Adds or replaces one.
    pub fn register(&mut self, format: &'static str, check: Check) {
        self.0.insert(format, check);
    }

    /// Whether there is a parser for it.
    pub fn knows(&self, format: &str) -> bool {
        self.0.contains_key(format)
    }

    /// Checks a text; an unknown format accepts everything.
    pub fn check(&self, format: &str, text: &str) -> Result<(), Fault> {
        self.0.get(format).map_or(Ok(()), |check| check(text))
    }
}

fn parsed<T: FromStr<Err = Error>>(text: &str) -> Result<(), Fault> {
    text.parse::<T>().map(drop).map_err(Fault::from)
}

fn expression(text: &str) -> Result<(), Fault> {
    Expression::parse(text).map(drop).map_err(|error| Fault {
        message: error.message,
        help: error.help,
        span: Some(error.offset..error.offset + error.length),
    })
}

fn glob(text: &str) -> Result<(), Fault> {
    glob::Pattern::new(text).map(drop).map_err(|error| Fault {
        message: format!("this is not a file pattern: {}", error.msg),
        help: Some("`*` is any text, `?` any character, `[ab]` one of these; `[*]` is a star itself".into()),
        span: Some(error.pos..error.pos + 1),
    })
}

fn timezone(text: &str) -> Result<(), Fault> {
    chrono_tz::Tz::from_str(text).map(drop).map_err(|_| {
        let zones: Vec<&str> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
        let help = super::suggest::suggestion(text, &zones);
        Fault {
            message: format!("there is no time zone `{text}`"),
            help: help.or_else(|| Some("write it like America/New_York or UTC".into())),
            span: None,
        }
    })
}

fn name(text: &str) -> Result<(), Fault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let wrong = text.char_indices().find(|(_, c)| !plain(*c));
    if !text.is_empty() && text.len() <= 100 && wrong.is_none() && !text.starts_with(['.', '-']) {
        return Ok(());
    }
    Err(Fault {
        message: format!("`{text}` cannot be a name"),
        help: Some("use letters, digits, `-`, `_` and `.`, and begin with a letter or a digit".into()),
        span: wrong.map(|(at, c)| at..at + c.len_utf8()),
    })
}

fn date(text: &str) -> Result<(), Fault> {
    chrono::NaiveDate::from_str(text).map(drop).map_err(|_| Fault {
        message: format!("`{text}` is not a date"),
        help: Some("write it like 2026-11-20".into()),
        span: None,
    })
}
