//! Alerts from a stream: one JSON object, an array, or one object for each line (JSONL), in flat memory.

use memchr::{memchr, memrchr};
use serde_json::value::RawValue;
use std::io::{ErrorKind, Read, Write};

use super::blocks::{Block, Done, pump};
use crate::base::{Error, ErrorCode, Result, Verdict};

/// How many bytes of lines are handled together.
pub(super) const BLOCK: usize = 256 * 1024;
/// The longest line of JSONL.
const MAX_LINE: usize = 16 * 1024 * 1024;
/// The largest single document.
const MAX_DOCUMENT: u64 = 256 * 1024 * 1024;
/// How many unreadable alerts are remembered with their reason.
const MAX_ERRORS: usize = 20;

/// What the input turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// One alert.
    One,
    /// An array of alerts.
    Array,
    /// One alert for each line, or several documents one after the other.
    Lines,
}

/// An alert that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineError {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: usize,
    /// Why.
    pub reason: String,
}

/// What a stream held.
#[derive(Debug, Clone, Default)]
pub struct StreamSummary {
    /// How many alerts were classified.
    pub alerts: u64,
    /// How many could not be read.
    pub unreadable: u64,
    /// The first of those.
    pub errors: Vec<LineError>,
    /// The worst verdict.
    pub worst: Option<Verdict>,
    /// Whether whoever reads the results went away before the end; then nothing else here counts.
    pub abandoned: bool,
}

impl StreamSummary {
    pub(super) fn merge(&mut self, other: StreamSummary) {
        self.alerts += other.alerts;
        self.unreadable += other.unreadable;
        let room = MAX_ERRORS.saturating_sub(self.errors.len());
        self.errors.extend(other.errors.into_iter().take(room));
        self.worst = match (self.worst, other.worst) {
            (Some(a), Some(b)) => Some(a.worst(b)),
            (a, b) => a.or(b),
        };
    }

    fn classified(&mut self, verdict: Verdict) {
        self.alerts += 1;
        self.worst = Some(self.worst.map_or(verdict, |worst| worst.worst(verdict)));
    }

    fn failed(&mut self, error: LineError) {
        self.unreadable += 1;
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(error);
        }
    }
}

/// Turns one alert's text into output. Each thread has its own.
pub trait Handler {
    /// Classifies the alert in `text` and appends what is to be written.
    fn handle(&mut self, text: &str, out: &mut Vec<u8>) -> Result<Verdict, serde_json::Error>;
}

/// How outputs are put together.
#[derive(Debug, Clone, Copy)]
pub struct Framing {
    /// Written before the alerts of an array.
    pub open: &'static [u8],
    /// Written between two alerts of an array.
    pub between: &'static [u8],
    /// Written after the alerts of an array.
    pub close: &'static [u8],
    /// Written after each alert that is not in an array.
    pub after: &'static [u8],
}

/// Reads alerts from `reader`, hands each to a handler that `make` makes (given what the input is), and writes the
/// outputs in the order of the alerts. `lines` says that it is JSONL whatever it looks like. An unreadable alert is
/// noted and does not stop the others.
pub fn classify_stream<H: Handler>(
    reader: &mut dyn Read,
    writer: &mut dyn Write,
    lines: bool,
    framing: Framing,
    make: &(dyn Fn(Input) -> H + Sync),
) -> Result<StreamSummary> {
    let mut source = Source { reader, rest: Vec::new(), ended: false, line: 1 };
    source.fill(BLOCK)?;
    source.drop_byte_order_mark();
    let outcome = match (lines, source.looks_like()) {
        (true, _) | (false, Input::Lines) => source.lines(writer, framing, make),
        (false, Input::Array) => source.array(writer, framing, &mut make(Input::Array)),
        (false, Input::One) => source.documents(writer, framing, make),
    };
    let summary = match outcome {
        // A reader that went away has seen what it wanted.
        Err(error) if is_broken_pipe(&error) => StreamSummary { abandoned: true, ..StreamSummary::default() },
        other => other?,
    };
    match writer.flush() {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(summary),
    }
}

fn is_broken_pipe(error: &Error) -> bool {
    error
        .source
        .as_ref()
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

pub(super) struct Source<'r> {
    reader: &'r mut dyn Read,
    /// Bytes read and not yet handled.
    rest: Vec<u8>,
    ended: bool,
    /// The number of the first line in `rest`.
    line: u64,
}

impl Source<'_> {
    /// Reads until `rest` holds at least `wanted` bytes or the input ends.
    fn fill(&mut self, wanted: usize) -> Result<()> {
        while !self.ended && self.rest.len() < wanted {
            let missing = (wanted - self.rest.len()) as u64;
            let read = Read::by_ref(&mut self.reader).take(missing).read_to_end(&mut self.rest);
            let read = read.map_err(|error| Error::io("the alerts cannot be read", error))?;
            self.ended = (read as u64) < missing;
        }
        Ok(())
    }

    /// Whether nothing is left to read or handle.
    pub(super) fn is_finished(&self) -> bool {
        self.ended && self.rest.is_empty()
    }

    fn drop_byte_order_mark(&mut self) {
        if self.rest.starts_with("\u{feff}".as_bytes()) {
            self.rest.drain(..3);
        }
    }

    /// Guesses from the beginning what it is. A first line that is whole, with more behind it, makes it JSONL; so
    /// does a second line that begins a new object.
    fn looks_like(&self) -> Input {
        let start = self.rest.trim_ascii_start();
        if start.first() == Some(&b'[') {
            return Input::Array;
        }
        let Some(end) = memchr(b'\n', start) else { return Input::One };
        let (first, more) = start.split_at(end);
        if more.trim_ascii().is_empty() {
            return Input::One;
        }
        let whole = serde_json::from_slice::<serde::de::IgnoredAny>(first).is_ok();
        if whole || more.get(1) == Some(&b'{') { Input::Lines } else { Input::One }
    }

    /// The next whole lines, at most about a block; `None` at the end.
    pub(super) fn block(&mut self, mut bytes: Vec<u8>) -> Result<Option<Block>> {
        let mut wanted = BLOCK;
        let end = loop {
            self.fill(wanted)?;
            if self.ended && self.rest.len() <= wanted {
                break self.rest.len();
            }
            if let Some(at) = memrchr(b'\n', self.rest.get(..wanted).unwrap_or(&self.rest)) {
                break at + 1;
            }
            if wanted >= MAX_LINE {
                return Err(Error::new(
                    ErrorCode::InvalidData,
                    format!("line {} is longer than {} MiB", self.line, MAX_LINE >> 20),
                )
                .hint("JSONL has one alert on each line"));
            }
            wanted *= 2;
        };
        if end == 0 {
            return Ok(None);
        }
        bytes.clear();
        bytes.extend_from_slice(self.rest.get(..end).unwrap_or_default());
        self.rest.drain(..end);
        let block = Block { first_line: self.line, bytes };
        self.line += memchr::memchr_iter(b'\n', &block.bytes).count() as u64;
        Ok(Some(block))
    }

    fn lines<H: Handler>(
        &mut self,
        writer: &mut dyn Write,
        framing: Framing,
        make: &(dyn Fn(Input) -> H + Sync),
    ) -> Result<StreamSummary> {
        let work = |handler: &mut H, block: Block, out: Vec<u8>| lines_of(handler, block, out, framing);
        pump(self, writer, &|| make(Input::Lines), &work)
    }

    /// The whole rest as text.
    fn document(&mut self) -> Result<String> {
        let most = MAX_DOCUMENT.saturating_sub(self.rest.len() as u64);
        let read = Read::by_ref(&mut self.reader).take(most + 1).read_to_end(&mut self.rest);
        read.map_err(|error| Error::io("the alerts cannot be read", error))?;
        if self.rest.len() as u64 > MAX_DOCUMENT {
            let why = format!("the input is one document of more than {} MiB", MAX_DOCUMENT >> 20);
            return Err(Error::new(ErrorCode::InvalidData, why).hint("write one alert on each line (JSONL)"));
        }
        String::from_utf8(std::mem::take(&mut self.rest)).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let line = memchr::memchr_iter(b'\n', error.as_bytes().get(..at).unwrap_or_default()).count() + 1;
            Error::new(ErrorCode::InvalidData, format!("line {line}: this is not UTF-8 text"))
        })
    }

    fn array(
        &mut self,
        writer: &mut dyn Write,
        framing: Framing,
        handler: &mut dyn Handler,
    ) -> Result<StreamSummary> {
        let text = self.document()?;
        let elements: Vec<&RawValue> = serde_json::from_str(&text).map_err(|error| whole(&error))?;
        let mut summary = StreamSummary::default();
        let mut out = framing.open.to_vec();
        for element in elements {
            let before = out.len();
            if summary.alerts > 0 {
                out.extend_from_slice(framing.between);
            }
            match handler.handle(element.get(), &mut out) {
                Ok(verdict) => summary.classified(verdict),
                Err(error) => {
                    out.truncate(before);
                    summary.failed(shifted(&error, position(&text, element.get())));
                }
            }
            if out.len() > BLOCK {
                writer.write_all(&out)?;
                out.clear();
            }
        }
        out.extend_from_slice(framing.close);
        writer.write_all(&out)?;
        Ok(summary)
    }

    /// One document, or several after another. One that cannot be read ends it: where the next would begin is not
    /// known.
    fn documents<H: Handler>(
        &mut self,
        writer: &mut dyn Write,
        framing: Framing,
        make: &dyn Fn(Input) -> H,
    ) -> Result<StreamSummary> {
        let text = self.document()?;
        let documents = serde_json::Deserializer::from_str(&text).into_iter::<&RawValue>();
        let documents: Vec<&RawValue> =
            documents.collect::<Result<_, serde_json::Error>>().map_err(|error| whole(&error))?;
        let mut handler = make(if documents.len() > 1 { Input::Lines } else { Input::One });
        let mut summary = StreamSummary::default();
        let mut out = Vec::new();
        for document in documents {
            match handler.handle(document.get(), &mut out) {
                Ok(verdict) => {
                    out.extend_from_slice(framing.after);
                    summary.classified(verdict);
                }
                Err(error) => summary.failed(shifted(&error, position(&text, document.get()))),
            }
        }
        writer.write_all(&out)?;
        Ok(summary)
    }
}

/// Handles every line of a block.
fn lines_of<H: Handler>(handler: &mut H, block: Block, mut out: Vec<u8>, framing: Framing) -> Done {
    let mut summary = StreamSummary::default();
    let mut rest = block.bytes.as_slice();
    let mut line = block.first_line;
    while !rest.is_empty() {
        let (this, after) = rest.split_at(memchr(b'\n', rest).map_or(rest.len(), |at| at + 1));
        rest = after;
        if !this.trim_ascii().is_empty() {
            let before = out.len();
            match std::str::from_utf8(this) {
                Ok(text) => match handler.handle(text, &mut out) {
                    Ok(verdict) => {
                        out.extend_from_slice(framing.after);
                        summary.classified(verdict);
                    }
                    Err(error) => {
                        out.truncate(before);
                        let column = error.column().max(1);
                        summary.failed(LineError { line, column, reason: reason(&error) });
                    }
                },
                Err(error) => {
                    let reason = "this is not UTF-8 text".to_owned();
                    summary.failed(LineError { line, column: error.valid_up_to() + 1, reason });
                }
            }
        }
        line += 1;
    }
    Done { out, summary, bytes: block.bytes }
}

/// A document that cannot be read at all.
fn whole(error: &serde_json::Error) -> Error {
    let why = format!("line {}, column {}: {}", error.line(), error.column(), reason(error));
    Error::new(ErrorCode::InvalidData, why).hint(
        "an alert is {\"alert_name\": …, \"metrics\": {\"error_rate\": 0.06}}; several are an array or JSONL",
    )
}

/// What serde_json says, without the place that it adds.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
    crate::base::untrusted::escape(text, crate::base::untrusted::Sink::Terminal)
}

/// Where `part` begins in `text`, as line and column from 1.
fn position(text: &str, part: &str) -> (u64, usize) {
    let at = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let before = text.as_bytes().get(..at).unwrap_or_default();
    let line = memchr::memchr_iter(b'\n', before).count() as u64 + 1;
    (line, at - memrchr(b'\n', before).map_or(0, |newline| newline + 1) + 1)
}

/// An error inside a part of the text, at its place in the whole.
fn shifted(error: &serde_json::Error, (line, column): (u64, usize)) -> LineError {
    let inside = error.line().max(1) as u64;
    let column = if inside == 1 { column + error.column().saturating_sub(1) } else { error.column() };
    LineError { line: line + inside - 1, column, reason: reason(error) }
}
