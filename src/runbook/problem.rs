//! Something wrong with a runbook, and where.

use std::ops::Range;

/// What kind of mistake it is; the configuration gives each its stable name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// A name that leads nowhere.
    Dangling,
    /// A value that its own grammar, or its neighbours, refuse.
    Invalid,
    /// A name that stands twice.
    Duplicate,
    /// Not exactly one kind where one must be chosen.
    OneKind,
    /// Something that must be there is not.
    Missing,
    /// A key that cannot stand here.
    Unknown,
    /// A value of another type.
    WrongType,
    /// A secret that is written out.
    Secret,
    /// A path that leaves the workspace.
    Outside,
}

/// Something wrong with a runbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, as a JSON pointer: `/steps/0/run/argv/1`.
    pub pointer: String,
    /// The bytes of the text there that are to blame.
    pub span: Option<Range<usize>>,
    /// Whether the key is to blame, not the value under it.
    pub on_key: bool,
    /// What kind of mistake it is.
    pub mistake: Mistake,
    /// One sentence.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

impl Problem {
    /// A mistake at a JSON pointer.
    pub fn new(pointer: impl Into<String>, mistake: Mistake, message: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            span: None,
            on_key: false,
            mistake,
            message: message.into(),
            help: None,
        }
    }

    /// Adds the way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the way out, if one is known.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Points into the text.
    #[must_use]
    pub fn at(mut self, span: Option<Range<usize>>) -> Self {
        self.span = span;
        self
    }

    /// Points at the key.
    #[must_use]
    pub fn on_key(mut self) -> Self {
        self.on_key = true;
        self
    }
}

/// A step of a JSON pointer: `a~1b` for `a/b`.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// ``did you mean `x`?``, else which there are.
pub(super) fn nearest<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
    plural: &str,
) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    let near = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(word, known), *known))
        .filter(|(distance, known)| *distance <= 3 && *distance * 2 < known.len().min(word.len()).max(2))
        .min_by_key(|(distance, _)| *distance);
    match near {
        Some((_, near)) => Some(format!("did you mean `{near}`?")),
        None if known.is_empty() => Some(format!("there are no {plural} at all yet")),
        None => {
            let shown: Vec<&str> = known.iter().take(12).copied().collect();
            Some(format!("{plural} there are: {}", shown.join(", ")))
        }
    }
}
