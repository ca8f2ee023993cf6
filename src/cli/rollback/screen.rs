//! The plan screen and the screen at the end.

use chrono::{DateTime, Utc};
use std::collections::HashMap;

use crate::base::Result;
use crate::base::clock::{Elapsed, format_minute, format_near};
use crate::cli::Context;
use crate::cli::output::Tone;
use crate::operation::Ending;
use crate::rollback::RollbackOutcome;
use crate::rollback::candidates::Skipped;
use crate::rollback::conclude::NextCommand;
use crate::rollback::evaluate::{Evaluation, WouldHelp};
use crate::rollback::guards::GuardState;
use crate::rollback::plan::{Contained, Plan, TargetPlan, VersionView};
use crate::rollback::targets::declared::DECLARED;
use crate::rollback::targets::{Change, Fence, Fidelity};

/// A page of labelled lines, wrapped to the terminal.
struct Page {
    text: String,
    width: usize,
}

impl Page {
    fn new(context: &Context, title: &str) -> Self {
        Self { text: format!("{title}\n"), width: context.out.width().saturating_sub(13) }
    }

    /// A labelled line; what does not fit stands below it.
    fn line(&mut self, label: &str, text: &str) {
        for (number, part) in wrapped(text, self.width).iter().enumerate() {
            let label = if number == 0 { label } else { "" };
            self.text.push_str(&format!("  {label:<10} {part}\n"));
        }
    }

    /// Lines under one label.
    fn each(&mut self, label: &str, lines: impl IntoIterator<Item = String>) {
        for (number, text) in lines.into_iter().enumerate() {
            self.line(if number == 0 { label } else { "" }, &text);
        }
    }

    fn gap(&mut self) {
        self.text.push('\n');
    }
}

/// Below this a page is too narrow to break words.
const NARROW: usize = 30;

/// Breaks a text where it is wider than the page: between words, and within a word that is wider than a line. What is
/// indented goes on further in; a text that fits stays as it is.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let indent = text.len() - text.trim_start_matches(' ').len();
    let hanging = " ".repeat(if indent > 0 { indent + 2 } else { 0 });
    let room = width.saturating_sub(hanging.len()).max(NARROW);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let length = word.chars().count();
        let left = lines.last().map_or(0, |line| width.saturating_sub(line.chars().count() + 1));
        // A word that fits no line at all begins where there is some room, and goes on below.
        let (here, below) = match length {
            _ if !lines.is_empty() && length <= left => (length, 0),
            _ if length > room && left >= NARROW => (left, length - left),
            _ => (0, length),
        };
        if let Some(line) = lines.last_mut().filter(|_| below < length || length == 0) {
            line.push(' ');
            line.extend(word.chars().take(here));
        }
        let rest: Vec<char> = word.chars().skip(here).collect();
        let hanging = if lines.is_empty() { "" } else { &hanging };
        lines.extend(rest.chunks(room).map(|part| format!("{hanging}{}", part.iter().collect::<String>())));
        if lines.is_empty() {
            lines.push(String::new());
        }
    }
    lines
}

fn milliseconds(value: u64) -> String {
    Elapsed(chrono::TimeDelta::milliseconds(i64::try_from(value).unwrap_or(i64::MAX))).to_string()
}

fn version(view: &VersionView) -> String {
    let dated = view.dated.map(|dated| format!(" of {} by {}", format_minute(dated.at), dated.source));
    format!("{} ({}){}", view.shown(), view.short(), dated.unwrap_or_default())
}

/// Shows the plan: first what a yes hangs on, then what it changes, then what goes with it.
pub fn plan(context: &Context, plan: &Plan) -> Result<()> {
    let id = plan.operation.as_ref().map_or("dry run: nothing is changed".to_owned(), Clone::clone);
    let phase = plan.phase.as_ref().map(|phase| format!(", phase {phase}")).unwrap_or_default();
    let environment = plan.environment.as_ref().map(|name| format!(" in {name}")).unwrap_or_default();
    let title = format!("Plan for {}{phase}{environment} ({id})", plan.service);
    let mut page = Page::new(context, &context.out.tone(Tone::Strong, &title));
    decision(&mut page, plan, context.clock.now()?);
    page.gap();
    changes(&mut page, plan);
    page.gap();
    conditions(&mut page, plan);
    if !plan.warnings.is_empty() || !plan.refusals.is_empty() {
        page.gap();
    }
    for refusal in &plan.refusals {
        let label = context.out.tone(Tone::Bad, &format!("{:<10}", "CANNOT"));
        page.line(&label, refusal);
    }
    for warning in &plan.warnings {
        let label = context.out.tone(Tone::Warning, &format!("{:<10}", "warning"));
        page.line(&label, warning);
    }
    page.gap();
    context.out.text(&page.text)
}

fn decision(page: &mut Page, plan: &Plan, now: DateTime<Utc>) {
    page.line("serves", &format!("{}: {}", version(&plan.served), plan.served_proof));
    let place = if [plan.to.shown().as_str(), DECLARED].contains(&plan.to.name.raw()) {
        String::new()
    } else {
        format!(", in {}", plan.to.name)
    };
    page.line("goes to", &format!("{}{place}", version(&plan.to)));
    page.line("because", &plan.why);
    page.each("skipped", skipped(&plan.skipped));
    if let Some(would_help) = &plan.would_help {
        page.each("helps", helps(would_help, plan));
    }
    page.line("contained", &contained(&plan.contained, now));
}

/// So many versions that are passed over for one reason stand on lines of their own; more share one.
const ALIKE: usize = 4;

fn skipped(all: &[Skipped]) -> Vec<String> {
    let mut alike: HashMap<&str, usize> = HashMap::new();
    for one in all {
        *alike.entry(&one.why).or_default() += 1;
    }
    let mut lines = Vec::new();
    for one in all {
        match alike.get_mut(one.why.as_str()) {
            // Said with the first of them.
            Some(0) => {}
            Some(count) if *count > ALIKE => {
                lines.push(format!("{} and {} others: {}", one.name, *count - 1, one.why));
                *count = 0;
            }
            _ => lines.push(format!("{}: {}", one.name, one.why)),
        }
    }
    lines
}

fn changes(page: &mut Page, plan: &Plan) {
    for target in &plan.targets {
        page.each(&target.kind, self::target(target, plan, page.width));
    }
    page.line("sure", &sure(plan));
    if let Some(activate) = &plan.activate {
        page.line("activate", &activate.join(" "));
    }
    page.line("verify", plan.verify.as_deref().unwrap_or("nothing verifies it afterwards"));
    page.line("release", &plan.release);
}

fn conditions(page: &mut Page, plan: &Plan) {
    page.each("permanent", plan.cannot_be_undone.iter().cloned());
    page.each("undone by", plan.could_undo_this.iter().cloned());
    let guards = plan.guards.iter().map(|guard| {
        let state = match guard.state {
            GuardState::Passes => "passes",
            GuardState::Refuses => "REFUSES",
            GuardState::Unknown => "UNKNOWN",
        };
        format!("{} {state}: {}", guard.name, guard.why)
    });
    page.each("guards", guards);
    let took = plan
        .predicted_ms
        .map_or("not known before the first time".to_owned(), |ms| format!("about {}", milliseconds(ms)));
    let undo = milliseconds(plan.undo_budget_ms);
    page.line(
        "takes",
        &format!("{took}; the budget is {}, {undo} of it kept for undoing", milliseconds(plan.budget_ms)),
    );
    page.line("resume", &format!("only {} can finish it after a crash", plan.host));
}

fn helps(would_help: &WouldHelp, plan: &Plan) -> Vec<String> {
    let answer = match would_help.answer {
        Some(true) => "YES",
        Some(false) => "NO",
        None => "NOT KNOWN",
    };
    let mut lines = vec![format!("{answer}, judged by {} ({})", would_help.rule, would_help.expression)];
    let show = |label: &str, one: &Evaluation| {
        let fails = match (one.fails, &one.why) {
            (Some(true), _) => "fails".to_owned(),
            (Some(false), _) => "passes".to_owned(),
            (None, Some(why)) => why.to_string(),
            (None, None) => "not decided".to_owned(),
        };
        format!("{label} {}: {} {}, {fails}", one.name, would_help.metric, one.shown)
    };
    lines.push(show("served", &would_help.served));
    let label = |one: &Evaluation| if one.digest == plan.to.digest { "chosen" } else { "other " };
    lines.extend(would_help.candidates.iter().map(|one| show(label(one), one)));
    lines
}

/// What becomes of one target: what it is, what changes in it, how.
fn target(target: &TargetPlan, plan: &Plan, width: usize) -> Vec<String> {
    let name = target.name.strip_prefix(&format!("{} ", target.kind)).unwrap_or(&target.name);
    let part = target.part.map(|part| format!("{part}: ")).unwrap_or_default();
    let fence = match target.fence {
        Fence::Native => "",
        Fence::Claim => "",
        Fence::None => "; nothing keeps a second writer out",
    };
    let took = target.predicted_ms.map(|ms| format!("; about {}", milliseconds(ms))).unwrap_or_default();
    let mut lines = vec![format!("{part}{name}{took}{fence}")];
    if target.changes.is_empty() {
        let why = if plan.refusals.is_empty() { "is as it should be already" } else { "cannot be predicted" };
        lines.push(format!("  {why}"));
    }
    lines.extend(target.changes.iter().take(SHOWN).flat_map(|change| self::change(change, width)));
    if let Some(more) = target.changes.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        lines.push(format!("  and {more} more (--output json shows all)"));
    }
    let manner: Vec<_> =
        [&target.manner, &target.kept, &target.meanwhile].into_iter().flatten().map(String::as_str).collect();
    lines.extend((!manner.is_empty()).then(|| format!("  {}", manner.join("; "))));
    lines
}

/// How sure the lines above are.
fn sure(plan: &Plan) -> String {
    let changes = || plan.targets.iter().flat_map(|target| &target.changes);
    let count = |fidelity| changes().filter(|change| change.fidelity == fidelity).count();
    let parts = [Fidelity::Proven, Fidelity::Predicted, Fidelity::Unknown]
        .map(|fidelity| (fidelity, count(fidelity)))
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(fidelity, count)| format!("{count} {fidelity}"));
    let parts: Vec<_> = parts.collect();
    match parts.as_slice() {
        [] => "nothing changes".to_owned(),
        [only] => format!("{only} (of the lines above)"),
        _ => format!("{} (marked above)", parts.join(", ")),
    }
}

/// How many changes of a target are shown.
const SHOWN: usize = 20;

/// One change; what is not proven says so. What is too long for a line stands on lines of its own.
fn change(change: &Change, width: usize) -> Vec<String> {
    let show = |value: &Option<crate::base::Untrusted>| {
        value.as_ref().map_or("nothing".to_owned(), ToString::to_string)
    };
    let sure = match change.fidelity {
        Fidelity::Proven => String::new(),
        other => format!(" ({other})"),
    };
    let (place, from, to) = (&change.place, show(&change.from), show(&change.to));
    let whole = format!("  {place}: {from} → {to}{sure}");
    if whole.chars().count() <= width {
        return vec![whole];
    }
    vec![format!("  {place}:"), format!("    from {from}"), format!("    to   {to}{sure}")]
}

fn contained(contained: &Contained, now: DateTime<Utc>) -> String {
    match contained {
        Contained::Yes { since, proof } => {
            let proof = proof.as_ref().map(|proof| format!("; {proof}")).unwrap_or_default();
            format!("yes, since {}{proof}", format_near(*since, now))
        }
        Contained::Would => "not now; its consumers would be stopped first".to_owned(),
        Contained::NotConfigured => "no: nothing says how to stop its consumers".to_owned(),
        Contained::Failed { why } => format!("NO: {why}"),
    }
}

/// Shows how it ended and what to type next.
pub fn outcome(context: &Context, outcome: &RollbackOutcome) -> Result<()> {
    let tone = match outcome.ending {
        Ending::Restored => Tone::Good,
        Ending::Undone | Ending::Refused => Tone::Warning,
        Ending::Halted | Ending::Unknown | Ending::Unproven => Tone::Bad,
    };
    let title = format!("{}: {}", context.out.tone(tone, outcome.ending.as_str()), outcome.summary);
    let mut page = Page::new(context, &title);
    if let Some(proof) = &outcome.proof {
        let to = outcome.to.as_ref();
        let digest = to.and_then(|to| to.digest.as_ref()).map_or("", |digest| digest.short());
        page.line("serves", &format!("{} ({digest}): {proof}", to.map_or("", |to| to.name.as_str())));
    }
    let consumers = if outcome.contained { "STOPPED: contained" } else { "not stopped" };
    page.line("consumers", consumers);
    if let Some(until) = outcome.watched_until {
        let until = format_near(until, context.clock.now()?);
        page.line("watched", &format!("until {until}; `irctl check` confirms it then"));
    }
    if outcome.ending != Ending::Undone
        && let Some(backup) = &outcome.backup
    {
        page.line("kept", backup);
    }
    // After a success there is nothing to do; taking it back is a way out, not the next command.
    let (back, next): (Vec<_>, Vec<_>) = outcome.next.iter().partition(|next| next.is_undo());
    let shown = |next: &&NextCommand| format!("{:<44} {}", next.command, next.purpose);
    page.each("next", next.iter().map(shown));
    page.each("undo", back.iter().map(shown));
    context.out.text(&page.text)
}

#[cfg(test)]
mod tests {
    use super::{change, wrapped};
    use crate::rollback::targets::{Change, Fidelity};

    #[test]
    fn a_text_is_broken_between_words_only_where_it_is_too_wide() {
        assert_eq!(wrapped("served  2026.11.02  fails", 30), ["served  2026.11.02  fails"]);
        assert_eq!(wrapped("file by file: a mix", 12), ["file by", "file: a mix"]);
        assert_eq!(wrapped("backup_emergency_2026-11-20", 10), ["backup_emergency_2026-11-20"]);
        let long = "x".repeat(50);
        assert_eq!(
            wrapped(&format!("    from {long}"), 40),
            [format!("    from {}", &long[..31]), format!("      {}", &long[31..])]
        );
    }

    #[test]
    fn a_change_that_is_too_long_takes_three_lines() {
        let text = |text: &str| Some(crate::base::Untrusted::from(text));
        let one = Change {
            place: "config/a.yml mode".into(),
            from: text("live"),
            to: text("disabled"),
            fidelity: Fidelity::Predicted,
        };
        assert_eq!(change(&one, 80), ["  config/a.yml mode: live → disabled (predicted)"]);
        assert_eq!(
            change(&one, 30),
            ["  config/a.yml mode:", "    from live", "    to   disabled (predicted)"]
        );
    }
}
