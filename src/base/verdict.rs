//! The verdict of a check: OK, WARN, CRIT, UNKNOWN or BLOCKED.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

use super::error::exit;

/// What evidence says. No evidence is UNKNOWN, never OK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// Looked at, and good.
    Ok,
    /// Not measured because something it needs failed.
    Blocked,
    /// A warning.
    Warn,
    /// Not enough evidence.
    Unknown,
    /// Critical.
    Crit,
}

impl Verdict {
    /// The exit status that stands for this verdict.
    pub const fn exit(self) -> u8 {
        match self {
            Verdict::Ok => exit::OK,
            Verdict::Warn => exit::WARN,
            Verdict::Crit => exit::CRIT,
            Verdict::Unknown | Verdict::Blocked => exit::UNKNOWN,
        }
    }

    /// How bad: OK < BLOCKED < WARN < UNKNOWN < CRIT.
    const fn rank(self) -> u8 {
        match self {
            Verdict::Ok => 0,
            Verdict::Blocked => 1,
            Verdict::Warn => 2,
            Verdict::Unknown => 3,
            Verdict::Crit => 4,
        }
    }

    /// The worse of two. A warning does not hide that something is unknown.
    #[must_use]
    pub fn worst(self, other: Verdict) -> Verdict {
        if other.rank() > self.rank() { other } else { self }
    }

    /// The worst of many; none at all is UNKNOWN.
    pub fn worst_of(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
        verdicts.into_iter().reduce(Verdict::worst).unwrap_or(Verdict::Unknown)
    }

    /// The word as it is printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Ok => "OK",
            Verdict::Warn => "WARN",
            Verdict::Crit => "CRIT",
            Verdict::Unknown => "UNKNOWN",
            Verdict::Blocked => "BLOCKED",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_unknown_and_the_worst_wins() {
        assert_eq!(Verdict::worst_of([]), Verdict::Unknown);
        assert_eq!(Verdict::worst_of([Verdict::Ok, Verdict::Warn]), Verdict::Warn);
        assert_eq!(Verdict::worst_of([Verdict::Warn, Verdict::Unknown]), Verdict::Unknown);
        assert_eq!(Verdict::worst_of([Verdict::Unknown, Verdict::Crit]), Verdict::Crit);
    }
}
