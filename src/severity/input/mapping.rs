//! `config/mappings/*.yaml`: how to read the messages of a system that irctl does not know.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::{AlertState, Format, Incoming, Message, Reading, Refusal, facts, time};
use crate::base::untrusted::Sink;
use crate::base::{Error, ErrorCode, Result, Untrusted, template};
use crate::severity::alert::Given;
use crate::severity::quantity;

/// A mapping file: where an alert's parts stand in the messages of another system.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MappingConfig {
    /// Its name.
    #[schemars(extend("format" = "name"))]
    pub mapping: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Where the list of alerts stands; everything else is then read from each of its entries. Without it the whole
    /// message is one alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<JsonPointer>,
    /// What the alert is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_name: Option<Source>,
    /// What it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Source>,
    /// The service that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Source>,
    /// When it began: RFC 3339, or seconds, milliseconds, microseconds or nanoseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Source>,
    /// Whether it lasts. Without it every message is taken as firing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateConfig>,
    /// Labels of every metric's series.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, Source>,
    /// The values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<MetricSource>,
}

/// Where a text comes from.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The value at this place of the message.
    Pointer(JsonPointer),
    /// A template over the message: `{{ check.name }}`. A name that the message lacks is an error.
    Template(TemplateText),
    /// This text itself.
    Text(String),
}

/// Which words mean that an alert lasts. Any other word is undecided.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StateConfig {
    /// Where the word stands.
    pub from: Source,
    /// It is on.
    pub firing: Vec<String>,
    /// It is on, and a person has seen it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acknowledged: Vec<String>,
    /// It is over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolved: Vec<String>,
}

/// Where a metric comes from.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricSource {
    /// Its name, as the scheme has it.
    pub metric: Source,
    /// Its value: a number, true or false, or a text with a unit.
    pub value: Source,
    /// The unit of a bare number, where it is not the metric's own: `percent`, `ms`, `seconds`, `days`, `bytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Source>,
    /// Labels of its series, besides those of all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, Source>,
    /// Whether a message may lack it; otherwise a missing value is undecided.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// A place in a JSON document (RFC 6901): `/check/name`, or nothing for the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JsonPointer(String);

/// A template that was parsed once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TemplateText(String);

impl FromStr for JsonPointer {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if (text.is_empty() || text.starts_with('/')) && escaped {
            return Ok(Self(text.to_owned()));
        }
        let shown = text.escape_debug();
        Err(Error::new(ErrorCode::InvalidData, format!("`{shown}` is not a JSON pointer"))
            .hint("write each key or index behind a `/`: /check/metrics/0/value; `~1` is a `/` in a key, `~0` a `~`"))
    }
}

impl FromStr for TemplateText {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        template::check(text)?;
        Ok(Self(text.to_owned()))
    }
}

/// The conversions and the schema of a text with a grammar.
macro_rules! grammar {
    ($type:ident, $format:literal, $description:literal) => {
        impl TryFrom<String> for $type {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(text: $type) -> Self {
                text.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "format": $format, "description": $description})
            }
        }
    };
}

grammar!(JsonPointer, "json-pointer", "A place in a JSON document (RFC 6901): `/check/name`.");
grammar!(TemplateText, "template", "A template over the message: `{{ check.name }}`.");

impl MappingConfig {
    /// Reads a message by it.
    ///
    /// # Errors
    /// A refusal that names the place in the mapping where the message does not fit.
    pub fn read(&self, value: &Value) -> std::result::Result<Message, Refusal> {
        let alerts = match &self.alerts {
            None => vec![self.alert(value)?],
            Some(pointer) => match value.pointer(&pointer.0) {
                Some(Value::Array(alerts)) if !alerts.is_empty() => {
                    alerts.iter().map(|alert| self.alert(alert)).collect::<std::result::Result<_, _>>()?
                }
                Some(Value::Array(_)) => return Err(self.refuse("/alerts", "the list holds no alert")),
                _ => return Err(self.refuse("/alerts", &format!("there is no list at `{pointer}`"))),
            },
        };
        Ok(Message::of(Format::Mapping, alerts))
    }

    fn refuse(&self, place: &str, reason: &str) -> Refusal {
        Refusal::new(
            format!("mapping {}, {place}: {reason}", self.mapping.escape_debug()),
            "compare the mapping with the message; docs/inputs.md explains its keys",
        )
    }

    fn alert(&self, value: &Value) -> std::result::Result<Incoming, Refusal> {
        let text = |place: &str, source: &Option<Source>| match source {
            None => Ok(None),
            Some(source) => source.text(value).map_err(|why| self.refuse(place, &why)),
        };
        let mut incoming = Incoming::new(AlertState::Firing);
        if let Some(state) = &self.state {
            (incoming.state, incoming.said) = state.read(text("/state/from", &Some(state.from.clone()))?);
        }
        incoming.name = text("/alert_name", &self.alert_name)?.map(Untrusted::new);
        incoming.description = text("/description", &self.description)?.map(Untrusted::new);
        incoming.services = text("/service", &self.service)?.map(Untrusted::new).into_iter().collect();
        if let Some(source) = &self.time {
            let found = source.value(value).map_err(|why| self.refuse("/time", &why))?;
            incoming.started_at = found.as_ref().and_then(time::from_value);
            if incoming.started_at.is_none() {
                // Of what time the values are is then not known, and so they decide nothing.
                incoming.state = AlertState::Undecided;
                incoming.said = Some("its time cannot be read".to_owned());
            }
        }
        let shared = labels(&self.labels, value).map_err(|why| self.refuse("/labels", &why))?;
        for (index, metric) in self.metrics.iter().enumerate() {
            let place = format!("/metrics/{index}");
            let mut reading = metric.read(value).map_err(|why| self.refuse(&place, &why))?;
            if let Some(reading) = &mut reading {
                let own = std::mem::replace(&mut reading.labels, shared.clone());
                reading.labels.extend(own);
            }
            incoming.readings.extend(reading);
        }
        Ok(incoming)
    }
}

fn labels(
    sources: &BTreeMap<String, Source>,
    value: &Value,
) -> std::result::Result<BTreeMap<String, String>, String> {
    let mut labels = BTreeMap::new();
    for (label, source) in sources {
        if let Some(text) = source.text(value)? {
            labels.insert(label.clone(), text);
        }
    }
    Ok(labels)
}

impl StateConfig {
    fn read(&self, word: Option<String>) -> (AlertState, Option<String>) {
        let Some(word) = word else {
            return (AlertState::Undecided, Some("its state is missing".to_owned()));
        };
        let among = |words: &[String]| words.contains(&word);
        let state = match () {
            () if among(&self.firing) => AlertState::Firing,
            () if among(&self.acknowledged) => AlertState::Acknowledged,
            () if among(&self.resolved) => AlertState::Resolved,
            () => {
                let said = format!("its state is `{}`, which the mapping does not name", word.escape_debug());
                return (AlertState::Undecided, Some(said));
            }
        };
        (state, None)
    }
}

impl MetricSource {
    fn read(&self, value: &Value) -> std::result::Result<Option<Reading>, String> {
        let Some(metric) = self.metric.text(value)? else {
            return if self.optional { Ok(None) } else { Err("the metric's name is missing".to_owned()) };
        };
        let given = match self.value.value(value)? {
            None if self.optional => return Ok(None),
            None => Given::Unusable("missing where the mapping points"),
            Some(found) => facts::given(&found),
        };
        let unit = self.unit.as_ref().map(|unit| unit.text(value)).transpose()?.flatten();
        let given = match (given, unit) {
            (Given::Number(number), Some(unit)) => with_unit(number, &unit)?,
            (given, _) => given,
        };
        Ok(Some(Reading { metric, labels: labels(&self.labels, value)?, given, certain: true }))
    }
}

/// A number with a unit by name, as irctl writes it.
fn with_unit(number: f64, unit: &str) -> std::result::Result<Given, String> {
    let lower = unit.trim().to_lowercase();
    let suffix = match lower.as_str() {
        "" | "none" | "count" | "ratio" | "number" | "flag" => return Ok(Given::Number(number)),
        "%" | "percent" | "percentage" | "pct" => "%",
        "millisecond" => "ms",
        "byte" | "b" => "bytes",
        other if quantity::suffix(other).is_some() => other,
        _ if quantity::suffix(unit.trim()).is_some() => unit.trim(),
        _ => return Err(format!("`{}` is no unit that irctl knows", unit.escape_debug())),
    };
    Ok(Given::Text(format!("{number}{suffix}")))
}

impl Source {
    /// The value that it leads to; nothing where the message has none there.
    fn value(&self, message: &Value) -> std::result::Result<Option<Value>, String> {
        match self {
            Source::Pointer(pointer) => {
                Ok(message.pointer(&pointer.0).filter(|value| !value.is_null()).cloned())
            }
            Source::Template(template) => {
                let rendered = template::render("mapping", &template.0, message, Sink::Plain);
                rendered.map(|text| Some(Value::String(text))).map_err(|error| error.message)
            }
            Source::Text(text) => Ok(Some(Value::String(text.clone()))),
        }
    }

    /// The value as a text; lists and objects are an error.
    fn text(&self, message: &Value) -> std::result::Result<Option<String>, String> {
        match self.value(message)? {
            None => Ok(None),
            Some(Value::String(text)) => Ok((!text.trim().is_empty()).then(|| text.trim().to_owned())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(Value::Bool(flag)) => Ok(Some(flag.to_string())),
            Some(_) => Err("a text is expected where the message has a list or an object".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn mapping(yaml: &str) -> MappingConfig {
        let value: Value = serde_yaml::from_str(yaml).unwrap();
        serde_json::from_value(value).unwrap()
    }

    const SENSU: &str = r#"
mapping: sensu
alerts: /events
alert_name: {pointer: /check/name}
service: {template: "{{ entity.name }}-{{ check.name }}"}
time: {pointer: /timestamp}
state: {from: {pointer: /check/status}, firing: ["1", "2"], resolved: ["0"]}
labels: {host: {pointer: /entity/name}}
metrics:
  - {metric: {text: error_rate}, value: {pointer: /check/value}, unit: {pointer: /check/unit}}
  - {metric: {text: availability}, value: {pointer: /check/up}, optional: true}
"#;

    fn event(status: u8, value: Value, unit: &str) -> Value {
        json!({"events": [{"timestamp": 1763607600, "entity": {"name": "web"},
                           "check": {"name": "errors", "status": status, "value": value, "unit": unit}}]})
    }

    #[test]
    fn pointers_templates_units_and_states() {
        let sensu = mapping(SENSU);
        let message = sensu.read(&event(2, json!(12), "Percent")).unwrap();
        let alert = &message.alerts[0];
        assert_eq!((alert.state, alert.services[0].raw()), (AlertState::Firing, "web-errors"));
        assert_eq!(alert.readings.len(), 1);
        assert_eq!(alert.readings[0].given, Given::Text("12%".into()));
        assert_eq!(alert.readings[0].labels["host"], "web");
        assert!(alert.started_at.is_some());
        assert_eq!(sensu.read(&event(0, json!(0), "")).unwrap().alerts[0].state, AlertState::Resolved);
        let odd = sensu.read(&event(3, json!(null), "")).unwrap();
        assert_eq!(odd.alerts[0].state, AlertState::Undecided);
        assert_eq!(odd.alerts[0].readings[0].given, Given::Unusable("missing where the mapping points"));
    }

    #[test]
    fn what_does_not_fit_is_refused_at_its_place() {
        let sensu = mapping(SENSU);
        for (message, says) in [
            (json!({}), "mapping sensu, /alerts: there is no list at `/events`"),
            (json!({"events": []}), "mapping sensu, /alerts: the list holds no alert"),
            (json!({"events": [{"check": {"name": "x", "status": "2"}}]}), "mapping sensu, /service"),
            (event(2, json!(1), "parsecs"), "mapping sensu, /metrics/0: `parsecs` is no unit"),
        ] {
            let refusal = sensu.read(&message).unwrap_err();
            assert!(refusal.reason.starts_with(says), "{}", refusal.reason);
        }
        let late = json!({"events": [{"timestamp": "soon", "entity": {"name": "w"}, "check": {"name": "e", "status": 2}}]});
        assert_eq!(sensu.read(&late).unwrap().alerts[0].state, AlertState::Undecided);
    }

    #[test]
    fn grammars_are_checked_early() {
        for wrong in ["check", "/a/~2", "a/b"] {
            assert!(wrong.parse::<JsonPointer>().is_err(), "{wrong}");
        }
        for good in ["", "/", "/a~1b/0", "/~0"] {
            assert!(good.parse::<JsonPointer>().is_ok(), "{good}");
        }
        assert!("{{ a".parse::<TemplateText>().is_err());
        assert!("{{ a }}".parse::<TemplateText>().is_ok());
    }
}
