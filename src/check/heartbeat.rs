//! Telling a watcher that a round begins and how it ended, so that somebody notices when none does.
//!
//! A watcher that does not answer never holds up a round: the beginning is told by the way, the end when everything
//! else is done. What could not be told is said.

use chrono::{DateTime, Utc};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::base::{SecretReference, Verdict};
use crate::config::HeartbeatConfig;
use crate::notify::Outcome;
use crate::notify::channels::http::{Post, Transport};

/// How long an answer is waited for if the configuration does not say.
const TIMEOUT: crate::base::Duration = crate::base::Duration::seconds(5);

/// One of the three things that a watcher is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beat {
    Start,
    Success,
    Fail,
}

/// The heartbeat of one round.
pub struct Heartbeat {
    config: HeartbeatConfig,
    now: DateTime<Utc>,
    started: Receiver<Result<(), String>>,
}

impl Heartbeat {
    /// Tells that a round begins, by the way.
    pub fn begin(config: &HeartbeatConfig, run: &str, now: DateTime<Utc>) -> Self {
        let started = sent(config.clone(), Beat::Start, format!("{run} begins\n"), now);
        Self { config: config.clone(), now, started }
    }

    /// Tells how it ended; `verdict` is absent where it could not be run. Returns what could not be told.
    pub fn end(self, verdict: Option<Verdict>, said: &str) -> Vec<String> {
        let patience = patience(&self.config);
        // The watcher measures from one to the other: they must come in this order.
        let start = waited(&self.started, patience);
        let beat = match verdict {
            Some(verdict) if !self.config.fails(verdict) => Beat::Success,
            _ => Beat::Fail,
        };
        let end = waited(&sent(self.config, beat, format!("{said}\n"), self.now), patience);
        let mut problems: Vec<String> = start.err().into_iter().chain(end.err()).collect();
        problems.dedup();
        problems
    }
}

/// Tells that a round could not even begin.
pub fn failed(config: &HeartbeatConfig, said: &str, now: DateTime<Utc>) -> Vec<String> {
    let (_, started) = channel();
    let heartbeat = Heartbeat { config: HeartbeatConfig { start: None, ..config.clone() }, now, started };
    heartbeat.only_end(said)
}

impl Heartbeat {
    fn only_end(self, said: &str) -> Vec<String> {
        let patience = patience(&self.config);
        waited(&sent(self.config, Beat::Fail, format!("{said}\n"), self.now), patience)
            .err()
            .into_iter()
            .collect()
    }
}

fn timeout(config: &HeartbeatConfig) -> Duration {
    config.timeout.unwrap_or(TIMEOUT).to_std()
}

/// Two tries, and what a program needs that holds the address.
fn patience(config: &HeartbeatConfig) -> Duration {
    timeout(config) * 2 + Duration::from_secs(1)
}

fn waited(receiver: &Receiver<Result<(), String>>, patience: Duration) -> Result<(), String> {
    receiver.recv_timeout(patience).unwrap_or_else(|_| {
        Err(format!("the heartbeat could not be sent within {} s", patience.as_secs_f64()))
    })
}

/// Sends on a thread of its own, that nobody has to wait for.
fn sent(
    config: HeartbeatConfig,
    beat: Beat,
    body: String,
    now: DateTime<Utc>,
) -> Receiver<Result<(), String>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(send(&config, beat, &body, now)));
    receiver
}

fn send(config: &HeartbeatConfig, beat: Beat, body: &str, now: DateTime<Utc>) -> Result<(), String> {
    let said = |why: String| format!("the heartbeat could not be sent: {why}");
    let Some(url) = address(config, beat).map_err(said)? else { return Ok(()) };
    let transport = Transport::default();
    let post = Post {
        url: &url,
        headers: vec![("content-type".to_owned(), "text/plain; charset=utf-8".to_owned())],
        body,
        timeout: timeout(config),
        now,
        secrets: Vec::new(),
    };
    // A beat that comes twice does no harm, so that one which may have arrived is tried again, too.
    let once = || match transport.post(&post) {
        Ok(answer) => answer.outcome(None),
        Err(outcome) => outcome,
    };
    let outcome = match once() {
        Outcome::Retry { .. } | Outcome::Ambiguous { .. } => once(),
        other => other,
    };
    match outcome {
        Outcome::Delivered { .. } => Ok(()),
        Outcome::Retry { error, .. } | Outcome::Failed { error } | Outcome::Ambiguous { error } => {
            Err(said(error))
        }
    }
}

/// Where a beat goes; nowhere where none is configured for it.
fn address(config: &HeartbeatConfig, beat: Beat) -> Result<Option<String>, String> {
    let own = match beat {
        Beat::Start => &config.start,
        Beat::Success => &config.success,
        Beat::Fail => &config.fail,
    };
    let resolved = |reference: &SecretReference| reference.resolve().map_err(|error| error.message);
    if let Some(reference) = own {
        return Ok(Some(resolved(reference)?.expose().to_owned()));
    }
    let Some(reference) = &config.url else { return Ok(None) };
    let secret = resolved(reference)?;
    let mut url = reqwest::Url::parse(secret.expose())
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or("the address is not an http or https address")?;
    let behind = match beat {
        Beat::Start => Some("start"),
        Beat::Success => None,
        Beat::Fail => Some("fail"),
    };
    if let (Some(behind), Ok(mut path)) = (behind, url.path_segments_mut()) {
        path.pop_if_empty().push(behind);
    }
    Ok(Some(url.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> (tempfile::TempDir, HeartbeatConfig) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        fs_err::write(&file, url).unwrap();
        let text = format!("{{\"url\": \"file:{}\"}}", file.display());
        (folder, serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn the_path_says_what_happened() {
        let (_folder, config) = config("https://beats.example.org/ping/abc/?create=1\n");
        let found =
            [Beat::Start, Beat::Success, Beat::Fail].map(|beat| address(&config, beat).unwrap().unwrap());
        assert_eq!(
            found,
            [
                "https://beats.example.org/ping/abc/start?create=1",
                "https://beats.example.org/ping/abc/?create=1",
                "https://beats.example.org/ping/abc/fail?create=1"
            ]
        );
        let only: HeartbeatConfig = serde_json::from_str(r#"{"success": "env:NOT_SET_ANYWHERE"}"#).unwrap();
        assert_eq!(address(&only, Beat::Start), Ok(None));
        assert!(address(&only, Beat::Success).unwrap_err().contains("NOT_SET_ANYWHERE"));
    }

    #[test]
    fn what_is_no_good_end() {
        let (_folder, config) = config("https://beats.example.org/");
        let failing = |config: &HeartbeatConfig| {
            [Verdict::Ok, Verdict::Warn, Verdict::Unknown, Verdict::Crit].map(|verdict| config.fails(verdict))
        };
        assert_eq!(failing(&config), [false, false, true, true]);
        let own = HeartbeatConfig { fail_on: Some(vec![Verdict::Unknown]), ..config };
        assert_eq!(failing(&own), [false, false, true, false]);
    }

    #[test]
    fn no_error_repeats_the_address() {
        let (_folder, mut config) = config("http://127.0.0.1:1/secret-token");
        config.timeout = Some(crate::base::Duration::seconds(1));
        let now = crate::base::clock::parse_instant("2026-11-20T03:07:00Z").unwrap();
        let problems = Heartbeat::begin(&config, "RUN-1", now).end(Some(Verdict::Ok), "OK");
        assert!(!problems.is_empty());
        assert!(problems.iter().all(|problem| !problem.contains("secret-token")), "{problems:?}");
        assert_eq!(failed(&config, "no store", now).len(), 1);
    }
}
