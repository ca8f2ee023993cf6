//! `irctl classify`, driven from outside.

use assert_cmd::Command;
use serde_json::{Value, json};
use std::fmt::Write as _;

const SPIKE: &str = r#"{"alert_name": "Error spike", "description": "5xx on every second request",
  "affected_services": ["checkout", "search"],
  "metrics": {"error_rate": 0.12, "availability": 0.97, "eror_rate": 1, "latency_p95": 300}}"#;

/// irctl in an empty directory, with nothing of this machine around it.
fn irctl(arguments: &[&str]) -> Command {
    let empty = std::env::temp_dir();
    let mut command = Command::cargo_bin("irctl").unwrap();
    command.env_clear().env("IRCTL_TEST_CLOCK", "2026-11-20T03:00:00Z").env("IRCTL_ACTOR", "tester");
    command.current_dir(empty).arg("classify").args(arguments);
    command
}

struct Ended {
    status: i32,
    out: String,
    err: String,
}

fn run(arguments: &[&str], stdin: &[u8]) -> Ended {
    let output = irctl(arguments).write_stdin(stdin).output().unwrap();
    Ended {
        status: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn text_explains() {
    insta::assert_snapshot!(run(&[], SPIKE.as_bytes()).out);
}

#[test]
fn lines_give_one_line_of_text_each() {
    let spike = SPIKE.replace('\n', "");
    let input = format!(
        "{spike}\n{{\"metrics\":{{}}}}\n{{\"alert_name\":\"a\\u001bb\",\"metrics\":{{\"accuracy_drop\":0.3}}}}\n"
    );
    insta::assert_snapshot!(run(&[], input.as_bytes()).out);
}

#[test]
fn text_of_a_rila_week() {
    let found =
        run(&["--scheme", "rila", "--metric", "mape_weekly=31%", "--metric", "predictions_exists=true"], b"");
    insta::assert_snapshot!(found.out);
}

#[test]
fn one_alert_is_an_indented_object() {
    let found = run(&["--output", "json"], SPIKE.as_bytes());
    assert_eq!((found.status, found.err.as_str()), (0, ""));
    insta::assert_snapshot!(found.out);
}

#[test]
fn arrays_give_arrays_and_lines_give_lines() {
    let compact = SPIKE.replace('\n', "");
    let array = run(&["--output", "json"], format!("[{SPIKE},\n{SPIKE}]").as_bytes());
    let values: Vec<Value> = serde_json::from_str(&array.out).unwrap();
    assert_eq!(values.len(), 2);
    assert_eq!(values[0]["level"], "P1");
    let lines = run(&["--output", "json"], format!("{compact}\n\n{compact}\r\n{compact}").as_bytes());
    let values = objects(&lines.out);
    assert_eq!(values.len(), 3);
    for value in values {
        for key in ["level", "scheme", "rules", "undecided"] {
            assert!(!value[key].is_null(), "{key}");
        }
    }
    assert_eq!(run(&["--output", "json"], b"[]").status, 65, "nothing to classify is not good news");
    // Indented documents one after the other are lines, too.
    let several = run(&["--output", "json"], format!("{SPIKE}\n{SPIKE}").as_bytes());
    assert_eq!(objects(&several.out).len(), 2);
}

#[test]
fn a_file_whose_name_says_jsonl_is_jsonl() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("one.jsonl");
    std::fs::write(&path, r#"{"metrics": {"availability": 0.1}}"#).unwrap();
    let found = run(&["--output", "json", path.to_str().unwrap()], b"");
    assert_eq!(objects(&found.out).len(), 1);
    let other = run(&["-C", directory.path().to_str().unwrap(), "one.jsonl"], b"");
    assert_eq!(other.out, "P0 CRIT: availability-outage, availability 10 % < 50 % (40 points under)\n");
}

#[test]
fn a_bad_line_is_named_and_does_not_stop_the_others() {
    let good = r#"{"metrics": {"error_rate": 0.6}}"#;
    let input =
        format!("{good}\n{{\"metrics\": {{\"error_rate\" 1}}}}\n[1]\n\"x\"\n{{\"alert_name\": 5}}\n{good}\n");
    let found = run(&["--output", "json"], input.as_bytes());
    assert_eq!(found.status, 65);
    assert_eq!(objects(&found.out).len(), 2);
    assert_eq!(objects(&found.out)[1]["level"], "P0");
    for says in [
        "warning: line 2, column 27: expected `:`",
        "line 3, column 1: invalid type: sequence",
        "line 4, column 3: invalid type: string",
        "line 5, column 16: invalid type: integer",
        "4 of 6 alerts could not be read",
    ] {
        assert!(found.err.contains(says), "{says}\n{}", found.err);
    }
    let text = run(&[], input.as_bytes());
    let expected = "P0 CRIT: error-rate-outage, error_rate 60 % > 50 % (10 points over)\n";
    assert_eq!((text.status, text.out), (65, expected.repeat(2)));
    let mut bytes = good.as_bytes().to_vec();
    bytes.extend(b"\n{\"alert_name\": \"\xff\"}\n");
    assert!(run(&[], &bytes).err.contains("line 2, column 17: this is not UTF-8 text"));
}

#[test]
fn bad_documents_are_named_with_line_and_column() {
    for (input, says) in [
        ("{\n  \"metrics\": {\"error_rate\": 0.6,}\n}", "line 2, column 33: key must be a string"),
        ("[{\"metrics\": {}}, {]", "line 1, column 20"),
        ("{\"metrics\": {\"error_rate\": NaN}}", "line 1, column 28: expected value"),
        ("", "there is no alert in the input"),
        ("   \n ", "there is no alert in the input"),
        ("nonsense", "line 1, column 2"),
        ("[{\"metrics\": {}},\n 5]", "line 2, column 2: invalid type: integer"),
        ("{\"metrics\": [1]}", "line 1, column 13: invalid type: sequence"),
    ] {
        let found = run(&[], input.as_bytes());
        assert_eq!(found.status, 65, "{input}");
        assert!(found.err.contains(says), "{input}: {}", found.err);
    }
    let error = run(&["--output", "json"], b"{]").err;
    assert_eq!(serde_json::from_str::<Value>(&error).unwrap()["error"]["code"], "invalid-data");
}

#[test]
fn metrics_on_the_command_line() {
    let level = |metrics: &[&str]| {
        let mut arguments = vec!["--output", "json"];
        metrics.iter().for_each(|metric| arguments.extend(["--metric", metric]));
        let found = run(&arguments, b"");
        let value: Value = serde_json::from_str(&found.out).unwrap_or_else(|_| panic!("{}", found.err));
        (value["level"].clone(), value["at_least"].clone())
    };
    assert_eq!(level(&["error_rate=0.6"]), (json!("P0"), json!(false)));
    assert_eq!(level(&["error_rate=60%"]), (json!("P0"), json!(false)));
    assert_eq!(level(&["error_rate=60"]), (json!("P4"), json!(true)), "60 is no ratio");
    assert_eq!(level(&["crash_loop=true"]), (json!("P0"), json!(false)));
    assert_eq!(
        level(&["error_rate=0", "availability=1", "accuracy_drop=0", "latency_increase_pct=0"]),
        (json!("P4"), json!(false))
    );
    assert_eq!(run(&["--metric", "error_rate"], b"").status, 64);
    assert_eq!(run(&["--metric", "error_rate=0.1", "--metric", "error_rate=0.2"], b"").status, 64);
    assert_eq!(run(&["--metric", "error_rate=0.1", "file"], b"").status, 64);
}

#[test]
fn the_exit_status_is_the_verdict_only_where_asked() {
    for (metrics, status) in [
        ("{\"error_rate\": 0.6}", 2),
        ("{\"error_rate\": 0.06, \"availability\": 1}", 1),
        ("{}", 3),
        ("{\"error_rate\": 0, \"availability\": 1, \"accuracy_drop\": 0, \"latency_increase_pct\": 0}", 0),
    ] {
        let alert = format!("{{\"metrics\": {metrics}}}");
        assert_eq!(run(&["--exit-code"], alert.as_bytes()).status, status, "{metrics}");
        assert_eq!(run(&[], alert.as_bytes()).status, 0, "{metrics}");
    }
    let lines = "{\"metrics\": {\"error_rate\": 0.06}}\n{\"metrics\": {}}\n";
    assert_eq!(run(&["--exit-code"], lines.as_bytes()).status, 3, "the worst of all");
}

#[test]
fn an_unknown_scheme_or_file_says_what_is_there() {
    let found = run(&["--scheme", "protocol25"], b"{}");
    assert!(found.err.contains("did you mean `protocol-25`?"), "{}", found.err);
    assert_eq!(run(&["no-such-file.json"], b"").status, 65);
}

#[test]
fn hostile_text_is_disarmed_in_text_and_kept_in_json() {
    let alert = json!({
        "alert_name": "\u{1b}[2Jred \u{202e}evil", "description": "a\nb\u{7}", "affected_services": ["\u{1b}]0;x"],
        "metrics": {"error_rate": "\u{1b}[31m", "\u{1b}[32mx": 1},
    });
    let text = run(&[], alert.to_string().as_bytes()).out;
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}') && !text.contains('\u{7}'), "{text}");
    let found = run(&["--output", "json"], alert.to_string().as_bytes()).out;
    assert!(!found.contains('\u{1b}'), "JSON escapes it");
    let value: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(value["alert_name"], alert["alert_name"]);
}

/// Enough lines for several blocks: every thread takes part, and the order stays.
#[test]
fn many_lines_keep_their_order_and_their_numbers() {
    let mut input = String::new();
    for index in 0..20_000 {
        let metrics =
            if index == 15_000 { "{bad".to_owned() } else { format!("{{\"error_rate\":0.{index:05}}}") };
        let _ = writeln!(input, "{{\"alert_name\":\"Alert {index}\",\"metrics\":{metrics}}}");
    }
    let found = run(&["--output", "json", "-"], input.as_bytes());
    assert_eq!(found.status, 65);
    assert!(found.err.contains("line 15001, column"), "{}", found.err);
    let names: Vec<usize> = objects(&found.out)
        .iter()
        .map(|value| value["alert_name"].as_str().unwrap().trim_start_matches("Alert ").parse().unwrap())
        .collect();
    let expected: Vec<usize> = (0..20_000).filter(|index| *index != 15_000).collect();
    assert_eq!(names, expected);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::io::Write as _;
    use std::process::Stdio;
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("irctl"))
        .args(["classify", "--output", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    for _ in 0..20_000 {
        if stdin.write_all(b"{\"metrics\":{\"error_rate\":0.5}}\n").is_err() {
            break;
        }
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
