//! What is wrong with the configuration, where, why, and the way out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::source::{Source, Span};

/// The stable names of the diagnostics; `docs/configuration.md` explains each.
pub mod code {
    /// A file cannot be read.
    pub const UNREADABLE_FILE: &str = "unreadable-file";
    /// A file that is named does not exist.
    pub const MISSING_FILE: &str = "missing-file";
    /// A pattern of `load` matches nothing (warning).
    pub const NO_MATCH: &str = "no-match";
    /// A file to load stands outside the workspace.
    pub const OUTSIDE_WORKSPACE: &str = "outside-workspace";
    /// A file is larger than the limit.
    pub const FILE_TOO_LARGE: &str = "file-too-large";
    /// A file is not UTF-8.
    pub const NOT_UTF8: &str = "not-utf8";
    /// A file says nothing.
    pub const EMPTY_FILE: &str = "empty-file";
    /// The text is not YAML.
    pub const SYNTAX: &str = "syntax";
    /// A tab where YAML wants spaces.
    pub const TAB_INDENTATION: &str = "tab-indentation";
    /// More than one document in a file.
    pub const SEVERAL_DOCUMENTS: &str = "several-documents";
    /// Values nested deeper than the limit.
    pub const TOO_DEEP: &str = "too-deep";
    /// More values than the limit, aliases expanded.
    pub const TOO_MANY_VALUES: &str = "too-many-values";
    /// An alias without its anchor.
    pub const UNKNOWN_ANCHOR: &str = "unknown-anchor";
    /// A YAML tag.
    pub const TAG: &str = "tag";
    /// A YAML 1.1 merge key.
    pub const MERGE_KEY: &str = "merge-key";
    /// A key that is not a plain word.
    pub const COMPLEX_KEY: &str = "complex-key";
    /// A number that is infinite, not a number, or too large.
    pub const NOT_FINITE: &str = "not-finite";
    /// A key that stands twice.
    pub const DUPLICATE_KEY: &str = "duplicate-key";
    /// A key that does not exist here.
    pub const UNKNOWN_KEY: &str = "unknown-key";
    /// A key that must be here.
    pub const MISSING_KEY: &str = "missing-key";
    /// A value of another type.
    pub const WRONG_TYPE: &str = "wrong-type";
    /// A word that is not among the known ones.
    pub const UNKNOWN_VALUE: &str = "unknown-value";
    /// Not exactly one kind where one must be chosen.
    pub const ONE_KIND: &str = "one-kind";
    /// A number or length outside its bounds.
    pub const OUT_OF_RANGE: &str = "out-of-range";
    /// A text that its own grammar refuses.
    pub const INVALID_VALUE: &str = "invalid-value";
    /// A scheme that does not fit together: an unknown metric, a wrong unit, a rule that stands twice.
    pub const INVALID_SCHEME: &str = "invalid-scheme";
    /// A secret written into the file instead of a reference.
    pub const SECRET_VALUE: &str = "secret-value";
    /// A name that two files claim.
    pub const DUPLICATE_NAME: &str = "duplicate-name";
    /// A name that nothing has.
    pub const DANGLING_REFERENCE: &str = "dangling-reference";
    /// State lies in the workspace that it is to outlive.
    pub const STATE_INSIDE_WORKSPACE: &str = "state-inside-workspace";
    /// Rounds too far apart for a promise of a scheme (warning).
    pub const CADENCE: &str = "cadence-too-slow";
}

/// Whether a diagnostic stops the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The configuration cannot be used as it is.
    Error,
    /// It can, but somebody should look.
    Warning,
}

/// Another place that belongs to a diagnostic, such as the first of two duplicates.
#[derive(Debug, Clone)]
pub struct Related {
    /// The file.
    pub source: Arc<Source>,
    /// Where in it.
    pub span: Span,
    /// What is there.
    pub label: String,
}

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The stable name; see [`code`].
    pub code: &'static str,
    /// The file.
    pub source: Arc<Source>,
    /// Where in it; in an empty source the diagnostic is about the file as a whole.
    pub span: Span,
    /// One sentence.
    pub message: String,
    /// A few words under the caret.
    pub label: Option<String>,
    /// The way out.
    pub help: Option<String>,
    /// Other places.
    pub related: Vec<Related>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(code: &'static str, source: &Arc<Source>, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            source: Arc::clone(source),
            span,
            message: bounded(message.into()),
            label: None,
            help: None,
            related: Vec::new(),
        }
    }

    /// A warning at a place.
    pub fn warning(code: &'static str, source: &Arc<Source>, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, source, span, message) }
    }

    /// Adds the way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(bounded(help.into()));
        self
    }

    /// Adds the way out, if one is known.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.map(bounded).or(self.help);
        self
    }

    /// Adds the words under the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn related(mut self, source: &Arc<Source>, span: Span, label: impl Into<String>) -> Self {
        self.related.push(Related { source: Arc::clone(source), span, label: label.into() });
        self
    }

    /// The place that it is about: the file, and the bytes in it.
    pub fn place(&self) -> (String, usize, usize) {
        (self.source.path.clone(), self.span.start, self.span.end)
    }

    /// The diagnostic as programs read it.
    pub fn to_json(&self) -> DiagnosticJson {
        let whole = self.source.text.is_empty();
        let start = self.source.position(self.span.start);
        let line_end = self.source.line_span(self.span.start).end;
        let end = self.source.position(self.span.end.clamp(self.span.start, line_end.max(self.span.start)));
        DiagnosticJson {
            severity: self.severity,
            code: self.code.to_owned(),
            file: self.source.path.clone(),
            line: (!whole).then_some(start.line),
            column: (!whole).then_some(start.column),
            end_column: (!whole).then_some(end.column),
            message: self.message.clone(),
            help: self.help.clone(),
        }
    }
}

/// One diagnostic, as `irctl config check --output json` prints it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DiagnosticJson {
    /// Error or warning.
    pub severity: Severity,
    /// The stable name, as `unknown-key`.
    pub code: String,
    /// The file, relative to the workspace's root.
    pub file: String,
    /// The line, from 1; absent where the whole file is meant.
    pub line: Option<usize>,
    /// The first column, from 1, in characters.
    pub column: Option<usize>,
    /// The column after the last, on the same line.
    pub end_column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

/// Every diagnostic of a run.
#[derive(Debug, Clone, Default)]
pub struct Report {
    diagnostics: Vec<Diagnostic>,
    /// How many of them there are, and how many more there were that were not kept.
    errors: Count,
    warnings: Count,
}

/// How many diagnostics of one severity.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    kept: usize,
    suppressed: usize,
}

/// The longest message or help, in bytes: what is quoted in it may be anything.
const LONGEST: usize = 500;

fn bounded(mut text: String) -> String {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
    text
}

/// How many diagnostics of each severity are kept; the rest is counted. Warnings never take an error's place.
const KEPT: usize = 1000;

impl Report {
    /// Takes one in; the same one twice is one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let count = self.count(diagnostic.severity);
        if count.kept >= KEPT {
            count.suppressed += 1;
            return;
        }
        count.kept += 1;
        self.diagnostics.push(diagnostic);
    }

    fn count(&mut self, severity: Severity) -> &mut Count {
        match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        }
    }

    /// Whether more errors would only be counted: then looking for help is a waste.
    pub fn is_full(&self) -> bool {
        self.errors.kept >= KEPT
    }

    /// Takes those of another report in.
    pub fn extend(&mut self, other: Report) {
        self.errors.suppressed += other.errors.suppressed;
        self.warnings.suppressed += other.warnings.suppressed;
        for diagnostic in other.diagnostics {
            self.push(diagnostic);
        }
    }

    /// Orders by file, then place, and drops repetitions (an alias shows the same place twice).
    pub fn sort(&mut self) {
        self.diagnostics.sort_by(|a, b| key(a).cmp(&key(b)));
        self.diagnostics.dedup_by(|a, b| key(a) == key(b));
        let all = self.diagnostics.len();
        self.errors.kept = self.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
        self.warnings.kept = all - self.errors.kept;
    }

    /// The diagnostics in order.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// How many more there were.
    pub fn suppressed(&self) -> usize {
        self.errors.suppressed + self.warnings.suppressed
    }

    /// How many errors there are, those included that were not kept.
    pub fn errors(&self) -> usize {
        self.errors.kept + self.errors.suppressed
    }

    /// How many warnings there are, those included that were not kept.
    pub fn warnings(&self) -> usize {
        self.warnings.kept + self.warnings.suppressed
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// Those of one severity.
    #[must_use]
    pub fn only(&self, severity: Severity) -> Self {
        let mut only = Self::default();
        *only.count(severity) = match severity {
            Severity::Error => self.errors,
            Severity::Warning => self.warnings,
        };
        let of = |diagnostic: &&Diagnostic| diagnostic.severity == severity;
        only.diagnostics = self.diagnostics.iter().filter(of).cloned().collect();
        only
    }

    /// Turns every error into a warning: for files that the work at hand does not need.
    #[must_use]
    pub fn lowered(self) -> Self {
        let mut lowered = Self::default();
        lowered.warnings.suppressed = self.suppressed();
        for diagnostic in self.diagnostics {
            lowered.push(Diagnostic { severity: Severity::Warning, ..diagnostic });
        }
        lowered
    }

    /// The diagnostics as programs read them.
    pub fn to_json(&self) -> Vec<DiagnosticJson> {
        self.diagnostics.iter().map(Diagnostic::to_json).collect()
    }
}

type SortKey<'a> = (&'a str, usize, usize, &'static str, &'a str);

fn key(diagnostic: &Diagnostic) -> SortKey<'_> {
    let Diagnostic { source, span, code, message, .. } = diagnostic;
    (&source.path, span.start, span.end, code, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_of_warnings_are_no_error_and_hide_none() {
        let source = Source::new("x.yaml", "a: 1\n");
        let mut report = Report::default();
        for number in 0..KEPT + 7 {
            report.push(Diagnostic::warning("some-warning", &source, 0..1, format!("number {number}")));
        }
        assert_eq!((report.errors(), report.warnings(), report.suppressed()), (0, KEPT + 7, 7));
        report.push(Diagnostic::error("some-error", &source, 0..1, "this must be seen"));
        report.sort();
        assert_eq!((report.errors(), report.warnings()), (1, KEPT + 7));
        assert_eq!(report.only(Severity::Error).diagnostics().len(), 1);
        let lowered = report.lowered();
        assert_eq!((lowered.errors(), lowered.warnings()), (0, KEPT + 8));
    }
}
