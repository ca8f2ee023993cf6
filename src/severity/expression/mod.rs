//! The expression language of rules: comparisons of metrics, joined by `and`, `or`, `not`.

mod lexer;
mod parser;
pub(crate) mod syntax;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use crate::base::{Error, ErrorCode, Result};
use syntax::Node;

/// An expression that is well formed; whether its metrics exist and fit is known when it is compiled.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expression {
    source: String,
    node: Node,
}

/// What is wrong with an expression, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at byte {offset})")]
pub struct ExpressionError {
    /// Where it is, in bytes from the start of the expression.
    pub offset: usize,
    /// How many bytes it covers; at least one.
    pub length: usize,
    /// What is wrong.
    pub message: String,
    /// A way out.
    pub help: Option<String>,
}

impl ExpressionError {
    pub(crate) fn new(offset: usize, length: usize, message: impl Into<String>) -> Self {
        Self { offset, length: length.max(1), message: message.into(), help: None }
    }

    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Expression {
    /// Reads an expression. Byte offsets in errors count from the start of `source` as given.
    pub fn parse(source: &str) -> Result<Self, ExpressionError> {
        Ok(Self { source: source.to_owned(), node: parser::parse(source)? })
    }

    /// The text as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names of the metrics in it, in order of appearance, each once.
    pub fn metrics(&self) -> Vec<&str> {
        let mut names = Vec::new();
        collect(&self.node, &mut names);
        names
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }
}

fn collect<'a>(node: &'a Node, names: &mut Vec<&'a str>) {
    let mut add = |name: &'a syntax::MetricName| {
        if !names.contains(&name.name.as_str()) {
            names.push(&name.name);
        }
    };
    match node {
        Node::Flag(metric) => add(metric),
        Node::Compare { left, right, .. } => {
            for side in [left, right] {
                if let syntax::Side::Term(term) = side {
                    add(&term.metric);
                    term.divisor.iter().for_each(&mut add);
                }
            }
        }
        Node::Not(node) => collect(node, names),
        Node::Or(nodes) | Node::And(nodes) => nodes.iter().for_each(|node| collect(node, names)),
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

/// The expression in its regular form: single spaces, and no brackets but the needed ones.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.fmt(f)
    }
}

impl FromStr for Expression {
    type Err = Error;

    fn from_str(source: &str) -> Result<Self> {
        Expression::parse(source).map_err(|error| {
            let shown: String = source.chars().take(120).collect();
            let wrong =
                Error::new(ErrorCode::InvalidExpression, format!("`{}`: {error}", shown.escape_debug()));
            wrong
                .hint(error.help.unwrap_or_else(|| "write it like `error_rate > 5% and not draining`".into()))
        })
    }
}

impl TryFrom<String> for Expression {
    type Error = Error;

    fn try_from(source: String) -> Result<Self> {
        source.parse()
    }
}

impl From<Expression> for String {
    fn from(expression: Expression) -> Self {
        expression.source
    }
}

impl JsonSchema for Expression {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Expression".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "expression",
            "description": "A condition on metrics: comparisons with literals that carry units (`25%`, `200ms`, \
                            `14 days`, `1.5 sigma`, `true`), joined by `and`, `or`, `not` and brackets.",
            "examples": ["mape_weekly > 25%", "error_rate > 5% and not draining", "p95 > 2 * p95_baseline"]
        })
    }
}

#[cfg(test)]
mod tests;
