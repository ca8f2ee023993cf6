//! Code: what can be run is made a command, the rest an instruction that quotes it.

use regex::Regex;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::{Builder, shortened, slug};
use crate::rollback::config::Scalar;
use crate::rollback::targets::sql::DatabaseConfig;
use crate::runbook::kinds::{
    HttpStep, ManualStep, QueryConfig, RequestConfig, RunConfig, ShellConfig, SqlStep,
};
use crate::runbook::lint::{CommandWords, commands_of};
use crate::runbook::{Delivery, Effect, InputConfig, InputKind, Permission, SecretConfig, StepConfig};

/// `{MODEL_NAME}`, `<last-known-good-commit>`: what a human fills in.
static BLANKS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\{([A-Z][A-Z0-9_]{1,40})\}|<([a-zA-Z][a-zA-Z0-9_-]{2,40})>").ok());

/// `PGPASSWORD='…'`: a secret in front of a command.
static SECRETS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"\b([A-Z][A-Z0-9_]*(?:PASSWORD|SECRET|TOKEN|API_KEY)|PGPASSWORD)=('[^'\n]*'|"[^"\n]*"|[^\s'"$]\S*)\s*"#).ok()
});

/// Programs that only look, with what must not stand among their arguments.
const LOOKS: [&str; 32] = [
    "ls", "cat", "head", "grep", "egrep", "zgrep", "ps", "df", "du", "free", "uptime", "date", "whoami",
    "id", "wc", "stat", "file", "jq", "echo", "printf", "pwd", "printenv", "hostname", "which", "dig",
    "nslookup", "tail", "sort", "uniq", "cut", "diff", "true",
];

impl Builder {
    pub(super) fn code(&mut self, line: usize, language: &str, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        let title = self.title();
        let before = self.runbook.steps.len();
        match language {
            "bash" | "sh" | "shell" | "console" | "zsh" => self.script(line, text),
            "sql" | "postgresql" | "sqlite" => self.query(line, text),
            "python" | "py" | "python3" => self.python(line, text),
            _ => self.quoted("", text),
        }
        for step in self.runbook.steps.iter_mut().skip(before) {
            step.title.clone_from(&title);
        }
    }

    /// What the text before the code says it is for. More than a line becomes a step of its own.
    fn title(&mut self) -> Option<String> {
        if self.boxes.is_empty() && self.pending.len() == 1 {
            let only = self.pending.pop().unwrap_or_default();
            if only.chars().count() <= 100 {
                let title = if self.section.is_empty() { only } else { format!("{}: {only}", self.section) };
                return Some(shortened(title.trim_end_matches(':'), 160));
            }
            self.pending.push(only);
        }
        self.flush();
        (!self.section.is_empty()).then(|| self.section.clone())
    }

    fn new_step(&mut self) -> StepConfig {
        let id = self.id(&self.section.clone());
        StepConfig { id, ..StepConfig::default() }
    }

    /// An instruction that quotes what stood there.
    fn quoted(&mut self, why: &str, text: &str) {
        let step = self.new_step();
        let text = shortened(text, 4000);
        let manual = if why.is_empty() { text } else { format!("{why}\n{text}") };
        self.runbook.steps.push(StepConfig { manual: Some(ManualStep::Short(manual)), ..step });
    }

    /// Makes an input of each blank; the names by what stands in the text.
    fn blanks(&mut self, text: &str) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let Some(form) = BLANKS.as_ref() else { return found };
        for blank in form.captures_iter(text) {
            let Some(word) = blank.get(1).or_else(|| blank.get(2)) else { continue };
            let Some(name) = slug(word.as_str()).map(|name| name.replace('-', "_")) else { continue };
            let written = blank.get(0).map(|whole| whole.as_str().to_owned()).unwrap_or_default();
            self.runbook.inputs.entry(name.clone()).or_insert_with(|| InputConfig {
                description: Some(format!("What stood as {written} in {}", self.source)),
                ..InputConfig::of(InputKind::String)
            });
            found.insert(written, name);
        }
        found
    }

    /// Takes secrets out of a script; the names of those it needs.
    fn hoisted(&mut self, line: usize, text: &str) -> (String, Vec<String>) {
        let Some(form) = SECRETS.as_ref() else { return (text.to_owned(), Vec::new()) };
        let mut names = Vec::new();
        for found in form.captures_iter(text) {
            let Some(variable) = found.get(1).map(|name| name.as_str().to_owned()) else { continue };
            let Some(name) = slug(&variable) else { continue };
            if let Ok(from) = format!("env:{variable}").parse() {
                let secret = SecretConfig {
                    from,
                    deliver: Delivery::Environment,
                    variable: Some(variable.clone()),
                    description: None,
                };
                self.runbook.secrets.entry(name.clone()).or_insert(secret);
            }
            if !names.contains(&name) {
                self.note(
                    line,
                    format!(
                        "the secret {variable} stood in the text: it was taken out, and has to be changed"
                    ),
                );
                names.push(name);
            }
        }
        (form.replace_all(text, "").into_owned(), names)
    }

    fn script(&mut self, line: usize, text: &str) {
        let (text, secrets) = self.hoisted(line, text);
        let commands = commands_of(&text);
        let blanks = self.blanks(&text);
        let looks = !commands.is_empty() && commands.iter().all(only_looks);
        let effect = Some(if looks { Effect::Read } else { Effect::Irreversible });
        if let [only] = commands.as_slice()
            && only.is_plain
            && !text.contains(['|', '>', '<', ';', '&', '\\'])
        {
            let step = self.new_step();
            if let Some(request) = request(only) {
                let http = Some(Box::new(HttpStep::Get(request)));
                return self.runbook.steps.push(StepConfig { http, ..step });
            }
            let argv = only.words.iter().map(|word| filled(word, &blanks)).collect();
            let run = Some(RunConfig { secrets, ..RunConfig::of(argv) });
            return self.guessed(line, StepConfig { run, effect, ..step });
        }
        if !blanks.is_empty() && text.contains('\'') {
            // A variable in single quotes would stay a name.
            return self.quoted("Fill in what stands in brackets, then run:", &text);
        }
        let mut script = text.trim_end().to_owned();
        let mut env = BTreeMap::new();
        for (written, name) in &blanks {
            let variable = name.to_ascii_uppercase();
            script = script.replace(written, &format!("${{{variable}}}"));
            env.insert(variable, format!("{{{{ inputs.{name} }}}}"));
        }
        if !self.runbook.allow.contains(&Permission::Shell) {
            self.runbook.allow.push(Permission::Shell);
        }
        let step = self.new_step();
        let shell = Some(ShellConfig { env, secrets, ..ShellConfig::of(script) });
        self.guessed(line, StepConfig { shell, effect, ..step });
    }

    fn guessed(&mut self, line: usize, step: StepConfig) {
        if step.effect == Some(Effect::Irreversible) {
            self.note(
                line,
                format!("step {}: its effect is guessed; nothing is known that proves it", step.id),
            );
        }
        self.runbook.steps.push(step);
    }

    fn python(&mut self, line: usize, text: &str) {
        // People write command lines in such fences, too.
        if !text.trim().contains('\n') && text.trim_start().starts_with("python") {
            return self.script(line, text);
        }
        if !self.blanks(text).is_empty() {
            return self.quoted("Fill in what stands in brackets, then run this Python:", text);
        }
        let step = self.new_step();
        let run = RunConfig {
            stdin: Some(text.to_owned()),
            ..RunConfig::of(vec!["python3".to_owned(), "-".to_owned()])
        };
        self.guessed(line, StepConfig { run: Some(run), effect: Some(Effect::Irreversible), ..step });
    }

    /// A SELECT is asked; whatever changes rows needs to know which rows to keep, and is left to a human.
    fn query(&mut self, line: usize, text: &str) {
        let statement = without_comments(text);
        let one = statement.trim().trim_end_matches(';');
        let selects = one.to_lowercase().starts_with("select") && !one.contains(';');
        let Ok(database) = serde_json::from_value::<DatabaseConfig>(
            serde_json::json!({"postgres": {"url": "env:DATABASE_URL"}}),
        ) else {
            return self.quoted("", text);
        };
        if !selects {
            self.note(line, "this changes rows: write it as `sql: {write: …}`, which keeps them");
            return self.quoted("Change these rows; as a `sql` step with `write`, which keeps them:", text);
        }
        let blanks = self.blanks(one);
        let mut query = one.to_owned();
        let mut with = BTreeMap::new();
        for (written, name) in &blanks {
            query = query
                .replace(&format!("'{written}'"), &format!(":{name}"))
                .replace(written, &format!(":{name}"));
            with.insert(name.clone(), Scalar(format!("{{{{ inputs.{name} }}}}").into()));
        }
        let step = self.new_step();
        self.note(line, format!("step {}: say which database", step.id));
        let sql = Some(SqlStep::Read(Box::new(QueryConfig { database, query, with, most: None })));
        self.runbook.steps.push(StepConfig { sql, ..step });
    }
}

/// The text of an argument with references in the place of blanks.
fn filled(word: &str, blanks: &BTreeMap<String, String>) -> String {
    let mut word = word.to_owned();
    for (written, name) in blanks {
        word = word.replace(written, &format!("{{{{ inputs.{name} }}}}"));
    }
    word
}

/// A question over HTTP: curl with nothing but an address and options that change nothing.
fn request(command: &CommandWords) -> Option<RequestConfig> {
    let (program, rest) = command.words.split_first()?;
    let quiet = ["-s", "-S", "-sS", "-f", "-fsS", "-I", "-L", "--silent", "--fail", "--head"];
    let addresses: Vec<&String> = rest.iter().filter(|word| !quiet.contains(&word.as_str())).collect();
    match (program.as_str(), addresses.as_slice()) {
        ("curl", [url]) if url.starts_with("https://") || url.starts_with("http://") => Some(RequestConfig {
            url: (*url).clone(),
            headers: BTreeMap::new(),
            body: None,
            succeeds: Vec::new(),
        }),
        _ => None,
    }
}

/// Whether a command changes nothing, as far as its name tells.
fn only_looks(command: &CommandWords) -> bool {
    let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
    if command.redirects {
        return false;
    }
    match words.as_slice() {
        ["git", "status" | "log" | "diff" | "show", ..] | ["systemctl", "status" | "is-active", ..] => true,
        ["kubectl", "get" | "describe" | "logs", ..] => true,
        ["aws", _, verb, ..] => ["get", "list", "describe", "ls"].iter().any(|known| verb.starts_with(known)),
        // It never ends.
        ["tail", rest @ ..] => !rest.contains(&"-f") && !rest.contains(&"-F"),
        [program, ..] => LOOKS.contains(program),
        [] => true,
    }
}

fn without_comments(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("--"));
    lines.collect::<Vec<_>>().join("\n")
}
