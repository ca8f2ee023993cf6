//! Values: whether each reference leads to an input, or to a step that was done before.

use std::collections::{BTreeMap, BTreeSet};

use super::super::problem::{Mistake, Problem, nearest};
use super::super::template::{Reference, Template};
use super::super::walk::{self, Nest};
use super::super::{OnFail, RunbookConfig, StepConfig};
use super::names::dangling;

/// How sure it is that an earlier step was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// It was, or the run would have halted.
    Surely,
    /// It may have been skipped, failed, or stand in a branch that was not taken.
    Perhaps,
}

/// A use of an output that may not be there.
pub(crate) struct Doubtful {
    /// Where it is used.
    pub pointer: String,
    /// Where in the text.
    pub span: std::ops::Range<usize>,
    /// The step that may not have been done.
    pub step: String,
}

/// Everything that is wrong with references.
pub(super) fn problems(runbook: &RunbookConfig) -> Vec<Problem> {
    look(runbook).0
}

/// The uses of outputs that may not be there.
pub(crate) fn doubtful(runbook: &RunbookConfig) -> Vec<Doubtful> {
    look(runbook).1
}

fn look(runbook: &RunbookConfig) -> (Vec<Problem>, Vec<Doubtful>) {
    let all = walk::steps(runbook).into_iter().map(|(_, step)| (step.id.as_str(), step)).collect();
    let mut look = Look { runbook, all, problems: Vec::new(), doubtful: Vec::new() };
    let mut known = BTreeMap::new();
    look.list("/steps", &runbook.steps, &mut known, &Elsewhere::default());
    (look.problems, look.doubtful)
}

/// Steps that can never come before, and why.
#[derive(Clone, Default)]
struct Elsewhere<'a> {
    branches: BTreeSet<&'a str>,
    arms: BTreeSet<&'a str>,
}

type Known<'a> = BTreeMap<&'a str, Done>;

struct Look<'a> {
    runbook: &'a RunbookConfig,
    all: BTreeMap<&'a str, &'a StepConfig>,
    problems: Vec<Problem>,
    doubtful: Vec<Doubtful>,
}

impl<'a> Look<'a> {
    fn list(
        &mut self,
        base: &str,
        steps: &'a [StepConfig],
        known: &mut Known<'a>,
        elsewhere: &Elsewhere<'a>,
    ) {
        for (number, step) in steps.iter().enumerate() {
            let pointer = format!("{base}/{number}");
            for (at, text) in walk::texts(step) {
                self.text(step, &format!("{pointer}{at}"), &text, known, elsewhere);
            }
            let lists = walk::children(step, &pointer);
            let inside: Vec<(Nest, BTreeSet<&str>)> =
                lists.iter().map(|(nest, _, steps)| (*nest, ids(steps))).collect();
            let mut done = Vec::new();
            for (place, (nest, base, steps)) in lists.iter().enumerate() {
                let mut own = known.clone();
                let mut apart = elsewhere.clone();
                for (other, (kind, ids)) in inside.iter().enumerate() {
                    match kind {
                        Nest::Branch(_) if other != place => apart.branches.extend(ids),
                        Nest::Arm if other != place => apart.arms.extend(ids),
                        _ => {}
                    }
                }
                if *nest == Nest::Undo {
                    // What a step saved can be used to make it good.
                    own.insert(&step.id, Done::Perhaps);
                }
                self.list(base, steps, &mut own, &apart);
                match nest {
                    Nest::Branch(_) => done.extend(own.into_keys().map(|id| (id, Done::Perhaps))),
                    Nest::Arm => done.extend(own),
                    // What makes a step good again was not done when the run went on.
                    Nest::Undo => {}
                }
            }
            for (id, how) in done {
                known.entry(id).or_insert(how);
            }
            let sure =
                step.when.is_none() && !matches!(step.on_fail, Some(OnFail::Continue | OnFail::Goto(_)));
            known.insert(&step.id, if sure { Done::Surely } else { Done::Perhaps });
        }
    }

    fn text(
        &mut self,
        step: &StepConfig,
        pointer: &str,
        text: &str,
        known: &Known<'a>,
        elsewhere: &Elsewhere<'a>,
    ) {
        if Template(text).is_plain() {
            return;
        }
        for (span, reference) in Template(text).references() {
            let problem = match reference {
                Err(fault) => Some(Problem::new(pointer, Mistake::Invalid, fault.message).help(fault.help)),
                Ok(Reference::Input(name)) if !self.runbook.inputs.contains_key(name) => {
                    let known: Vec<&str> = self.runbook.inputs.keys().map(String::as_str).collect();
                    let problem = dangling(pointer, "input", name, known.iter().copied());
                    let declare = || format!("declare it: `inputs: {{{name}: {{type: string}}}}`");
                    Some(if known.is_empty() { problem.help(declare()) } else { problem })
                }
                Ok(Reference::Step(id, name)) => match self.output(step, pointer, id, name, known, elsewhere)
                {
                    Ok(Done::Surely) => None,
                    Ok(Done::Perhaps) => {
                        let doubtful =
                            Doubtful { pointer: pointer.to_owned(), span: span.clone(), step: id.to_owned() };
                        self.doubtful.push(doubtful);
                        None
                    }
                    Err(problem) => Some(problem),
                },
                Ok(_) => None,
            };
            self.problems.extend(problem.map(|problem| problem.at(Some(span))));
        }
    }

    fn output(
        &self,
        step: &StepConfig,
        pointer: &str,
        id: &str,
        name: &str,
        known: &Known<'a>,
        elsewhere: &Elsewhere<'a>,
    ) -> Result<Done, Problem> {
        let wrong =
            |message: String, help: &str| Err(Problem::new(pointer, Mistake::Invalid, message).help(help));
        let Some(source) = self.all.get(id) else {
            return Err(dangling(pointer, "step", id, self.all.keys().copied()));
        };
        let names = walk::outputs(source);
        if !names.contains(&name) {
            let message = format!("the step `{id}` saves no `{name}`");
            let help = match nearest(name, names.iter().copied(), "outputs") {
                Some(help) if !names.is_empty() => help,
                _ => format!("give it `save: {{{name}: …}}`"),
            };
            return Err(Problem::new(pointer, Mistake::Dangling, message).help(help));
        }
        if let Some(done) = known.get(id) {
            return Ok(*done);
        }
        if step.id == id {
            return wrong(format!("the step `{id}` uses a value of itself"), "it is known only afterwards");
        }
        if elsewhere.branches.contains(id) {
            return wrong(
                format!("the step `{id}` stands in another branch"),
                "when this branch is taken, that one is not",
            );
        }
        if elsewhere.arms.contains(id) {
            return wrong(
                format!("the step `{id}` goes on side by side with this one"),
                "use the value after the `parallel` step",
            );
        }
        wrong(format!("the step `{id}` comes later"), "move it before this one")
    }
}

fn ids(steps: &[StepConfig]) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for step in steps {
        found.insert(step.id.as_str());
        for (_, _, steps) in walk::children(step, "") {
            found.extend(ids(steps));
        }
    }
    found
}
