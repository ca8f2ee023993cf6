//! All analyses of a suite, side by side: each sample is taken when it is due, whichever analysis it belongs to.

use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

use super::super::condition;
use super::super::config::ExpectationConfig;
use super::super::report::{Check, SampleView};
use super::super::run::Wait;
use super::super::selection::{Selection, explain};
use super::judge::{Judge, amounts_to};
use super::source::Source;
use super::{AnalysisConfig, VALUE};
use crate::base::{Unit, Verdict};
use crate::probe::Request;

/// An analysis that is under way.
struct Running<'a> {
    /// Its place among the suite's expectations.
    place: usize,
    config: &'a AnalysisConfig,
    /// The verdict of a bad end.
    not_good: Verdict,
    source: Source<'a>,
    judge: Judge<'a>,
    samples: Vec<SampleView>,
    due: DateTime<Utc>,
}

/// What an analysis came to.
pub(in super::super) struct Analysed {
    pub verdict: Verdict,
    pub reason: String,
    pub samples: Vec<SampleView>,
    pub unit: Unit,
}

/// Runs the analyses of these expectations and returns what each came to, by its place.
pub(in super::super) fn run(
    expectations: &[ExpectationConfig],
    selection: &Selection,
    request: &Request<'_>,
    wait: Wait<'_>,
) -> BTreeMap<usize, Analysed> {
    let mut over = BTreeMap::new();
    let mut running = Vec::new();
    for (place, expectation) in expectations.iter().enumerate() {
        let Some(config) = &expectation.analysis else { continue };
        match begin(place, config, expectation.severity.verdict(), selection, request) {
            Ok(one) => running.push(one),
            Err(reason) => {
                let samples = Vec::new();
                over.insert(
                    place,
                    Analysed { verdict: Verdict::Unknown, reason, samples, unit: Unit::Number },
                );
            }
        }
    }
    while let Some(next) = running.iter().enumerate().min_by_key(|(_, one)| one.due).map(|(at, _)| at) {
        let Some(one) = running.get_mut(next) else { break };
        let ended = match wait(one.due) {
            Ok(now) => one.take(now),
            Err(error) => Some((Verdict::Unknown, format!("the time is not known: {}", error.message))),
        };
        if let Some((verdict, reason)) = ended {
            let one = running.swap_remove(next);
            let unit = one.judge.unit;
            over.insert(one.place, Analysed { verdict, reason, samples: one.samples, unit });
        }
    }
    over
}

fn begin<'a>(
    place: usize,
    config: &'a AnalysisConfig,
    not_good: Verdict,
    selection: &'a Selection,
    request: &'a Request<'a>,
) -> Result<Running<'a>, String> {
    let wrong = super::problems(config, selection);
    if !wrong.is_empty() {
        return Err(explain(&wrong.into_iter().map(|(_, fault)| fault).collect::<Vec<_>>()));
    }
    let unit = super::unit(config, selection).map_err(|(_, fault)| fault.to_string())?;
    let units = BTreeMap::from([(VALUE.to_owned(), unit)]);
    let condition = condition::compile(&config.success, &units).map_err(|faults| explain(&faults))?;
    let source = Source::new(config, selection, request);
    let baseline = config.compare.as_ref().map(|compare| {
        let number = source.baseline(compare, request.now)?;
        if number.value.is_finite() {
            return Ok(number.value);
        }
        Err(format!("the baseline is {}", number.value))
    });
    let due = config.warm_up.map_or(request.now, |time| time.after(request.now));
    let judge = Judge { config, condition, unit, baseline };
    Ok(Running { place, config, not_good, source, judge, samples: Vec::new(), due })
}

impl Running<'_> {
    /// Takes the sample that is due; returns how the analysis ended, if it did.
    fn take(&mut self, now: DateTime<Utc>) -> Option<(Verdict, String)> {
        let sample = self.judge.judge(self.source.sample(now), now);
        self.samples.push(sample);
        self.due = self.config.every.after(now);
        amounts_to(self.config, &self.samples, self.not_good)
    }
}

impl Analysed {
    /// Writes it into the check of its expectation.
    pub fn fill(self, check: &mut Check) {
        check.verdict = self.verdict;
        check.reason = self.reason.into();
        check.rows = u64::try_from(self.samples.len()).unwrap_or(u64::MAX);
        check.newest = self.samples.iter().filter_map(|sample| sample.true_at).max();
        if let Some(last) = self.samples.iter().rev().find(|sample| sample.value.is_some()) {
            check.values.push(super::super::report::Value {
                metric: VALUE.to_owned(),
                value: last.value,
                unit: self.unit,
                text: last.value.map(|value| self.unit.show(value)).unwrap_or_default().into(),
            });
        }
        check.samples = self.samples;
    }
}
