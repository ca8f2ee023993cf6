//! A client of the Prometheus HTTP API: instant and range queries, POSTed as forms.
//!
//! No error repeats a header's value; an answer that is larger than the limit is not read to its end.

use chrono::{DateTime, Utc};
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::runtime::Runtime;

use super::address::ServerAddress;
use super::answer::{self, Answer};
use crate::base::{Secret, SecretReference};

/// The largest answer that is read, in bytes.
const LIMIT: usize = 4 * 1024 * 1024;

/// A connection to one server. It has a small runtime of its own that ends with it.
pub struct Client {
    address: ServerAddress,
    headers: HeaderMap,
    secrets: Vec<Secret>,
    timeout: Duration,
    http: reqwest::Client,
    /// Taken out when the client is dropped.
    runtime: Option<Runtime>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.address)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A name lookup that hangs must not keep the program from ending.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Client {
    /// A client; secrets are fetched now. `Err` says in words what is in the way.
    pub fn new(
        address: &ServerAddress,
        headers: &BTreeMap<String, SecretReference>,
        timeout: Duration,
    ) -> Result<Self, String> {
        let mut map = HeaderMap::new();
        let mut secrets = Vec::new();
        for (name, reference) in headers {
            let secret = reference.resolve().map_err(|error| error.message)?;
            let cannot = || format!("the header `{}` cannot be sent", name.escape_debug());
            let key = name.parse::<HeaderName>().map_err(|_| cannot())?;
            let mut value = secret.expose().parse::<HeaderValue>().map_err(|_| cannot())?;
            value.set_sensitive(true);
            map.insert(key, value);
            secrets.push(secret);
        }
        map.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("no runtime for HTTP could be started: {error}"))?;
        let http = build(address.is_encrypted(), timeout)?;
        let address = address.clone();
        Ok(Self { address, headers: map, secrets, timeout, http, runtime: Some(runtime) })
    }

    /// The value of a query at one instant: the server's present where none is given.
    pub fn instant(&self, query: &str, at: Option<DateTime<Utc>>) -> Result<Answer, String> {
        let mut form = vec![("query", query.to_owned())];
        form.extend(at.map(|at| ("time", seconds(at))));
        self.ask("api/v1/query", form)
    }

    /// The values of a query from `start` to `end`, one each `step`.
    pub fn range(
        &self,
        query: &str,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
        step: Duration,
    ) -> Result<Answer, String> {
        let form = vec![
            ("query", query.to_owned()),
            ("start", seconds(start)),
            ("end", seconds(end)),
            ("step", step.as_secs_f64().to_string()),
        ];
        self.ask("api/v1/query_range", form)
    }

    fn ask(&self, path: &str, mut form: Vec<(&str, String)>) -> Result<Answer, String> {
        // The server gives up when nobody waits for it any more.
        form.push(("timeout", format!("{}ms", self.timeout.as_millis().max(1))));
        let url = Url::parse(&self.address.join(path)).map_err(|_| "this is not an address".to_owned())?;
        let body = encoded(&form);
        // A connection that breaks says nothing about the server; one that breaks twice does. What took all its time
        // is not asked again.
        let answered = match self.answer(&url, &body) {
            Err(Unanswered::Broken(_)) => self.answer(&url, &body),
            other => other,
        };
        let (status, body) = answered.map_err(|unanswered| match unanswered {
            Unanswered::Broken(why) | Unanswered::Final(why) => why,
        })?;
        if (300..400).contains(&status) {
            return Err(format!("HTTP {status} (redirects are not followed)"));
        }
        let mut answer = answer::read(status, &body).map_err(|why| self.scrubbed(&why))?;
        answer.warnings = answer.warnings.iter().map(|warning| self.scrubbed(warning)).collect();
        Ok(answer)
    }

    fn answer(&self, url: &Url, body: &str) -> Result<(u16, Vec<u8>), Unanswered> {
        let request = self.http.post(url.clone()).headers(self.headers.clone()).body(body.to_owned());
        let runtime = self.runtime.as_ref().ok_or(Unanswered::Final("the client was closed".to_owned()))?;
        runtime.block_on(async {
            let mut response = request.send().await.map_err(|error| self.failed(error))?;
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(error))? {
                body.extend_from_slice(&chunk);
                if body.len() > LIMIT {
                    let why = format!("the answer is larger than {} MiB", LIMIT / 1024 / 1024);
                    return Err(Unanswered::Final(why));
                }
            }
            Ok((response.status().as_u16(), body))
        })
    }

    fn failed(&self, error: reqwest::Error) -> Unanswered {
        if error.is_timeout() {
            return Unanswered::Final(format!("no answer within {} s", self.timeout.as_secs_f64()));
        }
        let connecting = error.is_connect();
        let mut cause: &dyn std::error::Error = &error.without_url();
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let why = self.scrubbed(&answer::shown(&cause.to_string()));
        Unanswered::Broken(match connecting {
            true => format!("cannot connect: {why}"),
            false => format!("the answer broke off: {why}"),
        })
    }

    /// A text without the values of the headers: careless servers repeat what they were sent.
    fn scrubbed(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            for part in secret.expose().split_whitespace().filter(|part| part.len() >= 4) {
                text = text.replace(part, "…");
            }
        }
        text
    }
}

/// Why there is no answer.
enum Unanswered {
    /// The connection was not made, or broke.
    Broken(String),
    /// Anything that would be the same a second time.
    Final(String),
}

/// Seconds since 1970, to the millisecond.
fn seconds(at: DateTime<Utc>) -> String {
    let milliseconds = at.timestamp_millis();
    format!("{}.{:03}", milliseconds.div_euclid(1000), milliseconds.rem_euclid(1000))
}

fn encoded(form: &[(&str, String)]) -> String {
    let Ok(mut url) = Url::parse("http://form.invalid/") else { return String::new() };
    url.query_pairs_mut().extend_pairs(form);
    url.query().unwrap_or_default().to_owned()
}

fn build(tls: bool, timeout: Duration) -> Result<reqwest::Client, String> {
    // An error says that somebody installed one already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("irctl/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(timeout)
        .timeout(timeout);
    if !tls {
        // Without TLS no certificate is looked at, so a machine without certificates can still ask.
        builder = builder.tls_certs_only(std::iter::empty());
    }
    builder.build().map_err(|_| {
        "https is not possible here: install the system's certificates (Debian, Ubuntu: apt-get install \
         ca-certificates)"
            .to_owned()
    })
}
