//! A notice: one thing that people are to know.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that people are to know. It holds facts, not prose: the words are the template's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// Which message: `incident-opened`, `rolled-back` and so on. `templates` in `notify.yaml` may give a service
    /// or scheme its own words for it.
    pub template: String,
    /// The service it is about.
    pub service: String,
    /// The service's scheme.
    #[serde(default)]
    pub scheme: Option<String>,
    /// The incident it belongs to.
    #[serde(default)]
    pub incident: Option<String>,
    /// The level, as the scheme names it.
    #[serde(default)]
    pub level: Option<String>,
    /// How urgent the level is among those of its scheme: 0 is the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// The symptom.
    #[serde(default)]
    pub symptom: Option<String>,
    /// The rules that decided.
    #[serde(default)]
    pub rules: Vec<String>,
    /// The roles it concerns.
    #[serde(default)]
    pub audience: Vec<String>,
    /// What makes it the same notice when it is queued again: an episode, or the number of the event behind it.
    #[serde(default)]
    pub occasion: String,
    /// The facts, by the names that the templates use. What is `null` counts as not known.
    #[serde(default)]
    pub context: serde_json::Value,
    /// When what it tells happened (UTC).
    pub at: DateTime<Utc>,
}

impl Notice {
    /// A notice without an incident; set what else is known.
    pub fn new(template: impl Into<String>, service: impl Into<String>, at: DateTime<Utc>) -> Self {
        Self {
            template: template.into(),
            service: service.into(),
            scheme: None,
            incident: None,
            level: None,
            rank: None,
            symptom: None,
            rules: Vec::new(),
            audience: Vec::new(),
            occasion: String::new(),
            context: serde_json::Value::Object(serde_json::Map::new()),
            at,
        }
    }

    /// What is the same for every queueing of this notice over `channel`: incident (or service), message, level,
    /// occasion, channel.
    pub fn deduplication_key(&self, channel: &str) -> String {
        let about = self.incident.as_deref().unwrap_or(&self.service);
        let level = self.level.as_deref().unwrap_or_default();
        // As JSON, so that no name can contain the separator.
        serde_json::json!([about, self.template, level, self.occasion, channel]).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_tells_apart_what_differs() {
        let notice = Notice::new("incident-opened", "s", DateTime::UNIX_EPOCH);
        let mut raised = notice.clone();
        raised.level = Some("P0".into());
        let mut again = notice.clone();
        again.occasion = "2".into();
        let keys = [&notice, &raised, &again].map(|notice| notice.deduplication_key("a"));
        assert_eq!(keys.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
        assert_ne!(notice.deduplication_key("a"), notice.deduplication_key("b"));
    }
}
