//! Imports run one way, files stay small, and only the edge touches terminal, environment and process exit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The floors of the house, lowest first. A room may import rooms of lower floors only; rooms on one floor do
/// not import each other.
const FLOORS: &[&[&str]] = &[
    &["base"],
    &["store"],
    &["severity", "incident", "probe"],
    &["verify", "operation", "notify"],
    &["rollback"],
    &["runbook"],
    &["config"],
    &["check", "report", "postmortem"],
    &["cli"],
];

fn floor(room: &str) -> usize {
    FLOORS.iter().position(|rooms| rooms.contains(&room)).unwrap_or_else(|| panic!("`{room}` has no floor"))
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn files() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    paths
        .into_iter()
        .filter_map(|path| {
            let relative = path.strip_prefix(&root).unwrap();
            let room = relative.components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
            if room.ends_with(".rs") {
                return None;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            Some((room, relative.to_path_buf(), text))
        })
        .collect()
}

/// The code of a file without its comment lines and without its unit tests.
fn code(text: &str) -> String {
    let body = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    body.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

/// Every room named after `crate::`, also inside `crate::{a, b::c}`.
fn imports(text: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let group = group.split(';').next().unwrap_or_default();
            let mut depth = 0;
            let mut name = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        rooms.push(std::mem::take(&mut name));
                        continue;
                    }
                    _ => {}
                }
                if depth < 0 {
                    break;
                }
                name.push(c);
            }
            rooms.push(name);
        } else {
            rooms.push(rest.to_owned());
        }
    }
    rooms
        .iter()
        .map(|room| room.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .filter(|room: &String| !room.is_empty())
        .collect()
}

#[test]
fn imports_run_downwards() {
    let mut wrong = Vec::new();
    for (room, path, text) in files() {
        // Unit tests may look at neighbours (a test of notify may build an incident), the product may not.
        for imported in imports(&code(&text)) {
            if imported != room && floor(&imported) >= floor(&room) {
                wrong.push(format!("{}: {room} imports {imported}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the arrow:\n{}", wrong.join("\n"));
}

#[test]
fn every_room_has_a_floor_and_every_floor_its_rooms() {
    let rooms: std::collections::BTreeSet<_> = files().into_iter().map(|(room, ..)| room).collect();
    let floors: std::collections::BTreeSet<_> =
        FLOORS.iter().flat_map(|rooms| rooms.iter()).map(|r| (*r).to_owned()).collect();
    assert_eq!(rooms, floors);
}

#[test]
fn only_the_edge_touches_terminal_environment_clock_and_exit() {
    let rules: BTreeMap<&str, fn(&str, &Path) -> bool> = BTreeMap::from([
        ("println!", (|_, _| false) as fn(&str, &Path) -> bool),
        ("eprintln!", |_, _| false),
        ("std::io::stdout", |_, path| path.ends_with("cli/output.rs")),
        ("std::io::stderr", |_, path| path.ends_with("cli/output.rs")),
        ("process::exit", |_, _| false),
        ("std::env::", |room, _| matches!(room, "base" | "cli")),
        ("Utc::now(", |room, _| room == "base"),
        ("SystemTime::now(", |room, _| room == "base"),
    ]);
    let mut wrong = Vec::new();
    for (room, path, text) in files() {
        let code = code(&text);
        for (word, allowed) in &rules {
            if code.contains(word) && !allowed(&room, &path) {
                wrong.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "below the edge:\n{}", wrong.join("\n"));
}

#[test]
fn files_stay_small() {
    let long: Vec<_> = files()
        .into_iter()
        .filter(|(_, _, text)| text.lines().count() > 450)
        .map(|(_, path, text)| format!("{}: {} lines", path.display(), text.lines().count()))
        .collect();
    assert!(long.is_empty(), "split these:\n{}", long.join("\n"));
}

#[test]
fn the_import_reader_sees_groups() {
    assert_eq!(imports("use crate::{base::Result, store};"), ["base", "store"]);
    assert_eq!(imports("use crate::{base::{Result, Error}, probe::x};"), ["base", "probe"]);
    assert_eq!(imports("crate::incident::fold(x)"), ["incident"]);
}
