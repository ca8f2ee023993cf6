//! Metrics of a round for Prometheus' textfile collector: when one ran, how it ended, and each service's verdict.

use chrono::{DateTime, Utc};
use std::path::Path;

use super::report::Round;
use super::shard::Shard;
use crate::base::exposition::Exposition;
use crate::base::{Result, Verdict, file};

const LAST_RUN: (&str, &str) = ("irctl_last_run", "Unix time at which the last round of irctl check began.");
const LAST_SUCCESS: (&str, &str) =
    ("irctl_last_success", "Unix time at which the last round began that ran to its end.");
const FAILED: (&str, &str) = ("irctl_last_run_failed", "Whether the last round could not be run to its end.");

fn begun(shard: Option<Shard>) -> Exposition {
    match shard {
        Some(shard) => Exposition::labelled(&[("shard", &shard.to_string())]),
        None => Exposition::default(),
    }
}

/// Seconds since 1970.
fn unix(at: DateTime<Utc>) -> f64 {
    // A double counts milliseconds exactly for the next thousands of years.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let milliseconds = at.timestamp_millis() as f64;
    milliseconds / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "nobody has so many services")]
fn count(number: usize) -> f64 {
    number as f64
}

/// The metrics of a round that ran to its end.
pub fn of(round: &Round) -> String {
    let mut text = begun(round.shard);
    text.single(LAST_RUN.0, LAST_RUN.1, unix(round.at));
    text.single(LAST_SUCCESS.0, LAST_SUCCESS.1, unix(round.at));
    text.single(FAILED.0, FAILED.1, 0.0);
    #[expect(clippy::cast_precision_loss, reason = "a round does not last so long")]
    let seconds = round.elapsed_ms as f64 / 1000.0;
    text.single("irctl_round_duration_seconds", "How long the last round took.", seconds);
    let help = "Verdict of the last round: 0 OK, 1 WARN, 2 CRIT, 3 UNKNOWN.";
    text.single("irctl_verdict", help, f64::from(round.verdict.exit()));
    text.single("irctl_services", "Services of the last round.", count(round.services.len()));
    let unknown = |verdict: Verdict| matches!(verdict, Verdict::Unknown | Verdict::Blocked);
    let unknown = round.services.iter().filter(|service| unknown(service.verdict)).count();
    // What was left out is not known either.
    let unseen = round.problems.len() + round.left_out.len();
    text.single("irctl_services_unknown", "Services without enough evidence.", count(unknown + unseen));
    let overrun = round.services.iter().map(|service| service.overrun.len()).sum();
    text.single("irctl_probes_overrun", "Probes that were not measured in time.", count(overrun));
    let undelivered = round.deliveries.waiting + round.deliveries.failed + round.deliveries.ambiguous;
    text.single("irctl_messages_undelivered", "Messages that have not got through.", f64::from(undelivered));
    let verdicts = round
        .services
        .iter()
        .map(|service| (vec![("service", service.service.clone())], f64::from(service.verdict.exit())));
    let help = "Verdict of a service: 0 OK, 1 WARN, 2 CRIT, 3 UNKNOWN.";
    text.gauge("irctl_service_verdict", help, verdicts);
    let incidents = round.services.iter().map(|service| {
        let over = |state: &str| matches!(state, "resolved" | "closed" | "cancelled" | "merged");
        let open = service.incidents.iter().filter(|incident| !over(&incident.state)).count();
        (vec![("service", service.service.clone())], count(open))
    });
    text.gauge("irctl_service_incidents", "Open incidents of a service.", incidents);
    text.finish()
}

/// The metrics of a round that could not be run to its end: when one last could, stands in the old file.
pub fn of_failure(old: &str, shard: Option<Shard>, now: DateTime<Utc>) -> String {
    let mut text = begun(shard);
    text.single(LAST_RUN.0, LAST_RUN.1, unix(now));
    let line = old.lines().find(|line| line.starts_with(LAST_SUCCESS.0));
    if let Some(last) = line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok()) {
        text.single(LAST_SUCCESS.0, LAST_SUCCESS.1, last);
    }
    text.single(FAILED.0, FAILED.1, 1.0);
    text.single("irctl_verdict", "Verdict of the last round: 0 OK, 1 WARN, 2 CRIT, 3 UNKNOWN.", 3.0);
    text.finish()
}

/// Puts a text in a file's place: whoever reads it sees the old or the new one, never a part.
pub fn write(path: &Path, text: &str) -> Result<()> {
    file::replace(path, text.as_bytes(), 0o644)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::parse_instant;

    #[test]
    fn a_failure_keeps_when_it_last_went_well() {
        let now = parse_instant("2026-11-20T03:22:00.5Z").unwrap();
        let old = "# HELP irctl_last_success x\nirctl_last_success{shard=\"1/2\"} 1795144020\n";
        let shard = Some("1/2".parse().unwrap());
        let text = of_failure(old, shard, now);
        assert!(text.contains("irctl_last_run{shard=\"1/2\"} 1795144920.5\n"), "{text}");
        assert!(text.contains("irctl_last_success{shard=\"1/2\"} 1795144020\n"), "{text}");
        assert!(text.contains("irctl_last_run_failed{shard=\"1/2\"} 1\n"), "{text}");
        assert!(!of_failure("", None, now).contains("irctl_last_success"));
    }
}
