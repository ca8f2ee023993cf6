//! The probes that ask servers, against real ones: PostgreSQL, SQLite, Redis, S3, and a strict double of the API of
//! Kubernetes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

#[path = "../support/api_server.rs"]
#[allow(dead_code)]
mod api_server;
#[path = "../support/certificates.rs"]
mod certificates;
#[path = "../support/kubernetes.rs"]
#[allow(dead_code)]
mod double;
mod kubernetes;
mod postgres;
#[path = "../support/postgres.rs"]
mod postgres_server;
mod program;
mod redis;
#[path = "../support/redis.rs"]
#[allow(dead_code)]
mod redis_server;
mod s3;
#[path = "../support/s3.rs"]
mod s3_server;
mod sqlite;
#[path = "../support/mod.rs"]
mod support;

use chrono::{DateTime, Utc};
use irctl::base::Digest;
use irctl::probe::{self, Outcome, ProbeConfig, Request, VersionMap};
use irctl::store::Measurement;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The instant of the round, in seconds since 1970.
const NOW: u64 = 1_795_143_600;

/// A folder, and a clock.
struct Bench {
    directory: tempfile::TempDir,
    versions: VersionMap,
    now: DateTime<Utc>,
}

impl Bench {
    fn new() -> Self {
        let names =
            BTreeMap::from([("v1".to_owned(), Digest::of(b"v1")), ("v2".to_owned(), Digest::of(b"v2"))]);
        let versions = VersionMap { served: Some(Digest::of(b"v2")), names, ..VersionMap::default() };
        let now = DateTime::from_timestamp(i64::try_from(NOW).unwrap(), 0).unwrap();
        Self { directory: tempfile::tempdir().unwrap(), versions, now }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// A secret in a file, as a reference to it.
    fn secret(&self, name: &str, value: &str) -> String {
        std::fs::write(self.path(name), value).unwrap();
        format!("file:{}", self.path(name).display())
    }

    /// The outcome of one probe called `p`; no secret is ever in it.
    #[track_caller]
    fn measure(&self, yaml: &str) -> Outcome {
        self.measured(yaml, false)
    }

    #[track_caller]
    fn measured(&self, yaml: &str, untrusted: bool) -> Outcome {
        let probes: BTreeMap<String, ProbeConfig> =
            serde_saphyr::from_str(&format!("p: {yaml}\n")).unwrap_or_else(|error| panic!("{yaml}: {error}"));
        let root = self.directory.path();
        let request = Request { service: "s", root, now: self.now, versions: &self.versions, untrusted };
        let outcome = probe::measure_all(&probes, &request).remove(0);
        let declared: BTreeMap<_, _> = probe::metrics_of("p", &probes["p"]).into_iter().collect();
        for sample in &outcome.samples {
            assert_eq!(declared.get(&sample.metric), Some(&sample.unit), "{} is not declared", sample.metric);
        }
        let all = serde_json::to_string(&outcome).unwrap();
        assert!(!all.contains("hunter2"), "a secret: {all}");
        assert!(!outcome.samples.is_empty() && (untrusted || !outcome.examined.is_empty()), "{all}");
        outcome
    }

    /// Why the only sample has no value.
    #[track_caller]
    fn reason(&self, yaml: &str) -> String {
        let outcome = self.measure(yaml);
        assert_eq!(outcome.samples.len(), 1, "{outcome:#?}");
        assert!(!outcome.problems.is_empty(), "{outcome:#?}");
        let metric = outcome.samples[0].metric.clone();
        reason(&outcome, &metric)
    }
}

/// Every sample of a metric: its labels, and its value.
fn values(outcome: &Outcome, metric: &str) -> Vec<(String, Option<f64>)> {
    let of = outcome.samples.iter().filter(|sample| sample.metric == metric);
    of.map(|sample| {
        let labels: Vec<_> = sample.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (labels.join(","), sample.measurement.value())
    })
    .collect()
}

#[track_caller]
fn value(outcome: &Outcome, metric: &str) -> f64 {
    match values(outcome, metric).as_slice() {
        [(_, Some(value))] => *value,
        _ => panic!("{metric}: {outcome:#?}"),
    }
}

#[track_caller]
fn reason(outcome: &Outcome, metric: &str) -> String {
    let mut of = outcome.samples.iter().filter(|sample| sample.metric == metric);
    match (&of.next().map(|sample| &sample.measurement), of.next()) {
        (Some(Measurement::Undecided(why)), None) => why.raw().to_owned(),
        _ => panic!("{metric}: {outcome:#?}"),
    }
}

fn fact(outcome: &Outcome, label: &str) -> String {
    let facts = outcome.examined.iter().filter(|fact| fact.label == label);
    facts.map(|fact| fact.value.raw().to_owned()).collect::<Vec<_>>().join(" | ")
}

/// A port that nobody listens on.
fn dead_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A way to a server on which the first connections break as soon as somebody speaks.
struct Flaky {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Flaky {
    fn to(port: u16, broken: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let flaky = Self { port: listener.local_addr().unwrap().port(), connections: Arc::default() };
        let connections = Arc::clone(&flaky.connections);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let number = connections.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    if number < broken {
                        let _ = stream.read(&mut [0; 1]);
                        let _ = stream.shutdown(Shutdown::Both);
                        return;
                    }
                    let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
                    let (back, to) = (server.try_clone().unwrap(), stream.try_clone().unwrap());
                    std::thread::spawn(move || pump(back, to));
                    pump(stream, server);
                });
            }
        });
        flaky
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
