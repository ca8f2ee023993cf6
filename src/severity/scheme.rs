//! A severity scheme, compiled: checked as a whole, with all problems reported at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use super::catalog::{SlotId, Table};
use super::condition::{self, Condition};
use super::config::{LevelConfig, PostmortemConfig, RuleConfig, SchemeConfig};
use super::json::Fragments;
use super::{Expression, KeepConfig, OnNoData, Persistence, similar, sustain};
use crate::base::Verdict;

/// Something wrong in a scheme, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemeProblem {
    /// A JSON pointer into the scheme, as `/rules/3/when`.
    pub pointer: String,
    /// Where in the text that the pointer names, in bytes.
    pub offset: usize,
    /// How many bytes it covers; 0 for the whole text.
    pub length: usize,
    /// What is wrong.
    pub message: String,
    /// A way out.
    pub help: Option<String>,
}

impl SchemeProblem {
    fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), offset: 0, length: 0, message: message.into(), help: None }
    }

    fn suggest<'a>(mut self, wanted: &str, names: impl IntoIterator<Item = &'a String>) -> Self {
        let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
        self.help = match similar(wanted, names.iter().copied()) {
            Some(name) => Some(format!("did you mean `{name}`?")),
            None => Some(format!("known: {}", names.join(", "))),
        };
        self
    }
}

/// A rule, compiled.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) config: RuleConfig,
    pub(crate) condition: Condition,
    /// Every slot that the condition reads.
    pub(crate) slots: Vec<SlotId>,
    /// How urgent: 0 is the most.
    pub(crate) rank: usize,
    /// The verdict of its level.
    pub(crate) verdict: Verdict,
    /// What keeps a match for as long as it holds: the opposite of `until`, and the slots it reads.
    pub(crate) kept_while: Option<(Condition, Vec<SlotId>)>,
}

impl Rule {
    /// In how many buckets the condition has to hold, where one value is not enough.
    pub(crate) fn needs_history(&self) -> bool {
        !matches!(self.config.persistence, None | Some(Persistence::Buckets(1)))
    }
}

/// A severity scheme, ready to classify.
#[derive(Debug, Clone)]
pub struct Scheme {
    config: SchemeConfig,
    /// The levels' names, most urgent first.
    order: Vec<String>,
    pub(crate) table: Table,
    pub(crate) rules: Vec<Rule>,
    /// What JSON results are put together from; only streams of alerts are written that way.
    fragments: OnceLock<Fragments>,
}

impl Scheme {
    /// Checks and compiles a scheme. All problems are reported together.
    pub fn compile(config: &SchemeConfig) -> Result<Self, Vec<SchemeProblem>> {
        let mut problems = Vec::new();
        check_metrics(config, &mut problems);
        let order = order(config, &mut problems);
        check_verdicts(config, &order, &mut problems);
        if let Some(level) = &config.default_level
            && !config.levels.contains_key(level)
        {
            let wrong = SchemeProblem::new("/default_level", no_level(level));
            problems.push(wrong.suggest(level, config.levels.keys()));
        }
        if config.rules.is_empty() {
            problems.push(SchemeProblem::new("/rules", "a scheme without rules can judge nothing"));
        }
        let mut table = Table::default();
        let mut seen = BTreeSet::new();
        let mut rules = Vec::new();
        for (index, rule) in config.rules.iter().enumerate() {
            if !seen.insert(rule.id.as_str()) {
                let message = format!("there are two rules `{}`", rule.id.escape_debug());
                problems.push(SchemeProblem::new(format!("/rules/{index}/id"), message));
            }
            rules.extend(compile_rule(index, rule, config, &order, &mut table, &mut problems));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self { config: config.clone(), order, table, rules, fragments: OnceLock::new() })
    }

    pub(crate) fn fragments(&self) -> &Fragments {
        self.fragments.get_or_init(|| Fragments::new(&self.config, &self.order, &self.rules, &self.table))
    }

    /// The scheme as it was written.
    pub fn config(&self) -> &SchemeConfig {
        &self.config
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.config.scheme
    }

    /// The levels' names, most urgent first.
    pub fn levels(&self) -> &[String] {
        &self.order
    }

    /// A level by name.
    pub fn level(&self, name: &str) -> Option<&LevelConfig> {
        self.config.levels.get(name)
    }

    /// How urgent a level is: 0 is the most. An unknown level is less urgent than all.
    pub fn rank(&self, level: &str) -> usize {
        self.order.iter().position(|name| name == level).unwrap_or(self.order.len())
    }

    /// A rule by name.
    pub fn rule(&self, id: &str) -> Option<&RuleConfig> {
        self.config.rules.iter().find(|rule| rule.id == id)
    }

    /// The postmortem that is due after this rule matched at this level: the rule's own, else the level's, else the
    /// scheme's.
    pub fn postmortem(&self, rule: Option<&str>, level: &str) -> Option<PostmortemConfig> {
        let own = rule.and_then(|rule| self.rule(rule)).and_then(|rule| rule.postmortem);
        own.or_else(|| self.level(level).and_then(|level| level.postmortem)).or(self.config.postmortem)
    }

    /// The names of all metrics that its rules read, and whether they are optional.
    pub fn metrics(&self) -> BTreeMap<&str, bool> {
        self.table.slots.iter().map(|slot| (slot.metric.as_str(), slot.optional)).collect()
    }
}

fn no_level(level: &str) -> String {
    format!("there is no level `{}` in this scheme", level.escape_debug())
}

fn check_metrics(config: &SchemeConfig, problems: &mut Vec<SchemeProblem>) {
    for (name, metric) in &config.metrics {
        let pointer = format!("/metrics/{}", name.replace('~', "~0").replace('/', "~1"));
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ':');
        let starts = |c: char| c.is_alphabetic() || c == '_';
        if !name.starts_with(starts)
            || !name.chars().all(plain)
            || ["and", "or", "not", "true", "false"].contains(&name.as_str())
        {
            let message = format!("`{}` cannot be the name of a metric", name.escape_debug());
            let mut problem = SchemeProblem::new(&pointer, message);
            problem.help = Some("use letters, digits, `_`, `.` and `:`, and no word of the language".into());
            problems.push(problem);
        }
        if let Some([low, high]) = metric.range
            && (low.is_nan() || high.is_nan() || low >= high)
        {
            let message = format!("the range {low} to {high} is empty");
            problems.push(SchemeProblem::new(format!("{pointer}/range"), message));
        }
    }
}

/// The levels' names by urgency.
fn order(config: &SchemeConfig, problems: &mut Vec<SchemeProblem>) -> Vec<String> {
    if config.levels.is_empty() {
        problems.push(SchemeProblem::new("/levels", "a scheme needs at least one level"));
    }
    if config.order.is_empty() {
        return config.levels.keys().cloned().collect();
    }
    for (index, level) in config.order.iter().enumerate() {
        let pointer = format!("/order/{index}");
        if !config.levels.contains_key(level) {
            problems.push(SchemeProblem::new(&pointer, no_level(level)).suggest(level, config.levels.keys()));
        }
        if config.order.iter().take(index).any(|earlier| earlier == level) {
            problems
                .push(SchemeProblem::new(&pointer, format!("`{}` stands here twice", level.escape_debug())));
        }
    }
    for level in config.levels.keys().filter(|level| !config.order.contains(level)) {
        let message = format!("the level `{}` is missing here", level.escape_debug());
        problems.push(SchemeProblem::new("/order", message));
    }
    config.order.clone()
}

/// The most urgent level that matches wins, and with it its verdict: a milder one would hide what is worse.
fn check_verdicts(config: &SchemeConfig, order: &[String], problems: &mut Vec<SchemeProblem>) {
    let levels: Vec<(&String, Verdict)> =
        order.iter().filter_map(|name| Some((name, config.levels.get(name)?.verdict))).collect();
    for pair in levels.windows(2) {
        let [(urgent, mild), (less, worse)] = pair else { continue };
        if mild.worst(*worse) != *mild {
            let (urgent, less) = (urgent.escape_debug(), less.escape_debug());
            let message =
                format!("`{urgent}` is more urgent than `{less}`, and only {mild} where that is {worse}");
            let mut problem = SchemeProblem::new(format!("/levels/{urgent}"), message);
            problem.help = Some("write `order:`, the most urgent level first; without it levels are in the order of their names".into());
            problems.push(problem);
        }
    }
}

fn compile_rule(
    index: usize,
    rule: &RuleConfig,
    config: &SchemeConfig,
    order: &[String],
    table: &mut Table,
    problems: &mut Vec<SchemeProblem>,
) -> Option<Rule> {
    let level = config.levels.get(&rule.level);
    if level.is_none() {
        let wrong = SchemeProblem::new(format!("/rules/{index}/level"), no_level(&rule.level));
        problems.push(wrong.suggest(&rule.level, config.levels.keys()));
    }
    let condition = compile_condition(&format!("/rules/{index}/when"), &rule.when, config, table, problems);
    let kept_while = compile_keep(index, rule, config, table, problems);
    check_lengths(index, rule, problems);
    let condition = condition?;
    Some(Rule {
        kept_while,
        slots: condition.slots(),
        condition,
        rank: order.iter().position(|name| *name == rule.level)?,
        verdict: level?.verdict,
        config: rule.clone(),
    })
}

/// Compiles a condition; what is wrong with it is a problem at `pointer`.
fn compile_condition(
    pointer: &str,
    expression: &Expression,
    config: &SchemeConfig,
    table: &mut Table,
    problems: &mut Vec<SchemeProblem>,
) -> Option<Condition> {
    let mut errors = Vec::new();
    let condition = condition::compile(expression.node(), &config.metrics, table, &mut errors);
    problems.extend(errors.into_iter().map(|error| SchemeProblem {
        pointer: pointer.to_owned(),
        offset: error.offset,
        length: error.length,
        message: error.message,
        help: error.help,
    }));
    condition
}

fn compile_keep(
    index: usize,
    rule: &RuleConfig,
    config: &SchemeConfig,
    table: &mut Table,
    problems: &mut Vec<SchemeProblem>,
) -> Option<(Condition, Vec<SlotId>)> {
    let Some(KeepConfig::Until(until)) = &rule.keep else { return None };
    let pointer = format!("/rules/{index}/keep/until");
    let ends = compile_condition(&pointer, until, config, table, problems)?;
    // Of several series all have to have ended: none may still hold the opposite.
    let keeps = Condition::Not(Box::new(ends));
    let slots = keeps.slots();
    Some((keeps, slots))
}

/// Lengths of time that no sample can be measured by.
fn check_lengths(index: usize, rule: &RuleConfig, problems: &mut Vec<SchemeProblem>) {
    let mut check = |key: &str, duration| {
        if let Some(why) = sustain::unusable(duration) {
            let mut problem = SchemeProblem::new(format!("/rules/{index}/{key}"), why);
            problem.help = Some("write a length like `30m`".to_owned());
            problems.push(problem);
        }
    };
    if let Some(KeepConfig::For(duration)) = rule.keep {
        check("keep/for", duration);
    }
    if let Some(OnNoData::Hold(duration)) = rule.on_no_data {
        check("on_no_data/hold", duration);
    }
}
