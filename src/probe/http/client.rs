//! One HTTP request at a time, each over a connection of its own. No error repeats a header's value.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url, redirect};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

use super::certificate::{Seen, Witness};
use super::{HttpConfig, HttpMethod};
use crate::base::file::read_limited;
use crate::base::untrusted::{Sink, escape};
use crate::base::{Secret, path};

/// The largest answer that is read, in bytes.
const LIMIT: usize = 16 * 1024 * 1024;
/// The largest file of certificates, in bytes.
const CERTIFICATES: u64 = 4 * 1024 * 1024;

/// What came back.
pub(super) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Asks one address.
pub(super) struct Client {
    url: Url,
    method: Method,
    headers: HeaderMap,
    secrets: Vec<Secret>,
    witness: Option<Arc<Witness>>,
    http: reqwest::Client,
    /// Taken out when the client is dropped.
    runtime: Option<Runtime>,
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
    /// A client; secrets and certificates are read now. `Err` says in words what is in the way.
    pub fn new(config: &HttpConfig, root: &Path) -> Result<Self, String> {
        let mut url = Url::parse(&config.url.to_string()).map_err(|_| "this is not an address".to_owned())?;
        if !config.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&config.query);
        }
        let mut headers = HeaderMap::new();
        let mut secrets = Vec::new();
        for (name, reference) in &config.headers {
            let secret = reference.resolve().map_err(|error| error.message)?;
            let cannot = || format!("the header `{}` cannot be sent", name.escape_debug());
            let key = name.parse::<HeaderName>().map_err(|_| cannot())?;
            let mut value = secret.expose().parse::<HeaderValue>().map_err(|_| cannot())?;
            value.set_sensitive(true);
            headers.insert(key, value);
            secrets.push(secret);
        }
        let witness = config.url.is_encrypted().then(|| witness(config, root)).transpose()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("no runtime for HTTP could be started: {error}"))?;
        let http = build(config, witness.as_ref())?;
        let method = match config.method {
            HttpMethod::Get => Method::GET,
            HttpMethod::Head => Method::HEAD,
        };
        Ok(Self { url, method, headers, secrets, witness, http, runtime: Some(runtime) })
    }

    /// One try; `None` where the time was over before the whole answer was there.
    pub fn ask(&self, timeout: Duration) -> Option<Result<Answer, String>> {
        let runtime = self.runtime.as_ref()?;
        let request = self.http.request(self.method.clone(), self.url.clone()).headers(self.headers.clone());
        runtime.block_on(async {
            tokio::time::timeout(timeout, async {
                let mut response = request.send().await.map_err(|error| self.failed(error))?;
                let mut body = Vec::new();
                while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(error))? {
                    body.extend_from_slice(&chunk);
                    if body.len() > LIMIT {
                        return Err(format!("the answer is larger than {} MiB", LIMIT / 1024 / 1024));
                    }
                }
                Ok(Answer { status: response.status().as_u16(), body })
            })
            .await
            .ok()
        })
    }

    /// The certificate that the server showed.
    pub fn certificate(&self) -> Result<Seen, String> {
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let seen = self.witness.as_ref().and_then(|witness| witness.seen(host));
        seen.ok_or_else(|| "the server showed no certificate".to_owned())
    }

    fn failed(&self, error: reqwest::Error) -> String {
        let connecting = error.is_connect();
        let mut cause: &dyn std::error::Error = &error.without_url();
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let mut why = escape(&cause.to_string(), Sink::Terminal);
        // Careless servers repeat what they were sent.
        for part in self.secrets.iter().flat_map(|secret| secret.expose().split_whitespace()) {
            if part.len() >= 4 {
                why = why.replace(part, "…");
            }
        }
        if connecting { format!("cannot connect: {why}") } else { format!("the answer broke off: {why}") }
    }
}

fn witness(config: &HttpConfig, root: &Path) -> Result<Arc<Witness>, String> {
    let Some(file) = &config.authorities else { return Witness::of_the_system() };
    let place = path::inside(root, file).map_err(|error| error.message)?;
    let pem = read_limited(&place, CERTIFICATES).map_err(|error| error.message)?;
    Witness::of(&pem).map_err(|why| format!("{}: {why}", file.display()))
}

fn build(config: &HttpConfig, witness: Option<&Arc<Witness>>) -> Result<reqwest::Client, String> {
    // An error says that somebody installed one already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let most = usize::from(config.redirects);
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("irctl/", env!("CARGO_PKG_VERSION")))
        // Each try is like the first: it finds the host, connects and shakes hands.
        .pool_max_idle_per_host(0)
        .redirect(redirect::Policy::custom(move |attempt| {
            let within =
                attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
            // The headers are for this origin alone.
            if within && attempt.previous().len() <= most { attempt.follow() } else { attempt.stop() }
        }));
    builder = match witness {
        Some(witness) => builder.tls_backend_preconfigured(witness.config()),
        // Without TLS no certificate is looked at, so a machine without certificates can still ask.
        None => builder.tls_certs_only(std::iter::empty()),
    };
    builder.build().map_err(|error| format!("no client for HTTP: {}", error.without_url()))
}
