//! The gates, one by one, and the report over all of them.

use super::boundary::{self, Days};
use super::config::{
    Better, BoundaryGate, DatesConfig, ImprovementGate, LagGate, LeakageConfig, LinearModel, NamesConfig,
    PredictionsConfig, RSquaredConfig, RSquaredGate, ShuffledConfig, ShuffledGate, SignsGate,
};
use super::gate::{Finding, Kind, State, sum_up};
use super::linear::{Basis, r_squared};
use super::random::SplitMix64;
use super::reading::{Columns, Purpose, Read, Taken};
use super::source::{self, Found};
use super::{HALTED, SUSPECTED};
use crate::base::{Digest, Unit};
use crate::probe::coefficients::wrong_signs;
use crate::probe::dataset::Pass;
use crate::probe::{Outcome, Request, VersionSource};

/// How many features are named.
const NAMED: usize = 12;

/// What the gates look at.
struct Judge<'r> {
    request: &'r Request<'r>,
    tables: &'r [Read<'r>],
    /// The digests of everything that was looked at.
    inputs: Vec<Digest>,
    rows: u64,
}

/// Judges all gates.
pub(super) fn outcome(
    name: &str,
    config: &LeakageConfig,
    request: &Request<'_>,
    tables: &[Read<'_>],
) -> Outcome {
    let mut judge = Judge { request, tables, inputs: Vec::new(), rows: 0 };
    let findings: Vec<Finding> = config.kinds().into_iter().map(|kind| judge.gate(kind, config)).collect();
    let summary = sum_up(&findings);
    let mut outcome = Outcome::new(name);
    outcome.version_source = Some(VersionSource::Adopted);
    outcome.fact("report", summary.text);
    for finding in &findings {
        outcome.fact(finding.kind.as_str(), format!("{}: {}", finding.state, finding.looked));
        let metric = finding.kind.metric(name);
        outcome.samples.push(match &finding.value {
            Ok(value) => request.sample(name, &metric, *value, finding.kind.unit()),
            Err(reason) => request.undecided(name, &metric, finding.kind.unit(), reason.clone()),
        });
        if finding.state == State::Unknown {
            outcome.problem(Some(&metric), finding.looked.clone());
        }
    }
    if findings.is_empty() {
        outcome.problem(None, "no gate is configured");
    }
    let idle: Vec<&str> =
        Kind::ALL.iter().filter(|kind| !config.has(**kind)).map(|kind| kind.as_str()).collect();
    if !idle.is_empty() {
        outcome.fact("not looked at", idle.join(", "));
    }
    let state = match (summary.state, &summary.halted, &summary.suspected) {
        (State::Pass, ..) => Ok(0.0),
        (State::Warn, ..) => Ok(1.0),
        (State::Halt, ..) => Ok(2.0),
        (State::Unknown, Err(reason), Ok(true)) => Err(format!("at least WARN; {reason}")),
        (State::Unknown, Err(reason), _) => Err(reason.clone()),
        (State::Unknown, ..) => Err("not judged".to_owned()),
    };
    let flag = |known: Result<bool, String>| known.map(|holds| f64::from(u8::from(holds)));
    let state_metric = format!("{name}_state");
    for (metric, unit, value) in [
        (state_metric.as_str(), Unit::Number, state),
        (HALTED.0, HALTED.1, flag(summary.halted)),
        (SUSPECTED.0, SUSPECTED.1, flag(summary.suspected)),
    ] {
        outcome.samples.push(match value {
            Ok(value) => request.sample(name, metric, value, unit),
            Err(reason) => request.undecided(name, metric, unit, reason),
        });
    }
    let labels: Vec<String> = (0..judge.inputs.len()).map(|at| format!("{at:03}")).collect();
    let input = Digest::of_parts(labels.iter().map(String::as_str).zip(&judge.inputs));
    for sample in &mut outcome.samples {
        sample.input = Some(input.clone());
        sample.rows = judge.rows.max(1);
    }
    outcome
}

impl Judge<'_> {
    fn gate(&mut self, kind: Kind, config: &LeakageConfig) -> Finding {
        let found = match kind {
            Kind::RSquared => config.r_squared.as_ref().map(|gate| self.r_squared(gate)),
            Kind::Improvement => config.improvement.as_ref().map(|gate| self.improvement(gate)),
            Kind::LagFeatures => config.lag_features.as_ref().map(|gate| self.lag_features(gate)),
            Kind::Boundary => config.boundary.as_ref().map(|gate| self.boundary(gate)),
            Kind::Shuffled => config.shuffled.as_ref().map(|gate| self.shuffled(gate)),
            Kind::Signs => config.signs.as_ref().map(|gate| self.signs(gate)),
        };
        let found = found.unwrap_or_else(|| Err("it is not configured".to_owned()));
        found.unwrap_or_else(|reason| Finding::unknown(kind, reason))
    }

    fn seen<T>(&mut self, found: Found<T>) -> (T, String) {
        self.inputs.push(found.input);
        (found.what, found.place)
    }

    /// A table that was read.
    fn table(&mut self, purpose: Purpose) -> Result<(&Taken, &Pass, String), String> {
        let read = self.tables.iter().find(|read| read.purpose == purpose).ok_or("it was not read")?;
        let pass = read.pass.clone()?;
        self.inputs.push(pass.digest.clone());
        self.rows = self.rows.max(pass.rows);
        Ok((read.taken, pass, read.file.display().to_string()))
    }

    fn r_squared(&mut self, gate: &RSquaredGate) -> Result<Finding, String> {
        limits(gate.warn, gate.halt)?;
        let (value, looked) = match &gate.of {
            RSquaredConfig::Json(document) => self.seen(source::number_at(document, self.request)?),
            RSquaredConfig::Command(command) => self.seen(source::printed(command, self.request)?),
            RSquaredConfig::Predictions(config) => self.of_predictions(config)?,
            RSquaredConfig::Linear(model) => {
                let fit = self.fit(Purpose::RSquared, model)?;
                let value = fit.basis.r_squared(&fit.target).ok_or(CONSTANT)?;
                (value, fit.shown)
            }
        };
        // Nothing explains more than everything.
        if value > 1.0 + 1e-9 {
            return Err(format!("R² is {value}, which cannot be over 1 ({looked})"));
        }
        let looked = format!("{} ({looked}), WARN over {}, HALT over {}", short(value), gate.warn, gate.halt);
        let state = State::of(value, gate.warn, gate.halt);
        Ok(Finding { kind: Kind::RSquared, state, value: Ok(value), looked })
    }

    fn of_predictions(&mut self, config: &PredictionsConfig) -> Result<(f64, String), String> {
        let (taken, pass, file) = self.table(Purpose::RSquared)?;
        let (columns, left_out) = columns(taken)?.complete(pass, config.allow_missing)?;
        let [actual, predicted] = columns.as_slice() else { return Err("it was not read".to_owned()) };
        if actual.len() < 2 {
            return Err(format!("{file} has {} rows; R² needs two", actual.len()));
        }
        let value = r_squared(actual, predicted).ok_or("what happened is the same in every row")?;
        let shown = format!("{file}, {} rows, {} against {}", actual.len(), config.actual, config.predicted);
        Ok((value, shown + &left(left_out)))
    }

    fn fit(&mut self, purpose: Purpose, model: &LinearModel) -> Result<Fit, String> {
        let (taken, pass, file) = self.table(purpose)?;
        let (mut columns, left_out) = columns(taken)?.complete(pass, model.allow_missing)?;
        if columns.is_empty() {
            return Err("it was not read".to_owned());
        }
        let target = columns.remove(0);
        let (rows, features) = (target.len(), columns.len());
        let basis = Basis::new(columns.iter().map(Vec::as_slice), rows);
        // With as many parameters as rows every target is explained.
        if rows < basis.rank() + 2 {
            return Err(format!("{file} has {rows} rows, too few for {features} features and an intercept"));
        }
        let mut shown = format!("{file}, {rows} rows, least squares on {features} features");
        if basis.dependent > 0 {
            shown.push_str(&format!(", {} of them constant or given by the others", basis.dependent));
        }
        Ok(Fit { basis, target, shown: shown + &left(left_out) })
    }

    fn improvement(&mut self, gate: &ImprovementGate) -> Result<Finding, String> {
        let (warn, halt) = (gate.warn.fraction(), gate.halt.fraction());
        limits(warn, halt)?;
        let (model, model_place) = self.seen(source::number(&gate.model, self.request)?);
        let (baseline, baseline_place) = self.seen(source::number(&gate.baseline, self.request)?);
        let looked = format!("{model} ({model_place}) against {baseline} ({baseline_place})");
        if baseline == 0.0 {
            let reason = "the baseline is zero".to_owned();
            let looked = format!("{looked}: {reason}, so no improvement over it can be plausible");
            return Ok(Finding { kind: Kind::Improvement, state: State::Warn, value: Err(reason), looked });
        }
        let better = match gate.better {
            Better::Lower => baseline - model,
            Better::Higher => model - baseline,
        };
        let value = better / baseline.abs();
        if !value.is_finite() {
            return Err(format!("the improvement is not finite: {looked}"));
        }
        let looked = format!(
            "{} better: {looked}, WARN over {}, HALT over {}",
            Unit::Change.show(value),
            Unit::Ratio.show(warn),
            Unit::Ratio.show(halt)
        );
        let state = State::of(value, warn, halt);
        Ok(Finding { kind: Kind::Improvement, state, value: Ok(value), looked })
    }

    fn lag_features(&mut self, gate: &LagGate) -> Result<Finding, String> {
        if gate.patterns.is_empty() {
            return Err("there are no patterns".to_owned());
        }
        let (names, place) = match &gate.of {
            NamesConfig::Json(document) => self.seen(source::names_at(document, self.request)?),
            NamesConfig::Table(_) => {
                let (_, pass, file) = self.table(Purpose::Names)?;
                if pass.columns.is_empty() {
                    return Err(format!("{file} has no columns"));
                }
                (pass.columns.clone(), file)
            }
        };
        let wrong: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| gate.patterns.iter().any(|pattern| pattern.matches(name)))
            .collect();
        let named: Vec<String> =
            wrong.iter().take(NAMED).map(|name| format!("`{}`", name.escape_debug())).collect();
        let found = if wrong.is_empty() { "none".to_owned() } else { named.join(", ") };
        let patterns: Vec<String> = gate.patterns.iter().map(ToString::to_string).collect();
        let looked = format!("{found} of {} names in {place} fits {}", names.len(), patterns.join(", "));
        let state = if wrong.is_empty() { State::Pass } else { State::Halt };
        Ok(Finding { kind: Kind::LagFeatures, state, value: Ok(wrong.len() as f64), looked })
    }

    fn boundary(&mut self, gate: &BoundaryGate) -> Result<Finding, String> {
        let (train, train_place) = self.days(gate, Purpose::Train, &gate.train)?;
        let (test, test_place) = self.days(gate, Purpose::Test, &gate.test)?;
        let today = gate.timezone.day(self.request.now);
        let looked =
            format!("training {} ({train_place}), test {} ({test_place})", train.shown(), test.shown());
        let days = boundary::overlap(&train, &test, today).map_err(|why| format!("{why}: {looked}"))?;
        let state = if days > 0 { State::Halt } else { State::Pass };
        Ok(Finding { kind: Kind::Boundary, state, value: Ok(f64::from(days)), looked })
    }

    fn days(
        &mut self,
        gate: &BoundaryGate,
        purpose: Purpose,
        config: &DatesConfig,
    ) -> Result<(Days, String), String> {
        match config {
            DatesConfig::Json(document) => {
                let (text, place) = self.seen(source::text_at(document, self.request)?);
                let day = boundary::parse(&text, gate.timezone);
                let day = day.ok_or_else(|| format!("{place} is not a date: `{}`", text.escape_debug()))?;
                Ok((Days::of(day), place))
            }
            DatesConfig::Table(table) => {
                let (taken, pass, file) = self.table(purpose)?;
                for want in boundary::wants(table, gate.timezone) {
                    if let Some(objection) = pass.objection(&want) {
                        return Err(format!("{file}: {objection}"));
                    }
                }
                let Taken::Days(days) = taken else { return Err("it was not read".to_owned()) };
                let only: Vec<String> =
                    table.only.iter().map(|(column, text)| format!(", {column} {text}")).collect();
                Ok((days.clone(), format!("{file} {}{}, {} rows", table.column, only.concat(), days.rows)))
            }
        }
    }

    fn shuffled(&mut self, gate: &ShuffledGate) -> Result<Finding, String> {
        limits(gate.halt, gate.halt)?;
        let (value, looked) = match &gate.of {
            ShuffledConfig::Command(command) => self.seen(source::printed(command, self.request)?),
            ShuffledConfig::Linear(model) => self.shuffled_fits(gate, model)?,
        };
        if value > 1.0 + 1e-9 {
            return Err(format!("R² is {value}, which cannot be over 1 ({looked})"));
        }
        let looked = format!("{} ({looked}), HALT over {}", short(value), gate.halt);
        let state = State::of(value, gate.halt, gate.halt);
        Ok(Finding { kind: Kind::Shuffled, state, value: Ok(value), looked })
    }

    fn shuffled_fits(&mut self, gate: &ShuffledGate, model: &LinearModel) -> Result<(f64, String), String> {
        if gate.shuffles == 0 {
            return Err("`shuffles` is 0".to_owned());
        }
        let fit = self.fit(Purpose::Shuffled, model)?;
        let mut random = SplitMix64::new(gate.seed);
        let (mut sum, mut largest) = (0.0, f64::NEG_INFINITY);
        for _ in 0..gate.shuffles {
            let mut target = fit.target.clone();
            random.shuffle(&mut target);
            let value = fit.basis.r_squared(&target).ok_or(CONSTANT)?;
            sum += value;
            largest = largest.max(value);
        }
        let chance = fit.basis.rank() as f64 / (fit.target.len() - 1) as f64;
        let looked = format!(
            "{}; mean of {} shuffles with seed {}, the largest {}; {} is what chance alone gives",
            fit.shown,
            gate.shuffles,
            gate.seed,
            short(largest),
            short(chance)
        );
        Ok((sum / f64::from(gate.shuffles), looked))
    }

    fn signs(&mut self, gate: &SignsGate) -> Result<Finding, String> {
        let signs = wrong_signs(&gate.file, &gate.positive, &gate.negative, self.request)?;
        self.inputs.push(signs.input);
        let named: Vec<String> =
            signs.wrong.iter().take(NAMED).map(|(name, value)| format!("{name} {value}")).collect();
        let found = if named.is_empty() { "none".to_owned() } else { named.join(", ") };
        let looked =
            format!("{found} wrong of {} coefficients in {}", signs.coefficients, gate.file.display());
        let state = if signs.wrong.is_empty() { State::Pass } else { State::Halt };
        Ok(Finding { kind: Kind::Signs, state, value: Ok(signs.wrong.len() as f64), looked })
    }
}

const CONSTANT: &str = "the target is the same in every row";

/// A fitted model.
struct Fit {
    basis: Basis,
    target: Vec<f64>,
    shown: String,
}

fn columns(taken: &Taken) -> Result<&Columns, String> {
    match taken {
        Taken::Columns(columns) => Ok(columns),
        _ => Err("it was not read".to_owned()),
    }
}

/// Limits that could never be reached, or that stand the wrong way round, judge nothing.
fn limits(warn: f64, halt: f64) -> Result<(), String> {
    if warn.is_finite() && halt.is_finite() && warn <= halt {
        return Ok(());
    }
    Err(format!("`warn` ({warn}) and `halt` ({halt}) are no limits: `warn` comes first, both are finite"))
}

fn left(rows: u64) -> String {
    if rows == 0 { String::new() } else { format!(", {rows} rows left out") }
}

fn short(value: f64) -> String {
    Unit::Number.show(value)
}
