//! Splits an expression into tokens with their places.

use winnow::combinator::{alt, opt, preceded};
use winnow::prelude::*;
use winnow::token::{any, one_of, take_while};

use super::ExpressionError;

/// A token's kind with its text where that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// A name, a keyword or a unit.
    Word(&'a str),
    /// The digits of a number, with sign, point and exponent.
    Number(&'a str),
    /// A quoted text, without its quotes, escapes still in it.
    Text(&'a str),
    /// A comparison, bracket or other sign.
    Sign(&'a str),
    /// A character that has no place in an expression.
    Stray(char),
}

/// A token and where it stands, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) start: usize,
    pub(super) end: usize,
}

fn word<'a>(input: &mut &'a str) -> winnow::Result<&'a str> {
    let head = |c: char| c.is_alphabetic() || c == '_';
    let tail = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ':');
    (one_of(head), take_while(0.., tail)).take().parse_next(input)
}

fn number<'a>(input: &mut &'a str) -> winnow::Result<&'a str> {
    let digits = |input: &mut &'a str| take_while(1.., '0'..='9').void().parse_next(input);
    let exponent = (one_of(['e', 'E']), opt(one_of(['+', '-'])), digits);
    (opt(one_of(['+', '-'])), digits, opt(('.', digits)), opt(exponent)).take().parse_next(input)
}

fn text<'a>(input: &mut &'a str) -> winnow::Result<&'a str> {
    let quoted = |quote: char| {
        move |input: &mut &'a str| {
            let plain = take_while(1.., move |c: char| c != quote && c != '\\').void();
            let escape = preceded('\\', any).void();
            let inside = winnow::combinator::repeat::<_, _, (), _, _>(0.., alt((plain, escape))).take();
            (quote, inside, quote).map(|(_, inside, _): (char, &str, char)| inside).parse_next(input)
        }
    };
    alt((quoted('"'), quoted('\''))).parse_next(input)
}

fn sign<'a>(input: &mut &'a str) -> winnow::Result<&'a str> {
    // Longest first; the wrong ones are read whole so that the parser can say what was meant.
    alt((
        alt(("&&", "||", "<=", ">=", "==", "!=", "=>", "=<", "<>")),
        alt(("≤", "≥", "≠", "<", ">", "=", "!")),
        alt(("(", ")", "{", "}", ",", "*", "/", "%")),
    ))
    .parse_next(input)
}

fn token<'a>(input: &mut &'a str) -> winnow::Result<Kind<'a>> {
    alt((
        word.map(Kind::Word),
        number.map(Kind::Number),
        text.map(Kind::Text),
        sign.map(Kind::Sign),
        any.map(Kind::Stray),
    ))
    .parse_next(input)
}

/// The tokens of `source`; a character that fits nowhere is an error with its place.
pub(super) fn tokens(source: &str) -> Result<Vec<Token<'_>>, ExpressionError> {
    let mut rest = source;
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(found);
        }
        let start = source.len() - rest.len();
        let Ok(kind) = token(&mut rest) else {
            return Err(ExpressionError::new(start, 1, "this cannot be read"));
        };
        let end = source.len() - rest.len();
        if let Kind::Stray(stray) = kind {
            let what = if matches!(stray, '"' | '\'') {
                "a quote that is not closed".to_owned()
            } else {
                format!("`{}` has no meaning here", stray.escape_debug())
            };
            return Err(ExpressionError::new(start, end - start, what));
        }
        found.push(Token { kind, start, end });
    }
}
