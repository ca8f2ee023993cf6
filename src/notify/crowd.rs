//! One message for what became due all at once about many different things, as when a shared database takes every service
//! with it: how many of what, the first of them, and where the rest stands.

use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

use super::channels::ChannelKind;
use super::message::{Composed, Composer, DIGEST, Dispatch, Draft, NO_LEVEL, finish, minute};
use super::notice::Notice;
use super::template::Rendered;
use crate::base::untrusted::{Sink, escape};

/// How many of them have a line of their own.
const SHOWN: usize = 20;

/// Whether notices that are told together are about different things: incidents, or services where there is none.
pub fn is_one(notices: &[(Notice, DateTime<Utc>)]) -> bool {
    let about = |notice: &'_ Notice| match &notice.incident {
        Some(incident) => (true, incident.clone()),
        None => (false, notice.service.clone()),
    };
    notices.iter().map(|(notice, _)| about(notice)).collect::<BTreeSet<_>>().len() > 1
}

/// The message, the most urgent first. What it leaves out is in the incidents, and in the outbox as delivered.
pub fn compose(
    composer: &Composer<'_>,
    mut notices: Vec<(Notice, DateTime<Utc>)>,
    kind: ChannelKind,
    dispatch: &Dispatch<'_>,
) -> Option<Composed> {
    // What is over is less urgent than what is not. The order of queueing stays among those alike.
    notices
        .sort_by_key(|(notice, _)| (notice.template == "incident-resolved", notice.rank.unwrap_or(u32::MAX)));
    let (worst, _) = notices.first()?;
    let over = worst.template == "incident-resolved";
    let sink = kind.sink();
    let services: BTreeSet<&str> = notices.iter().map(|(notice, _)| notice.service.as_str()).collect();
    let subject = format!(
        "[{}] {} messages at once about {} services",
        counted(notices.iter().map(|(notice, _)| notice.level.as_deref().unwrap_or(NO_LEVEL)), sink),
        notices.len(),
        services.len(),
    );
    let mut lines = vec![counted(notices.iter().map(|(notice, _)| notice.template.as_str()), sink)];
    for (notice, queued_at) in notices.iter().take(SHOWN) {
        let on_time = Dispatch { queued_at: *queued_at, sent_at: *queued_at, ..*dispatch };
        lines.push(composer.compose(notice, kind, &on_time).message.subject);
    }
    if let Some(more) = notices.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        lines.push(format!("and {more} more: irctl incident list"));
    }
    let body = format!("{}\n\nSent {}; times are UTC.", lines.join("\n"), minute(dispatch.sent_at));
    let rendered = Rendered {
        subject,
        body,
        colour: Some(if over { "good" } else { "danger" }.to_owned()),
        fields: Vec::new(),
    };
    let mut notice = worst.clone();
    notice.template = DIGEST.to_owned();
    let draft = Draft { dispatch: *dispatch, notice: &notice, rendered: &rendered };
    Some(Composed { template: DIGEST.to_owned(), message: finish(kind, &draft), fallback: None })
}

/// `P0 × 9990, P1 × 10`, in the order of the words.
fn counted<'n>(words: impl Iterator<Item = &'n str>, sink: Sink) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    words.for_each(|word| *counts.entry(word).or_default() += 1);
    let shown = counts.iter().map(|(word, count)| format!("{} × {count}", escape(word, sink)));
    shown.collect::<Vec<_>>().join(", ")
}
