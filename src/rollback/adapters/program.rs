//! Programs that adapters call: argv only, in the workspace, with a time limit, their answer read as JSON.

use serde_json::Value;
use std::time::Duration;

use super::contract::Request;
use crate::base::process::{Ending, Invocation, Output};
use crate::base::untrusted::{Sink, escape};
use crate::base::{Error, ErrorCode, Result};

/// A program with the arguments that every call has.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program and the arguments that come first.
    pub argv: Vec<String>,
    /// Variables that it sees beside ours.
    pub environment: Vec<(String, String)>,
    /// How long a call may take.
    pub timeout: Duration,
}

impl Program {
    /// A program; a call may take `timeout`.
    pub fn new(program: &str, timeout: Duration) -> Self {
        Self { argv: vec![program.to_owned()], environment: Vec::new(), timeout }
    }

    /// Adds arguments that every call has.
    #[must_use]
    pub fn with<S: AsRef<str>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.argv.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// The whole argv of a call.
    pub fn argv<S: AsRef<str>>(&self, arguments: &[S]) -> Vec<String> {
        let own = arguments.iter().map(|argument| argument.as_ref().to_owned());
        self.argv.iter().cloned().chain(own).collect()
    }

    /// The words of a call that an error may show: the program and the first words that are no options.
    fn words<S: AsRef<str>>(&self, arguments: &[S]) -> String {
        let argv = self.argv(arguments);
        let program = argv.first().cloned().unwrap_or_default();
        let verbs = arguments.iter().map(AsRef::as_ref).filter(|word| !word.starts_with('-')).take(3);
        let words: Vec<&str> = std::iter::once(program.as_str()).chain(verbs).collect();
        escape(&words.join(" "), Sink::Terminal)
    }

    /// Runs it, whatever its exit status.
    pub fn output<S: AsRef<str>>(&self, request: &Request, arguments: &[S], stdin: &[u8]) -> Result<Output> {
        let mut invocation = Invocation::new(self.argv(arguments))
            .directory(&request.root)
            .stdin(stdin.to_vec())
            .timeout(self.timeout)
            // Words that are read by a program are not to be translated.
            .environment("LC_ALL", "C");
        for (name, value) in &self.environment {
            invocation = invocation.environment(name.clone(), value.clone());
        }
        let output = invocation.run()?;
        if let Ending::TimedOut(limit) = output.ending {
            let why = format!("`{}` took longer than {} s", self.words(arguments), limit.as_secs_f64());
            return Err(Error::new(ErrorCode::TimedOut, why)
                .hint("it may still take effect; look at what it was to do, or raise `timeout`"));
        }
        if output.truncated {
            let why = format!("`{}` printed more than 1 MiB", self.words(arguments));
            return Err(Error::new(ErrorCode::InvalidData, why).hint("narrow down what is looked at"));
        }
        Ok(output)
    }

    /// Runs it and returns its standard output.
    ///
    /// # Errors
    /// `subprocess` with its last words when it ends badly.
    pub fn run<S: AsRef<str>>(&self, request: &Request, arguments: &[S]) -> Result<String> {
        let output = self.output(request, arguments, b"")?;
        if !output.success() {
            return Err(self.failed(arguments, &output));
        }
        String::from_utf8(output.stdout).map_err(|_| {
            let why = format!("`{}` printed what is no UTF-8", self.words(arguments));
            Error::new(ErrorCode::InvalidData, why)
        })
    }

    /// Runs it and reads its standard output as JSON.
    pub fn json<S: AsRef<str>>(&self, request: &Request, arguments: &[S]) -> Result<Value> {
        let text = self.run(request, arguments)?;
        serde_json::from_str(&text).map_err(|error| {
            let why = format!("`{}` did not print JSON: {error}", self.words(arguments));
            Error::new(ErrorCode::InvalidData, why)
        })
    }

    /// What is said of a call that ended badly.
    pub fn failed<S: AsRef<str>>(&self, arguments: &[S], output: &Output) -> Error {
        let last = escape(&output.last_words(), Sink::Terminal);
        let shown = match last.char_indices().nth(300) {
            Some((at, _)) => format!("{}…", last.get(..at).unwrap_or_default()),
            None => last,
        };
        let why = format!("`{}` ended with {}: {shown}", self.words(arguments), output.ending);
        Error::new(ErrorCode::Subprocess, why).hint("run the same by hand to see all that it says")
    }
}

/// A value of an answer that has to be there.
///
/// # Errors
/// `invalid-data`, naming the place.
pub fn text<'a>(value: &'a Value, pointer: &str, what: &str) -> Result<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).ok_or_else(|| missing(pointer, what))
}

/// The error for an answer in which something is missing.
pub fn missing(pointer: &str, what: &str) -> Error {
    Error::new(ErrorCode::InvalidData, format!("the answer of {what} has no `{pointer}` of the right kind"))
        .hint("another version of the program may answer in another shape")
}
