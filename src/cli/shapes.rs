//! The shape of what each command prints with `--output json`, as JSON Schemas: `docs/schema/output` holds them.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

use super::{drill, incident, notify, recipe, rollback, runbook, snapshot};
use crate::check::replay::Replay;
use crate::check::thresholds::ThresholdReport;
use crate::check::{Overview, Round};
use crate::incident::timeline::Line;
use crate::notify::Summary as Deliveries;
use crate::notify::route::Routing;
use crate::operation::Summary as Operation;
use crate::report::{decision, digest, history, metrics, record, tracking};
use crate::rollback::drill::Drill;
use crate::rollback::quarantine::QuarantineOutcome;
use crate::rollback::snapshot::readiness::Readiness;
use crate::rollback::snapshot::{Removed, Snapshot, Verification};
use crate::rollback::targets::command::TrialReport;
use crate::rollback::{ContainOutcome, Plan, RollbackOutcome, SavedPlan, follow};
use crate::runbook::show::Outline;
use crate::severity::Classification;
use crate::severity::input::ClassifiedMessage;
use crate::{postmortem, verify};

/// Each command, as a file name, with the schema of its output.
pub fn shapes() -> Vec<(&'static str, Schema)> {
    vec![
        ("irctl", shape::<Overview>()),
        ("check", shape::<Round>()),
        ("check-test", shape::<ThresholdReport>()),
        ("classify", shape::<Classification>()),
        ("classify-message", shape::<ClassifiedMessage>()),
        ("classify-replay", shape::<Replay>()),
        ("contain", shape::<ContainOutcome>()),
        ("rollback", shape::<RollbackOutcome>()),
        ("rollback-bisect", shape::<rollback::search::BisectReport<'_>>()),
        ("rollback-dry-run", shape::<Plan>()),
        ("rollback-status", shape::<follow::Status>()),
        ("rollback-history", shape::<Vec<Operation>>()),
        ("rollback-quarantine", shape::<QuarantineOutcome>()),
        ("rollback-saved-plan", shape::<SavedPlan>()),
        ("rollback-versions", shape::<Vec<rollback::inspect::VersionRow>>()),
        ("snapshot", shape::<snapshot::Taken>()),
        ("snapshot-check", shape::<Readiness>()),
        ("snapshot-list", shape::<Vec<snapshot::inspect::Row>>()),
        ("snapshot-show", shape::<Snapshot>()),
        ("snapshot-verify", shape::<Verification>()),
        ("snapshot-remove", shape::<Removed>()),
        ("drill", shape::<drill::Rehearsal>()),
        ("drill-list", shape::<Vec<Drill>>()),
        ("verify", shape::<verify::Summary>()),
        ("incident", shape::<incident::show::Shown>()),
        ("incident-timeline", shape::<Vec<Line>>()),
        ("notify-outbox", shape::<Vec<notify::outbox::Row>>()),
        ("notify-preview", shape::<Vec<notify::preview::Previewed>>()),
        ("notify-flush", shape::<Deliveries>()),
        ("notify-explain", shape::<Routing>()),
        ("postmortem", shape::<postmortem::document::Document>()),
        ("recipe-list", shape::<Vec<recipe::Row>>()),
        ("recipe-test", shape::<TrialReport>()),
        ("runbook-list", shape::<Vec<runbook::Row>>()),
        ("runbook-show", shape::<Outline>()),
        ("runbook-lint", shape::<Vec<runbook::LintRow>>()),
        ("report-incident", shape::<record::IncidentRecord>()),
        ("report-incident-log", shape::<Vec<record::LogEntry>>()),
        ("report-rollback-history", shape::<Vec<history::HistoryEntry>>()),
        ("report-rollback-tracking", shape::<Vec<tracking::TrackingRecord>>()),
        ("report-decision-log", shape::<decision::Decision>()),
        ("report-digest", shape::<digest::Digest>()),
        ("report-metrics", shape::<metrics::ResponseMetrics>()),
    ]
}

/// As it is written, which is not as it would be read: what is left out where it is empty is not required.
fn shape<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}
