//! `systemd-unit`: stops, starts, disables and enables units, of the system or of the user.

use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

use super::guard::{self, Standing};
use super::parameters::{self, Flag, Span, Text, Words};
use super::program::Program;
use super::{Adapter, Applied, Predicted, PredictedChange, Request, State};
use crate::base::{Error, ErrorCode, Result, fault};
use crate::rollback::targets::Fidelity;

const NAME: &str = "systemd-unit";
const TIMEOUT: Duration = Duration::from_secs(120);
const PROPERTIES: &str = "Id,LoadState,ActiveState,SubState,UnitFileState,FragmentPath";

/// Switches units.
pub struct SystemdUnit;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// Units that are to stand still, stopped in this order.
    #[serde(default)]
    stop: Words,
    /// Units that are to run, started in this order after the others have stopped.
    #[serde(default)]
    start: Words,
    /// Units that are not to start with the machine.
    #[serde(default)]
    disable: Words,
    /// Units that are to start with the machine.
    #[serde(default)]
    enable: Words,
    /// Whether they are units of the user's own manager.
    user: Option<Flag>,
    /// How long a call may take.
    timeout: Option<Span>,
    /// The program: `systemctl` unless it is said.
    program: Option<Text>,
}

/// A unit as systemd shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unit {
    load: String,
    active: String,
    sub: String,
    file: String,
    fragment: String,
}

impl Unit {
    /// Whether it runs. `failed` stands as still as `inactive`; nobody can put `failed` back.
    fn runs(&self) -> bool {
        self.active == "active"
    }

    /// Why it cannot be switched now.
    fn refusal(&self, name: &str) -> Option<String> {
        match (self.load.as_str(), self.active.as_str()) {
            ("loaded", "active" | "inactive" | "failed") => None,
            ("loaded", other) => Some(format!("{name} is {other} just now: wait until it has settled")),
            ("not-found", _) => Some(format!("there is no unit {name}")),
            ("masked", _) => Some(format!("{name} is masked: unmask it first, if that is meant")),
            (other, _) => Some(format!("{name} cannot be loaded: {other}")),
        }
    }

    fn state(&self) -> Value {
        json!({
            "runs": self.runs(),
            "enabled": self.file,
            "unit": if self.load == "loaded" { json!(self.fragment) } else { json!(self.load) },
        })
    }

    fn shown(&self) -> String {
        format!("{} ({}), {}", self.active, self.sub, self.file)
    }
}

type Units = BTreeMap<String, Unit>;

/// Reads what `systemctl show` prints: properties line by line, an empty line between units, in the order asked.
fn parse(names: &[String], text: &str) -> Result<Units> {
    let blocks: Vec<&str> = text.split("\n\n").map(str::trim).filter(|block| !block.is_empty()).collect();
    if blocks.len() != names.len() {
        let why =
            format!("{NAME}: systemctl showed {} units where {} were asked for", blocks.len(), names.len());
        return Err(Error::new(ErrorCode::InvalidData, why).hint("does `systemctl show` work here?"));
    }
    let mut units = Units::new();
    for (name, block) in names.iter().zip(blocks) {
        let fields: BTreeMap<&str, &str> = block.lines().filter_map(|line| line.split_once('=')).collect();
        let field = |key: &str| fields.get(key).map(|value| (*value).to_owned());
        let needed = |key: &str| {
            field(key).ok_or_else(|| {
                Error::new(ErrorCode::InvalidData, format!("{NAME}: systemctl says no {key} of {name}"))
            })
        };
        units.insert(
            name.clone(),
            Unit {
                load: needed("LoadState")?,
                active: needed("ActiveState")?,
                sub: needed("SubState")?,
                file: field("UnitFileState").unwrap_or_default(),
                fragment: field("FragmentPath").unwrap_or_default(),
            },
        );
    }
    Ok(units)
}

fn state(units: &Units) -> Value {
    Value::Object(units.iter().map(|(name, unit)| (name.clone(), unit.state())).collect())
}

impl Parameters {
    fn read(request: &Request) -> Result<Self> {
        let mut parameters: Self = parameters::read(NAME, request)?;
        let wrong = |why: String| {
            Error::new(ErrorCode::InvalidConfiguration, format!("{NAME}: {why}"))
                .hint("give `stop`, `start`, `disable` or `enable`, each unit once in a pair")
        };
        for words in
            [&mut parameters.stop, &mut parameters.start, &mut parameters.disable, &mut parameters.enable]
        {
            for word in &mut words.0 {
                parameters::plain(NAME, "stop, start, disable or enable", word)?;
                if word.chars().any(|c| matches!(c, '*' | '?' | '[' | '/')) {
                    return Err(wrong(format!("`{word}` is a pattern or a path, not the name of a unit")));
                }
                // As systemctl completes a name.
                if !word.contains('.') {
                    word.push_str(".service");
                }
            }
        }
        for (one, other) in [(&parameters.stop, &parameters.start), (&parameters.disable, &parameters.enable)]
        {
            if let Some(twice) = one.0.iter().find(|name| other.0.contains(name)) {
                return Err(wrong(format!("{twice} is named both ways")));
            }
        }
        if parameters.names().is_empty() {
            return Err(wrong("no unit is named".to_owned()));
        }
        Ok(parameters)
    }

    fn names(&self) -> Vec<String> {
        let all = [&self.stop, &self.start, &self.disable, &self.enable];
        let names: std::collections::BTreeSet<_> =
            all.iter().flat_map(|words| words.0.iter().cloned()).collect();
        names.into_iter().collect()
    }

    fn program(&self) -> Program {
        let name = self.program.as_ref().map_or("systemctl", |program| program.0.as_str());
        let program = Program::new(name, self.timeout.map_or(TIMEOUT, |span| span.0));
        let scope = if self.user == Some(Flag(true)) { "--user" } else { "--system" };
        program.with([scope, "--no-ask-password", "--no-pager"])
    }

    fn look(&self, request: &Request) -> Result<Units> {
        let names = self.names();
        let mut arguments = vec!["show".to_owned(), format!("--property={PROPERTIES}"), "--".to_owned()];
        arguments.extend(names.iter().cloned());
        let mut units = parse(&names, &self.program().run(request, &arguments)?)?;
        for (name, unit) in units.iter_mut().filter(|(_, unit)| unit.load == "loaded") {
            // What `show` says of the file may be what it was before the last `enable`, even after the reload that
            // asks for; this looks at the disk. Its status is that of the answer, not of the question.
            let said = self.program().output(request, &["is-enabled", "--", name.as_str()], b"")?;
            let said = String::from_utf8_lossy(&said.stdout).trim().to_owned();
            if !said.is_empty() {
                unit.file = said;
            }
        }
        Ok(units)
    }

    fn refusals(&self, units: &Units) -> Vec<String> {
        let mut refusals: Vec<_> = units.iter().filter_map(|(name, unit)| unit.refusal(name)).collect();
        for name in self.disable.0.iter().chain(&self.enable.0) {
            let Some(unit) = units.get(name) else { continue };
            if unit.load == "loaded" && !matches!(unit.file.as_str(), "enabled" | "disabled") {
                refusals.push(format!("{name} is `{}`, which is neither enabled nor disabled", unit.file));
            }
        }
        refusals
    }

    /// The state that is wanted.
    fn after(&self, before: &Value) -> Value {
        let mut after = before.clone();
        let mut set = |names: &Words, key: &str, value: Value| {
            for name in &names.0 {
                if let Some(unit) = after.get_mut(name).and_then(Value::as_object_mut) {
                    unit.insert(key.to_owned(), value.clone());
                }
            }
        };
        set(&self.stop, "runs", json!(false));
        set(&self.start, "runs", json!(true));
        set(&self.disable, "enabled", json!("disabled"));
        set(&self.enable, "enabled", json!("enabled"));
        after
    }

    /// Goes from one state to another: what is to stop first, then what is to run, then what starts with the machine.
    fn travel(&self, request: &Request, from: &Value, to: &Value, back: bool) -> Result<usize> {
        let mut stop = self.stop.0.clone();
        stop.extend(self.start.0.clone());
        if back {
            stop.reverse();
        }
        let differs = |name: &str, key: &str| {
            let of = |state: &Value| state.get(name).and_then(|unit| unit.get(key)).cloned();
            (of(from) != of(to)).then(|| of(to)).flatten()
        };
        let mut calls = Vec::new();
        for (verb, runs) in [("stop", false), ("start", true)] {
            let names = stop.iter().filter(|name| differs(name, "runs") == Some(json!(runs)));
            calls.extend(names.map(|name| (verb, name.clone())));
        }
        // systemd may show an old state of the files until it has read them again: both verbs may be repeated.
        for (verb, file) in [("disable", "disabled"), ("enable", "enabled")] {
            let wanted = |name: &String| {
                let unit = to.get(name.as_str()).and_then(|unit| unit.get("enabled"));
                (self.disable.0.contains(name) || self.enable.0.contains(name)) && unit == Some(&json!(file))
            };
            calls.extend(self.names().into_iter().filter(wanted).map(|name| (verb, name)));
        }
        for (verb, name) in &calls {
            fault::point(&format!("systemd-unit:before-{verb}"));
            self.program().run(request, &[*verb, "--", name.as_str()])?;
        }
        fault::point("systemd-unit:after-all");
        Ok(calls.len())
    }
}

impl Adapter for SystemdUnit {
    fn observe(&self, request: &Request) -> Result<State> {
        let parameters = Parameters::read(request)?;
        let units = parameters.look(request)?;
        let each = units.iter().map(|(name, unit)| format!("{name}: {}", unit.shown()));
        let shown = each.collect::<Vec<_>>().join("; ");
        Ok(State { state: state(&units), shown })
    }

    fn predict(&self, request: &Request) -> Result<Predicted> {
        let parameters = Parameters::read(request)?;
        let units = parameters.look(request)?;
        let before = request.before.clone().unwrap_or_else(|| state(&units));
        let after = parameters.after(&before);
        let mut predicted = Predicted { refusals: parameters.refusals(&units), ..Predicted::default() };
        for name in parameters.names() {
            for (key, yes, no) in [("runs", "runs", "stands still"), ("enabled", "", "")] {
                let of = |state: &Value| {
                    let value = state.get(&name)?.get(key)?.clone();
                    Some(match value {
                        Value::Bool(true) => yes.to_owned(),
                        Value::Bool(false) => no.to_owned(),
                        other => other.as_str().unwrap_or_default().to_owned(),
                    })
                };
                let (from, to) = (of(&before), of(&after));
                if from != to {
                    let fidelity = Fidelity::Predicted;
                    predicted.changes.push(PredictedChange { place: name.clone(), from, to, fidelity });
                }
            }
        }
        for (name, unit) in &units {
            if unit.active == "failed" && parameters.start.0.contains(name) {
                predicted.warnings.push(format!("{name} has failed before; taken back, it is inactive"));
            }
        }
        predicted.after = Some(after);
        Ok(predicted)
    }

    fn apply(&self, request: &Request) -> Result<Applied> {
        let parameters = Parameters::read(request)?;
        let units = parameters.look(request)?;
        let current = state(&units);
        if request.after.as_ref() == Some(&current)
            || !guard::between(request, &current) && guard::apply(NAME, request, &current)? == Standing::After
        {
            return Ok(Applied { detail: Some("it is so already".to_owned()) });
        }
        let refusals = parameters.refusals(&units);
        if !refusals.is_empty() {
            return Err(Error::new(ErrorCode::Refused, format!("{NAME}: {}", refusals.join("; "))));
        }
        let after = request.after.clone().unwrap_or_else(|| parameters.after(&current));
        let calls = parameters.travel(request, &current, &after, false)?;
        Ok(Applied { detail: Some(format!("{calls} changes of units")) })
    }

    fn undo(&self, request: &Request) -> Result<Applied> {
        let parameters = Parameters::read(request)?;
        let current = state(&parameters.look(request)?);
        if request.before.as_ref() == Some(&current)
            || !guard::between(request, &current) && guard::undo(NAME, request, &current)? == Standing::Before
        {
            return Ok(Applied { detail: Some("it is as it was".to_owned()) });
        }
        let before = request.before.clone().unwrap_or_default();
        let calls = parameters.travel(request, &current, &before, true)?;
        Ok(Applied { detail: Some(format!("{calls} changes of units taken back")) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "Type=simple\nMainPID=812\nId=advanced-monitoring.service\nLoadState=loaded\n\
                         ActiveState=active\nSubState=running\nFragmentPath=/etc/systemd/system/a.service\n\
                         UnitFileState=enabled\nInvocationID=2d5d\n\nMainPID=0\nId=nobody.service\n\
                         LoadState=not-found\nActiveState=inactive\nSubState=dead\n";

    #[test]
    fn reads_what_systemctl_shows() {
        let names = ["advanced-monitoring.service".to_owned(), "nobody.service".to_owned()];
        let units = parse(&names, SHOWN).unwrap();
        assert_eq!(units["advanced-monitoring.service"].shown(), "active (running), enabled");
        assert_eq!(units["advanced-monitoring.service"].refusal("a"), None);
        assert_eq!(units["nobody.service"].refusal("nobody"), Some("there is no unit nobody".to_owned()));
        assert!(parse(&names[..1], SHOWN).is_err(), "one unit too many");
        assert!(parse(&names[..1], "Id=x\n").unwrap_err().message.contains("LoadState"));
        let changing =
            Unit { active: "activating".to_owned(), ..units["advanced-monitoring.service"].clone() };
        assert!(changing.refusal("a").unwrap().contains("activating just now"));
    }
}
