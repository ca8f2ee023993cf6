//! Text from outside, escaped for the place where it is shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// Where a text is shown. Each has its own dangerous characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sink {
    /// A terminal: control characters, escapes and bidirectional overrides are made visible.
    Terminal,
    /// Slack's mrkdwn: `&`, `<`, `>` become entities, so that no mention or link can be forged.
    Slack,
    /// Markdown (GitHub's): markup characters are escaped, line breaks become spaces.
    Markdown,
    /// HTML text and attributes.
    Html,
    /// A line that a CI system reads: `::`, `##` commands are broken up.
    Ci,
    /// Plain text in a mail or a file: control characters are made visible, line breaks stay.
    Plain,
}

/// Text that came from outside: an alert, a probe's output, a file's content, a name in somebody's data.
///
/// Showing it goes through [`Untrusted::escaped`]; `Display` escapes for a terminal, which is the strictest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Untrusted(String);

impl Untrusted {
    /// Marks a text as coming from outside.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The raw text, for comparing and storing, not for showing.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// The text, safe to show at `sink`.
    pub fn escaped(&self, sink: Sink) -> String {
        escape(&self.0, sink)
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(&self.0, Sink::Terminal))
    }
}

impl<T: Into<String>> From<T> for Untrusted {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

/// Bidirectional overrides and isolates, zero-width characters: invisible, and able to disguise what stands there.
fn disguises(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Escapes `text` for `sink`.
pub fn escape(text: &str, sink: Sink) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match (sink, c) {
            (Sink::Plain | Sink::Slack | Sink::Html, '\n') => out.push('\n'),
            (Sink::Plain | Sink::Terminal | Sink::Slack | Sink::Html, '\t') => out.push(' '),
            (Sink::Markdown, '\n' | '\r' | '\t') => out.push(' '),
            (_, c) if c.is_control() || disguises(c) => out.extend(c.escape_default()),
            (Sink::Slack | Sink::Html, '&') => out.push_str("&amp;"),
            (Sink::Slack | Sink::Html, '<') => out.push_str("&lt;"),
            (Sink::Slack | Sink::Html, '>') => out.push_str("&gt;"),
            (Sink::Html, '"') => out.push_str("&quot;"),
            (Sink::Html, '\'') => out.push_str("&#39;"),
            (
                Sink::Markdown,
                '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '@' | '!' | '~',
            ) => {
                out.push('\\');
                out.push(c);
            }
            (Sink::Ci, '%') => out.push_str("%25"),
            (Sink::Ci, ':' | '#') if out.ends_with(c) => {
                out.push(' ');
                out.push(c);
            }
            (_, c) => out.push(c),
        }
    }
    out
}

/// What may not reach a terminal in a text that was put together from several: whoever forgot to escape one part of
/// it is stopped here. Line breaks stay, since they are ours.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')) || !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_hidden(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// Text for people in which a CI system finds no commands: GitHub reads `::` at the beginning of a line and `##[`
/// anywhere in it, Azure `##vso[`, TeamCity `##teamcity[`.
pub fn commandless(text: &str) -> Cow<'_, str> {
    const MARKS: [&str; 3] = ["##[", "##vso[", "##teamcity["];
    let begins = |line: &str| line.trim_start().starts_with("::");
    if !MARKS.iter().any(|mark| text.contains(mark)) && !text.lines().any(begins) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for line in text.split_inclusive('\n') {
        match begins(line) {
            true => out.push_str(&line.replacen("::", ": :", 1)),
            false => out.push_str(line),
        }
    }
    Cow::Owned(MARKS.iter().fold(out, |out, mark| out.replace(mark, &mark.replacen("##", "# #", 1))))
}

/// JSON in which nothing is invisible: serde leaves DEL, the C1 controls and bidirectional overrides as they are. They
/// stand in strings only, so that the value stays the same.
pub fn visible_json(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_hidden(c) {
            // All of them are in the basic plane: one unit of UTF-16.
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

fn is_hidden(c: char) -> bool {
    !matches!(c, '\n' | '\t') && (c.is_control() || disguises(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hidden_gets_through() {
        let text = "a\u{1b}[31m\nb\u{9b}2J\u{202e}\r\u{7f}";
        assert_eq!(visible(text), "a\\u{1b}[31m\nb\\u{9b}2J\\u{202e}\\r\\u{7f}");
        assert_eq!(visible("é → ü\n"), "é → ü\n");
        let json = serde_json::to_string(text).unwrap();
        let safe = visible_json(&json);
        assert!(safe.is_ascii(), "{safe}");
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
    }

    #[test]
    fn no_line_is_a_command() {
        assert_eq!(commandless("a\n  ::error::x\nb ##vso[x]"), "a\n  : :error::x\nb # #vso[x]");
        assert_eq!(commandless("## Heading\nstd::fmt"), "## Heading\nstd::fmt");
    }

    #[test]
    fn each_sink_is_disarmed() {
        assert_eq!(escape("\x1b[31mred\nx", Sink::Terminal), "\\u{1b}[31mred\\nx");
        assert_eq!(escape("<!channel> & co", Sink::Slack), "&lt;!channel&gt; &amp; co");
        assert_eq!(escape("a|b\n# c", Sink::Markdown), "a\\|b \\# c");
        assert_eq!(escape("<b a='1'>", Sink::Html), "&lt;b a=&#39;1&#39;&gt;");
        assert_eq!(escape("::error::x\n##[x]", Sink::Ci), ": :error: :x\\n# #[x]");
        assert_eq!(escape("a\u{202e}b\u{200b}", Sink::Plain), "a\\u{202e}b\\u{200b}");
    }
}
