//! `log` on real files: windows, rotation, files that were cut off, silence.

use std::io::Write as _;

use crate::{Workspace, fact, reason, value};

const COUNT: &str = "count: {errors: '(?i)error|nan', any: '.'}";

fn log(workspace: &Workspace, more: &str) -> irctl::probe::Outcome {
    workspace.measure(&format!("{{log: {{file: api.log, {COUNT}, {more}}}}}"))
}

const LOG: &str = "\
2026-11-20T02:29:59Z ERROR too old
2026-11-20T02:45:00Z INFO started
2026-11-20T02:50:00Z ERROR it broke
Traceback (most recent call last):
  ValueError: cannot convert float NaN to integer
2026-11-20T02:55:00Z INFO fine
";

#[test]
fn lines_of_the_window_are_counted() {
    let workspace = Workspace::new();
    workspace.write("api.log", LOG);
    let outcome = log(&workspace, "window: 30m");
    assert_eq!((value(&outcome, "p_errors"), value(&outcome, "p_any")), (2.0, 5.0));
    assert_eq!((value(&outcome, "p_lines"), value(&outcome, "p_age")), (5.0, 300.0));
    assert_eq!(fact(&outcome, "lines"), "6 read, 5 in the window");
    assert_eq!(value(&log(&workspace, "window: 6m"), "p_errors"), 0.0);
    assert!(log(&workspace, "window: 6m").problems.is_empty());
}

#[test]
fn an_empty_window_is_no_good_news() {
    let workspace = Workspace::new();
    workspace.write("api.log", LOG);
    let outcome = log(&workspace, "window: 1m");
    assert_eq!(value(&outcome, "p_lines"), 0.0);
    assert_eq!(reason(&outcome, "p_errors"), "the window has no line; the newest is 5 min old");
    let sparse = log(&workspace, "window: 1m, sparse: true");
    assert_eq!((value(&sparse, "p_errors"), value(&sparse, "p_age")), (0.0, 300.0));
}

#[test]
fn what_says_nothing_is_undecided() {
    let workspace = Workspace::new();
    let undecided = |more: &str, why: &str| {
        let outcome = log(&workspace, more);
        for metric in ["p_lines", "p_age", "p_errors"] {
            assert!(reason(&outcome, metric).contains(why), "{why}: {}", reason(&outcome, metric));
        }
    };
    undecided("sparse: true", "api.log does not exist");
    workspace.write("api.log", "");
    undecided("window: 1h", "there is no line in it");
    workspace.write("api.log", "\n\n");
    undecided("window: 1h", "there is no line in it");
    workspace.write("api.log", "error\nerror\n");
    undecided("window: 1h, sparse: true", "no line has an instant");
    workspace.write("api.log", format!("{LOG}2026-11-20T03:02:00Z of tomorrow\n{LOG}"));
    undecided("window: 30m, sparse: true", "a line is dated in the future: 2026-11-20T03:02:00Z");
    std::fs::remove_file(workspace.root().join("api.log")).unwrap();
    std::fs::create_dir(workspace.root().join("api.log")).unwrap();
    undecided("window: 1h", "not a regular file");
    for outside in ["../api.log", "/etc/passwd"] {
        let outcome = workspace.measure(&format!("{{log: {{file: {outside}}}}}"));
        assert!(
            reason(&outcome, "p_lines").contains("workspace")
                || reason(&outcome, "p_lines").contains("climbs")
        );
    }
    let twice = workspace.measure("{log: {file: api.log, count: {age: x}}}");
    let reasons: Vec<_> = twice.problems.iter().map(|problem| problem.reason.raw()).collect();
    assert!(reasons[0].contains("`age` under `count` is the name of another"), "{reasons:?}");
    let passwd = workspace.trusted("{log: {file: /etc/passwd}}");
    assert!(reason(&passwd, "p_lines").contains("no line has an instant"), "trusted, it is read");
}

#[test]
fn a_sparse_log_may_be_empty() {
    let workspace = Workspace::new();
    workspace.write("api.log", "");
    let outcome = log(&workspace, "sparse: true");
    assert_eq!((value(&outcome, "p_errors"), value(&outcome, "p_lines")), (0.0, 0.0));
    assert_eq!(reason(&outcome, "p_age"), "there is no line in it");
    workspace.write("api.log", "2026-11-20T02:59:00Z error\n");
    assert_eq!(value(&log(&workspace, "sparse: true"), "p_errors"), 1.0);
    workspace.write("api.log", "rest of an error\n2026-11-20T02:59:00Z error\n");
    assert_eq!(reason(&log(&workspace, "sparse: true"), "p_errors"), "its first 1 lines have no instant");
}

#[test]
fn a_window_that_is_not_seen_whole_is_undecided() {
    let workspace = Workspace::new();
    let late = "2026-11-20T02:50:00Z error\n2026-11-20T02:51:00Z fine\n";
    workspace.write("api.log", late);
    let cut = log(&workspace, "window: 30m");
    for metric in ["p_lines", "p_errors"] {
        let why = reason(&cut, metric);
        assert!(
            why.starts_with(
                "what was written from 2026-11-20T02:30:00Z to 2026-11-20T02:50:00Z is not known"
            ) && why.contains("api.log.1 does not exist: it is new, or was cut off or rotated away"),
            "{why}"
        );
    }
    assert_eq!(value(&cut, "p_age"), 540.0);
    workspace.write("api.log.1.gz", "x");
    for more in ["window: 30m", "window: 30m, sparse: true"] {
        assert!(
            reason(&log(&workspace, more), "p_errors").contains("api.log.1.gz is compressed, and not read")
        );
    }
    workspace.write("api.log.1", "2026-11-20T02:40:00Z error\n");
    let short = log(&workspace, "window: 30m");
    assert!(reason(&short, "p_errors").contains("api.log.1 begins there"), "{}", reason(&short, "p_errors"));
    workspace.write("api.log.1", "2026-11-20T02:20:00Z error\n2026-11-20T02:40:00Z error\n trace\n");
    let whole = log(&workspace, "window: 30m");
    assert_eq!((value(&whole, "p_errors"), value(&whole, "p_lines")), (2.0, 4.0));
    assert!(fact(&whole, "read").starts_with("api.log.1: "));
    let own = workspace.measure("{log: {file: api.log, rotated: older.log, window: 30m}}");
    assert!(reason(&own, "p_lines").contains("older.log does not exist"));
}

#[test]
fn lines_of_a_rotated_file_go_on() {
    let workspace = Workspace::new();
    workspace.write("api.log.1", "2026-11-20T02:20:00Z fine\n2026-11-20T02:40:00Z error\n");
    workspace.write("api.log", "  of what stands in the file before: NaN\n2026-11-20T02:50:00Z fine\n");
    let outcome = log(&workspace, "window: 30m");
    assert_eq!((value(&outcome, "p_errors"), value(&outcome, "p_lines")), (2.0, 3.0));
    workspace.write("api.log", "");
    let just_rotated = log(&workspace, "window: 30m");
    assert_eq!((value(&just_rotated, "p_errors"), value(&just_rotated, "p_age")), (1.0, 1200.0));
}

#[test]
fn a_file_cut_off_under_its_writer_is_noticed() {
    let workspace = Workspace::new();
    let path = workspace.root().join("api.log");
    let mut writer = std::fs::File::create(&path).unwrap();
    writer.write_all(LOG.as_bytes()).unwrap();
    std::fs::write(&path, "").unwrap();
    // It goes on where it was: what it wrote before is a hole now.
    writer.write_all(b"2026-11-20T02:58:00Z error\n").unwrap();
    for more in ["window: 30m", "window: 30m, sparse: true"] {
        let outcome = log(&workspace, more);
        assert!(
            reason(&outcome, "p_errors").contains("begins with a hole"),
            "{}",
            reason(&outcome, "p_errors")
        );
        assert!(outcome.problems.iter().any(|problem| problem.reason.raw().contains("cut off")));
        assert_eq!(value(&outcome, "p_age"), 120.0);
    }
    assert_eq!(value(&log(&workspace, "window: 2m"), "p_errors"), 1.0, "a window after it is whole");
}

#[test]
fn a_large_log_is_read_from_its_end() {
    let workspace = Workspace::new();
    let mut text = String::new();
    for second in 0..40_000 {
        // The last line is of 02:59:59.
        let at = workspace.now - chrono::TimeDelta::seconds(40_000 - second);
        text.push_str(&format!("{} GET /score 200 {}\n", at.format("%Y-%m-%d %H:%M:%S,500"), "x".repeat(60)));
    }
    workspace.write("api.log", &text);
    let ask = |more: &str| {
        workspace.measure(&format!("{{log: {{file: api.log, count: {{ok: ' 200 '}}, {more}}}}}"))
    };
    let late = ask("window: 1h");
    assert_eq!((value(&late, "p_ok"), value(&late, "p_age")), (3600.0, 0.5));
    assert!(fact(&late, "read").contains(&format!("of {} bytes", text.len())), "{}", fact(&late, "read"));
    assert!(!fact(&late, "read").contains(&format!(": {} of", text.len())), "not all of it");
    let limited = ask("window: 11h, read_at_most: 1");
    assert!(reason(&limited, "p_ok").contains("only the last 1 MiB are read"));
    assert_eq!(value(&ask("window: 11h"), "p_ok"), 39_600.0);
}

#[test]
fn instants_may_stand_anywhere_and_in_any_zone() {
    let workspace = Workspace::new();
    workspace.write(
        "api.log",
        "203.0.113.9 - - [20/Nov/2026:03:00:00 +0100] \"GET /\" 200\n\
         203.0.113.9 - - [20/Nov/2026:03:50:00 +0100] \"GET /\" 500\n",
    );
    let outcome = workspace.measure(
        "{log: {file: api.log, window: 30m, count: {errors: '\" 5[0-9][0-9]$'}, time_at: '\\[([^]]+)\\]', \
         time_format: '%d/%b/%Y:%H:%M:%S %z'}}",
    );
    assert_eq!((value(&outcome, "p_errors"), value(&outcome, "p_age")), (1.0, 600.0));
    workspace.write("api.log", "2026-11-19 21:00:00 old\n2026-11-19 21:50:00 error\n");
    let local = log(&workspace, "window: 30m, timezone: America/New_York");
    assert_eq!((value(&local, "p_errors"), value(&local, "p_age")), (1.0, 600.0));
    workspace.write("api.log", "{\"level\": \"error\", \"ts\": \"2026-11-20T02:10:00Z\"}\n".repeat(2));
    let json = log(&workspace, "window: 1h, sparse: true, time_at: '\"ts\": \"([^\"]+)\"'");
    assert_eq!((value(&json, "p_errors"), value(&json, "p_any")), (2.0, 2.0));
}

#[test]
fn silence_is_broken_by_one_line() {
    let workspace = Workspace::new();
    let ask = || {
        workspace.measure(
            "{log: {file: trades.log, sparse: true, silent_since: {file: halt.json, pointer: /halted_at}}}",
        )
    };
    workspace.write("trades.log", "2026-11-20T01:00:00Z bought\n2026-11-20T02:00:00Z sold\n");
    assert!(reason(&ask(), "p_since").contains("since when it is to be silent is not known"));
    assert_eq!(value(&ask(), "p_age"), 3600.0, "the rest is known");
    let halt = |at: &str| workspace.write("halt.json", format!("{{\"halted_at\": \"{at}\"}}"));
    halt("2026-11-20T02:00:00Z");
    assert_eq!(value(&ask(), "p_since"), 0.0);
    halt("2026-11-20T01:59:59.5Z");
    assert_eq!(value(&ask(), "p_since"), 1.0);
    halt("2026-11-20T00:00:00Z");
    assert_eq!(value(&ask(), "p_since"), 2.0);
    halt("2026-11-20T09:00:00Z");
    assert!(reason(&ask(), "p_since").contains("in the future"));
    halt("soon");
    assert!(reason(&ask(), "p_since").contains("halt.json"));
    workspace.write("halt.json", "{}");
    assert!(reason(&ask(), "p_since").contains("no text at /halted_at"));
    halt("2026-11-20T02:30:00Z");
    std::fs::remove_file(workspace.root().join("trades.log")).unwrap();
    assert_eq!(reason(&ask(), "p_since"), "trades.log does not exist", "gone is not silent");
    workspace.write("trades.log", "");
    assert_eq!(value(&ask(), "p_since"), 0.0, "nothing was ever written, and it may be so");
    let only = || {
        workspace.measure(
            "{log: {file: trades.log, sparse: true, silent_since: {file: stop.json, pointer: /at, only_while_silent: \
             true}, emits: {trades_while_stopped: since}}}",
        )
    };
    workspace.write("trades.log", "2026-11-20T02:00:00Z sold\n");
    assert_eq!(value(&only(), "trades_while_stopped"), 0.0, "nothing is stopped");
    assert!(fact(&only(), "silent since").contains("does not have to be silent"));
    workspace.write("stop.json", "{\"at\": \"2026-11-20T01:00:00Z\"}");
    assert_eq!(value(&only(), "trades_while_stopped"), 1.0);
    workspace.write("stop.json", "{\"at\": null}");
    assert!(
        reason(&only(), "trades_while_stopped").contains("no text at /at"),
        "there is a file, and it says nothing"
    );
    workspace.write("halt.json", "{}");
    let modified = workspace.now - chrono::TimeDelta::minutes(30);
    let file = std::fs::File::options().write(true).open(workspace.root().join("halt.json")).unwrap();
    file.set_modified(modified.into()).unwrap();
    workspace.write("trades.log", "2026-11-20T02:29:00Z sold\n2026-11-20T02:31:00Z sold\n");
    let outcome = workspace.measure("{log: {file: trades.log, silent_since: {file: halt.json}}}");
    assert_eq!(
        (value(&outcome, "p_since"), fact(&outcome, "silent since")),
        (1.0, "2026-11-20T02:30:00Z".into())
    );
}
