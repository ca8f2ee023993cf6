//! What the workspace's schemes say of a level, in the incident room's words.

use crate::base::{Error, ErrorCode, Result};
use crate::config::Workspace;
use crate::incident::{Level, Timings};
use crate::severity::{PostmortemKind, Scheme};

/// A level of a scheme by name, and what it promises.
pub fn find(workspace: &Workspace, scheme: &str, name: &str) -> Result<(Level, Timings)> {
    let scheme = compiled(workspace, scheme)?;
    let found = scheme.levels().iter().find(|level| level.eq_ignore_ascii_case(name));
    let Some((name, config)) = found.and_then(|name| Some((name, scheme.level(name)?))) else {
        let message = format!("the scheme {} has no level `{}`", scheme.name(), name.escape_debug());
        return Err(Error::new(ErrorCode::NotFound, message)
            .hint(format!("its levels, the worst first: {}", scheme.levels().join(", "))));
    };
    let rank = u32::try_from(scheme.rank(name)).unwrap_or(u32::MAX);
    Ok((Level::new(name.clone(), rank, config.verdict), timings(&scheme, name, None)))
}

/// What a level promises; the postmortem is the rule's, else the level's, else the scheme's.
pub fn timings(scheme: &Scheme, level: &str, rule: Option<&str>) -> Timings {
    let Some(config) = scheme.level(level) else { return Timings::default() };
    let postmortem = scheme.postmortem(rule, level).filter(|found| found.kind != PostmortemKind::None);
    let of_rule = rule.and_then(|rule| scheme.rule(rule)).filter(|rule| rule.postmortem.is_some());
    let because = match of_rule {
        Some(rule) => format!("rule {}", rule.id),
        None if config.postmortem.is_some() => format!("level {level}"),
        None => format!("scheme {}", scheme.name()),
    };
    let due = postmortem.and_then(|postmortem| postmortem.due);
    Timings {
        acknowledge: config.acknowledge,
        respond: config.respond,
        mitigate: config.mitigate,
        resolve: config.resolve,
        notify_within: config.notify_within,
        update_every: config.update_every,
        postmortem: due,
        postmortem_because: due.map(|_| because),
    }
}

fn compiled(workspace: &Workspace, name: &str) -> Result<Scheme> {
    let Some(config) = workspace.schemes.get(name) else {
        let known: Vec<_> = workspace.schemes.keys().map(String::as_str).collect();
        let message = format!("there is no severity scheme `{}`", name.escape_debug());
        return Err(
            Error::new(ErrorCode::NotFound, message).hint(format!("schemes here: {}", known.join(", ")))
        );
    };
    Scheme::compile(config).map_err(|problems| {
        let first = problems.first().map(|problem| format!(": {}", problem.message)).unwrap_or_default();
        let message = format!("the severity scheme {name} has {} problems{first}", problems.len());
        Error::new(ErrorCode::InvalidConfiguration, message).hint("see them all: irctl config check")
    })
}
