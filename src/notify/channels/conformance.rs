//! What every channel must do, as one table: how each ending is told, and that no secret leaves.
//!
//! A channel kind without its rows does not compile here.

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::path::Path;
    use std::time::Duration;

    use crate::base::clock::parse_instant;
    use crate::base::{Clock, Error, ErrorCode, Result, Secret, SecretReference};
    use crate::notify::channels::http::Transport;
    use crate::notify::channels::{ChannelKind, Outcome, Parcel, Surroundings, preview, send};
    use crate::notify::config::{ChannelConfig, NotifyConfig};
    use crate::notify::message::{Composer, Dispatch};
    use crate::notify::{Courier, enqueue_to, samples};
    use crate::store::sqlite::SqliteStore;
    use crate::store::{EventFilter, Store};

    /// Every one of these is secret, and a part of an address, a header or a key.
    const SECRETS: &[&str] =
        &["T0HUNTER2", "hunter2path", "hunter2query", "aHVudGVyMmh1bnRlcjJodW50ZXIy", "hunter2bearer"];

    /// What the other side does.
    #[derive(Debug, Clone, Copy)]
    enum Other {
        /// Answers with this status and repeats the whole request in the body, as careless servers do.
        Answers(u16),
        /// Reads the request and says nothing.
        Hangs,
        /// Reads the request and closes the connection.
        HangsUp,
        /// Nobody listens.
        Refuses,
        /// The reference to the address or the path leads nowhere.
        Unavailable,
        /// The address is not one, or the path leads out of the workspace.
        Wrong,
        /// It works.
        Works,
        /// Where the file should be is a folder.
        Blocked,
    }

    #[derive(Debug, PartialEq, Clone, Copy)]
    enum Ends {
        Delivered,
        Retry,
        Failed,
        Ambiguous,
    }

    fn table(kind: ChannelKind) -> Vec<(Other, Ends)> {
        match kind {
            ChannelKind::Slack | ChannelKind::Webhook | ChannelKind::Audit => {
                let by_status = |status| {
                    let ends = match status {
                        200..=299 => Ends::Delivered,
                        408 | 425 | 429 | 500.. => Ends::Retry,
                        _ => Ends::Failed,
                    };
                    (Other::Answers(status), ends)
                };
                let statuses = [
                    200, 202, 204, 301, 307, 400, 401, 403, 404, 408, 410, 413, 422, 425, 429, 500, 502, 503,
                    504,
                ];
                let mut table: Vec<_> = statuses.map(by_status).to_vec();
                table.extend([
                    (Other::Hangs, Ends::Ambiguous),
                    (Other::HangsUp, Ends::Ambiguous),
                    (Other::Refuses, Ends::Retry),
                    (Other::Unavailable, Ends::Retry),
                    (Other::Wrong, Ends::Failed),
                ]);
                table
            }
            ChannelKind::File => vec![
                (Other::Works, Ends::Delivered),
                (Other::Blocked, Ends::Retry),
                (Other::Wrong, Ends::Failed),
            ],
        }
    }

    fn config(kind: ChannelKind, other: Other) -> ChannelConfig {
        let text = match (kind, other) {
            (ChannelKind::Slack, Other::Unavailable) => "slack: {url: 'env:MISSING'}",
            (ChannelKind::Slack, _) => "slack: {url: 'env:ADDRESS', delivery: {timeout: 400ms}}",
            (ChannelKind::Webhook, Other::Unavailable) => "webhook: {url: 'env:MISSING'}",
            (ChannelKind::Webhook, _) => {
                "webhook: {url: 'env:ADDRESS', secret: 'env:KEY', headers: {authorization: 'env:TOKEN'}, \
                 delivery: {timeout: 400ms}}"
            }
            (ChannelKind::Audit, Other::Unavailable) => "audit: {url: 'env:MISSING'}",
            (ChannelKind::Audit, _) => {
                "audit: {url: 'env:ADDRESS', secret: 'env:KEY', headers: {authorization: 'env:TOKEN'}, \
                 environment: production, delivery: {timeout: 400ms}}"
            }
            (ChannelKind::File, Other::Wrong) => "file: {path: ../outside.jsonl}",
            (ChannelKind::File, Other::Blocked) => "file: {path: folder}",
            (ChannelKind::File, _) => "file: {path: out/notices.jsonl}",
        };
        serde_saphyr::from_str(text).unwrap()
    }

    fn request(stream: &mut TcpStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let read = stream.read(&mut buffer).unwrap_or(0);
            bytes.extend_from_slice(&buffer[..read]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let length = |head: &str| {
                head.lines()
                    .find_map(|line| {
                        line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
                    })
                    .unwrap_or(0)
            };
            match text.split_once("\r\n\r\n") {
                Some((head, body)) if body.len() >= length(head) => return bytes,
                _ if read == 0 => return bytes,
                _ => {}
            }
        }
    }

    /// Serves until the test ends; returns the address.
    fn serve(other: Other) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        if !matches!(other, Other::Refuses) {
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    let mut stream = stream.unwrap();
                    let body = request(&mut stream);
                    match other {
                        Other::Hangs => std::thread::sleep(Duration::from_secs(2)),
                        Other::Answers(status) => {
                            let length = if status == 204 { 0 } else { body.len() };
                            let head = format!(
                                "HTTP/1.1 {status} X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: \
                                 {length}\r\nconnection: close\r\n\r\n"
                            );
                            stream.write_all(head.as_bytes()).unwrap();
                            stream.write_all(&body[..length]).unwrap();
                        }
                        _ => {}
                    }
                }
            });
        }
        match other {
            Other::Wrong => "gopher://hunter2path/T0HUNTER2".to_owned(),
            _ => format!("http://{address}/T0HUNTER2/hunter2path?token=hunter2query"),
        }
    }

    fn resolver(address: String) -> impl Fn(&SecretReference) -> Result<Secret> {
        move |reference| {
            let value = match reference.to_string().as_str() {
                "env:ADDRESS" => address.clone(),
                "env:KEY" => "whsec_aHVudGVyMmh1bnRlcjJodW50ZXIy".to_owned(),
                "env:TOKEN" => "Bearer hunter2bearer".to_owned(),
                other => {
                    return Err(Error::new(ErrorCode::SecretUnavailable, format!("`{other}` is not set")));
                }
            };
            Ok(Secret::new(value))
        }
    }

    fn ends(outcome: &Outcome) -> Ends {
        match outcome {
            Outcome::Delivered { .. } => Ends::Delivered,
            Outcome::Retry { .. } => Ends::Retry,
            Outcome::Failed { .. } => Ends::Failed,
            Outcome::Ambiguous { .. } => Ends::Ambiguous,
        }
    }

    #[track_caller]
    fn assert_silent(where_: &str, text: &str) {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{where_} says {secret}: {text}");
        }
    }

    /// Sends one message and returns how it ended, having looked at everything that is shown.
    fn direct(channel: &ChannelConfig, address: &str, root: &Path) -> Outcome {
        let (config, overrides) = (NotifyConfig::default(), BTreeMap::new());
        let composer = Composer { config: &config, overrides: &overrides };
        let now = parse_instant("2026-11-20T03:07:00Z").unwrap();
        let dispatch = Dispatch { id: "msg_1", queued_at: now, sent_at: now, witness: None };
        let composed = composer.compose(&samples::notice("contained"), channel.kind(), &dispatch);
        let parcel = Parcel { id: "msg_1", message: &composed.message, possibly_arrived: false };
        let transport = Transport::default();
        let resolver = resolver(address.to_owned());
        let timeout = channel.delivery(&config.delivery).timeout.to_std();
        let around = Surroundings { root, resolver: &resolver, transport: &transport, now, timeout };
        let outcome = send(channel, &parcel, &around);
        assert_silent("the outcome", &format!("{outcome:?}"));
        assert_silent(
            "the configuration",
            &format!("{channel:?}{}", serde_json::to_string(channel).unwrap()),
        );
        let shown = preview(channel, &parcel, now);
        assert_silent("the preview", &format!("{shown:?}{}", serde_json::to_string(&shown).unwrap()));
        outcome
    }

    /// The same through the outbox: rows, events and the summary.
    fn through_the_outbox(channel: ChannelConfig, address: &str, root: &Path) {
        let state = root.join("state");
        let sqlite = SqliteStore::open(&state).unwrap();
        let store: &dyn Store = &sqlite;
        let config =
            NotifyConfig { channels: BTreeMap::from([("c".to_owned(), channel)]), ..NotifyConfig::default() };
        let now = parse_instant("2026-11-20T03:07:00Z").unwrap();
        store.with(|session| enqueue_to(session, "c", &samples::notice("contained"), now)).unwrap();
        let courier = Courier {
            store,
            config: &config,
            overrides: &BTreeMap::new(),
            root,
            resolver: &resolver(address.to_owned()),
            clock: &Clock::Fixed(now),
            jitter: &|| 0.0,
            patience: Duration::ZERO,
        };
        let summary = courier.deliver_due().unwrap();
        let seen = store
            .view(|session| {
                let events = session.events(&EventFilter::default())?;
                let doubt = session.value("notify.attempts")?;
                Ok(format!("{events:?}{:?}{doubt:?}", session.deliveries(None)?))
            })
            .unwrap();
        assert_silent("the store", &seen);
        assert_silent("the summary", &format!("{summary:?}"));
        let bytes = std::fs::read(sqlite.path()).unwrap();
        assert_silent("the database", &String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn every_channel_tells_every_ending_and_no_secret() {
        for kind in ChannelKind::ALL {
            for (other, expected) in table(*kind) {
                let root = tempfile::tempdir().unwrap();
                std::fs::create_dir(root.path().join("folder")).unwrap();
                let address = serve(other);
                let channel = config(*kind, other);
                let outcome = direct(&channel, &address, root.path());
                assert_eq!(ends(&outcome), expected, "{kind:?}, {other:?}: {outcome:?}");
                through_the_outbox(channel, &address, root.path());
            }
        }
    }

    #[test]
    fn the_transport_does_not_show_itself() {
        assert_eq!(format!("{:?}", Transport::default()), "Transport");
    }
}
