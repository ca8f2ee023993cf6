//! Secrets that somebody wrote out: in a text, on a command line, in an address.

use regex::Regex;
use std::sync::LazyLock;

use super::command;
use super::rule::{self as rules, Finding};
use super::shell::Word;
use crate::runbook::{Kind, RunbookConfig, StepConfig, walk};

pub(super) fn findings(runbook: &RunbookConfig) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut head = runbook.clone();
    head.steps = Vec::new();
    let mut texts = Vec::new();
    if let Ok(value) = serde_json::to_value(&head) {
        walk::walk(&value, String::new(), &mut texts);
    }
    for (pointer, text) in texts {
        in_text(&pointer, &text, &mut found);
    }
    for (pointer, step) in walk::steps(runbook) {
        of_step(step, &pointer, &mut found);
    }
    found
}

fn of_step(step: &StepConfig, pointer: &str, found: &mut Vec<Finding>) {
    let before = found.len();
    for placed in command::of_step(step, pointer) {
        for (number, word) in placed.command.words.iter().enumerate() {
            let next = placed.command.words.get(number + 1);
            let name = placed.program().map(|(name, _)| name).unwrap_or_default();
            if let Some((word, message)) = argument(name, word, next) {
                let (pointer, span) = placed.place(word);
                let help = "declare it: `secrets: {database: {from: env:NAME, deliver: environment}}`, and name it under the step's `secrets:`";
                let finding =
                    Finding::new(&rules::PASSWORD_IN_ARGUMENTS, pointer, message).help(help).at(span);
                found.push(Finding { hidden: !word.expands, ..finding });
            }
        }
    }
    let arguments: Vec<(String, Option<std::ops::Range<usize>>)> =
        found.iter().skip(before).map(|finding| (finding.pointer.clone(), finding.span.clone())).collect();
    for (at, text) in walk::texts(step) {
        let place = format!("{pointer}{at}");
        let mut own = Vec::new();
        in_text(&place, &text, &mut own);
        // One place is one finding.
        own.retain(|finding| {
            !arguments
                .iter()
                .any(|(pointer, span)| *pointer == finding.pointer && overlaps(span, &finding.span))
        });
        found.extend(own);
    }
    found.extend(environment(step, pointer));
}

fn overlaps(one: &Option<std::ops::Range<usize>>, other: &Option<std::ops::Range<usize>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.start < other.end && other.start < one.end,
        _ => true,
    }
}

/// A secret among the words of a command.
fn argument<'a>(program: &str, word: &'a Word, next: Option<&'a Word>) -> Option<(&'a Word, String)> {
    let text = word.text.as_str();
    if command::is_assignment(text) {
        let (name, value) = text.split_once('=')?;
        let hidden = is_secret_name(name) && !value.is_empty() && !word.expands;
        return hidden.then(|| (word, format!("`{name}=…` writes the secret into the command")));
    }
    let option = text.split('=').next().unwrap_or_default();
    let named =
        option.starts_with("--") && is_secret_name(option.trim_start_matches('-')) && !is_reference(option);
    if named {
        let message = format!("`{}` shows a secret to every user of the machine", option.escape_debug());
        return match text.split_once('=') {
            Some((_, value)) if !value.is_empty() => Some((word, message)),
            None => Some((next.filter(|next| !next.text.starts_with('-'))?, message)),
            _ => None,
        };
    }
    let message = || "this option shows a password to every user of the machine".to_owned();
    match (program, text) {
        ("mysql" | "mysqldump" | "mariadb", text) if text.starts_with("-p") && text.len() > 2 => {
            Some((word, message()))
        }
        ("curl", "-u" | "--user") => next
            .filter(|next| next.text.split_once(':').is_some_and(|(_, password)| !password.is_empty()))
            .map(|next| (next, message())),
        ("curl" | "wget" | "http", text) if bearer(text) => {
            Some((word, "this header shows a secret to every user of the machine".to_owned()))
        }
        ("sshpass" | "redis-cli" | "valkey-cli", "-p" | "-a") if program != "redis-cli" || text == "-a" => {
            next.map(|next| (next, message()))
        }
        _ => None,
    }
}

fn bearer(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.contains("authorization:")
        && (lower.contains("bearer ") || lower.contains("basic ") || lower.contains("token "))
}

/// Options that say where a secret is kept, not what it is.
fn is_reference(option: &str) -> bool {
    ["file", "stdin", "env", "name", "path", "id", "arn", "command"].iter().any(|word| option.ends_with(word))
}

fn is_secret_name(name: &str) -> bool {
    const WORDS: [&str; 9] = [
        "password",
        "passwd",
        "secret",
        "token",
        "api_key",
        "apikey",
        "access_key",
        "private_key",
        "pgpassword",
    ];
    let lower = name.to_ascii_lowercase().replace('-', "_");
    WORDS.iter().any(|word| lower.contains(word)) && !is_reference(&lower)
}

/// Variables of a program whose names say that they hold a secret, with the value written out.
fn environment(step: &StepConfig, pointer: &str) -> Vec<Finding> {
    let (kind, variables) = match step.kind() {
        Some(Kind::Run(run)) => ("run", &run.env),
        Some(Kind::Shell(shell)) => ("shell", &shell.env),
        _ => return Vec::new(),
    };
    let written = variables
        .iter()
        .filter(|(name, value)| is_secret_name(name) && !value.is_empty() && !value.contains("{{"));
    written
        .map(|(name, _)| {
            let message =
                format!("the variable `{}` holds a secret that is written out", name.escape_debug());
            let help =
                "declare it under `secrets:` with `variable:`, and name it under the step's `secrets:`";
            let finding =
                Finding::new(&rules::SECRET_IN_TEXT, format!("{pointer}/{kind}/env/{name}"), message);
            Finding { hidden: true, ..finding.help(help) }
        })
        .collect()
}

/// What secrets look like wherever they stand.
static TOKENS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let forms = [
        r"AKIA[0-9A-Z]{16}",
        r"gh[pousr]_[A-Za-z0-9]{30,}",
        r"github_pat_[A-Za-z0-9_]{30,}",
        r"xox[abprs]-[A-Za-z0-9-]{10,}",
        r"hooks\.slack\.com/services/T[A-Za-z0-9]+/B[A-Za-z0-9]+/[A-Za-z0-9]+",
        r"sk_(?:live|test)_[A-Za-z0-9]{16,}",
        r"AIza[0-9A-Za-z_-]{35}",
        r"glpat-[A-Za-z0-9_-]{20,}",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
        r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    ];
    Regex::new(&forms.join("|")).ok()
});

/// `password = something`, where the something is no placeholder.
static ASSIGNED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?i)\b[a-z_]*(?:password|passwd|secret_key|access_key|api_key|apikey|auth_token)\s*[=:]\s*['"]?([^\s'"$<{\[(][^\s'"]{3,})"#)
        .ok()
});

/// `scheme://user:password@host`.
static ADDRESS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@'\x22]*:([^\s/@'\x22]+)@").ok());

/// Every secret in a text: what one finding shows, another must not leave in sight.
fn in_text(pointer: &str, text: &str, found: &mut Vec<Finding>) {
    // Nearly every text is short and plain.
    if text.len() < 8 {
        return;
    }
    let away = "keep it elsewhere and declare a reference: `secrets: {name: {from: env:NAME}}`; then change the secret";
    let mut report = |rule, message: &str, span| {
        let finding = Finding::new(rule, pointer, message).help(away).at(Some(span));
        found.push(Finding { hidden: true, ..finding });
    };
    let mut seen: Vec<std::ops::Range<usize>> = Vec::new();
    for (form, rule, message) in [
        (&ADDRESS, &rules::PASSWORD_IN_URL, "the password stands in the address"),
        (&TOKENS, &rules::SECRET_IN_TEXT, "this looks like a secret"),
        (&ASSIGNED, &rules::SECRET_IN_TEXT, "this looks like a secret"),
    ] {
        for secret in form.iter().flat_map(|form| form.captures_iter(text)) {
            let Some(secret) = secret.get(1).or_else(|| secret.get(0)) else { continue };
            let span = secret.range();
            let known = seen.iter().any(|known| known.start < span.end && span.start < known.end);
            if !known && !placeholder(secret.as_str()) {
                report(rule, message, span.clone());
                seen.push(span);
            }
        }
    }
}

/// Whether a text stands for a secret and is none: a variable, a reference, a word in capitals or brackets.
fn placeholder(text: &str) -> bool {
    text.starts_with(['$', '{', '<', '[', '*', '…'])
        || text.contains("{{")
        || ["env:", "file:", "cmd:"].iter().any(|prefix| text.starts_with(prefix))
        || text.chars().all(|c| c == '*' || c == 'x' || c == 'X' || c == '.' || c == '…')
}

/// The text with everything starred out that looks like a secret.
pub(super) fn masked(text: &str) -> String {
    let mut text = text.to_owned();
    // Each form is looked for anew, because one may hide another.
    for _ in 0..64 {
        let mut found = Vec::new();
        in_text("", &text, &mut found);
        let Some(span) = found.into_iter().next().and_then(|finding| finding.span) else { break };
        text.replace_range(span, "***");
    }
    text
}
