//! Secrets of a runbook: where each is kept, and how a program gets it. There is no way to put one into an argument.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::SecretReference;

/// A secret that programs of a runbook need.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretConfig {
    /// Where it is kept.
    pub from: SecretReference,
    /// How a program gets it.
    #[serde(default)]
    pub deliver: Delivery,
    /// The variable of the environment that holds it or, with `file` and `password_file`, the path of the file. Its
    /// name in capitals otherwise; `PGPASSFILE` with `password_file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
    /// What it opens, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// How a program gets a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// In a variable of its environment.
    #[default]
    Environment,
    /// In a file that only the owner can read and that is gone afterwards; a variable holds its path.
    File,
    /// In a password file of PostgreSQL (`PGPASSFILE`), valid for any host, database and user.
    PasswordFile,
}

impl SecretConfig {
    /// The variable that a program finds it by.
    pub fn variable(&self, name: &str) -> String {
        let usual = || match self.deliver {
            Delivery::PasswordFile => "PGPASSFILE".to_owned(),
            Delivery::Environment | Delivery::File => {
                name.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_")
            }
        };
        self.variable.clone().unwrap_or_else(usual)
    }
}

/// Whether it can be the name of a variable of the environment.
pub(super) fn is_variable(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_named_after_the_secret() {
        let secret = |text: &str| serde_json::from_str::<SecretConfig>(text).unwrap();
        assert_eq!(secret(r#"{"from": "env:X"}"#).variable("db-password"), "DB_PASSWORD");
        assert_eq!(secret(r#"{"from": "env:X", "deliver": "password_file"}"#).variable("db"), "PGPASSFILE");
        assert_eq!(secret(r#"{"from": "env:X", "variable": "TOKEN"}"#).variable("db"), "TOKEN");
        assert!(is_variable("A_1") && !is_variable("1A") && !is_variable("A=B") && !is_variable(""));
    }
}
