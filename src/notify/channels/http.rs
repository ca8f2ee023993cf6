//! POST over HTTP, in a small runtime that exists only while there is something to send.
//!
//! No error repeats the address: it may hold a token.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Url, redirect};
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::runtime::Runtime;

use super::Outcome;
use crate::base::untrusted::{Sink, escape};
use crate::base::{Error, ErrorCode, Result};
use crate::notify::retry;

/// How much of an answer's body is read.
const ANSWER_LIMIT: usize = 1024;

/// The runtime and the clients, made on first use.
#[derive(Default)]
pub struct Transport {
    runtime: OnceCell<Option<Runtime>>,
    clients: RefCell<BTreeMap<(bool, Duration), Client>>,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transport")
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        // A name lookup that hangs must not keep the program from ending.
        if let Some(Some(runtime)) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A request; its address and headers may be secret.
pub struct Post<'a> {
    /// The address.
    pub url: &'a str,
    /// Headers, by name.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: &'a str,
    /// How long it may take from connecting to the last byte.
    pub timeout: Duration,
    /// The time of the try, for `Retry-After` dates.
    pub now: chrono::DateTime<chrono::Utc>,
    /// Texts that no error may contain, beside the address and the header values.
    pub secrets: Vec<&'a str>,
}

/// What came back.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The start of the body.
    pub body: String,
    retry_after: Option<chrono::TimeDelta>,
}

impl Answer {
    /// How the status says it ended; `detail` is added to what failed.
    pub fn outcome(&self, detail: Option<&str>) -> Outcome {
        let status = self.status;
        let detail = detail.map(|detail| format!(": {detail}")).unwrap_or_default();
        let error = format!("HTTP {status}{detail}");
        match status {
            200..=299 => Outcome::Delivered { receipt: format!("HTTP {status}") },
            300..=399 => Outcome::Failed { error: format!("{error} (redirects are not followed)") },
            _ if retry::is_passing(status) => Outcome::Retry { after: self.retry_after, error },
            _ => Outcome::Failed { error },
        }
    }
}

impl Transport {
    /// Sends the request; `Err` says how it ended without an answer.
    pub fn post(&self, post: &Post<'_>) -> Result<Answer, Outcome> {
        let url = Url::parse(post.url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| Outcome::Failed { error: "the address is not an http or https address".into() })?;
        let headers = header_map(&post.headers)?;
        let retry = |error: Error| Outcome::Retry { after: None, error: error.message };
        let client = self.client(url.scheme() == "https", post.timeout).map_err(retry)?;
        let request = client.post(url.clone()).headers(headers).body(post.body.to_owned());
        let runtime = self.runtime().map_err(retry)?;
        let answered = runtime.block_on(async {
            let mut response = request.send().await?;
            let mut body = Vec::new();
            // The status has said how it ended; a body that breaks off changes nothing.
            while let Ok(Some(chunk)) = response.chunk().await {
                body.extend_from_slice(&chunk);
                if body.len() >= ANSWER_LIMIT {
                    break;
                }
            }
            body.truncate(ANSWER_LIMIT);
            let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            Ok(Answer {
                status: response.status().as_u16(),
                body: String::from_utf8_lossy(&body).into_owned(),
                retry_after: asked.and_then(|value| retry::retry_after(value, post.now)),
            })
        });
        answered.map_err(|error| unanswered(error, post, &url))
    }

    fn runtime(&self) -> Result<&Runtime> {
        let runtime = self
            .runtime
            .get_or_init(|| tokio::runtime::Builder::new_current_thread().enable_all().build().ok());
        runtime.as_ref().ok_or_else(|| Error::new(ErrorCode::Io, "no runtime for HTTP could be started"))
    }

    fn client(&self, tls: bool, timeout: Duration) -> Result<Client> {
        if let Some(client) = self.clients.borrow().get(&(tls, timeout)) {
            return Ok(client.clone());
        }
        let client = build(tls, timeout)?;
        self.clients.borrow_mut().insert((tls, timeout), client.clone());
        Ok(client)
    }
}

fn build(tls: bool, timeout: Duration) -> Result<Client> {
    // An error says that somebody installed one already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("irctl/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        // A connection of yesterday may be dead: then nobody could say whether the request was written.
        .pool_max_idle_per_host(0)
        // Connecting has its own, shorter limit, so that a timeout while connecting is known for one.
        .connect_timeout(timeout / 2)
        .timeout(timeout);
    if !tls {
        // Without TLS no certificate is looked at, so a machine without certificates can still send.
        builder = builder.tls_certs_only(std::iter::empty());
    }
    builder.build().map_err(|error| {
        Error::new(ErrorCode::Delivery, format!("no HTTPS client: {}", chain(&error.without_url())))
            .hint("install the system's certificates (Debian, Ubuntu: apt-get install ca-certificates)")
    })
}

fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, Outcome> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let parsed = name.parse::<HeaderName>().ok().zip(value.parse::<HeaderValue>().ok());
        let Some((key, mut value)) = parsed else {
            let error = format!("the header `{}` cannot be sent", name.escape_debug());
            return Err(Outcome::Failed { error });
        };
        value.set_sensitive(true);
        map.insert(key, value);
    }
    Ok(map)
}

/// Whether the request can have been written decides between trying again and not knowing.
fn unanswered(error: reqwest::Error, post: &Post<'_>, url: &Url) -> Outcome {
    let seconds = post.timeout.as_secs_f64();
    let (connecting, timed_out) = (error.is_connect(), error.is_timeout());
    let builder = error.is_builder();
    let text = scrub(&chain(&error.without_url()), post, url);
    if builder {
        return Outcome::Failed { error: format!("the request cannot be made: {text}") };
    }
    if connecting {
        return Outcome::Retry { after: None, error: format!("cannot connect: {text}") };
    }
    let why = if timed_out { format!("no answer within {seconds} s") } else { text };
    Outcome::Ambiguous { error: format!("sent, but not answered: {why}") }
}

/// An error and its causes, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    escape(&parts.join(": "), Sink::Terminal)
}

/// Takes out of a text what must not be repeated: the address and its parts, header values, secrets.
fn scrub(text: &str, post: &Post<'_>, url: &Url) -> String {
    let headers = post.headers.iter().map(|(_, value)| value.as_str());
    let parts = [Some(post.url), Some(url.as_str()), url.host_str(), Some(url.path()), url.query()];
    let mut hidden: Vec<&str> =
        parts.into_iter().flatten().chain(headers).chain(post.secrets.iter().copied()).collect();
    hidden.retain(|part| part.len() > 3);
    hidden.sort_by_key(|part| std::cmp::Reverse(part.len()));
    hidden.iter().fold(text.to_owned(), |text, part| text.replace(part, "…"))
}
