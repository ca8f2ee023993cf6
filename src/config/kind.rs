//! The kinds of configuration file: their names, schemas, and where they are looked for.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value as Json, json};
use std::fmt;
use std::sync::OnceLock;

use super::service::ServiceConfig;
use super::settings::Settings;
use crate::notify::{ContactsConfig, NotifyConfig};
use crate::rollback::targets::command::Recipe;
use crate::runbook::RunbookConfig;
use crate::severity::SchemeConfig;
use crate::severity::input::MappingConfig;
use crate::verify::SuiteConfig;

/// A kind of configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `config/irctl.yaml`.
    Irctl,
    /// A severity scheme.
    Severity,
    /// A service.
    Service,
    /// A verification suite.
    Verify,
    /// Channels and routes.
    Notify,
    /// Roles and their contacts.
    Contacts,
    /// A runbook.
    Runbook,
    /// A recipe.
    Recipe,
    /// How to read the messages of another system.
    Mapping,
}

impl Kind {
    /// Every kind, in the order in which they are loaded and listed.
    pub const ALL: [Kind; 9] = [
        Kind::Irctl,
        Kind::Severity,
        Kind::Service,
        Kind::Verify,
        Kind::Notify,
        Kind::Contacts,
        Kind::Runbook,
        Kind::Recipe,
        Kind::Mapping,
    ];

    /// The name, as in `irctl config schema NAME`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Irctl => "irctl",
            Kind::Severity => "severity",
            Kind::Service => "service",
            Kind::Verify => "verify",
            Kind::Notify => "notify",
            Kind::Contacts => "contacts",
            Kind::Runbook => "runbook",
            Kind::Recipe => "recipe",
            Kind::Mapping => "mapping",
        }
    }

    /// The kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// What one such file is about, for messages.
    pub const fn noun(self) -> &'static str {
        match self {
            Kind::Irctl => "workspace",
            Kind::Severity => "scheme",
            Kind::Service => "service",
            Kind::Verify => "suite",
            Kind::Notify => "notice routing",
            Kind::Contacts => "contact list",
            Kind::Runbook => "runbook",
            Kind::Recipe => "recipe",
            Kind::Mapping => "mapping",
        }
    }

    /// The top-level key that names what the file is about, where several files of the kind are possible.
    pub const fn name_key(self) -> Option<&'static str> {
        match self {
            Kind::Severity => Some("scheme"),
            Kind::Service => Some("service"),
            Kind::Verify => Some("suite"),
            Kind::Runbook => Some("runbook"),
            Kind::Recipe => Some("recipe"),
            Kind::Mapping => Some("mapping"),
            Kind::Irctl | Kind::Notify | Kind::Contacts => None,
        }
    }

    /// The JSON Schema of the kind's files.
    pub fn schema(self) -> &'static Json {
        static SCHEMAS: [OnceLock<Json>; 9] = [const { OnceLock::new() }; 9];
        static NONE: Json = Json::Null;
        let cell = SCHEMAS.get(self as usize);
        cell.map_or(&NONE, |cell| cell.get_or_init(|| self.generate()))
    }

    fn generate(self) -> Json {
        let mut schema = match self {
            Kind::Irctl => of::<Settings>(),
            Kind::Severity => of::<SchemeConfig>(),
            Kind::Service => of::<ServiceConfig>(),
            Kind::Verify => of::<SuiteConfig>(),
            Kind::Notify => of::<NotifyConfig>(),
            Kind::Contacts => of::<ContactsConfig>(),
            Kind::Runbook => of::<RunbookConfig>(),
            Kind::Recipe => of::<Recipe>(),
            Kind::Mapping => of::<MappingConfig>(),
        };
        if let Some(object) = schema.as_object_mut() {
            object.insert("$id".into(), json!(format!("urn:irctl:schema:{self}")));
            object.insert("title".into(), json!(format!("irctl: {}", self.noun())));
        }
        schema
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

fn of<T: JsonSchema>() -> Json {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}
