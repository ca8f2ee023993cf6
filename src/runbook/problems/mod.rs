//! What makes a text no runbook, as far as it can be told from the file alone.

mod names;
mod parts;
mod scope;

use super::problem::Mistake;
use super::{Problem, RunbookConfig, walk};
pub(super) use parts::mask;
pub(super) use scope::doubtful;

/// Everything that is wrong with a runbook taken alone, in the order of the file.
pub fn problems(runbook: &RunbookConfig) -> Vec<Problem> {
    let mut found = Vec::new();
    found.extend(names::problems(runbook));
    for (pointer, step) in walk::steps(runbook) {
        found.extend(
            parts::problems(runbook, step)
                .into_iter()
                .map(|problem| Problem { pointer: format!("{pointer}{}", problem.pointer), ..problem }),
        );
    }
    found.extend(scope::problems(runbook));
    found
}

/// A problem with what a key says, where it means nothing.
fn misplaced(pointer: impl Into<String>, message: impl Into<String>, help: impl Into<String>) -> Problem {
    Problem::new(pointer, Mistake::Unknown, message).help(help).on_key()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(yaml: &str) -> Vec<(String, String)> {
        let yaml = format!("runbook: t\ntitle: T\n{yaml}");
        let value: serde_json::Value = serde_yaml::from_str(&yaml).unwrap();
        let runbook: RunbookConfig = serde_json::from_value(value).unwrap();
        problems(&runbook).into_iter().map(|problem| (problem.pointer, problem.message)).collect()
    }

    #[track_caller]
    fn one(yaml: &str, pointer: &str, words: &str) {
        let found = found(yaml);
        assert_eq!(found.len(), 1, "{yaml}\n{found:?}");
        assert_eq!(found[0].0, pointer, "{yaml}");
        assert!(found[0].1.contains(words), "{yaml}\n{}", found[0].1);
    }

    #[test]
    fn a_step_does_exactly_one_thing() {
        one("steps: [{id: a}]", "/steps/0/id", "says nothing that it does");
        one("steps: [{id: a, note: x, manual: y}]", "/steps/0/note", "does two things");
        assert!(found("steps: [{id: a, run: {argv: [x]}, verify: s}, {id: b, verify: s}]").is_empty());
    }

    #[test]
    fn names_lead_somewhere() {
        one("steps: [{id: a, note: x}, {id: a, note: y}]", "/steps/1/id", "stands twice");
        one("steps: [{id: a.b, note: x}]", "/steps/0/id", "dot");
        one(
            "timeline: [{at: 1m, expect: bb}]\nsteps: [{id: b1, note: x}]",
            "/timeline/0/expect",
            "no step `bb`",
        );
        one(
            "timeline: [{at: 1m, expect: a, else: escalate.lead}]\nsteps: [{id: a, note: x}]",
            "/timeline/0/else",
            "no escalation `lead`",
        );
        one(
            "steps: [{id: a, note: x, on_fail: {escalate: lead}}]",
            "/steps/0/on_fail/escalate",
            "no escalation",
        );
        one(
            "steps: [{id: a, note: x, on_fail: {goto: {step: b, branch: '1'}}}]",
            "/steps/0/on_fail/goto/step",
            "no step",
        );
        one(
            "steps: [{id: a, note: x, on_fail: {goto: {step: b, branch: '3'}}}, {id: b, decide: [{when: {ask: x?}, steps: [{id: c, note: x}]}, {else: [{id: d, note: x}]}]}]",
            "/steps/0/on_fail/goto/branch",
            "no branch `3`",
        );
        one("steps: [{id: a, run: {argv: [x], secrets: [db]}}]", "/steps/0/run/secrets/0", "no secret `db`");
        one(
            "steps: [{id: a, manual: {instruction: x, checklist: c}}]",
            "/steps/0/manual/checklist",
            "no checklist",
        );
        one(
            "lint: {allow: [{rule: broad-kil, reason: x}]}\nsteps: [{id: a, note: x}]",
            "/lint/allow/0/rule",
            "no rule",
        );
    }

    #[test]
    fn values_exist_before_they_are_used() {
        one("steps: [{id: a, note: '{{ inputs.x }}'}]", "/steps/0/note", "no input `x`");
        one("steps: [{id: a, note: '{{ steps.b.x }}'}]", "/steps/0/note", "no step `b`");
        let save = "run: {argv: [x]}, effect: read, save: {x: {}}";
        assert!(
            found(&format!("steps: [{{id: a, {save}}}, {{id: b, note: '{{{{ steps.a.x }}}}'}}]")).is_empty()
        );
        one(
            &format!("steps: [{{id: a, {save}}}, {{id: b, note: '{{{{ steps.a.y }}}}'}}]"),
            "/steps/1/note",
            "saves no `y`",
        );
        one(
            &format!("steps: [{{id: b, note: '{{{{ steps.a.x }}}}'}}, {{id: a, {save}}}]"),
            "/steps/0/note",
            "comes later",
        );
        one(
            "steps: [{id: a, run: {argv: ['{{ steps.a.x }}']}, effect: read, save: {x: {}}}]",
            "/steps/0/run/argv/0",
            "itself",
        );
        one(
            &format!(
                "steps: [{{id: d, decide: [{{when: {{ask: x?}}, steps: [{{id: a, {save}}}]}}, {{else: [{{id: b, note: '{{{{ steps.a.x }}}}'}}]}}]}}]"
            ),
            "/steps/0/decide/1/else/0/note",
            "another branch",
        );
        one(
            &format!(
                "steps: [{{id: d, parallel: {{one: [{{id: a, {save}}}], two: [{{id: b, note: '{{{{ steps.a.x }}}}'}}]}}}}]"
            ),
            "/steps/0/parallel/two/0/note",
            "side by side",
        );
    }

    #[test]
    fn shells_get_values_by_environment_only() {
        one("steps: [{id: a, shell: {script: ls}}]", "/steps/0/shell", "allow");
        one(
            "allow: [shell]\ninputs: {x: {type: string}}\nsteps: [{id: a, shell: {script: 'ls {{ inputs.x }}'}}]",
            "/steps/0/shell/script",
            "environment",
        );
        assert!(
            found("allow: [shell]\ninputs: {x: {type: string}}\nsteps: [{id: a, shell: {script: 'ls \"$X\"', env: {X: '{{ inputs.x }}'}}}]")
                .is_empty()
        );
    }

    #[test]
    fn parts_fit_together() {
        one("steps: [{id: a, wait: {}}]", "/steps/0/wait", "how long");
        one("steps: [{id: a, wait: {for: 1m, until: 'x > 1'}}]", "/steps/0/wait", "both");
        one("steps: [{id: a, wait: {until: 'x > 1'}}]", "/steps/0/wait", "for ever");
        one("steps: [{id: a, wait: {for: 1m, every: 1s}}]", "/steps/0/wait/every", "until");
        one(
            "steps: [{id: a, decide: [{steps: [{id: b, note: x}]}]}]",
            "/steps/0/decide/0/steps",
            "when it is taken",
        );
        one("steps: [{id: a, decide: [{when: {ask: x?}}]}]", "/steps/0/decide/0/when", "no steps");
        one(
            "steps: [{id: a, decide: [{when: {ask: x?}, else: [{id: b, note: x}]}]}]",
            "/steps/0/decide/0/when",
            "`else`",
        );
        one("steps: [{id: a, run: {argv: [x], env: {A-B: x}}}]", "/steps/0/run/env/A-B", "variable");
        one("steps: [{id: a, run: {argv: [x], directory: ../x}}]", "/steps/0/run/directory", "leaves");
        one("steps: [{id: a, copy: {from: a, to: /etc/x}}]", "/steps/0/copy/to", "leaves");
        one("steps: [{id: a, note: x, save: {v: {}}}]", "/steps/0/save", "gives nothing");
        one("steps: [{id: a, run: {argv: [x]}, save: {v: {metric: m}}}]", "/steps/0/save/v/metric", "probe");
        one("steps: [{id: a, set: {file: a.txt, set: {b: 1}}}]", "/steps/0/set", "");
        one(
            "steps: [{id: a, set: {file: a.yaml, set: {b: '{verzion}'}}}]",
            "/steps/0/set/set/b",
            "placeholder",
        );
        assert!(found("inputs: {x: {type: string}}\nsteps: [{id: a, set: {file: a.yaml, set: {b: '{{ inputs.x }}'}}}]").is_empty());
        one("steps: [{id: a, http: {get: {url: 'ftp://x'}}}]", "/steps/0/http/get/url", "http");
    }
}
