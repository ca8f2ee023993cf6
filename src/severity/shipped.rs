//! The schemes that come with irctl, and how a scheme is found by name.

use std::collections::BTreeMap;

use super::{Scheme, SchemeConfig, similar};
use crate::base::{Error, ErrorCode, Result};

/// The scheme that judges where none is named.
pub const DEFAULT_SCHEME: &str = "protocol-25";

/// The shipped schemes: name and YAML.
pub const fn shipped() -> &'static [(&'static str, &'static str)] {
    &[
        (DEFAULT_SCHEME, include_str!("../../config/severity/protocol-25.yaml")),
        ("rila", include_str!("../../config/severity/rila.yaml")),
        ("phases", include_str!("../../config/severity/phases.yaml")),
        ("trading", include_str!("../../config/severity/trading.yaml")),
        ("acis", include_str!("../../config/severity/acis.yaml")),
    ]
}

/// A shipped scheme by name.
pub fn shipped_scheme(name: &str) -> Option<Result<SchemeConfig>> {
    let (_, yaml) = shipped().iter().find(|(shipped, _)| *shipped == name)?;
    // By way of JSON: a choice by key, as in `keep: {for: 30m}`, is a tag in YAML's own terms.
    let value = serde_yaml::from_str::<serde_json::Value>(yaml).map_err(|error| error.to_string());
    let config = value.and_then(|value| serde_json::from_value(value).map_err(|error| error.to_string()));
    Some(config.map_err(|error| {
        Error::new(ErrorCode::Bug, format!("the shipped scheme `{name}` cannot be read: {error}"))
    }))
}

/// The scheme of this name: the workspace's own, else the shipped one.
pub fn resolve_scheme(
    name: &str,
    workspace_schemes: Option<&BTreeMap<String, SchemeConfig>>,
) -> Result<SchemeConfig> {
    if let Some(scheme) = workspace_schemes.and_then(|schemes| schemes.get(name)) {
        return Ok(scheme.clone());
    }
    if let Some(scheme) = shipped_scheme(name) {
        return scheme;
    }
    let known: std::collections::BTreeSet<&str> = shipped()
        .iter()
        .map(|(name, _)| *name)
        .chain(workspace_schemes.into_iter().flatten().map(|(name, _)| name.as_str()))
        .collect();
    let hint = match similar(name, known.iter().copied()) {
        Some(similar) => format!("did you mean `{similar}`?"),
        None => format!("schemes here: {}", known.into_iter().collect::<Vec<_>>().join(", ")),
    };
    Err(Error::new(ErrorCode::NotFound, format!("there is no scheme `{}`", name.escape_debug())).hint(hint))
}

impl Scheme {
    /// [`Scheme::compile`] with all problems in one error.
    pub fn compile_or_error(config: &SchemeConfig) -> Result<Self> {
        Scheme::compile(config).map_err(|problems| {
            let shown: Vec<String> = problems
                .iter()
                .map(|problem| {
                    let help = problem.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
                    format!("{}: {}{help}", problem.pointer, problem.message)
                })
                .collect();
            let name = config.scheme.escape_debug();
            Error::new(ErrorCode::InvalidConfiguration, format!("scheme `{name}`: {}", shown.join("; ")))
                .hint("`irctl config check` shows each place")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_scheme_compiles_under_its_name() {
        for (name, _) in shipped() {
            let config = resolve_scheme(name, None).unwrap();
            assert_eq!(config.scheme, *name);
            let scheme = Scheme::compile(&config).unwrap_or_else(|problems| panic!("{name}: {problems:#?}"));
            for rule in &scheme.config().rules {
                assert!(scheme.level(&rule.level).is_some(), "{name}: {}", rule.id);
            }
        }
    }

    #[test]
    fn an_unknown_scheme_is_named_with_the_like_one() {
        let error = resolve_scheme("protocol25", None).unwrap_err();
        assert_eq!(error.hint.as_deref(), Some("did you mean `protocol-25`?"));
    }
}
