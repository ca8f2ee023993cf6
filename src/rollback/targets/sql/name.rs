//! Names of tables, and how they are quoted.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use crate::base::{Error, ErrorCode, Result};

/// The name of a table, with its schema where one is given: `clients`, `trading.clients`, `"odd.name"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableName {
    /// The schema.
    pub schema: Option<String>,
    /// The table, exactly as the database spells it.
    pub table: String,
}

impl TableName {
    /// A table of the default schema.
    pub fn plain(table: &str) -> Self {
        Self { schema: None, table: table.to_owned() }
    }

    /// As it stands in a statement.
    pub fn quoted(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quoted(schema), quoted(&self.table)),
            None => quoted(&self.table),
        }
    }
}

/// A name as it stands in a statement, in either database.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names, each quoted, with commas between.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |part: &str| if part.contains(['.', '"']) { quoted(part) } else { part.to_owned() };
        match &self.schema {
            Some(schema) => write!(f, "{}.{}", shown(schema), shown(&self.table)),
            None => f.write_str(&shown(&self.table)),
        }
    }
}

impl FromStr for TableName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let what = format!("`{}` is not the name of a table", text.escape_debug());
            Error::new(ErrorCode::InvalidConfiguration, what).hint("write `clients` or `trading.clients`")
        };
        let mut parts = vec![String::new()];
        let mut inside = false;
        let mut characters = text.chars().peekable();
        while let Some(c) = characters.next() {
            let part = parts.last_mut().ok_or_else(wrong)?;
            match c {
                '"' if inside && characters.next_if_eq(&'"').is_some() => part.push('"'),
                '"' => inside = !inside,
                '.' if !inside => parts.push(String::new()),
                c if c.is_control() => return Err(wrong()),
                c => part.push(c),
            }
        }
        if inside || parts.iter().any(String::is_empty) {
            return Err(wrong());
        }
        let table = parts.pop().ok_or_else(wrong)?;
        let schema = parts.pop();
        if parts.is_empty() { Ok(Self { schema, table }) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for TableName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<TableName> for String {
    fn from(name: TableName) -> Self {
        name.to_string()
    }
}

impl JsonSchema for TableName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TableName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "The name of a table, with its schema where one is given: clients, trading.clients.",
            "examples": ["trading.clients"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_quoted() {
        for (text, expected) in [
            ("clients", "\"clients\""),
            ("trading.clients", "\"trading\".\"clients\""),
            ("\"odd.name\"", "\"odd.name\""),
            ("a\"; drop table x; --", "none"),
        ] {
            match text.parse::<TableName>() {
                Ok(name) => {
                    assert_eq!(name.quoted(), expected, "{text}");
                    assert_eq!(name.to_string().parse::<TableName>().unwrap(), name);
                }
                Err(_) => assert_eq!(expected, "none", "{text}"),
            }
        }
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
        for text in ["", ".", "a.", "a.b.c", "a\nb"] {
            assert!(text.parse::<TableName>().is_err(), "{text:?}");
        }
    }
}
