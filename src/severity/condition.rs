//! Conditions in their compiled form: places in a table instead of names, evaluated without allocating.

use super::catalog::{SlotId, Table};
use super::config::Catalog;
use super::expression::ExpressionError;
use super::expression::syntax::{MetricName, Node, Operator, Side, Span, Term};
use super::frame::{Frame, Reading};
use super::quantity::wanted;
use super::{Quantity, Truth, wording};
use crate::base::Unit;

/// `factor * slot / divisor`.
#[derive(Debug, Clone)]
pub(crate) struct Operand {
    pub(crate) slot: SlotId,
    pub(crate) divisor: Option<SlotId>,
    pub(crate) factor: f64,
}

/// The right side of a comparison.
#[derive(Debug, Clone)]
pub(crate) enum Threshold {
    Constant(f64),
    Operand(Operand),
}

/// One comparison; all values in the unit of its left side.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    pub(crate) left: Operand,
    pub(crate) operator: Operator,
    pub(crate) right: Threshold,
    pub(crate) unit: Unit,
    /// The left side as written.
    pub(crate) left_text: String,
    /// The right side as people read it.
    pub(crate) right_text: String,
}

/// A condition.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    Any(Vec<Condition>),
    All(Vec<Condition>),
    Not(Box<Condition>),
    Compare(Comparison),
    Flag(SlotId),
}

/// How an absent optional metric counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// As undecided.
    Undecided,
    /// As not having happened.
    NotHappened,
}

impl Operand {
    /// Its value, where everything it needs is known and finite.
    #[inline]
    pub(crate) fn value(&self, frame: &Frame) -> Option<f64> {
        let value = frame.value(self.slot)?;
        let Some(divisor) = self.divisor else { return Some(self.factor * value) };
        let value = self.factor * value / frame.value(divisor)?;
        value.is_finite().then_some(value)
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = SlotId> {
        std::iter::once(self.slot).chain(self.divisor)
    }
}

impl Threshold {
    #[inline]
    pub(crate) fn value(&self, frame: &Frame) -> Option<f64> {
        match self {
            Threshold::Constant(value) => Some(*value),
            Threshold::Operand(operand) => operand.value(frame),
        }
    }
}

impl Comparison {
    /// Both sides' values.
    #[inline]
    pub(crate) fn values(&self, frame: &Frame) -> Option<(f64, f64)> {
        Some((self.left.value(frame)?, self.right.value(frame)?))
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = SlotId> {
        let right = match &self.right {
            Threshold::Operand(operand) => Some(operand.slots()),
            Threshold::Constant(_) => None,
        };
        self.left.slots().chain(right.into_iter().flatten())
    }
}

impl Condition {
    /// Whether it holds.
    #[inline]
    pub(crate) fn evaluate(&self, frame: &Frame, table: &Table, absent: Absent) -> Truth {
        match self {
            Condition::Compare(comparison) => match comparison.values(frame) {
                Some((left, right)) => comparison.operator.holds(left, right).into(),
                None => unknown(comparison.slots(), frame, table, absent),
            },
            Condition::Flag(slot) => match frame.value(*slot) {
                Some(value) => (value != 0.0).into(),
                None => unknown(std::iter::once(*slot), frame, table, absent),
            },
            Condition::Not(inner) => inner.evaluate(frame, table, absent).negated(),
            Condition::All(all) => {
                all.iter().fold(Truth::True, |truth, one| truth.and(one.evaluate(frame, table, absent)))
            }
            Condition::Any(any) => {
                any.iter().fold(Truth::False, |truth, one| truth.or(one.evaluate(frame, table, absent)))
            }
        }
    }

    /// Calls `visit` with each comparison or flag in it and whether it stands under an odd number of `not`.
    pub(crate) fn leaves<'a>(&'a self, visit: &mut dyn FnMut(&'a Condition, bool)) {
        self.walk(false, visit);
    }

    fn walk<'a>(&'a self, negated: bool, visit: &mut dyn FnMut(&'a Condition, bool)) {
        match self {
            Condition::Any(nodes) | Condition::All(nodes) => {
                nodes.iter().for_each(|node| node.walk(negated, visit));
            }
            Condition::Not(inner) => inner.walk(!negated, visit),
            leaf => visit(leaf, negated),
        }
    }

    /// The slots it reads, sorted, each once.
    pub(crate) fn slots(&self) -> Vec<SlotId> {
        let mut slots = Vec::new();
        self.leaves(&mut |leaf, _| match leaf {
            Condition::Compare(comparison) => slots.extend(comparison.slots()),
            Condition::Flag(slot) => slots.push(*slot),
            _ => {}
        });
        slots.sort_unstable();
        slots.dedup();
        slots
    }
}

/// The truth of a leaf whose value is not known.
fn unknown(slots: impl Iterator<Item = SlotId>, frame: &Frame, table: &Table, absent: Absent) -> Truth {
    if absent == Absent::Undecided {
        return Truth::Undecided;
    }
    let mut missing = slots.filter(|slot| frame.value(*slot).is_none()).peekable();
    let not_happened = missing.peek().is_some()
        && missing.all(|slot| {
            frame.reading(slot) == Reading::Absent && table.get(slot).is_some_and(|slot| slot.optional)
        });
    if not_happened { Truth::False } else { Truth::Undecided }
}

/// Compiles an expression: names become slots, literals become numbers in the metric's unit.
pub(crate) fn compile(
    node: &Node,
    catalog: &Catalog,
    table: &mut Table,
    problems: &mut Vec<ExpressionError>,
) -> Option<Condition> {
    let mut list = |nodes: &[Node]| -> Option<Vec<Condition>> {
        // Every part is compiled, so that every error is reported.
        let compiled: Vec<_> = nodes.iter().map(|node| compile(node, catalog, table, problems)).collect();
        compiled.into_iter().collect()
    };
    match node {
        Node::Or(nodes) => list(nodes).map(Condition::Any),
        Node::And(nodes) => list(nodes).map(Condition::All),
        Node::Not(node) => {
            compile(node, catalog, table, problems).map(|inner| Condition::Not(Box::new(inner)))
        }
        Node::Flag(metric) => flag(metric, catalog, table).map_err(|error| problems.push(error)).ok(),
        Node::Compare { left: Side::Term(left), operator, right, span } => {
            comparison(left, *operator, right, *span, catalog, table).map_err(|e| problems.push(e)).ok()
        }
        // The parser puts a metric on the left.
        Node::Compare { span, .. } => {
            problems.push(ExpressionError::new(span.start, span.length, "this compares two constants"));
            None
        }
    }
}

fn flag(metric: &MetricName, catalog: &Catalog, table: &mut Table) -> Result<Condition, ExpressionError> {
    let slot = table.intern(metric, catalog)?;
    match table.get(slot).map(|slot| slot.unit) {
        Some(Unit::Flag) => Ok(Condition::Flag(slot)),
        unit => {
            let unit = unit.map_or("", Unit::as_str);
            let why = format!("`{metric}` is a {unit}, not a flag: compare it with something");
            Err(ExpressionError::new(metric.span.start, metric.span.length, why)
                .help(format!("write it like `{metric} > …`, or declare it with `unit: flag`")))
        }
    }
}

fn operand(
    term: &Term,
    catalog: &Catalog,
    table: &mut Table,
) -> Result<(Operand, Unit, String), ExpressionError> {
    let slot = table.intern(&term.metric, catalog)?;
    let unit = unit_of(table, slot);
    let mut factor = term.factor.unwrap_or(1.0);
    let text = Side::Term(term.clone()).to_string();
    let Some(name) = &term.divisor else { return Ok((Operand { slot, divisor: None, factor }, unit, text)) };
    let divisor = table.intern(name, catalog)?;
    let other = unit_of(table, divisor);
    if unit.dimension() != other.dimension() {
        let why =
            format!("`{}` is a {unit} and `{name}` a {other}: their quotient has no meaning", term.metric);
        return Err(ExpressionError::new(name.span.start, name.span.length, why));
    }
    factor *= unit.factor() / other.factor();
    // A quotient of like things is a proportion; no range binds it.
    Ok((Operand { slot, divisor: Some(divisor), factor }, Unit::Ratio, text))
}

fn unit_of(table: &Table, slot: SlotId) -> Unit {
    table.get(slot).map_or(Unit::Number, |slot| slot.unit)
}

fn comparison(
    left: &Term,
    operator: Operator,
    right: &Side,
    span: Span,
    catalog: &Catalog,
    table: &mut Table,
) -> Result<Condition, ExpressionError> {
    let (left_operand, unit, left_text) = operand(left, catalog, table)?;
    let (right, right_text) = match right {
        Side::Literal(quantity, span) => {
            let value = literal(*quantity, *span, unit)?;
            if left.factor.is_none() && left.divisor.is_none() {
                in_range(*quantity, value, *span, table, left_operand.slot)?;
            }
            (Threshold::Constant(value), wording::value(unit, value))
        }
        Side::Term(term) => {
            let (mut operand, other, text) = operand(term, catalog, table)?;
            if unit.dimension() != other.dimension() {
                let why =
                    format!("`{left_text}` is a {unit}, `{text}` a {other}: only like is compared with like");
                return Err(ExpressionError::new(span.start, span.length, why));
            }
            operand.factor *= other.factor() / unit.factor();
            (Threshold::Operand(operand), text)
        }
    };
    Ok(Condition::Compare(Comparison { left: left_operand, operator, right, unit, left_text, right_text }))
}

fn literal(quantity: Quantity, span: Span, unit: Unit) -> Result<f64, ExpressionError> {
    quantity.to(unit).map_err(|why| {
        let help = format!("the metric is {}", wanted(unit));
        ExpressionError::new(span.start, span.length, format!("{why} (unit: {unit})")).help(help)
    })
}

/// A literal that the metric can never have is a mistake in the rule.
fn in_range(
    quantity: Quantity,
    value: f64,
    span: Span,
    table: &Table,
    slot: SlotId,
) -> Result<(), ExpressionError> {
    let Some(slot) = table.get(slot).filter(|slot| !slot.accepts(value)) else { return Ok(()) };
    let (low, high) = (wording::value(slot.unit, slot.low), wording::value(slot.unit, slot.high));
    let why = format!("`{quantity}` is outside the range of `{}`, {low} to {high}", slot.metric);
    let wrong = ExpressionError::new(span.start, span.length, why);
    let hundredth = value / 100.0;
    let forgot_percent = quantity.suffix == super::Suffix::None
        && matches!(slot.unit, Unit::Ratio | Unit::Change)
        && slot.accepts(hundredth);
    Err(if forgot_percent { wrong.help(format!("did you mean `{quantity}%`?")) } else { wrong })
}
