//! Telling a watcher that a round begins and how it ended, so that somebody notices when none does.
//!
//! A watcher that does not answer never holds up a round: the beginning is told by the way, the end when everything
//! else is done, and both together are waited for no longer than one answer may take. What could not be told is said.

use chrono::{DateTime, Utc};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::base::{SecretReference, Verdict};
use crate::config::HeartbeatConfig;
use crate::notify::Outcome;
use crate::notify::channels::http::{Post, Transport};

/// How long an answer is waited for if the configuration does not say.
const TIMEOUT: crate::base::Duration = crate::base::Duration::seconds(5);

/// How long is waited where less is left of the round's time than an answer may take.
const LEAST: Duration = Duration::from_secs(1);

/// What is said of a watcher that does not answer, the same in every round.
const SILENT: &str = "the heartbeat could not be sent: there was no answer in time";

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
        let body = format!("{run} begins\n");
        let started = sent(config.clone(), Beat::Start, body, now, timeout(config));
        Self { config: config.clone(), now, started }
    }

    /// Tells how it ended; `verdict` is absent where it could not be run. It takes no longer than one answer may, nor
    /// than `left`, what is left of the round's time. Returns what could not be told.
    pub fn end(self, verdict: Option<Verdict>, said: &str, left: Option<Duration>) -> Vec<String> {
        let patience = patience(&self.config, left);
        let until = Instant::now() + patience;
        // The watcher measures from one to the other: they should come in this order. But that a round was run matters
        // more than how long it took.
        let start = waited(&self.started, patience / 2);
        let beat = match verdict {
            Some(verdict) if !self.config.fails(verdict) => Beat::Success,
            _ => Beat::Fail,
        };
        // What is said of it is the same in every round, so that it is said once.
        let each = if start.is_ok() { patience * 9 / 20 } else { patience * 9 / 40 };
        let end = self.told(beat, said, each, until.saturating_duration_since(Instant::now()));
        let mut problems: Vec<String> = start.err().into_iter().chain(end.err()).collect();
        problems.dedup();
        problems
    }

    /// Sends a beat; each of its two tries may take so long.
    fn told(self, beat: Beat, said: &str, each: Duration, patience: Duration) -> Result<(), String> {
        waited(&sent(self.config, beat, format!("{said}\n"), self.now, each), patience)
    }
}

/// Tells that a round could not even begin.
pub fn failed(config: &HeartbeatConfig, said: &str, now: DateTime<Utc>) -> Vec<String> {
    let (_, started) = channel();
    let heartbeat = Heartbeat { config: HeartbeatConfig { start: None, ..config.clone() }, now, started };
    let patience = patience(config, None);
    heartbeat.told(Beat::Fail, said, patience * 9 / 20, patience).err().into_iter().collect()
}

fn timeout(config: &HeartbeatConfig) -> Duration {
    config.timeout.unwrap_or(TIMEOUT).to_std()
}

/// How long the end of a round waits for its watcher altogether.
fn patience(config: &HeartbeatConfig, left: Option<Duration>) -> Duration {
    let own = timeout(config);
    if left.is_none_or(|left| left >= own) { own } else { own.min(LEAST) }
}

fn waited(receiver: &Receiver<Result<(), String>>, patience: Duration) -> Result<(), String> {
    receiver.recv_timeout(patience).unwrap_or_else(|_| Err(SILENT.to_owned()))
}

/// Sends on a thread of its own, that nobody has to wait for.
fn sent(
    config: HeartbeatConfig,
    beat: Beat,
    body: String,
    now: DateTime<Utc>,
    timeout: Duration,
) -> Receiver<Result<(), String>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(send(&config, beat, &body, now, timeout)));
    receiver
}

/// Sends a beat; `timeout` is how long one try may take.
fn send(
    config: &HeartbeatConfig,
    beat: Beat,
    body: &str,
    now: DateTime<Utc>,
    timeout: Duration,
) -> Result<(), String> {
    let said = |why: String| format!("the heartbeat could not be sent: {why}");
    let Some(url) = address(config, beat).map_err(said)? else { return Ok(()) };
    let transport = Transport::default();
    let post = Post {
        url: &url,
        headers: vec![("content-type".to_owned(), "text/plain; charset=utf-8".to_owned())],
        body,
        timeout,
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
        Outcome::Ambiguous { .. } => Err(SILENT.to_owned()),
        Outcome::Retry { error, .. } | Outcome::Failed { error } => Err(said(error)),
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
        let problems = Heartbeat::begin(&config, "RUN-1", now).end(Some(Verdict::Ok), "OK", None);
        assert!(!problems.is_empty());
        assert!(problems.iter().all(|problem| !problem.contains("secret-token")), "{problems:?}");
        assert_eq!(failed(&config, "no store", now).len(), 1);
    }

    #[test]
    fn a_watcher_that_never_answers_holds_up_nobody_for_long() {
        // It takes connections, since the kernel does, and never says a word.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (_folder, mut config) = config(&format!("http://{}/", silent.local_addr().unwrap()));
        config.timeout = Some(crate::base::Duration::seconds(4));
        let now = crate::base::clock::parse_instant("2026-11-20T03:07:00Z").unwrap();
        let took = |left| {
            let heartbeat = Heartbeat::begin(&config, "RUN-1", now);
            let begun = Instant::now();
            assert!(!heartbeat.end(Some(Verdict::Ok), "OK", left).is_empty());
            begun.elapsed()
        };
        assert!(took(None) < Duration::from_secs(8));
        assert!(took(Some(Duration::ZERO)) < Duration::from_secs(3), "the round's time is over");
    }
}
