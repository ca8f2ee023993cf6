//! The names that the notify configuration uses and others define, so that dangling ones are found before 3 a.m.

use super::config::{ContactsConfig, NotifyConfig};
use super::template;

/// What kind of thing is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReferenceKind {
    /// A level of some scheme.
    Level,
    /// A service.
    Service,
    /// A service or a scheme.
    ServiceOrScheme,
    /// A symptom of some rule.
    Symptom,
    /// A channel of `notify.yaml`.
    Channel,
    /// A role of `contacts.yaml`.
    Role,
    /// A template: shipped, or a file in `config/templates`.
    Template,
    /// A message that irctl sends: the part before `/`.
    Message,
}

impl ReferenceKind {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            ReferenceKind::Level => "level",
            ReferenceKind::Service => "service",
            ReferenceKind::ServiceOrScheme => "service or scheme",
            ReferenceKind::Symptom => "symptom",
            ReferenceKind::Channel => "channel",
            ReferenceKind::Role => "role",
            ReferenceKind::Template => "template",
            ReferenceKind::Message => "message",
        }
    }
}

/// A name that must exist somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Where it stands: keys and indices from the top of the file.
    pub path: Vec<String>,
    /// What is named.
    pub kind: ReferenceKind,
    /// The name.
    pub name: String,
}

fn push(found: &mut Vec<Reference>, path: &[&str], kind: ReferenceKind, names: &[String]) {
    for (index, name) in names.iter().enumerate() {
        let mut path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
        path.push(index.to_string());
        found.push(Reference { path, kind, name: name.clone() });
    }
}

impl NotifyConfig {
    /// Every name in this file that something else must define.
    pub fn references(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        push(&mut found, &["default"], ReferenceKind::Channel, &self.default);
        for (index, route) in self.routes.iter().enumerate() {
            let index = index.to_string();
            let at = |key| ["routes", index.as_str(), key];
            push(&mut found, &at("levels"), ReferenceKind::Level, &route.levels);
            push(&mut found, &at("services"), ReferenceKind::Service, &route.services);
            push(&mut found, &at("symptoms"), ReferenceKind::Symptom, &route.symptoms);
            push(&mut found, &at("templates"), ReferenceKind::Template, &route.templates);
            push(&mut found, &at("audience"), ReferenceKind::Role, &route.audience);
            push(&mut found, &at("channels"), ReferenceKind::Channel, &route.channels);
        }
        for (owner, templates) in &self.templates {
            let path = vec!["templates".to_owned(), owner.clone()];
            found.push(Reference {
                path: path.clone(),
                kind: ReferenceKind::ServiceOrScheme,
                name: owner.clone(),
            });
            for (message, template) in templates {
                let path: Vec<_> = path.iter().cloned().chain([message.clone()]).collect();
                let name = message.split('/').next().unwrap_or(message).to_owned();
                found.push(Reference { path: path.clone(), kind: ReferenceKind::Message, name });
                found.push(Reference { path, kind: ReferenceKind::Template, name: template.clone() });
            }
        }
        found
    }

    /// Whether a template or message of this name is shipped.
    pub fn is_shipped_template(name: &str) -> bool {
        template::shipped(name).is_some()
    }
}

impl ContactsConfig {
    /// Every name in this file that something else must define.
    pub fn references(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        for (name, role) in &self.roles {
            push(&mut found, &["roles", name, "channels"], ReferenceKind::Channel, &role.channels);
            found.extend(role.escalates_to.iter().map(|to| Reference {
                path: vec!["roles".into(), name.clone(), "escalates_to".into()],
                kind: ReferenceKind::Role,
                name: to.clone(),
            }));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_shipped_configuration_names_only_what_exists() {
        let notify: NotifyConfig = serde_yaml::from_str(include_str!("../../config/notify.yaml")).unwrap();
        let contacts: ContactsConfig =
            serde_yaml::from_str(include_str!("../../config/contacts.yaml")).unwrap();
        let channels: BTreeSet<_> = notify.channels.keys().cloned().collect();
        let roles: BTreeSet<_> = contacts.roles.keys().cloned().collect();
        for reference in notify.references().into_iter().chain(contacts.references()) {
            let known = match reference.kind {
                ReferenceKind::Channel => channels.contains(&reference.name),
                ReferenceKind::Role => roles.contains(&reference.name),
                ReferenceKind::Template | ReferenceKind::Message => {
                    NotifyConfig::is_shipped_template(&reference.name)
                }
                _ => true,
            };
            assert!(known, "{reference:?}");
        }
    }

    #[test]
    fn an_escalation_ends() {
        let contacts: ContactsConfig =
            serde_yaml::from_str(include_str!("../../config/contacts.yaml")).unwrap();
        for start in contacts.roles.keys() {
            let mut at = Some(start);
            for _ in 0..=contacts.roles.len() {
                at = at.and_then(|name| contacts.roles[name].escalates_to.as_ref());
            }
            assert!(at.is_none(), "{start} escalates in a circle");
        }
    }
}
