//! What the parts of a drill mean together.

use std::collections::BTreeSet;

use super::record::{DrillPart, Outcome, Share};
use crate::base::{Duration, Verdict};

/// The times of a drill against its budgets.
#[derive(Debug, Clone)]
pub struct Budget {
    /// For everything.
    pub whole: Duration,
    /// For what stops the harm, in a phase.
    pub immediate: Option<Duration>,
}

/// What comes of it.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// How long everything took, in milliseconds.
    pub total_ms: u64,
    /// How long it may take, in milliseconds.
    pub budget_ms: u64,
    /// Whether it fits; absent where that is not known.
    pub fits: Option<bool>,
    /// The immediate part alone.
    pub immediate: Option<Share>,
    /// In a few words.
    pub said: String,
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.to_std().as_millis()).unwrap_or(u64::MAX)
}

/// Fills in each part's share of the budget, and judges all of them.
pub fn judge(parts: &mut [DrillPart], budget: &Budget, stopped: bool) -> Judgement {
    let budget_ms = milliseconds(budget.whole);
    for part in parts.iter_mut() {
        part.share = part.took_ms.filter(|_| budget_ms > 0).map(|took| took as f64 / budget_ms as f64);
    }
    let took =
        |part: &str| parts.iter().filter(|one| one.part == part).filter_map(|one| one.took_ms).sum::<u64>();
    let total_ms = parts.iter().filter_map(|part| part.took_ms).sum();
    let immediate = budget.immediate.map(|budget| {
        let (took_ms, budget_ms) = (took("immediate") + took("prepare"), milliseconds(budget));
        Share { took_ms, budget_ms, fits: took_ms <= budget_ms }
    });
    let counted = || parts.iter().filter(|part| !part.never);
    let failed = counted().filter(|part| part.outcome == Outcome::Failed).count();
    let not_run = counted().filter(|part| part.outcome == Outcome::NotRun).count();
    let passed: BTreeSet<_> =
        counted().filter(|part| part.outcome == Outcome::Passed).map(|part| &part.target).collect();
    let unseen: BTreeSet<_> =
        counted().map(|part| &part.target).filter(|target| !passed.contains(target)).collect();
    let late = total_ms > budget_ms || immediate.as_ref().is_some_and(|share| !share.fits);
    // What was not rehearsed takes time as well: too long already is too long, but nothing fits that is not whole.
    let whole = not_run == 0 && !stopped && !passed.is_empty();
    let fits = if total_ms > budget_ms { Some(false) } else { whole.then_some(true) };
    let (verdict, said) = if failed > 0 {
        (Verdict::Crit, format!("{failed} of {} parts failed", counted().count()))
    } else if late {
        (Verdict::Crit, "it does not fit its budget".to_owned())
    } else if stopped {
        (Verdict::Unknown, "it was stopped".to_owned())
    } else if let Some(target) = unseen.first() {
        (Verdict::Unknown, format!("{target} could not be rehearsed at all"))
    } else if passed.is_empty() {
        (Verdict::Unknown, "nothing was rehearsed".to_owned())
    } else if not_run > 0 {
        (Verdict::Warn, format!("{not_run} of {} parts could not be rehearsed", counted().count()))
    } else {
        (Verdict::Ok, format!("all {} parts passed", counted().count()))
    };
    Judgement { verdict, total_ms, budget_ms, fits, immediate, said }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(target: &str, part: &str, outcome: Outcome, took: u64) -> DrillPart {
        DrillPart {
            target: target.into(),
            part: part.into(),
            what: "switch".into(),
            took_ms: (outcome != Outcome::NotRun).then_some(took),
            share: None,
            outcome,
            why: None,
            never: false,
        }
    }

    fn verdict(parts: &mut [DrillPart]) -> (Verdict, Option<bool>) {
        let budget = Budget { whole: Duration::seconds(10), immediate: Some(Duration::seconds(5)) };
        let judged = judge(parts, &budget, false);
        (judged.verdict, judged.fits)
    }

    #[test]
    fn what_was_not_run_never_counts_as_passed() {
        use Outcome::{Failed, NotRun, Passed};
        assert_eq!(verdict(&mut []), (Verdict::Unknown, None));
        assert_eq!(verdict(&mut [part("a", "target", Passed, 10)]), (Verdict::Ok, Some(true)));
        let partly = &mut [part("a", "target", Passed, 10), part("a", "target", NotRun, 0)];
        assert_eq!(verdict(partly), (Verdict::Warn, None));
        let unseen = &mut [part("a", "target", Passed, 10), part("b", "target", NotRun, 0)];
        assert_eq!(verdict(unseen), (Verdict::Unknown, None));
        let failed = &mut [part("a", "target", Failed, 10), part("b", "target", NotRun, 0)];
        assert_eq!(verdict(failed).0, Verdict::Crit);
        let mut never = part("activate", "target", NotRun, 0);
        never.never = true;
        assert_eq!(verdict(&mut [part("a", "target", Passed, 10), never.clone()]).0, Verdict::Ok);
        assert_eq!(verdict(&mut [never]).0, Verdict::Unknown);
    }

    #[test]
    fn the_immediate_part_has_a_budget_of_its_own() {
        use Outcome::Passed;
        let late = &mut [part("a", "target", Passed, 10_001)];
        assert_eq!(verdict(late), (Verdict::Crit, Some(false)));
        assert_eq!(verdict(&mut [part("a", "recovery", Passed, 9000)]).0, Verdict::Ok);
        assert_eq!(verdict(&mut [part("a", "immediate", Passed, 5001)]).0, Verdict::Crit);
        let mut parts = [part("a", "immediate", Passed, 2500)];
        verdict(&mut parts);
        assert_eq!(parts[0].share, Some(0.25));
    }

    #[test]
    fn a_stopped_drill_is_no_evidence() {
        let budget = Budget { whole: Duration::seconds(10), immediate: None };
        let judged = judge(&mut [part("a", "target", Outcome::Passed, 1)], &budget, true);
        assert_eq!((judged.verdict, judged.fits), (Verdict::Unknown, None));
    }
}
