use super::*;
use crate::base::clock::parse_instant;
use crate::probe::{ProbeConfig, VersionMap, measure_all};
use crate::store::Measurement;

fn command(script: &str, format: CommandFormat, metrics: &[(&str, Unit)]) -> CommandConfig {
    let declared =
        |(name, unit): &(&str, Unit)| ((*name).to_owned(), CommandMetric { unit: *unit, label: None });
    CommandConfig {
        argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
        timeout: Some(Duration::seconds(5)),
        environment: BTreeMap::from([("GIVEN".to_owned(), "$(id)".to_owned())]),
        format,
        succeeded_metric: None,
        failed_metric: None,
        metrics: metrics.iter().map(declared).collect(),
    }
}

fn run(config: CommandConfig, untrusted: bool) -> Outcome {
    let root = tempfile::tempdir().unwrap();
    fs_err::write(root.path().join("here"), "").unwrap();
    let versions = VersionMap::default();
    let now = parse_instant("2026-11-20T03:00:00Z").unwrap();
    let request = Request { service: "s", root: root.path(), now, versions: &versions, untrusted };
    measure_all(&BTreeMap::from([("c".to_owned(), ProbeConfig::Command(Box::new(config)))]), &request)
        .remove(0)
}

fn shown(outcome: &Outcome) -> Vec<String> {
    let one = |sample: &crate::store::Sample| match &sample.measurement {
        Measurement::Value(value) => format!("{} = {}", sample.metric, sample.unit.show(*value)),
        Measurement::Undecided(why) => format!("{}: {}", sample.metric, why.raw()),
    };
    outcome.samples.iter().map(one).collect()
}

#[test]
fn the_ending_under_other_names() {
    let named = |script: &str, format| CommandConfig {
        succeeded_metric: Some("model_loads".into()),
        failed_metric: Some("model_broken".into()),
        ..command(script, format, &[])
    };
    for (script, loads, broken) in [("true", "yes", "no"), ("exit 1", "no", "yes")] {
        let outcome = run(named(script, CommandFormat::Plain), false);
        let expected = [format!("model_loads = {loads}"), format!("model_broken = {broken}")];
        assert_eq!(
            shown(&outcome).into_iter().filter(|one| one.starts_with("model")).collect::<Vec<_>>(),
            expected
        );
    }
    // What is not known is neither.
    for config in [named("exit 3", CommandFormat::Nagios), named("kill -9 $$", CommandFormat::Plain)] {
        let unknown = run(config, false);
        assert!(
            unknown
                .samples
                .iter()
                .take(1)
                .chain(unknown.samples.iter().filter(|sample| sample.metric.starts_with("model")))
                .all(|sample| sample.measurement.value().is_none()),
            "{unknown:#?}"
        );
    }
}

#[test]
fn exit_status_directory_and_environment() {
    let outcome = run(command("test -f here && test \"$GIVEN\" = '$(id)'", CommandFormat::Plain, &[]), false);
    assert_eq!(shown(&outcome), ["c_succeeded = yes", "c_exit_status = 0"]);
    let outcome = run(command("echo no luck; exit 7", CommandFormat::Plain, &[]), false);
    assert_eq!(shown(&outcome), ["c_succeeded = no", "c_exit_status = 7"]);
    assert!(outcome.examined.iter().any(|fact| fact.value.raw() == "no luck"));
}

#[test]
fn json_metrics_are_declared_or_reported() {
    let declared =
        [("mape", Unit::Ratio), ("gone", Unit::Count), ("wide", Unit::Ratio), ("text", Unit::Number)];
    let script = r#"echo '{"metrics": {"mape": 0.12, "wide": 31, "text": "x", "extra": 1}, "rows": 14}'"#;
    let outcome = run(command(script, CommandFormat::Json, &declared), false);
    assert_eq!(
        shown(&outcome)[2..],
        [
            "gone: the output has no metric `gone`",
            "mape = 12 %",
            "text: its value is not a number",
            "wide: 31 is outside the range of a ratio, 0 to 1",
        ]
    );
    assert!(outcome.problems.iter().any(|problem| problem.reason.raw().contains("`extra`")));
    assert_eq!(outcome.samples[0].rows, 14);
}

#[test]
fn what_did_not_end_well_says_nothing() {
    let mape = [("mape", Unit::Ratio)];
    let good = r#"echo '{"metrics": {"mape": 0.1}}'"#;
    let cases = [
        command(&format!("{good}; exit 1"), CommandFormat::Json, &mape),
        command("echo '{\"metrics\": {\"mape\": NaN}}'", CommandFormat::Json, &mape),
        command("true", CommandFormat::Json, &mape),
        command(good, CommandFormat::Plain, &mape),
        command("kill -9 $$", CommandFormat::Json, &mape),
        CommandConfig {
            timeout: Some(Duration::Fixed(50)),
            ..command("sleep 9", CommandFormat::Json, &mape)
        },
        CommandConfig { argv: vec!["/nonexistent".into()], ..command("", CommandFormat::Json, &mape) },
        CommandConfig { argv: vec![], ..command("", CommandFormat::Json, &mape) },
        command("head -c 2000000 /dev/zero", CommandFormat::Json, &mape),
    ];
    let shown: Vec<_> = cases.into_iter().map(|config| shown(&run(config, false)).join("\n")).collect();
    insta::assert_snapshot!(shown.join("\n\n"));
}

#[test]
fn plugins_are_read_by_status_and_performance_data() {
    let declared =
        [("time", Unit::Milliseconds), ("used", Unit::Ratio), ("size", Unit::Bytes), ("n", Unit::Count)];
    let text = "echo 'LOAD WARNING - 1 | time=0.25s;;;0 used=95% size=2KB n=7c'";
    let outcome = run(command(&format!("{text}; exit 1"), CommandFormat::Nagios, &declared), false);
    assert_eq!(
        shown(&outcome),
        [
            "c_succeeded = no",
            "c_exit_status = 1",
            "n = 7",
            "size = 2048 bytes",
            "time = 250 ms",
            "used = 95 %"
        ]
    );
    let unknown = run(command(&format!("{text}; exit 3"), CommandFormat::Nagios, &declared[..1]), false);
    assert_eq!(
        shown(&unknown),
        [
            "c_succeeded: the plugin says UNKNOWN: LOAD WARNING - 1 | time=0.25s;;;0 used=95% size=2KB n=7c",
            "c_exit_status = 3",
            "time: the plugin says UNKNOWN"
        ]
    );
    let odd = run(command("exit 42", CommandFormat::Nagios, &[]), false);
    assert!(odd.samples[0].measurement.value().is_none());
}

#[test]
fn does_not_run_from_an_untrusted_configuration() {
    let root = tempfile::tempdir().unwrap();
    let mark = root.path().join("ran");
    let script = format!("touch {}", mark.display());
    let outcome = run(command(&script, CommandFormat::Plain, &[]), true);
    assert!(outcome.samples.iter().all(|sample| sample.measurement.value().is_none()));
    assert!(!mark.exists());
}
