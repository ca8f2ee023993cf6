//! When an incident's level rises, falls or ends by itself: a pure machine, fed by evidence.
//!
//! Raising is immediate. Lowering and resolving take *new* evidence of the version that serves, several times in a
//! row: the same file read again, or the same week looked at again, says nothing new. What the machine remembers
//! ([`Watch`]) is folded from the incident's events; there is no other state.

use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

use super::PolicyConfig;
use super::event::{Evidence, EvidenceInput, FindingKind, Level};
use crate::base::{Digest, Verdict};

/// What a round says about a symptom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Rules matched; this is the worst of their levels.
    Matched {
        /// The level.
        level: Level,
        /// Whether a rule of a worse level could not be decided.
        at_least: bool,
    },
    /// Every rule was decided, on evidence of the version that serves, and none matched.
    Clear,
    /// No rule matched, and not every rule could be decided.
    Undecided,
    /// The version that serves has no evidence of its own yet.
    Warming,
}

impl Finding {
    /// A level whose verdict is OK is no finding against the service.
    pub fn normalized(self) -> Self {
        match self {
            Finding::Matched { level, at_least } if level.verdict == Verdict::Ok => {
                if at_least {
                    Finding::Undecided
                } else {
                    Finding::Clear
                }
            }
            finding => finding,
        }
    }

    /// Which kind it is.
    pub fn kind(&self) -> FindingKind {
        match self {
            Finding::Matched { .. } => FindingKind::Matched,
            Finding::Clear => FindingKind::Clear,
            Finding::Undecided => FindingKind::Undecided,
            Finding::Warming => FindingKind::Warming,
        }
    }

    /// The verdict it stands for.
    pub fn verdict(&self) -> Verdict {
        match self {
            Finding::Matched { level, .. } => level.verdict,
            Finding::Clear => Verdict::Ok,
            Finding::Undecided | Finding::Warming => Verdict::Unknown,
        }
    }

    /// The level that matched.
    pub fn level(&self) -> Option<&Level> {
        match self {
            Finding::Matched { level, .. } => Some(level),
            _ => None,
        }
    }
}

/// What the machine remembers of an incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Watch {
    level: Level,
    since: DateTime<Utc>,
    seen: BTreeSet<String>,
    /// New, better evidence in a row: its level, or `None` where it was clear.
    row: Vec<Option<Level>>,
    row_version: Option<Digest>,
    undecided_said: bool,
    warming_said: BTreeSet<Option<Digest>>,
    matched_last: bool,
    matched_ever: bool,
    level_by_human: bool,
}

/// What to do about a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// As what the evidence is recorded: because it counts, or because it ends a row that counted.
    pub record: Option<FindingKind>,
    /// What happens to the incident.
    pub step: PolicyStep,
}

/// What happens to an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyStep {
    /// Nothing.
    Stay,
    /// The level rises.
    Raise(Level),
    /// The level falls.
    Lower(Level),
    /// It is over.
    Resolve,
}

/// How a piece of evidence compares with an incident's level.
enum Weight {
    Worse,
    Same,
    Better,
    Mute,
}

impl Watch {
    /// A watch over an incident of this level since then.
    pub fn new(level: Level, since: DateTime<Utc>) -> Self {
        Self {
            level,
            since,
            seen: BTreeSet::new(),
            row: Vec::new(),
            row_version: None,
            undecided_said: false,
            warming_said: BTreeSet::new(),
            matched_last: false,
            matched_ever: false,
            level_by_human: false,
        }
    }

    /// Evidence, not a person, says that something is wrong.
    pub fn matched(&mut self) {
        self.matched_last = true;
        self.matched_ever = true;
    }

    /// Whether the last decided evidence was against the service.
    pub fn is_matched(&self) -> bool {
        self.matched_last
    }

    /// Remembers what was looked at.
    pub fn see(&mut self, inputs: &[EvidenceInput]) {
        self.seen.extend(inputs.iter().map(|input| input.key.clone()));
    }

    /// The incident's level.
    pub fn level(&self) -> &Level {
        &self.level
    }

    /// Whether any of these was not looked at before in this incident.
    pub fn is_news(&self, inputs: &[EvidenceInput]) -> bool {
        inputs.iter().any(|input| !self.seen.contains(&input.key))
    }

    /// How many pieces of new, better evidence have come in a row.
    pub fn better_in_a_row(&self) -> usize {
        self.row.len()
    }

    /// How many of them, counted from the newest, were clear.
    pub fn clear_in_a_row(&self) -> usize {
        self.row.iter().rev().take_while(|level| level.is_none()).count()
    }

    /// The level changed: a rise begins the count anew, a fall keeps what was clear.
    ///
    /// A level that a person set is not lowered by evidence, and raised only by new evidence.
    pub fn change_level(&mut self, level: Level, at: DateTime<Utc>, by_human: bool) {
        let keep = if self.level.is_worse_than(&level) { self.clear_in_a_row() } else { 0 };
        self.row.drain(..self.row.len().saturating_sub(keep));
        self.level = level;
        self.since = at;
        self.level_by_human = by_human;
    }

    /// A new episode: nothing counts yet.
    pub fn restart(&mut self, at: DateTime<Utc>) {
        self.since = at;
        self.level_by_human = false;
        self.row.clear();
        self.undecided_said = false;
        self.warming_said.clear();
    }

    /// Takes recorded evidence in.
    pub fn record(&mut self, evidence: &Evidence) {
        match evidence.finding {
            FindingKind::Matched | FindingKind::Clear => self.record_decided(evidence),
            // What could not be decided may be decided later from the same input: it is not marked as seen.
            FindingKind::Undecided => {
                self.row.clear();
                self.undecided_said = true;
            }
            FindingKind::Warming => {
                self.row.clear();
                self.warming_said.insert(evidence.version.clone());
            }
        }
    }

    fn record_decided(&mut self, evidence: &Evidence) {
        let news = self.is_news(&evidence.inputs);
        self.see(&evidence.inputs);
        self.matched_last = evidence.finding == FindingKind::Matched;
        self.matched_ever |= self.matched_last;
        self.undecided_said = false;
        let better = evidence.level.as_ref().is_none_or(|level| self.level.is_worse_than(level));
        if !better {
            self.row.clear();
        } else if news {
            if self.row_version != evidence.version {
                self.row.clear();
                self.row_version = evidence.version.clone();
            }
            self.row.push(evidence.level.clone());
        } else if self.matched_last && self.clear_in_a_row() > 0 {
            // The same input was clear before and is not now: neither counts.
            self.row.clear();
        }
    }

    fn weigh(&self, finding: &Finding) -> Weight {
        match finding {
            Finding::Matched { level, .. } if level.is_worse_than(&self.level) => Weight::Worse,
            Finding::Matched { level, at_least: false } if self.level.is_worse_than(level) => Weight::Better,
            // A better level with a worse one undecided is no proof of being better.
            Finding::Matched { level, .. } if self.level.is_worse_than(level) => Weight::Mute,
            Finding::Matched { .. } => Weight::Same,
            Finding::Clear => Weight::Better,
            Finding::Undecided | Finding::Warming => Weight::Mute,
        }
    }

    /// What this round means for the incident. The caller records what is to be recorded, and does the step.
    pub fn decide(
        &self,
        evidence: &Evidence,
        finding: &Finding,
        policy: &PolicyConfig,
        now: DateTime<Utc>,
    ) -> Decision {
        let news = self.is_news(&evidence.inputs);
        let when = |condition: bool, kind: FindingKind| condition.then_some(kind);
        match (self.weigh(finding), finding.level()) {
            (Weight::Worse, _) if self.level_by_human && !news => {
                Decision { record: None, step: PolicyStep::Stay }
            }
            (Weight::Worse, Some(level)) => {
                Decision { record: when(news, FindingKind::Matched), step: PolicyStep::Raise(level.clone()) }
            }
            (Weight::Worse | Weight::Same, _) => Decision {
                record: when(news || !self.row.is_empty(), FindingKind::Matched),
                step: PolicyStep::Stay,
            },
            (Weight::Mute, _) => {
                let warming = *finding == Finding::Warming;
                let kind = if warming { FindingKind::Warming } else { FindingKind::Undecided };
                let said =
                    if warming { self.warming_said.contains(&evidence.version) } else { self.undecided_said };
                Decision { record: when(!said || !self.row.is_empty(), kind), step: PolicyStep::Stay }
            }
            (Weight::Better, Some(_)) if !news && self.clear_in_a_row() > 0 => {
                Decision { record: Some(FindingKind::Matched), step: PolicyStep::Stay }
            }
            (Weight::Better, _) => {
                let mut next = self.clone();
                if news {
                    next.record(evidence);
                } else if next.row_version != evidence.version {
                    // The row speaks of another version than the one that serves now.
                    next.row.clear();
                }
                Decision {
                    record: when(news, finding.kind()),
                    step: next.outcome(finding.level(), policy, now),
                }
            }
        }
    }

    /// Whether what came in a row is enough. `present` is the level that this round found, which may be of evidence
    /// that was counted before: nothing falls below it, or the same round again would raise it.
    fn outcome(&self, present: Option<&Level>, policy: &PolicyConfig, now: DateTime<Utc>) -> PolicyStep {
        // What no measurement found, no measurement ends: a person declared it, a person resolves it.
        if !self.matched_ever {
            return PolicyStep::Stay;
        }
        let enough = |count: usize, needed: u32| count >= needed.max(1) as usize;
        if enough(self.clear_in_a_row(), policy.resolve_after) {
            return PolicyStep::Resolve;
        }
        // A clock that went backwards makes the hold longer, never shorter.
        let held = policy.hold.after(self.since) <= now;
        let worst = self.row.iter().flatten().chain(present).min_by_key(|level| level.rank);
        match worst {
            Some(level) if held && !self.level_by_human && enough(self.row.len(), policy.lower_after) => {
                PolicyStep::Lower(level.clone())
            }
            _ => PolicyStep::Stay,
        }
    }
}
