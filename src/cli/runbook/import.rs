//! `irctl runbook import`: a draft of a runbook from a procedure in Markdown.

use std::path::PathBuf;

use crate::base::error::exit;
use crate::base::file::{read_limited, write_atomic};
use crate::base::{Error, ErrorCode, Result};
use crate::cli::Context;
use crate::runbook::import;

/// What to import.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The procedure, in Markdown.
    file: PathBuf,
    /// The name of the runbook; that of the file otherwise.
    #[arg(long)]
    name: Option<String>,
    /// Write the draft to this file instead of printing it. A file that is there stays.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// Runs it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let path = context.directory.join(&args.file);
    let bytes = read_limited(&path, import::LIMIT)?;
    let text = String::from_utf8_lossy(&bytes);
    let source = args.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = match &args.name {
        Some(name) => name.clone(),
        None => usual(&source),
    };
    if !is_name(&name) {
        return Err(Error::new(ErrorCode::Usage, format!("`{}` cannot be a name", name.escape_debug()))
            .hint("use letters, digits, `-`, `_` and `.`, and begin with a letter or a digit"));
    }
    let draft = import::import(&text, &name, &source);
    let yaml = draft.yaml(&source)?;
    match &args.write {
        None if context.out.is_json() => context.out.json(&draft.runbook)?,
        None => context.out.text(&yaml)?,
        Some(target) => {
            let target = context.directory.join(target);
            if target.symlink_metadata().is_ok() {
                let message = format!("{} is there already, and stays as it is", target.display());
                return Err(
                    Error::new(ErrorCode::Refused, message).hint("name another file, or take it away first")
                );
            }
            write_atomic(&target, yaml.as_bytes(), 0o644)?;
        }
    }
    for note in &draft.notes {
        let place = if note.line > 0 { format!("{source}:{}: ", note.line) } else { String::new() };
        context.out.note(&format!("{place}{}", note.text));
    }
    let steps = draft.runbook.steps.len();
    context.out.note(&format!("{steps} steps; read every one, then: irctl runbook lint {name}"));
    Ok(exit::OK)
}

/// The name of a file without its ending, as far as it can be a name.
fn usual(source: &str) -> String {
    let stem = source.rsplit_once('.').map_or(source, |(stem, _)| stem);
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c.to_ascii_lowercase() } else { '-' }
    };
    let name: String = stem.chars().map(plain).take(80).collect();
    let name = name.trim_matches(['-', '_']).to_owned();
    if name.is_empty() { "imported".to_owned() } else { name }
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 100 && name.chars().all(plain) && !name.starts_with(['.', '-'])
}
