//! `systemd-unit` on a real systemd: a manager of its own with a `/run` of its own, with units made for the test.

#[path = "../../support/systemd.rs"]
mod manager;

use irctl::rollback::targets::command::{CommandTarget, CommandTargetConfig};
use irctl::rollback::targets::{Ground, Target};
use irctl::rollback::versions::Version;
use serde_json::{Value, json};

use super::adapter::{Asked, sweep};
use super::{ground, recipe, versions};
use crate::conformance::{self, Fixture};
use manager::Manager;

struct Units<'a> {
    manager: &'a Manager,
    config: CommandTargetConfig,
    ground: Ground,
}

impl Fixture for Units<'_> {
    fn target(&self) -> Box<dyn Target + '_> {
        Box::new(CommandTarget { config: &self.config, ground: &self.ground })
    }

    fn versions(&self) -> (Version, Version) {
        versions()
    }

    fn fingerprint(&self) -> String {
        self.manager.seen()
    }

    fn meddle(&self) {
        // systemd shows that a unit is masked only once the unit no longer runs.
        self.manager.control(&["mask", "basic-monitoring"]);
        self.manager.control(&["stop", "basic-monitoring"]);
    }
}

#[test]
fn systemd_unit_on_a_real_systemd() {
    let manager = match Manager::start() {
        Ok(manager) => manager,
        Err(why) => {
            println!("not run: systemd: {why}");
            return;
        }
    };
    let with = |more: Value| {
        let mut with = json!({"user": true, "program": manager.program()});
        super::http_flag::merge(&mut with, &more);
        with
    };
    let switch = json!({
        "stop": ["advanced-monitoring"], "start": ["basic-monitoring"],
        "disable": ["advanced-monitoring"], "enable": ["basic-monitoring"],
    });
    conformance::run(|| {
        manager.reset();
        let (config, ground) =
            (recipe("systemd-unit", with(switch.clone())), ground(manager.directory.path()));
        Units { manager: &manager, config, ground }
    });
    manager.reset();
    let kills = sweep(|| Asked::staged("systemd-unit", with(switch.clone())), || manager.seen());
    super::adapter::enough(kills, 8);

    let refused = |more: Value, words: &str| {
        let mut asked = Asked::new("systemd-unit", with(more));
        asked.before = asked.ask("observe").good()["state"].clone();
        let predicted = asked.ask("predict").good();
        assert!(predicted["refusals"][0].as_str().unwrap().contains(words), "{predicted}");
        asked.after = predicted["after"].clone();
        asked.ask("apply").bad(12, words);
    };
    refused(json!({"start": ["nobody"]}), "there is no unit nobody.service");
    refused(json!({"enable": ["static-one"]}), "neither enabled nor disabled");
    manager.control(&["mask", "basic-monitoring"]);
    refused(json!({"start": ["basic-monitoring"]}), "masked");
    manager.reset();
    let failing = Asked::staged("systemd-unit", with(json!({"start": ["broken"]})));
    failing.ask("apply").bad(69, "broken.service");
}

#[test]
fn what_is_no_unit_is_refused() {
    for (with, words) in [
        (json!({"stop": ["*"]}), "a pattern or a path"),
        (json!({"stop": ["--all"]}), "no plain name"),
        (json!({"stop": ["a"], "start": ["a.service"]}), "named both ways"),
        (json!({}), "no unit is named"),
    ] {
        Asked::new("systemd-unit", with).ask("observe").bad(78, words);
    }
}
