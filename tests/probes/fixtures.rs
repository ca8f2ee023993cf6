//! The shipped fixtures, measured: the figures are those of fixtures/README.md.

use irctl::base::Digest;
use irctl::probe::{Outcome, VersionMap};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::{Workspace, at, fact, of, samples, value};

const PROBES: &str = "
accuracy:
  forecast:
    predictions: outputs/production/rila_6y20b/latest_predictions.csv
    actuals: data/processed/tde_actuals.csv
    version_column: model_sha256
    rolling_minimum: 2
    bucket: {every: 1w, starts: monday, timezone: America/New_York, complete: 7 days}
carriers:
  table:
    file: data/processed/wink_rates_latest.parquet
    timezone: America/New_York
    range: [{columns: [rate], low: 0.005, high: 0.045}]
    coverage:
      column: carrier
      groups: [Athene, Brighthouse, Equitable, Ameriprise, Jackson, Lincoln, Symetra, Transamerica]
      date: rate_effective_date
      within: 30 days
      sparse_below: 5
predictions:
  table:
    file: outputs/production/rila_6y20b/latest_predictions.csv
    timezone: America/New_York
    version_column: model_sha256
    nulls: {columns: [mean, lower, upper]}
    range:
      - {columns: [mean], low: 0, high: 5000, allow_missing: true}
      - {columns: [lower], low: 0, allow_missing: true}
signs:
  coefficients:
    file: models/production/rila_6y20b/coefficients.json
    positive: [prudential_rate_current]
    negative: ['competitor_*']
    history: {file: outputs/monitoring/coefficient_log.csv, tolerance: 50%}
tde:
  table:
    file: data/processed/tde_actuals.csv
    timezone: America/New_York
    freshness: {column: date}
";

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A variant laid over the base, with every model that stands there known by the digest of its model.json.
fn variant(name: &str) -> Workspace {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/rila_6y20b");
    let mut workspace = Workspace::new();
    copy(&fixtures.join("base"), workspace.root());
    let overlay = fixtures.join("variants").join(name).join("overlay");
    if overlay.exists() {
        copy(&overlay, workspace.root());
    }
    if let Ok(removed) = std::fs::read_to_string(fixtures.join("variants").join(name).join("removed.txt")) {
        for path in removed.lines() {
            std::fs::remove_file(workspace.root().join(path)).unwrap();
        }
    }
    let models = workspace.root().join("models/production/rila_6y20b");
    let digest = |path: PathBuf| Digest::of_file(&path.join("model.json")).unwrap().0;
    let served = digest(models.clone());
    let backups =
        std::fs::read_dir(&models).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let all = backups.map(digest).chain([served.clone()]);
    let names: BTreeMap<String, Digest> = all.map(|digest| (digest.hex().to_owned(), digest)).collect();
    workspace.versions = VersionMap { served: Some(served), names, ..VersionMap::default() };
    workspace
}

struct Round {
    outcomes: Vec<Outcome>,
    served: Digest,
}

impl Round {
    fn of(name: &str) -> Self {
        let workspace = variant(name);
        assert_eq!(workspace.now, at("2026-11-20T03:00:00Z"));
        Self { outcomes: workspace.measure_all(PROBES), served: workspace.versions.served.clone().unwrap() }
    }

    fn probe(&self, name: &str) -> &Outcome {
        self.outcomes.iter().find(|outcome| outcome.probe == name).unwrap()
    }

    /// The latest value of a metric of the served version, in tenths of a per cent.
    fn latest(&self, metric: &str) -> Option<f64> {
        let samples = of(self.probe("accuracy"), metric, &self.served);
        samples.last()?.measurement.value().map(|value| (value * 1000.0).round())
    }
}

#[test]
fn the_healthy_state_is_healthy() {
    let round = Round::of("healthy");
    assert_eq!(round.latest("mape_weekly"), Some(94.0));
    let weekly = of(round.probe("accuracy"), "mape_weekly", &round.served);
    let weekly: Vec<f64> = weekly.iter().map(|s| (s.measurement.value().unwrap() * 1000.0).round()).collect();
    assert_eq!(weekly, [87.0, 112.0, 94.0], "its own three weeks");
    assert_eq!(samples(round.probe("accuracy"), "mape_weekly").len(), 60);
    let predictions = round.probe("predictions");
    for metric in ["predictions_nulls", "predictions_out_of_range"] {
        assert_eq!(of(predictions, metric, &round.served)[0].measurement.value(), Some(0.0));
    }
    let carriers = round.probe("carriers");
    assert_eq!((value(carriers, "carriers_missing"), value(carriers, "carriers_sparse")), (0.0, 0.0));
    assert_eq!(value(carriers, "carriers_out_of_range"), 0.0);
    assert_eq!(value(round.probe("signs"), "sign_violations"), 0.0);
    assert!(value(round.probe("signs"), "coefficient_drift") < 0.5);
    assert_eq!(value(round.probe("accuracy"), "forecast_zero_actuals"), 1.0);
    assert_eq!(fact(round.probe("tde"), "file"), "data/processed/tde_actuals.csv (Parquet)");
    for outcome in &round.outcomes {
        assert!(outcome.problems.is_empty(), "{outcome:#?}");
    }
}

#[test]
fn accuracy_is_what_the_table_says() {
    for (name, weeks) in [
        ("mape-two-weeks", [299.0, 322.0]),
        ("mape-one-week", [112.0, 263.0]),
        ("mape-elevated", [112.0, 169.0]),
    ] {
        let round = Round::of(name);
        let weekly = of(round.probe("accuracy"), "mape_weekly", &round.served);
        let latest: Vec<f64> = weekly
            .iter()
            .rev()
            .take(2)
            .rev()
            .map(|s| (s.measurement.value().unwrap() * 1000.0).round())
            .collect();
        assert_eq!(latest, weeks, "{name}");
    }
    let miscalibrated = Round::of("interval-miscalibrated");
    let coverage = miscalibrated.latest("interval_coverage").unwrap();
    assert!(coverage < 850.0, "{coverage}");
}

#[test]
fn data_failures_are_what_the_table_says() {
    for (name, days) in [("stale-8-days", 8.0), ("stale-15-days", 15.0)] {
        assert_eq!(value(Round::of(name).probe("tde"), "tde_age"), days);
    }
    for (name, missing) in
        [("carriers-one-missing", 1.0), ("carriers-two-missing", 2.0), ("carriers-three-missing", 3.0)]
    {
        assert_eq!(value(Round::of(name).probe("carriers"), "carriers_missing"), missing, "{name}");
    }
}

#[test]
fn bad_versions_are_what_the_table_says() {
    let missing = Round::of("predictions-missing");
    assert_eq!(value(missing.probe("predictions"), "predictions_exists"), 0.0);
    assert_eq!(missing.latest("mape_weekly"), None);
    let of_served = |name: &str, metric: &str| {
        let round = Round::of(name);
        of(round.probe("predictions"), metric, &round.served)[0].measurement.value().unwrap()
    };
    assert!(of_served("predictions-nan", "predictions_nulls") > 0.0);
    assert_eq!(of_served("out-of-range", "predictions_out_of_range"), 2.0);
    let flipped = Round::of("sign-flip");
    assert_eq!(value(flipped.probe("signs"), "sign_violations"), 2.0);
    assert!(fact(flipped.probe("signs"), "wrong sign").contains("competitor_top3_rate_lag2"));
}
