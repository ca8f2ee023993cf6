//! `keep` and `on_no_data`.

use super::*;

#[test]
fn a_flapping_metric_is_one_incident_while_it_is_kept() {
    let workspace = shop(", keep: {for: 30m}", "");
    at(&workspace, "03:00", 0.10);
    round(&workspace, 2);
    for (minute, rate) in [("03:05", 0.01), ("03:10", 0.12), ("03:15", 0.01), ("03:20", 0.01), ("03:35", 0.0)]
    {
        at(&workspace, minute, rate);
        let round = round(&workspace, 2);
        let (outcome, reason) = came_out(&round, "shop", "errors");
        assert_eq!(outcome, "matched", "{minute}: {reason}");
        let kept = &rule(&round, "shop", "errors")["kept"];
        if rate < 0.05 {
            assert!(reason.starts_with("kept: it matched at 2026-11-20 03:"), "{reason}");
            let until = if minute < "03:10" { "2026-11-20T03:30:00Z" } else { "2026-11-20T03:40:00Z" };
            assert_eq!(kept["until"], until, "{minute}");
        } else {
            assert!(kept.is_null(), "{minute}");
        }
    }
    let text = workspace.irctl(&["check"]).expect(2).stdout;
    assert!(text.contains("kept: it matched at 2026-11-20 03:10 UTC and is kept for 30m"), "{text}");
    // The time is over: two new good samples resolve it, and not before.
    for (minute, status) in [("03:41", 0), ("03:46", 0)] {
        at(&workspace, minute, 0.0);
        round(&workspace, status);
    }
    let all = incidents(&workspace);
    assert_eq!(all.len(), 1, "one incident: {all:#?}");
    assert_eq!((all[0]["state"].as_str(), all[0]["episode"].as_u64()), (Some("resolved"), Some(1)));
}

#[test]
fn rounds_that_run_twice_or_not_at_all_keep_nothing_longer() {
    let (twice, once) = (shop(", keep: {for: 30m}", ""), shop(", keep: {for: 30m}", ""));
    let judged: Vec<_> = [(&twice, 2), (&once, 1)]
        .into_iter()
        .map(|(workspace, times)| {
            at(workspace, "03:00", 0.10);
            (0..times).for_each(|_| drop(round(workspace, 2)));
            if times == 2 {
                // The other one misses these.
                for minute in ["03:07", "03:14"] {
                    at(workspace, minute, 0.01);
                    round(workspace, 2);
                }
            }
            at(workspace, "03:21", 0.01);
            (0..times).for_each(|_| drop(round(workspace, 2)));
            let kept = rule(&round(workspace, 2), "shop", "errors")["kept"].clone();
            at(workspace, "03:31", 0.01);
            (kept, came_out(&round(workspace, 0), "shop", "errors").0)
        })
        .collect();
    assert_eq!(judged[0], judged[1]);
    assert_eq!(judged[0].1, "missed");
}

#[test]
fn a_match_is_kept_until_a_condition_holds() {
    let workspace = shop(", keep: {until: error_rate < 2%}", "");
    // Nothing is kept that never matched.
    at(&workspace, "02:50", 0.03);
    round(&workspace, 0);
    at(&workspace, "03:00", 0.10);
    round(&workspace, 2);
    for minute in ["03:10", "03:40", "09:00"] {
        at(&workspace, minute, 0.03);
        let round = round(&workspace, 2);
        let (outcome, reason) = came_out(&round, "shop", "errors");
        assert_eq!(outcome, "matched");
        assert!(reason.contains("is kept until error_rate < 2%"), "{reason}");
        assert_eq!(rule(&round, "shop", "errors")["kept"]["matched_at"], "2026-11-20T03:00:00Z");
    }
    at(&workspace, "09:05", 0.01);
    assert_eq!(came_out(&round(&workspace, 0), "shop", "errors").0, "missed");
    at(&workspace, "09:10", 0.03);
    assert_eq!(
        came_out(&round(&workspace, 0), "shop", "errors").0,
        "missed",
        "it ended, and did not match again"
    );
    assert_eq!(incidents(&workspace).len(), 1);
}

#[test]
fn what_a_person_ended_is_kept_no_more() {
    let workspace = shop(", keep: {until: error_rate < 2%}", "");
    at(&workspace, "03:00", 0.10);
    round(&workspace, 2);
    workspace.irctl(&["incident", "resolve", "--reason", "a load test"]).expect(0);
    at(&workspace, "03:10", 0.03);
    assert_eq!(came_out(&round(&workspace, 0), "shop", "errors").0, "missed");
}

#[test]
fn a_corrected_value_never_matched() {
    let workspace = shop(", keep: {for: 30m}", "");
    at(&workspace, "03:00", 0.10);
    round(&workspace, 2);
    // The number of 03:00 was wrong; then comes a new one.
    clock(&workspace, "03:04");
    measured(&workspace, "03:00", 0.01);
    round(&workspace, 0);
    at(&workspace, "03:05", 0.01);
    assert_eq!(came_out(&round(&workspace, 0), "shop", "errors").0, "missed");
}

#[test]
fn no_data_is_unknown_unless_the_rule_says_otherwise() {
    let workspace = shop("", "");
    clock(&workspace, "03:00");
    let (outcome, _) = came_out(&round(&workspace, 3), "shop", "errors");
    assert_eq!(outcome, "undecided");

    let workspace = shop(", on_no_data: crit", "");
    clock(&workspace, "03:00");
    let found = round(&workspace, 2);
    let (outcome, reason) = came_out(&found, "shop", "errors");
    assert_eq!(outcome, "matched");
    assert!(reason.starts_with("no data counts as a match: "), "{reason}");
    assert_eq!(incidents(&workspace).len(), 1);
}

#[test]
fn what_was_decided_is_held_for_so_long_and_no_longer() {
    for (rate, status, held) in [(0.01, 0, "missed"), (0.10, 2, "matched")] {
        let workspace = shop(", on_no_data: {hold: 30m}", "");
        at(&workspace, "03:00", rate);
        round(&workspace, status);
        std::fs::remove_file(workspace.path("now.json")).unwrap();
        for minute in ["03:05", "03:30"] {
            clock(&workspace, minute);
            let found = round(&workspace, status);
            let (outcome, reason) = came_out(&found, "shop", "errors");
            assert_eq!(outcome, held, "{minute}");
            assert!(reason.starts_with("held: error_rate"), "{reason}");
            assert_eq!(rule(&found, "shop", "errors")["held"]["decided_at"], "2026-11-20T03:00:00Z");
            assert!(workspace.irctl(&["check"]).stdout.contains("held: error_rate"), "it is said");
        }
        clock(&workspace, "03:31");
        let (outcome, reason) = came_out(&round(&workspace, 3), "shop", "errors");
        assert_eq!(outcome, "undecided", "{reason}");
        assert!(reason.contains("nothing was decided in the last 30m"), "{reason}");
    }
}

#[test]
fn what_is_held_ends_no_incident() {
    let workspace = shop(", on_no_data: {hold: 2h}", "");
    at(&workspace, "03:00", 0.10);
    round(&workspace, 2);
    at(&workspace, "03:05", 0.01);
    round(&workspace, 0);
    // One good sample, and then none: however often it is held, it is one.
    for minute in ["03:10", "03:15", "03:20"] {
        clock(&workspace, minute);
        workspace.write("now.json", format!("{{\"broken\": \"{minute}\"}}"));
        round(&workspace, 0);
    }
    assert_eq!(incidents(&workspace)[0]["state"], "triage");
}

#[test]
fn what_is_wrong_is_said_in_its_place() {
    let said = refused(&shop(", keep: {until: eror_rate < 2%}", ""));
    assert!(
        said.contains("`eror_rate` is not a metric") && said.contains("did you mean `error_rate`?"),
        "{said}"
    );
    assert!(said.contains("config/severity/shop.yaml:9:"), "{said}");
    let said = refused(&shop(", keep: {for: 3bd}", ""));
    assert!(said.contains("samples know no business days") && said.contains("^^^"), "{said}");
    let said = refused(&shop(", keep: {for: 30m, until: error_rate < 2%}", ""));
    assert!(said.contains("names two kinds"), "{said}");
    let said = refused(&shop(", on_no_data: okay", ""));
    assert!(said.contains("it is one of") || said.contains("cannot be `okay`"), "{said}");
    let said = refused(&shop(", on_no_data: {hold: 30}", ""));
    assert!(said.contains("30"), "{said}");
    let said = refused(&shop(", warm_up: 10 rounds", ""));
    assert!(said.contains("10 samples"), "{said}");
}

#[test]
fn quiet_rounds_say_once_that_something_is_held_and_that_it_is_decided_again() {
    let workspace = shop(", on_no_data: {hold: 30m}", "");
    let quiet = |minute: &str, status| {
        clock(&workspace, minute);
        workspace.irctl(&["check", "--quiet"]).expect(status).stdout
    };
    at(&workspace, "03:00", 0.01);
    assert_eq!(quiet("03:00", 0), "");
    std::fs::remove_file(workspace.path("now.json")).unwrap();
    let said = quiet("03:05", 0);
    assert!(said.starts_with("shop: P0 errors: held: error_rate 1 %") && said.lines().count() == 1, "{said}");
    assert_eq!(quiet("03:10", 0), "", "said once");
    measured(&workspace, "03:15", 0.01);
    let said = quiet("03:15", 0);
    assert!(said.starts_with("shop: P0 errors is decided again: ") && said.lines().count() == 1, "{said}");
    std::fs::remove_file(workspace.path("now.json")).unwrap();
    quiet("03:20", 0);
    let said = quiet("03:50", 3);
    assert!(said.starts_with("shop: OK → UNKNOWN: ") && said.lines().count() == 1, "{said}");
}
