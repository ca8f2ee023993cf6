//! Three-valued logic after Kleene: true, false, and undecided, which is never taken for either.

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Truth {
    /// It does not hold.
    False,
    /// It hangs on something that is not known.
    Undecided,
    /// It holds.
    True,
}

impl Truth {
    /// Both; one false decides, whatever the other would be.
    #[must_use]
    pub const fn and(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::False, _) | (_, Truth::False) => Truth::False,
            (Truth::True, Truth::True) => Truth::True,
            _ => Truth::Undecided,
        }
    }

    /// Either; one true decides, whatever the other would be.
    #[must_use]
    pub const fn or(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::True, _) | (_, Truth::True) => Truth::True,
            (Truth::False, Truth::False) => Truth::False,
            _ => Truth::Undecided,
        }
    }

    /// The opposite; the opposite of undecided is undecided.
    #[must_use]
    pub const fn negated(self) -> Truth {
        match self {
            Truth::True => Truth::False,
            Truth::False => Truth::True,
            Truth::Undecided => Truth::Undecided,
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Truth::True } else { Truth::False }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Truth; 3] = [Truth::False, Truth::Undecided, Truth::True];

    #[test]
    fn kleene_laws() {
        for a in ALL {
            assert_eq!(a.negated().negated(), a);
            assert_eq!((a.and(a), a.or(a)), (a, a), "idempotent");
            assert_eq!((a.and(Truth::True), a.or(Truth::False)), (a, a), "neutral");
            for b in ALL {
                assert_eq!(a.and(b), b.and(a));
                assert_eq!(a.or(b), b.or(a));
                assert_eq!(a.and(b).negated(), a.negated().or(b.negated()), "De Morgan");
                assert_eq!(a.and(a.or(b)), a, "absorption");
                for c in ALL {
                    assert_eq!(a.and(b).and(c), a.and(b.and(c)));
                    assert_eq!(a.or(b).or(c), a.or(b.or(c)));
                    assert_eq!(a.and(b.or(c)), a.and(b).or(a.and(c)), "distributive");
                }
            }
        }
        assert_eq!(Truth::Undecided.or(Truth::Undecided.negated()), Truth::Undecided, "no excluded middle");
    }
}
