//! The text of statements: where its parameters are, where it ends, and what it does. Values never become part of it.

use serde::{Deserialize, Serialize};

use super::connection::Dialect;
use super::value::Value;
use crate::base::{Error, ErrorCode, Result};

/// A statement with numbered parameters, and their values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The statement.
    pub sql: String,
    /// The values, in the order of the numbers.
    pub values: Vec<Value>,
}

impl Bound {
    /// A statement without parameters.
    pub(super) fn plain(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), values: Vec::new() }
    }
}

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    /// As it stands.
    Text(&'a str),
    /// `:name`.
    Parameter(&'a str),
    /// `;`
    End,
    /// `--` to the end of the line, or `/* */`.
    Comment,
}

/// Replaces `:name` by numbers; `value` says what each stands for.
///
/// # Errors
/// Several statements, a quote that is not closed, positional parameters, and what `value` refuses.
pub(super) fn bind(
    text: &str,
    dialect: Dialect,
    mut value: impl FnMut(&str) -> Result<Value>,
) -> Result<Bound> {
    let mut names: Vec<&str> = Vec::new();
    let mut bound = Bound::plain("");
    let mut ended = false;
    for piece in pieces(text)? {
        match piece {
            Piece::Text(text) if text.trim().is_empty() => bound.sql.push_str(text),
            Piece::Comment => bound.sql.push(' '),
            Piece::End => ended = true,
            _ if ended => return Err(unreadable(text, "it is more than one statement")),
            Piece::Text(text) => bound.sql.push_str(text),
            Piece::Parameter(name) => {
                let at = match names.iter().position(|known| *known == name) {
                    Some(at) => at,
                    None => {
                        bound.values.push(value(name)?);
                        names.push(name);
                        names.len() - 1
                    }
                };
                bound.sql.push_str(&placeholder(dialect, at + 1));
            }
        }
    }
    Ok(bound)
}

/// The number of a parameter as it stands in a statement.
pub(super) fn placeholder(dialect: Dialect, number: usize) -> String {
    match dialect {
        Dialect::Postgres => format!("${number}"),
        Dialect::Sqlite => format!("?{number}"),
    }
}

/// The names of the parameters in a text.
pub(super) fn parameters(text: &str) -> Result<Vec<&str>> {
    let pieces = pieces(text)?.into_iter();
    Ok(pieces
        .filter_map(|piece| if let Piece::Parameter(name) = piece { Some(name) } else { None })
        .collect())
}

/// The statements of a script. What only opens or closes a transaction is left out: there is one around all of them.
pub(super) fn split(script: &str) -> Result<Vec<String>> {
    let mut statements = Vec::new();
    let mut statement = String::new();
    for piece in pieces(script)? {
        match piece {
            Piece::Text(text) => statement.push_str(text),
            Piece::Parameter(name) => {
                statement.push(':');
                statement.push_str(name);
            }
            Piece::Comment => statement.push(' '),
            Piece::End => statements.push(std::mem::take(&mut statement)),
        }
    }
    statements.push(statement);
    let mut kept = Vec::new();
    for statement in statements {
        let statement = statement.trim();
        if statement.starts_with(['.', '\\']) {
            return Err(unreadable(statement, "it is a command of a shell, not of the database"));
        }
        if !statement.is_empty() && !matches!(verb(statement).as_str(), "BEGIN" | "COMMIT" | "END" | "START")
        {
            kept.push(statement.to_owned());
        }
    }
    Ok(kept)
}

/// What a statement does, by its first word, in capitals.
pub(super) fn verb(statement: &str) -> String {
    let word = statement.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    word.chars().take_while(|c| c.is_ascii_alphabetic()).collect::<String>().to_ascii_uppercase()
}

/// Refuses what leaves nothing to put back.
pub(super) fn allowed(statement: &str, dialect: Dialect) -> Result<()> {
    match (verb(statement).as_str(), dialect) {
        ("SELECT" | "INSERT" | "UPDATE" | "DELETE" | "WITH" | "VALUES", _) => Ok(()),
        ("REPLACE", Dialect::Sqlite) => Ok(()),
        (verb, _) => Err(unreadable(statement, &format!("`{verb}` is not possible here")).hint(
            "SELECT, INSERT, UPDATE and DELETE are: what they change is kept and can be put back (DELETE instead of \
             TRUNCATE)",
        )),
    }
}

fn unreadable(text: &str, why: &str) -> Error {
    let shown: String = text.trim().chars().take(80).collect();
    Error::new(ErrorCode::InvalidConfiguration, format!("the statement `{}`: {why}", shown.escape_debug()))
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut plain = 0;
    let mut at = 0;
    let rest = |at: usize| text.get(at..).unwrap_or_default();
    while let Some(c) = rest(at).chars().next() {
        let here = rest(at);
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let (length, piece) = match c {
            '\'' | '"' | '`' => (quoted(text, here, c, before)?, None),
            '-' if here.starts_with("--") => (here.find('\n').unwrap_or(here.len()), Some(Piece::Comment)),
            '/' if here.starts_with("/*") => (comment(text, here)?, Some(Piece::Comment)),
            ';' => (1, Some(Piece::End)),
            ':' if here.starts_with("::") || here.starts_with(":=") => (2, None),
            ':' => match word(here.get(1..).unwrap_or_default()) {
                "" => (1, None),
                name => (1 + name.len(), Some(Piece::Parameter(name))),
            },
            '$' if !before.is_some_and(is_part) => (dollar(text, here)?, None),
            '?' => return Err(unreadable(text, "it has positional parameters").hint("write `:name`")),
            c => (c.len_utf8(), None),
        };
        if let Some(piece) = piece {
            pieces.push(Piece::Text(text.get(plain..at).unwrap_or_default()));
            pieces.push(piece);
            plain = at + length;
        }
        at += length;
    }
    pieces.push(Piece::Text(rest(plain)));
    Ok(pieces)
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word(text: &str) -> &str {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    if starts { text.get(..end).unwrap_or_default() } else { "" }
}

/// The length of a quoted text, quotes included. `E'…'` alone knows backslashes.
fn quoted(whole: &str, text: &str, quote: char, before: Option<char>) -> Result<usize> {
    let escapes = quote == '\'' && matches!(before, Some('e' | 'E'));
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c == '\\' && escapes {
            characters.next();
        } else if c == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return Ok(at + 1);
        }
    }
    Err(unreadable(whole, "a quote is not closed"))
}

fn comment(whole: &str, text: &str) -> Result<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(here) = text.get(at..).filter(|here| !here.is_empty()) {
        let step = if here.starts_with("/*") {
            depth += 1;
            2
        } else if here.starts_with("*/") {
            depth -= 1;
            2
        } else {
            here.chars().next().map_or(1, char::len_utf8)
        };
        at += step;
        if depth == 0 {
            return Ok(at);
        }
    }
    Err(unreadable(whole, "a comment is not closed"))
}

/// The length of `$tag$ … $tag$`.
fn dollar(whole: &str, text: &str) -> Result<usize> {
    let inner = text.get(1..).unwrap_or_default();
    if inner.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(unreadable(whole, "it has positional parameters").hint("write `:name`"));
    }
    let tag = word(inner);
    let open = format!("${tag}$");
    let Some(body) = text.strip_prefix(open.as_str()) else { return Ok(1) };
    let end = body.find(open.as_str()).ok_or_else(|| unreadable(whole, "a quote is not closed"))?;
    Ok(open.len() * 2 + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(text: &str) -> Result<Bound> {
        bind(text, Dialect::Postgres, |name| Ok(Value::text(format!("<{name}>"))))
    }

    #[test]
    fn parameters_are_found_where_they_are() {
        let statement = bound(
            "UPDATE t SET a = :version, b = ':no', c = \":no\", d = $q$ :no $q$, e = E'\\':no' -- :no\n\
             /* :no /* :no */ */ WHERE f = :name::text AND g = :version AND h[1:2] = '{}';",
        )
        .unwrap();
        assert_eq!(statement.values, [Value::text("<version>"), Value::text("<name>")]);
        assert!(statement.sql.contains("a = $1"), "{}", statement.sql);
        assert!(statement.sql.contains("f = $2::text AND g = $1 AND h[1:2]"), "{}", statement.sql);
        assert_eq!(statement.sql.matches(":no").count(), 4, "{}", statement.sql);
        let sqlite = bind("a = :x", Dialect::Sqlite, |_| Ok(Value::Null)).unwrap();
        assert_eq!(sqlite.sql, "a = ?1");
    }

    #[test]
    fn one_statement_is_one_statement() {
        assert!(bound("DELETE FROM t; DROP TABLE t").unwrap_err().message.contains("more than one"));
        assert!(bound("SELECT 'a").is_err());
        assert!(bound("SELECT $$a").is_err());
        assert!(bound("SELECT /* a").is_err());
        assert!(bound("SELECT $1").unwrap_err().message.contains("positional"));
        assert!(bound("SELECT ?").unwrap_err().message.contains("positional"));
        assert!(bound("SELECT 1; -- over\n ").is_ok());
    }

    #[test]
    fn scripts_are_split() {
        let script =
            "-- reset\nBEGIN TRANSACTION;\nDELETE FROM a WHERE b = 'x;y';\nUPDATE c SET d = 0;\nCOMMIT;\n";
        assert_eq!(split(script).unwrap(), ["DELETE FROM a WHERE b = 'x;y'", "UPDATE c SET d = 0"]);
        assert!(split(".mode csv\nSELECT 1;").is_err());
    }

    #[test]
    fn what_cannot_be_put_back_is_refused() {
        for statement in ["TRUNCATE t", "DROP TABLE t", "VACUUM", "COMMIT", "", "CREATE TABLE t (a int)"] {
            assert!(allowed(statement, Dialect::Postgres).is_err(), "{statement}");
        }
        assert!(allowed(" (select 1)", Dialect::Postgres).is_ok());
        assert!(allowed("REPLACE INTO t VALUES (1)", Dialect::Sqlite).is_ok());
        assert!(allowed("REPLACE INTO t VALUES (1)", Dialect::Postgres).is_err());
    }
}
