//! Messages from the outbox to the wire: retries, doubt, order, digests, and what a crash leaves.

mod support;

use chrono::{DateTime, TimeDelta, Utc};
use irctl::base::clock::parse_instant;
use irctl::base::{Clock, Result, Secret, SecretReference};
use irctl::notify::{
    Again, ContactsConfig, Courier, Notice, NotifyConfig, Summary, announce, enqueue, requeue,
};
use irctl::store::sqlite::SqliteStore;
use irctl::store::{Delivery, DeliveryState, Event, EventFilter, Session, Store};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn at(text: &str) -> DateTime<Utc> {
    parse_instant(&format!("2026-11-20T{text}Z")).unwrap()
}

/// A receiver, and the runtime that it answers in.
struct Receiver {
    runtime: tokio::runtime::Runtime,
    server: MockServer,
}

impl Receiver {
    /// Answers with these in turn, then with the last for ever.
    fn answering(answers: Vec<ResponseTemplate>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let server = runtime.block_on(async {
            let server = MockServer::start().await;
            let last = answers.len() - 1;
            for (index, answer) in answers.into_iter().enumerate() {
                let mock = Mock::given(method("POST")).respond_with(answer);
                let mock = if index == last { mock } else { mock.up_to_n_times(1) };
                mock.with_priority(u8::try_from(index + 1).unwrap()).mount(&server).await;
            }
            server
        });
        Self { runtime, server }
    }

    fn received(&self) -> Vec<Request> {
        self.runtime.block_on(self.server.received_requests()).unwrap()
    }

    fn texts(&self) -> Vec<String> {
        let text = |request: &Request| {
            let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            let said = body.get("text").or_else(|| body.pointer("/data/subject")).unwrap();
            said.as_str().unwrap().to_owned()
        };
        self.received().iter().map(text).collect()
    }
}

fn ok() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_string("ok")
}

/// A store, a clock file and a configuration in a directory that goes away.
struct Desk {
    directory: tempfile::TempDir,
    store: SqliteStore,
    config: NotifyConfig,
    address: String,
}

impl Desk {
    fn new(config: &str, address: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("state")).unwrap();
        let desk = Self {
            store,
            config: serde_saphyr::from_str(config).unwrap(),
            address: address.to_owned(),
            directory,
        };
        desk.set_clock(at("03:07:00"));
        desk
    }

    fn slack(receiver: &Receiver) -> Self {
        Self::new("{channels: {c: {slack: {url: 'env:URL'}}}, default: [c]}", &receiver.server.uri())
    }

    fn webhook(receiver: &Receiver) -> Self {
        let config = "{channels: {c: {webhook: {url: 'env:URL', secret: 'env:KEY'}}}, default: [c]}";
        Self::new(config, &receiver.server.uri())
    }

    fn file() -> Self {
        Self::new("{channels: {c: {file: {path: out.jsonl}}}, default: [c]}", "")
    }

    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn clock_file(&self) -> PathBuf {
        self.directory.path().join("clock")
    }

    fn set_clock(&self, now: DateTime<Utc>) {
        std::fs::write(self.clock_file(), irctl::base::clock::format_instant(now)).unwrap();
    }

    fn now(&self) -> DateTime<Utc> {
        Clock::File(self.clock_file()).now().unwrap()
    }

    fn tell(&self, template: &str) -> Vec<Delivery> {
        let notice = notice(template, self.now());
        let contacts = ContactsConfig::default();
        self.store()
            .with(|session: &mut dyn Session| enqueue(session, &self.config, &contacts, &notice, self.now()))
            .unwrap()
    }

    fn deliver(&self, patience: Duration) -> Summary {
        self.courier(&|reference| self.resolve(reference), &BTreeMap::new(), patience).unwrap()
    }

    fn courier(
        &self,
        resolver: &dyn Fn(&SecretReference) -> Result<Secret>,
        overrides: &BTreeMap<String, String>,
        patience: Duration,
    ) -> Result<Summary> {
        Courier {
            store: self.store(),
            config: &self.config,
            overrides,
            root: self.directory.path(),
            resolver,
            clock: &Clock::File(self.clock_file()),
            jitter: &|| 0.0,
            patience,
        }
        .deliver_due()
    }

    fn resolve(&self, reference: &SecretReference) -> Result<Secret> {
        let value = if reference.to_string() == "env:KEY" { KEY.to_owned() } else { self.address.clone() };
        Ok(Secret::new(value))
    }

    fn rows(&self) -> Vec<Delivery> {
        self.store().view(|session| session.deliveries(None)).unwrap()
    }

    fn states(&self) -> Vec<DeliveryState> {
        self.rows().iter().map(|row| row.state).collect()
    }

    fn events(&self) -> Vec<Event> {
        self.store().view(|session| session.events(&EventFilter::default())).unwrap()
    }

    fn kinds(&self) -> Vec<String> {
        self.events().into_iter().map(|event| event.kind).collect()
    }

    fn lines(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.directory.path().join("out.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn notice(template: &str, now: DateTime<Utc>) -> Notice {
    let mut notice = irctl::notify::samples::notice(template);
    notice.at = now;
    notice
}

#[test]
fn a_passing_failure_is_tried_again_and_both_are_events() {
    let receiver = Receiver::answering(vec![ResponseTemplate::new(500), ok()]);
    let desk = Desk::slack(&receiver);
    desk.tell("incident-opened");
    let summary = desk.deliver(Duration::from_secs(5));
    assert_eq!((summary.delivered, summary.waiting, summary.problems.len()), (1, 0, 0));
    assert_eq!(desk.rows()[0].attempts, 2);
    assert_eq!(desk.kinds(), ["notice.queued", "notice.delivered"]);
    let event = desk.events().pop().unwrap();
    assert_eq!(event.payload["summary"], "Notice incident-opened (P0) was delivered over c");
    assert_eq!((&event.payload["channel"], &event.payload["delivery"]), (&"c".into(), &1.into()));
}

#[test]
fn without_patience_it_waits_for_the_next_round() {
    let receiver = Receiver::answering(vec![ResponseTemplate::new(503), ok()]);
    let desk = Desk::slack(&receiver);
    desk.tell("incident-opened");
    let summary = desk.deliver(Duration::ZERO);
    assert_eq!(summary.waiting, 1);
    assert_eq!(summary.problems[0].error, "HTTP 503");
    assert_eq!(desk.rows()[0].next_attempt_at, at("03:07:02"));
    desk.deliver(Duration::ZERO);
    assert_eq!(receiver.received().len(), 1, "not before its time");
    desk.set_clock(at("03:07:02"));
    assert_eq!(desk.deliver(Duration::ZERO).delivered, 1);
}

#[test]
fn a_receiver_says_when() {
    for (value, next) in [
        ("120", "03:09:00"),
        ("Fri, 20 Nov 2026 03:12:00 GMT", "03:12:00"),
        ("999999", "04:07:00"),
        ("0", "03:07:02"),
        ("whenever", "03:07:02"),
    ] {
        let receiver =
            Receiver::answering(vec![ResponseTemplate::new(429).insert_header("retry-after", value)]);
        let desk = Desk::webhook(&receiver);
        desk.tell("contained");
        desk.deliver(Duration::ZERO);
        assert_eq!(desk.rows()[0].next_attempt_at, at(next), "{value}");
    }
}

#[test]
fn a_refusal_fails_and_can_be_sent_again_on_request() {
    let refusal = ResponseTemplate::new(404).set_body_string("no_service");
    let receiver = Receiver::answering(vec![refusal, ok()]);
    let desk = Desk::slack(&receiver);
    desk.tell("incident-opened");
    let summary = desk.deliver(Duration::from_secs(3));
    assert_eq!((summary.failed, receiver.received().len()), (1, 1));
    assert_eq!(summary.problems[0].error, "HTTP 404: the webhook is switched off or was removed");
    assert_eq!(desk.kinds(), ["notice.queued", "notice.failed"]);
    desk.store().with(|session| requeue(session, Again::Failed, at("03:10:00"))).unwrap();
    desk.set_clock(at("03:10:00"));
    assert_eq!(desk.deliver(Duration::ZERO).delivered, 1);
}

#[test]
fn tries_run_out() {
    let receiver = Receiver::answering(vec![ResponseTemplate::new(500)]);
    let mut desk = Desk::slack(&receiver);
    desk.config.delivery.attempts = 2;
    desk.tell("incident-opened");
    let summary = desk.deliver(Duration::from_secs(5));
    assert_eq!((summary.failed, summary.waiting, receiver.received().len()), (1, 0, 2));
}

#[test]
fn what_was_not_answered_is_ambiguous_and_slack_is_not_asked_twice() {
    let receiver = Receiver::answering(vec![ok().set_delay(Duration::from_secs(20))]);
    let mut desk = Desk::slack(&receiver);
    desk.config.delivery.timeout = "400ms".parse().unwrap();
    desk.tell("incident-opened");
    let summary = desk.deliver(Duration::from_secs(3));
    assert_eq!((summary.ambiguous, summary.waiting), (1, 0));
    assert_eq!(desk.states(), [DeliveryState::Ambiguous]);
    assert_eq!(desk.kinds(), ["notice.queued", "notice.ambiguous"]);
    desk.set_clock(at("09:00:00"));
    desk.deliver(Duration::ZERO);
    assert_eq!(receiver.received().len(), 1);
}

#[test]
fn a_webhook_is_asked_again_under_the_same_identifier() {
    let receiver = Receiver::answering(vec![ok().set_delay(Duration::from_secs(20)), ok()]);
    let mut desk = Desk::webhook(&receiver);
    desk.config.delivery.timeout = "400ms".parse().unwrap();
    desk.tell("incident-opened");
    assert_eq!(desk.deliver(Duration::from_secs(5)).delivered, 1);
    let received = receiver.received();
    let ids: Vec<_> = received.iter().map(|request| request.headers["webhook-id"].clone()).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn doubt_stays_when_the_tries_run_out() {
    let receiver =
        Receiver::answering(vec![ok().set_delay(Duration::from_secs(20)), ResponseTemplate::new(404)]);
    let mut desk = Desk::webhook(&receiver);
    desk.config.delivery.timeout = "400ms".parse().unwrap();
    desk.tell("incident-opened");
    assert_eq!(desk.deliver(Duration::from_secs(5)).ambiguous, 1, "the first try may have arrived");
}

#[test]
fn a_webhook_is_signed_over_the_very_bytes() {
    let receiver = Receiver::answering(vec![ok()]);
    let desk = Desk::webhook(&receiver);
    desk.tell("incident-opened");
    desk.deliver(Duration::ZERO);
    let request = receiver.received().remove(0);
    let header = |name: &str| request.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("webhook-timestamp"), at("03:07:00").timestamp().to_string());
    let expected = irctl::notify::channels::webhook::signature(
        &Secret::new(KEY.to_owned()),
        &header("webhook-id"),
        at("03:07:00").timestamp(),
        std::str::from_utf8(&request.body).unwrap(),
    );
    assert_eq!(header("webhook-signature"), expected.unwrap());
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["type"], "notice.incident-opened");
    assert_eq!(body["timestamp"], "2026-11-20T03:07:00Z");
}

#[test]
fn messages_of_an_incident_keep_their_order_when_the_channel_comes_back() {
    let desk = Desk::new("{channels: {c: {slack: {url: 'env:URL'}}}, default: [c]}", "http://127.0.0.1:9/x");
    desk.tell("incident-opened");
    desk.tell("contained");
    let summary = desk.deliver(Duration::ZERO);
    assert_eq!(summary.waiting, 2);
    assert_eq!(desk.rows().iter().map(|row| row.attempts).collect::<Vec<_>>(), [1, 0], "the second waits");
    assert!(summary.problems[0].error.starts_with("cannot connect: "), "{:?}", summary.problems);
    let receiver = Receiver::answering(vec![ok()]);
    let desk = Desk { address: receiver.server.uri(), ..desk };
    desk.set_clock(at("03:07:01"));
    assert_eq!(desk.deliver(Duration::ZERO).delivered, 0, "and does not overtake");
    desk.set_clock(at("03:07:02"));
    assert_eq!(desk.deliver(Duration::ZERO).delivered, 2);
    let texts = receiver.texts();
    assert!(texts[0].contains("MAPE over 25 %") && texts[1].contains("contained"), "{texts:?}");
}

#[test]
fn a_notice_is_queued_once() {
    let desk = Desk::file();
    assert_eq!(desk.tell("incident-opened")[0].number, desk.tell("incident-opened")[0].number);
    desk.deliver(Duration::ZERO);
    desk.tell("incident-opened");
    desk.deliver(Duration::ZERO);
    assert_eq!(desk.lines().len(), 1);
    assert_eq!(desk.kinds(), ["notice.queued", "notice.delivered"]);
}

#[test]
fn a_notice_that_nobody_gets_is_an_event_once() {
    let mut desk = Desk::file();
    desk.config.default.clear();
    assert!(desk.tell("incident-opened").is_empty());
    assert!(desk.tell("incident-opened").is_empty());
    assert_eq!(desk.kinds(), ["notice.unrouted"]);
}

#[test]
fn a_backlog_is_told_in_one_dated_digest() {
    let receiver = Receiver::answering(vec![ok()]);
    let desk = Desk::slack(&receiver);
    let messages = [
        "incident-opened",
        "contained",
        "rollback-started",
        "rolled-back",
        "released",
        "incident-updated",
        "incident-resolved",
    ];
    for (minute, message) in messages.iter().enumerate() {
        desk.set_clock(at("03:07:00") + TimeDelta::minutes(minute as i64));
        desk.tell(message);
    }
    desk.set_clock(at("03:41:00"));
    assert_eq!(desk.deliver(Duration::ZERO).delivered, 7);
    let bodies: Vec<_> =
        receiver.received().iter().map(|request| String::from_utf8(request.body.clone()).unwrap()).collect();
    assert_eq!(bodies.len(), 4, "three by themselves, then the rest");
    assert!(bodies[0].contains("(Late: queued 03:07, sent 03:41 UTC)"), "{}", bodies[0]);
    let digest: serde_json::Value = serde_json::from_str(&bodies[3]).unwrap();
    assert_eq!(digest["text"], "*[P0] 4 late messages about INC-20261120-030700*");
    let text = digest["attachments"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("03:10 [P0] RILA 6Y20B is rolled back to backup_2026-09-28\n03:11 "), "{text}");
    assert!(text.ends_with("Sent 2026-11-20 03:41 UTC; times are UTC."), "{text}");
}

#[test]
fn what_is_on_time_is_never_a_digest_and_a_file_takes_each() {
    let messages = ["incident-opened", "contained", "rollback-started", "rolled-back", "released"];
    let receiver = Receiver::answering(vec![ok()]);
    let (slack, file) = (Desk::slack(&receiver), Desk::file());
    for message in messages {
        slack.tell(message);
        file.tell(message);
    }
    slack.deliver(Duration::ZERO);
    assert_eq!(receiver.received().len(), 5);
    file.set_clock(at("05:00:00"));
    file.deliver(Duration::ZERO);
    let told: Vec<_> =
        file.lines().iter().map(|line| line["template"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, messages);
}

#[test]
fn a_channel_that_is_gone_fails_with_a_sentence() {
    let mut desk = Desk::file();
    desk.tell("incident-opened");
    desk.config.channels.clear();
    let summary = desk.deliver(Duration::ZERO);
    assert_eq!(summary.problems[0].error, "there is no channel `c` in config/notify.yaml");
}

#[test]
fn a_missing_secret_waits_for_somebody_who_has_it() {
    let receiver = Receiver::answering(vec![ok()]);
    let desk = Desk::slack(&receiver);
    desk.tell("incident-opened");
    let missing = |reference: &SecretReference| reference.resolve();
    let summary = desk.courier(&missing, &BTreeMap::new(), Duration::ZERO).unwrap();
    assert_eq!(summary.waiting, 1);
    assert_eq!(summary.problems[0].error, "the secret `env:URL` is not available: the variable is not set");
    desk.set_clock(at("03:08:00"));
    assert_eq!(desk.deliver(Duration::ZERO).delivered, 1);
}

#[test]
fn a_broken_template_of_ones_own_is_said_plainly() {
    let desk = Desk::file();
    desk.tell("incident-opened");
    let broken = BTreeMap::from([("incident-opened".to_owned(), "Subject: {{ nope }}\n".to_owned())]);
    desk.courier(&|reference| desk.resolve(reference), &broken, Duration::ZERO).unwrap();
    assert_eq!(desk.lines()[0]["subject"], "[P0] RILA 6Y20B: incident opened, INC-20261120-030700");
    let event = desk.events().pop().unwrap();
    assert!(event.payload["fallback"].as_str().unwrap().contains("incident-opened, Subject"), "{event:?}");
}

#[test]
fn a_message_carries_a_witness_of_the_chain() {
    let desk = Desk::file();
    desk.tell("incident-opened");
    desk.tell("contained");
    desk.deliver(Duration::ZERO);
    let first = &desk.events()[0];
    assert_eq!(desk.lines()[1]["witness"], format!("{}:{}", first.sequence, first.hash));
}

/// A store that is down.
struct Down;

impl Store for Down {
    fn write(&self, _: &mut dyn FnMut(&mut dyn Session) -> Result<()>) -> Result<()> {
        Err(irctl::base::Error::new(irctl::base::ErrorCode::StoreUnavailable, "the disk is gone"))
    }

    fn read(&self, work: &mut dyn FnMut(&mut dyn Session) -> Result<()>) -> Result<()> {
        self.write(work)
    }
}

#[test]
fn a_store_that_is_down_is_a_value_and_stops_nobody() {
    let config = NotifyConfig::default();
    let notice = notice("contained", at("03:07:00"));
    let announced = announce(&Down, &config, &ContactsConfig::default(), &notice, at("03:07:00"));
    assert_eq!(announced.problem.unwrap().message, "the disk is gone");
}

const CHILD: &str = "IRCTL_TEST_NOTIFY_CHILD";

/// Runs in the processes that the next test starts and that are killed; on its own it has nothing to do.
#[test]
fn child_delivers_until_it_is_killed() {
    let Ok(value) = std::env::var(CHILD) else { return };
    let (directory, rest) = value.split_once('|').unwrap();
    let (config, address) = rest.split_once('|').unwrap();
    let root = Path::new(directory);
    let store = SqliteStore::open(&root.join("state")).unwrap();
    let address = address.to_owned();
    let resolver = |reference: &SecretReference| {
        let key = reference.to_string() == "env:KEY";
        Ok(Secret::new(if key { KEY.to_owned() } else { address.clone() }))
    };
    let _ = Courier {
        store: &store,
        config: &serde_saphyr::from_str(config).unwrap(),
        overrides: &BTreeMap::new(),
        root,
        resolver: &resolver,
        clock: &Clock::File(root.join("clock")),
        jitter: &|| 0.0,
        patience: Duration::ZERO,
    }
    .deliver_due();
}

fn killed_at(point: usize, desk: &Desk) {
    let config = serde_json::to_string(&desk.config).unwrap();
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_delivers_until_it_is_killed"])
        .env(CHILD, format!("{}|{config}|{}", desk.directory.path().display(), desk.address))
        .env("IRCTL_TEST_FAULT", point.to_string())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success(), "killed");
    assert_eq!(desk.states(), [DeliveryState::Sending], "the intent is on disk");
}

#[test]
fn a_sender_that_is_killed_leaves_doubt_that_the_next_one_settles() {
    // Point 1 is after the claim and before the socket, point 2 after the answer and before the record.
    for point in [1, 2] {
        let receiver = Receiver::answering(vec![ok()]);
        let desk = Desk::slack(&receiver);
        desk.tell("incident-opened");
        killed_at(point, &desk);
        let summary = desk.deliver(Duration::ZERO);
        assert_eq!((summary.ambiguous, summary.delivered), (1, 0), "Slack cannot tell: a human decides");
        assert_eq!(receiver.received().len(), point - 1);
        desk.store().with(|session| requeue(session, Again::FailedAndAmbiguous, desk.now())).unwrap();
        assert_eq!(desk.deliver(Duration::ZERO).delivered, 1);

        let receiver = Receiver::answering(vec![ok()]);
        let desk = Desk::webhook(&receiver);
        desk.tell("incident-opened");
        killed_at(point, &desk);
        assert_eq!(desk.deliver(Duration::ZERO).delivered, 1, "a webhook is asked again");
        let received = receiver.received();
        assert_eq!(received.len(), point);
        assert!(received.iter().all(|one| one.headers["webhook-id"] == received[0].headers["webhook-id"]));

        let desk = Desk::file();
        desk.tell("incident-opened");
        killed_at(point, &desk);
        assert_eq!(desk.deliver(Duration::ZERO).delivered, 1);
        assert_eq!(desk.lines().len(), 1, "a file has it exactly once");
    }
}

#[test]
fn two_couriers_do_not_say_it_twice() {
    let receiver = Receiver::answering(vec![ok().set_delay(Duration::from_millis(20))]);
    let desk = Desk::slack(&receiver);
    for message in ["incident-opened", "contained", "rollback-started", "rolled-back", "released"] {
        desk.tell(message);
    }
    let (root, config, address) = (desk.directory.path(), &desk.config, desk.address.as_str());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(move || {
                let store = SqliteStore::open(&root.join("state")).unwrap();
                let resolver = |_: &SecretReference| Ok(Secret::new(address.to_owned()));
                Courier {
                    store: &store,
                    config,
                    overrides: &BTreeMap::new(),
                    root,
                    resolver: &resolver,
                    clock: &Clock::File(root.join("clock")),
                    jitter: &|| 0.0,
                    patience: Duration::from_millis(500),
                }
                .deliver_due()
                .unwrap();
            });
        }
    });
    assert_eq!(receiver.received().len(), 5);
    let texts = receiver.texts();
    assert!(texts[0].contains("MAPE") && texts[4].contains("released"), "in order: {texts:?}");
}
