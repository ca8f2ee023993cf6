//! Objects of a Kubernetes cluster through kubectl: read as JSON, changed by a merge patch that carries the resource
//! version it was made for, so that the server refuses it (409) when somebody else was faster.

use serde_json::{Map, Value, json};
use std::time::Duration;

use super::contract::Request;
use super::parameters::{self, Span, Text};
use super::program::{Program, missing};
use crate::base::untrusted::{Sink, escape};
use crate::base::{Error, ErrorCode, Result};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Where the objects are.
#[derive(Debug, Clone, Copy)]
pub struct Cluster<'a> {
    /// The adapter, for messages.
    pub adapter: &'static str,
    /// The context of the kubeconfig.
    pub context: &'a Option<Text>,
    /// The kubeconfig.
    pub kubeconfig: &'a Option<Text>,
    /// The namespace.
    pub namespace: &'a Option<Text>,
    /// How long a call may take.
    pub timeout: Option<Span>,
    /// The program: `kubectl` unless it is said.
    pub program: &'a Option<Text>,
}

impl Cluster<'_> {
    fn program(&self) -> Result<Program> {
        let name = self.program.as_ref().map_or("kubectl", |program| program.0.as_str());
        let timeout = self.timeout.map_or(TIMEOUT, |span| span.0);
        let mut program = Program::new(name, timeout);
        for (option, value) in
            [("context", self.context), ("kubeconfig", self.kubeconfig), ("namespace", self.namespace)]
        {
            if let Some(Text(value)) = value {
                parameters::plain(self.adapter, option, value)?;
                program = program.with([format!("--{option}={value}")]);
            }
        }
        // kubectl is to give up before it is killed.
        Ok(program.with([format!("--request-timeout={}s", (timeout.as_secs() * 3 / 4).max(1))]))
    }

    /// One object.
    pub fn get(&self, request: &Request, resource: &str, name: &str) -> Result<Value> {
        parameters::plain(self.adapter, "name", name)?;
        self.json(request, &["get", resource, name, "--output=json"])
    }

    /// The objects with these labels.
    pub fn list(&self, request: &Request, resource: &str, selector: &str) -> Result<Vec<Value>> {
        let selector = format!("--selector={selector}");
        let list = self.json(request, &["get", resource, &selector, "--output=json"])?;
        list.get("items").and_then(Value::as_array).cloned().ok_or_else(|| missing("/items", "kubectl get"))
    }

    /// Makes `to` of the object `from`, which was read before. With `dry_run` the server only says what would be.
    ///
    /// # Errors
    /// `drifted` when the object was changed since it was read.
    pub fn change(
        &self,
        request: &Request,
        resource: &str,
        from: &Value,
        to: &Value,
        how: How,
    ) -> Result<Value> {
        let what = "kubectl get";
        let name = from.pointer("/metadata/name").and_then(Value::as_str);
        let name = name.ok_or_else(|| missing("/metadata/name", what))?;
        let version = from.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        let version = version.ok_or_else(|| missing("/metadata/resourceVersion", what))?;
        let mut patch = difference(from, to).unwrap_or_else(|| json!({}));
        let metadata =
            patch.as_object_mut().map(|patch| patch.entry("metadata").or_insert_with(|| json!({})));
        if let Some(metadata) = metadata.and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".to_owned(), json!(version));
        }
        let patch = format!("--patch={patch}");
        let mut arguments = vec!["patch", resource, name, "--type=merge", &patch, "--output=json"];
        if how.dry_run {
            arguments.push("--dry-run=server");
        }
        if how.status {
            arguments.push("--subresource=status");
        }
        self.json(request, &arguments)
    }

    fn json(&self, request: &Request, arguments: &[&str]) -> Result<Value> {
        let program = self.program()?;
        let output = program.output(request, arguments, b"")?;
        if output.success() {
            return serde_json::from_slice(&output.stdout).map_err(|error| {
                Error::new(
                    ErrorCode::InvalidData,
                    format!("{}: kubectl printed no JSON: {error}", self.adapter),
                )
            });
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let (code, hint) = if said.contains("(Conflict)") || said.contains("object has been modified") {
            (ErrorCode::Drifted, "look at what they did, then plan again")
        } else if said.contains("(NotFound)") {
            (ErrorCode::NotFound, "is the name, and the namespace, right?")
        } else if said.contains("(Forbidden)") || said.contains("(Unauthorized)") {
            (ErrorCode::NotPermitted, "`kubectl auth can-i` says what you may")
        } else if ["(Invalid)", " is invalid: ", "admission webhook"].iter().any(|words| said.contains(words))
        {
            (ErrorCode::Refused, "the server says why it does not take it")
        } else {
            return Err(program.failed(arguments, &output));
        };
        let last = escape(&output.last_words(), Sink::Terminal);
        Err(Error::new(code, format!("{}: {last}", self.adapter)).hint(hint))
    }
}

/// How an object is changed.
#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    /// Only ask what would be.
    pub dry_run: bool,
    /// Change the status, not the specification.
    pub status: bool,
}

/// The merge patch (RFC 7396) that makes `to` of `from`; `None` when they are the same.
pub fn difference(from: &Value, to: &Value) -> Option<Value> {
    if from == to {
        return None;
    }
    let (Value::Object(from), Value::Object(to)) = (from, to) else { return Some(to.clone()) };
    let mut patch = Map::new();
    for name in from.keys().filter(|name| !to.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, wanted) in to {
        match from.get(name) {
            None => {
                patch.insert(name.clone(), wanted.clone());
            }
            Some(held) => {
                if let Some(inner) = difference(held, wanted) {
                    patch.insert(name.clone(), inner);
                }
            }
        }
    }
    Some(Value::Object(patch))
}

/// Who would set an object back, as its labels and annotations tell.
pub fn managers(object: &Value) -> Vec<String> {
    let known = [
        ("/metadata/annotations/argocd.argoproj.io~1tracking-id", "Argo CD"),
        ("/metadata/labels/argocd.argoproj.io~1instance", "Argo CD"),
        ("/metadata/labels/kustomize.toolkit.fluxcd.io~1name", "Flux (kustomization)"),
        ("/metadata/labels/helm.toolkit.fluxcd.io~1name", "Flux (Helm release)"),
        ("/metadata/annotations/meta.helm.sh~1release-name", "a Helm release"),
    ];
    let found = known.iter().filter_map(|(pointer, who)| {
        let name = object.pointer(pointer)?.as_str()?;
        Some(format!("{who} `{}` manages it and may set it back", escape(name, Sink::Terminal)))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_patch_says_what_differs_and_no_more() {
        let from = json!({"a": 1, "b": {"c": [1, 2], "d": 3}, "e": 4});
        let to = json!({"a": 1, "b": {"c": [2], "d": 3}, "f": {"g": 5}});
        assert_eq!(difference(&from, &to), Some(json!({"b": {"c": [2]}, "e": null, "f": {"g": 5}})));
        assert_eq!(difference(&to, &to), None);
    }

    #[test]
    fn managers_are_named() {
        let object = json!({"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "shop:x"}}});
        assert_eq!(managers(&object), ["Argo CD `shop:x` manages it and may set it back"]);
        assert!(managers(&json!({"metadata": {}})).is_empty());
    }
}
