//! From tokens to an expression. Binding, loosest first: `or`, `and`, `not`, comparison.

use super::ExpressionError;
use super::lexer::{Kind, Token, tokens};
use super::syntax::{MetricName, Node, Operator, Side, Span, Term};
use crate::severity::quantity::{Quantity, Suffix, similar_suffix, suffix};

/// The longest expression, in bytes.
pub(super) const MAX_LENGTH: usize = 4096;
/// The deepest nesting of brackets and `not`.
const MAX_DEPTH: usize = 32;
/// The most comparisons in one expression.
const MAX_COMPARISONS: usize = 64;
const KEYWORDS: [&str; 3] = ["and", "or", "not"];

type Parsed<T> = Result<T, ExpressionError>;

pub(super) fn parse(source: &str) -> Parsed<Node> {
    if source.len() > MAX_LENGTH {
        let why = format!("an expression may have {MAX_LENGTH} bytes, this one has {}", source.len());
        return Err(ExpressionError::new(0, source.len(), why));
    }
    let tokens = tokens(source)?;
    let mut parser = Parser { tokens: &tokens, at: 0, end: source.len(), depth: 0, comparisons: 0 };
    let node = parser.or()?;
    match parser.peek() {
        None => Ok(node),
        Some(token) => Err(parser.unexpected_after_condition(token)),
    }
}

struct Parser<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    end: usize,
    depth: usize,
    comparisons: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let token = self.peek();
        self.at += usize::from(token.is_some());
        token
    }

    fn takes(&mut self, kind: Kind<'_>) -> bool {
        let taken = self.peek().is_some_and(|token| token.kind == kind);
        self.at += usize::from(taken);
        taken
    }

    /// Where the last token read ended.
    fn last_end(&self) -> usize {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(0, |token| token.end)
    }

    fn or(&mut self) -> Parsed<Node> {
        let mut nodes = vec![self.and()?];
        while self.takes(Kind::Word("or")) {
            nodes.push(self.and()?);
        }
        Ok(single_or(nodes, Node::Or))
    }

    fn and(&mut self) -> Parsed<Node> {
        let mut nodes = vec![self.not()?];
        while self.takes(Kind::Word("and")) {
            nodes.push(self.not()?);
        }
        Ok(single_or(nodes, Node::And))
    }

    fn not(&mut self) -> Parsed<Node> {
        let Some(token) = self.peek() else { return self.comparison() };
        let negated = token.kind == Kind::Word("not");
        if !negated && token.kind != Kind::Sign("(") {
            return self.comparison();
        }
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let why = format!("brackets and `not` may be nested {MAX_DEPTH} deep");
            return Err(ExpressionError::new(token.start, 1, why));
        }
        let node = if negated { Node::Not(Box::new(self.not()?)) } else { self.bracketed(token)? };
        self.depth -= 1;
        Ok(node)
    }

    fn bracketed(&mut self, opening: Token<'a>) -> Parsed<Node> {
        let node = self.or()?;
        if self.takes(Kind::Sign(")")) {
            return Ok(node);
        }
        match self.peek() {
            Some(token) => Err(self.unexpected_after_condition(token)),
            None => Err(ExpressionError::new(opening.start, 1, "this bracket is not closed").help("add `)`")),
        }
    }

    fn comparison(&mut self) -> Parsed<Node> {
        self.comparisons += 1;
        let start = self.peek().map_or(self.end, |token| token.start);
        if self.comparisons > MAX_COMPARISONS {
            let why = format!("an expression may have {MAX_COMPARISONS} comparisons");
            return Err(ExpressionError::new(start, 1, why));
        }
        let left = self.side()?;
        let Some(operator) = self.operator()? else { return self.flag(left, start) };
        let right = self.side()?;
        let span = Span { start, length: self.last_end() - start };
        if let Some(token) = self.peek()
            && matches!(token.kind, Kind::Sign("<" | "<=" | ">" | ">=" | "==" | "!="))
        {
            return Err(ExpressionError::new(
                token.start,
                token.end - token.start,
                "a comparison has two sides",
            )
            .help("write `a < x and x < b`"));
        }
        match (left, right) {
            (Side::Literal(..), Side::Literal(..)) => {
                Err(ExpressionError::new(start, span.length, "this compares two constants")
                    .help("one side has to be a metric"))
            }
            // A metric always stands on the left, so that distances are the metric's own.
            (left @ Side::Literal(..), right) => {
                Ok(Node::Compare { left: right, operator: operator.mirrored(), right: left, span })
            }
            (left, right) => Ok(Node::Compare { left, operator, right, span }),
        }
    }

    fn flag(&self, side: Side, start: usize) -> Parsed<Node> {
        match side {
            Side::Term(Term { factor: None, metric, divisor: None }) => Ok(Node::Flag(metric)),
            _ => {
                let place = self.peek().map_or(self.end, |token| token.start);
                let length = self.peek().map_or(1, |token| token.end - token.start);
                let what = if place == self.end { "the expression ends" } else { "this stands" };
                let why = format!("{what} where a comparison is expected: one of < <= > >= == !=");
                Err(ExpressionError::new(place.max(start), length, why))
            }
        }
    }

    fn operator(&mut self) -> Parsed<Option<Operator>> {
        let Some(token) = self.peek() else { return Ok(None) };
        let Kind::Sign(sign) = token.kind else { return Ok(None) };
        let operator = match sign {
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            "==" => Operator::Equal,
            "!=" => Operator::NotEqual,
            _ => {
                let meant = match sign {
                    "=" => "==",
                    "=>" | "≥" => ">=",
                    "=<" | "≤" => "<=",
                    "<>" | "≠" => "!=",
                    _ => return Ok(None),
                };
                let why = format!("`{sign}` is not a comparison");
                return Err(ExpressionError::new(token.start, token.end - token.start, why)
                    .help(format!("did you mean `{meant}`?")));
            }
        };
        self.at += 1;
        Ok(Some(operator))
    }

    fn side(&mut self) -> Parsed<Side> {
        let Some(token) = self.next() else {
            return Err(ExpressionError::new(self.end, 1, "the expression ends where a metric is expected"));
        };
        match token.kind {
            Kind::Word("true") => Ok(Side::Literal(Quantity::flag(true), self.span(token))),
            Kind::Word("false") => Ok(Side::Literal(Quantity::flag(false), self.span(token))),
            Kind::Word(word) if !KEYWORDS.contains(&word) => self.term(None, token, word),
            Kind::Number(digits) if self.takes(Kind::Sign("*")) => self.scaled(digits, token),
            Kind::Number(digits) => self.literal(digits, token),
            _ => Err(unexpected_start(token)),
        }
    }

    fn scaled(&mut self, digits: &str, token: Token<'a>) -> Parsed<Side> {
        let factor = Quantity::from_digits(digits, Suffix::None).map(|quantity| quantity.number);
        let factor = factor.ok_or_else(|| error_at(token, "this number is too large"))?;
        match self.next() {
            Some(Token { kind: Kind::Word(word), start, end })
                if !KEYWORDS.contains(&word) && !matches!(word, "true" | "false") =>
            {
                self.term(Some(factor), Token { kind: Kind::Word(word), start, end }, word)
            }
            Some(other) => Err(error_at(other, "a metric is expected after `*`")),
            None => Err(ExpressionError::new(self.end, 1, "the expression ends where a metric is expected")),
        }
    }

    fn literal(&mut self, digits: &str, token: Token<'a>) -> Parsed<Side> {
        let suffix = match self.peek().map(|token| (token, token.kind)) {
            Some((_, Kind::Sign("%"))) => {
                self.at += 1;
                Suffix::Percent
            }
            Some((unit, Kind::Word(word))) if !KEYWORDS.contains(&word) => {
                self.at += 1;
                suffix(word).ok_or_else(|| {
                    let wrong = error_at(unit, format!("`{}` is not a unit", word.escape_debug()));
                    match similar_suffix(word) {
                        Some(name) => wrong.help(format!("did you mean `{name}`?")),
                        None => wrong.help("units are %, ms, s, m, h, days, sigma, bytes, kB, MB, GB"),
                    }
                })?
            }
            _ => Suffix::None,
        };
        let quantity = Quantity::from_digits(digits, suffix);
        let quantity = quantity.ok_or_else(|| error_at(token, "this number is too large"))?;
        Ok(Side::Literal(quantity, self.span(token)))
    }

    /// From the start of `token` to what was read last.
    fn span(&self, token: Token<'a>) -> Span {
        Span { start: token.start, length: self.last_end() - token.start }
    }

    fn term(&mut self, factor: Option<f64>, token: Token<'a>, name: &str) -> Parsed<Side> {
        let metric = self.metric(token, name)?;
        let mut divisor = None;
        if self.takes(Kind::Sign("/")) {
            divisor = match self.next() {
                Some(token) => match token.kind {
                    Kind::Word(word) if !KEYWORDS.contains(&word) => Some(self.metric(token, word)?),
                    _ => return Err(error_at(token, "a metric is expected after `/`")),
                },
                None => return Err(ExpressionError::new(self.end, 1, "a metric is expected after `/`")),
            };
        }
        Ok(Side::Term(Term { factor, metric, divisor }))
    }

    fn metric(&mut self, token: Token<'a>, name: &str) -> Parsed<MetricName> {
        let mut labels = Vec::new();
        if self.takes(Kind::Sign("{")) {
            while !self.takes(Kind::Sign("}")) {
                labels.push(self.label()?);
                if !self.takes(Kind::Sign(",")) && self.peek().is_none_or(|next| next.kind != Kind::Sign("}"))
                {
                    let place = self.peek().map_or(self.end, |next| next.start);
                    return Err(ExpressionError::new(place, 1, "`,` or `}` is expected after a label"));
                }
            }
        }
        labels.sort();
        if labels.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
            return Err(error_at(token, "one label is given twice"));
        }
        Ok(MetricName { name: name.to_owned(), labels, span: self.span(token) })
    }

    fn label(&mut self) -> Parsed<(String, String)> {
        let wrong = |place: usize, length: usize| {
            ExpressionError::new(place, length, "a label is expected")
                .help("write it like {route=\"checkout\"}")
        };
        let Some(token) = self.next() else { return Err(wrong(self.end, 1)) };
        let Kind::Word(label) = token.kind else { return Err(wrong(token.start, token.end - token.start)) };
        if !self.takes(Kind::Sign("=")) {
            return Err(wrong(token.start, token.end - token.start));
        }
        match self.next().map(|token| token.kind) {
            Some(Kind::Text(text)) => Ok((label.to_owned(), unescaped(text))),
            _ => Err(wrong(token.start, token.end - token.start)),
        }
    }

    fn unexpected_after_condition(&self, token: Token<'a>) -> ExpressionError {
        let (why, help) = match token.kind {
            Kind::Sign("&&") => ("`&&` is not a word of this language".to_owned(), "did you mean `and`?"),
            Kind::Sign("||") => ("`||` is not a word of this language".to_owned(), "did you mean `or`?"),
            Kind::Sign(")") => ("this bracket was never opened".to_owned(), "remove it, or add `(`"),
            Kind::Word(word) if word.eq_ignore_ascii_case("and") => (lower(word), "did you mean `and`?"),
            Kind::Word(word) if word.eq_ignore_ascii_case("or") => (lower(word), "did you mean `or`?"),
            _ => (
                "`and`, `or` or the end is expected here".to_owned(),
                "join two conditions with `and` or `or`",
            ),
        };
        error_at(token, why).help(help)
    }
}

fn lower(word: &str) -> String {
    format!("`{word}` is written in lower case")
}

fn single_or(mut nodes: Vec<Node>, join: fn(Vec<Node>) -> Node) -> Node {
    match nodes.pop() {
        Some(node) if nodes.is_empty() => node,
        Some(node) => {
            nodes.push(node);
            join(nodes)
        }
        None => join(nodes),
    }
}

fn error_at(token: Token<'_>, why: impl Into<String>) -> ExpressionError {
    ExpressionError::new(token.start, token.end - token.start, why)
}

fn unexpected_start(token: Token<'_>) -> ExpressionError {
    let wrong = error_at(token, "a metric or a value is expected here");
    match token.kind {
        Kind::Sign("!") => wrong.help("did you mean `not`?"),
        Kind::Text(_) => wrong.help("names of metrics are written without quotes"),
        _ => wrong,
    }
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}
