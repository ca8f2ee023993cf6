//! Rounds of `irctl check` as cron runs them: limits, order, parts, locks, heartbeats, metrics, and what is news.

mod support;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::Workspace;
use support::http::Server;

const SCHEME: &str = "\
scheme: small
levels: {P0: {name: Critical, verdict: CRIT}, P1: {name: High, verdict: WARN}}
metrics: {load: {unit: ratio}}
rules:
  - {id: overloaded, level: P0, when: load > 90%, symptom: load}
  - {id: busy, level: P1, when: load > 70%, symptom: load}
";

/// A workspace with these settings and services; each measures `load` from a file of its name.
fn workspace(settings: &str, services: &[&str]) -> Workspace {
    let workspace = Workspace::empty();
    workspace.write("config/irctl.yaml", format!("workspace: rila\n{settings}"));
    workspace.write("config/severity/small.yaml", SCHEME);
    for name in services {
        let probe = format!("json: {{file: {name}.json, pointer: /load, unit: ratio}}");
        service(&workspace, name, &probe, "");
        load(&workspace, name, "0.5");
    }
    workspace
}

fn service(workspace: &Workspace, name: &str, probe: &str, more: &str) {
    let text =
        format!("service: {name}\nkind: service\nscheme: small\nprobes: {{load: {{{probe}}}}}\n{more}");
    workspace.write(format!("config/services/{name}.yaml"), text);
}

fn load(workspace: &Workspace, name: &str, value: &str) {
    workspace.write(format!("{name}.json"), format!("{{\"load\": {value}}}"));
}

/// A server that takes connections and never answers.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (listener, address)
}

fn asks(url: &str) -> String {
    format!("prometheus: {{url: '{url}', query: up, metric: load, unit: ratio, timeout: 60s}}")
}

/// Runs in the background and ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn started(workspace: &Workspace, arguments: &[&str]) -> Running {
    let mut command = workspace.command(arguments);
    Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn verdicts(round: &serde_json::Value) -> Vec<(String, String)> {
    let services = round["services"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    services.map(|service| (text(&service["service"]), text(&service["verdict"]))).collect()
}

#[test]
fn a_probe_that_hangs_is_unknown_and_keeps_nobody_waiting() {
    let (_listener, url) = silent();
    let workspace = workspace("", &["good"]);
    service(&workspace, "asking", &asks(&url), "timeouts: {load: 1s}\n");
    let sleeps = "command: {argv: [sleep, '60'], timeout: 60s}}, \
                  extra: {json: {file: good.json, pointer: /load, unit: ratio, metric: load}";
    service(&workspace, "running", sleeps, "timeouts: {load: 1s}\n");
    let begun = Instant::now();
    let run = workspace.irctl(&["check", "--output", "json"]).expect(3);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let round = run.json();
    assert_eq!(
        verdicts(&round).iter().map(|(_, verdict)| verdict.as_str()).collect::<Vec<_>>(),
        ["UNKNOWN", "OK", "OK"]
    );
    let asking = &round["services"][0];
    assert_eq!(asking["overrun"][0], "load");
    assert_eq!(asking["probes"][0]["problems"][0]["reason"], "not measured: it took longer than 1s");
    let running = &round["services"][2]["probes"][1];
    assert!(running["problems"][0]["reason"].as_str().unwrap().contains("ended with a timeout"), "{running}");
    let text = workspace.irctl(&["check"]).expect(3).stdout;
    assert!(text.contains("probe load: not measured: it took longer than 1s"), "{text}");
}

#[test]
fn at_the_deadline_what_is_not_measured_is_unknown() {
    let (_listener, url) = silent();
    let workspace = workspace("check: {timeout: 50s, jobs: 1}\n", &["zoo"]);
    for name in ["a", "b", "c"] {
        service(&workspace, name, &asks(&url), "");
    }
    let begun = Instant::now();
    let run = workspace.irctl(&["check", "--deadline", "1s", "--output", "json"]).expect(3);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let round = run.json();
    let found = verdicts(&round);
    assert_eq!(found.len(), 4, "every service is in the round: {found:?}");
    assert!(found.iter().all(|(_, verdict)| verdict == "UNKNOWN"), "{found:?}");
    for service in round["services"].as_array().unwrap() {
        let reason = service["probes"][0]["problems"][0]["reason"].as_str().unwrap();
        assert_eq!(reason, "not measured: the round's deadline had passed");
    }
}

#[test]
fn containing_one_service_waits_for_no_probe_of_another() {
    let (_listener, url) = silent();
    let workspace = Workspace::variant("sign-flip");
    workspace.write("config/severity/small.yaml", SCHEME);
    service(&workspace, "asking", &asks(&url), "");
    let mut running = started(&workspace, &["check", "--jobs", "2"]);
    eventually("contained", || workspace.read("config/rollout.yml").contains("mode: disabled"));
    assert!(running.0.try_wait().unwrap().is_none(), "the other service is still asked");
}

#[test]
fn the_answer_is_the_same_however_many_measure() {
    let names: Vec<String> = (0..24).map(|number| format!("s{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut answers = BTreeSet::new();
    for jobs in ["1", "2", "8"] {
        let workspace = workspace("", &names);
        load(&workspace, "s03", "0.99");
        load(&workspace, "s11", "0.8");
        load(&workspace, "s17", "null");
        let round = workspace.irctl(&["check", "--jobs", jobs, "--output", "json"]).expect(2).json();
        let services: Vec<_> = round["services"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| serde_json::json!([one["service"], one["verdict"], one["incidents"]]))
            .collect();
        answers.insert(serde_json::json!([round["verdict"], round["changes"], services]).to_string());
    }
    assert_eq!(answers.len(), 1, "{answers:#?}");
}

#[test]
fn parts_cover_every_service_once_and_say_which_they_are() {
    let names: Vec<String> = (0..20).map(|number| format!("service-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let workspace = workspace("", &names);
    let mut seen = Vec::new();
    for part in ["1/3", "2/3", "3/3"] {
        let screen = workspace.irctl(&["--output", "json"]).json();
        assert_eq!(
            screen["last_round"],
            serde_json::Value::Null,
            "not everything was looked at before {part}"
        );
        let round = workspace.irctl(&["check", "--shard", part, "--output", "json"]).expect(0).json();
        assert_eq!(format!("{}/{}", round["shard"]["number"], round["shard"]["of"]), part);
        seen.extend(verdicts(&round).into_iter().map(|(service, _)| service));
        let text = workspace.irctl(&["check", "--shard", part]).expect(0).stdout;
        assert!(text.starts_with(&format!("shard {part}: ")), "{text}");
    }
    let all: BTreeSet<_> = seen.iter().cloned().collect();
    assert_eq!((seen.len(), all.len()), (20, 20), "{seen:?}");
    let screen = workspace.irctl(&["--output", "json"]).expect(0).json();
    assert_eq!(screen["last_round"], "2026-11-20T03:07:00Z");
    let empty = (1..=8).map(|number| format!("{number}/32"));
    let statuses: BTreeSet<i32> =
        empty.map(|part| workspace.irctl(&["check", "--shard", &part, "--quiet"]).status).collect();
    assert_eq!(statuses, BTreeSet::from([0, 3]), "a part without services is not OK");
    for wrong in ["0/3", "4/3", "x", "1/9999"] {
        workspace.irctl(&["check", "--shard", wrong]).expect(64);
    }
}

#[test]
fn whoever_is_kept_out_learns_by_whom_and_so_does_everybody() {
    let (_listener, url) = silent();
    let workspace = workspace("cadence: 5m\n", &["good"]);
    service(&workspace, "asking", &asks(&url), "");
    let running = started(&workspace, &["check"]);
    let screen = || workspace.irctl(&["--output", "json"]).json();
    eventually("a round runs", || screen()["running"][0]["run"].is_string());
    workspace.set_clock("2026-11-20T03:12:00Z");
    let run = workspace.irctl(&["check", "--output", "json"]).expect(75);
    let error: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
    let holder = &error["error"]["details"]["holder"];
    assert_eq!(holder["process"]["pid"], running.0.id());
    assert_eq!(holder["since"], "2026-11-20T03:07:00Z");
    let text = workspace.irctl(&["check"]).expect(75).stderr;
    let run = holder["run"].as_str().unwrap();
    let said = format!("{run} (process {} on ", running.0.id());
    assert!(text.contains(&said) && text.contains("since 03:07 UTC"), "{text}");
    let text = workspace.irctl(&[]).stdout;
    assert!(text.contains(&said), "{text}");
    assert!(text.contains("2 rounds were kept out by"), "{text}");
    assert_eq!(screen()["overlaps"]["count"], 2);
    drop(running);
    assert_eq!(screen()["running"], serde_json::json!([]), "who is dead runs nothing");
    workspace.irctl(&["check", "--service", "good"]).expect(0);
    assert_eq!(screen()["overlaps"], serde_json::Value::Null);
}

/// What is left of a database after somebody wrote over it.
fn break_store(workspace: &Workspace) {
    let database = workspace.state().join("irctl.sqlite");
    std::fs::write(&database, "no database".repeat(1000)).unwrap();
    for end in ["wal", "shm"] {
        let _ = std::fs::remove_file(database.with_extension(format!("sqlite-{end}")));
    }
}

fn lines(server: &Server) -> Vec<String> {
    server.requests().iter().map(|request| request.line.clone()).collect()
}

#[test]
fn a_heartbeat_says_how_a_round_ended() {
    let server = Server::start(|_, _| (200, "OK".to_owned()));
    let workspace = workspace("check: {heartbeat: {url: 'env:HEARTBEAT'}}\n", &["good"]);
    let url = format!("{}/ping/token-1234", server.url());
    let check = |arguments: &[&str]| workspace.irctl_with(&[("HEARTBEAT", url.as_str())], arguments);
    check(&["check", "--quiet"]).expect(0);
    assert_eq!(lines(&server), ["POST /ping/token-1234/start HTTP/1.1", "POST /ping/token-1234 HTTP/1.1"]);
    assert!(server.requests()[1].body.contains(": OK, 1 services"), "{:?}", server.requests()[1]);
    load(&workspace, "good", "0.99");
    check(&["check", "--quiet"]).expect(2);
    assert_eq!(lines(&server)[3], "POST /ping/token-1234/fail HTTP/1.1");
    assert!(server.requests()[3].body.contains(": CRIT, "), "{:?}", server.requests()[3]);
    // Without a place for state, no round can be run.
    break_store(&workspace);
    check(&["check", "--quiet"]).expect(69);
    assert_eq!(lines(&server).last().unwrap(), "POST /ping/token-1234/fail HTTP/1.1");
}

#[test]
fn a_watcher_that_does_not_answer_holds_nothing_up_and_is_said_once() {
    let (_listener, url) = silent();
    let workspace = workspace("check: {heartbeat: {url: 'env:HEARTBEAT', timeout: 1s}}\n", &["good"]);
    let variables = [("HEARTBEAT", url.as_str())];
    let begun = Instant::now();
    let run = workspace.irctl_with(&variables, &["check"]).expect(0);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert!(run.stdout.contains("the heartbeat could not be sent"), "{}", run.stdout);
    let run = workspace.irctl_with(&variables, &["check", "--quiet"]).expect(0);
    assert_eq!(run.stdout, "", "it was said already");
    let run = workspace.irctl(&["check", "--quiet"]).expect(0);
    assert!(run.stdout.contains("HEARTBEAT"), "the variable is not set: {}", run.stdout);
}

fn promtool(text: &str) -> String {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool comes with prometheus");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    if output.status.success() { said } else { format!("{}: {said}", output.status) }
}

#[test]
fn metrics_are_what_prometheus_reads() {
    let workspace = workspace("check: {textfile: metrics/irctl.prom}\n", &["good", "bad", "dark"]);
    std::fs::create_dir(workspace.path("metrics")).unwrap();
    load(&workspace, "bad", "0.99");
    load(&workspace, "dark", "null");
    workspace.irctl(&["check", "--quiet"]).expect(2);
    let text = workspace.read("metrics/irctl.prom");
    assert_eq!(promtool(&text), "", "{text}");
    for line in [
        "irctl_last_run 1795144020",
        "irctl_last_success 1795144020",
        "irctl_last_run_failed 0",
        "irctl_verdict 2",
        "irctl_services 3",
        "irctl_services_unknown 1",
        "irctl_service_verdict{service=\"bad\"} 2",
        "irctl_service_verdict{service=\"dark\"} 3",
        "irctl_service_verdict{service=\"good\"} 0",
        "irctl_service_incidents{service=\"bad\"} 1",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
    let entries: Vec<_> = std::fs::read_dir(workspace.path("metrics")).unwrap().collect();
    assert_eq!(entries.len(), 1, "nothing is left beside it");

    break_store(&workspace);
    workspace.set_clock("2026-11-20T03:22:00Z");
    workspace.irctl(&["check", "--quiet"]).expect(69);
    let text = workspace.read("metrics/irctl.prom");
    assert_eq!(promtool(&text), "", "{text}");
    assert!(text.contains("irctl_last_run 1795144920\n"), "{text}");
    assert!(text.contains("irctl_last_success 1795144020\n"), "{text}");
    assert!(text.contains("irctl_last_run_failed 1\n"), "{text}");

    let other = self::workspace("", &["a", "b", "c"]);
    other.irctl(&["check", "--quiet", "--shard", "1/1", "--textfile", "part.prom"]).expect(0);
    let text = other.read("part.prom");
    assert_eq!(promtool(&text), "");
    assert!(text.contains("irctl_service_verdict{shard=\"1/1\",service=\"a\"} 0\n"), "{text}");
    let run = other.irctl(&["check", "--textfile", "no/such/folder/x.prom"]).expect(0);
    assert!(run.stdout.contains("the metrics could not be written"), "{}", run.stdout);
}

#[test]
fn with_quiet_there_is_one_line_for_each_change_and_nothing_otherwise() {
    let workspace = workspace("", &["a", "b", "c"]);
    let quiet = |minute: u32, status: i32| {
        workspace.set_clock(&format!("2026-11-20T03:{minute:02}:00Z"));
        workspace.irctl(&["check", "--quiet"]).expect(status).stdout
    };
    assert_eq!(quiet(7, 0), "");
    load(&workspace, "b", "0.8");
    load(&workspace, "c", "null");
    let said = quiet(8, 3);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].starts_with("b: INC-20261120-030800 opened as P1: b: load"), "{said}");
    assert!(lines[1].starts_with("c: OK → UNKNOWN: "), "{said}");
    assert_eq!(quiet(9, 3), "", "nothing changed");
    load(&workspace, "b", "0.99");
    load(&workspace, "c", "0.5");
    let said = quiet(10, 2);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].starts_with("b: INC-20261120-030800 raised to P0"), "{said}");
    assert_eq!(lines[1], "c: UNKNOWN → OK");
    assert_eq!(quiet(11, 2), "");
    workspace.write("config/notify.yaml", "nonsense: [\n");
    let said = quiet(12, 2);
    assert_eq!(said.lines().filter(|line| line.contains("config/notify.yaml")).count(), 1, "{said}");
    assert_eq!(quiet(13, 2), "", "said once");
    let run = workspace.irctl(&["check", "--quiet"]).expect(2);
    assert_eq!(run.stderr, "", "cron would mail it");
}

#[test]
fn what_a_rollback_lacks_is_said_when_it_is_news() {
    let workspace = Workspace::healthy();
    let file = "config/services/rila_6y20b.yaml";
    let text = workspace.read(file).replacen("rollback:\n", "rollback:\n  drill: {every: 7d}\n", 1);
    workspace.write(file, text);
    let first = workspace.irctl(&["check", "--quiet"]).expect(1).stdout;
    assert_eq!(first.lines().filter(|line| line.contains("not ready: ")).count(), 1, "{first}");
    assert_eq!(workspace.irctl(&["check", "--quiet"]).expect(1).stdout, "", "a stale drill is no news");
    let full = workspace.irctl(&["check"]).expect(1).stdout;
    assert!(full.contains("not ready"), "whoever looks is told: {full}");
}

#[test]
fn a_connection_that_breaks_is_tried_once_more() {
    let answer = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1795144020,"0.5"]}]}}"#;
    for (broken, status) in [(1, 0), (2, 3)] {
        let server =
            Server::start(
                move |_, number| {
                    if number < broken { (0, String::new()) } else { (200, answer.to_owned()) }
                },
            );
        let workspace = workspace("", &[]);
        service(&workspace, "asking", &asks(&server.url()), "");
        workspace.irctl(&["check"]).expect(status);
        assert_eq!(server.requests().len(), 2);
    }
    let refusing = Server::start(|_, _| (503, "no".to_owned()));
    let workspace = workspace("", &[]);
    service(&workspace, "asking", &asks(&refusing.url()), "");
    workspace.irctl(&["check"]).expect(3);
    assert_eq!(refusing.requests().len(), 1, "an answer is an answer");
}

/// The first line of the screen, and the whole of it.
fn screen(workspace: &Workspace, status: i32) -> (String, String) {
    let text = workspace.irctl(&[]).expect(status).stdout;
    (text.lines().next().unwrap_or_default().to_owned(), text)
}

#[test]
fn what_a_round_could_not_decide_is_not_ok_on_the_screen() {
    let workspace = workspace("", &["desk", "vault"]);
    let (first, text) = screen(&workspace, 3);
    assert!(first.contains("UNKNOWN") && first.contains("never checked"), "{text}");
    assert!(text.contains("Next: irctl check\n") && !text.contains("desk"), "{text}");
    workspace.irctl(&["check"]).expect(0);
    assert!(screen(&workspace, 0).0.contains("OK"));
    load(&workspace, "desk", "null");
    workspace.irctl(&["check", "--quiet"]).expect(3);
    let (first, text) = screen(&workspace, 3);
    assert!(first.contains("UNKNOWN"), "{text}");
    assert!(text.contains("desk UNKNOWN: load: /load is null, not a number"), "{text}");
    assert!(text.contains("Next: irctl check --service desk"), "{text}");
    let round = workspace.irctl(&["--output", "json"]).expect(3).json();
    assert_eq!(round["not_good"][0]["service"], "desk");
    // It is decided again; and what nobody has looked at is not OK.
    load(&workspace, "desk", "0.1");
    workspace.irctl(&["check", "--service", "desk"]).expect(0);
    assert!(screen(&workspace, 0).0.contains("OK"));
    service(&workspace, "till", "json: {file: till.json, pointer: /load, unit: ratio}", "");
    load(&workspace, "till", "0.1");
    let (_, text) = screen(&workspace, 3);
    assert!(text.contains("till UNKNOWN: it was not looked at yet"), "{text}");
    // What has errors is not looked at, and says so.
    let text = workspace.read("config/services/till.yaml");
    workspace.write("config/services/till.yaml", text.replace("kind: service", "kind: desk"));
    let (_, shown) = screen(&workspace, 3);
    assert!(shown.contains("config/services/till.yaml has errors and was left out"), "{shown}");
    assert!(shown.contains("Next: irctl config check"), "{shown}");
    workspace.write("config/services/till.yaml", text);
    // In parts it is the same.
    load(&workspace, "vault", "null");
    for part in ["1/2", "2/2"] {
        workspace.irctl(&["check", "--quiet", "--shard", part]);
    }
    let (_, text) = screen(&workspace, 3);
    assert!(text.contains("vault UNKNOWN") && !text.contains("till"), "{text}");
}

#[test]
fn limits_that_cannot_be_meant_are_found() {
    let workspace =
        workspace("cadence: 5m\ncheck: {timeout: 0s, deadline: 10m, heartbeat: {timeout: 1s}}\n", &["good"]);
    service(&workspace, "other", "file: {file: x}", "timeouts: {laod: 5s}\n");
    let run = workspace.irctl(&["config", "check"]).expect(78);
    let said = run.stdout + &run.stderr;
    for part in [
        "nothing can be measured within no time",
        "keeps out the next one",
        "the heartbeat has no address",
        "other has no probe `laod`",
        "did you mean `load`?",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
}

#[test]
fn when_everything_fails_at_once_people_are_told_once() {
    let names: Vec<String> = (0..40).map(|number| format!("s{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let workspace = workspace("", &names);
    let server = Server::start(|_, _| (200, "ok".to_owned()));
    let url = server.url();
    let hook = [("HOOK", url.as_str())];
    workspace.write(
        "config/notify.yaml",
        "channels: {people: {slack: {url: 'env:HOOK'}}, few: {file: {path: few.jsonl}}, all: {file: {path: all.jsonl}}}\n\
         routes: [{services: [s00, s01, s02], channels: [few], continue: true}]\ndefault: [people, all]\n",
    );
    // The most urgent of them fails last.
    names.iter().for_each(|name| load(&workspace, name, if *name == "s39" { "0.99" } else { "0.8" }));
    let round = workspace.irctl_with(&hook, &["check", "--quiet"]);
    assert_eq!(round.status, 2, "{}", round.stdout);
    assert_eq!(round.stdout.lines().filter(|line| line.contains(" opened as P")).count(), 40);
    let lines = |name: &str| {
        let text = std::fs::read_to_string(workspace.path(name)).unwrap();
        text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(lines("few.jsonl").len(), 3, "a few are told one by one");
    assert_eq!(lines("all.jsonl").len(), 37, "a program is told of each");
    let told: Vec<serde_json::Value> =
        server.requests().iter().map(|request| serde_json::from_str(&request.body).unwrap()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["text"], "*[P0 × 1, P1 × 36] 37 messages at once about 37 services*");
    let text = told[0]["attachments"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("incident-opened × 37") && text.contains("and 17 more: irctl incident list"),
        "{text}"
    );
    assert!(text.lines().nth(1).is_some_and(|first| first.contains("s39")), "{text}");
    // Each incident knows that it was told, and in the next round nothing is told again.
    let incidents = workspace.irctl(&["incident", "list", "--output", "json"]).json();
    assert_eq!(incidents.as_array().unwrap().len(), 40);
    assert_eq!(workspace.irctl_with(&hook, &["check", "--quiet"]).stdout, "");
    assert_eq!((server.requests().len(), lines("all.jsonl").len()), (1, 37));
}

/// Somebody takes an incident for settled while its cause goes on.
#[test]
fn what_is_critical_without_an_open_incident_is_on_the_screen() {
    let workspace = workspace("", &["desk", "vault"]);
    load(&workspace, "desk", "0.95");
    workspace.irctl(&["check", "--quiet"]).expect(2);
    let id = workspace.irctl(&["incident", "list", "--output", "json"]).json()[0]["incident"]["id"].clone();
    workspace.irctl(&["incident", "cancel", id.as_str().unwrap(), "--reason", "a drill"]).expect(0);
    workspace.irctl(&["check", "--quiet"]).expect(2);
    let (first, text) = screen(&workspace, 2);
    assert!(first.contains("CRIT"), "{text}");
    assert!(text.contains("desk CRIT: load 95 % > 90 %"), "{text}");
    assert!(text.contains("Next: irctl check --service desk"), "{text}");
}

/// What was found stands even where the round dies before it says so; the next one then says it.
#[test]
fn a_round_that_dies_leaves_nothing_ok_that_it_found_bad() {
    let prepared = || {
        let workspace = workspace("", &["desk", "vault"]);
        workspace.irctl(&["check", "--quiet"]).expect(0);
        assert!(screen(&workspace, 0).0.contains("OK"));
        load(&workspace, "desk", "null");
        workspace
    };
    let other = prepared();
    let log = other.path("points");
    other.irctl_with(&[("IRCTL_TEST_FAULT_LOG", log.to_str().unwrap())], &["check", "--quiet"]).expect(3);
    let points = std::fs::read_to_string(log).unwrap();
    let number = points.lines().position(|point| point.contains("check:delivered")).unwrap() + 1;
    let workspace = prepared();
    let kill = workspace.irctl_with(&[("IRCTL_TEST_FAULT", &number.to_string())], &["check", "--quiet"]);
    assert!(![0, 1, 2, 3].contains(&kill.status) && kill.stdout.is_empty(), "{kill:?}");
    let (_, text) = screen(&workspace, 3);
    assert!(text.contains("desk UNKNOWN: load: /load is null, not a number"), "{text}");
    let said = workspace.irctl(&["check", "--quiet"]).expect(3).stdout;
    assert!(said.starts_with("desk: OK → UNKNOWN: ") && said.lines().count() == 1, "{said}");
}

/// Whoever is told that a round is over may be slow; what another round found meanwhile is newer.
#[test]
fn what_a_later_round_found_is_not_overwritten() {
    let (listener, address) = silent();
    let workspace =
        workspace("check: {heartbeat: {url: 'env:HEARTBEAT', timeout: 6s}}\n", &["desk", "vault"]);
    let mut slow = workspace.command(&["check", "--quiet"]);
    let mut slow = Running(slow.env("HEARTBEAT", address).stdout(Stdio::null()).spawn().unwrap());
    let _begun = listener.accept().unwrap();
    // It has looked at everything once it keeps nobody out any more.
    eventually("the first round lets others in", || {
        workspace.irctl(&["check", "--quiet", "--service", "desk"]).status == 0
    });
    load(&workspace, "desk", "null");
    workspace.irctl(&["check", "--quiet", "--service", "desk"]).expect(3);
    assert!(slow.0.try_wait().unwrap().is_none(), "it still waits for its watcher");
    slow.0.wait().unwrap();
    let (_, text) = screen(&workspace, 3);
    assert!(text.contains("desk UNKNOWN"), "{text}");
}
