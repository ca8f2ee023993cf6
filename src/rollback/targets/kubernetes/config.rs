//! What users write under `kubernetes:`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::base::connect::kubernetes::Place;
use crate::base::{Duration, Error, ErrorCode, Result};

/// How long a Deployment or a Service may take to be ready, where nothing else is said.
const READY_WITHIN: Duration = Duration::seconds(60);

/// How long the API may take to answer one request, where nothing else is said.
const TIMEOUT: Duration = Duration::seconds(10);

/// Objects of a Kubernetes cluster: the traffic of a Service (`service` and `selector`), a revision of a Deployment
/// (`deployment` and `undo: revision`), or a number of replicas (`scale`).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KubernetesConfig {
    /// The namespace; that of the context otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The context of the kubeconfig; its current one otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The kubeconfig, absolute or relative to the workspace; what kubectl reads otherwise: the files that KUBECONFIG
    /// lists, else ~/.kube/config, else the service account of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<PathBuf>,
    /// The Service whose traffic is switched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Keys of the Service's selector and what they become, as `version: "{version}"`. Other keys stay.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub selector: BTreeMap<String, String>,
    /// A pattern for the Deployments that are versions, as `model-serving-*`. With it this target says which versions
    /// there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployments: Option<String>,
    /// Scales the Deployment that served down to no replicas, after the traffic has left it.
    #[serde(default)]
    pub scale_down: bool,
    /// Scales the Deployment that is to serve up to this many replicas first, where it has fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up: Option<u32>,
    /// The Deployment that goes back to an earlier revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// How the Deployment goes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<UndoBy>,
    /// A fixed number of replicas, whatever the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<ScaleConfig>,
    /// How long it may take until what was switched is ready; 60s otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_within: Option<Duration>,
    /// How long the API may take to answer one request; 10s otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// How a Deployment goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UndoBy {
    /// To the pod template of one of its ReplicaSets, as `kubectl rollout undo --to-revision` does.
    Revision,
}

/// A fixed number of replicas.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScaleConfig {
    /// The Deployment.
    pub deployment: String,
    /// How many replicas it is to have.
    pub replicas: u32,
}

/// What a configuration asks for, its parts known to be there.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mode<'a> {
    /// The traffic of a Service.
    Traffic { service: &'a str },
    /// A revision of a Deployment.
    Revision { deployment: &'a str },
    /// A number of replicas.
    Scale(&'a ScaleConfig),
}

impl KubernetesConfig {
    /// Whether its parts fit together.
    ///
    /// # Errors
    /// `invalid-configuration`: neither or more than one of the three things is asked for, or a name or a pattern is
    /// none.
    pub fn check(&self) -> Result<()> {
        self.mode().map(|_| ())
    }

    pub(super) fn mode(&self) -> Result<Mode<'_>> {
        let mode = match (&self.service, &self.deployment, &self.scale) {
            (Some(service), None, None) => {
                if self.selector.is_empty() {
                    return Err(wrong("`service` needs a `selector`", "selector: {version: \"{version}\"}"));
                }
                Mode::Traffic { service }
            }
            (None, Some(deployment), None) => {
                if self.undo.is_none() {
                    return Err(wrong("`deployment` needs to know how it goes back", "undo: revision"));
                }
                Mode::Revision { deployment }
            }
            (None, None, Some(scale)) => Mode::Scale(scale),
            _ => {
                return Err(wrong(
                    "a `kubernetes` target needs exactly one of `service`, `deployment` and `scale`",
                    "switch the traffic of a service, undo a deployment to a revision, or scale one; write several \
                     targets for several of them",
                ));
            }
        };
        let traffic = matches!(mode, Mode::Traffic { .. });
        let stray = [
            ("selector", !self.selector.is_empty() && !traffic),
            ("deployments", self.deployments.is_some() && !traffic),
            ("scale_down", self.scale_down && !traffic),
            ("scale_up", self.scale_up.is_some() && !traffic),
            ("undo", self.undo.is_some() && !matches!(mode, Mode::Revision { .. })),
        ];
        if let Some((key, _)) = stray.iter().find(|(_, stray)| *stray) {
            return Err(wrong(
                &format!("`{key}` does not fit here"),
                "it belongs to `service` or to `deployment`",
            ));
        }
        if self.scale_up == Some(0) {
            return Err(wrong("`scale_up: 0` scales nothing up", "leave it out, or write at least 1"));
        }
        let names = [&self.namespace, &self.service, &self.deployment];
        let names = names.into_iter().flatten().chain(self.scale.iter().map(|scale| &scale.deployment));
        for name in names {
            object_name(name)?;
        }
        self.pattern()?;
        Ok(mode)
    }

    pub(super) fn pattern(&self) -> Result<Option<glob::Pattern>> {
        let Some(pattern) = &self.deployments else { return Ok(None) };
        glob::Pattern::new(pattern).map(Some).map_err(|error| {
            wrong(
                &format!("`deployments: {}` is not a pattern: {error}", pattern.escape_debug()),
                "as \"model-serving-*\"",
            )
        })
    }

    pub(super) fn ready_within(&self) -> Duration {
        self.ready_within.unwrap_or(READY_WITHIN)
    }

    /// Which cluster.
    pub(super) fn place(&self) -> Place<'_> {
        Place {
            namespace: self.namespace.as_deref(),
            context: self.context.as_deref(),
            kubeconfig: self.kubeconfig.as_deref(),
            timeout: self.timeout.unwrap_or(TIMEOUT),
        }
    }
}

/// A name as Kubernetes has them (a DNS subdomain): it goes into a path of the API.
fn object_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if name.len() <= 253 && name.chars().all(fits) && edge(name.chars().next()) && edge(name.chars().last()) {
        return Ok(());
    }
    Err(wrong(
        &format!("`{}` cannot be the name of a Kubernetes object", name.escape_debug()),
        "lower-case letters, digits, `-` and `.`",
    ))
}

fn wrong(why: &str, hint: &str) -> Error {
    Error::new(ErrorCode::InvalidConfiguration, why).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> KubernetesConfig {
        serde_yaml::from_str(text).unwrap()
    }

    #[test]
    fn one_of_three_things_is_asked_for() {
        for good in [
            "{service: s, selector: {version: \"{version}\"}, deployments: \"s-*\", scale_down: true, scale_up: 2}",
            "{namespace: production, deployment: s, undo: revision, ready_within: 2m}",
            "{scale: {deployment: s, replicas: 0}}",
        ] {
            config(good).check().unwrap();
        }
        for (bad, word) in [
            ("{}", "exactly one"),
            ("{service: s}", "selector"),
            ("{deployment: s}", "goes back"),
            ("{service: s, selector: {a: b}, deployment: s, undo: revision}", "exactly one"),
            ("{scale: {deployment: s, replicas: 0}, scale_down: true}", "scale_down"),
            ("{deployment: s, undo: revision, deployments: \"*\"}", "deployments"),
            ("{deployment: ../s, undo: revision}", "name"),
            ("{namespace: A, deployment: s, undo: revision}", "name"),
            ("{service: s, selector: {a: b}, deployments: \"[\"}", "pattern"),
            ("{service: s, selector: {a: b}, scale_up: 0}", "scale_up"),
        ] {
            let error = config(bad).check().unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidConfiguration);
            assert!(error.message.contains(word), "{bad}: {}", error.message);
        }
    }
}
