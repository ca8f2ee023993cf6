//! One step: an id, one key that says what it does, and what any step may say.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::kinds::{
    CallConfig, CopyConfig, HttpStep, ManualStep, NotifyConfig, ParallelConfig, Parameters, ProbeStep,
    ProcessStep, RecipeUse, RedisStep, RollbackStep, RunConfig, ServiceStep, ShellConfig, SqlStep,
    Verification, WaitConfig,
};
use super::{BranchConfig, Condition, Effect, LintConfig, OnCancel, OnFail, RetryConfig, SaveConfig};
use crate::base::Duration;
use crate::rollback::config::SettingsConfig;
use crate::rollback::targets::command::RecipeConfig;
use crate::rollback::targets::git::GitConfig;
use crate::rollback::targets::kubernetes::KubernetesConfig;

/// One step of a runbook. Exactly one of the keys from `verify` to `parallel` says what it does; beside another of them,
/// `verify` says how it is proven.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepConfig {
    /// Its name, unique in the runbook.
    #[schemars(extend("format" = "name"))]
    pub id: String,
    /// What it is for, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A suite, or expectations, that must hold. Beside another kind: the proof that it worked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verification>,
    /// A measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeStep>,
    /// A program and its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunConfig>,
    /// A script for a shell; only with `allow: [shell]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<ShellConfig>,
    /// A question to a database, or a change of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<SqlStep>,
    /// A request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Box<HttpStep>>,
    /// Objects of a Kubernetes cluster: the target `kubernetes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Box<KubernetesConfig>>,
    /// Keys of a settings file: the target `settings`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<SettingsConfig>,
    /// A file that takes the place of another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<CopyConfig>,
    /// Processes, units, containers: recipes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessStep>,
    /// Keys and streams of a Redis: recipes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisStep>,
    /// Cache files that are moved aside: the parameters of the recipe `cache-quarantine`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Parameters>,
    /// A git work tree: the target `git`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<Box<GitConfig>>,
    /// Any other recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<RecipeConfig>,
    /// What a human is to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manual: Option<ManualStep>,
    /// A decision: the first branch whose condition holds. A condition that cannot be decided asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minItems" = 1))]
    pub decide: Option<Vec<BranchConfig>>,
    /// A wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<WaitConfig>,
    /// A message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<NotifyConfig>,
    /// A sentence for the timeline of the incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minLength" = 1))]
    pub note: Option<String>,
    /// A rollback of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackStep>,
    /// Stops what consumes the service, with proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contain: Option<ServiceStep>,
    /// Lets back what consumes the service, as it was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ServiceStep>,
    /// Another runbook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallConfig>,
    /// Steps that go on side by side, by the name of their arm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<ParallelConfig>,
    /// What it hangs on; it is skipped where that does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// What it does to the world; each kind has its own default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// What nobody else may change meanwhile, by names that runbooks share: `trading`, `database/pricing`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<String>,
    /// How long it may take before it is stopped; 1m otherwise for programs, requests and queries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How often it is tried again when it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryConfig>,
    /// Values that later steps use, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub save: BTreeMap<String, SaveConfig>,
    /// Steps that make good what it did, for `effect: compensable`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<StepConfig>,
    /// What happens when it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_fail: Option<OnFail>,
    /// What happens to it when the run is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_cancel: Option<OnCancel>,
    /// How long it should take; it only alarms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Duration>,
    /// Findings of `irctl runbook lint` that are meant to be so in this step.
    #[serde(default, skip_serializing_if = "LintConfig::is_empty")]
    pub lint: LintConfig,
}

/// What a step does.
#[derive(Debug, Clone, Copy)]
pub enum Kind<'a> {
    /// A suite, or expectations.
    Verify(&'a Verification),
    /// A measurement.
    Probe(&'a ProbeStep),
    /// A program.
    Run(&'a RunConfig),
    /// A script.
    Shell(&'a ShellConfig),
    /// A database.
    Sql(&'a SqlStep),
    /// A request.
    Http(&'a HttpStep),
    /// A cluster.
    Kubernetes(&'a KubernetesConfig),
    /// A settings file.
    Set(&'a SettingsConfig),
    /// A file.
    Copy(&'a CopyConfig),
    /// Processes.
    Process(&'a ProcessStep),
    /// A Redis.
    Redis(&'a RedisStep),
    /// Cache files.
    Cache(&'a Parameters),
    /// A git work tree.
    Git(&'a GitConfig),
    /// A recipe.
    Recipe(&'a RecipeConfig),
    /// A human.
    Manual(&'a ManualStep),
    /// A decision.
    Decide(&'a [BranchConfig]),
    /// A wait.
    Wait(&'a WaitConfig),
    /// A message.
    Notify(&'a NotifyConfig),
    /// A sentence.
    Note(&'a str),
    /// A rollback.
    Rollback(&'a RollbackStep),
    /// Stopping consumers.
    Contain(&'a ServiceStep),
    /// Letting consumers back.
    Release(&'a ServiceStep),
    /// Another runbook.
    Call(&'a CallConfig),
    /// Arms side by side.
    Parallel(&'a ParallelConfig),
}

impl StepConfig {
    /// Every key of a kind that is written, with what stands there; `verify` last, because it can be a proof.
    pub fn kinds(&self) -> Vec<Kind<'_>> {
        let all = [
            self.probe.as_ref().map(Kind::Probe),
            self.run.as_ref().map(Kind::Run),
            self.shell.as_ref().map(Kind::Shell),
            self.sql.as_ref().map(Kind::Sql),
            self.http.as_deref().map(Kind::Http),
            self.kubernetes.as_deref().map(Kind::Kubernetes),
            self.set.as_ref().map(Kind::Set),
            self.copy.as_ref().map(Kind::Copy),
            self.process.as_ref().map(Kind::Process),
            self.redis.as_ref().map(Kind::Redis),
            self.cache.as_ref().map(Kind::Cache),
            self.git.as_deref().map(Kind::Git),
            self.recipe.as_ref().map(Kind::Recipe),
            self.manual.as_ref().map(Kind::Manual),
            self.decide.as_deref().map(Kind::Decide),
            self.wait.as_ref().map(Kind::Wait),
            self.notify.as_ref().map(Kind::Notify),
            self.note.as_deref().map(Kind::Note),
            self.rollback.as_ref().map(Kind::Rollback),
            self.contain.as_ref().map(Kind::Contain),
            self.release.as_ref().map(Kind::Release),
            self.call.as_ref().map(Kind::Call),
            self.parallel.as_ref().map(Kind::Parallel),
        ];
        let mut kinds: Vec<_> = all.into_iter().flatten().collect();
        kinds.extend(self.verify.as_ref().filter(|_| kinds.is_empty()).map(Kind::Verify));
        kinds
    }

    /// What it does; none where that is not written, or twice, which is reported where problems are.
    pub fn kind(&self) -> Option<Kind<'_>> {
        match self.kinds().as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }

    /// How it is proven, where it is not itself a `verify` step.
    pub fn proof(&self) -> Option<&Verification> {
        self.verify.as_ref().filter(|_| !matches!(self.kind(), Some(Kind::Verify(_))))
    }

    /// What it does to the world: as it says, else as its kind does.
    pub fn effect(&self) -> Effect {
        self.effect.or_else(|| self.kind().map(Kind::effect)).unwrap_or(Effect::Irreversible)
    }
}

impl<'a> Kind<'a> {
    /// Every kind, as its key is written.
    pub const NAMES: [&'static str; 24] = [
        "verify",
        "probe",
        "run",
        "shell",
        "sql",
        "http",
        "kubernetes",
        "set",
        "copy",
        "process",
        "redis",
        "cache",
        "git",
        "recipe",
        "manual",
        "decide",
        "wait",
        "notify",
        "note",
        "rollback",
        "contain",
        "release",
        "call",
        "parallel",
    ];

    /// The key it is written under.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Verify(_) => "verify",
            Kind::Probe(_) => "probe",
            Kind::Run(_) => "run",
            Kind::Shell(_) => "shell",
            Kind::Sql(_) => "sql",
            Kind::Http(_) => "http",
            Kind::Kubernetes(_) => "kubernetes",
            Kind::Set(_) => "set",
            Kind::Copy(_) => "copy",
            Kind::Process(_) => "process",
            Kind::Redis(_) => "redis",
            Kind::Cache(_) => "cache",
            Kind::Git(_) => "git",
            Kind::Recipe(_) => "recipe",
            Kind::Manual(_) => "manual",
            Kind::Decide(_) => "decide",
            Kind::Wait(_) => "wait",
            Kind::Notify(_) => "notify",
            Kind::Note(_) => "note",
            Kind::Rollback(_) => "rollback",
            Kind::Contain(_) => "contain",
            Kind::Release(_) => "release",
            Kind::Call(_) => "call",
            Kind::Parallel(_) => "parallel",
        }
    }

    /// What a step of this kind does to the world where it does not say so itself. Of programs nothing is known, so
    /// they are taken for the worst.
    pub const fn effect(self) -> Effect {
        match self {
            Kind::Verify(_)
            | Kind::Probe(_)
            | Kind::Manual(_)
            | Kind::Decide(_)
            | Kind::Wait(_)
            | Kind::Note(_)
            | Kind::Call(_)
            | Kind::Parallel(_)
            | Kind::Sql(SqlStep::Read(_))
            | Kind::Http(HttpStep::Get(_)) => Effect::Read,
            Kind::Sql(SqlStep::Write(_))
            | Kind::Http(HttpStep::Flag(_))
            | Kind::Kubernetes(_)
            | Kind::Set(_)
            | Kind::Copy(_)
            | Kind::Process(_)
            | Kind::Redis(_)
            | Kind::Cache(_)
            | Kind::Git(_)
            | Kind::Recipe(_)
            | Kind::Rollback(_)
            | Kind::Contain(_)
            | Kind::Release(_) => Effect::Reversible,
            Kind::Run(_) | Kind::Shell(_) | Kind::Http(HttpStep::Send(_)) | Kind::Notify(_) => {
                Effect::Irreversible
            }
        }
    }

    /// Whether it brings a proof of its own: a suite of the service, a receipt.
    pub const fn proves_itself(self) -> bool {
        matches!(
            self,
            Kind::Rollback(_) | Kind::Contain(_) | Kind::Release(_) | Kind::Notify(_) | Kind::Call(_)
        )
    }

    /// The recipe that it comes down to, if it is one.
    pub fn recipe(self) -> Option<RecipeUse<'a>> {
        let (name, with, pointer) = match self {
            Kind::Http(HttpStep::Flag(with)) => ("http-flag", with, "/http/flag"),
            Kind::Process(ProcessStep::Stop(with)) => ("process-stop", with, "/process/stop"),
            Kind::Process(ProcessStep::Units(with)) => ("systemd-unit", with, "/process/units"),
            Kind::Process(ProcessStep::Compose(with)) => ("compose-profile", with, "/process/compose"),
            Kind::Redis(RedisStep::Key(with)) => ("redis-key", with, "/redis/key"),
            Kind::Redis(RedisStep::Event(with)) => ("redis-event", with, "/redis/event"),
            Kind::Redis(RedisStep::Purge(with)) => ("redis-purge", with, "/redis/purge"),
            Kind::Cache(with) => ("cache-quarantine", with, "/cache"),
            Kind::Recipe(used) => (used.name.as_str(), &used.with, "/recipe/with"),
            _ => return None,
        };
        Some(RecipeUse { name, with, pointer })
    }
}
