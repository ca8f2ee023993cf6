//! `irctl init`: a small working configuration for the layout that is found.

mod layout;

use serde::Serialize;
use serde_json::json;
use std::path::Path;

use self::layout::Layout;
use super::Context;
use crate::base::error::exit;
use crate::base::untrusted::Sink;
use crate::base::{Error, ErrorCode, Result, file, path, template};
use crate::config::{MARK, Workspace, render};

/// Write a small working configuration for the layout found here. Nothing that exists is overwritten.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  irctl init --dry-run\n  irctl -C /srv/pricing init")]
pub struct Args {
    /// Print what would be written.
    #[arg(long)]
    dry_run: bool,
}

/// A file to write.
struct Draft {
    path: String,
    text: String,
}

/// What became of a file, as `--output json` prints it.
#[derive(Serialize)]
struct Outcome<'a> {
    path: &'a str,
    /// `written`, `exists` (left alone), or `planned` with `--dry-run`.
    state: &'static str,
    text: &'a str,
}

/// Runs it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let root = context
        .directory
        .canonicalize()
        .map_err(|error| Error::io(context.directory.display().to_string(), error))?;
    if root.join(MARK).symlink_metadata().is_ok() {
        return Err(Error::new(
            ErrorCode::Refused,
            format!("{MARK} exists here already; nothing was written"),
        )
        .hint("`irctl config check` says whether it is good"));
    }
    let drafts = drafts(&root)?;
    if args.dry_run {
        return print(&drafts, context);
    }
    let mut outcomes = Vec::new();
    for draft in &drafts {
        let state = if write(&root, draft)? { "written" } else { "exists" };
        if !context.out.is_json() {
            let note = if state == "exists" { " (exists, left alone)" } else { "" };
            context.out.line(&format!("{}{note}", draft.path))?;
        }
        outcomes.push(Outcome { path: &draft.path, state, text: &draft.text });
    }
    if context.out.is_json() {
        context.out.json(&outcomes)?;
    }
    checked(&root, context)
}

/// What was written is checked like anything else; together with files that were there it may not fit.
fn checked(root: &Path, context: &Context) -> Result<u8> {
    let checked = Workspace::check(root)?;
    if checked.report.errors() > 0 {
        let message =
            format!("what stands here now has errors\n\n{}", render(&checked.report, false).trim_end());
        return Err(Error::new(ErrorCode::InvalidConfiguration, message)
            .hint("correct the files and run `irctl config check`"));
    }
    let blind: Vec<_> = layout::detect(root, workspace_name(root))
        .into_iter()
        .filter(|service| !service.is_measured())
        .map(|service| service.name)
        .collect();
    for name in &blind {
        context.out.note(&format!(
            "nothing here shows what to measure of {name}: give config/services/{name}.yaml `probes:` \
             (docs/probes.md), or run `irctl init` where models/production/ or outputs/production/ is"
        ));
    }
    if !blind.is_empty() && layout::is_served(root) {
        context
            .out
            .note("this folder itself serves a model: `irctl rollback . --to prev` needs no configuration");
    }
    context.out.note("next: read the files, then `irctl config check` and `irctl check`");
    Ok(exit::OK)
}

fn print(drafts: &[Draft], context: &Context) -> Result<u8> {
    if context.out.is_json() {
        let planned = drafts.iter().map(|Draft { path, text }| Outcome { path, state: "planned", text });
        context.out.json(&planned.collect::<Vec<_>>())?;
        return Ok(exit::OK);
    }
    for draft in drafts {
        context.out.line(&format!("# ==> {}", draft.path))?;
        context.out.line(&draft.text)?;
    }
    Ok(exit::OK)
}

/// The folder's name, where it can be one.
fn workspace_name(root: &Path) -> &str {
    let folder = root.file_name().and_then(|name| name.to_str()).filter(|name| layout::is_plain(name));
    folder.unwrap_or("workspace")
}

/// Everything to write, in the order in which it should be read.
fn drafts(root: &Path) -> Result<Vec<Draft>> {
    let workspace = workspace_name(root);
    let whole = json!({ "workspace": workspace });
    let mut drafts = vec![draft(MARK.to_owned(), include_str!("irctl.yaml"), &whole)?];
    for service in layout::detect(root, workspace) {
        drafts.extend(of_service(&service)?);
    }
    drafts.push(draft("config/notify.yaml".to_owned(), include_str!("notify.yaml"), &whole)?);
    drafts.push(draft("config/contacts.yaml".to_owned(), include_str!("contacts.yaml"), &whole)?);
    Ok(drafts)
}

/// What can be measured gets a scheme and a suite of its own; without that there is nothing to write into them.
fn of_service(service: &Layout) -> Result<Vec<Draft>> {
    let name = &service.name;
    let mut drafts =
        vec![draft(format!("config/services/{name}.yaml"), include_str!("service.yaml"), service)?];
    if service.is_measured() {
        drafts.push(draft(format!("config/severity/{name}.yaml"), include_str!("severity.yaml"), service)?);
        drafts.push(draft(format!("config/verify/{name}-smoke.yaml"), include_str!("verify.yaml"), service)?);
    }
    drafts.push(draft(format!("runbooks/{name}-rollback.yaml"), include_str!("runbook.yaml"), service)?);
    Ok(drafts)
}

fn draft(path: String, source: &str, context: impl Serialize) -> Result<Draft> {
    let text = template::render(&path, source, context, Sink::Plain)?;
    Ok(Draft { path, text })
}

/// Writes a file unless something stands there; says whether it did.
fn write(root: &Path, draft: &Draft) -> Result<bool> {
    let target = path::inside(root, Path::new(&draft.path))?;
    if target.symlink_metadata().is_ok() {
        return Ok(false);
    }
    let folder = file::parent(&target);
    fs_err::create_dir_all(folder).map_err(|error| Error::io("cannot make the folder", error))?;
    file::write_atomic(&target, draft.text.as_bytes(), 0o644)?;
    Ok(true)
}
