//! HTTP for adapters: one request, one answer of limited size, redirects within the same origin only. No error repeats
//! the address, which may hold a token.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Url, redirect};
use std::time::Duration;

use super::parameters::{Hidden, Span};
use crate::base::untrusted::{Sink, escape};
use crate::base::{Error, ErrorCode, Result};

/// How long a request may take, unless it is said.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer that is read, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;
/// How many redirects within the origin are followed.
const REDIRECTS: usize = 5;

/// A server to talk to.
pub struct Web {
    adapter: &'static str,
    client: Client,
    runtime: tokio::runtime::Runtime,
    headers: HeaderMap,
    hidden: Vec<String>,
    timeout: Duration,
}

/// What came back.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The entity tag.
    pub etag: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Who asks: a header, or a user with a password.
#[derive(Default)]
pub struct Credentials<'a> {
    /// A header and its value: `Authorization`, `Bearer …`.
    pub header: Option<(&'a str, String)>,
    /// A user and a password.
    pub basic: Option<(&'a str, &'a Hidden)>,
}

impl Web {
    /// A client that sends these credentials.
    pub fn new(
        adapter: &'static str,
        address: &str,
        credentials: &Credentials<'_>,
        timeout: Option<Span>,
    ) -> Result<Self> {
        // An error says that somebody installed one already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let timeout = timeout.map_or(TIMEOUT, |span| span.0);
        let failed = |why: String| {
            Error::new(ErrorCode::Io, format!("{adapter}: https is not possible here: {why}"))
                .hint("install the system's certificates (Debian, Ubuntu: apt-get install ca-certificates)")
        };
        let mut builder = Client::builder();
        if address.starts_with("http:") {
            // Without TLS no certificate is looked at, so a machine without certificates can still ask.
            builder = builder.tls_certs_only(std::iter::empty());
        }
        let client = builder
            .user_agent(concat!("irctl/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::custom(same_origin))
            .connect_timeout(timeout / 2)
            .timeout(timeout)
            .build()
            .map_err(|error| failed(escape(&error.without_url().to_string(), Sink::Terminal)))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (headers, hidden) = (HeaderMap::new(), Vec::new());
        let mut web = Self { adapter, client, runtime, headers, hidden, timeout };
        if let Some((name, value)) = &credentials.header {
            web.add_header(name, value.clone())?;
        }
        if let Some((user, password)) = credentials.basic {
            use base64::Engine as _;
            let pair = format!("{user}:{}", password.0.expose());
            let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
            web.add_header("Authorization", format!("Basic {encoded}"))?;
            web.hidden.push(password.0.expose().to_owned());
        }
        Ok(web)
    }

    /// Sends one more header with every request; no error repeats its value.
    ///
    /// # Errors
    /// A name or a value that no header can have.
    pub fn add_header(&mut self, name: &str, value: String) -> Result<()> {
        let parsed = name.parse::<HeaderName>().ok().zip(value.parse::<HeaderValue>().ok());
        let Some((name, mut header)) = parsed else {
            let why = format!("{}: the header `{}` cannot be sent", self.adapter, name.escape_debug());
            return Err(Error::new(ErrorCode::InvalidConfiguration, why)
                .hint("look for a line break or other odd characters in its value"));
        };
        header.set_sensitive(true);
        self.headers.insert(name, header);
        // `Bearer abc`: neither the whole nor its last word.
        self.hidden.extend(value.rsplit(' ').next().map(str::to_owned));
        self.hidden.push(value);
        Ok(())
    }

    /// Reads an address.
    ///
    /// # Errors
    /// What is no http or https address, or holds a user or a password.
    pub fn address(&self, text: &str) -> Result<Url> {
        let wrong = |why: &str| {
            Error::new(
                ErrorCode::InvalidConfiguration,
                format!("{}: the parameter `url` {why}", self.adapter),
            )
            .hint("it reads https://host/path; who asks stands in parameters of their own")
        };
        let url = Url::parse(text).map_err(|_| wrong("is no address"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong("is no http or https address"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("holds a user or a password"));
        }
        Ok(url)
    }

    /// Sends one request.
    ///
    /// # Errors
    /// No answer, one that is too large, and a redirect to another host. A status is no error here.
    pub fn send(
        &self,
        method: Method,
        url: &Url,
        more: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<Answer> {
        let mut request = self.client.request(method, url.clone()).headers(self.headers.clone());
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let answered = self.runtime.block_on(async {
            let mut response = request.send().await?;
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await? {
                body.extend_from_slice(&chunk);
                if body.len() > BODY_LIMIT {
                    break;
                }
            }
            let etag = response.headers().get(reqwest::header::ETAG);
            let etag = etag.and_then(|value| value.to_str().ok()).map(str::to_owned);
            Ok::<_, reqwest::Error>(Answer { status: response.status().as_u16(), etag, body })
        });
        let answer = answered.map_err(|error| self.unanswered(error))?;
        if answer.body.len() > BODY_LIMIT {
            return Err(self.error(ErrorCode::InvalidData, "the answer is larger than 1 MiB"));
        }
        if (300..400).contains(&answer.status) && answer.status != 304 {
            let why = format!(
                "HTTP {}: a redirect; only 307 and 308 within the same host are followed",
                answer.status
            );
            return Err(self.error(ErrorCode::Refused, &why).hint("name the address that it leads to"));
        }
        Ok(answer)
    }

    fn unanswered(&self, error: reqwest::Error) -> Error {
        if error.is_timeout() {
            let why = format!("no answer within {} s", self.timeout.as_secs_f64());
            return self
                .error(ErrorCode::TimedOut, &why)
                .hint("it may still take effect; the next try looks first. `timeout` can be raised");
        }
        let error = error.without_url();
        let mut deepest: &dyn std::error::Error = &error;
        while let Some(source) = deepest.source() {
            deepest = source;
        }
        self.error(ErrorCode::Io, &format!("no answer: {}", self.safe(&deepest.to_string())))
            .hint("is the server up, and the address right?")
    }

    /// What an answer that is no success says.
    pub fn refused(&self, what: &str, answer: &Answer) -> Error {
        let body: String = String::from_utf8_lossy(&answer.body).chars().take(300).collect();
        let why = format!("{what}: HTTP {}: {}", answer.status, self.safe(body.trim()));
        let (code, hint) = match answer.status {
            401 | 403 => (ErrorCode::NotPermitted, "give it credentials that may do this"),
            404 | 410 => (ErrorCode::NotFound, "is the name, and the address, right?"),
            409 | 412 => (ErrorCode::Drifted, "somebody else changed it meanwhile; look, then plan again"),
            _ => (ErrorCode::Io, "the server says why"),
        };
        self.error(code, &why).hint(hint)
    }

    /// Text from outside without credentials and without what a terminal would obey.
    fn safe(&self, text: &str) -> String {
        let hidden = self.hidden.iter().filter(|part| part.len() > 2);
        escape(&hidden.fold(text.to_owned(), |text, part| text.replace(part.as_str(), "…")), Sink::Terminal)
    }

    /// An error of this adapter.
    pub fn error(&self, code: ErrorCode, why: &str) -> Error {
        Error::new(code, format!("{}: {why}", self.adapter))
    }
}

impl Answer {
    /// Whether the status is one of success.
    pub fn success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON.
    pub fn json(&self, web: &Web) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            web.error(ErrorCode::InvalidData, &format!("the answer is no JSON (at {place})"))
                .hint("is this the address of an API, and not of a page for people?")
        })
    }
}

/// Credentials go to the origin they were given for, and to no other; and a write must not become a read, as 301 to
/// 303 make it.
fn same_origin(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let from = attempt.previous().first().map(Url::origin);
    let keeps_method = matches!(attempt.status().as_u16(), 307 | 308);
    if from != Some(attempt.url().origin()) || !keeps_method {
        return attempt.stop();
    }
    if attempt.previous().len() > REDIRECTS {
        return attempt.error("too many redirects");
    }
    attempt.follow()
}
