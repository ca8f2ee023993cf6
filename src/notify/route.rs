//! Routing: which channels a notice goes to, and why.

use schemars::JsonSchema;
use serde::Serialize;

use super::config::{ContactsConfig, NotifyConfig, RouteConfig};
use super::notice::Notice;
use super::template;

/// Where a notice goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Routing {
    /// The template that says it.
    pub template: String,
    /// The channels, each once, in the order of the reasons.
    pub channels: Vec<Reached>,
    /// Every route looked at, in order.
    pub routes: Vec<RouteVerdict>,
    /// Roles of the audience that no channel of their own reaches.
    pub roles_without_channel: Vec<String>,
}

/// A channel and the reason it was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reached {
    /// The channel's name.
    pub channel: String,
    /// Why: a route, a role, or the default.
    pub why: String,
    /// Whether `notify.yaml` has it.
    pub configured: bool,
}

/// How a route took a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RouteVerdict {
    /// Its place in `routes`, from 1.
    pub number: usize,
    /// Whether it matched.
    pub matched: bool,
    /// The condition that failed, or what made it match.
    pub why: String,
}

/// Decides where `notice` goes: the routes in order, then the channels of the roles it concerns.
pub fn explain(config: &NotifyConfig, contacts: &ContactsConfig, notice: &Notice) -> Routing {
    let template = template::chosen(config, notice);
    let mut routing = Routing {
        template: template.clone(),
        channels: Vec::new(),
        routes: Vec::new(),
        roles_without_channel: Vec::new(),
    };
    let mut matched = false;
    for (index, route) in config.routes.iter().enumerate() {
        let number = index + 1;
        let verdict = judge(route, notice, &template);
        let matches = verdict.is_ok();
        let why = verdict.unwrap_or_else(|why| why);
        routing.routes.push(RouteVerdict { number, matched: matches, why });
        if matches {
            matched = true;
            routing.reach(config, &route.channels, &format!("route {number}"));
            if !route.go_on {
                break;
            }
        }
    }
    if !matched {
        routing.reach(config, &config.default, "no route matched: the default");
    }
    for role in &notice.audience {
        let channels = contacts.roles.get(role).map(|role| role.channels.as_slice()).unwrap_or_default();
        if channels.is_empty() {
            routing.roles_without_channel.push(role.clone());
        }
        routing.reach(config, channels, &format!("role {role}"));
    }
    routing
}

impl Routing {
    fn reach(&mut self, config: &NotifyConfig, channels: &[String], why: &str) {
        for channel in channels {
            if !self.channels.iter().any(|reached| reached.channel == *channel) {
                self.channels.push(Reached {
                    channel: channel.clone(),
                    why: why.to_owned(),
                    configured: config.channels.contains_key(channel),
                });
            }
        }
    }
}

/// `Ok` with what matched, or `Err` with the condition that did not.
fn judge(route: &RouteConfig, notice: &Notice, template: &str) -> Result<String, String> {
    let level: Vec<&str> = notice.level.as_deref().into_iter().collect();
    let symptom: Vec<&str> = notice.symptom.as_deref().into_iter().collect();
    let audience: Vec<&str> = notice.audience.iter().map(String::as_str).collect();
    let conditions = [
        ("level", &route.levels, level),
        ("service", &route.services, vec![notice.service.as_str()]),
        ("symptom", &route.symptoms, symptom),
        ("template", &route.templates, vec![notice.template.as_str(), template]),
        ("role", &route.audience, audience),
    ];
    let mut held = Vec::new();
    for (name, wanted, has) in conditions {
        if wanted.is_empty() {
            continue;
        }
        match has.iter().find(|one| wanted.iter().any(|want| want == *one)) {
            Some(one) => held.push(format!("{name} {one}")),
            None => return Err(format!("wants {name} {}, has {}", wanted.join(" or "), listed(&has))),
        }
    }
    Ok(if held.is_empty() { "it takes everything".to_owned() } else { held.join(", ") })
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn config(text: &str) -> NotifyConfig {
        serde_yaml::from_str(text).unwrap()
    }

    fn names(routing: &Routing) -> Vec<&str> {
        routing.channels.iter().map(|reached| reached.channel.as_str()).collect()
    }

    #[test]
    fn the_first_match_wins_unless_it_goes_on() {
        let config = config(
            "channels: {a: {file: {path: a}}, b: {file: {path: b}}, c: {file: {path: c}}}\n\
             routes:\n- {levels: [P0], channels: [a], continue: true}\n- {levels: [P0, P1], channels: [b, a]}\n\
             - {channels: [c]}\ndefault: [c]\n",
        );
        let mut notice = Notice::new("incident-opened", "s", DateTime::UNIX_EPOCH);
        notice.level = Some("P0".into());
        let routing = explain(&config, &ContactsConfig::default(), &notice);
        assert_eq!(names(&routing), ["a", "b"]);
        assert_eq!(routing.routes.len(), 2);
        notice.level = Some("P2".into());
        let routing = explain(&config, &ContactsConfig::default(), &notice);
        assert_eq!(names(&routing), ["c"]);
        assert_eq!(routing.routes[0].why, "wants level P0, has P2");
    }

    #[test]
    fn a_notice_without_a_level_matches_no_level_and_falls_to_the_default() {
        let config = config("routes:\n- {levels: [P0], channels: [a]}\ndefault: [z]\n");
        let notice = Notice::new("test", "s", DateTime::UNIX_EPOCH);
        let routing = explain(&config, &ContactsConfig::default(), &notice);
        assert_eq!(names(&routing), ["z"]);
        assert!(!routing.channels[0].configured);
    }

    #[test]
    fn roles_bring_their_own_channels_once() {
        let config = config("routes:\n- {audience: [owner], channels: [a]}\n");
        let contacts: ContactsConfig =
            serde_yaml::from_str("roles: {owner: {title: Owner, channels: [a, b]}, other: {title: Other}}")
                .unwrap();
        let mut notice = Notice::new("test", "s", DateTime::UNIX_EPOCH);
        notice.audience = vec!["owner".into(), "other".into(), "nobody".into()];
        let routing = explain(&config, &contacts, &notice);
        assert_eq!(names(&routing), ["a", "b"]);
        assert_eq!(routing.channels[1].why, "role owner");
        assert_eq!(routing.roles_without_channel, ["other", "nobody"]);
    }
}
