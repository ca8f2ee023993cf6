//! What a command really runs: wrappers, assignments and shells in shells taken off.

use super::shell::{self, Command, Word};
use crate::runbook::kinds::ManualStep;
use crate::runbook::{Kind, StepConfig, walk};

/// A command in a step, and where it stands.
pub(super) struct Placed {
    /// The pointer of the text, or of the list of arguments.
    pub pointer: String,
    /// Where the text begins in the value at the pointer, where the command is an excerpt of it.
    pub offset: usize,
    /// The command.
    pub command: Command,
    /// The commands in its substitutions.
    pub inner: Vec<Command>,
    /// The command whose output it reads.
    pub before: Option<Command>,
}

impl Placed {
    /// The pointer and the span of a word.
    pub fn place(&self, word: &Word) -> (String, Option<std::ops::Range<usize>>) {
        match word.argument {
            Some(number) => (format!("{}/{number}", self.pointer), None),
            None => (
                self.pointer.clone(),
                Some(word.span.start + self.offset..word.span.end.max(word.span.start + 1) + self.offset),
            ),
        }
    }

    /// The program and its arguments, without what only wraps them.
    pub fn program(&self) -> Option<(&str, &[Word])> {
        program(&self.command)
    }
}

/// Words that only stand before a command.
const KEYWORDS: [&str; 12] =
    ["if", "then", "else", "elif", "while", "until", "do", "!", "{", "time", "exec", "command"];

/// The program of a command and its arguments: assignments, keywords, and wrappers as `sudo -u x` taken off.
pub(super) fn program(command: &Command) -> Option<(&str, &[Word])> {
    let mut words = command.words.as_slice();
    loop {
        let (first, rest) = words.split_first()?;
        let name = base(&first.text);
        words = match name {
            _ if is_assignment(&first.text) || KEYWORDS.contains(&name) => rest,
            "sudo" | "doas" => past_options(rest, &["-u", "-g", "-h", "-p", "-C", "-D", "-r", "-t"], 0),
            "env" => past_options(rest, &["-u", "-C", "-S"], 0),
            "nohup" | "setsid" | "builtin" => rest,
            "nice" | "ionice" | "stdbuf" => past_options(rest, &["-n", "-c", "-o", "-e", "-i"], 0),
            "timeout" => past_options(rest, &["-s", "-k"], 1),
            "xargs" => past_options(rest, &["-n", "-I", "-P", "-L", "-d", "-a"], 0),
            _ => return Some((name, rest)),
        };
    }
}

/// The words after the options of a wrapper; `operands` more belong to it.
fn past_options<'a>(words: &'a [Word], with_value: &[&str], operands: usize) -> &'a [Word] {
    let mut rest = words;
    while let Some((first, tail)) = rest.split_first() {
        if !first.text.starts_with('-') {
            break;
        }
        let value = usize::from(with_value.contains(&first.text.as_str()));
        rest = tail.get(value..).unwrap_or_default();
    }
    rest.get(operands..).unwrap_or_default()
}

fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// `NAME=value` in front of a command.
pub(super) fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        let mut letters = name.chars();
        letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// Whether a program reads scripts.
pub(super) fn is_shell(program: &str) -> bool {
    matches!(program, "sh" | "bash" | "dash" | "zsh" | "ksh" | "ash")
}

/// Every command that a step runs, or tells a human to run.
pub(super) fn of_step(step: &StepConfig, pointer: &str) -> Vec<Placed> {
    let mut found = Vec::new();
    match step.kind() {
        Some(Kind::Run(run)) => arguments(&run.argv, format!("{pointer}/run/argv"), &mut found),
        Some(Kind::Shell(shell)) => script(&shell.script, &format!("{pointer}/shell/script"), 0, &mut found),
        Some(Kind::Manual(manual)) => {
            let place = match manual {
                ManualStep::Short(_) => format!("{pointer}/manual"),
                ManualStep::Detailed(_) => format!("{pointer}/manual/instruction"),
            };
            quoted(manual.instruction(), &place, &mut found);
        }
        Some(Kind::Note(text)) => quoted(text, &format!("{pointer}/note"), &mut found),
        _ => {}
    }
    // Probes, suites and recipes run programs as lists of arguments.
    for (at, argv) in lists(step) {
        arguments(&argv, format!("{pointer}{at}"), &mut found);
    }
    found
}

/// Lists of arguments under `command` and `argv` of probes and checks in the step.
fn lists(step: &StepConfig) -> Vec<(String, Vec<String>)> {
    if step.probe.is_none() && step.verify.is_none() {
        return Vec::new();
    }
    let mut texts: Vec<(String, Vec<String>)> = Vec::new();
    for (pointer, text) in walk::texts(step) {
        let Some((list, number)) = pointer.rsplit_once('/') else { continue };
        let key = list.rsplit('/').next().unwrap_or_default();
        let looks = list.starts_with("/probe/") || list.starts_with("/verify/");
        if !looks || !matches!(key, "command" | "argv") || number.parse::<usize>().is_err() {
            continue;
        }
        match texts.last_mut() {
            Some((last, words)) if last == list => words.push(text),
            _ => texts.push((list.to_owned(), vec![text])),
        }
    }
    texts
}

fn arguments(argv: &[String], pointer: String, found: &mut Vec<Placed>) {
    let command = shell::of_arguments(argv);
    if let Some(number) = script_argument(&command)
        && let Some(text) = argv.get(number)
    {
        script(text, &format!("{pointer}/{number}"), 0, found);
    }
    found.push(Placed { pointer, offset: 0, command, inner: Vec::new(), before: None });
}

/// The argument that a shell is handed as its script: `sh -c SCRIPT`.
fn script_argument(command: &Command) -> Option<usize> {
    let (name, words) = program(command)?;
    if !is_shell(name) {
        return None;
    }
    let mut words = words.iter();
    words
        .find(|word| word.text.starts_with('-') && !word.text.starts_with("--") && word.text.contains('c'))?;
    words.find(|word| !word.text.starts_with('-'))?.argument
}

/// The commands of a script. A script inside it, as in `bash -c '…'`, is read as well, and placed at its word.
fn script(text: &str, pointer: &str, offset: usize, found: &mut Vec<Placed>) {
    let commands = shell::commands(text);
    for (number, command) in commands.iter().enumerate() {
        let before = number.checked_sub(1).and_then(|before| commands.get(before)).filter(|_| command.piped);
        let inner = commands.get(command.inner.clone()).unwrap_or_default().to_vec();
        if let Some(word) = inner_script(command) {
            // Escapes shift places inside it; its word is near enough.
            let inside = shell::commands(&word.text).into_iter().map(|mut inside| {
                for one in &mut inside.words {
                    one.span = word.span.clone();
                }
                inside
            });
            found.extend(inside.map(|command| Placed {
                pointer: pointer.to_owned(),
                offset,
                command,
                inner: Vec::new(),
                before: None,
            }));
        }
        found.push(Placed {
            pointer: pointer.to_owned(),
            offset,
            command: command.clone(),
            inner,
            before: before.cloned(),
        });
    }
}

fn inner_script(command: &Command) -> Option<&Word> {
    let (name, words) = program(command)?;
    if !is_shell(name) {
        return None;
    }
    let mut words = words.iter();
    words
        .find(|word| word.text.starts_with('-') && !word.text.starts_with("--") && word.text.contains('c'))?;
    words.find(|word| !word.text.starts_with('-'))
}

/// The commands that a text quotes in backticks.
fn quoted(text: &str, pointer: &str, found: &mut Vec<Placed>) {
    let mut at = 0;
    while let Some(open) = text.get(at..).and_then(|rest| rest.find('`')).map(|open| at + open) {
        let ticks = text.get(open..).unwrap_or_default().bytes().take_while(|byte| *byte == b'`').count();
        let start = open + ticks;
        let mark = "`".repeat(ticks);
        let Some(length) = text.get(start..).and_then(|rest| rest.find(&mark)) else { break };
        let inside = text.get(start..start + length).unwrap_or_default();
        // The first line of a fence names its language.
        let skip = if ticks >= 3 { inside.find('\n').map_or(0, |line| line + 1) } else { 0 };
        script(inside.get(skip..).unwrap_or_default(), pointer, start + skip, found);
        at = start + length + ticks;
    }
}
