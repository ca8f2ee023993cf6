//! Where samples come from: a query, or a metric of a probe that is measured anew.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;

use super::super::judge::current;
use super::super::selection::Selection;
use super::{AnalysisConfig, CompareConfig};
use crate::base::Unit;
use crate::probe::prometheus::{self, Client, PrometheusConfig};
use crate::probe::{ProbeConfig, Request, measure_all};
use crate::store::Measurement;

/// A number as it was found, or why there is none.
pub(super) type Found = Result<Number, String>;

/// A number and when it was true.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    pub value: f64,
    pub at: DateTime<Utc>,
}

/// What samples of one analysis are taken from.
pub(super) struct Source<'a> {
    config: &'a AnalysisConfig,
    selection: &'a Selection,
    request: &'a Request<'a>,
    client: Option<Result<Client, String>>,
}

impl<'a> Source<'a> {
    pub fn new(config: &'a AnalysisConfig, selection: &'a Selection, request: &'a Request<'a>) -> Self {
        let client = config.prometheus.as_ref().map(|query| {
            if request.untrusted {
                return Err("not asked: no server is asked from an untrusted configuration".to_owned());
            }
            query.client()
        });
        Self { config, selection, request, client }
    }

    /// A sample at `now`.
    pub fn sample(&self, now: DateTime<Utc>) -> Found {
        let found = match (&self.config.prometheus, &self.config.metric) {
            (Some(query), None) => self.query(query, now),
            (None, Some(metric)) => self.metric(metric, now),
            _ => Err("nothing is named that could be sampled".to_owned()),
        }?;
        let max_age = self.config.max_age.map_or(TimeDelta::MAX, |age| age.approximate());
        prometheus::fresh(found.at, now, max_age)?;
        Ok(found)
    }

    /// The value to compare with; `begun` is when the analysis began.
    pub fn baseline(&self, compare: &CompareConfig, begun: DateTime<Utc>) -> Found {
        let number = |reading: prometheus::Reading| Number { value: reading.value, at: reading.at };
        match (&compare.before, &compare.query, &compare.metric, &self.config.prometheus) {
            (Some(before), None, None, Some(query)) => {
                let at = begun - before.approximate();
                query.reading_at(&query.query, self.client()?, at).map(number)
            }
            (None, Some(other), None, Some(query)) => {
                query.reading_at(other, self.client()?, begun).map(number)
            }
            (None, None, Some(metric), _) => self.metric(metric, begun),
            _ => Err("nothing is named that could be compared with".to_owned()),
        }
    }

    fn client(&self) -> Result<&Client, String> {
        match &self.client {
            Some(Ok(client)) => Ok(client),
            Some(Err(why)) => Err(why.clone()),
            None => Err("there is no server to ask".to_owned()),
        }
    }

    fn query(&self, query: &PrometheusConfig, now: DateTime<Utc>) -> Found {
        let reading = prometheus::only(query.readings(self.client()?, now)?)?;
        Ok(Number { value: reading.value, at: reading.at })
    }

    /// Measures the probe of a metric once more. Only evidence of the served version counts.
    fn metric(&self, metric: &str, now: DateTime<Utc>) -> Found {
        let mut probes = self.selection.probes_of(&[metric.to_owned()]);
        // A probe that compares needs those that measure what it compares.
        let compared = probes.iter().filter_map(|name| self.selection.probes.get(*name));
        let compared: Vec<String> =
            compared.flat_map(ProbeConfig::needs_metrics).map(str::to_owned).collect();
        probes.extend(self.selection.probes_of(&compared));
        let config = |name: &&str| Some(((*name).to_owned(), self.selection.probes.get(*name)?.clone()));
        let probes: BTreeMap<String, ProbeConfig> = probes.iter().filter_map(config).collect();
        let request = Request { now, ..*self.request };
        let outcomes = measure_all(&probes, &request);
        let served = request.versions.served.as_ref();
        let samples: Vec<_> = outcomes
            .iter()
            .flat_map(|outcome| current(outcome, served))
            .filter(|sample| sample.metric == metric)
            .collect();
        match samples.as_slice() {
            [] => Err(format!("{metric} was not measured of the served version")),
            [only] => match &only.measurement {
                Measurement::Value(value) => {
                    prometheus::fresh(only.event_time, now, TimeDelta::MAX)?;
                    let unit = self.unit().unwrap_or(only.unit);
                    Ok(Number { value: value * only.unit.factor() / unit.factor(), at: only.event_time })
                }
                Measurement::Undecided(why) => Err(why.to_string()),
            },
            several => Err(format!("{metric} has {} series where one is expected", several.len())),
        }
    }

    fn unit(&self) -> Option<Unit> {
        super::unit(self.config, self.selection).ok()
    }
}
