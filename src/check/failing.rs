//! The rule that fails, as a rollback needs it: would it also fail on a candidate?

use crate::base::Unit;
use crate::incident::Incident;
use crate::rollback::FailingRule;
use crate::severity::{CompiledExpression, Evidence, Expression, Scheme, Truth};

/// A rule of an incident, with the one metric that candidates can be scored by.
#[derive(Debug)]
pub struct Failing {
    rule: String,
    metric: String,
    unit: Unit,
    expression: String,
    compiled: CompiledExpression,
}

impl Failing {
    /// The first rule of the incident, worst level first, that hangs on a metric the incident recorded.
    pub fn of(scheme: &Scheme, incident: &Incident) -> Option<Self> {
        let mut rules: Vec<_> = incident.rules.iter().filter_map(|rule| scheme.rule(&rule.id)).collect();
        rules.sort_by_key(|rule| scheme.rank(&rule.level));
        rules.into_iter().find_map(|rule| {
            let expression = rule.when.source().trim().to_owned();
            let metric = incident.metrics.keys().find(|metric| expression.contains(metric.as_str()))?;
            let compiled = CompiledExpression::compile(&rule.when, &scheme.config().metrics).ok()?;
            let unit = scheme.config().metrics.get(metric)?.unit;
            Some(Self { rule: rule.id.clone(), metric: metric.clone(), unit, expression, compiled })
        })
    }

    /// A condition outside the scheme's rules; nothing where it looks at more than one metric.
    pub fn of_condition(name: &str, expression: &Expression, scheme: &Scheme) -> Option<Self> {
        let metrics = expression.metrics();
        let [metric] = metrics.as_slice() else { return None };
        let catalog = &scheme.config().metrics;
        Some(Self {
            rule: name.to_owned(),
            metric: (*metric).to_owned(),
            unit: catalog.get(*metric)?.unit,
            expression: expression.source().trim().to_owned(),
            compiled: CompiledExpression::compile(expression, catalog).ok()?,
        })
    }

    /// Whether the rule's condition holds at a value; `None` where one value cannot decide it.
    pub fn fails(&self, value: f64) -> Option<bool> {
        let evidence = Evidence::from_values([(self.metric.as_str(), value)]);
        match self.compiled.judge(&evidence, None).truth {
            Truth::True => Some(true),
            Truth::False => Some(false),
            Truth::Undecided => None,
        }
    }

    /// As a rollback is handed it.
    pub fn rule<'a>(&self, fails: &'a dyn Fn(f64) -> Option<bool>) -> FailingRule<'a> {
        FailingRule {
            rule: self.rule.clone(),
            metric: self.metric.clone(),
            unit: self.unit,
            expression: self.expression.clone(),
            fails,
        }
    }
}
