//! Letting consumers back: by a condition that holds long enough, and only after the postmortem.

use super::support::Workspace;
use super::{desk, incident, night, round, verified};

fn contained(workspace: &Workspace) -> bool {
    workspace.read("config/rollout.yml").contains("mode: disabled")
}

fn said(round: &serde_json::Value) -> &str {
    round["release"]["summary"].as_str().unwrap_or_else(|| panic!("{round}"))
}

#[test]
fn normal_depth_for_five_minutes_lets_a_desk_back() {
    let workspace = night("  release: when\n  release_when: {condition: depth_normal >= 5 min}\n");
    let before = workspace.read("config/rollout.yml");
    desk(&workspace, &[("bid", 0.0), ("depth_normal", 0.0)]);
    let zero = round(&workspace, 2);
    assert!(contained(&workspace));
    assert!(said(&zero).contains("its evidence is critical"), "{}", said(&zero));
    desk(&workspace, &[("depth_normal", 4.9)]);
    workspace.set_clock("2026-11-20T03:20:00Z");
    let early = round(&workspace, 0);
    assert!(contained(&workspace));
    insta::assert_snapshot!("early", said(&early));
    desk(&workspace, &[("depth_normal", 5.0)]);
    workspace.set_clock("2026-11-20T03:22:00Z");
    let late = round(&workspace, 0);
    assert_eq!(late["release"]["released"], true);
    insta::assert_snapshot!("late", said(&late));
    assert_eq!(workspace.read("config/rollout.yml"), before, "what was, not a constant");
    workspace.set_clock("2026-11-20T03:24:00Z");
    assert!(round(&workspace, 0)["release"].is_null());
    assert!(!contained(&workspace));
    let timeline = workspace.irctl(&["incident", "timeline", &incident(&workspace)]).expect(0).stdout;
    assert!(timeline.contains("released") || timeline.contains("let back"), "{timeline}");
}

#[test]
fn what_has_to_hold_for_a_time_is_seen_in_several_rounds() {
    let workspace =
        night("  watch: 30m\n  release: when\n  release_when: {condition: depth_normal >= 1 min, for: 5m}\n");
    verified(&workspace);
    let text = workspace.irctl(&["rollback", "--to", "prev", "--dry-run"]).expect(0).stdout;
    assert!(text.contains("when `irctl check` finds that depth_normal >= 1 min for 5m"), "{text}");
    workspace.irctl(&["rollback", "--to", "prev", "--yes"]).expect(0);
    assert!(contained(&workspace), "proven, and still contained");
    let mut told = Vec::new();
    for (minute, depth) in [("03:08", 9.0), ("03:10", 9.0), ("03:12", 0.0), ("03:14", 9.0), ("03:17", 9.0)] {
        workspace.set_clock(&format!("2026-11-20T{minute}:00Z"));
        desk(&workspace, &[("depth_normal", depth)]);
        told.push(format!("{minute} {}", said(&round(&workspace, 0))));
        assert!(contained(&workspace), "{told:#?}");
    }
    workspace.set_clock("2026-11-20T03:19:00Z");
    let last = round(&workspace, 0);
    told.push(format!("03:19 {}", said(&last)));
    assert!(!contained(&workspace));
    insta::assert_snapshot!("sustained", told.join("\n"));
    let overview = workspace.irctl(&["--output", "json"]).json();
    assert_eq!(overview["watches"][0]["until"], "2026-11-20T03:49:00Z", "what was let back late is watched");
}

#[test]
fn a_condition_has_to_hold_for_every_series_and_be_known_now() {
    use rusqlite::Connection;
    let workspace = night("  release: when\n  release_when: {condition: depth_normal >= 1 min, for: 5m}\n");
    let text = workspace.read("config/services/scalper.yaml");
    let depth = text.lines().find(|line| line.starts_with("  depth:")).unwrap();
    let asked = "  depth: {sql: {database: {sqlite: {file: desk.db}}, query: \"SELECT symbol, depth FROM book\", \
        read: {rows: {metric: depth_normal, unit: minutes, value: depth, labels: [symbol]}}}}";
    workspace.write("config/services/scalper.yaml", text.replace(depth, asked));
    let book = Connection::open(workspace.path("desk.db")).unwrap();
    book.execute_batch(
        "CREATE TABLE book (symbol TEXT, depth REAL); INSERT INTO book VALUES ('A', 9), ('B', 0)",
    )
    .unwrap();
    workspace.irctl(&["contain"]).expect(0);
    let after = |minute: &str, status| {
        workspace.set_clock(&format!("2026-11-20T{minute}:00Z"));
        let said = said(&round(&workspace, status)).to_owned();
        assert!(contained(&workspace), "{minute}: {said}");
        said
    };
    for minute in ["03:10", "03:14", "03:17"] {
        assert!(after(minute, 0).contains("symbol=B"), "one of two is not deep enough");
    }
    book.execute_batch("UPDATE book SET depth = 9").unwrap();
    after("03:20", 0);
    after("03:23", 0);
    // It was deep enough for five minutes when nobody could be asked any more.
    book.execute_batch("ALTER TABLE book RENAME TO gone").unwrap();
    let said = after("03:26", 0);
    assert!(said.contains("not decided"), "{said}");
    book.execute_batch("ALTER TABLE gone RENAME TO book").unwrap();
    workspace.set_clock("2026-11-20T03:28:00Z");
    assert_eq!(round(&workspace, 0)["release"]["released"], true);
    assert!(!contained(&workspace));
}

#[test]
fn what_hangs_on_something_broken_lets_nobody_back() {
    let workspace = night(
        "  release: when\n  release_when: {condition: depth_normal >= 1 min}\n\
        needs: {depth: [dataset/feed]}\n",
    );
    workspace.write(
        "config/services/feed.yaml",
        "service: feed\nkind: dataset\nscheme: data\nprobes:\n  feed: {file: {file: feed.csv}}\n",
    );
    workspace.write(
        "config/severity/data.yaml",
        "scheme: data\nlevels: {P0: {name: Broken, verdict: CRIT}}\nmetrics: {feed_exists: {unit: flag}}\n\
         rules: [{id: missing, level: P0, symptom: data, when: not feed_exists}]\n",
    );
    workspace.irctl(&["contain", "--service", "scalper"]).expect(0);
    let run = workspace.irctl(&["check", "--output", "json"]).expect(2).json();
    let desk = run["services"].as_array().unwrap().iter().find(|one| one["service"] == "scalper").unwrap();
    assert!(said(desk).contains("depth_normal is blocked by dataset/feed"), "{}", said(desk));
    assert!(contained(&workspace));
}

#[test]
fn what_is_not_proven_is_not_let_back_by_a_condition() {
    let workspace =
        night("  verify: never\n  release: when\n  release_when: {condition: depth_normal >= 5 min}\n");
    workspace.write(
        "config/verify/never.yaml",
        "suite: never\nprobes: {x: {file: {file: nowhere}}}\nexpect: [{that: x_exists}]\n",
    );
    verified(&workspace);
    workspace.irctl(&["rollback", "--to", "prev", "--yes"]).expect(14);
    workspace.set_clock("2026-11-20T03:30:00Z");
    let round = round(&workspace, 0);
    assert!(said(&round).contains("did not prove what it switched to"), "{}", said(&round));
    assert!(contained(&workspace));
}

#[test]
fn only_the_postmortem_or_a_reason_lets_it_back() {
    let rolled_back = || {
        let workspace = night("  release: after-postmortem\n  watch: 24h\n");
        verified(&workspace);
        desk(&workspace, &[("parity", 2.0)]);
        round(&workspace, 2);
        workspace.irctl(&["rollback", "--to", "prev", "--yes"]).expect(0);
        assert!(contained(&workspace));
        desk(&workspace, &[]);
        workspace
    };
    let workspace = rolled_back();
    let id = incident(&workspace);
    let open = workspace.irctl(&["release"]).expect(12);
    insta::assert_snapshot!("before", open.stderr);
    workspace.irctl(&["incident", "resolve", &id, "--reason", "the old model serves"]).expect(0);
    let resolved = workspace.irctl(&["release"]).expect(12);
    assert!(resolved.stderr.contains("irctl postmortem draft"), "{}", resolved.stderr);
    workspace.irctl(&["incident", "close", &id]).expect(0);
    workspace.irctl(&["release"]).expect(0);
    assert!(!contained(&workspace));
    let watch = workspace.irctl(&["--output", "json"]).json()["watches"][0]["until"].clone();
    assert_eq!(watch, "2026-11-21T03:07:00Z");
    let shown = workspace.irctl(&["incident", "show", &id, "--output", "json"]).expect(0).json();
    assert!(shown["incident"]["contained"].is_null(), "{shown}");

    let anyway = rolled_back();
    anyway.irctl(&["release", "--reason", "the desk needs it, the cause is known"]).expect(0);
    assert!(!contained(&anyway));

    let nobody = night("  release: after-postmortem\n");
    nobody.irctl(&["contain"]).expect(0);
    let run = nobody.irctl(&["release"]).expect(12);
    assert!(run.stderr.contains("no incident is known"), "{}", run.stderr);
    // Automation never lets it back.
    nobody.set_clock("2026-11-20T09:00:00Z");
    round(&nobody, 0);
    assert!(contained(&nobody));
}

#[test]
fn keys_that_need_each_other_are_checked() {
    let mut said = Vec::new();
    for more in [
        "  release: when\n",
        "  release: manual\n  release_when: {condition: depth_normal >= 5 min}\n",
        "  release: when\n  release_when: {condition: depht_normal >= 5 min}\n",
        "  release: when\n  release_when: {condition: depth_normal >= 5%}\n",
        "  release: when\n  release_when: {condition: depth_normal >= 5 min, for: 5m}\n",
        "  release: when\n  release_when: {condition: 'depth_normal >='}\n",
        "  auto: {}\n",
        "  auto: {triggers: [{reason: a, when: winrate_delta < -5%}, {reason: a, when: winrate > 5}]}\n",
    ] {
        let workspace = night(more);
        let run = workspace.irctl(&["config", "check"]);
        let blocks = run.stdout.split("\n\n").filter(|block| !block.contains("cadence-too-slow"));
        let blocks: Vec<_> = blocks.filter(|block| !block.starts_with("config ")).collect();
        said.push(format!("# {}\n{}\n", more.trim(), blocks.join("\n")));
    }
    insta::assert_snapshot!("keys", said.join("\n"));
}

#[test]
fn what_is_blocked_when_its_watch_is_over_is_not_confirmed() {
    let workspace = night("  watch: 30m\nneeds: {winrate: [dataset/feed]}\n");
    workspace.write(
        "config/services/feed.yaml",
        "service: feed\nkind: dataset\nscheme: data\nprobes:\n  feed: {file: {file: feed.csv}}\n",
    );
    workspace.write(
        "config/severity/data.yaml",
        "scheme: data\nlevels: {P0: {name: Broken, verdict: CRIT}}\nmetrics: {feed_exists: {unit: flag}}\n\
         rules: [{id: missing, level: P0, symptom: data, when: not feed_exists}]\n",
    );
    workspace.write("feed.csv", "a\n1\n");
    verified(&workspace);
    workspace.irctl(&["rollback", "--service", "scalper", "--to", "prev", "--yes"]).expect(0);
    assert!(!contained(&workspace));
    // Its numbers hang on what is gone: nobody knows whether they are good.
    std::fs::remove_file(workspace.path("feed.csv")).unwrap();
    workspace.set_clock("2026-11-20T03:40:00Z");
    let run = workspace.irctl(&["check", "--output", "json"]).json();
    let desk = run["services"].as_array().unwrap().iter().find(|one| one["service"] == "scalper").unwrap();
    let watch = desk["watches"][0]["summary"].as_str().unwrap_or_else(|| panic!("{desk:#}"));
    assert!(
        watch.contains("was not confirmed") && watch.contains("nothing showed that it is good"),
        "{watch}"
    );
    assert!(contained(&workspace));
}
