//! `http` and `tcp` against servers of the tests' own.

use chrono::{TimeDelta, Utc};
use irctl::probe::Outcome;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::certificates::Authority;
use crate::support::http::Server;
use crate::{Workspace, fact, only, reason, value};

/// Answers with these statuses, one after the other.
fn statuses(statuses: &'static [u16]) -> Server {
    Server::start(move |_, number| (statuses[number % statuses.len()], "{}".to_owned()))
}

fn http(server: &Server, more: &str) -> Outcome {
    Workspace::new().trusted(&format!("{{http: {{url: '{}/health', {more}}}}}", server.url()))
}

/// A port that nobody listens on.
fn closed() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn problems(outcome: &Outcome) -> String {
    outcome.problems.iter().map(|problem| problem.reason.raw().to_owned()).collect::<Vec<_>>().join(" | ")
}

#[test]
fn every_try_is_a_request_of_its_own() {
    let server = statuses(&[200]);
    let outcome = http(&server, "tries: 4, query: {deep: 'a b'}");
    assert_eq!((value(&outcome, "p_availability"), value(&outcome, "p_error_rate")), (1.0, 0.0));
    assert_eq!(value(&outcome, "p_status"), 200.0);
    let [p50, p95, max] = ["p_p50", "p_p95", "p_max"].map(|metric| value(&outcome, metric));
    assert!(p50 > 0.0 && p50 <= p95 && p95 == max, "under twenty tries the 95th percentile is the largest");
    assert!(p50.fract() != 0.0, "fractions of a millisecond stay: {p50}");
    assert_eq!((fact(&outcome, "tries").as_str(), only(&outcome, "p_p50").rows), ("4", 4));
    let requests = server.requests();
    assert_eq!((requests.len(), requests[0].line.as_str()), (4, "GET /health?deep=a+b HTTP/1.1"));
    assert!(!outcome.samples.iter().any(|sample| sample.metric == "p_certificate"));
    assert!(outcome.problems.is_empty(), "{}", problems(&outcome));
    let head = http(&server, "tries: 1, method: head, body: {pointer: /x}");
    assert!(server.requests()[4].line.starts_with("HEAD /health "));
    assert_eq!(
        (value(&head, "p_status"), reason(&head, "p_body").contains("HEAD has no body")),
        (200.0, true)
    );
}

#[test]
fn rates_are_fractions_and_failed_tries_took_longest() {
    let server = statuses(&[200, 200, 500, 200, 0]);
    let outcome = http(&server, "tries: 5, body: {pointer: /x}");
    assert_eq!((value(&outcome, "p_availability"), value(&outcome, "p_error_rate")), (0.6, 0.4));
    assert!(value(&outcome, "p_p50") > 0.0);
    for metric in ["p_p95", "p_max"] {
        assert_eq!(reason(&outcome, metric), "2 of 5 tries failed, and it falls on one of these");
    }
    assert!(reason(&outcome, "p_status").contains("the last try had no answer"));
    assert!(reason(&outcome, "p_body").contains("the last try was an error"));
    assert!(fact(&outcome, "errors").contains("1 × HTTP 500"), "{}", fact(&outcome, "errors"));
    let accepted = http(&statuses(&[404]), "tries: 2, accept: [404, 410]");
    assert_eq!((value(&accepted, "p_availability"), value(&accepted, "p_status")), (1.0, 404.0));
    let one = http(&statuses(&[503]), "tries: 1");
    assert_eq!((value(&one, "p_error_rate"), value(&one, "p_status")), (1.0, 503.0));
    assert_eq!(reason(&one, "p_p50"), "1 of 1 tries failed, and it falls on one of these");
}

#[test]
fn redirects_count_as_configured_and_never_leave_the_origin() {
    let elsewhere = statuses(&[200]);
    let away = format!("{}/away", elsewhere.url());
    let server = Server::start(move |request, _| match request.line.split(' ').nth(1).unwrap() {
        "/health" => (302, "/there".to_owned()),
        "/there" => (307, "/here".to_owned()),
        "/away" => (302, away.clone()),
        _ => (200, "{}".to_owned()),
    });
    let status = |more: &str| value(&http(&server, &format!("tries: 1, {more}")), "p_status");
    assert_eq!(status("redirects: 0"), 302.0);
    assert_eq!(status("redirects: 1"), 307.0);
    let followed = http(&server, "tries: 1, redirects: 2");
    assert_eq!((value(&followed, "p_status"), value(&followed, "p_availability")), (200.0, 1.0));
    assert_eq!(value(&http(&server, "tries: 1"), "p_availability"), 0.0);
    let yaml = format!("{{http: {{url: '{}/away', tries: 1, redirects: 9}}}}", server.url());
    let outcome = Workspace::new().trusted(&yaml);
    assert_eq!((value(&outcome, "p_status"), elsewhere.requests().len()), (302.0, 0));
}

#[test]
fn the_body_is_read_at_a_pointer() {
    let body = r#"{"queue": {"depth": 0.9, "name": "sig"}, "nan": "NaN", "no": null, "big": 1e999}"#;
    let fine = r#"{"queue": {"depth": 0.9, "name": "sig"}, "nan": "NaN", "no": null, "wide": 31}"#;
    let server = Server::start(move |_, _| (200, fine.to_owned()));
    let ask = |body: &str| http(&server, &format!("tries: 1, body: {{{body}}}"));
    assert_eq!(value(&ask("pointer: /queue/depth, unit: ratio"), "p_body"), 0.9, "no truncation");
    assert_eq!(value(&ask("pointer: /queue/name, equals: sig, metric: named"), "named"), 1.0);
    assert_eq!(value(&ask("pointer: /queue/name, equals: SIG"), "p_body"), 0.0);
    for (wanted, why) in [
        ("pointer: /nan", "not a number"),
        ("pointer: /no", "null"),
        ("pointer: /gone", "there is nothing at /gone"),
        ("pointer: gone", "not a JSON pointer"),
        ("pointer: /queue", "an object"),
        ("pointer: /wide, unit: ratio", "outside the range"),
        ("pointer: /queue/depth, equals: sig", "not a text"),
    ] {
        let outcome = ask(wanted);
        assert!(reason(&outcome, "p_body").contains(why), "{wanted}: {}", reason(&outcome, "p_body"));
        assert_eq!(value(&outcome, "p_availability"), 1.0);
    }
    for text in ["", "<html>", body] {
        let server = Server::start(move |_, _| (200, text.to_owned()));
        assert!(
            reason(&http(&server, "tries: 1, body: {pointer: /queue/depth}"), "p_body").contains("not JSON")
        );
    }
}

#[test]
fn secrets_are_sent_and_never_told() {
    let workspace = Workspace::new();
    workspace.write("token", "Bearer hunter2hunter2\n");
    let path = workspace.root().join("token");
    let server = Server::start(|request, _| {
        let known = request.header("authorization") == Some("Bearer hunter2hunter2");
        (if known { 200 } else { 401 }, "{}".to_owned())
    });
    let yaml = |url: &str, token: &str| {
        format!("{{http: {{url: '{url}', tries: 1, headers: {{authorization: '{token}'}}}}}}")
    };
    let outcome = workspace.trusted(&yaml(&server.url(), &format!("file:{}", path.display())));
    assert_eq!(value(&outcome, "p_status"), 200.0);
    assert!(!format!("{outcome:?}").contains("hunter2"));
    let failed = workspace.trusted(&yaml(&server.url(), "env:IRCTL_NO_SUCH_VARIABLE"));
    assert!(reason(&failed, "p_availability").contains("is not available"), "our own fault is no outage");
    workspace.write("token", "line\u{1}break");
    let odd = workspace.trusted(&yaml(&server.url(), &format!("file:{}", path.display())));
    assert_eq!(reason(&odd, "p_status"), "the header `authorization` cannot be sent");
}

#[test]
fn slow_answers_are_errors_and_the_whole_has_its_time() {
    let server = Server::start(|_, _| {
        std::thread::sleep(Duration::from_millis(400));
        (200, "{}".to_owned())
    });
    let begun = Instant::now();
    let slow = http(&server, "tries: 2, timeout: 100ms");
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_eq!(value(&slow, "p_error_rate"), 1.0);
    assert!(problems(&slow).contains("2 × no answer within 0.1 s"), "{}", problems(&slow));
    let server = Server::start(|_, _| {
        std::thread::sleep(Duration::from_millis(150));
        (200, "{}".to_owned())
    });
    let begun = Instant::now();
    let cut = http(&server, "tries: 100, total: 500ms");
    assert!(begun.elapsed() < Duration::from_secs(3));
    let made: u32 = fact(&cut, "tries").parse().unwrap();
    assert!((1..=3).contains(&made), "{made}");
    assert_eq!(value(&cut, "p_availability"), 1.0, "tries that were cut short do not count");
    assert!(problems(&cut).contains(&format!("{} tries were not made", 100 - made)), "{}", problems(&cut));
    let none = http(&server, "tries: 3, total: 20ms");
    assert!(reason(&none, "p_availability").contains("no try came to its end within 20ms"));
    assert!(reason(&none, "p_p50").contains("no try"));
}

#[test]
fn nobody_there_is_an_outage() {
    let yaml = format!("{{http: {{url: 'http://127.0.0.1:{}', tries: 2}}}}", closed());
    let outcome = Workspace::new().trusted(&yaml);
    assert_eq!((value(&outcome, "p_availability"), value(&outcome, "p_error_rate")), (0.0, 1.0));
    assert!(problems(&outcome).contains("2 × cannot connect"), "{}", problems(&outcome));
    let outcome = Workspace::new().trusted("{http: {url: 'http://nosuch.invalid', tries: 1}}");
    assert_eq!(value(&outcome, "p_availability"), 0.0);
    let untrusted = Workspace::new().measure(&yaml);
    assert!(reason(&untrusted, "p_availability").contains("untrusted"));
}

#[test]
fn certificates_are_seen_also_where_they_are_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let mut workspace = Workspace::new();
    workspace.now = Utc::now();
    workspace.write("ca.pem", std::fs::read(authority.pem()).unwrap());
    workspace.write("none.pem", "no certificate");
    let now = workspace.now;
    let ask = |authority: &Authority, from: i64, until: i64, file: &str| {
        let tls = authority.server(now + TimeDelta::hours(from), now + TimeDelta::hours(until));
        let server = Server::start_tls(tls, |_, _| (200, "{}".to_owned()));
        let url = server.url().replace("http://", "https://");
        workspace.trusted(&format!("{{http: {{url: '{url}', tries: 3, authorities: {file}}}}}"))
    };
    let good = ask(&authority, -1, 36, "ca.pem");
    assert_eq!(
        (value(&good, "p_availability"), value(&good, "p_status")),
        (1.0, 200.0),
        "{}",
        problems(&good)
    );
    let days = value(&good, "p_certificate");
    assert!((days - 1.5).abs() < 0.01, "{days}");

    let expired = ask(&authority, -48, -24, "ca.pem");
    assert_eq!((value(&expired, "p_certificate"), value(&expired, "p_availability")), (0.0, 0.0));
    assert!(problems(&expired).contains("the certificate expired"), "{}", problems(&expired));

    let early = ask(&authority, 24, 48, "ca.pem");
    assert!(reason(&early, "p_certificate").contains("valid from"), "{}", reason(&early, "p_certificate"));
    assert_eq!(value(&early, "p_availability"), 0.0);

    let strange = ask(&stranger, -1, 36, "ca.pem");
    assert_eq!(value(&strange, "p_availability"), 0.0, "nobody trusts it");
    assert!((value(&strange, "p_certificate") - 1.5).abs() < 0.01);

    let broken = ask(&authority, -1, 36, "none.pem");
    assert_eq!(reason(&broken, "p_certificate"), "none.pem: it holds no certificate");
    let outside = ask(&authority, -1, 36, "../ca.pem");
    assert!(reason(&outside, "p_availability").contains("climbs out"));

    let plain = statuses(&[200]);
    let url = plain.url().replace("http://", "https://");
    let plain = workspace.trusted(&format!("{{http: {{url: '{url}', tries: 1, authorities: ca.pem}}}}"));
    assert_eq!(reason(&plain, "p_certificate"), "the server showed no certificate");
}

#[test]
fn a_port_takes_connections_or_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let tcp = |host: &str, port: u16, more: &str| {
        Workspace::new().trusted(&format!("{{tcp: {{host: '{host}', port: {port}{more}}}}}"))
    };
    let open = tcp("localhost", port, "");
    assert_eq!((value(&open, "p_connects"), value(&open, "p_error_rate")), (1.0, 0.0));
    assert_eq!(value(&open, "p_failed"), 0.0);
    assert!(value(&open, "p_max") > 0.0 && value(&open, "p_max") < 3000.0);
    assert_eq!(only(&open, "p_connects").rows, 3);
    let refused = tcp("127.0.0.1", closed(), ", tries: 2");
    assert_eq!((value(&refused, "p_connects"), value(&refused, "p_error_rate")), (0.0, 1.0));
    let renamed = tcp("127.0.0.1", closed(), ", tries: 2, emits: {instance_failed: failed, slow: p95}");
    assert_eq!((value(&refused, "p_failed"), value(&renamed, "instance_failed")), (1.0, 1.0));
    assert_eq!(reason(&renamed, "slow"), reason(&refused, "p_p95"));
    assert!(!renamed.samples.iter().any(|sample| ["p_failed", "p_p95"].contains(&sample.metric.as_str())));
    assert_eq!(reason(&refused, "p_p50"), "2 of 2 tries failed, and it falls on one of these");
    assert!(problems(&refused).contains("2 × cannot connect"), "{}", problems(&refused));
    let unknown = tcp("nosuch.invalid", 80, "");
    for metric in ["p_connects", "p_failed"] {
        assert!(reason(&unknown, metric).contains("not found"), "nothing is known of its port");
    }
    let begun = Instant::now();
    // A listener whose queue is full takes nobody in.
    let full = full_listener();
    let slow = tcp("127.0.0.1", full.0, ", tries: 1, timeout: 200ms");
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_eq!(value(&slow, "p_connects"), 0.0);
    assert!(problems(&slow).contains("no connection within 200ms"), "{}", problems(&slow));
}

/// A port whose queue of connections is full, with what keeps it so.
fn full_listener() -> (u16, TcpListener, Vec<std::net::TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        waiting.push(stream);
    }
    (address.port(), listener, waiting)
}
