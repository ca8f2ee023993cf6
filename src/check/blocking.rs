//! What is broken above a probe: a dataset, or another probe of the service. Its rules are blocked then, so that one
//! cause is one incident.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::Verdict;
use crate::config::ServiceConfig;
use crate::config::needs::Need;
use crate::incident::{Observed, State};
use crate::probe::{self, Outcome};
use crate::severity::{Cause, Classification, Outcome as RuleOutcome, RuleResult, Scheme};

/// The datasets that are broken in this round, by name.
pub type Broken = BTreeMap<String, Cause>;

/// How a dataset stands for those who need it: broken, or nothing. `causes` are what it hangs on itself.
pub fn of_dataset(
    name: &str,
    classification: &Classification,
    verdict: Verdict,
    causes: &BTreeMap<String, Cause>,
    observed: &[Observed],
) -> Option<Cause> {
    let cause = |why: String, failed: bool| Some(Cause { name: format!("dataset/{name}"), why, failed });
    let said = |outcome: RuleOutcome| {
        let first = classification.with(outcome).next()?;
        Some(format!("{} {}: {}", first.level, first.rule, first.reason))
    };
    match verdict {
        Verdict::Ok | Verdict::Warn => None,
        Verdict::Crit => {
            let deciding = classification.deciding().next();
            let why = deciding.map(|rule| format!("{} {}: {}", rule.level, rule.rule, rule.reason));
            cause(why.unwrap_or_else(|| "it is critical".to_owned()), true)
        }
        // What it hangs on itself is the cause of what hangs on it.
        Verdict::Blocked => {
            let mut all: Vec<&Cause> = causes.values().collect();
            all.sort_by_key(|cause| !cause.failed);
            all.first().map(|cause| (*cause).clone()).or_else(|| cause("it is blocked".to_owned(), false))
        }
        Verdict::Unknown => {
            // What is known to be broken does not get better by not being measured.
            let worst = observed.iter().filter_map(|one| one.incident.as_ref()).find(|incident| {
                incident.level.verdict == Verdict::Crit
                    && matches!(incident.state, State::Triage | State::Active)
            });
            let why = said(RuleOutcome::Undecided).unwrap_or_else(|| "nothing is known of it".to_owned());
            match worst {
                Some(incident) => cause(format!("{} is open; {why}", incident.id), true),
                None => cause(format!("unknown: {why}"), false),
            }
        }
    }
}

/// The metrics of a service that hang on something broken, by what is known without judging its own probes.
pub fn by_datasets(service: &ServiceConfig, broken: &Broken) -> BTreeMap<String, Cause> {
    let failed: BTreeMap<String, Cause> = service
        .needs
        .iter()
        .filter_map(|(probe, needs)| Some((probe.clone(), dataset_above(service, needs, broken)?)))
        .collect();
    // A probe below one that hangs on a dataset hangs on it too.
    metrics(service, &below(service, &failed, true))
}

fn dataset_above(service: &ServiceConfig, needs: &[String], broken: &Broken) -> Option<Cause> {
    let mut causes: Vec<&Cause> = needs
        .iter()
        .filter_map(|need| match Need::read(need) {
            Need::Dataset(name) if name != service.service => broken.get(name),
            _ => None,
        })
        .collect();
    causes.sort_by_key(|cause| !cause.failed);
    causes.first().map(|cause| (*cause).clone())
}

/// [`by_datasets`] with what the service's own probes do to each other, by a first judgement.
pub fn by_probes(
    service: &ServiceConfig,
    scheme: &Scheme,
    outcomes: &[Outcome],
    first: &Classification,
    known: &BTreeMap<String, Cause>,
) -> BTreeMap<String, Cause> {
    let parents: BTreeSet<&str> = service
        .needs
        .values()
        .flatten()
        .filter_map(|need| match Need::read(need) {
            Need::Probe(name) => Some(name),
            Need::Dataset(_) => None,
        })
        .collect();
    let failed: BTreeMap<String, Cause> = parents
        .into_iter()
        .filter_map(|parent| Some((parent.to_owned(), of_probe(parent, service, scheme, outcomes, first)?)))
        .collect();
    let mut all = metrics(service, &below(service, &failed, false));
    for (metric, cause) in known {
        // What failed comes before what is unknown, a dataset before a probe.
        let weaker = all.get(metric).is_none_or(|own| cause.failed || !own.failed);
        if weaker {
            all.insert(metric.clone(), cause.clone());
        }
    }
    all
}

/// How a probe stands for those that need it: broken where a rule that reads nothing else matched at a level whose verdict
/// is CRIT, unknown where it could not measure.
fn of_probe(
    name: &str,
    service: &ServiceConfig,
    scheme: &Scheme,
    outcomes: &[Outcome],
    first: &Classification,
) -> Option<Cause> {
    let config = service.probes.get(name)?;
    let own: BTreeSet<String> =
        probe::metrics_of(name, config).into_iter().map(|(metric, _)| metric).collect();
    let reads_only_it = |rule: &&RuleResult| {
        let config = scheme.rule(&rule.rule);
        config.is_some_and(|config| config.when.metrics().iter().all(|metric| own.contains(*metric)))
    };
    let cause = |why: String, failed: bool| Some(Cause { name: format!("probe {name}"), why, failed });
    let rules: Vec<&RuleResult> = first.rules.iter().filter(reads_only_it).collect();
    let critical = |rule: &&&RuleResult| {
        rule.outcome == RuleOutcome::Matched
            && scheme.level(&rule.level).is_some_and(|level| level.verdict == Verdict::Crit)
    };
    if let Some(rule) = rules.iter().find(critical) {
        return cause(format!("{} {}: {}", rule.level, rule.rule, rule.reason), true);
    }
    if let Some(rule) = rules.iter().find(|rule| rule.outcome == RuleOutcome::Undecided) {
        return cause(format!("unknown: {} {}", rule.rule, rule.reason), false);
    }
    let measured = outcomes.iter().find(|outcome| outcome.probe == name);
    let Some(measured) = measured.filter(|measured| !measured.samples.is_empty()) else {
        return cause("unknown: it measured nothing".to_owned(), false);
    };
    // Nobody judges it: then all that it is to measure has to be there.
    let missing =
        measured.samples.iter().find(|sample| rules.is_empty() && sample.measurement.value().is_none());
    missing.and_then(|sample| cause(format!("unknown: {} could not be measured", sample.metric), false))
}

/// The probes that need one of these, directly or through others; `itself` adds those themselves.
fn below(service: &ServiceConfig, failed: &BTreeMap<String, Cause>, itself: bool) -> BTreeMap<String, Cause> {
    let mut found: BTreeMap<String, Cause> = if itself { failed.clone() } else { BTreeMap::new() };
    // From the top down: what is blocked by one cause is not the cause of what hangs on it.
    let mut roots: Vec<(&String, &Cause)> = failed.iter().collect();
    roots.sort_by_key(|(_, cause)| !cause.failed);
    for (root, cause) in roots {
        let mut open = vec![root.as_str()];
        let mut seen: BTreeSet<&str> = BTreeSet::from([root.as_str()]);
        while let Some(next) = open.pop() {
            for (probe, needs) in &service.needs {
                if needs.iter().any(|need| need == next) && seen.insert(probe) {
                    let known = found.entry(probe.clone()).or_insert_with(|| cause.clone());
                    if cause.failed && !known.failed {
                        *known = cause.clone();
                    }
                    open.push(probe);
                }
            }
        }
    }
    found
}

fn metrics(service: &ServiceConfig, probes: &BTreeMap<String, Cause>) -> BTreeMap<String, Cause> {
    let mut found = BTreeMap::new();
    for (probe, cause) in probes {
        let Some(config) = service.probes.get(probe) else { continue };
        for (metric, _) in probe::metrics_of(probe, config) {
            found.insert(metric, cause.clone());
        }
    }
    found
}
