//! The terminal: this file alone writes to it, and alone asks.

use serde::Serialize;
use std::borrow::Cow;
use std::io::{IsTerminal as _, Write as _};

use super::progress::Progress;
use crate::base::untrusted::{commandless, visible, visible_json};
use crate::base::{Error, ErrorCode, Result, Verdict};

/// What results look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text for people.
    Text,
    /// JSON for programs.
    Json,
    /// JUnit XML; `verify` only.
    Junit,
    /// TAP 14; `verify` only.
    Tap,
    /// A log with annotations for GitHub Actions; `verify` and `runbook lint` only.
    Github,
    /// One line as monitoring plugins print it; `verify` only.
    Nagios,
    /// Prometheus' text format; `verify` only.
    Prometheus,
    /// SARIF 2.1.0, as code scanning reads it; `runbook lint` only.
    Sarif,
    /// Markdown; `runbook show` only.
    Markdown,
    /// A checklist to print; `runbook show` only.
    Checklist,
}

impl Format {
    /// Whether it is a report that only single commands have.
    pub const fn is_report(self) -> bool {
        !matches!(self, Format::Text | Format::Json)
    }
}

/// Standard output and standard error of this process.
pub struct Output {
    format: Format,
    quiet: bool,
    color: bool,
    color_error: bool,
}

/// What a piece of text stands for. Colour is only ever added to words that say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// A heading or the thing to look at.
    Strong,
    /// Good.
    Good,
    /// A warning.
    Warning,
    /// Bad.
    Bad,
    /// Background.
    Faint,
}

impl Tone {
    const fn code(self) -> &'static str {
        match self {
            Tone::Strong => "1",
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "1;31",
            Tone::Faint => "2",
        }
    }
}

impl Output {
    /// Output in this format; colour where standard output is a terminal and `NO_COLOR` is not set.
    pub fn new(format: Format, quiet: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            format,
            quiet,
            color: wanted && std::io::stdout().is_terminal(),
            color_error: wanted && std::io::stderr().is_terminal(),
        }
    }

    /// Plain text, before the command line is understood.
    pub fn plain() -> Self {
        Self::new(Format::Text, false)
    }

    /// What results look like.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// A report that carries commands for a CI system, which it has escaped itself.
    pub fn commands(&self, text: &str) -> Result<()> {
        raw(&visible(text))
    }

    /// Whether results go out as JSON.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether only results and errors are printed.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether standard output gets colour.
    pub fn is_color(&self) -> bool {
        self.color
    }

    /// Whether a question can be asked and answered here.
    pub fn is_interactive(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// The width to wrap at.
    pub fn width(&self) -> usize {
        use rustix::termios::tcgetwinsize;
        let columns = tcgetwinsize(std::io::stdout()).map(|size| usize::from(size.ws_col)).unwrap_or(0);
        if columns == 0 { 110 } else { columns.clamp(40, 160) }
    }

    /// Text in a tone, where standard output is a terminal.
    pub fn tone(&self, tone: Tone, text: &str) -> String {
        if self.color { format!("\x1b[{}m{text}\x1b[0m", tone.code()) } else { text.to_owned() }
    }

    /// A verdict in its tone.
    pub fn verdict(&self, verdict: Verdict) -> String {
        let tone = match verdict {
            Verdict::Ok => Tone::Good,
            Verdict::Warn => Tone::Warning,
            Verdict::Crit => Tone::Bad,
            Verdict::Unknown | Verdict::Blocked => Tone::Warning,
        };
        self.tone(tone, verdict.as_str())
    }

    /// A result: text to standard output. Control characters and disguises in it are made visible, whoever wrote it;
    /// our own colours stay.
    pub fn text(&self, text: &str) -> Result<()> {
        raw(&commandless(&shown(text, self.color)))
    }

    /// A result: a line to standard output.
    pub fn line(&self, text: &str) -> Result<()> {
        self.text(&format!("{text}\n"))
    }

    /// A result: indented JSON to standard output.
    pub fn json(&self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value).map_err(|error| {
            Error::new(ErrorCode::Bug, format!("a result cannot be written as JSON: {error}"))
        })?;
        raw(&format!("{}\n", visible_json(&text)))
    }

    /// Standard output as a buffered stream, for results that are too many to hold.
    pub fn writer(&self) -> impl std::io::Write {
        let visible = Visible { out: std::io::stdout().lock(), json: self.is_json(), color: self.color };
        std::io::BufWriter::with_capacity(64 * 1024, visible)
    }

    /// A table without rules, wrapped to the width; cells hold plain text.
    pub fn table(&self, headers: &[&str], rows: &[Vec<String>]) -> Result<()> {
        use comfy_table::{ContentArrangement, Table};
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(self.width()).unwrap_or(110));
        table.set_header(headers.to_vec());
        for row in rows {
            table.add_row(row.clone());
        }
        let text: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        self.text(&text)
    }

    /// Something said beside the result: a line to standard error, unless `--quiet`.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr().lock(), "{}", commandless(&shown(text, self.color)));
        }
    }

    /// A warning: a line to standard error, whatever `--quiet` says.
    pub fn warning(&self, text: &str) {
        let label = self.error_tone(Tone::Warning, "warning");
        let _ = writeln!(std::io::stderr().lock(), "{label}: {}", commandless(&shown(text, false)));
    }

    fn error_tone(&self, tone: Tone, text: &str) -> String {
        if self.color_error { format!("\x1b[{}m{text}\x1b[0m", tone.code()) } else { text.to_owned() }
    }

    /// Shows an error and returns the exit status that stands for it.
    pub fn error(&self, error: &Error) -> u8 {
        let mut stderr = std::io::stderr().lock();
        if self.format == Format::Json {
            let mut value = serde_json::json!({"error": {
                "code": error.code.as_str(), "message": error.message, "hint": error.hint, "exit": error.exit(),
            }});
            if let (Some(details), Some(body)) =
                (&error.details, value.get_mut("error").and_then(serde_json::Value::as_object_mut))
            {
                body.insert("details".to_owned(), details.clone());
            }
            let _ = writeln!(stderr, "{}", visible_json(&value.to_string()));
            return error.exit();
        }
        let label = self.error_tone(Tone::Bad, "error");
        let _ = writeln!(stderr, "{label}[{}]: {}", error.code, commandless(&shown(&error.message, false)));
        if let Some(hint) = &error.hint {
            let help = self.error_tone(Tone::Strong, "help");
            let _ = writeln!(stderr, "{help}: {}", shown(hint, false));
        }
        error.exit()
    }

    /// Shows whatever went wrong. What is not one of our errors is one that nobody foresaw.
    pub fn failure(&self, failure: &anyhow::Error) -> u8 {
        match failure.chain().find_map(|error| error.downcast_ref::<Error>()) {
            Some(error) => self.error(error),
            None => self.error(&Error::new(ErrorCode::Bug, format!("{failure:#}"))),
        }
    }

    /// Whether something may be drawn and redrawn on standard error.
    pub fn is_live(&self) -> bool {
        !self.quiet && !self.is_json() && std::io::stderr().is_terminal()
    }

    /// Shows that something takes long, until what is returned is dropped. Only on a terminal, and only after a
    /// second.
    pub fn progress(&self, text: &str) -> Progress {
        Progress::start(self.is_live().then(|| text.to_owned()))
    }

    /// A yes-or-no question; `None` where nobody can answer.
    pub fn confirm(&self, question: &str) -> Result<Option<bool>> {
        if !self.is_interactive() {
            return Ok(None);
        }
        let answer = dialoguer::Confirm::new().with_prompt(question).default(false).interact_opt();
        match answer {
            Ok(answer) => Ok(Some(answer.unwrap_or(false))),
            Err(error) => {
                // A Ctrl-C at the question leaves the cursor hidden and in the line of the question.
                let _ = writeln!(std::io::stderr().lock(), "\x1b[?25h");
                Err(Error::new(ErrorCode::Io, format!("the question could not be asked: {error}")))
            }
        }
    }
}

/// Standard error, for the log.
pub fn log_writer() -> impl std::io::Write {
    Visible { out: std::io::stderr(), json: false, color: false }
}

/// The codes that [`Output::tone`] writes.
const CODES: [&str; 6] = ["\x1b[1m", "\x1b[32m", "\x1b[33m", "\x1b[1;31m", "\x1b[2m", "\x1b[0m"];

/// The text with everything that hides or commands made visible; where we colour, our own codes stay.
fn shown(text: &str, color: bool) -> Cow<'_, str> {
    if !color || !text.contains('\x1b') {
        return visible(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        let (before, from) = rest.split_at(at);
        out.push_str(&visible(before));
        let code = CODES.iter().copied().find(|code| from.starts_with(code));
        match code {
            Some(code) => out.push_str(code),
            None => out.push_str("\\u{1b}"),
        }
        rest = from.get(code.map_or(1, str::len)..).unwrap_or_default();
    }
    out.push_str(&visible(rest));
    Cow::Owned(out)
}

fn raw(text: &str) -> Result<()> {
    written(std::io::stdout().lock().write_all(text.as_bytes()))
}

/// A stream in which nothing is invisible. Almost everything is plain ASCII and goes through as it is.
struct Visible<W> {
    out: W,
    json: bool,
    color: bool,
}

impl<W: std::io::Write> std::io::Write for Visible<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n')) {
            return self.out.write(bytes);
        }
        // The buffer before us is emptied between whole writes, so that no character is cut in two.
        let text = String::from_utf8_lossy(bytes);
        let text = if self.json { visible_json(&text) } else { shown(&text, self.color) };
        self.out.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// A reader that went away (`| head`) is not an error.
fn written(outcome: std::io::Result<()>) -> Result<()> {
    match outcome {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Error::io("cannot write to standard output", error)),
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_colours_reach_a_terminal() {
        let text = "\x1b[1;31mbad\x1b[0m \x1b]0;title\x07\x1b[2J\u{202e}\n";
        assert_eq!(shown(text, true), "\x1b[1;31mbad\x1b[0m \\u{1b}]0;title\\u{7}\\u{1b}[2J\\u{202e}\n");
        assert!(!shown(text, false).contains('\x1b'));
        let mut out = Vec::new();
        Visible { out: &mut out, json: true, color: false }
            .write_all("{\"a\":\"\u{202e}é\"}".as_bytes())
            .unwrap();
        assert_eq!(out, "{\"a\":\"\\u202eé\"}".as_bytes());
    }
}
