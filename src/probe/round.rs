//! One round over the probes of a service: those that read the same files in one pass, the others one after the other,
//! and last those that compare what the others measured.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{
    Outcome, ProbeConfig, Request, baseline, calibration, coefficients, command, drift, file, forecast, git,
    host, http, imports, json, kind, kubernetes, leakage, log, parity, process, prometheus, redis, returns,
    s3, scan, sql, systemd, table, tcp, test_suite,
};
use crate::base::Digest;
use crate::store::Sample;

/// Runs every probe of a service. It never fails: every failure becomes undecided samples and a problem.
///
/// The outcomes stand in the order of the probes' names.
pub fn measure_all(probes: &BTreeMap<String, ProbeConfig>, request: &Request<'_>) -> Vec<Outcome> {
    let all: Vec<_> = probes.iter().map(|(name, config)| (name.as_str(), config)).collect();
    measure_these(&all, request)
}

/// Runs some probes of a service, as [`measure_all`] does all of them. Those that compare do so with the others of these.
pub fn measure_these(probes: &[(&str, &ProbeConfig)], request: &Request<'_>) -> Vec<Outcome> {
    let mut outcomes: BTreeMap<&str, Outcome> = BTreeMap::new();
    let mut tables = Vec::new();
    for (name, config) in probes.iter().filter(|(_, config)| !config.compares()) {
        if config.reads_rows() {
            tables.push((*name, *config));
        } else {
            let mut outcome = measure(name, config, request);
            looked(&mut outcome);
            outcomes.insert(name, outcome);
        }
    }
    let build = |number: usize| tables.get(number).and_then(|(name, config)| reading(name, config, request));
    let read = scan::run(tables.len(), &build, request);
    outcomes.extend(tables.iter().map(|(name, _)| *name).zip(read));
    let comparing: Vec<_> = probes.iter().copied().filter(|(_, config)| config.compares()).collect();
    if !comparing.is_empty() {
        let round: Vec<Sample> =
            outcomes.values().flat_map(|outcome| outcome.samples.iter().cloned()).collect();
        let compared = compare_these(&comparing, request, &round);
        outcomes.extend(comparing.iter().map(|(name, _)| *name).zip(compared));
    }
    outcomes.into_values().collect()
}

/// Runs the probes that compare what the others measured: the samples of `round`, in the order of their probes' names.
pub fn compare_these(
    probes: &[(&str, &ProbeConfig)],
    request: &Request<'_>,
    round: &[Sample],
) -> Vec<Outcome> {
    let one = |(name, config): &(&str, &ProbeConfig)| match config {
        ProbeConfig::Baseline(config) => baseline::measure(name, config, request, round),
        _ => measure(name, config, request),
    };
    probes.iter().map(one).collect()
}

/// What has no input of its own, since somebody was asked and no file was read, is evidence of the moment that it is of:
/// asked anew it is new, and the same answer about the same moment is not.
fn looked(outcome: &mut Outcome) {
    let asked = |sample: &Sample| sample.input.is_none() && sample.measurement.value().is_some();
    let mut said = String::new();
    for sample in outcome.samples.iter().filter(|sample| asked(sample)) {
        let (at, value) = (sample.event_time.timestamp_millis(), &sample.measurement);
        let _ = writeln!(said, "{} {:?} {at} {value:?}", sample.metric, sample.labels);
    }
    if said.is_empty() {
        return;
    }
    let input = Digest::of(said.as_bytes());
    for sample in outcome.samples.iter_mut().filter(|sample| asked(sample)) {
        sample.input = Some(input.clone());
    }
}

/// The part of a probe that reads tables, if it does.
fn reading<'a>(
    name: &'a str,
    config: &'a ProbeConfig,
    request: &'a Request<'a>,
) -> Option<Box<dyn scan::Reading + 'a>> {
    match config {
        ProbeConfig::Table(config) => Some(Box::new(table::TableReading::new(name, config, request))),
        ProbeConfig::Forecast(config) => {
            Some(Box::new(forecast::ForecastReading::new(name, config, request)))
        }
        ProbeConfig::Coefficients(config) => {
            Some(Box::new(coefficients::CoefficientsReading::new(name, config, request)))
        }
        ProbeConfig::Drift(config) => Some(Box::new(drift::DriftReading::new(name, config, request))),
        ProbeConfig::Calibration(config) => {
            Some(Box::new(calibration::CalibrationReading::new(name, config, request)))
        }
        ProbeConfig::Returns(config) => Some(Box::new(returns::ReturnsReading::new(name, config, request))),
        ProbeConfig::Leakage(config) => Some(Box::new(leakage::LeakageReading::new(name, config, request))),
        _ => None,
    }
}

/// Measures, and calls everything by the names that it is to have.
fn measure(name: &str, config: &ProbeConfig, request: &Request<'_>) -> Outcome {
    let outcome = measured(name, config, request);
    match config.emits() {
        Some(emits) => emits.rename(name, outcome),
        None => outcome,
    }
}

fn measured(name: &str, config: &ProbeConfig, request: &Request<'_>) -> Outcome {
    let undecided =
        |reason: &str| Outcome::undecided(name, &kind::own_metrics(name, config), request, reason);
    match config {
        ProbeConfig::Command(_) | ProbeConfig::Imports(_) | ProbeConfig::TestSuite(_)
            if request.untrusted =>
        {
            undecided("not run: programs do not run from an untrusted configuration")
        }
        ProbeConfig::Prometheus(_) if request.untrusted => {
            undecided("not asked: no server is asked from an untrusted configuration")
        }
        _ if request.untrusted && config.needs_trust() => {
            undecided("not asked: an untrusted configuration reads the workspace's files, and nothing else")
        }
        ProbeConfig::File(config) => file::measure(name, config, request),
        ProbeConfig::Json(config) => json::measure(name, config, request),
        ProbeConfig::Log(config) => log::measure(name, config, request),
        ProbeConfig::Command(config) => command::measure(name, config, request),
        ProbeConfig::Prometheus(config) => prometheus::measure(name, config, request),
        ProbeConfig::Parity(config) => parity::measure(name, config, request),
        ProbeConfig::Imports(config) => imports::measure(name, config, request),
        ProbeConfig::TestSuite(config) => test_suite::measure(name, config, request),
        ProbeConfig::Sql(config) => sql::measure(name, config, request),
        ProbeConfig::Redis(config) => redis::measure(name, config, request),
        ProbeConfig::S3(config) => s3::measure(name, config, request),
        ProbeConfig::Kubernetes(config) => kubernetes::measure(name, config, request),
        ProbeConfig::Http(config) => http::measure(name, config, request),
        ProbeConfig::Tcp(config) => tcp::measure(name, config, request),
        ProbeConfig::Git(config) => git::measure(name, config, request),
        ProbeConfig::Process(config) => process::measure(name, config, request),
        ProbeConfig::Systemd(config) => systemd::measure(name, config, request),
        ProbeConfig::Host(config) => host::measure(name, config, request),
        ProbeConfig::Table(_)
        | ProbeConfig::Forecast(_)
        | ProbeConfig::Coefficients(_)
        | ProbeConfig::Drift(_)
        | ProbeConfig::Calibration(_)
        | ProbeConfig::Returns(_)
        | ProbeConfig::Leakage(_) => undecided("not read"),
        ProbeConfig::Baseline(_) => undecided("not compared"),
    }
}
