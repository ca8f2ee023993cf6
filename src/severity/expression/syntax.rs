//! What an expression consists of, before it meets a catalog of metrics.

use std::fmt;

use crate::severity::quantity::Quantity;

/// A comparison's sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

impl Operator {
    /// Whether `left OPERATOR right` holds.
    #[inline]
    pub(crate) fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Operator::Less => left < right,
            Operator::LessOrEqual => left <= right,
            Operator::Greater => left > right,
            Operator::GreaterOrEqual => left >= right,
            Operator::Equal => left == right,
            Operator::NotEqual => left != right,
        }
    }

    /// The operator that says the same with its sides exchanged.
    pub(crate) const fn mirrored(self) -> Self {
        match self {
            Operator::Less => Operator::Greater,
            Operator::LessOrEqual => Operator::GreaterOrEqual,
            Operator::Greater => Operator::Less,
            Operator::GreaterOrEqual => Operator::LessOrEqual,
            other => other,
        }
    }

    /// As it is written.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
        }
    }
}

/// Where something stands in the source, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) length: usize,
}

/// Two places never make two expressions differ.
impl PartialEq for Span {
    fn eq(&self, _: &Span) -> bool {
        true
    }
}

/// A metric, narrowed to the series that carry these labels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MetricName {
    pub(crate) name: String,
    /// Sorted by label.
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) span: Span,
}

/// `factor * metric / divisor`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Term {
    pub(crate) factor: Option<f64>,
    pub(crate) metric: MetricName,
    pub(crate) divisor: Option<MetricName>,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Side {
    Literal(Quantity, Span),
    Term(Term),
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "a scheme has a few dozen of them, most of them comparisons")]
pub(crate) enum Node {
    Or(Vec<Node>),
    And(Vec<Node>),
    Not(Box<Node>),
    Compare { left: Side, operator: Operator, right: Side, span: Span },
    Flag(MetricName),
}

impl fmt::Display for MetricName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.labels.is_empty() {
            return Ok(());
        }
        f.write_str("{")?;
        for (index, (label, value)) in self.labels.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            write!(f, "{comma}{label}=\"{value}\"")?;
        }
        f.write_str("}")
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Side::Literal(quantity, _) => quantity.fmt(f),
            Side::Term(term) => {
                if let Some(factor) = term.factor {
                    write!(f, "{factor} * ")?;
                }
                term.metric.fmt(f)?;
                term.divisor.as_ref().map_or(Ok(()), |divisor| write!(f, " / {divisor}"))
            }
        }
    }
}

impl Node {
    /// How tightly it binds: what binds less needs brackets inside what binds more.
    const fn binding(&self) -> u8 {
        match self {
            Node::Or(_) => 0,
            Node::And(_) => 1,
            Node::Not(_) => 2,
            Node::Compare { .. } | Node::Flag(_) => 3,
        }
    }

    fn inside(&self, f: &mut fmt::Formatter<'_>, binding: u8) -> fmt::Result {
        if self.binding() < binding { write!(f, "({self})") } else { write!(f, "{self}") }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, nodes: &[Node], word: &str| {
            for (index, node) in nodes.iter().enumerate() {
                if index > 0 {
                    f.write_str(word)?;
                }
                node.inside(f, self.binding() + 1)?;
            }
            Ok(())
        };
        match self {
            Node::Or(nodes) => joined(f, nodes, " or "),
            Node::And(nodes) => joined(f, nodes, " and "),
            Node::Not(node) => {
                f.write_str("not ")?;
                node.inside(f, 2)
            }
            Node::Compare { left, operator, right, .. } => write!(f, "{left} {} {right}", operator.as_str()),
            Node::Flag(metric) => metric.fmt(f),
        }
    }
}
