//! Alerts as they come in: `{"alert_name", "description", "affected_services", "metrics"}`.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::catalog::{Slot, SlotId};
use super::frame::{Frame, Reading};
use super::{Quantity, Scheme, brief, json};
use crate::base::{Unit, Untrusted, Verdict};

/// A metric's value as an alert gives it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Given {
    /// A number in the metric's unit.
    Number(f64),
    /// A truth value.
    Flag(bool),
    /// A text, which may be a number with its unit (`60%`).
    Text(String),
    /// Something that cannot be a value, in words.
    Unusable(&'static str),
}

impl Given {
    /// The value for a slot, or why it decides nothing.
    pub(crate) fn read(&self, slot: &Slot) -> Result<f64, String> {
        match self {
            Given::Number(value) => number(*value, slot),
            Given::Flag(value) => flag(*value, slot),
            Given::Text(text) => read_text(text, slot),
            Given::Unusable(what) => Err(format!("{} is {what}", slot.key)),
        }
    }
}

fn number(value: f64, slot: &Slot) -> Result<f64, String> {
    if slot.accepts(value) { Ok(value) } else { Err(slot.refuse(value)) }
}

fn flag(value: bool, slot: &Slot) -> Result<f64, String> {
    match slot.unit {
        Unit::Flag => Ok(f64::from(u8::from(value))),
        unit => Err(format!("{} is {value}, where a {unit} is expected", slot.key)),
    }
}

fn read_text(text: &str, slot: &Slot) -> Result<f64, String> {
    let quantity: Quantity = text.parse().map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        format!("{} is the text `{}`, not a value", slot.key, shown.escape_debug())
    })?;
    number(quantity.to(slot.unit).map_err(|why| format!("{}: {why}", slot.key))?, slot)
}

/// An alert.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
pub struct Alert {
    /// What it is called.
    #[serde(default)]
    pub alert_name: Option<Untrusted>,
    /// What it says.
    #[serde(default)]
    pub description: Option<Untrusted>,
    /// What it is about.
    #[serde(default, deserialize_with = "services")]
    pub affected_services: Vec<Untrusted>,
    /// Metrics by name. One that is given twice decides nothing.
    #[serde(default, deserialize_with = "metrics")]
    pub metrics: BTreeMap<String, Given>,
}

/// Names of services; what is not a text is left out.
fn services<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Untrusted>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    let texts = |value: &serde_json::Value| value.as_str().map(Untrusted::new);
    Ok(match &value {
        serde_json::Value::Array(values) => values.iter().filter_map(texts).collect(),
        other => texts(other).into_iter().collect(),
    })
}

fn metrics<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Given>, D::Error> {
    struct Owned;
    impl<'de> Visitor<'de> for Owned {
        type Value = BTreeMap<String, Given>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of metrics")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(BTreeMap::new())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut metrics = BTreeMap::new();
            while let Some(name) = map.next_key::<String>()? {
                let given = map.next_value::<Borrowed<'_>>()?.owned();
                metrics.entry(name).and_modify(|given| *given = Given::Unusable(TWICE)).or_insert(given);
            }
            Ok(metrics)
        }
    }
    deserializer.deserialize_any(Owned)
}

const TWICE: &str = "given twice";

/// A metric's value, borrowed from the text where it can be.
enum Borrowed<'a> {
    Number(f64),
    Flag(bool),
    Text(Cow<'a, str>),
    Unusable(&'static str),
}

impl Borrowed<'_> {
    fn owned(self) -> Given {
        match self {
            Borrowed::Number(value) => Given::Number(value),
            Borrowed::Flag(value) => Given::Flag(value),
            Borrowed::Text(text) => Given::Text(text.into_owned()),
            Borrowed::Unusable(what) => Given::Unusable(what),
        }
    }
}

impl<'de> Deserialize<'de> for Borrowed<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Borrowed<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a metric's value")
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Borrowed::Number(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Borrowed::Number(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Borrowed::Number(value as f64))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Borrowed::Flag(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Borrowed::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Borrowed::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Borrowed::Unusable("null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Borrowed::Unusable("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Borrowed::Unusable("an object"))
    }
}

/// A text, borrowed where it has no escapes; nothing where it is null.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(value.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Classifies alerts one after the other from their JSON text to the result's JSON text, reusing its memory.
pub struct AlertClassifier<'s> {
    scheme: &'s Scheme,
    frame: Frame,
    unknown: Vec<String>,
    scratch: json::Scratch,
    brief: brief::Scratch,
}

impl<'s> AlertClassifier<'s> {
    /// For this scheme.
    pub fn new(scheme: &'s Scheme) -> Self {
        Self {
            scheme,
            frame: Frame::default(),
            unknown: Vec::new(),
            scratch: json::Scratch::default(),
            brief: brief::Scratch::default(),
        }
    }

    /// Classifies the alert in `text` and appends the result as one line of compact JSON, without the line's end:
    /// byte for byte what serialising [`super::classify`]'s result gives.
    pub fn json_line(&mut self, text: &str, out: &mut Vec<u8>) -> Result<Verdict, serde_json::Error> {
        let name = self.read(text)?;
        Ok(json::write(self.scheme, &self.frame, name.as_deref(), &self.unknown, &mut self.scratch, out))
    }

    /// Classifies the alert in `text` and appends the level and why as one line of text, without the line's end.
    pub fn text_line(&mut self, text: &str, out: &mut Vec<u8>) -> Result<Verdict, serde_json::Error> {
        let name = self.read(text)?;
        Ok(brief::write(self.scheme, &self.frame, name.as_deref(), &self.unknown, &mut self.brief, out))
    }

    /// Reads an alert into the frame and returns its name.
    fn read<'t>(&mut self, text: &'t str) -> Result<Option<Cow<'t, str>>, serde_json::Error> {
        self.frame.reset(&self.scheme.table);
        self.unknown.clear();
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let seed = AlertSeed { scheme: self.scheme, frame: &mut self.frame, unknown: &mut self.unknown };
        let name = deserializer.deserialize_map(seed)?;
        deserializer.end()?;
        Ok(name)
    }
}

/// Reads an alert's metrics into a frame, and returns its name.
struct AlertSeed<'a> {
    scheme: &'a Scheme,
    frame: &'a mut Frame,
    unknown: &'a mut Vec<String>,
}

impl<'de> Visitor<'de> for AlertSeed<'_> {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an alert, as {\"alert_name\": …, \"metrics\": {…}}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let AlertSeed { scheme, frame, unknown } = self;
        let (mut name, mut named, mut measured) = (None, false, false);
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::AlertName if !std::mem::replace(&mut named, true) => name = map.next_value_seed(Text)?,
                Key::AlertName => return Err(serde::de::Error::duplicate_field("alert_name")),
                Key::Metrics if !std::mem::replace(&mut measured, true) => {
                    map.next_value_seed(MetricsSeed { scheme, frame: &mut *frame, unknown: &mut *unknown })?;
                }
                Key::Metrics => return Err(serde::de::Error::duplicate_field("metrics")),
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(name)
    }
}

/// The keys of an alert that matter here.
enum Key {
    AlertName,
    Metrics,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E>(self, key: &str) -> Result<Key, E> {
                Ok(match key {
                    "alert_name" => Key::AlertName,
                    "metrics" => Key::Metrics,
                    _ => Key::Other,
                })
            }
        }
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

struct MetricsSeed<'a> {
    scheme: &'a Scheme,
    frame: &'a mut Frame,
    unknown: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for MetricsSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MetricsSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of metrics")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(slot) = map.next_key_seed(NameSeed { scheme: self.scheme, unknown: self.unknown })? {
            let value = map.next_value::<Borrowed<'_>>()?;
            if let Some(slot) = slot {
                take(self.scheme, self.frame, slot, value);
            }
        }
        Ok(())
    }
}

/// Puts a value into its slot.
fn take(scheme: &Scheme, frame: &mut Frame, slot: SlotId, value: Borrowed<'_>) {
    if frame.reading(slot) != Reading::Absent {
        let key = scheme.table.get(slot).map_or("", |slot| slot.key.as_str());
        return frame.set_undecided(slot, format!("{key} is {TWICE}"));
    }
    if let Borrowed::Number(value) = value {
        return frame.set_value(&scheme.table, slot, value);
    }
    let Some(definition) = scheme.table.get(slot) else { return };
    match value.owned().read(definition) {
        Ok(value) => frame.set(slot, Reading::Value(value)),
        Err(reason) => frame.set_undecided(slot, reason),
    }
}

/// A metric's name as the slot it fills; `None` for a metric that no rule reads.
struct NameSeed<'a> {
    scheme: &'a Scheme,
    unknown: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Option<SlotId>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Option<SlotId>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a metric")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let slot = self.scheme.table.find(name);
        if slot.is_none() && !self.scheme.config().metrics.contains_key(name) {
            self.unknown.push(name.to_owned());
        }
        Ok(slot)
    }
}
