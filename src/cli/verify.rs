//! `irctl verify`: suites of expectations.

mod selection;

use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::output::{Format, Tone};
use super::{Context, NowArgs};
use crate::base::environment::variable;
use crate::base::file::{parent, write_atomic};
use crate::base::{Clock, Error, ErrorCode, Result, Verdict};
use crate::check::scope::earlier;
use crate::config::{Scope, ServiceConfig, Workspace};
use crate::probe::{Request, VersionMap};
use crate::verify::reporters::{Reporter, Style, step_summary};
use crate::verify::{SuiteConfig, Summary, run as run_suite};

/// Run suites of expectations and report their verdict.
///
/// The exit status is the worst verdict: 0 OK, 2 CRIT, 3 UNKNOWN; WARN is 0 unless `--fail-on warn` makes it 1. What
/// cannot be decided, and a run that selects nothing, is never 0.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  irctl verify\n  irctl verify rila-smoke --fail-on warn\n  irctl verify --untrusted --report junit=verify.xml     # in CI, on somebody else's change\n  irctl verify --list\n  irctl verify --changed origin/main --allow-nothing --output github\n  irctl verify rila-smoke --output nagios"
)]
pub struct Args {
    /// Run only these suites; all of them otherwise.
    #[arg(value_name = "SUITE")]
    suites: Vec<String>,
    /// Run only the suites of this service.
    #[arg(long, value_name = "NAME", visible_alias = "model")]
    service: Option<String>,
    /// The mildest verdict that makes the exit status other than 0: `warn` with `--output nagios`, else `crit`. What is
    /// not known is never 0.
    #[arg(long, value_name = "VERDICT", value_enum)]
    fail_on: Option<FailOn>,
    /// Run only suites of whose inputs git says that they differ from this commit, and those whose inputs nobody can
    /// name: `--changed origin/main`.
    #[arg(long, value_name = "COMMIT")]
    changed: Option<String>,
    /// With `--changed`: exit 0 where no suite has anything to do with what differs.
    #[arg(long, requires = "changed")]
    allow_nothing: bool,
    /// Run no programs: for configuration that somebody else may have changed, as in a merge request.
    #[arg(long)]
    untrusted: bool,
    /// Also write a report to a file, as in `junit=verify.xml`; may be given several times. Reports: `text`, `json`,
    /// `junit`, `tap`, `github`, `nagios`, `prometheus`.
    #[arg(long, value_name = "KIND=FILE")]
    report: Vec<ReportFile>,
    /// List the suites and run none.
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    now: NowArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FailOn {
    /// WARN and everything worse.
    Warn,
    /// CRIT, and what is not known.
    #[value(alias = "unknown")]
    Crit,
}

/// `KIND=FILE`.
#[derive(Debug, Clone)]
struct ReportFile {
    reporter: Reporter,
    path: PathBuf,
}

impl FromStr for ReportFile {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::new(ErrorCode::Usage, format!("`{}` names no file", text.escape_debug()))
                .hint("write it like --report junit=target/verify.xml")
        };
        let (kind, path) = text.split_once('=').filter(|(_, path)| !path.is_empty()).ok_or_else(wrong)?;
        Ok(Self { reporter: kind.parse()?, path: path.into() })
    }
}

/// Runs it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let workspace = &Workspace::load_for(&context.directory, Scope::VERIFY)?;
    let mut suites = select(args, workspace)?;
    let asked = suites.len();
    if let Some(reference) = &args.changed {
        selection::changed(&mut suites, workspace, reference, context);
    }
    if args.list {
        return list(&suites, context);
    }
    let reporter = reporter(context.out.format())?;
    let progress = context.out.progress("verifying");
    let mut summary = verify(args, context, workspace, &suites)?;
    drop(progress);
    // A monitoring system is told of a warning by the exit status.
    let usual = if reporter == Reporter::Nagios { FailOn::Warn } else { FailOn::Crit };
    let fail_on = args.fail_on.unwrap_or(usual);
    let warn_fails = fail_on == FailOn::Warn;
    let untouched = args.allow_nothing && asked > 0 && suites.is_empty();
    summary.nothing = untouched.then(|| "no suite has anything to do with what differs".to_owned());
    let style = Style {
        warn_fails,
        width: context.out.width(),
        verdict: &|verdict| context.out.verdict(verdict),
        faint: &|text| context.out.tone(Tone::Faint, text),
    };
    let text = reporter.render(&summary, &style)?;
    if reporter == Reporter::Github {
        context.out.commands(&text)?;
        summarize(&summary)?;
    } else {
        context.out.text(&text)?;
    }
    if suites.is_empty() && !untouched {
        context.out.note(&nothing_selected(args, workspace, asked));
    }
    for file in &args.report {
        let text = file.reporter.render(&summary, &Style::plain(warn_fails))?;
        write(&context.directory.join(&file.path), &text)?;
    }
    Ok(if untouched { Verdict::Ok.exit() } else { exit(summary.verdict, fail_on) })
}

fn reporter(format: Format) -> Result<Reporter> {
    Ok(match format {
        Format::Text => Reporter::Text,
        Format::Json => Reporter::Json,
        Format::Junit => Reporter::Junit,
        Format::Tap => Reporter::Tap,
        Format::Github => Reporter::Github,
        Format::Nagios => Reporter::Nagios,
        Format::Prometheus => Reporter::Prometheus,
        Format::Sarif | Format::Markdown | Format::Checklist => {
            return Err(Error::new(ErrorCode::Usage, "only `irctl runbook` has results of this form")
                .hint("--output text, json, junit, tap, github, nagios or prometheus"));
        }
    })
}

/// Adds the summary of a GitHub job, where this is one.
fn summarize(summary: &Summary) -> Result<()> {
    use std::io::Write as _;
    let Some(path) = variable("GITHUB_STEP_SUMMARY") else { return Ok(()) };
    let failed =
        |error: std::io::Error| Error::io(format!("cannot write the summary of the job to {path}"), error);
    // Other steps write there, too.
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&path).map_err(failed)?;
    file.write_all(step_summary(summary).as_bytes()).map_err(failed)
}

/// Writes a report; a CI job may not have made the folder for it yet.
fn write(path: &Path, text: &str) -> Result<()> {
    let folder = parent(path);
    fs_err::create_dir_all(folder)
        .map_err(|error| Error::io(format!("cannot make the folder {}", folder.display()), error))?;
    write_atomic(path, text.as_bytes(), 0o644)
}

const fn exit(verdict: Verdict, fail_on: FailOn) -> u8 {
    match (verdict, fail_on) {
        (Verdict::Warn, FailOn::Crit) => Verdict::Ok.exit(),
        (verdict, _) => verdict.exit(),
    }
}

/// The suites asked for, in the order of their names. A name that does not exist is an error.
fn select<'a>(args: &Args, workspace: &'a Workspace) -> Result<Vec<&'a SuiteConfig>> {
    for name in &args.suites {
        if !workspace.suites.contains_key(name) {
            let known: Vec<_> = workspace.suites.keys().map(String::as_str).collect();
            return Err(Error::new(
                ErrorCode::NotFound,
                format!("there is no suite `{}`", name.escape_debug()),
            )
            .hint(format!("suites here: {}", known.join(", "))));
        }
    }
    if let Some(service) = &args.service {
        workspace.service(service)?;
    }
    let wanted = |suite: &&SuiteConfig| {
        (args.suites.is_empty() || args.suites.contains(&suite.suite))
            && (args.service.is_none() || suite.service == args.service)
    };
    Ok(workspace.suites.values().filter(wanted).collect())
}

/// Why nothing was selected, and what can be.
fn nothing_selected(args: &Args, workspace: &Workspace, asked: usize) -> String {
    if let (Some(reference), true) = (&args.changed, asked > 0) {
        let reference = reference.escape_debug();
        return format!(
            "no suite has anything to do with what differs from {reference}; where that is fine, say so with --allow-nothing"
        );
    }
    if workspace.suites.is_empty() {
        return "there are no suites: write one into config/verify/".to_owned();
    }
    let known: Vec<_> = workspace.suites.keys().map(String::as_str).collect();
    let of = args.service.as_deref().map(|name| format!(" of the service {name}")).unwrap_or_default();
    format!("none of the suites asked for is one{of}; suites here: {}", known.join(", "))
}

fn verify(args: &Args, context: &Context, workspace: &Workspace, suites: &[&SuiteConfig]) -> Result<Summary> {
    let now = context.now(&args.now)?;
    let none = BTreeMap::new();
    let mut reports = Vec::new();
    for suite in suites {
        let service = suite.service.as_deref().map(|name| workspace.service(name)).transpose()?;
        let mut versions =
            service.map(|service| versions(context, workspace, service, args.untrusted)).unwrap_or_default();
        let own = service.map_or(&none, |service| &service.probes);
        let of = suite.service.as_deref().unwrap_or(&suite.suite);
        versions.earlier = earlier(&workspace.state, of, [&suite.probes, own], now);
        let request = Request {
            service: of,
            root: &workspace.root,
            now,
            versions: &versions,
            untrusted: args.untrusted,
        };
        let clock = args.now.now.map_or_else(|| context.clock.clone(), Clock::Fixed);
        let wait = |at| clock.wait_until(at);
        reports.push(run_suite(suite, own, &request, &wait));
    }
    Ok(Summary::new(reports))
}

/// The versions of a service that are known here.
fn versions(
    context: &Context,
    workspace: &Workspace,
    service: &ServiceConfig,
    untrusted: bool,
) -> VersionMap {
    let (versions, doubt) = match untrusted {
        true => crate::check::scope::versions(workspace, &crate::check::scope::data_only(service)),
        false => crate::check::scope::versions(workspace, service),
    };
    if let Some(doubt) = doubt {
        context.out.warning(&format!("the served version of {} is not known: {doubt}", service.service));
    }
    versions
}

/// A suite as `irctl verify --list --output json` shows it.
#[derive(Serialize)]
struct Listed<'a> {
    suite: &'a str,
    title: Option<&'a str>,
    service: Option<&'a str>,
    probes: usize,
    expectations: usize,
}

fn list(suites: &[&SuiteConfig], context: &Context) -> Result<u8> {
    let listed: Vec<Listed<'_>> = suites
        .iter()
        .map(|suite| {
            // A template that does not fit is `config check`'s to explain; here its own part is counted.
            let whole = crate::verify::whole(suite).unwrap_or(Cow::Borrowed(suite));
            Listed {
                suite: &suite.suite,
                title: suite.title.as_deref(),
                service: suite.service.as_deref(),
                probes: whole.uses.len() + whole.probes.len(),
                expectations: whole.expect.len(),
            }
        })
        .collect();
    if context.out.is_json() {
        context.out.json(&listed)?;
        return Ok(0);
    }
    let row = |suite: &Listed<'_>| {
        vec![
            suite.suite.to_owned(),
            suite.service.unwrap_or("-").to_owned(),
            suite.probes.to_string(),
            suite.expectations.to_string(),
            suite.title.unwrap_or_default().to_owned(),
        ]
    };
    let rows: Vec<_> = listed.iter().map(row).collect();
    context.out.table(&["SUITE", "SERVICE", "PROBES", "EXPECTATIONS", "TITLE"], &rows)?;
    Ok(0)
}
