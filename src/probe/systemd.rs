//! The `systemd` probe: how a unit stands, how often it was restarted, since when.

use chrono::{DateTime, NaiveDateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::{Emits, Outcome, Request, VersionSource, file};
use crate::base::clock::format_instant;
use crate::base::process::{Invocation, Output};
use crate::base::{Duration, Unit};

const PROPERTIES: &str = "Id,LoadState,ActiveState,SubState,Result,NRestarts,StateChangeTimestamp";

/// A unit of systemd. Emits `NAME_active` (flag: its ActiveState is `active`), `NAME_failed` (flag), `NAME_restarts`
/// (count of its automatic restarts) and `NAME_age` (seconds since its state changed); with `sub_state` also
/// `NAME_sub_state` (flag: it has that one).
///
/// Without systemctl, without a manager to ask, and for a unit that does not exist, everything is undecided.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SystemdConfig {
    /// The unit; `.service` is added to a name without a kind.
    pub unit: String,
    /// Whether it is a unit of the user's own manager; of the system otherwise.
    #[serde(default)]
    pub user: bool,
    /// The SubState that it is to have, as `running` or `exited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_state: Option<String>,
    /// How long systemctl may take; 10s otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Metric names of its own for parts of it: `{crashes: restarts}`. The others are called `NAME_…` as above.
    #[serde(default, skip_serializing_if = "Emits::is_empty")]
    pub emits: Emits,
}

/// The metrics that it emits.
pub(super) fn metrics(name: &str, config: &SystemdConfig) -> Vec<(String, Unit)> {
    let mut metrics = vec![
        (format!("{name}_active"), Unit::Flag),
        (format!("{name}_failed"), Unit::Flag),
        (format!("{name}_restarts"), Unit::Count),
        (format!("{name}_age"), Unit::Seconds),
    ];
    if config.sub_state.is_some() {
        metrics.push((format!("{name}_sub_state"), Unit::Flag));
    }
    metrics
}

/// A unit as systemd shows it.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    id: String,
    load: String,
    active: String,
    sub: String,
    result: String,
    restarts: Option<u64>,
    changed: Option<DateTime<Utc>>,
}

/// Measures.
pub(super) fn measure(name: &str, config: &SystemdConfig, request: &Request<'_>) -> Outcome {
    let shown = unit(config).and_then(|unit| {
        let shown = parse(&show(config, &unit, request)?)?;
        match shown.load.as_str() {
            "loaded" | "masked" => Ok(shown),
            "not-found" => Err(format!("there is no unit {unit}")),
            other => Err(format!("{unit} cannot be loaded: {other}")),
        }
    });
    match shown {
        Ok(shown) => judged(name, config, request, &shown),
        Err(why) => Outcome::undecided(name, &metrics(name, config), request, why),
    }
}

/// The unit's whole name. A pattern would stand for many, an option for something else.
fn unit(config: &SystemdConfig) -> Result<String, String> {
    let name = &config.unit;
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '*' | '?' | '[' | '/');
    if name.is_empty() || name.starts_with('-') || name.chars().any(odd) {
        return Err(format!("`{}` is not the name of a unit", name.escape_debug()));
    }
    Ok(if name.contains('.') { name.clone() } else { format!("{name}.service") })
}

fn show(config: &SystemdConfig, unit: &str, request: &Request<'_>) -> Result<String, String> {
    let scope = if config.user { "--user" } else { "--system" };
    let properties = format!("--property={PROPERTIES}");
    let argv = ["systemctl", scope, "--no-ask-password", "--no-pager", "show", &properties, "--", unit];
    let invocation = Invocation::new(argv.map(str::to_owned).to_vec())
        .directory(request.root)
        // The instants that it prints are read: in one language and one zone.
        .environment("LC_ALL", "C")
        .environment("TZ", "UTC")
        .timeout(config.timeout.unwrap_or(Duration::seconds(10)).to_std());
    let output: Output = invocation.run().map_err(|error| error.message)?;
    if !output.success() {
        return Err(format!("systemctl ended with {}: {}", output.ending, output.last_words()));
    }
    String::from_utf8(output.stdout).map_err(|_| "systemctl printed no UTF-8".to_owned())
}

fn parse(text: &str) -> Result<Shown, String> {
    let fields: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let needed = |key: &str| {
        let value = fields.get(key).filter(|value| !value.is_empty());
        value.map(|value| (*value).to_owned()).ok_or_else(|| format!("systemctl says no {key}"))
    };
    let given = |key: &str| fields.get(key).map(|value| (*value).to_owned()).unwrap_or_default();
    Ok(Shown {
        id: needed("Id")?,
        load: needed("LoadState")?,
        active: needed("ActiveState")?,
        sub: needed("SubState")?,
        result: given("Result"),
        restarts: given("NRestarts").parse().ok(),
        changed: instant(&given("StateChangeTimestamp")),
    })
}

/// `Fri 2026-11-20 03:00:00 UTC`, as systemctl prints instants in UTC; nothing where the state never changed.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    let text = text.strip_suffix(" UTC")?.split_once(' ')?.1;
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok().map(|instant| instant.and_utc())
}

fn judged(name: &str, config: &SystemdConfig, request: &Request<'_>, shown: &Shown) -> Outcome {
    let mut outcome = Outcome::new(name);
    outcome.version_source = Some(VersionSource::Adopted);
    outcome.fact("unit", format!("{} ({})", shown.id, shown.load));
    outcome.fact("state", format!("{} ({})", shown.active, shown.sub));
    if !matches!(shown.result.as_str(), "" | "success") {
        outcome.fact("result", shown.result.clone());
    }
    let flag = |yes: bool| Ok(f64::from(u8::from(yes)));
    #[expect(clippy::cast_precision_loss, reason = "nothing is restarted 2^53 times")]
    let restarts = shown.restarts.map(|restarts| restarts as f64);
    let age = match shown.changed {
        Some(changed) => {
            outcome.fact("since", format_instant(changed));
            file::age(changed, request.now).map(|days| days * 86_400.0)
        }
        None => Err("systemctl says no instant at which its state changed".to_owned()),
    };
    let mut values = vec![
        flag(shown.active == "active"),
        flag(shown.active == "failed"),
        restarts.ok_or_else(|| "systemctl says no NRestarts: it counts those of services".to_owned()),
        age,
    ];
    if let Some(sub_state) = &config.sub_state {
        values.push(flag(shown.sub == *sub_state));
    }
    // In the order of `metrics`.
    for (value, (metric, unit)) in values.into_iter().zip(metrics(name, config)) {
        outcome.samples.push(match value {
            Ok(value) => request.sample(name, &metric, value, unit),
            Err(why) => request.undecided(name, &metric, unit, why),
        });
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::parse_instant;
    use crate::probe::VersionMap;
    use crate::store::Measurement;
    use std::path::Path;

    const SHOWN: &str = "Id=scorer.service\nLoadState=loaded\nActiveState=active\nSubState=running\nResult=success\n\
                         NRestarts=4\nStateChangeTimestamp=Fri 2026-11-20 02:00:00 UTC\n";

    fn config(sub_state: Option<&str>) -> SystemdConfig {
        SystemdConfig {
            unit: "scorer".into(),
            user: false,
            sub_state: sub_state.map(str::to_owned),
            timeout: None,
            emits: Emits::default(),
        }
    }

    fn values(text: &str, config: &SystemdConfig) -> Vec<String> {
        let versions = VersionMap::default();
        let now = parse_instant("2026-11-20T03:00:00Z").unwrap();
        let request =
            Request { service: "s", root: Path::new("/"), now, versions: &versions, untrusted: false };
        let outcome = judged("u", config, &request, &parse(text).unwrap());
        let one = |sample: &crate::store::Sample| match &sample.measurement {
            Measurement::Value(value) => format!("{} {value}", sample.metric),
            Measurement::Undecided(why) => format!("{}: {why}", sample.metric),
        };
        outcome.samples.iter().map(one).collect()
    }

    #[test]
    fn reads_what_systemctl_shows() {
        assert_eq!(
            values(SHOWN, &config(Some("exited"))),
            ["u_active 1", "u_failed 0", "u_restarts 4", "u_age 3600", "u_sub_state 0"]
        );
        let failed = SHOWN.replace("=active", "=failed").replace("Fri 2026-11-20 02:00:00 UTC", "");
        let failed = values(&failed.replace("NRestarts=4\n", ""), &config(None));
        assert_eq!(failed[..2], ["u_active 0", "u_failed 1"]);
        assert!(failed[2].contains("no NRestarts") && failed[3].contains("no instant"), "{failed:?}");
    }

    #[test]
    fn the_future_is_undecided() {
        let future = values(&SHOWN.replace("02:00:00", "09:00:00"), &config(None));
        assert_eq!(future[3], "u_age: 2026-11-20T09:00:00Z lies in the future");
    }

    #[test]
    fn what_is_not_a_name_is_not_asked_for() {
        for name in ["", "-H", "scorer*", "a b", "/etc/x.service", "a\nb"] {
            assert!(unit(&SystemdConfig { unit: name.into(), ..config(None) }).is_err(), "{name:?}");
        }
        assert_eq!(unit(&config(None)).unwrap(), "scorer.service");
        assert!(parse("Id=x\nLoadState=loaded\n").unwrap_err().contains("ActiveState"));
        assert!(parse("").is_err());
    }
}
