//! What each command's help ends with: examples, and what the exit status says.

use clap::Command;

const OPERATION: &str = "Exit status: 0 restored, 10 undone, 11 halted, 12 refused, 13 unknown, 14 switched but not proven, 75 busy.";

/// A command, its examples, and its exit statuses where they say more than that it worked.
type Entry = (&'static str, &'static [&'static str], &'static str);

const ENTRIES: &[Entry] = &[
    (
        "",
        &[
            "irctl                                            what is broken, who acts, what to type next",
            "irctl check                                      measure and act, as cron does",
            "irctl rollback --model rila_6y20b --to prev      bring the previous version back",
        ],
        "Exit status: 0 OK, 1 WARN, 2 CRIT, 3 UNKNOWN; all of them: docs/exit-codes.md",
    ),
    (
        "classify",
        &[
            "irctl classify --metric error_rate=60%",
            "irctl classify alerts.jsonl --output json",
            "irctl classify alert.json --scheme rila --exit-code",
        ],
        "Exit status: 0, or with --exit-code that of the worst verdict; 65 where an alert cannot be read.",
    ),
    (
        "contain",
        &["irctl contain --model rila_6y20b --reason \"looking at odd forecasts\""],
        "Exit status: 0 contained, 11 halted, 14 contained but not proved quiet, 75 busy, 78 nothing says how.",
    ),
    (
        "release",
        &["irctl release --model rila_6y20b --reason \"the forecasts were right\""],
        "Exit status: 0 released, 11 halted, 12 refused: say why with --reason, 75 busy.",
    ),
    (
        "rollback",
        &[
            "irctl rollback --model rila_6y20b --to prev --dry-run",
            "irctl rollback --model rila_6y20b --to prev",
            "irctl rollback models/production/rila_6y20b --to prev         without any configuration",
            "irctl rollback /srv/app --to HEAD~1                           a git work tree, without any either",
            "irctl rollback --paths tests/baselines/ --to HEAD~1           single paths of this work tree",
            "irctl rollback /srv/app --bisect ./test.sh --good v1.4        the first bad commit first",
            "irctl rollback --service options --phase 2 --env staging      one phase, in one environment",
            "irctl rollback --to prev --plan-out plan.json                 then: irctl rollback --plan plan.json",
        ],
        OPERATION,
    ),
    ("rollback undo", &["irctl rollback undo", "irctl rollback undo OP-20261120-031200 --yes"], OPERATION),
    ("rollback redo", &["irctl rollback redo"], OPERATION),
    ("rollback resume", &["irctl rollback resume", "irctl rollback resume OP-20261120-031200"], OPERATION),
    ("rollback abort", &["irctl rollback abort OP-20261120-031200"], OPERATION),
    (
        "rollback status",
        &["irctl rollback status", "irctl rollback status --model rila_6y20b --output json"],
        "Exit status: 0 nothing is unfinished, 11 something can be resumed.",
    ),
    ("rollback attach", &["irctl rollback attach"], "Exit status: that of the operation it watches."),
    (
        "rollback versions",
        &[
            "irctl rollback versions --model rila_6y20b",
            "irctl rollback versions models/production/rila_6y20b",
        ],
        "",
    ),
    (
        "rollback history",
        &["irctl rollback history --service rila_6y20b", "irctl rollback history --output json"],
        "",
    ),
    (
        "snapshot",
        &[
            "irctl snapshot --model rila_6y20b --name \"before 2.4\"",
            "irctl snapshot --check                      what a deploy still lacks",
            "irctl snapshot verify",
        ],
        "Exit status: 0 recorded, 12 refused: nothing was recorded; with --check that of the worst verdict; 75 another one runs.",
    ),
    ("snapshot list", &["irctl snapshot list", "irctl snapshot list --model rila_6y20b --output json"], ""),
    ("snapshot show", &["irctl snapshot show", "irctl snapshot show SNAP-20261120-030700"], ""),
    (
        "snapshot verify",
        &["irctl snapshot verify", "irctl snapshot verify SNAP-20261120-030700 --output json"],
        "Exit status: 0 everything matches, 2 something does not, 3 something cannot be read.",
    ),
    (
        "snapshot remove",
        &["irctl snapshot remove SNAP-20261120-030700 --yes"],
        "Exit status: 0 removed, 12 refused: it is the last one.",
    ),
    (
        "drill",
        &[
            "irctl drill --model rila_6y20b",
            "irctl drill --service options --phase 2",
            "irctl drill --all --output json",
        ],
        "Exit status: 0 OK, 1 WARN: a part was not rehearsed, 2 CRIT: it failed or takes too long, 3 UNKNOWN.",
    ),
    ("drill list", &["irctl drill list", "irctl drill list --model rila_6y20b --output json"], ""),
    (
        "verify",
        &[
            "irctl verify",
            "irctl verify rila-smoke --fail-on warn",
            "irctl verify --untrusted --report junit=target/verify.xml",
        ],
        "",
    ),
    ("runbook list", &["irctl runbook list", "irctl runbook list --about accuracy --output json"], ""),
    (
        "runbook show",
        &[
            "irctl runbook show mape-sustained",
            "irctl runbook show mape-sustained --output checklist > checklist.txt",
        ],
        "",
    ),
    (
        "runbook lint",
        &[
            "irctl runbook lint",
            "irctl runbook lint mape-sustained --fail-on warning",
            "irctl runbook lint --output sarif > runbooks.sarif",
            "irctl runbook lint --rules hard-reset",
        ],
        "Exit status: 0 nothing that --fail-on names, 1 warnings, 2 errors.",
    ),
    (
        "runbook import",
        &[
            "irctl runbook import emergency.md",
            "irctl runbook import emergency.md --name pricing-rollback --write runbooks/pricing-rollback.yaml",
        ],
        "Exit status: 0 a draft was made, 12 the file to write is there already.",
    ),
    ("incident list", &["irctl incident list", "irctl incident list --all --output json"], ""),
    ("incident show", &["irctl incident show", "irctl incident show 030700 --timeline"], ""),
    ("incident timeline", &["irctl incident timeline INC-20261120-030700"], ""),
    ("incident ack", &["irctl incident ack", "irctl incident ack INC-20261120-030700"], ""),
    ("incident assign", &["irctl incident assign --role commander --to mira"], ""),
    ("incident level", &["irctl incident level P1 --reason \"only one product is affected\""], ""),
    ("incident mitigate", &["irctl incident mitigate --reason \"the feed runs again\""], ""),
    ("incident resolve", &["irctl incident resolve --reason \"rolled back to v2, verified\""], ""),
    ("incident close", &["irctl incident close INC-20261120-030700 --reason \"the postmortem is read\""], ""),
    ("incident cancel", &["irctl incident cancel --reason \"a test alert\""], ""),
    ("incident reopen", &["irctl incident reopen INC-20261120-030700 --reason \"it came back\""], ""),
    ("incident merge", &["irctl incident merge INC-20261120-031500 --into INC-20261120-030700"], ""),
    (
        "notify preview",
        &[
            "irctl notify preview rolled-back --channel sink",
            "irctl notify preview --incident INC-20261120-030700",
        ],
        "",
    ),
    ("notify outbox", &["irctl notify outbox", "irctl notify outbox --all"], ""),
    ("notify flush", &["irctl notify flush", "irctl notify flush --all --ignore-backoff"], ""),
    ("notify test", &["irctl notify test sink"], "Exit status: 0 delivered, 69 not."),
    ("notify explain", &["irctl notify explain --level P0 --service rila_6y20b"], ""),
    ("report incident-log", &["irctl report incident-log --write incident-log.json"], ""),
    ("report incident", &["irctl report incident INC-20261120-030700"], ""),
    ("report decision-log", &["irctl report decision-log INC-20261120-030700"], ""),
    ("report rollback-history", &["irctl report rollback-history --service rila_6y20b"], ""),
    (
        "report rollback-tracking",
        &["irctl report rollback-tracking", "irctl report rollback-tracking --write tracking.json"],
        "",
    ),
    ("report digest", &["irctl report digest", "irctl report digest --last 30d --output json"], ""),
    ("report metrics", &["irctl report metrics", "irctl report metrics --output json"], ""),
    (
        "config check",
        &["irctl config check", "irctl -C /srv/pricing config check --output json"],
        "Exit status: 0 no error, 78 errors.",
    ),
    ("config schema", &["irctl config schema", "irctl config schema service > service.schema.json"], ""),
    ("config show", &["irctl config show", "irctl config show service/rila_6y20b"], ""),
    (
        "init",
        &["irctl init --dry-run", "irctl init && irctl config check"],
        "Exit status: 0 written, 12 there is a configuration already.",
    ),
    ("recipe list", &["irctl recipe list"], ""),
    ("recipe show", &["irctl recipe show cache-quarantine"], ""),
    (
        "recipe test",
        &[
            "irctl recipe test cache-quarantine --with roots=outputs --with entries=outputs/old/* --dry-run",
            "irctl recipe test cache-quarantine --with roots=outputs --with entries=outputs/old/* --yes",
        ],
        "Exit status: 0 every check holds, 2 one does not, 3 there was nothing to change, 12 a human said no.",
    ),
    (
        "adapter",
        &["irctl adapter cache-quarantine observe"],
        "Exit status: 0 answered, 11 somebody else changed it.",
    ),
    ("completions", &["irctl completions bash > ~/.local/share/bash-completion/completions/irctl"], ""),
];

/// Adds the endings to the commands they belong to.
pub fn with_examples(mut command: Command) -> Command {
    for (path, examples, status) in ENTRIES {
        let words: Vec<&str> = path.split_whitespace().collect();
        command = at(command, &words, &ending(examples, status));
    }
    command
}

fn ending(examples: &[&str], status: &str) -> String {
    let heading = if examples.len() == 1 { "Example" } else { "Examples" };
    let lines: Vec<_> = examples.iter().map(|example| format!("\n  {example}")).collect();
    let status = if status.is_empty() { String::new() } else { format!("\n\n{status}") };
    format!("{heading}:{}{status}", lines.concat())
}

fn at(command: Command, path: &[&str], text: &str) -> Command {
    match path.split_first() {
        None => command.after_help(text.to_owned()),
        Some((first, rest)) => command.mut_subcommand(*first, |inner| at(inner, rest, text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::{CommandFactory as _, FromArgMatches as _};

    fn leaves(command: &Command, path: &str, found: &mut Vec<(String, String)>) {
        for inner in command.get_subcommands() {
            leaves(inner, &format!("{path} {}", inner.get_name()), found);
        }
        if !command.has_subcommands() {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            found.push((path.to_owned(), text));
        }
    }

    #[test]
    fn every_command_has_examples_and_they_parse() {
        let command = with_examples(Cli::command());
        let mut found = Vec::new();
        leaves(&command, "irctl", &mut found);
        let bare: Vec<_> = found.iter().filter(|(_, text)| !text.contains("Example")).collect();
        assert!(bare.is_empty(), "without examples: {bare:?}");
        for example in ENTRIES.iter().flat_map(|(_, examples, _)| *examples) {
            let words = shlex(example.split("      ").next().unwrap().split(" > ").next().unwrap());
            for one in words.split(|word| word == "&&") {
                let matches = command.clone().try_get_matches_from(one);
                let matches = matches.unwrap_or_else(|error| panic!("{example}: {error}"));
                Cli::from_arg_matches(&matches).unwrap();
            }
        }
    }

    /// Words, where quotes keep several together.
    fn shlex(text: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (index, part) in text.split('"').enumerate() {
            if index % 2 == 1 {
                words.push(part.to_owned());
            } else {
                words.extend(part.split_whitespace().map(str::to_owned));
            }
        }
        words
    }
}
