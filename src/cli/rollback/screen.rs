//! The plan screen and the screen at the end.

use crate::base::Result;
use crate::base::clock::{Elapsed, format_instant};
use crate::cli::Context;
use crate::cli::output::Tone;
use crate::operation::Ending;
use crate::rollback::RollbackOutcome;
use crate::rollback::evaluate::{Evaluation, WouldHelp};
use crate::rollback::guards::GuardState;
use crate::rollback::plan::{Contained, FileChange, FileState, Plan, ValueChange, VersionView};

/// A labelled line; further lines of the same label stand below it.
fn line(out: &mut String, label: &str, text: &str) {
    out.push_str(&format!("  {label:<10} {text}\n"));
}

fn each(out: &mut String, label: &str, lines: impl IntoIterator<Item = String>) {
    for (number, text) in lines.into_iter().enumerate() {
        line(out, if number == 0 { label } else { "" }, &text);
    }
}

fn milliseconds(value: u64) -> String {
    Elapsed(chrono::TimeDelta::milliseconds(i64::try_from(value).unwrap_or(i64::MAX))).to_string()
}

fn version(view: &VersionView) -> String {
    let dated = view.dated.map(|dated| format!(", {} ({})", format_instant(dated.at), dated.source));
    format!("{} ({}{})", view.shown(), view.short(), dated.unwrap_or_default())
}

/// Shows the plan.
pub fn plan(context: &Context, plan: &Plan) -> Result<()> {
    let mut out = String::new();
    let id = plan.operation.as_ref().map_or("dry run: nothing is changed".to_owned(), Clone::clone);
    let title = format!("Plan for {} ({id})", plan.service);
    out.push_str(&format!("{}\n", context.out.tone(Tone::Strong, &title)));
    line(&mut out, "serves", &format!("{}: {}", version(&plan.served), plan.served_proof));
    line(&mut out, "goes to", &format!("{} in {}", version(&plan.to), plan.to.name));
    line(&mut out, "because", &plan.why);
    each(&mut out, "skipped", plan.skipped.iter().map(|one| format!("{}: {}", one.name, one.why)));
    if let Some(would_help) = &plan.would_help {
        each(&mut out, "would help", helps(would_help, plan));
    }
    each(&mut out, "changes", plan.files.iter().map(file));
    each(&mut out, "metadata", plan.metadata.iter().map(value));
    each(&mut out, "settings", plan.settings.iter().map(value));
    line(&mut out, "contained", &contained(&plan.contained));
    line(&mut out, "switch", &plan.switch);
    if let Some(activate) = &plan.activate {
        line(&mut out, "activate", &activate.join(" "));
    }
    line(&mut out, "verify", plan.verify.as_deref().unwrap_or("nothing verifies it afterwards"));
    line(&mut out, "release", &plan.release);
    each(&mut out, "for good", plan.cannot_be_undone.iter().cloned());
    each(&mut out, "undone by", plan.could_undo_this.iter().cloned());
    let guards = plan.guards.iter().map(|guard| {
        let state = match guard.state {
            GuardState::Passes => "passes",
            GuardState::Refuses => "REFUSES",
            GuardState::Unknown => "UNKNOWN",
        };
        format!("{} {state}: {}", guard.name, guard.why)
    });
    each(&mut out, "guards", guards);
    let took =
        plan.predicted_ms.map_or("not known yet".to_owned(), |ms| format!("about {}", milliseconds(ms)));
    line(
        &mut out,
        "takes",
        &format!("{took}, at most {}; only {} can resume it", milliseconds(plan.budget_ms), plan.host),
    );
    for warning in &plan.warnings {
        out.push_str(&format!("  {} {warning}\n", context.out.tone(Tone::Warning, "warning   ")));
    }
    context.out.text(&out)
}

fn helps(would_help: &WouldHelp, plan: &Plan) -> Vec<String> {
    let answer = match would_help.answer {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "not known",
    };
    let mut lines = vec![format!("{answer}: {} ({})", would_help.rule, would_help.expression)];
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

fn file(change: &FileChange) -> String {
    let show = |state: &Option<FileState>| {
        state
            .as_ref()
            .map_or("nothing".to_owned(), |state| format!("{} ({} bytes)", state.digest.short(), state.size))
    };
    if change.is_same() {
        return format!("{}: stays as it is", change.file);
    }
    format!("{}: {} → {}", change.file, show(&change.from), show(&change.to))
}

fn value(change: &ValueChange) -> String {
    let show = |value: &Option<crate::base::Untrusted>| {
        value.as_ref().map_or("nothing".to_owned(), ToString::to_string)
    };
    format!("{}: {} → {}", change.place, show(&change.from), show(&change.to))
}

fn contained(contained: &Contained) -> String {
    match contained {
        Contained::Yes { since, proof } => {
            let proof = proof.as_ref().map(|proof| format!("; {proof}")).unwrap_or_default();
            format!("yes, since {}{proof}", format_instant(*since))
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
    let mut out = format!("{}: {}\n", context.out.tone(tone, outcome.ending.as_str()), outcome.summary);
    if let Some(proof) = &outcome.proof {
        let to = outcome.to.as_ref();
        let digest = to.and_then(|to| to.digest.as_ref()).map_or("", |digest| digest.short());
        line(&mut out, "serves", &format!("{} ({digest}): {proof}", to.map_or("", |to| to.name.as_str())));
    }
    if outcome.ending != Ending::Undone
        && let Some(backup) = &outcome.backup
    {
        line(&mut out, "kept", backup);
    }
    let consumers = if outcome.contained { "STOPPED" } else { "not stopped" };
    line(&mut out, "consumers", consumers);
    if let Some(until) = outcome.watched_until {
        line(&mut out, "watched", &format!("until {}", format_instant(until)));
    }
    let next = outcome.next.iter().map(|next| format!("{:<44} {}", next.command, next.purpose));
    each(&mut out, "next", next);
    context.out.text(&out)
}
