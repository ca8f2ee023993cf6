//! Whether it is written down what to do: a runbook for each symptom and each phase, and a scheme that classifies.

use std::collections::BTreeMap;

use crate::base::Verdict;
use crate::config::{Kind, ServiceConfig, Workspace};
use crate::rollback::Subject;
use crate::rollback::snapshot::readiness::Check;
use crate::runbook::RunbookConfig;

/// There is a runbook with steps for each symptom of the scheme, and for each phase.
pub fn decisions(workspace: &Workspace, service: &ServiceConfig, subject: &Subject) -> Check {
    let check = |verdict, evidence: String| {
        Check::new("decision-tree", "Rollback decision tree documented", verdict, evidence).next(
            "write runbooks/NAME.yaml with `symptoms: […]` and `steps:`; for a phase, tag it `phase-NAME`",
        )
    };
    let Ok(scheme) = workspace.scheme(&service.scheme) else {
        return check(Verdict::Unknown, format!("the scheme {} cannot be used", service.scheme));
    };
    let written: BTreeMap<&String, &RunbookConfig> =
        workspace.runbooks.iter().filter(|(_, runbook)| !runbook.steps.is_empty()).collect();
    let mut symptoms: BTreeMap<&str, bool> = BTreeMap::new();
    for rule in &scheme.rules {
        let named = rule.runbook.as_ref().is_some_and(|name| written.contains_key(name));
        let treated =
            || written.values().any(|runbook| runbook.symptoms.iter().any(|own| own == rule.symptom()));
        *symptoms.entry(rule.symptom()).or_default() |= named || treated();
    }
    let phases = match &subject.phase {
        Some(phase) => vec![phase],
        None => subject.rollback.phases.keys().collect(),
    };
    let of_phase = |phase: &str| {
        let tag = format!("phase-{phase}");
        written.iter().any(|(name, runbook)| name.ends_with(&tag) || runbook.tags.contains(&tag))
    };
    let mut missing: Vec<String> =
        symptoms.iter().filter(|(_, covered)| !**covered).map(|(symptom, _)| (*symptom).to_owned()).collect();
    missing.extend(phases.iter().filter(|phase| !of_phase(phase)).map(|phase| format!("phase {phase}")));
    let all = symptoms.len() + phases.len();
    if all == 0 {
        return check(Verdict::Unknown, format!("the scheme {} has no symptoms", scheme.scheme));
    }
    if missing.is_empty() {
        return check(Verdict::Ok, format!("a runbook with steps for each of {all} symptoms and phases"));
    }
    let said = format!("no runbook with steps for {} of {all}: {}", missing.len(), missing.join(", "));
    if workspace.lacks(Kind::Runbook) {
        return check(Verdict::Unknown, format!("{said}; some runbooks have errors and were left out"));
    }
    // Something is written down, only not for everything.
    check(if missing.len() < all { Verdict::Warn } else { Verdict::Crit }, said)
}

/// The scheme that judges the service has levels and rules.
pub fn classification(workspace: &Workspace, service: &ServiceConfig) -> Check {
    let check = |verdict, evidence: String| {
        Check::new("classification", "Incident classification system configured", verdict, evidence)
            .next("irctl config check")
    };
    match workspace.scheme(&service.scheme) {
        Err(error) => check(Verdict::Unknown, error.message.lines().next().unwrap_or_default().to_owned()),
        Ok(scheme) if scheme.rules.is_empty() || scheme.levels.is_empty() => {
            check(Verdict::Crit, format!("the scheme {} has no rules", scheme.scheme))
        }
        Ok(scheme) => check(
            Verdict::Ok,
            format!("{}: {} levels, {} rules", scheme.scheme, scheme.levels.len(), scheme.rules.len()),
        ),
    }
}
