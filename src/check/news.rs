//! What is new in a round: one line for each change, and nothing about what was said before.
//!
//! What each service said last is kept in the store, so that it is not said again by a later process.

use super::report::{Change, IncidentRound, Round, ServiceRound};
use super::standing::{self, Standing};
use crate::base::clock::format_minute;
use crate::base::untrusted::{Sink, escape};
use crate::base::{Result, Verdict};
use crate::severity::{Classification, Outcome};
use crate::store::{Session, Store};

/// Something that stands, and is said when it is new.
struct Fact {
    name: String,
    /// A difference in this is news, one in the line is not: times and numbers differ in every round.
    telling: String,
    line: String,
}

impl Fact {
    fn new(name: impl Into<String>, telling: impl Into<String>, line: impl Into<String>) -> Self {
        Self { name: name.into(), telling: telling.into(), line: line.into() }
    }
}

/// What changed about the services since they were last looked at, in their order. From now on it was said.
pub fn of_services(store: &dyn Store, round: &Round) -> Result<Vec<Change>> {
    let mut found = Vec::new();
    store.write_relaxed(&mut |session| {
        found.clear();
        round.services.iter().try_for_each(|service| of_service(session, service, &mut found))
    })?;
    Ok(found)
}

/// What changed about the round as a whole. From now on it was said.
pub fn of_whole(store: &dyn Store, round: &Round) -> Result<Vec<Change>> {
    let mut found = Vec::new();
    store.write_relaxed(&mut |session| {
        found.clear();
        of_round(session, round, &mut found)
    })?;
    Ok(found)
}

fn of_service(session: &mut dyn Session, service: &ServiceRound, found: &mut Vec<Change>) -> Result<()> {
    let key = standing::of_service(&service.service);
    let known = standing::read(session, &key)?;
    let before = known.clone().unwrap_or_default();
    let why = why(service);
    let mut lines: Vec<String> = service.incidents.iter().filter_map(changed).collect();
    let opened = !lines.is_empty();
    if before.told() != service.verdict && !opened {
        let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        lines.push(format!("{} → {}{why}", before.told(), service.verdict));
    }
    if service.warming_is_news {
        let warming = service.classification.with(Outcome::Warming);
        let rules: Vec<_> = warming.map(|rule| format!("{} {}", rule.level, rule.rule)).collect();
        lines.push(format!("warming, with no evidence of its own yet: {}", rules.join(", ")));
    }
    let facts = facts(service);
    lines.extend(news(&before, &facts));
    lines.extend(over(&before, &facts, service));
    found.extend(lines.iter().map(|line| change(Some(&service.service), line)));
    standing::write(session, &key, known.as_ref(), &now(service.verdict, why, facts))
}

fn of_round(session: &mut dyn Session, round: &Round, found: &mut Vec<Change>) -> Result<()> {
    let key = standing::of_round(round.shard);
    let known = standing::read(session, &key)?;
    let before = known.clone().unwrap_or_default();
    let mut facts = Vec::new();
    for text in round.problems.iter().chain(&round.left_out).chain(&round.warnings) {
        facts.push(Fact::new(text, "", text));
    }
    let told = &round.deliveries;
    for (name, number) in [("failed", told.failed), ("unclear", told.ambiguous), ("waiting", told.waiting)] {
        if number > 0 {
            let line = format!("NOT told yet: messages are {name} (irctl notify outbox)");
            facts.push(Fact::new(format!("messages {name}"), "", line));
        }
    }
    found.extend(news(&before, &facts).iter().map(|line| change(None, line)));
    standing::write(session, &key, known.as_ref(), &now(round.verdict, None, facts))
}

/// One line, whatever stands in it.
fn change(service: Option<&String>, line: &str) -> Change {
    Change { service: service.cloned(), text: escape(line, Sink::Terminal) }
}

/// `INC-… opened as P0: RILA 6Y20B: …; contained`, where the round changed an incident.
fn changed(incident: &IncidentRound) -> Option<String> {
    let level = &incident.level;
    let what = match incident.change {
        "opened" => format!("opened as {level}"),
        "reopened" => format!("reopened as {level}"),
        "raised" => format!("raised to {level}"),
        "lowered" => format!("lowered to {level}"),
        "resolved" => "resolved".to_owned(),
        _ => return None,
    };
    let contained = if incident.contained.is_some() { "; contained" } else { "" };
    Some(format!("{} {what}: {}{contained}", incident.incident, incident.title))
}

/// The first thing that explains a verdict.
fn why(service: &ServiceRound) -> Option<String> {
    if service.verdict == Verdict::Ok {
        return None;
    }
    let unready = || service.unready.first().map(|unready| unready.summary.to_string());
    let unmeasured = || service.probes.is_empty().then(|| "nothing is measured".to_owned());
    let why = service.doubt.clone().or_else(|| reason(&service.classification));
    why.or_else(unready).or_else(unmeasured)
}

/// The first rule's reason that explains a verdict.
pub fn reason(classification: &Classification) -> Option<String> {
    let first = |outcome| classification.with(outcome).next();
    let rule = first(Outcome::Matched).or_else(|| first(Outcome::Undecided));
    rule.or_else(|| first(Outcome::Blocked)).map(|rule| rule.reason.clone())
}

/// How the names of facts begin whose end is news as well.
const MAINTENANCE: &str = "maintenance since ";
const HELD: &str = "held: ";

/// What stood before and ends now: a maintenance window, and what was only held and is measured again.
fn over(before: &Standing, now: &[Fact], service: &ServiceRound) -> Vec<String> {
    let gone = before.facts.iter().filter(|(name, _)| !now.iter().any(|fact| fact.name == **name));
    let line = |(name, telling): (&String, &String)| {
        if name.starts_with(MAINTENANCE) {
            return Some(format!("maintenance is over: {telling}"));
        }
        let rule = name.strip_prefix(HELD)?;
        let rule = service.classification.rules.iter().find(|one| one.rule == rule)?;
        let decided = matches!(rule.outcome, Outcome::Matched | Outcome::Missed);
        decided.then(|| format!("{} {} is decided again: {}", rule.level, rule.rule, rule.reason))
    };
    gone.filter_map(line).collect()
}

fn facts(service: &ServiceRound) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(window) = &service.maintenance {
        let name = format!("{MAINTENANCE}{}", format_minute(window.since));
        let line = format!("in maintenance until {}: {}", format_minute(window.until), window.reason);
        facts.push(Fact::new(name, window.reason.to_string(), line));
    }
    for rule in service.classification.rules.iter().filter(|rule| rule.held.is_some()) {
        let line = format!("{} {}: {}", rule.level, rule.rule, rule.reason);
        facts.push(Fact::new(format!("{HELD}{}", rule.rule), "", line));
    }
    for incident in &service.incidents {
        if let Some(problem) = &incident.containment_problem {
            let name = format!("not contained for {}", incident.incident);
            facts.push(Fact::new(name, problem, format!("NOT CONTAINED: {problem}")));
        }
    }
    for one in &service.contained_for {
        let incident = &one.incident;
        if let Some(problem) = &one.problem {
            let line = format!("NOT CONTAINED for {incident}: {problem}");
            facts.push(Fact::new(format!("not contained for {incident}"), problem, line));
        } else if let Some(proof) = &one.proof {
            let line = format!("contained for {incident}, {proof}");
            facts.push(Fact::new(format!("contained for {incident}"), "", line));
        }
    }
    if let Some(rollback) = &service.rollback {
        facts.push(Fact::new("rollback", &rollback.summary, format!("rollback: {}", rollback.summary)));
    }
    for watch in &service.watches {
        facts.push(Fact::new(format!("watch of {}", watch.operation), &watch.summary, &watch.summary));
    }
    if let Some(release) = &service.release {
        let telling = if release.released { release.summary.as_str() } else { "not yet" };
        facts.push(Fact::new("release", telling, format!("release: {}", release.summary)));
    }
    for unready in &service.unready {
        let line = format!("not ready: {}; next: {}", unready.summary, unready.next);
        facts.push(Fact::new(format!("unready: {}, {}", unready.what, unready.next), "", line));
    }
    for probe in &service.overrun {
        facts.push(Fact::new(
            format!("overrun: {probe}"),
            "",
            format!("probe {probe} was not measured in time"),
        ));
    }
    facts
}

fn news(before: &Standing, facts: &[Fact]) -> Vec<String> {
    let new = |fact: &&Fact| before.facts.get(&fact.name) != Some(&fact.telling);
    facts.iter().filter(new).map(|fact| fact.line.clone()).collect()
}

fn now(verdict: Verdict, why: Option<String>, facts: Vec<Fact>) -> Standing {
    let facts = facts.into_iter().map(|fact| (fact.name, fact.telling)).collect();
    Standing { verdict, told: None, why, facts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_is_said_once_and_again_when_it_differs() {
        let fact = |telling: &str| vec![Fact::new("drill", telling, format!("line {telling}"))];
        let first = Standing::default();
        assert_eq!(news(&first, &fact("a")), ["line a"]);
        let second = now(Verdict::Warn, None, fact("a"));
        assert_eq!(news(&second, &fact("a")), [""; 0]);
        assert_eq!(news(&second, &fact("b")), ["line b"]);
        let gone = now(Verdict::Ok, None, Vec::new());
        assert_eq!(news(&gone, &fact("a")), ["line a"], "what was gone is news again");
    }
}
