//! The files of contrib/ are what their readers take, and every irctl command in them is one.

mod support;

use clap::Parser as _;
use std::path::PathBuf;
use std::process::Command;
use support::repository;

fn read(name: &str) -> String {
    std::fs::read_to_string(repository().join("contrib").join(name)).unwrap()
}

fn files() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(repository().join("contrib")).unwrap();
    let mut files: Vec<PathBuf> = folders
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .flat_map(|path| std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()))
        .collect();
    files.sort();
    files
}

/// The words of a shell line, as far as these files need it: quotes group, nothing is expanded.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, ' ') => words.push(String::new()),
            (_, c) => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[track_caller]
fn parses(command: &str) {
    let words = words(command);
    if let Err(error) = irctl::cli::Cli::try_parse_from(&words) {
        panic!("{command}\n{error}");
    }
}

/// Every irctl command in a text: from the word on to the end of its line.
fn commands(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let command = |line: &str| {
        let at =
            line.find("irctl -C").or_else(|| line.find("irctl config")).or_else(|| line.find("irctl verify"));
        at.or_else(|| line.find("irctl check"))
            .or_else(|| line.find("irctl drill"))
            .map(|at| line[at..].to_owned())
    };
    lines.filter_map(command).collect()
}

#[test]
fn every_command_is_one_of_irctl() {
    let mut seen = 0;
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let found = commands(&text.replace("\n# 0-", "\n0-").replace("\n# 3-", "\n3-"));
        assert!(
            !found.is_empty() || file.extension().is_some_and(|end| end == "timer"),
            "{}",
            file.display()
        );
        found.iter().for_each(|command| parses(command));
        // By cron and without a name it would be refused where several services can be rolled back.
        let drills = found.iter().filter(|command| command.contains(" drill"));
        drills.for_each(|command| assert!(command.contains("--all"), "{}: {command}", file.display()));
        seen += found.len();
        for line in text.lines() {
            let host = line.split("image: ").nth(1).or_else(|| line.split("container: ").nth(1));
            assert!(host.is_none_or(|host| host.starts_with("registry.example.org/")), "{line}");
        }
    }
    assert!(seen >= 8, "{seen}");
}

#[test]
fn each_file_is_named_where_people_look() {
    let page = std::fs::read_to_string(repository().join("docs/check.md")).unwrap();
    for file in files() {
        let name = file.strip_prefix(repository()).unwrap().display().to_string();
        assert!(page.contains(&format!("(../{name})")), "docs/check.md does not name {name}");
    }
}

#[test]
fn the_example_of_the_page_is_valid() {
    use irctl::config::{Kind, check_bytes, render};
    let page = std::fs::read_to_string(repository().join("docs/check.md")).unwrap();
    let mut blocks = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let report = check_bytes(Kind::Irctl, "irctl.yaml", blocks.next().unwrap().as_bytes());
    assert!(report.is_empty(), "{}", render(&report, false));
    let service = format!("service: s\nkind: model\nscheme: rila\n{}", blocks.next().unwrap());
    let report = check_bytes(Kind::Service, "s.yaml", service.as_bytes());
    assert!(report.is_empty(), "{}", render(&report, false));
}

/// A field of a crontab: numbers, ranges and steps in range, names nowhere.
fn field(text: &str, lowest: u32, highest: u32) -> bool {
    text.split(',').all(|part| {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let number = |text: &str| text.parse().ok().filter(|number| (lowest..=highest).contains(number));
        let in_range = match range.split_once('-') {
            Some((from, to)) => number(from).zip(number(to)).is_some_and(|(from, to)| from <= to),
            None => range == "*" || number(range).is_some(),
        };
        in_range && step.parse::<u32>().is_ok_and(|step| step > 0)
    })
}

#[test]
fn the_crontab_is_one() {
    let text = read("cron/irctl");
    let commented =
        text.lines().filter_map(|line| line.strip_prefix("# ")).filter(|line| line.contains("--shard"));
    let mut entries = 0;
    for line in text.lines().chain(commented).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase())) {
            continue;
        }
        let parts: Vec<&str> = line.split_whitespace().collect();
        let limits = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
        for (part, (lowest, highest)) in parts.iter().zip(limits) {
            assert!(field(part, lowest, highest), "{part} in {line}");
        }
        assert_eq!(parts[5..7], ["irctl", "irctl"], "user and command: {line}");
        assert!(!line.replace("\\%", "").contains('%'), "cron takes a percent sign for a line break: {line}");
        entries += 1;
    }
    assert_eq!(entries, 6);
    assert!(text.ends_with('\n'), "cron leaves out a last line without an end");
    assert!(!field("60", 0, 59) && !field("5-1", 0, 59) && !field("x", 0, 59) && !field("*/0", 0, 59));
    // Where there is a cron that checks, it has the last word. Its own form has no user.
    let own: String =
        text.lines().map(|line| format!("{}\n", line.replacen(" irctl irctl ", " irctl ", 1))).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), own).unwrap();
    match Command::new("crontab").arg("-T").arg(file.path()).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => println!("not run: crontab -T: cron is not installed"),
    }
}

#[test]
fn systemd_takes_the_units() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["irctl-check.service", "irctl-check.timer"] {
        let text = read(&format!("systemd/{name}"));
        let text = text.replace("/usr/local/bin/irctl", env!("CARGO_BIN_EXE_irctl"));
        // The user is made by whoever installs it.
        let text = text.replace("User=irctl", "User=root").replace("Group=irctl", "Group=root");
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let units = ["irctl-check.service", "irctl-check.timer"].map(|name| folder.path().join(name));
    match Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .args(&units)
        .output()
    {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let ours: Vec<_> = said.lines().filter(|line| line.contains("irctl-check")).collect();
            assert!(output.status.success() && ours.is_empty(), "{said}");
        }
        Err(_) => println!("not run: systemd-analyze verify: systemd is not installed"),
    }
    let text = read("systemd/irctl-check.service");
    let statuses: Vec<&str> =
        text.lines().find_map(|line| line.strip_prefix("SuccessExitStatus=")).unwrap().split(' ').collect();
    assert_eq!(statuses, ["1", "2", "3", "10", "11", "12", "13", "14", "75"], "docs/exit-codes.md");
}

/// Every key of a value is also in another one: nothing was dropped as unknown.
fn has_all(whole: &serde_json::Value, part: &serde_json::Value, at: &str) {
    match part {
        serde_json::Value::Object(map) => {
            for (key, value) in map.iter().filter(|(_, value)| **value != serde_json::json!({})) {
                let found = whole.get(key).unwrap_or_else(|| panic!("{at}/{key} is no key"));
                has_all(found, value, &format!("{at}/{key}"));
            }
        }
        serde_json::Value::Array(values) => {
            for (number, value) in values.iter().enumerate() {
                has_all(&whole[number], value, &format!("{at}/{number}"));
            }
        }
        value => assert_eq!(whole, value, "{at}"),
    }
}

#[test]
fn kubernetes_takes_the_cron_job() {
    use k8s_openapi::api::batch::v1::CronJob;
    let text = read("kubernetes/irctl-check.yaml");
    let written: serde_json::Value = serde_yaml::from_str(&text).unwrap();
    let job: CronJob = serde_json::from_value(written.clone()).unwrap();
    has_all(&serde_json::to_value(&job).unwrap(), &written, "");
    let spec = job.spec.unwrap();
    assert_eq!(spec.concurrency_policy.as_deref(), Some("Forbid"));
    let fields: Vec<&str> = spec.schedule.split(' ').collect();
    assert!(fields.len() == 5 && fields.iter().all(|text| field(text, 0, 59)), "{}", spec.schedule);
    let pod = spec.job_template.spec.unwrap().template.spec.unwrap();
    assert_eq!(pod.restart_policy.as_deref(), Some("Never"));
    let script = pod.containers[0].args.as_ref().unwrap()[0].clone();
    for (status, expected) in [(0, 0), (2, 0), (3, 0), (11, 0), (75, 0), (69, 1), (78, 1), (101, 1)] {
        let script = script.replace("irctl -C /workspace check --quiet", &format!("(exit {status})"));
        let ended = Command::new("sh").args(["-c", &script]).status().unwrap();
        assert_eq!(ended.code(), Some(expected), "{status}\n{script}");
    }
}

#[test]
fn ci_systems_take_the_jobs() {
    let github: serde_json::Value = serde_yaml::from_str(&read("github/irctl.yml")).unwrap();
    let steps = github["jobs"]["verify"]["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["run"].is_string() != step["uses"].is_string()), "{steps:#?}");
    let runs: Vec<&str> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
    assert!(runs.iter().any(|run| run.contains("--output github")), "{runs:?}");
    // What others wrote never stands in a script, where it would be run.
    assert!(runs.iter().all(|run| !run.contains("${{")), "{runs:?}");
    let known = ["name", "on", "permissions", "jobs"];
    assert!(github.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{github}");
    let gitlab: serde_json::Value = serde_yaml::from_str(&read("gitlab/irctl.gitlab-ci.yml")).unwrap();
    let jobs = gitlab.as_object().unwrap();
    let known = ["stage", "image", "variables", "artifacts", "extends", "rules", "script"];
    for (name, job) in jobs.iter().filter(|(name, _)| *name != "stages") {
        let keys = job.as_object().unwrap().keys();
        assert!(keys.into_iter().all(|key| known.contains(&key.as_str())), "{name}");
        assert!(name.starts_with('.') || !job["script"].as_array().unwrap().is_empty(), "{name}");
        assert!(job["extends"].as_str().is_none_or(|base| jobs.contains_key(base)), "{name}");
    }
}
