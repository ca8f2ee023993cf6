//! The `command` probe: a program's exit status and what it prints, as JSON or as a monitoring plugin does.

mod nagios;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::{Outcome, Request, VersionSource};
use crate::base::process::{Ending, Invocation, Output};
use crate::base::{Digest, Duration, Unit};

/// How long a program may run if the configuration does not say.
const TIMEOUT: Duration = Duration::seconds(30);

/// How many undeclared metrics are named.
const NAMED: usize = 5;

/// How a program's output is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CommandFormat {
    /// Only the exit status counts.
    #[default]
    Plain,
    /// `{"metrics": {"name": number}}`, with an optional `"rows"`; read only if the exit status is 0.
    Json,
    /// A monitoring plugin's: exit status 0 to 3 and performance data behind a `|`.
    Nagios,
}

/// A metric that a program prints.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandMetric {
    /// Its unit. Performance data with a unit of its own is converted; a number without one is taken in this unit.
    pub unit: Unit,
    /// What the program calls it; the metric's name otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// A program. Emits `NAME_succeeded` (flag: exit status 0), `NAME_exit_status` (number) and the declared metrics.
///
/// It runs only from trusted configuration, in the workspace, without a shell. A timeout, a signal, and a program
/// that cannot be started leave everything undecided.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandConfig {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// How long it may run; 30 seconds otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Variables added to its environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// How its output is read.
    #[serde(default)]
    pub format: CommandFormat,
    /// The metrics that it prints, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, CommandMetric>,
}

impl CommandConfig {
    /// What the program calls a metric.
    fn label<'config>(&'config self, metric: &'config str) -> &'config str {
        self.metrics.get(metric).and_then(|declared| declared.label.as_deref()).unwrap_or(metric)
    }
}

/// What the output says: values by the program's labels, each a value in the declared unit or a reason.
#[derive(Debug, Default, PartialEq)]
struct Printed {
    values: BTreeMap<String, Result<Reading, String>>,
    rows: u64,
}

/// A number as printed, with the unit printed behind it.
#[derive(Debug, Clone, PartialEq)]
struct Reading {
    value: f64,
    unit: String,
}

/// The metrics that it emits.
pub(super) fn metrics(name: &str, config: &CommandConfig) -> Vec<(String, Unit)> {
    let mut all =
        vec![(format!("{name}_succeeded"), Unit::Flag), (format!("{name}_exit_status"), Unit::Number)];
    all.extend(config.metrics.iter().map(|(metric, declared)| (metric.clone(), declared.unit)));
    all
}

/// Measures.
pub(super) fn measure(name: &str, config: &CommandConfig, request: &Request<'_>) -> Outcome {
    let program = config.argv.first().map(String::as_str).unwrap_or_default();
    let mut invocation = Invocation::new(config.argv.clone())
        .directory(request.root)
        .timeout(config.timeout.unwrap_or(TIMEOUT).to_std());
    for (variable, value) in &config.environment {
        invocation = invocation.environment(variable, value);
    }
    let undecided = |reason: String| Outcome::undecided(name, &metrics(name, config), request, reason);
    let output = match invocation.run() {
        Ok(output) => output,
        Err(error) => return undecided(error.message),
    };
    let Ending::Exit(status) = output.ending else {
        let words = output.last_words();
        let said = if words.is_empty() { String::new() } else { format!("; it said: {words}") };
        let mut outcome = undecided(format!("`{program}` ended with {}{said}", output.ending));
        outcome.fact("command", program);
        return outcome;
    };
    ended(name, config, request, &output, status)
}

fn ended(name: &str, config: &CommandConfig, request: &Request<'_>, output: &Output, status: i32) -> Outcome {
    let mut outcome = Outcome::new(name);
    outcome.version_source = Some(VersionSource::Adopted);
    outcome.fact("command", config.argv.join(" "));
    outcome.fact("exit status", status.to_string());
    let words = output.last_words();
    if !words.is_empty() && config.format != CommandFormat::Json {
        outcome.fact("said", words.clone());
    }
    let succeeded = format!("{name}_succeeded");
    outcome.samples.push(match unknown_status(config.format, status) {
        Some(reason) => request.undecided(name, &succeeded, Unit::Flag, format!("{reason}: {words}")),
        None => request.sample(name, &succeeded, f64::from(u8::from(status == 0)), Unit::Flag),
    });
    outcome.samples.push(request.sample(
        name,
        &format!("{name}_exit_status"),
        f64::from(status),
        Unit::Number,
    ));
    let printed = printed(config, output, status);
    for (metric, declared) in &config.metrics {
        let value = match &printed {
            Ok(printed) => match printed.values.get(config.label(metric)) {
                Some(Ok(reading)) => convert(reading, declared.unit),
                Some(Err(reason)) => Err(reason.clone()),
                None => Err(format!("the output has no metric `{}`", config.label(metric).escape_debug())),
            },
            Err(reason) => Err(reason.clone()),
        };
        let sample = match value {
            Ok(value) => request.sample(name, metric, value, declared.unit),
            Err(reason) => {
                outcome.problem(Some(metric), reason.clone());
                request.undecided(name, metric, declared.unit, reason)
            }
        };
        outcome.samples.push(sample);
    }
    let rows = printed.as_ref().map_or(0, |printed| printed.rows);
    if let Ok(printed) = &printed {
        report_undeclared(config, printed, &mut outcome);
    }
    if rows > 0 {
        outcome.fact("rows", rows.to_string());
    }
    let input = Digest::of(&output.stdout);
    for sample in &mut outcome.samples {
        sample.input = Some(input.clone());
        sample.rows = rows.max(1);
    }
    outcome
}

/// Why an exit status says nothing, if it does not: plugins say so with 3, and with everything that is no status.
fn unknown_status(format: CommandFormat, status: i32) -> Option<String> {
    match (format, status) {
        (CommandFormat::Nagios, 3) => Some("the plugin says UNKNOWN".to_owned()),
        (CommandFormat::Nagios, status) if !(0..=3).contains(&status) => {
            Some(format!("{status} is no exit status of a plugin"))
        }
        _ => None,
    }
}

/// What the output says, or why it says nothing that counts.
fn printed(config: &CommandConfig, output: &Output, status: i32) -> Result<Printed, String> {
    if config.format == CommandFormat::Plain {
        return Err("only the exit status is read: set `format: json` or `format: nagios`".to_owned());
    }
    if output.truncated {
        return Err("it printed more than is read".to_owned());
    }
    let text = std::str::from_utf8(&output.stdout).map_err(|_| "its output is not UTF-8".to_owned())?;
    if config.format == CommandFormat::Nagios {
        return match unknown_status(config.format, status) {
            Some(reason) => Err(reason),
            None => Ok(Printed { values: nagios::performance_data(text), rows: 0 }),
        };
    }
    if status != 0 {
        return Err(format!("it ended with exit status {status}: {}", output.last_words()));
    }
    json(text)
}

#[derive(Deserialize)]
struct JsonOutput {
    metrics: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    rows: u64,
}

fn json(text: &str) -> Result<Printed, String> {
    let output: JsonOutput = serde_json::from_str(text)
        .map_err(|error| format!("its output is not {{\"metrics\": {{\"name\": number}}}}: {error}"))?;
    let reading = |value: &serde_json::Value| match value {
        serde_json::Value::Bool(flag) => Ok(f64::from(u8::from(*flag))),
        other => other.as_f64().ok_or_else(|| "its value is not a number".to_owned()),
    };
    let values = output.metrics.iter().map(|(label, value)| {
        let reading = reading(value).map(|value| Reading { value, unit: String::new() });
        (label.clone(), reading)
    });
    Ok(Printed { values: values.collect(), rows: output.rows })
}

/// A printed number in the declared unit.
fn convert(reading: &Reading, unit: Unit) -> Result<f64, String> {
    // The plugin guidelines leave open whether a KB has 1000 bytes; the plugins themselves count in 1024.
    let (from, factor) = match reading.unit.as_str() {
        "" => return Ok(reading.value),
        "%" if matches!(unit, Unit::Ratio | Unit::Change) => return Ok(reading.value / 100.0),
        "c" if matches!(unit, Unit::Count | Unit::Number) => return Ok(reading.value),
        "s" => (Unit::Seconds, 1.0),
        "ms" => (Unit::Milliseconds, 1.0),
        "us" => (Unit::Milliseconds, 1e-3),
        "ns" => (Unit::Milliseconds, 1e-6),
        "B" => (Unit::Bytes, 1.0),
        "KB" | "KiB" => (Unit::Bytes, 1024.0),
        "MB" | "MiB" => (Unit::Bytes, 1024.0 * 1024.0),
        "GB" | "GiB" => (Unit::Bytes, 1024.0 * 1024.0 * 1024.0),
        "TB" | "TiB" => (Unit::Bytes, 1024.0 * 1024.0 * 1024.0 * 1024.0),
        other => {
            return Err(format!("it is printed in `{}`, which is not a {unit}", other.escape_debug()));
        }
    };
    if from.dimension() != unit.dimension() {
        return Err(format!("it is printed in {from}, but declared as {unit}"));
    }
    Ok(reading.value * factor * from.factor() / unit.factor())
}

/// Printed but not declared: nothing would ever look at it, and it may be the misspelling of one that is missing.
fn report_undeclared(config: &CommandConfig, printed: &Printed, outcome: &mut Outcome) {
    let labels: Vec<&str> = config.metrics.keys().map(|metric| config.label(metric)).collect();
    let undeclared: Vec<_> =
        printed.values.keys().filter(|label| !labels.contains(&label.as_str())).collect();
    if undeclared.is_empty() {
        return;
    }
    let named: Vec<_> = undeclared.iter().take(NAMED).map(|label| format!("`{label}`")).collect();
    let more = undeclared.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    outcome.problem(None, format!("not declared under `metrics:`: {}{more}", named.join(", ")));
}

/// Reads performance data and forgets it, for fuzzing.
#[cfg(fuzzing)]
pub fn fuzz_performance_data(output: &str) {
    let _ = nagios::performance_data(output);
}

#[cfg(test)]
mod tests {
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
    fn exit_status_directory_and_environment() {
        let outcome =
            run(command("test -f here && test \"$GIVEN\" = '$(id)'", CommandFormat::Plain, &[]), false);
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
}
