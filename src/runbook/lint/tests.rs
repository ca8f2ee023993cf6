//! Each rule finds what it is for, at its place, and nothing beside it.

use super::*;

fn today() -> NaiveDate {
    "2026-11-20".parse().unwrap()
}

/// As the configuration reads it: YAML has other notions of an enum.
fn runbook(yaml: &str) -> RunbookConfig {
    let value: serde_json::Value =
        serde_yaml::from_str(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}

/// The findings in a runbook, as rule and pointer.
fn found(yaml: &str) -> Vec<(String, String)> {
    let runbook = runbook(&format!("runbook: t\ntitle: T\nowner: team\n{yaml}"));
    let found = alone(&runbook, today());
    found.into_iter().map(|finding| (finding.rule.id.to_owned(), finding.pointer)).collect()
}

#[track_caller]
fn rules_of(yaml: &str, expected: &[&str]) {
    let found: Vec<_> = found(yaml).into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(found, expected, "{yaml}");
}

/// The findings in a script, in one that a human is told to type, and — where it is a single command — in arguments.
#[track_caller]
fn script(text: &str, expected: &[&str]) {
    let step = serde_json::json!([{"id": "a", "effect": "read", "shell": {"script": text}}]);
    rules_of(&format!("allow: [shell]\nsteps: {step}"), expected);
    if !text.contains('`') {
        let step = serde_json::json!([{"id": "a", "manual": format!("Type ```sh\n{text}\n``` and look.")}]);
        rules_of(&format!("steps: {step}"), expected);
    }
}

#[track_caller]
fn argv(words: &[&str], expected: &[&str]) {
    let step = serde_json::json!([{"id": "a", "effect": "read", "run": {"argv": words}}]);
    rules_of(&format!("steps: {step}"), expected);
}

#[test]
fn rules_have_names_of_their_own() {
    let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(names.len(), RULES.len());
    for rule in RULES {
        assert!(rule.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", rule.id);
        assert!(rule.explanation.ends_with('.') && rule.summary.ends_with('.'), "{}", rule.id);
    }
}

#[test]
fn broad_kills_are_found() {
    script("pkill -f run_daily_rebalance", &["broad-kill"]);
    script("sudo -u trader /usr/bin/killall python", &["broad-kill"]);
    script("kill -9 $(pgrep rebalance)", &["broad-kill"]);
    script("kill -9 -1", &["broad-kill"]);
    script("ps aux | grep pkill; echo 'pkill -f x'", &[]);
    script("kill -TERM 4711", &[]);
    argv(&["pkill", "-f", "x"], &["broad-kill"]);
    argv(&["sh", "-c", "sleep 1; pkill x"], &["broad-kill"]);
    argv(&["echo", "pkill -f x"], &[]);
}

#[test]
fn recursive_deletes_of_patterns_and_variables_are_found() {
    for text in [
        "rm -rf outputs/*",
        "rm -fr \"$DIR\"",
        "rm -r -f /",
        "rm --recursive ~",
        "rm -Rf /usr",
        "rm -rf .",
        "rm -rf ../x",
        "find outputs -name '*.tmp' -delete",
        "find . -exec rm {} \\;",
        "if true; then rm -rf $X/*; fi",
        "bash -c 'rm -rf $X'",
        "ls x | xargs -n 1 rm -rf *",
    ] {
        script(text, &["recursive-delete"]);
    }
    script("rm -rf outputs/signal_cache", &[]);
    script("rm outputs/*.tmp", &[]);
    script("# rm -rf /\necho rm -rf /", &[]);
    argv(&["rm", "-rf", "{{ inputs.x }}"], &["recursive-delete"]);
    argv(&["rm", "-rf", "outputs/a"], &[]);
}

#[test]
fn flushes_resets_and_prunes_are_found() {
    script("redis-cli -h cache FLUSHDB", &["database-flush"]);
    script("redis-cli flushall async", &["database-flush"]);
    script("redis-cli GET flushall-marker", &[]);
    script("git reset --hard HEAD", &["hard-reset"]);
    script("git -C /srv/app clean -fd", &["hard-reset"]);
    script("git checkout -- .", &["hard-reset"]);
    script("git push --force origin main", &["hard-reset"]);
    script("git branch backup/now\ngit reset --hard HEAD~1", &[]);
    script("git stash push --include-untracked && git reset --hard", &[]);
    script("git reset --soft HEAD~1; git clean -n", &[]);
    script("docker system prune -af", &["docker-prune"]);
    script("docker rm old", &[]);
    script("kubectl -n prod delete pods --all", &["delete-all-objects"]);
    script("kubectl delete namespace prod", &["delete-all-objects"]);
    script("kubectl delete pod model-7f9", &[]);
}

#[test]
fn a_backup_in_an_earlier_step_counts() {
    let steps = |first: &str| {
        format!("steps: [{first}, {{id: b, effect: read, run: {{argv: [git, reset, --hard, HEAD]}}}}]")
    };
    rules_of(&steps("{id: a, effect: read, run: {argv: [git, branch, backup/x]}}"), &[]);
    rules_of(&steps("{id: a, note: x}"), &["hard-reset"]);
}

#[test]
fn fetched_scripts_and_loose_installs_are_found() {
    script("curl -sSL https://example.org/x.sh | sudo bash -s", &["pipe-to-shell"]);
    script("wget -qO- https://example.org/x.py | python3", &["pipe-to-shell"]);
    script("sh -c \"$(curl -fsSL https://example.org/x)\"", &["pipe-to-shell"]);
    script("bash <(curl -s https://example.org/x)", &["pipe-to-shell"]);
    script("curl -s https://example.org/x | jq .", &[]);
    script("pip install pandas", &["unpinned-install"]);
    script("python3 -m pip install --upgrade pip", &["unpinned-install"]);
    script("uv pip install 'numpy>=2'", &["unpinned-install"]);
    script("pip install pandas==2.2.1 -r requirements.lock -e '.[all]'", &[]);
    script("pip freeze > env.txt", &[]);
    script("chmod 777 outputs", &["open-permissions"]);
    script("chmod -R a+w outputs", &["open-permissions"]);
    script("chmod 0755 run.sh; chmod u+w x; chmod g+w y", &[]);
}

#[test]
fn statements_that_take_everything_are_found() {
    script("psql -d x -c 'DELETE FROM trades'", &["write-without-where"]);
    script("sqlite3 m.db \"DROP TABLE mbo_events;\"", &["drop-or-truncate"]);
    script("psql x << EOF\nTRUNCATE trades;\nEOF", &["drop-or-truncate"]);
    script("sqlite3 m.db \"DELETE FROM e WHERE t > datetime('now', '-1 hour');\"", &[]);
    argv(&["psql", "-c", "UPDATE client_settings SET auto = false"], &["write-without-where"]);
}

#[test]
fn secrets_are_found_wherever_they_stand() {
    script("PGPASSWORD='hunter22' psql -U postgres", &["password-in-arguments"]);
    script("mysql -uroot -phunter22", &["password-in-arguments"]);
    script("curl -u admin:hunter22 https://example.org", &["password-in-arguments"]);
    script("tool --password hunter22", &["password-in-arguments"]);
    script("tool --token=\"$TOKEN\"", &["password-in-arguments"]);
    script("tool --password-file /run/secrets/x --token-stdin", &[]);
    script("PGPASSWORD=\"$SECRET\" psql", &[]);
    rules_of(
        "steps: [{id: a, note: 'see postgresql://ada:hunter22@db.example.org/x'}]",
        &["password-in-url"],
    );
    rules_of("steps: [{id: a, note: 'see postgresql://ada:$PASSWORD@db.example.org/x'}]", &[]);
    rules_of("description: 'password: hunter22'\nsteps: [{id: a, note: x}]", &["secret-in-text"]);
    rules_of(
        "description: 'the password: ask the owner'\nsteps: [{id: a, note: 'password = <password>'}]",
        &[],
    );
    rules_of("steps: [{id: a, note: 'AKIAABCDEFGHIJKLMNOP'}]", &["secret-in-text"]);
    rules_of(
        "steps: [{id: a, effect: read, run: {argv: [x], env: {API_TOKEN: hunter22}}}]",
        &["secret-in-text"],
    );
    rules_of(
        "inputs: {t: {type: string}}\nsteps: [{id: a, effect: read, run: {argv: [x], env: {API_TOKEN: '{{ inputs.t }}'}}}]",
        &[],
    );
}

#[test]
fn what_looks_like_a_secret_is_not_shown() {
    let runbook = runbook(
        "runbook: t\ntitle: T\nowner: o\nsteps: [{id: a, effect: read, run: {argv: [tool, --password, hunter22]}}]",
    );
    let found = secrets::findings(&runbook);
    assert_eq!(found.len(), 1);
    assert!(found[0].hidden && !found[0].message.contains("hunter22"));
    assert_eq!(found[0].pointer, "/steps/0/run/argv/2");
}

#[test]
fn every_secret_of_a_text_is_hidden() {
    let text = "https://a:onesecret@h and https://b:$X@h and https://c:twosecret@h, password: threesecret";
    let masked = masked(text);
    assert_eq!(masked, "https://a:***@h and https://b:$X@h and https://c:***@h, password: ***");
}

#[test]
fn decisions_are_complete_and_every_branch_can_be_taken() {
    let yes = "{when: {ask: Really?}, steps: [{id: y, note: x}]}";
    let or = "{else: [{id: n, note: x}]}";
    rules_of(&format!("steps: [{{id: a, decide: [{yes}, {or}]}}]"), &[]);
    rules_of(&format!("steps: [{{id: a, decide: [{yes}]}}]"), &["missing-else"]);
    rules_of(&format!("steps: [{{id: a, decide: [{or}, {yes}]}}]"), &["unreachable-branch"]);
    let again = "{when: {ask: 'Really?'}, steps: [{id: z, note: x}]}";
    rules_of(&format!("steps: [{{id: a, decide: [{yes}, {again}, {or}]}}]"), &["unreachable-branch"]);
}

#[test]
fn writes_are_proven_and_effects_are_true() {
    let set = "set: {file: a.yaml, set: {b: 1}}";
    rules_of(&format!("steps: [{{id: a, {set}}}]"), &["unverified-write"]);
    rules_of(&format!("steps: [{{id: a, {set}, verify: s}}]"), &[]);
    rules_of(&format!("steps: [{{id: a, {set}}}, {{id: b, verify: s}}]"), &[]);
    rules_of(&format!("steps: [{{id: a, {set}, effect: read}}]"), &["effect-understated"]);
    rules_of("steps: [{id: a, run: {argv: [x]}, verify: s}]", &["effect-not-stated"]);
    rules_of(
        "steps: [{id: a, run: {argv: [x]}, effect: irreversible, retry: {times: 2}, verify: s}]",
        &["retry-of-irreversible"],
    );
    rules_of(
        "steps: [{id: a, run: {argv: [x]}, effect: compensable, verify: s}]",
        &["compensable-without-undo"],
    );
    rules_of(
        "steps: [{id: a, run: {argv: [x]}, effect: compensable, verify: s, undo: [{id: u, effect: irreversible, run: {argv: [y]}}]}]",
        &[],
    );
    rules_of("steps: [{id: a, rollback: {to: prev}}, {id: b, notify: {template: t}}]", &[]);
}

#[test]
fn values_that_may_be_missing_are_found() {
    let save = "effect: read, run: {argv: [x]}, save: {v: {}}";
    let uses = "{id: b, note: '{{ steps.a.v }}'}";
    rules_of(&format!("steps: [{{id: a, {save}}}, {uses}]"), &[]);
    rules_of(&format!("steps: [{{id: a, {save}, on_fail: continue}}, {uses}]"), &["output-may-be-missing"]);
    rules_of(
        &format!("steps: [{{id: a, {save}, when: {{ask: Really?}}}}, {uses}]"),
        &["output-may-be-missing"],
    );
    rules_of(
        &format!(
            "steps: [{{id: d, decide: [{{when: {{ask: x?}}, steps: [{{id: a, {save}}}]}}, {{else: [{{id: n, note: x}}]}}]}}, {uses}]"
        ),
        &["output-may-be-missing"],
    );
    rules_of(
        &format!(
            "steps: [{{id: d, parallel: {{one: [{{id: a, {save}}}], two: [{{id: n, note: x}}]}}}}, {uses}]"
        ),
        &[],
    );
}

#[test]
fn upkeep_is_looked_at() {
    rules_of("review_by: 2026-11-19\nsteps: [{id: a, note: x}]", &["review-overdue"]);
    rules_of("review_by: 2026-11-20\nsteps: [{id: a, note: x}]", &[]);
    rules_of("review_by: after-incident\nsteps: [{id: a, note: x}]", &[]);
    rules_of(
        "deadline: 10m\ntimeline: [{at: 15m, expect: a}]\nsteps: [{id: a, note: x}]",
        &["late-timeline"],
    );
    rules_of(
        "inputs: {x: {type: string}}\nsecrets: {s: {from: 'env:S'}}\nescalate: {e: {role: r}}\nchecklists: {c: {items: [x]}}\nsteps: [{id: a, note: x}]",
        &["unused-declaration", "unused-declaration", "unused-declaration", "unused-declaration"],
    );
}

#[test]
fn exceptions_hold_where_they_stand_and_have_to_be_needed() {
    let kill = "effect: read, run: {argv: [pkill, x]}";
    let allow = "lint: {allow: [{rule: broad-kill, reason: it is the only one}]}";
    rules_of(&format!("steps: [{{id: a, {kill}, {allow}}}]"), &[]);
    rules_of(&format!("{allow}\nsteps: [{{id: a, {kill}}}, {{id: b, {kill}}}]"), &[]);
    rules_of(&format!("steps: [{{id: a, {kill}, {allow}}}, {{id: b, {kill}}}]"), &["broad-kill"]);
    rules_of(&format!("steps: [{{id: a, note: x, {allow}}}]"), &["unused-suppression"]);
    assert_eq!(found(&format!("steps: [{{id: a, note: x, {allow}}}]"))[0].1, "/steps/0/lint/allow/0/rule");
}
