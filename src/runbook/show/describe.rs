//! Steps in words.

use super::one_line;
use crate::runbook::kinds::{HttpStep, ProcessStep, RedisStep, SqlStep, WaitConfig};
use crate::runbook::{Condition, Kind, OnFail, StepConfig};

/// What a step does, in one line.
pub fn describe(step: &StepConfig) -> String {
    let Some(kind) = step.kind() else { return "says nothing that it does".to_owned() };
    let text = of_kind(kind);
    match &step.title {
        Some(title) if text.is_empty() => one_line(title),
        Some(title) => format!("{}: {}", one_line(title), one_line(&text)),
        None => one_line(&text),
    }
}

fn of_kind(kind: Kind<'_>) -> String {
    let of = |service: &Option<String>| {
        service.as_ref().map(|service| format!(" of {service}")).unwrap_or_default()
    };
    match kind {
        Kind::Verify(suite) => suite.describe(),
        Kind::Probe(probe) => match probe.details().and_then(|details| details.that.as_ref()) {
            Some(that) => format!("{}: {that}", probe.name()),
            None => probe.name().to_owned(),
        },
        Kind::Run(run) => command(&run.argv),
        Kind::Shell(shell) => script(&shell.script),
        Kind::Sql(SqlStep::Read(query)) => query.query.clone(),
        Kind::Sql(SqlStep::Write(config)) => {
            config.name.clone().unwrap_or_else(|| "change rows; they are kept as they were".to_owned())
        }
        Kind::Http(HttpStep::Get(request)) => format!("GET {}", request.url),
        Kind::Http(HttpStep::Send(request)) => format!("POST {}", request.url),
        Kind::Http(HttpStep::Flag(_)) => "set a flag".to_owned(),
        Kind::Kubernetes(config) => match (&config.service, &config.deployment, &config.scale) {
            (Some(service), ..) => format!("switch the traffic of {service}"),
            (_, Some(deployment), _) => format!("take {deployment} back to an earlier revision"),
            (_, _, Some(scale)) => format!("scale {} to {}", scale.deployment, scale.replicas),
            _ => String::new(),
        },
        Kind::Set(set) => {
            let keys: Vec<_> = set.set.iter().map(|(key, value)| format!("{key} = {}", value.0)).collect();
            format!("{}: {}", set.file.display(), keys.join(", "))
        }
        Kind::Copy(copy) => format!("{} to {}", copy.from.display(), copy.to.display()),
        Kind::Process(ProcessStep::Stop(with)) => format!("stop {}", text_of(with.get("executable"))),
        Kind::Process(ProcessStep::Units(with)) => {
            let part = |name: &str| with.get(name).map(|value| format!("{name} {}", text_of(Some(value))));
            ["stop", "start", "disable", "enable"]
                .iter()
                .filter_map(|name| part(name))
                .collect::<Vec<_>>()
                .join(", ")
        }
        Kind::Process(ProcessStep::Compose(_)) => "switch a profile of Docker Compose".to_owned(),
        Kind::Redis(RedisStep::Key(with)) => match with.get("key") {
            Some(key) => format!("set the key {}", text_of(Some(key))),
            None => "set or delete keys".to_owned(),
        },
        Kind::Redis(RedisStep::Event(with)) => format!("switch to {} by an event", text_of(with.get("to"))),
        Kind::Redis(RedisStep::Purge(with)) => format!("take away the keys {}", text_of(with.get("pattern"))),
        Kind::Cache(with) => format!("move aside {}", text_of(with.get("entries"))),
        Kind::Git(git) => match &git.to {
            Some(to) => format!("{} to {to}", git.repository.display()),
            None => format!("{} to the version", git.repository.display()),
        },
        Kind::Recipe(recipe) => recipe.name.clone(),
        Kind::Manual(manual) => {
            let who = manual.details().and_then(|details| details.who.as_ref());
            let who = who.map(|who| format!("[{who}] ")).unwrap_or_default();
            format!("{who}{}", manual.instruction())
        }
        Kind::Decide(branches) => format!("{} ways", branches.len()),
        Kind::Wait(wait) => waits(wait),
        Kind::Notify(notify) if notify.to.is_empty() => notify.template.clone(),
        Kind::Notify(notify) => format!("{} to {}", notify.template, notify.to.join(", ")),
        Kind::Note(text) => text.to_owned(),
        Kind::Rollback(rollback) => {
            let phase = rollback.phase.as_ref().map(|phase| format!(" phase {phase}")).unwrap_or_default();
            format!("to {}{}{phase}", rollback.to, of(&rollback.service))
        }
        Kind::Contain(one) => format!("stop the consumers{}", of(&one.service)),
        Kind::Release(one) => format!("let the consumers{} back", of(&one.service)),
        Kind::Call(call) => call.runbook.clone(),
        Kind::Parallel(arms) => format!("{} at the same time", arms.len()),
    }
}

fn text_of(value: Option<&crate::rollback::targets::command::Parameter>) -> String {
    match value.map(|value| &value.0) {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Array(items)) => {
            let words =
                items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
            words.collect::<Vec<_>>().join(" ")
        }
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

fn command(argv: &[String]) -> String {
    let word = |word: &String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%{}".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    argv.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// A script of one line as it is, of a longer one the first line.
fn script(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    match lines.as_slice() {
        [only] => (*only).to_owned(),
        [first, ..] => format!("{} … ({} lines)", first.trim(), lines.len()),
        [] => String::new(),
    }
}

fn waits(wait: &WaitConfig) -> String {
    match (&wait.length, &wait.until) {
        (Some(length), _) => format!("{length}"),
        (None, Some(until)) => {
            let most = wait.at_most.map(|most| format!(", at most {most}")).unwrap_or_default();
            format!("until {until}{most}")
        }
        (None, None) => String::new(),
    }
}

/// A condition in words.
pub fn condition(condition: &Condition) -> String {
    match condition {
        Condition::Probe(expression) => expression.to_string(),
        Condition::Ask(question) => format!("you say yes to: {}", one_line(question)),
        Condition::Value(value) => format!("{} is {}", value.of, value.is.join(" or ")),
    }
}

/// What belongs to a step.
pub(super) fn notes(step: &StepConfig) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(step.when.as_ref().map(|when| format!("only if {}", condition(when))));
    notes.extend(step.proof().map(|proof| format!("proven by {}", proof.describe())));
    if let Some(Kind::Manual(manual)) = step.kind() {
        notes.extend(manual.answers().map(|(name, answer)| {
            let about =
                answer.description.as_ref().map(|about| format!(": {}", one_line(about))).unwrap_or_default();
            format!("answer {name} ({}){about}", answer.kind.as_str())
        }));
        let list = manual.details().and_then(|details| details.checklist.as_ref());
        notes.extend(list.map(|list| format!("checklist {list}")));
    }
    notes.extend(step.save.keys().map(|name| format!("saves {name}")));
    notes.extend(match &step.on_fail {
        None | Some(OnFail::Stop) => None,
        Some(OnFail::Continue) => Some("goes on if it fails".to_owned()),
        Some(OnFail::Undo) => Some("all is undone if it fails".to_owned()),
        Some(OnFail::Escalate(name)) => Some(format!("escalates to {name} if it fails")),
        Some(OnFail::Goto(goto)) => Some(format!("goes to {} ({}) if it fails", goto.step, goto.branch)),
    });
    notes.extend(step.budget.map(|budget| format!("within {budget}")));
    notes
}
