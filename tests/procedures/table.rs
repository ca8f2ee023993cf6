//! docs/procedures.md: every row has a test that exists, and a command that irctl takes.

use super::support::repository;
use clap::CommandFactory as _;
use irctl::cli::Cli;
use std::collections::BTreeSet;
use std::path::Path;

/// The cells of one row of a table.
type Row = Vec<String>;

fn page() -> String {
    std::fs::read_to_string(repository().join("docs/procedures.md")).unwrap()
}

/// The rows of the tables of procedures: step, irctl, test.
fn rows(text: &str) -> Vec<Row> {
    let shown: String = text.split("<!--").enumerate().fold(String::new(), |shown, (part, piece)| {
        shown + if part == 0 { piece } else { piece.split_once("-->").map_or("", |(_, after)| after) }
    });
    let lines = shown.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| step |"));
    // A bar within a cell is written `\|`.
    let cells = |line: &str| {
        let line = line.replace("\\|", "\u{1}");
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().replace('\u{1}', "|")).collect::<Row>()
    };
    lines.map(cells).filter(|row| row.len() == 3 && !row[0].starts_with("---")).collect()
}

/// What stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The names of all tests of the repository.
fn tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let after = text.split("#[test]").skip(1).filter_map(|rest| rest.split_once("fn "));
            found.extend(after.filter_map(|(_, rest)| Some(rest.split_once('(')?.0.to_owned())));
        }
    }
}

/// Words as a shell would split them: blanks, and quotes around what has some.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut within) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (c, within) {
            ('"' | '\'', None) => within = Some(c),
            (c, Some(quote)) if c == quote => within = None,
            (' ', None) => words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
            _ => word.push(c),
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

#[test]
fn every_row_names_a_test_that_exists() {
    let mut known = BTreeSet::new();
    for folder in ["tests", "src"] {
        tests(&repository().join(folder), &mut known);
    }
    let rows = rows(&page());
    assert!(rows.len() > 60, "the tables are gone: {} rows", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        let named: Vec<_> = quoted(&row[2]).collect();
        if named.is_empty() {
            wrong.push(format!("no test: {}", row[0]));
        }
        wrong.extend(
            named.iter().filter(|name| !known.contains(**name)).map(|name| format!("{name}: {}", row[0])),
        );
    }
    assert!(wrong.is_empty(), "docs/procedures.md:\n{}", wrong.join("\n"));
}

#[test]
fn every_command_of_the_tables_is_one() {
    let text = page();
    let mut seen = 0;
    for row in rows(&text) {
        for command in quoted(&row[1]).filter(|quoted| quoted.starts_with("irctl")) {
            if let Err(error) = Cli::command().try_get_matches_from(words(command)) {
                panic!("`{command}` in the row `{}`: {error}", row[0]);
            }
            seen += 1;
        }
        assert!(quoted(&row[1]).next().is_some(), "neither a command nor a key: {}", row[0]);
    }
    assert!(seen > 40, "{seen} commands");
}

/// Rows of commands that are not there yet wait in a comment; when they come, the rows are to be shown.
#[test]
fn rows_that_wait_for_a_command_wait_no_longer_than_that() {
    let text = page();
    for waiting in text.split("<!-- when ").skip(1) {
        let head = waiting.lines().next().unwrap();
        let commands: Vec<_> = quoted(head).collect();
        assert!(!commands.is_empty(), "{head}");
        let there =
            commands.iter().all(|command| Cli::command().try_get_matches_from(words(command)).is_ok());
        assert!(
            !there,
            "{} is a command now: take the comment around its rows in docs/procedures.md away",
            commands.join(" and ")
        );
    }
}
