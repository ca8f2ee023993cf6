//! The HTTP below S3: what was heard last is kept, so that it can be said what a failure was.

use futures_util::StreamExt as _;
use http::header::DATE;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use object_store::{ClientOptions, Error};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::failure::{Failure, Kind};
use crate::base::Secret;
use crate::base::untrusted::{Sink, escape};

/// The largest page of a list that is read, in bytes: a thousand keys have at most a megabyte.
const PAGE: usize = 16 * 1024 * 1024;

/// The largest error that is read, in bytes.
const WORDS: usize = 64 * 1024;

/// How long the machine's own source of credentials may take: it is near, or it is not there.
const NEAR: Duration = Duration::from_secs(2);

/// What was heard last that was no success.
#[derive(Debug)]
pub struct Heard {
    last: Mutex<Option<Failure>>,
    hidden: Vec<Secret>,
}

impl Heard {
    pub fn new(hidden: Vec<Secret>) -> Self {
        Self { last: Mutex::new(None), hidden }
    }

    fn note(&self, failure: Failure) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }

    /// What a failed request means.
    pub fn failure(&self, error: &Error) -> Failure {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Without anything heard it was the answer itself that could not be read.
        last.unwrap_or_else(|| Failure::new(Kind::NotS3, self.scrubbed(&deepest(error))))
    }

    /// What it means that time is up.
    pub fn late(&self, timeout: Duration) -> Failure {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        last.unwrap_or_else(|| Failure::new(Kind::TimedOut, format!("within {} ms", timeout.as_millis())))
    }

    /// A text without secrets, escaped and short.
    pub fn scrubbed(&self, text: &str) -> String {
        const MOST: usize = 300;
        let mut text = text.to_owned();
        for secret in self.hidden.iter().map(Secret::expose).filter(|secret| secret.len() > 3) {
            text = text.replace(secret, "…");
        }
        escape(&text.chars().take(MOST).collect::<String>(), Sink::Terminal)
    }
}

/// Where S3 is.
#[derive(Debug, Clone)]
pub struct Storage {
    /// The host, or what it ends with.
    pub host: String,
    /// The port; any otherwise.
    pub port: Option<u16>,
}

impl Storage {
    fn is(&self, uri: &http::Uri) -> bool {
        let host = uri.host().unwrap_or_default();
        let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(usual);
        host.ends_with(&self.host) && !host.starts_with("sts.") && self.port.is_none_or(|known| known == port)
    }
}

/// Makes clients that tell what they hear.
#[derive(Debug)]
pub struct Connector {
    /// Where S3 is; others are asked for credentials.
    pub storage: Storage,
    pub timeout: Duration,
    /// The certificates that are trusted in place of the system's.
    pub authorities: Option<Vec<reqwest::Certificate>>,
    pub heard: Arc<Heard>,
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> Result<HttpClient, Error> {
        let build = || {
            reqwest::Client::builder()
                .user_agent(concat!("irctl/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(self.timeout)
                .timeout(self.timeout)
        };
        // A machine without certificates can still ask where there is no TLS.
        let client = match &self.authorities {
            Some(authorities) => build().tls_certs_only(authorities.iter().cloned()).build(),
            None => build().build().or_else(|_| build().tls_certs_only(std::iter::empty()).build()),
        };
        let client = client.map_err(|error| Error::Generic { store: "S3", source: Box::new(error) })?;
        let near = build().no_proxy().connect_timeout(NEAR).timeout(NEAR);
        let near = near.tls_certs_only(std::iter::empty()).build();
        let near = near.map_err(|error| Error::Generic { store: "S3", source: Box::new(error) })?;
        Ok(HttpClient::new(Wire {
            client,
            near,
            storage: self.storage.clone(),
            heard: Arc::clone(&self.heard),
        }))
    }
}

/// A client that tells what it hears.
#[derive(Debug)]
struct Wire {
    client: reqwest::Client,
    /// For the machine's own source of credentials.
    near: reqwest::Client,
    storage: Storage,
    heard: Arc<Heard>,
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>>;

impl HttpService for Wire {
    // What `async_trait` makes of an asynchronous function.
    fn call<'life0, 'async_trait>(&'life0 self, request: HttpRequest) -> Answer<'async_trait>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(self.ask(request))
    }
}

impl Wire {
    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let is_storage = self.storage.is(&parts.uri);
        let is_near = !is_storage && parts.uri.host().is_some_and(|host| host.starts_with("169.254."));
        let lists = parts.uri.query().is_some_and(|query| query.contains("list-type=2"));
        let client = if is_near { &self.near } else { &self.client };
        let again = HttpRequest::from_parts(parts.clone(), body.clone());
        let answer = match client.call(HttpRequest::from_parts(parts, body)).await {
            // The request was not heard: asked once more.
            Err(error) if is_broken(error.kind()) => client.call(again).await,
            answer => answer,
        };
        let response = answer.inspect_err(|error| self.heard.note(self.unheard(error, is_storage)))?;
        if response.status().is_success() && !(is_storage && lists) {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let limit = if parts.status.is_success() { PAGE } else { WORDS };
        let bytes =
            read(body, limit).await.inspect_err(|error| self.heard.note(self.unheard(error, is_storage)))?;
        if !parts.status.is_success() {
            let date = parts.headers.get(DATE).and_then(|date| date.to_str().ok()).unwrap_or_default();
            self.heard.note(self.said(
                parts.status.as_u16(),
                &String::from_utf8_lossy(&bytes),
                date,
                is_storage,
            ));
        } else if !contains(&bytes, b"<ListBucketResult") {
            // A page for people, with the status of a success, would read as a list of nothing.
            self.heard.note(Failure::new(Kind::NotS3, "the answer is no list".to_owned()));
            return Err(HttpError::new(HttpErrorKind::Decode, std::io::Error::other("no list")));
        } else if contains(&bytes, b"<IsTruncated>true") && !contains(&bytes, b"<NextContinuationToken>") {
            // What is not all of it would read as all of it.
            let what = "the list is cut off, and does not say how it goes on";
            self.heard.note(Failure::new(Kind::NotS3, what.to_owned()));
            return Err(HttpError::new(HttpErrorKind::Decode, std::io::Error::other("a part of a list")));
        }
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::from(bytes)))
    }

    fn unheard(&self, error: &HttpError, is_storage: bool) -> Failure {
        let why = self.heard.scrubbed(&deepest(error));
        if !is_storage {
            return Failure::new(
                Kind::NoCredentials,
                format!("nor does the machine's own role answer: {why}"),
            );
        }
        match error.kind() {
            HttpErrorKind::Timeout => Failure::new(Kind::TimedOut, why),
            _ => Failure::new(Kind::Network, why),
        }
    }

    fn said(&self, status: u16, body: &str, date: &str, is_storage: bool) -> Failure {
        let code = between(body, "<Code>", "</Code>");
        let Some(code) = code else {
            return if is_storage {
                Failure::mute(status)
            } else {
                Failure::new(
                    Kind::NoCredentials,
                    format!("the machine's own role answers with HTTP {status}"),
                )
            };
        };
        let kind = Kind::of(Some(code), status);
        let words = between(body, "<Message>", "</Message>").unwrap_or_default();
        let detail = match kind {
            Kind::Skewed => {
                let there = between(body, "<ServerTime>", "</ServerTime>").unwrap_or(date);
                format!("{code}; there it is {there}")
            }
            Kind::Region => match between(body, "<Region>", "</Region>") {
                Some(region) => format!("{code}; it is in {region}"),
                None => format!("{code}: {words}"),
            },
            Kind::Expired | Kind::UnknownKey | Kind::WrongSecret | Kind::NoBucket | Kind::NoObject => {
                code.to_owned()
            }
            _ => format!("{code}: {words}"),
        };
        Failure::new(kind, self.heard.scrubbed(&detail))
    }
}

fn is_broken(kind: HttpErrorKind) -> bool {
    matches!(kind, HttpErrorKind::Connect | HttpErrorKind::Request | HttpErrorKind::Interrupted)
}

async fn read(body: HttpResponseBody, limit: usize) -> Result<Vec<u8>, HttpError> {
    let mut stream = body.bytes_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk?);
        if bytes.len() > limit {
            let what = std::io::Error::other(format!("the answer is larger than {} KiB", limit / 1024));
            return Err(HttpError::new(HttpErrorKind::Decode, what));
        }
    }
    Ok(bytes)
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    memchr::memmem::find(bytes, wanted).is_some()
}

/// The text of an element that has no others in it.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begin)?;
    rest.split_once(end).map(|(inner, _)| inner.trim()).filter(|inner| !inner.is_empty())
}

/// The innermost cause: the outer ones repeat addresses.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(hidden: &str) -> Wire {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().tls_certs_only(std::iter::empty()).build().unwrap();
        let heard = Arc::new(Heard::new(vec![Secret::new(hidden.to_owned())]));
        let storage = Storage { host: "s3.example.org".to_owned(), port: None };
        Wire { near: client.clone(), client, storage, heard }
    }

    #[test]
    fn the_token_that_s3_repeats_is_not_repeated() {
        let body = "<Error><Code>ExpiredToken</Code><Message>The provided token hunter2 has expired.</Message>\
                    <Token-0>hunter2</Token-0></Error>";
        let failure = wire("hunter2").said(400, body, "", true);
        assert_eq!((failure.kind, failure.detail.as_str()), (Kind::Expired, "ExpiredToken"));
        let denied = body.replace("ExpiredToken", "AccessDenied");
        let failure = wire("hunter2").said(403, &denied, "", true);
        assert_eq!(failure.kind, Kind::Denied);
        assert!(!failure.detail.contains("hunter2"), "{}", failure.detail);
    }

    #[test]
    fn clocks_regions_and_answers_without_a_body() {
        let skewed =
            "<Error><Code>RequestTimeTooSkewed</Code><ServerTime>2026-11-20T03:00:00Z</ServerTime></Error>";
        let failure = wire("").said(403, skewed, "", true);
        assert_eq!(failure.kind, Kind::Skewed);
        assert!(failure.detail.contains("2026-11-20T03:00:00Z"));
        let elsewhere = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>";
        assert!(wire("").said(400, elsewhere, "", true).detail.contains("eu-west-3"));
        assert!(wire("").said(403, "", "", true).is_mute());
        assert_eq!(wire("").said(404, "", "", false).kind, Kind::NoCredentials);
    }
}
