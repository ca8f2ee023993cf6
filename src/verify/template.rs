//! Suites that come with irctl: written once, with what differs from service to service left open.
//!
//! A text of a template that is `{NAME}` and nothing else is replaced by what `with:` gives for NAME. Where it is
//! `{NAME?}` and nothing is given, its key is left out. Nothing is ever put together from parts, so no value of `with:`
//! can change anything but itself.

use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::config::SuiteConfig;
use super::selection::Fault;

/// The suites that come with irctl: name and YAML.
pub const TEMPLATES: &[(&str, &str)] =
    &[("protocol-25", include_str!("../../config/verify/templates/protocol-25.yaml"))];

/// The suite with everything that its template adds; `Err` says what is wrong, each with a JSON pointer.
pub fn whole(suite: &SuiteConfig) -> Result<Cow<'_, SuiteConfig>, Vec<(String, Fault)>> {
    let one = |pointer: &str, fault: Fault| Err(vec![(pointer.to_owned(), fault)]);
    let Some(name) = &suite.template else {
        return match suite.with.is_empty() {
            true => Ok(Cow::Borrowed(suite)),
            false => one("/with", Fault::new("there is no `template` that these could be for")),
        };
    };
    let Some((_, text)) = TEMPLATES.iter().find(|(known, _)| known == name) else {
        let known: Vec<_> = TEMPLATES.iter().map(|(known, _)| *known).collect();
        let fault = Fault::new(format!("there is no template `{}`", name.escape_debug()));
        return one("/template", fault.help(format!("templates: {}", known.join(", "))));
    };
    let mut value: Value = match serde_yaml::from_str(text) {
        Ok(value) => value,
        Err(error) => return one("/template", Fault::new(format!("the template cannot be read: {error}"))),
    };
    let mut filling = Filling { with: &suite.with, used: BTreeSet::new(), missing: BTreeSet::new() };
    filling.fill(&mut value);
    let wrong = filling.wrong();
    if !wrong.is_empty() {
        return Err(wrong);
    }
    match serde_json::from_value::<SuiteConfig>(value) {
        Ok(template) => Ok(Cow::Owned(merged(suite, template))),
        Err(error) => one("/with", Fault::new(format!("the template cannot take this: {error}"))),
    }
}

fn merged(suite: &SuiteConfig, template: SuiteConfig) -> SuiteConfig {
    let mut whole = suite.clone();
    whole.title = whole.title.or(template.title);
    whole.template = None;
    whole.with = BTreeMap::new();
    whole.uses.extend(template.uses);
    for (name, probe) in template.probes {
        whole.probes.entry(name).or_insert(probe);
    }
    whole.expect = template.expect.into_iter().chain(whole.expect).collect();
    whole
}

struct Filling<'a> {
    with: &'a BTreeMap<String, String>,
    used: BTreeSet<String>,
    missing: BTreeSet<String>,
}

impl Filling<'_> {
    fn fill(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some((name, _)) = open(text) {
                    match self.with.get(name) {
                        Some(given) => {
                            self.used.insert(name.to_owned());
                            *text = given.clone();
                        }
                        None => drop(self.missing.insert(name.to_owned())),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.fill(item)),
            Value::Object(entries) => {
                entries.retain(|_, value| !self.is_left_out(value));
                entries.values_mut().for_each(|value| self.fill(value));
            }
            _ => {}
        }
    }

    fn is_left_out(&self, value: &Value) -> bool {
        let named = value.as_str().and_then(open);
        named.is_some_and(|(name, optional)| optional && !self.with.contains_key(name))
    }

    fn wrong(&self) -> Vec<(String, Fault)> {
        let unknown = self.with.keys().filter(|name| !self.used.contains(*name)).map(|name| {
            let pointer = format!("/with/{}", name.replace('~', "~0").replace('/', "~1"));
            let fault = Fault::new(format!("the template has no place for `{}`", name.escape_debug()));
            (pointer, fault)
        });
        let missing = self.missing.iter().map(|name| {
            let fault = Fault::new(format!("the template needs `{name}`"));
            ("/template".to_owned(), fault.help(format!("add `{name}:` under `with:`")))
        });
        unknown.chain(missing).collect()
    }
}

/// The name in `{name}` or `{name?}`, and whether it may be left out.
fn open(text: &str) -> Option<(&str, bool)> {
    let name = text.strip_prefix('{')?.strip_suffix('}')?;
    let (name, optional) = name.strip_suffix('?').map_or((name, false), |name| (name, true));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (!name.is_empty() && name.chars().all(plain)).then_some((name, optional))
}
