//! What the Prometheus HTTP API answers, typed: vectors, matrices, scalars, errors, warnings.
//!
//! The shapes are those of <https://prometheus.io/docs/prometheus/latest/querying/api/>.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

use crate::base::untrusted::{Sink, escape};

/// The most characters of a server's own words that are repeated.
const WORDS: usize = 300;

/// An answer that says `success`.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What was found.
    pub found: Found,
    /// What the server warns of. A partial answer is announced here.
    pub warnings: Vec<String>,
}

/// What a query found.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// An instant vector: one point for each series.
    Vector(Vec<Series>),
    /// A range vector: several points for each series.
    Matrix(Vec<Series>),
    /// A single number without labels.
    Scalar(Point),
}

/// A series: its labels and its points, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its labels; the metric's name is `__name__`.
    pub labels: BTreeMap<String, String>,
    /// Its points.
    pub points: Vec<Point>,
}

/// A value and its instant. The value may be NaN or infinite: Prometheus has both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When (UTC).
    pub at: DateTime<Utc>,
    /// The value.
    pub value: f64,
}

#[derive(Deserialize)]
struct Envelope {
    status: String,
    data: Option<Data>,
    #[serde(rename = "errorType")]
    error_type: Option<String>,
    error: Option<String>,
    #[serde(default)]
    warnings: Option<Vec<String>>,
    /// How VictoriaMetrics says that some of its parts did not answer.
    #[serde(default, rename = "isPartial")]
    is_partial: Option<bool>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    kind: String,
    result: Value,
}

/// Reads an answer; `Err` says in words why it is none.
pub fn read(status: u16, body: &[u8]) -> Result<Answer, String> {
    let envelope: Envelope = match serde_json::from_slice(body) {
        Ok(envelope) => envelope,
        Err(_) if status != 200 => return Err(format!("HTTP {status}")),
        Err(error) => return Err(format!("the answer is not the API's: {}", shown(&error.to_string()))),
    };
    let mut warnings: Vec<String> =
        envelope.warnings.unwrap_or_default().iter().map(|text| shown(text)).collect();
    if envelope.is_partial == Some(true) {
        warnings.push("isPartial: some of the storage did not answer".to_owned());
    }
    if envelope.status != "success" || status != 200 {
        let kind = envelope.error_type.unwrap_or_else(|| "error".to_owned());
        let why = envelope.error.unwrap_or_else(|| "no reason given".to_owned());
        return Err(format!("HTTP {status}, {}: {}", shown(&kind), shown(&why)));
    }
    let data = envelope.data.ok_or("the answer has no data")?;
    Ok(Answer { found: found(&data)?, warnings })
}

/// A server's words, as far as they may be repeated.
pub fn shown(text: &str) -> String {
    let short: String = text.chars().take(WORDS).collect();
    escape(&short, Sink::Terminal)
}

fn found(data: &Data) -> Result<Found, String> {
    match data.kind.as_str() {
        "vector" => series(&data.result, "value").map(Found::Vector),
        "matrix" => series(&data.result, "values").map(Found::Matrix),
        "scalar" => point(&data.result).map(Found::Scalar),
        other => Err(format!("the query's result is a {}, not a number", shown(other))),
    }
}

fn series(result: &Value, key: &str) -> Result<Vec<Series>, String> {
    let list = result.as_array().ok_or("the result is not a list of series")?;
    list.iter().map(|one| one_series(one, key)).collect()
}

fn one_series(one: &Value, key: &str) -> Result<Series, String> {
    let labels = one.get("metric").and_then(Value::as_object).ok_or("a series has no labels")?;
    let labels = labels
        .iter()
        .map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect::<Option<_>>()
        .ok_or("a label is not a text")?;
    let points = match one.get(key) {
        Some(value) if key == "value" => vec![point(value)?],
        Some(values) => {
            let values = values.as_array().ok_or("the values of a series are not a list")?;
            values.iter().map(point).collect::<Result<_, _>>()?
        }
        None if one.get("histogram").or_else(|| one.get("histograms")).is_some() => {
            return Err("the query's result is a histogram, not a number".to_owned());
        }
        None => return Err("a series has no value".to_owned()),
    };
    Ok(Series { labels, points })
}

/// `[ 1700000000.123, "0.25" ]`.
fn point(pair: &Value) -> Result<Point, String> {
    let pair = pair.as_array().map(Vec::as_slice);
    let Some([at, value]) = pair else { return Err("a point is not an instant and a value".to_owned()) };
    let at = at.as_f64().and_then(instant).ok_or("a point has no instant")?;
    let text = value.as_str().ok_or("a value is not a text")?;
    Ok(Point { at, value: number(text).ok_or_else(|| format!("`{}` is not a number", shown(text)))? })
}

/// Seconds since 1970 as an instant.
pub fn instant(seconds: f64) -> Option<DateTime<Utc>> {
    let milliseconds = (seconds * 1000.0).round();
    // Beyond this no clock stands, and the conversion would say something else.
    (milliseconds.abs() < 1e15).then(|| DateTime::from_timestamp_millis(milliseconds as i64)).flatten()
}

fn number(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        // Rust reads words such as `infinity` too; the API never writes them.
        other if other.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-')) => {
            other.parse().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(result_type: &str, result: &str) -> Result<Answer, String> {
        let body = format!(
            r#"{{"status":"success","data":{{"resultType":"{result_type}","result":{result}}},"infos":["i"]}}"#
        );
        read(200, body.as_bytes())
    }

    #[test]
    fn every_shape_of_the_api_is_read() {
        let vector =
            of("vector", r#"[{"metric":{"__name__":"up","job":"a"},"value":[1700000000.123,"+Inf"]}]"#);
        let Found::Vector(series) = vector.unwrap().found else { panic!() };
        assert_eq!(series[0].labels["job"], "a");
        assert_eq!(series[0].points[0].at.timestamp_millis(), 1_700_000_000_123);
        assert!(series[0].points[0].value.is_infinite());
        let matrix = of("matrix", r#"[{"metric":{},"values":[[1,"1"],[2,"2e-3"]]}]"#);
        let Found::Matrix(series) = matrix.unwrap().found else { panic!() };
        assert_eq!(series[0].points.iter().map(|point| point.value).collect::<Vec<_>>(), [1.0, 0.002]);
        let Found::Scalar(point) = of("scalar", r#"[5,"NaN"]"#).unwrap().found else { panic!() };
        assert!(point.value.is_nan());
        assert_eq!(of("vector", "[]").unwrap().found, Found::Vector(Vec::new()));
    }

    #[test]
    fn what_may_be_partial_is_announced() {
        let warned = |more: &str| {
            let body =
                format!(r#"{{"status":"success",{more}"data":{{"resultType":"vector","result":[]}}}}"#);
            read(200, body.as_bytes()).unwrap().warnings.len()
        };
        assert_eq!(warned(""), 0);
        assert_eq!(warned(r#""isPartial":false,"#), 0);
        assert_eq!(warned(r#""isPartial":true,"#), 1);
        assert_eq!(warned(r#""warnings":["store a is down"],"isPartial":true,"#), 2);
    }

    #[test]
    fn what_is_no_number_is_said_in_words() {
        let mut said = Vec::new();
        for (status, body) in [
            (200, "<html>"),
            (502, "<html>"),
            (200, "{}"),
            (200, r#"{"status":"success"}"#),
            (200, r#"{"status":"error","errorType":"execution","error":"boom"}"#),
            (400, r#"{"status":"error","errorType":"bad_data","error":"parse error \u001b[31m"}"#),
            (503, r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#),
        ] {
            said.push(format!("{status} {body}: {}", read(status, body.as_bytes()).unwrap_err()));
        }
        for (kind, result) in [
            ("string", r#"[1,"x"]"#),
            ("streams", "[]"),
            ("vector", "{}"),
            ("vector", r#"[{"value":[1,"1"]}]"#),
            ("vector", r#"[{"metric":{}}]"#),
            ("vector", r#"[{"metric":{},"histogram":[1,{}]}]"#),
            ("vector", r#"[{"metric":{},"value":[1,1]}]"#),
            ("vector", r#"[{"metric":{},"value":[1,"infinity"]}]"#),
            ("vector", r#"[{"metric":{},"value":[1e300,"1"]}]"#),
            ("vector", r#"[{"metric":{},"value":["1"]}]"#),
            ("matrix", r#"[{"metric":{},"values":{}}]"#),
        ] {
            said.push(format!("{kind} {result}: {}", of(kind, result).unwrap_err()));
        }
        insta::assert_snapshot!(said.join("\n"));
    }
}
