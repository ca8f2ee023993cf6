//! `http-flag` against a server with entity tags.

use irctl::rollback::targets::command::{CommandTarget, CommandTargetConfig};
use irctl::rollback::targets::{Ground, Target};
use irctl::rollback::versions::Version;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

use super::adapter::{Asked, sweep};
use super::server::http::{self, HttpServer};
use super::{ground, recipe, versions};
use crate::conformance::{self, Fixture};

/// One document, its version, and what the server is to do.
struct Document {
    body: Value,
    version: u64,
    tags: bool,
    /// A third party writes right after the next read.
    races: bool,
    token: Option<&'static str>,
    writes: Vec<String>,
}

/// A flag service: a document at `/flags`, redirects at `/elsewhere` and `/moved`.
pub struct Flags {
    document: Arc<Mutex<Document>>,
    server: HttpServer,
}

impl Flags {
    pub fn new(body: Value) -> Self {
        let document =
            Document { body, version: 1, tags: true, races: false, token: None, writes: Vec::new() };
        let document = Arc::new(Mutex::new(document));
        let held = document.clone();
        let server = HttpServer::start(move |asked| answer(&held, asked));
        Self { document, server }
    }

    fn with(&self, change: impl FnOnce(&mut Document)) {
        change(&mut self.document.lock().unwrap());
    }

    pub fn body(&self) -> Value {
        self.document.lock().unwrap().body.clone()
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/flags", self.server.port)
    }
}

fn answer(document: &Mutex<Document>, asked: &http::Asked) -> http::Reply {
    let mut document = document.lock().unwrap();
    let plain = |status: u16, text: &str| (status, Vec::new(), text.to_owned());
    let to = |place: &str| (307, vec![("Location".to_owned(), place.to_owned())], String::new());
    match asked.path.as_str() {
        "/elsewhere" => return to("http://localhost:1/flags"),
        "/moved" => return to("/flags"),
        "/large" => return plain(200, &format!("\"{}\"", "x".repeat(3_000_000))),
        "/page" => return plain(200, "<html>"),
        _ => {}
    }
    if let Some(token) = document.token
        && asked.header("authorization") != Some(token)
    {
        return plain(401, "who are you?");
    }
    let tag = format!("\"{}\"", document.version);
    let etag = if document.tags { vec![("ETag".to_owned(), tag.clone())] } else { Vec::new() };
    if asked.method == "GET" {
        let body = document.body.to_string();
        if std::mem::take(&mut document.races) {
            document.body["flags"]["checkout"] = json!("theirs");
            document.version += 1;
        }
        return (200, etag, body);
    }
    if document.tags && asked.header("if-match").is_none() {
        return plain(428, "If-Match is needed");
    }
    if document.tags && asked.header("if-match") != Some(&tag) {
        return plain(412, "not that version");
    }
    let Ok(body) = serde_json::from_slice::<Value>(&asked.body) else { return plain(400, "no JSON") };
    match asked.method.as_str() {
        "PUT" => document.body = body,
        "PATCH" if asked.header("content-type") == Some("application/merge-patch+json") => {
            merge(&mut document.body, &body);
        }
        _ => return plain(405, "no"),
    }
    document.version += 1;
    let text = String::from_utf8(asked.body.clone()).unwrap();
    document.writes.push(format!("{} {text}", asked.method));
    (200, Vec::new(), String::new())
}

/// RFC 7396.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge(target.as_object_mut().unwrap().entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

struct Flag {
    flags: Flags,
    config: CommandTargetConfig,
    ground: Ground,
    _root: tempfile::TempDir,
}

impl Flag {
    fn new(method: &str, pointer: &str, value: Value) -> Self {
        let flags = Flags::new(json!({"flags": {"checkout": true, "limits": [1, 2]}, "other": "kept"}));
        let root = tempfile::tempdir().unwrap();
        let with = json!({"url": flags.url(), "pointer": pointer, "value": value, "method": method});
        let (config, ground) = (recipe("http-flag", with), ground(root.path()));
        Self { flags, config, ground, _root: root }
    }
}

impl Fixture for Flag {
    fn target(&self) -> Box<dyn Target + '_> {
        Box::new(CommandTarget { config: &self.config, ground: &self.ground })
    }

    fn versions(&self) -> (Version, Version) {
        versions()
    }

    fn fingerprint(&self) -> String {
        self.flags.body().to_string()
    }

    fn meddle(&self) {
        self.flags.with(|document| {
            document.body["flags"]["checkout"] = json!("theirs");
            document.body["flags"]["fresh"] = json!("theirs");
            document.version += 1;
        });
    }
}

#[test]
fn http_flag_conforms() {
    conformance::run(|| Flag::new("PUT", "/flags/checkout", json!("false")));
    conformance::run(|| Flag::new("PATCH", "/flags/checkout", json!("paper")));
    // Where nothing stood, undo takes it away.
    conformance::run(|| Flag::new("PATCH", "/flags/fresh", json!("0.5")));
    conformance::run(|| Flag::new("PUT", "/flags/fresh", json!("null")));
}

#[test]
fn a_kill_anywhere_is_finished_or_taken_back() {
    let flags = Flags::new(json!({"flags": {"checkout": true}}));
    let with = json!({"url": flags.url(), "pointer": "/flags/checkout", "value": "false"});
    let kills = sweep(|| Asked::staged("http-flag", with.clone()), || flags.body().to_string());
    super::adapter::enough(kills, 4);
}

#[test]
fn a_writer_between_read_and_write_is_noticed_by_the_server() {
    let flags = Flags::new(json!({"flags": {"checkout": true}}));
    let with = json!({"url": flags.url(), "pointer": "/flags/checkout", "value": "false"});
    let asked = Asked::staged("http-flag", with);
    flags.with(|document| document.races = true);
    asked.ask("apply").bad(11, "HTTP 412");
    assert_eq!(flags.body(), json!({"flags": {"checkout": "theirs"}}));
}

#[test]
fn what_others_wrote_elsewhere_in_the_document_stays() {
    let flags = Flags::new(json!({"flags": {"checkout": true}, "other": 1}));
    let with = json!({"url": flags.url(), "pointer": "/flags/checkout", "value": "false"});
    let asked = Asked::staged("http-flag", with);
    asked.ask("apply").good();
    flags.with(|document| {
        document.body["other"] = json!(2);
        document.version += 1;
    });
    asked.ask("undo").good();
    assert_eq!(flags.body(), json!({"flags": {"checkout": true}, "other": 2}));
}

#[test]
fn servers_that_cannot_be_trusted_are_refused() {
    let flags = Flags::new(json!({"flags": {"checkout": true}}));
    flags.with(|document| document.token = Some("Bearer hunter2"));
    let with = |url: &str| json!({"url": url, "pointer": "/flags/checkout", "value": "false"});
    let place = |path: &str| flags.url().replace("/flags", path);
    Asked::new("http-flag", with(&flags.url())).ask("observe").bad(77, "HTTP 401");
    let mut wrong = with(&flags.url());
    wrong["authorization"] = json!("Bearer hunter3");
    assert!(!Asked::new("http-flag", wrong).ask("observe").bad(77, "HTTP 401").contains("hunter3"));
    let mut known = with(&place("/moved"));
    known["authorization"] = json!("Bearer hunter2");
    Asked::new("http-flag", known.clone()).ask("observe").good();
    Asked::new("http-flag", with(&place("/elsewhere"))).ask("observe").bad(12, "redirect");
    Asked::new("http-flag", with(&place("/large"))).ask("observe").bad(65, "larger than 1 MiB");
    Asked::new("http-flag", with(&place("/page"))).ask("observe").bad(65, "no JSON");
    Asked::new("http-flag", with("http://user:hunter2@127.0.0.1/x")).ask("observe").bad(78, "holds a user");
    known["url"] = json!(flags.url());
    flags.with(|document| document.tags = false);
    let mut asked = Asked::new("http-flag", known.clone());
    asked.before = asked.ask("observe").good()["state"].clone();
    let predicted = asked.ask("predict").good();
    assert!(predicted["refusals"][0].as_str().unwrap().contains("no strong ETag"), "{predicted}");
    known["without_etag"] = json!(true);
    Asked::staged("http-flag", known).ask("apply").good();
    assert_eq!(flags.body(), json!({"flags": {"checkout": false}}));
}
