//! A gate's finding, and what all of them say together.

use std::fmt;

use crate::base::Unit;

/// Which gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    RSquared,
    Improvement,
    LagFeatures,
    Boundary,
    Shuffled,
    Signs,
}

impl Kind {
    /// All gates, in the order in which they are reported.
    pub(super) const ALL: [Kind; 6] =
        [Kind::RSquared, Kind::Improvement, Kind::LagFeatures, Kind::Boundary, Kind::Shuffled, Kind::Signs];

    /// As people read it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Kind::RSquared => "R²",
            Kind::Improvement => "improvement",
            Kind::LagFeatures => "lag features",
            Kind::Boundary => "boundary",
            Kind::Shuffled => "shuffled target",
            Kind::Signs => "signs",
        }
    }

    /// Its metric.
    pub(super) fn metric(self, name: &str) -> String {
        let ending = match self {
            Kind::RSquared => "r_squared",
            Kind::Improvement => "improvement",
            Kind::LagFeatures => "lag_features",
            Kind::Boundary => "overlap",
            Kind::Shuffled => "shuffled_r_squared",
            Kind::Signs => "sign_violations",
        };
        format!("{name}_{ending}")
    }

    /// The unit of its metric.
    pub(super) const fn unit(self) -> Unit {
        match self {
            Kind::RSquared | Kind::Shuffled => Unit::Number,
            Kind::Improvement => Unit::Change,
            Kind::LagFeatures | Kind::Signs => Unit::Count,
            Kind::Boundary => Unit::Days,
        }
    }
}

/// What a quotient may be over a limit by rounding alone: 20 % less 18 % are 10 % of 20 %, and a bit.
const ROUNDING: f64 = 1e-12;

/// How a gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Pass,
    Warn,
    Halt,
    /// It could not be judged.
    Unknown,
}

impl State {
    /// Over `halt` it halts, else over `warn` it warns. Limits that make no sense leave it unknown.
    pub(super) fn of(value: f64, warn: f64, halt: f64) -> Self {
        if value.is_nan() || warn.is_nan() || halt.is_nan() {
            State::Unknown
        } else if value - halt > ROUNDING {
            State::Halt
        } else if value - warn > ROUNDING {
            State::Warn
        } else {
            State::Pass
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Pass => "PASS",
            State::Warn => "WARN",
            State::Halt => "HALT",
            State::Unknown => "UNKNOWN",
        })
    }
}

/// What a gate found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finding {
    pub(super) kind: Kind,
    pub(super) state: State,
    /// The number that its metric carries, or why there is none.
    pub(super) value: Result<f64, String>,
    /// What it looked at and what the limits are.
    pub(super) looked: String,
}

impl Finding {
    /// A gate that could not be judged.
    pub(super) fn unknown(kind: Kind, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { kind, state: State::Unknown, looked: reason.clone(), value: Err(reason) }
    }
}

/// What the gates say together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Summary {
    /// The worst state that is certain; unknown where a gate is, and none halts.
    pub(super) state: State,
    /// Whether a gate halts; why not where that cannot be said.
    pub(super) halted: Result<bool, String>,
    /// Whether a gate warns or halts.
    pub(super) suspected: Result<bool, String>,
    /// In one line.
    pub(super) text: String,
}

/// Sums up. What could not be judged can only make it worse.
pub(super) fn sum_up(findings: &[Finding]) -> Summary {
    let any = |state| findings.iter().any(|finding| finding.state == state);
    let named = |state: State| -> Vec<&str> {
        findings
            .iter()
            .filter(|finding| finding.state == state)
            .map(|finding| finding.kind.as_str())
            .collect()
    };
    let unknown = named(State::Unknown);
    let doubt = match (findings.is_empty(), unknown.is_empty()) {
        (true, _) => Some("no gate is configured".to_owned()),
        (false, false) => Some(format!("not judged: {}", unknown.join(", "))),
        (false, true) => None,
    };
    let known = |certain: bool| match &doubt {
        Some(doubt) if !certain => Err(doubt.clone()),
        _ => Ok(certain),
    };
    let halted = known(any(State::Halt));
    let suspected = known(any(State::Halt) || any(State::Warn));
    let state = match (&halted, &suspected) {
        (Ok(true), _) => State::Halt,
        (Err(_), _) | (_, Err(_)) => State::Unknown,
        (_, Ok(true)) => State::Warn,
        _ => State::Pass,
    };
    let mut text = state.to_string();
    for state in [State::Halt, State::Warn, State::Unknown, State::Pass] {
        let gates = named(state);
        if !gates.is_empty() {
            text.push_str(&format!("; {state}: {}", gates.join(", ")));
        }
    }
    Summary { state, halted, suspected, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(states: &[State]) -> Vec<Finding> {
        let finding =
            |(kind, state): (Kind, &State)| Finding { state: *state, ..Finding::unknown(kind, "why") };
        Kind::ALL.into_iter().zip(states).map(finding).collect()
    }

    #[test]
    fn over_a_limit_is_over_it_and_not_at_it() {
        let of = |value| State::of(value, 0.2, 0.3);
        assert_eq!(
            [0.2, 0.20001, 0.3, 0.30001, -4.0].map(of),
            [State::Pass, State::Warn, State::Warn, State::Halt, State::Pass]
        );
        assert_eq!(of(f64::NAN), State::Unknown);
        assert_eq!(State::of(0.1, f64::NAN, 0.3), State::Unknown);
    }

    #[test]
    fn a_gate_that_was_not_judged_keeps_the_whole_from_passing() {
        use State::{Halt, Pass, Unknown, Warn};
        let doubt = || "not judged: improvement".to_owned();
        for (states, state, halted, suspected) in [
            (vec![Pass, Pass], Pass, Ok(false), Ok(false)),
            (vec![Pass, Warn], Warn, Ok(false), Ok(true)),
            (vec![Pass, Unknown], Unknown, Err(doubt()), Err(doubt())),
            (vec![Warn, Unknown], Unknown, Err(doubt()), Ok(true)),
            (vec![Halt, Unknown], Halt, Ok(true), Ok(true)),
            (vec![Halt, Warn], Halt, Ok(true), Ok(true)),
        ] {
            let summary = sum_up(&findings(&states));
            assert_eq!((summary.state, summary.halted, summary.suspected), (state, halted, suspected));
        }
        assert_eq!(sum_up(&[]).state, Unknown);
        assert_eq!(
            sum_up(&findings(&[Halt, Pass, Unknown, Pass])).text,
            "HALT; HALT: R²; UNKNOWN: lag features; PASS: improvement, boundary"
        );
    }
}
