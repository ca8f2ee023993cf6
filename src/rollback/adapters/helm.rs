//! `helm-release`: rolls a Helm release back to a revision.
//!
//! Every rollback is a revision of its own. What is compared is the revision whose content is in place, which Helm
//! writes into the description (`Rollback to 3`).

use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

use super::guard::{self, Standing};
use super::parameters::{self, Count, Flag, Span, Text};
use super::program::{Program, missing, text};
use super::{Adapter, Applied, Predicted, PredictedChange, Request, State};
use crate::base::{Error, ErrorCode, Result, fault};
use crate::rollback::targets::Fidelity;

const NAME: &str = "helm-release";
const WAIT: Duration = Duration::from_secs(300);

/// Rolls a release back.
pub struct HelmRelease;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    release: Text,
    namespace: Option<Text>,
    /// The revision; the one whose content was deployed before this one unless it is said.
    revision: Option<Count>,
    /// The context of the kubeconfig.
    context: Option<Text>,
    kubeconfig: Option<Text>,
    /// Whether to wait until everything is ready; true unless it is said.
    wait: Option<Flag>,
    /// How long to wait.
    timeout: Option<Span>,
    program: Option<Text>,
}

/// One revision of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Revision {
    number: u64,
    status: String,
    chart: String,
    app: String,
    description: String,
}

/// The history of a release, oldest first.
struct History(Vec<Revision>);

impl History {
    fn parse(answer: &Value) -> Result<Self> {
        let what = "helm history";
        let entries = answer.as_array().ok_or_else(|| missing("", what))?;
        let read = |entry: &Value| {
            let number = entry.get("revision").and_then(Value::as_u64);
            Ok(Revision {
                number: number.ok_or_else(|| missing("/revision", what))?,
                status: text(entry, "/status", what)?.to_owned(),
                chart: text(entry, "/chart", what)?.to_owned(),
                app: text(entry, "/app_version", what).unwrap_or_default().to_owned(),
                description: text(entry, "/description", what).unwrap_or_default().to_owned(),
            })
        };
        let mut revisions = entries.iter().map(read).collect::<Result<Vec<_>>>()?;
        revisions.sort_by_key(|revision| revision.number);
        Ok(Self(revisions))
    }

    fn latest(&self) -> Result<&Revision> {
        self.0.last().ok_or_else(|| {
            Error::new(ErrorCode::NotFound, format!("{NAME}: the release has no revision"))
                .hint("`helm list --all` shows the releases of a namespace")
        })
    }

    /// The revision whose content a revision has: rollbacks are followed to where they lead.
    fn content(&self, number: u64) -> u64 {
        let of: BTreeMap<u64, Option<u64>> =
            self.0.iter().map(|r| (r.number, rolled_back_to(&r.description))).collect();
        let mut at = number;
        // Each step leads to an older revision, so this ends.
        while let Some(Some(older)) =
            of.get(&at).copied().filter(|older| older.is_some_and(|older| older < at))
        {
            at = older;
        }
        at
    }

    fn revision(&self, number: u64) -> Option<&Revision> {
        self.0.iter().find(|revision| revision.number == number)
    }

    /// The newest revision that was deployed with other content than the latest.
    fn previous(&self) -> Result<Option<u64>> {
        let current = self.content(self.latest()?.number);
        let good = |r: &&Revision| r.status == "superseded" && self.content(r.number) != current;
        Ok(self.0.iter().rev().find(good).map(|revision| self.content(revision.number)))
    }

    fn state(&self) -> Result<Value> {
        let latest = self.latest()?;
        Ok(json!({ "content_of": self.content(latest.number) }))
    }

    /// Whether the latest revision is a rollback that failed on the way.
    fn stuck(&self) -> Result<bool> {
        let latest = self.latest()?;
        Ok(latest.status == "failed" && latest.description.starts_with("Rollback \""))
    }
}

fn rolled_back_to(description: &str) -> Option<u64> {
    description.strip_prefix("Rollback to ")?.trim().parse().ok()
}

fn content_of(state: Option<&Value>) -> Option<u64> {
    state?.get("content_of")?.as_u64()
}

impl Parameters {
    fn read(request: &Request) -> Result<Self> {
        let parameters: Self = parameters::read(NAME, request)?;
        parameters::plain(NAME, "release", &parameters.release.0)?;
        for (name, value) in [("namespace", &parameters.namespace), ("context", &parameters.context)] {
            if let Some(Text(value)) = value {
                parameters::plain(NAME, name, value)?;
            }
        }
        Ok(parameters)
    }

    fn wait(&self) -> Duration {
        self.timeout.map_or(WAIT, |span| span.0)
    }

    fn program(&self) -> Program {
        let name = self.program.as_ref().map_or("helm", |program| program.0.as_str());
        // Helm is to say that its own time is over before it is killed.
        let mut program = Program::new(name, self.wait() + Duration::from_secs(15));
        for (option, value) in [
            ("--namespace", &self.namespace),
            ("--kube-context", &self.context),
            ("--kubeconfig", &self.kubeconfig),
        ] {
            if let Some(Text(value)) = value {
                program = program.with([option, value]);
            }
        }
        program
    }

    fn history(&self, request: &Request) -> Result<History> {
        let arguments = ["history", &self.release.0, "--output", "json", "--max", "256"];
        History::parse(&self.program().json(request, &arguments)?)
    }

    /// Where it is to go.
    fn goal(&self, history: &History) -> Result<Option<u64>> {
        match self.revision {
            Some(Count(number)) => Ok(Some(history.content(number))),
            None => history.previous(),
        }
    }

    /// The arguments of a rollback.
    fn rollback(&self, revision: u64) -> Vec<String> {
        let mut arguments = vec!["rollback".to_owned(), self.release.0.clone(), revision.to_string()];
        if self.wait != Some(Flag(false)) {
            arguments.push("--wait".to_owned());
        }
        arguments.extend(["--timeout".to_owned(), format!("{}s", self.wait().as_secs().max(1))]);
        arguments
    }

    fn refusals(&self, history: &History, goal: Option<u64>) -> Result<Vec<String>> {
        let mut refusals = Vec::new();
        let latest = history.latest()?;
        if latest.status.starts_with("pending-") || latest.status == "uninstalling" {
            refusals.push(format!(
                "revision {} of {} is {}: another helm is at work, or died at it",
                latest.number, self.release.0, latest.status
            ));
        }
        match goal {
            None => refusals.push("no earlier revision was deployed with other content".to_owned()),
            Some(goal) if history.revision(goal).is_none() => {
                refusals.push(format!("{} has no revision {goal} any more", self.release.0));
            }
            Some(_) => {}
        }
        Ok(refusals)
    }

    fn go(&self, request: &Request, to: u64) -> Result<Applied> {
        fault::point("helm-release:before-rollback");
        self.program().run(request, &self.rollback(to))?;
        fault::point("helm-release:after-rollback");
        Ok(Applied { detail: Some(format!("{} has the content of revision {to}", self.release.0)) })
    }
}

impl Adapter for HelmRelease {
    fn observe(&self, request: &Request) -> Result<State> {
        let parameters = Parameters::read(request)?;
        let history = parameters.history(request)?;
        let latest = history.latest()?;
        let shown = format!(
            "{} has the content of revision {} ({}), chart {}, app {}",
            parameters.release.0,
            history.content(latest.number),
            latest.status,
            latest.chart,
            latest.app
        );
        Ok(State { state: history.state()?, shown })
    }

    fn predict(&self, request: &Request) -> Result<Predicted> {
        let parameters = Parameters::read(request)?;
        let history = parameters.history(request)?;
        let goal = parameters.goal(&history)?;
        let before = match &request.before {
            Some(before) => before.clone(),
            None => history.state()?,
        };
        let mut predicted =
            Predicted { refusals: parameters.refusals(&history, goal)?, ..Predicted::default() };
        let Some(goal) = goal else { return Ok(predicted) };
        let after = json!({ "content_of": goal });
        if before != after {
            let words = |number: u64| {
                let revision = history.revision(number)?;
                Some(format!("revision {number}: {} {}", revision.chart, revision.app))
            };
            predicted.changes.push(PredictedChange {
                place: format!("release {}", parameters.release.0),
                from: content_of(Some(&before)).and_then(words),
                to: words(goal),
                fidelity: Fidelity::Predicted,
            });
        }
        predicted.after = Some(after);
        predicted
            .cannot_be_undone
            .push("what hooks of the chart do (jobs, migrations) is not taken back with it".to_owned());
        predicted
            .could_undo_this
            .push("Argo CD, Flux or a pipeline that installs the chart again".to_owned());
        Ok(predicted)
    }

    fn apply(&self, request: &Request) -> Result<Applied> {
        let parameters = Parameters::read(request)?;
        let history = parameters.history(request)?;
        let current = history.state()?;
        // A rollback that failed on the way is tried again, not taken for somebody else's change.
        if !history.stuck()? && guard::apply(NAME, request, &current)? == Standing::After {
            return Ok(Applied { detail: Some("it is so already".to_owned()) });
        }
        let goal = content_of(request.after.as_ref());
        let refusals = parameters.refusals(&history, goal)?;
        match goal {
            Some(goal) if refusals.is_empty() => parameters.go(request, goal),
            _ => Err(Error::new(ErrorCode::Refused, format!("{NAME}: {}", refusals.join("; ")))
                .hint("`helm history` shows the revisions; settle a pending one first")),
        }
    }

    fn undo(&self, request: &Request) -> Result<Applied> {
        let parameters = Parameters::read(request)?;
        let history = parameters.history(request)?;
        let current = history.state()?;
        if !history.stuck()? && guard::undo(NAME, request, &current)? == Standing::Before {
            return Ok(Applied { detail: Some("it is as it was".to_owned()) });
        }
        let former = content_of(request.before.as_ref());
        let refusals = parameters.refusals(&history, former)?;
        match former {
            Some(former) if refusals.is_empty() => parameters.go(request, former),
            _ => Err(Error::new(ErrorCode::Refused, format!("{NAME}: {}", refusals.join("; ")))
                .hint("`helm history` shows the revisions; settle a pending one first")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(entries: &[(u64, &str, &str)]) -> History {
        let entry = |(revision, status, description): &(u64, &str, &str)| {
            json!({"revision": revision, "updated": "2026-11-20T03:00:00Z", "status": status, "chart": "pricing-1",
                "app_version": "1", "description": description})
        };
        History::parse(&Value::Array(entries.iter().map(entry).collect())).unwrap()
    }

    #[test]
    fn rollbacks_are_followed_to_their_content() {
        let history = history(&[
            (1, "superseded", "Install complete"),
            (2, "failed", "Upgrade \"pricing\" failed: timed out"),
            (3, "superseded", "Rollback to 1"),
            (4, "superseded", "Upgrade complete"),
            (5, "deployed", "Rollback to 3"),
        ]);
        assert_eq!(history.content(5), 1);
        assert_eq!(history.previous().unwrap(), Some(4));
        assert!(!history.stuck().unwrap());
    }

    #[test]
    fn strange_histories_are_errors_or_stuck() {
        assert!(History::parse(&json!({})).is_err());
        assert!(History::parse(&json!([{"revision": "1"}])).is_err());
        assert!(history(&[]).latest().is_err());
        assert!(history(&[(2, "failed", "Rollback \"pricing\" failed: timed out")]).stuck().unwrap());
        // A description that leads to itself does not lead in a circle.
        assert_eq!(history(&[(2, "deployed", "Rollback to 2")]).content(2), 2);
    }
}
