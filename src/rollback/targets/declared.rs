//! What leads where no target says which versions there are: one version, which is what the configuration declares.

use serde_json::Value;
use std::path::Path;

use super::{Fence, Goal, Observed, Prediction, Rehearsed, Staging, SwitchSpec, Target};
use crate::base::{Digest, Error, ErrorCode, Result};
use crate::rollback::candidates::is_named;
use crate::rollback::versions::Version;

/// The name of the one version.
pub const DECLARED: &str = "declared";

/// The kind of what leads by its declaration.
pub const KIND: &str = "declared";

/// See the module.
pub struct DeclaredTarget<'a> {
    /// What is switched.
    pub targets: Vec<Box<dyn Target + 'a>>,
    /// The targets as they are configured.
    pub configuration: Value,
    /// What people call it.
    pub title: Option<String>,
}

impl DeclaredTarget<'_> {
    fn declared(&self) -> Version {
        let digest = Digest::of(self.configuration.to_string().as_bytes());
        Version { digest: Some(digest), label: self.title.clone(), ..Version::named(DECLARED) }
    }

    /// Whether everything is as it is declared already.
    fn is_declared(&self) -> Result<bool> {
        let (declared, nothing) = (self.declared(), Version::named("as it stands"));
        let goal = Goal {
            version: &declared,
            served: &nothing,
            operation: None,
            incident: None,
            reason: None,
            actor: "",
            now: chrono::DateTime::UNIX_EPOCH,
        };
        for target in &self.targets {
            if !target.predict(&goal)?.changes_nothing() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Target for DeclaredTarget<'_> {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn name(&self) -> String {
        "what is declared".to_owned()
    }

    fn fence(&self) -> Fence {
        Fence::None
    }

    fn leads(&self) -> bool {
        true
    }

    fn accepts(&self, name: &str) -> Result<()> {
        if is_named(&self.declared(), name) {
            return Ok(());
        }
        let text = format!(
            "nothing in `targets:` says which versions there are, so there is no `{}`",
            name.escape_debug()
        );
        Err(Error::new(ErrorCode::NotFound, text)
            .hint("`--to prev` goes to what is declared; a target that knows versions (files, registry, git, kubernetes) lets one choose"))
    }

    fn find(&self, name: &str) -> Result<Option<Version>> {
        self.accepts(name).map(|()| None)
    }

    fn versions(&self) -> Result<Vec<Version>> {
        Ok(vec![self.declared()])
    }

    fn served(&self) -> Result<Version> {
        // Anything that cannot be looked at, or predicted, is not as declared.
        if self.is_declared().unwrap_or(false) {
            return Ok(self.declared());
        }
        let observed = self.observe();
        let digest = observed.as_ref().ok().map(|observed| observed.digest.clone());
        let defect = observed.err().map(|error| error.message);
        Ok(Version { digest, defect, ..Version::named("as it stands") })
    }

    fn observe(&self) -> Result<Observed> {
        let mut parts = Vec::new();
        for target in &self.targets {
            parts.push((target.name(), target.observe()?.digest));
        }
        let digest = Digest::of_parts(parts.iter().map(|(name, digest)| (name.as_str(), digest)));
        Ok(Observed { digest, shown: "as it stands".into() })
    }

    fn predict(&self, _goal: &Goal<'_>) -> Result<Prediction> {
        Ok(Prediction::default())
    }

    fn stage(&self, _goal: &Goal<'_>, _staging: &Staging<'_>) -> Result<Vec<SwitchSpec>> {
        Ok(Vec::new())
    }

    fn rehearse(&self, _goal: &Goal<'_>, _scratch: &Path) -> Result<Vec<Rehearsed>> {
        Err(Error::new(ErrorCode::Bug, "what leads a plan without being switched is not rehearsed"))
    }
}
