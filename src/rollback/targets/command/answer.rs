//! Reading what a program printed: exactly one JSON object, and nothing that could mislead.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::base::process::{Ending, OUTPUT_LIMIT, Output};
use crate::base::untrusted::{Sink, escape};
use crate::base::{Error, ErrorCode, Result};
use crate::rollback::adapters::{Predicted, State, Verb};

/// The exit status by which a program says that what is in place is neither of what it was told to expect.
pub const DRIFTED: i32 = 11;

/// Who was asked what, for messages; and what may not be repeated.
pub struct Asked<'a> {
    /// The target, in a few words.
    pub title: &'a str,
    /// The program.
    pub program: &'a str,
    /// What was asked.
    pub verb: Verb,
    /// The names and values of the secrets it was handed.
    pub secrets: &'a [(String, String)],
}

impl Asked<'_> {
    /// A failure of the program, with its last words.
    pub fn failure(&self, code: ErrorCode, why: &str, output: Option<&Output>) -> Error {
        let words = output.map(|output| self.last_words(output)).unwrap_or_default();
        let words = if words.is_empty() { String::new() } else { format!("; its last words: {words}") };
        let (title, program) = (escape(self.title, Sink::Terminal), escape(self.program, Sink::Terminal));
        Error::new(code, format!("{title}: `{program}` asked to {}: {why}{words}", self.verb))
            .hint("docs/recipes.md says what a program answers; `irctl recipe test` tries one on a throw-away thing")
    }

    /// The last line of standard error, without secrets, safe to show. What stands on standard output is an answer.
    fn last_words(&self, output: &Output) -> String {
        let text = String::from_utf8_lossy(&output.stderr);
        let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let mut last = last.to_owned();
        for (_, secret) in self.secrets {
            last = last.replace(secret, "(secret)").replace(&escaped(secret), "(secret)");
        }
        let last = escape(&last, Sink::Terminal);
        last.chars().take(300).collect()
    }

    /// The answer of a program that ended.
    pub fn answer<T: DeserializeOwned>(&self, output: &Output) -> Result<T> {
        let failed = |code, why: &str| Err(self.failure(code, why, Some(output)));
        match output.ending {
            Ending::Exit(0) => {}
            Ending::Exit(DRIFTED) => {
                return failed(ErrorCode::Drifted, "it says that somebody else changed what is in place");
            }
            Ending::TimedOut(limit) => {
                let why = format!("it was killed: it took longer than {} ms", limit.as_millis());
                return failed(ErrorCode::TimedOut, &why);
            }
            ending => return failed(ErrorCode::Subprocess, &format!("it ended with {ending}")),
        }
        if output.truncated && output.stdout.len() >= OUTPUT_LIMIT {
            return failed(ErrorCode::InvalidData, "it printed more than 1 MiB");
        }
        if output.stdout.iter().all(u8::is_ascii_whitespace) {
            let why = if output.truncated {
                "it ended, but something it started keeps its standard output open"
            } else {
                "it printed nothing: the answer is one JSON object, `{}` at the least"
            };
            return failed(ErrorCode::InvalidData, why);
        }
        if let Some(name) = self.leaked(&output.stdout) {
            let why = format!("its answer contains the secret `{name}`; nothing of it is kept");
            return Err(self.failure(ErrorCode::InvalidData, &why, None));
        }
        serde_json::from_slice(&output.stdout).or_else(|error| {
            failed(ErrorCode::InvalidData, &format!("its answer is not what it must be: {error}"))
        })
    }

    /// A secret that stands in the answer. One of a few letters would be found in every text.
    fn leaked(&self, stdout: &[u8]) -> Option<&str> {
        let text = String::from_utf8_lossy(stdout);
        let found = self.secrets.iter().find(|(_, secret)| {
            secret.len() >= 6 && (text.contains(secret.as_str()) || text.contains(&escaped(secret)))
        });
        found.map(|(name, _)| name.as_str())
    }

    /// A state that says something.
    pub fn checked(&self, state: State) -> Result<State> {
        let wrong = |why: &str| Err(self.failure(ErrorCode::InvalidData, why, None));
        if state.state.is_null() {
            return wrong("`state` is null; say what is there, as {\"exists\": false}");
        }
        if state.shown.trim().is_empty() {
            return wrong("`shown` is empty; say in a few words what is in place");
        }
        Ok(state)
    }

    /// A prediction that agrees with itself.
    pub fn consistent(&self, predicted: Predicted, before: &Value) -> Result<Predicted> {
        let wrong = |why: &str| Err(self.failure(ErrorCode::InvalidData, why, None));
        if !predicted.refusals.is_empty() {
            return Ok(predicted);
        }
        match &predicted.after {
            Some(after) if super::values::same(after, before) && !predicted.changes.is_empty() => {
                wrong("`after` is what is in place already, yet `changes` lists some")
            }
            Some(after) if !super::values::same(after, before) && predicted.changes.is_empty() => {
                wrong("`after` is another state than what is in place, yet `changes` is empty")
            }
            _ => Ok(predicted),
        }
    }
}

/// A secret as it stands in JSON.
fn escaped(secret: &str) -> String {
    let quoted = Value::from(secret).to_string();
    quoted.trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollback::adapters::Applied;
    use std::time::Duration;

    fn output(ending: Ending, stdout: &[u8], stderr: &str) -> Output {
        Output {
            ending,
            stdout: stdout.to_vec(),
            stderr: stderr.as_bytes().to_vec(),
            truncated: stdout.len() >= OUTPUT_LIMIT,
            elapsed: Duration::ZERO,
        }
    }

    fn asked(secrets: &[(String, String)]) -> Asked<'_> {
        Asked { title: "a flag", program: "flag.py", verb: Verb::Observe, secrets }
    }

    #[test]
    fn only_a_whole_answer_counts() {
        let asked = asked(&[]);
        let good = br#"{"state": {"on": true}, "shown": "on"}"#;
        assert!(asked.answer::<State>(&output(Ending::Exit(0), good, "")).is_ok());
        let bad: [(&[u8], &str); 10] = [
            (b"", "printed nothing"),
            (b" \n", "printed nothing"),
            (b"on", "expected value"),
            (br#"{"state": 1}"#, "missing field `shown`"),
            (br#"{"shown": "x"}"#, "missing field `state`"),
            (br#"{"state": 1, "shown": "x", "more": 1}"#, "unknown field `more`"),
            (br#"{"state": 1, "shown": 2}"#, "invalid type"),
            (br#"{"state": NaN, "shown": "x"}"#, "expected value"),
            (br#"{"state": 1, "shown": "x"} {}"#, "trailing characters"),
            (br#"{"state": 1, "state": 2, "shown": "x"}"#, "duplicate field"),
        ];
        for (stdout, wanted) in bad {
            let error = asked.answer::<State>(&output(Ending::Exit(0), stdout, "")).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidData);
            assert!(error.message.contains(wanted), "{}", error.message);
            assert!(error.message.starts_with("a flag: `flag.py` asked to observe: "), "{}", error.message);
        }
        let large = vec![b' '; OUTPUT_LIMIT];
        let error = asked.answer::<Applied>(&output(Ending::Exit(0), &large, "")).unwrap_err();
        assert!(error.message.contains("more than 1 MiB"), "{}", error.message);
    }

    #[test]
    fn how_it_ended_is_said_with_its_last_words() {
        let asked = asked(&[]);
        let cases = [
            (
                Ending::Exit(3),
                ErrorCode::Subprocess,
                "ended with exit status 3; its last words: no \\u{1b}[31mluck",
            ),
            (Ending::Signal(9), ErrorCode::Subprocess, "ended with signal 9"),
            (Ending::TimedOut(Duration::from_secs(2)), ErrorCode::TimedOut, "longer than 2000 ms"),
            (Ending::Exit(11), ErrorCode::Drifted, "somebody else changed"),
        ];
        for (ending, code, wanted) in cases {
            let error =
                asked.answer::<Applied>(&output(ending, b"{}", "x\nno \x1b[31mluck\n\n")).unwrap_err();
            assert_eq!(error.code, code);
            assert!(error.message.contains(wanted), "{}", error.message);
        }
    }

    #[test]
    fn no_secret_is_repeated() {
        let secrets = [("token".to_owned(), "hunter\"2 two".to_owned())];
        let asked = asked(&secrets);
        let error =
            asked.answer::<Applied>(&output(Ending::Exit(1), b"", "bad hunter\"2 two here")).unwrap_err();
        assert!(error.message.contains("bad (secret) here"), "{}", error.message);
        let leaky = br#"{"state": 1, "shown": "hunter\"2 two"}"#;
        let error = asked.answer::<State>(&output(Ending::Exit(0), leaky, "")).unwrap_err();
        assert!(error.message.contains("contains the secret `token`"), "{}", error.message);
        assert!(!error.message.contains("hunter"));
    }
}
