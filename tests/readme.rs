//! The README's transcripts are what the commands really print.
//!
//! `UPDATE_README=1 cargo nextest run --test readme` writes them anew; read the difference before you commit it.

mod support;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use support::{NIGHT, Workspace, repository};

/// A fenced block: its kind, and the lines in it.
struct Block {
    kind: String,
    first: usize,
    lines: Vec<String>,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```console ")) {
            (None, Some(kind)) => {
                open = Some(Block { kind: kind.to_owned(), first: number + 1, lines: Vec::new() })
            }
            (Some(_), _) if line == "```" => blocks.extend(open.take()),
            (Some(block), _) => block.lines.push(line.to_owned()),
            (None, None) => {}
        }
    }
    blocks
}

fn readme() -> PathBuf {
    repository().join("README.md")
}

/// What differs from run to run: durations, random identifiers, directories of their own.
fn normalized(text: &str, workspace: &Workspace) -> String {
    let root = workspace.root().canonicalize().unwrap();
    let text = text.replace(&*root.to_string_lossy(), "/srv/pricing");
    let home = root.parent().unwrap().to_string_lossy().into_owned();
    let text = text.replace(&home, "~");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let text = text.replace(&format!("only {} can", host.trim()), "only this-host can");
    let text = digests(&writers(&text, host.trim()));
    text.lines().map(|line| format!("{}\n", elapsed(line.trim_end()))).collect()
}

/// Hashes of events hold durations, so they differ from run to run: their digits become `…`.
fn digests(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("sha256:") {
        let (before, after) = rest.split_at(at + "sha256:".len());
        let digits = after.chars().take_while(char::is_ascii_hexdigit).count();
        out.push_str(before);
        out.push_str(if digits == 64 { "…" } else { &after[..digits] });
        rest = &after[digits..];
    }
    out + rest
}

/// A writer is a host and eight random digits.
fn writers(text: &str, host: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let head = format!("head of {host}-");
    while let Some(at) = rest.find(&head) {
        out.push_str(&rest[..at]);
        out.push_str("head of this-host");
        rest = &rest[at + head.len() + 8..];
    }
    out + rest
}

/// Replaces measured durations (`12 ms`, `1.3 s`) and writer names by fixed ones.
fn elapsed(line: &str) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for index in 1..words.len() {
        let unit = words[index].trim_end_matches([',', '.', ')', ';', ':']).to_owned();
        let number = words[index - 1].trim_start_matches('(').trim_start_matches("T+").to_owned();
        let measured = matches!(unit.as_str(), "ms" | "s") && number.parse::<f64>().is_ok();
        if measured {
            words[index - 1] = words[index - 1].replace(&number, "…");
        }
    }
    words.join(" ").trim_end().to_owned()
}

fn shell(workspace: &Workspace, command: &str) -> String {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_irctl"));
    let template = workspace.command(&[]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("{command} 2>&1")])
        .current_dir(workspace.root())
        .env_clear()
        .stdin(Stdio::null());
    for (name, value) in template.get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    shell.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", binary.parent().unwrap().display()));
    let output = shell.output().unwrap();
    let mut text = String::from_utf8(output.stdout).unwrap();
    match output.status.code() {
        Some(0) => {}
        Some(status) => text.push_str(&format!("[exit {status}]\n")),
        None => panic!("{command} was killed:\n{text}"),
    }
    text
}

/// Compares a block with what was really printed, or writes it anew.
fn settle(pages: Vec<Page>) {
    let mut lines: Vec<String> =
        std::fs::read_to_string(readme()).unwrap().lines().map(str::to_owned).collect();
    if std::env::var_os("UPDATE_README").is_some() {
        for (first, old, new) in pages.into_iter().rev() {
            lines.splice(first..first + old.len(), new.lines().map(str::to_owned));
        }
        std::fs::write(readme(), lines.join("\n") + "\n").unwrap();
        return;
    }
    for (first, old, new) in pages {
        let old: String = old.iter().map(|line| format!("{line}\n")).collect();
        assert_eq!(old, new, "README.md, line {first}: UPDATE_README=1 writes it anew");
    }
}

#[test]
fn the_transcripts_are_what_is_printed() {
    let text = std::fs::read_to_string(readme()).unwrap();
    let mut pages = vec![demo(&text)];
    pages.extend(tour(&text));
    pages.sort_by_key(|(first, ..)| *first);
    settle(pages);
}

type Page = (usize, Vec<String>, String);

fn tour(text: &str) -> Vec<Page> {
    let workspace = Workspace::healthy();
    workspace.set_clock(NIGHT);
    let mut pages = Vec::new();
    for block in blocks(text).into_iter().filter(|block| block.kind == "tour") {
        let mut new = String::new();
        for command in block.lines.iter().filter_map(|line| line.strip_prefix("$ ")) {
            let printed = normalized(&shell(&workspace, command), &workspace);
            assert!(!printed.contains("[exit 70]"), "{command}:\n{printed}");
            new.push_str(&format!("$ {command}\n{printed}"));
        }
        pages.push((block.first, block.lines, new));
    }
    assert!(pages.len() >= 5, "the tour is gone");
    pages
}

fn demo(text: &str) -> Page {
    let workspace = Workspace::empty();
    let demo = workspace.root().join("demo");
    let script = repository().join("fixtures/demo.sh");
    let output = Command::new("sh")
        .arg(script)
        .arg(&demo)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", workspace.root())
        .env("IRCTL", env!("CARGO_BIN_EXE_irctl"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{printed}\n{errors}");
    let printed = normalized(&printed, &workspace);
    let block = blocks(text).into_iter().find(|block| block.kind == "demo").unwrap();
    (block.first, block.lines, format!("$ make demo\n{printed}"))
}
