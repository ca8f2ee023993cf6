//! Single expressions outside a scheme: when to act, what to decide in a runbook, what a suite expects.

use std::collections::BTreeMap;

use super::catalog::{SlotId, Table};
use super::classification::{LookedAt, Outcome};
use super::classify::Finding;
use super::condition::{self, Condition};
use super::config::Catalog;
use super::{Evidence, Expression, ExpressionError, Persistence, Truth, history};

/// An expression, checked against a catalog of metrics and ready to be judged.
#[derive(Debug, Clone)]
pub struct CompiledExpression {
    table: Table,
    slots: Vec<SlotId>,
    condition: Condition,
}

/// Whether an expression holds, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Whether it holds.
    pub truth: Truth,
    /// How it came out, more finely.
    pub outcome: Outcome,
    /// Why, in words.
    pub reason: String,
    /// Value minus threshold of the comparison that decided, in the metric's unit.
    pub distance: Option<f64>,
    /// The values that it used, by metric, each in its metric's unit.
    pub values: BTreeMap<String, f64>,
    /// The samples that it looked at.
    pub looked_at: Option<LookedAt>,
}

impl CompiledExpression {
    /// Checks an expression against a catalog; every error is reported.
    pub fn compile(expression: &Expression, catalog: &Catalog) -> Result<Self, Vec<ExpressionError>> {
        let (mut table, mut errors) = (Table::default(), Vec::new());
        let condition = condition::compile(expression.node(), catalog, &mut table, &mut errors);
        match condition {
            Some(condition) if errors.is_empty() => Ok(Self { slots: condition.slots(), table, condition }),
            _ => Err(errors),
        }
    }

    /// Judges evidence by it: whether it holds for one of several series. `persistence` is how long it has to.
    pub fn judge(&self, evidence: &Evidence, persistence: Option<Persistence>) -> Judgement {
        Self::judgement(history::judge(&self.condition, &self.slots, persistence, &self.table, evidence))
    }

    /// [`CompiledExpression::judge`] where it has to hold for every series, and not only for one of them.
    pub fn judge_every(&self, evidence: &Evidence, persistence: Option<Persistence>) -> Judgement {
        let found = history::judge_every(&self.condition, &self.slots, persistence, &self.table, evidence);
        Self::judgement(found)
    }

    fn judgement(found: Finding) -> Judgement {
        let truth = match found.outcome {
            Outcome::Matched => Truth::True,
            Outcome::Missed => Truth::False,
            Outcome::Undecided | Outcome::Warming | Outcome::Unreported | Outcome::Blocked => {
                Truth::Undecided
            }
        };
        Judgement {
            truth,
            outcome: found.outcome,
            reason: found.reason,
            distance: found.distance,
            values: found.values,
            looked_at: found.looked_at,
        }
    }
}
