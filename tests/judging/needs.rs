//! What needs what: probes of one service, and datasets that many services share.

use super::*;

const DATA: &str = "scheme: data\nlevels:\n  P0: {name: Broken, verdict: CRIT}\n  P1: {name: Late, verdict: WARN}\n\
    metrics:\n  feed_exists: {unit: flag}\n  feed_age: {unit: days, optional: true}\n\
    rules:\n  - {id: missing, level: P0, symptom: data, when: not feed_exists}\n  \
    - {id: late, level: P1, symptom: data, when: feed_age > 7 days}\n";

/// Twelve models on one dataset, each of which sees the same bad numbers.
fn twelve() -> Workspace {
    let workspace = shop("", "");
    std::fs::remove_file(workspace.path("config/services/shop.yaml")).unwrap();
    workspace.write("config/severity/data.yaml", DATA);
    workspace.write(
        "config/services/feed.yaml",
        "service: feed\nkind: dataset\nscheme: data\nprobes:\n  feed: {file: {file: feed.csv}}\n",
    );
    for number in 1..=12 {
        let name = format!("model_{number:02}");
        let service = SHOP.replace("service: shop\n", &format!("service: {name}\n"));
        let service = service
            + "needs: {errors: [dataset/feed]}\n"
            + "rollback:\n  contain:\n    - settings: {file: "
            + &name
            + ".yml, set: {mode: disabled}}\n";
        workspace.write(format!("{name}.yml"), "mode: active\n");
        workspace.write(format!("config/services/{name}.yaml"), service);
    }
    workspace
}

#[test]
fn twelve_models_on_a_broken_dataset_are_one_incident_that_names_them() {
    let workspace = twelve();
    workspace.write("feed.csv", "a,b\n1,2\n");
    at(&workspace, "03:00", 0.01);
    workspace.shell("touch -d 2026-11-20T02:00:00Z feed.csv");
    round(&workspace, 0);
    std::fs::remove_file(workspace.path("feed.csv")).unwrap();
    at(&workspace, "03:05", 0.50);
    let found = round(&workspace, 2);
    for number in 1..=12 {
        let name = format!("model_{number:02}");
        let (outcome, reason) = came_out(&found, &name, "errors");
        assert_eq!(outcome, "blocked", "{name}: {reason}");
        assert!(reason.starts_with("blocked by dataset/feed: P0 missing: feed_exists no"), "{reason}");
        // The harm is its own: it is stopped, without an incident of its own.
        assert_eq!(workspace.read(format!("{name}.yml")), "mode: disabled\n", "{name}");
    }
    let all = incidents(&workspace);
    assert_eq!(all.len(), 1, "{all:#?}");
    assert_eq!((all[0]["service"].as_str(), all[0]["symptom"].as_str()), (Some("feed"), Some("data")));
    let affected = all[0]["affected_services"].as_array().unwrap();
    assert_eq!(affected.len(), 12);
    assert_eq!(affected[0], "model_01");
    let screen = workspace.irctl(&[]).expect(2).stdout;
    assert!(screen.contains("affects    12 services: model_01, model_02"), "{screen}");
    // Whoever lets one of them go has the last word.
    workspace.irctl(&["release", "--service", "model_03", "--reason", "it does not read it"]).expect(0);
    at(&workspace, "03:10", 0.50);
    round(&workspace, 2);
    assert_eq!(workspace.read("model_03.yml"), "mode: active\n");
    assert_eq!(workspace.read("model_04.yml"), "mode: disabled\n");
    // Mended, each is judged by its own numbers again.
    workspace.write("feed.csv", "a,b\n1,2\n");
    workspace.shell("touch -d 2026-11-20T03:00:00Z feed.csv");
    at(&workspace, "03:15", 0.01);
    let found = round(&workspace, 0);
    assert_eq!(came_out(&found, "model_01", "errors").0, "missed");
}

#[test]
fn an_unknown_dataset_makes_nothing_ok_and_hides_no_match() {
    let workspace = twelve();
    // Neither there nor missing: nobody can tell.
    workspace.shell("mkdir feed.csv");
    at(&workspace, "03:00", 0.01);
    let found = round(&workspace, 3);
    let (outcome, reason) = came_out(&found, "model_01", "errors");
    assert_eq!(outcome, "blocked");
    assert!(reason.starts_with("blocked by dataset/feed: unknown: "), "{reason}");
    let verdicts: Vec<_> = found["services"].as_array().unwrap().iter().map(|one| &one["verdict"]).collect();
    assert_eq!((verdicts[0], verdicts[1]), (&Value::from("UNKNOWN"), &Value::from("BLOCKED")));
    at(&workspace, "03:05", 0.50);
    assert_eq!(came_out(&round(&workspace, 2), "model_01", "errors").0, "matched");
}

#[test]
fn one_service_is_checked_with_the_datasets_that_it_needs() {
    let workspace = twelve();
    at(&workspace, "03:00", 0.50);
    let run = workspace.irctl(&["check", "--service", "model_05", "--output", "json"]).expect(2).json();
    let names: Vec<_> = run["services"].as_array().unwrap().iter().map(|one| &one["service"]).collect();
    assert_eq!(names, ["feed", "model_05"]);
    assert_eq!(incidents(&workspace).len(), 1);
}

/// The dataset is asked by a program, which takes its time: until `go` is there, and forever where that never comes.
fn asked_by_a_program(workspace: &Workspace, more: &str) {
    let program = "until [ -e go ]; do sleep 0.05; done\n\
        [ -e feed.csv ]; echo \"{\\\"metrics\\\": {\\\"feed_exists\\\": $((1 - $?))}}\"\n";
    workspace.write("ask.sh", program);
    let service = format!(
        "service: feed\nkind: dataset\nscheme: data\n{more}probes:\n  feed: {{command: {{argv: [sh, ask.sh], \
         format: json, metrics: {{feed_exists: {{unit: flag}}}}, timeout: 60s}}}}\n"
    );
    workspace.write("config/services/feed.yaml", service);
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed().as_secs() < 60, "not within a minute: {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn who_needs_a_slow_dataset_waits_for_it_and_nobody_else_does() {
    let workspace = twelve();
    asked_by_a_program(&workspace, "");
    // The first by name needs nothing.
    let alone = SHOP.replace("service: shop\n", "service: alone\n")
        + "rollback:\n  contain:\n    - settings: {file: alone.yml, set: {mode: disabled}}\n";
    workspace.write("config/services/zoo.yaml", alone.replace("alone", "zoo"));
    workspace.write("zoo.yml", "mode: active\n");
    at(&workspace, "03:00", 0.50);
    std::thread::scope(|scope| {
        let check = scope.spawn(|| round(&workspace, 2));
        eventually("contained", || workspace.read("zoo.yml") == "mode: disabled\n");
        assert!(!check.is_finished(), "the dataset is still asked");
        assert_eq!(workspace.read("model_01.yml"), "mode: active\n", "how its dataset is, is not known yet");
        workspace.write("go", "");
        let found = check.join().unwrap();
        let names: Vec<_> = found["services"].as_array().unwrap().iter().map(|one| &one["service"]).collect();
        assert_eq!((names[0], names[1], names[13]), (&"feed".into(), &"model_01".into(), &"zoo".into()));
        assert_eq!(came_out(&found, "model_01", "errors").0, "blocked");
        assert_eq!(came_out(&found, "zoo", "errors").0, "matched");
    });
    assert_eq!(workspace.read("model_01.yml"), "mode: disabled\n");
    let subjects: Vec<_> = incidents(&workspace).iter().map(|one| one["service"].clone()).collect();
    assert_eq!(subjects.len(), 2, "{subjects:?}");
}

#[test]
fn a_dataset_that_is_given_up_is_unknown_however_many_measure() {
    let mut answers = std::collections::BTreeSet::new();
    for (jobs, more, limit) in [
        ("1", "timeouts: {feed: 1s}\n", "50s"),
        ("8", "timeouts: {feed: 1s}\n", "50s"),
        ("4", "timeouts: {feed: 50s}\n", "5s"),
    ] {
        let workspace = twelve();
        asked_by_a_program(&workspace, more);
        let model = "config/services/model_07.yaml";
        workspace.write(model, workspace.read(model).replace("now.json", "bad.json"));
        at(&workspace, "03:00", 0.50);
        workspace.write("bad.json", workspace.read("now.json"));
        at(&workspace, "03:00", 0.01);
        let arguments = ["check", "--jobs", jobs, "--deadline", limit, "--output", "json"];
        let found = workspace.irctl(&arguments).expect(2).json();
        let (outcome, reason) = came_out(&found, "model_01", "errors");
        assert!(outcome == "blocked" && reason.starts_with("blocked by dataset/feed: unknown: "), "{reason}");
        assert_eq!(came_out(&found, "model_07", "errors").0, "matched", "what is unknown hides no match");
        assert_eq!(workspace.read("model_07.yml"), "mode: disabled\n");
        assert_eq!(workspace.read("model_06.yml"), "mode: active\n");
        let services = found["services"].as_array().unwrap();
        let said =
            |one: &Value| format!("{} {} {}", one["service"], one["verdict"], one["classification"]["level"]);
        answers.insert(services.iter().map(said).collect::<Vec<_>>().join("\n"));
    }
    assert_eq!(answers.len(), 1, "{answers:#?}");
}

#[test]
fn a_part_brings_the_datasets_that_its_services_need() {
    let workspace = twelve();
    at(&workspace, "03:00", 0.50);
    let mut seen = std::collections::BTreeSet::new();
    for part in ["1/3", "2/3", "3/3"] {
        let run = workspace.irctl(&["check", "--shard", part, "--output", "json"]).expect(2).json();
        for one in run["services"].as_array().unwrap() {
            let name = one["service"].as_str().unwrap().to_owned();
            if name != "feed" {
                assert_eq!(came_out(&run, &name, "errors").0, "blocked", "{part}");
            }
            seen.insert(name);
        }
    }
    assert_eq!(seen.len(), 13);
    assert_eq!(incidents(&workspace).len(), 1, "the dataset's, once");
}

#[test]
fn what_is_contained_for_a_dataset_is_said_once() {
    let workspace = twelve();
    at(&workspace, "03:00", 0.50);
    let said = workspace.irctl(&["check", "--quiet"]).expect(2).stdout;
    let own: Vec<&str> = said.lines().filter(|line| line.starts_with("model_01: ")).collect();
    assert!(own.iter().any(|line| line.contains("contained for INC-20261120-030000, ")), "{said}");
    assert!(own.iter().any(|line| line.contains("→ BLOCKED: blocked by dataset/feed")), "{said}");
    at(&workspace, "03:05", 0.50);
    assert_eq!(workspace.irctl(&["check", "--quiet"]).expect(2).stdout, "");
}

#[test]
fn datasets_hang_on_datasets_and_the_first_cause_is_named() {
    let workspace = twelve();
    workspace.write(
        "config/services/joined.yaml",
        "service: joined\nkind: dataset\nscheme: data\nneeds: {feed: [dataset/feed]}\nprobes:\n  feed: {file: {file: joined.csv}}\n",
    );
    let model = SHOP.replace("service: shop\n", "service: last\n") + "needs: {errors: [dataset/joined]}\n";
    workspace.write("config/services/last.yaml", model);
    at(&workspace, "03:00", 0.50);
    let found = round(&workspace, 2);
    let (outcome, reason) = came_out(&found, "last", "errors");
    assert_eq!(outcome, "blocked");
    assert!(reason.starts_with("blocked by dataset/feed"), "{reason}");
    let all = incidents(&workspace);
    assert_eq!(all.len(), 1, "{all:#?}");
    let affected: Vec<_> = all[0]["affected_services"].as_array().unwrap().iter().collect();
    assert!(
        affected.contains(&&Value::from("joined")) && affected.contains(&&Value::from("last")),
        "{affected:?}"
    );
}

#[test]
fn a_probe_blocks_those_that_need_it_and_those_that_need_them() {
    let workspace = shop("", "");
    workspace.write(
        "config/severity/shop.yaml",
        "scheme: shop\nlevels:\n  P0: {name: Critical, verdict: CRIT}\n  P1: {name: Minor, verdict: WARN}\n\
         metrics: {up: {unit: flag}, error_rate: {unit: ratio}, latency: {unit: milliseconds}}\n\
         rules:\n  - {id: down, level: P0, symptom: outage, when: not up}\n  \
         - {id: errors, level: P0, symptom: errors, when: error_rate > 5%}\n  \
         - {id: slow, level: P1, symptom: latency, when: latency > 200ms}\n",
    );
    let probe = |name: &str, metric: &str, unit: &str| {
        format!(
            "  {name}: {{json: {{file: now.json, pointer: /{metric}, metric: {metric}, unit: {unit}, time: /at}}}}\n"
        )
    };
    let service =
        "service: shop\nkind: service\nscheme: shop\nneeds: {rates: [alive], times: [rates]}\nprobes:\n"
            .to_owned()
            + &probe("alive", "up", "flag")
            + &probe("rates", "error_rate", "ratio")
            + &probe("times", "latency", "milliseconds");
    workspace.write("config/services/shop.yaml", service);
    let judge = |minute: &str, values: &str, status: i32| {
        clock(&workspace, minute);
        let mut document: Value = serde_json::from_str(values).unwrap();
        document["at"] = format!("2026-11-20T{minute}:00Z").into();
        workspace.write("now.json", document.to_string());
        let found = round(&workspace, status);
        ["down", "errors", "slow"].map(|name| came_out(&found, "shop", name).0)
    };
    assert_eq!(judge("03:00", r#"{"up": true, "error_rate": 0.01, "latency": 100}"#, 0), ["missed"; 3]);
    let down = judge("03:05", r#"{"up": false, "error_rate": 1, "latency": 9000}"#, 2);
    assert_eq!(down, ["matched", "blocked", "blocked"]);
    assert_eq!(incidents(&workspace).len(), 1);
    let unknown = judge("03:10", r#"{"error_rate": 0.01, "latency": 100}"#, 3);
    assert_eq!(unknown, ["undecided", "blocked", "blocked"]);
    let hidden = judge("03:15", r#"{"error_rate": 0.5, "latency": 100}"#, 2);
    assert_eq!(
        hidden,
        ["undecided", "matched", "blocked"],
        "what is only unknown takes nothing away from a match"
    );
}

#[test]
fn circles_and_names_that_lead_nowhere_are_errors_in_their_place() {
    let said = refused(&shop("", "needs: {errors: [dataset/feed, eror], error: [errors]}\n"));
    assert!(said.contains("there is no dataset `feed`"), "{said}");
    assert!(said.contains("there is no probe `eror` here"), "{said}");
    assert!(
        said.contains("there is no probe `error` here") && said.contains("did you mean `errors`?"),
        "{said}"
    );
    assert!(said.contains("config/services/shop.yaml:6:"), "{said}");
    let said = refused(&shop("", "needs: {errors: [errors]}\n"));
    assert!(said.contains("`errors` needs itself: errors needs errors"), "{said}");
    let workspace = twelve();
    workspace.write("config/services/feed.yaml", "service: feed\nkind: dataset\nscheme: data\nneeds: {feed: [dataset/feed]}\nprobes:\n  feed: {file: {file: feed.csv}}\n");
    let said = refused(&workspace);
    assert!(said.contains("the dataset `feed` needs itself: feed needs feed"), "{said}");
    let said = refused(&shop("", "uptime: errors\n"));
    assert!(said.contains("no probe here measures `errors`"), "{said}");
    let said = refused(&shop("", "uptime: error_rate\n"));
    assert!(said.contains("an uptime is a length of time"), "{said}");
}
