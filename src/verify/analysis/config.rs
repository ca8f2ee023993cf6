//! What users write under `analysis:` of an expectation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Duration;
use crate::probe::PrometheusConfig;
use crate::severity::{Expression, Quantity};

/// Several samples of one number, taken one after the other, of which enough have to be good.
///
/// A sample that has no usable value (an error, nothing found, several series, NaN, infinity, too old, dated in the
/// future) is inconclusive, and never good.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnalysisConfig {
    /// A query whose number is sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<PrometheusConfig>,
    /// A metric of one of the suite's probes, which is measured anew for each sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// What a sample has to fulfil to be good, about `value`: `value < 5%`.
    pub success: Expression,
    /// How many samples are taken.
    #[serde(default = "five")]
    #[schemars(range(min = 1, max = 1000))]
    pub samples: u32,
    /// The time between two samples.
    #[serde(default = "ten_seconds")]
    pub every: Duration,
    /// How long to wait before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<Duration>,
    /// How many bad samples are tolerated.
    #[serde(default)]
    pub failure_limit: u32,
    /// How many inconclusive samples are tolerated. They are never counted as good.
    #[serde(default)]
    pub inconclusive_limit: u32,
    /// It is good as soon as this many samples in a row are, and only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub consecutive_success: Option<u32>,
    /// How old what is sampled may be; otherwise what the query or the probe itself says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// A value that the samples are compared with as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<CompareConfig>,
}

fn five() -> u32 {
    5
}

fn ten_seconds() -> Duration {
    Duration::seconds(10)
}

/// What samples are compared with: exactly one of `before`, `query` and `metric`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CompareConfig {
    /// The same query, this long before the analysis began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Duration>,
    /// Another query on the same server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// A metric of one of the suite's probes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// How much worse than that a good sample may be, as a part of it: `10%`.
    pub no_worse_than: Quantity,
    /// Which values are better.
    #[serde(default)]
    pub better: Better,
}

/// Which values are better.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Lower ones: errors, times.
    #[default]
    Lower,
    /// Higher ones: availability, throughput.
    Higher,
}

impl AnalysisConfig {
    /// It in words: `value < 5% in 5 samples, one each 10s`.
    pub fn text(&self) -> String {
        let of = self.metric.as_ref().map(|metric| format!(" of {metric}")).unwrap_or_default();
        let samples =
            if self.samples == 1 { "1 sample".to_owned() } else { format!("{} samples", self.samples) };
        let after = self.warm_up.map(|time| format!(" after {time}")).unwrap_or_default();
        let tolerated = match self.failure_limit {
            0 => String::new(),
            limit => format!(", at most {limit} bad"),
        };
        let row = self.consecutive_success.map(|count| format!(", {count} in a row")).unwrap_or_default();
        let compared = self.compare.as_ref().map(CompareConfig::text).unwrap_or_default();
        let success = self.success.source().trim();
        format!("{success} in {samples}{of}, one each {}{after}{tolerated}{row}{compared}", self.every)
    }
}

impl CompareConfig {
    fn text(&self) -> String {
        let with = match (&self.before, &self.metric) {
            (Some(before), _) => format!("{before} before"),
            (None, Some(metric)) => metric.clone(),
            (None, None) => "its baseline".to_owned(),
        };
        format!(", no more than {} worse than {with}", self.no_worse_than)
    }
}
