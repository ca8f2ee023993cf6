//! `irctl classify`: alerts in, levels and reasons out.

use chrono::{DateTime, Utc};
use std::io::{IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use super::Context;
use super::classify_input::{self, Opened};
use super::classify_replay;
use super::classify_text::Renderer;
use crate::base::clock::parse_instant;
use crate::base::error::exit;
use crate::base::{Error, ErrorCode, Result, Untrusted, Verdict};
use crate::config::{Scope, alone};
use crate::severity::input::Format;
use crate::severity::{
    Alert, AlertClassifier, Classification, DEFAULT_SCHEME, Evidence, Framing, Given, Handler, Input, Scheme,
    StreamSummary, classify, classify_stream, resolve_scheme, shipped,
};

/// Classify alerts: the level, the rules behind it, and what is undecided.
///
/// One alert, or an array of them, is explained rule by rule; JSONL gives one line of text, or one JSON object, for
/// each.
///
/// An alert is a JSON object with `alert_name`, `description`, `affected_services` and `metrics`; several are an array,
/// or one on each line (JSONL). A metric's value is a number in the metric's unit, true or false, or a text with a unit
/// ("60%", "200ms").
///
/// Webhooks of Alertmanager, Grafana, CloudWatch (by SNS), PagerDuty and healthchecks are recognised by their shape;
/// docs/inputs.md says what becomes of each, and how a mapping file reads any other.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  irctl classify alert.json\n  irctl classify alerts.jsonl --output json\n  irctl classify webhook.json --format grafana\n  irctl classify --metric error_rate=60% --metric availability=0.99\n  irctl classify --scheme rila --metric mape_weekly=31% --exit-code\n  irctl classify --replay --rules new.yaml --from 2026-10-01T00:00:00Z"
)]
pub struct Args {
    /// The file with the alerts; `-`, or none, is standard input.
    #[arg(value_name = "FILE", conflicts_with = "metrics")]
    file: Option<PathBuf>,
    /// A metric of one alert, as error_rate=0.6 or error_rate=60%; may be given several times.
    #[arg(long = "metric", value_name = "NAME=VALUE", value_parser = metric)]
    metrics: Vec<(String, Given)>,
    /// What the input is, where its shape does not say: irctl, alertmanager, grafana, cloudwatch, pagerduty,
    /// healthchecks.
    #[arg(long, value_name = "FORMAT", value_parser = Format::NAMED.map(Format::as_str), hide_possible_values = true, conflicts_with = "metrics")]
    format: Option<String>,
    /// Read the input by this mapping: a file, or the name of one in config/mappings.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["metrics", "format"])]
    mapping: Option<String>,
    /// The severity scheme that judges.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_SCHEME)]
    scheme: String,
    /// Judge by the scheme in this file.
    #[arg(long, value_name = "FILE", conflicts_with = "scheme")]
    rules: Option<String>,
    /// Judge the past again by --rules: which incidents would have had another level, which deadlines would have been
    /// kept or missed, who would have been told.
    #[arg(long, requires = "rules", conflicts_with_all = ["file", "metrics", "format", "mapping", "exit_code"])]
    replay: bool,
    /// Replay from this instant on.
    #[arg(long, value_name = "RFC3339", requires = "replay", value_parser = parse_instant)]
    from: Option<DateTime<Utc>>,
    /// Replay until this instant.
    #[arg(long, value_name = "RFC3339", requires = "replay", value_parser = parse_instant)]
    to: Option<DateTime<Utc>>,
    /// End with the status of the worst verdict: 0 OK, 1 WARN, 2 CRIT, 3 UNKNOWN.
    #[arg(long)]
    exit_code: bool,
}

/// Reads `name=value`.
fn metric(text: &str) -> std::result::Result<(String, Given), String> {
    let (name, value) = text.rsplit_once('=').ok_or("write it as NAME=VALUE, like error_rate=0.6")?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || value.is_empty() {
        return Err("write it as NAME=VALUE, like error_rate=0.6".to_owned());
    }
    let given = match (value, value.parse::<f64>()) {
        ("true", _) => Given::Flag(true),
        ("false", _) => Given::Flag(false),
        (_, Ok(number)) => Given::Number(number),
        _ => Given::Text(value.to_owned()),
    };
    Ok((name.to_owned(), given))
}

/// Runs it and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let rules = match &args.rules {
        Some(file) if args.replay => return classify_replay::run(file, args.from, args.to, context),
        Some(file) => alone::scheme_file(&context.directory.join(file), file)?,
        None => scheme(&args.scheme, context)?,
    };
    let scheme = Scheme::compile_or_error(&rules)?;
    let worst = if args.metrics.is_empty() {
        from_stream(args, &scheme, context)?
    } else {
        from_metrics(args, &scheme, context)?
    };
    Ok(if args.exit_code { worst.exit() } else { exit::OK })
}

/// The scheme by name. The workspace is loaded only where it may say something else than what is shipped.
fn scheme(name: &str, context: &Context) -> Result<crate::severity::SchemeConfig> {
    let is_shipped = shipped().iter().any(|(shipped, _)| *shipped == name);
    if is_shipped && !workspace_has_own_schemes(&context.directory) {
        return resolve_scheme(name, None);
    }
    match context.workspace_for(Scope::CLASSIFY) {
        Ok(workspace) => resolve_scheme(name, Some(&workspace.schemes)),
        Err(error) if error.code == ErrorCode::NoConfiguration => resolve_scheme(name, None),
        Err(error) => Err(error),
    }
}

/// Whether a workspace here or above has a scheme file that is not, byte for byte, a shipped one.
fn workspace_has_own_schemes(directory: &Path) -> bool {
    let Some(root) = directory.ancestors().find(|root| root.join("config/irctl.yaml").is_file()) else {
        return false;
    };
    let Ok(entries) = fs_err::read_dir(root.join("config/severity")) else { return false };
    entries.flatten().any(|entry| match fs_err::read(entry.path()) {
        Ok(bytes) => !shipped().iter().any(|(_, yaml)| yaml.as_bytes() == bytes),
        Err(_) => true,
    })
}

fn from_metrics(args: &Args, scheme: &Scheme, context: &Context) -> Result<Verdict> {
    let mut alert = Alert::default();
    for (name, given) in &args.metrics {
        if alert.metrics.insert(name.clone(), given.clone()).is_some() {
            let name = Untrusted::new(name);
            return Err(Error::new(ErrorCode::Usage, format!("--metric {name} is given twice")));
        }
    }
    let classification = classify(scheme, &Evidence::from_alert(&alert));
    if context.out.is_json() {
        context.out.json(&classification)?;
    } else {
        let renderer = Renderer { scheme, out: &context.out };
        context.out.text(&renderer.render(&alert, &classification))?;
    }
    Ok(classification.verdict)
}

fn from_stream(args: &Args, scheme: &Scheme, context: &Context) -> Result<Verdict> {
    let file = args.file.as_deref().filter(|file| *file != Path::new("-"));
    let asked = classify_input::asked(args.format.as_deref(), args.mapping.as_deref(), context)?;
    let reader: Box<dyn Read> = match file {
        Some(file) => Box::new(fs_err::File::open(context.directory.join(file))?),
        None if std::io::stdin().is_terminal() => {
            return Err(Error::new(ErrorCode::Usage, "there is no alert to classify")
                .hint("name a file, pipe an alert in, or give --metric error_rate=0.6"));
        }
        None => Box::new(std::io::stdin().lock()),
    };
    let mut reader = match classify_input::open(reader, asked)? {
        Opened::Own(reader) => reader,
        Opened::Foreign(reader, how) => return classify_input::run(reader, &how, scheme, context),
    };
    let lines = classify_input::is_lines(file);
    let mut writer = context.out.writer();
    let summary = if context.out.is_json() {
        let framing = Framing { open: b"[\n", between: b",\n", close: b"\n]\n", after: b"\n" };
        let make = |input| JsonHandler { scheme, input, classifier: AlertClassifier::new(scheme) };
        classify_stream(&mut reader, &mut writer, lines, framing, &make)?
    } else {
        let framing = Framing { open: b"", between: b"\n", close: b"", after: b"" };
        let out = &context.out;
        let make = |input| TextHandler {
            renderer: Renderer { scheme, out },
            input,
            classifier: AlertClassifier::new(scheme),
        };
        classify_stream(&mut reader, &mut writer, lines, framing, &make)?
    };
    drop(writer);
    finish(&summary, context)
}

/// Reports what could not be read, and gives the worst verdict of what could.
fn finish(summary: &StreamSummary, context: &Context) -> Result<Verdict> {
    if summary.abandoned {
        return Ok(Verdict::Unknown);
    }
    for error in &summary.errors {
        context.out.warning(&format!("line {}, column {}: {}", error.line, error.column, error.reason));
    }
    if summary.unreadable > 0 {
        let all = summary.alerts + summary.unreadable;
        let why = format!("{} of {all} alerts could not be read", summary.unreadable);
        return Err(Error::new(ErrorCode::InvalidData, why)
            .hint("the others were classified; an alert is {\"alert_name\": …, \"metrics\": {…}}"));
    }
    summary.worst.ok_or_else(|| {
        Error::new(ErrorCode::InvalidData, "there is no alert in the input")
            .hint("an alert is {\"alert_name\": …, \"metrics\": {\"error_rate\": 0.06}}")
    })
}

struct JsonHandler<'s> {
    scheme: &'s Scheme,
    input: Input,
    classifier: AlertClassifier<'s>,
}

impl Handler for JsonHandler<'_> {
    fn handle(&mut self, text: &str, out: &mut Vec<u8>) -> Result<Verdict, serde_json::Error> {
        if self.input != Input::One {
            return self.classifier.json_line(text, out);
        }
        let (_, classification) = classified(self.scheme, text)?;
        serde_json::to_writer_pretty(out, &classification)?;
        Ok(classification.verdict)
    }
}

struct TextHandler<'s> {
    renderer: Renderer<'s>,
    input: Input,
    classifier: AlertClassifier<'s>,
}

impl Handler for TextHandler<'_> {
    fn handle(&mut self, text: &str, out: &mut Vec<u8>) -> Result<Verdict, serde_json::Error> {
        if self.input == Input::Lines {
            let verdict = self.classifier.text_line(text, out)?;
            out.push(b'\n');
            return Ok(verdict);
        }
        let (alert, classification) = classified(self.renderer.scheme, text)?;
        out.extend_from_slice(self.renderer.render(&alert, &classification).as_bytes());
        Ok(classification.verdict)
    }
}

fn classified(scheme: &Scheme, text: &str) -> Result<(Alert, Classification), serde_json::Error> {
    let alert: Alert = serde_json::from_str(text)?;
    let classification = classify(scheme, &Evidence::from_alert(&alert));
    Ok((alert, classification))
}
