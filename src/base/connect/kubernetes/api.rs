//! The API of a cluster: requests that are tried again where that is safe.

use kube::config::Config;
use kube::core::Request;
use kube::core::params::{GetParams, ListParams};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

use super::access::Access;
use super::failure::Failure;
use crate::base::{Error, ErrorCode, Result};

/// How often a read is tried, the first time included.
const TRIES: u32 = 4;

/// How many objects are asked for at once.
const PAGE: u32 = 250;

/// The most pages that are read: an endless list is no list.
const PAGES: usize = 400;

/// A request, or why there is none.
pub type Built = std::result::Result<http::Request<Vec<u8>>, kube::core::request::Error>;

/// A connection to the API of a cluster.
pub struct Api {
    /// What carries the answers.
    pub runtime: Runtime,
    /// What is asked.
    pub client: kube::Client,
    /// The namespace of what is asked for.
    pub namespace: String,
    timeout: Duration,
    hasty: bool,
}

impl Api {
    /// Makes a client. Nothing is sent yet, but a credential plugin may run.
    pub fn with(access: &Access, mut config: Config) -> Result<Self> {
        // An error says that somebody installed one already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let timeout = access.timeout.to_std();
        // Writes are never sent twice behind our back, and how long reads are tried is said here.
        config.default_retry = false;
        config.connect_timeout = Some(timeout);
        if config.cluster_url.scheme_str() == Some("http") {
            // Without TLS no certificate is looked at, so a machine without certificates can still ask.
            config.root_cert = Some(Vec::new());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let making = runtime.spawn_blocking(move || kube::Client::try_from(config));
        let made = runtime.block_on(async { tokio::time::timeout(timeout * 3, making).await });
        let client = match made {
            Ok(Ok(made)) => made.map_err(|error| no_client(&error)),
            Ok(Err(error)) => Err(Error::new(ErrorCode::Bug, format!("the client: {error}"))),
            Err(_) => Err(Error::new(ErrorCode::TimedOut, "the credentials of the kubeconfig do not come")
                .hint("a program of the kubeconfig's `exec:` hangs; run `kubectl get --raw /version`")),
        };
        match client {
            Ok(client) => {
                Ok(Self { runtime, client, namespace: access.namespace.clone(), timeout, hasty: false })
            }
            Err(error) => {
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// Reads are tried once more, and only where the API was never reached.
    #[must_use]
    pub fn hasty(self) -> Self {
        Self { hasty: true, ..self }
    }

    /// An object of the collection at `path`, if it is there.
    ///
    /// # Errors
    /// What [`Failure::into_error`] makes of it; `what` is what is looked at.
    pub fn get(&self, path: &str, name: &str, what: &str) -> Result<Option<Value>> {
        let request = || Request::new(path).get(name, &GetParams::default());
        match self.read(request) {
            Ok(object) => Ok(Some(object)),
            Err(Failure::Missing(_)) => Ok(None),
            Err(failure) => Err(failure.into_error(what)),
        }
    }

    /// All objects of the collection at `path` with these labels (a label selector).
    ///
    /// # Errors
    /// What [`Failure::into_error`] makes of it; `what` is what is listed.
    pub fn list(&self, path: &str, labels: Option<&str>, what: &str) -> Result<Vec<Value>> {
        let mut objects = Vec::new();
        let mut parameters = ListParams { label_selector: labels.map(str::to_owned), ..Default::default() };
        parameters = parameters.limit(PAGE);
        for _ in 0..PAGES {
            let request = || Request::new(path).list(&parameters);
            let mut page = match self.read(request) {
                Ok(page) => page,
                // The rest of a list that takes too long to read is no longer to be had: from the start again.
                Err(Failure::Gone) if parameters.continue_token.is_some() => {
                    objects.clear();
                    parameters.continue_token = None;
                    continue;
                }
                Err(failure) => return Err(failure.into_error(&format!("listing {what}"))),
            };
            match page.get_mut("items").map(Value::take) {
                Some(Value::Array(items)) => objects.extend(items),
                // An empty list may be written so.
                Some(Value::Null) => {}
                _ => {
                    let text = format!("listing {what}: the answer is no list");
                    return Err(Error::new(ErrorCode::InvalidData, text));
                }
            }
            match next(&page) {
                Some(token) => parameters.continue_token = Some(token),
                None => return Ok(objects),
            }
        }
        let text = format!("listing {what} does not come to an end");
        Err(Error::new(ErrorCode::InvalidData, text))
    }

    /// A read is tried again whatever the reason, if that can help.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn read(&self, request: impl Fn() -> Built) -> Result<Value, Failure> {
        if !self.hasty {
            return self.tried(request, Failure::is_passing);
        }
        let first = std::cell::Cell::new(true);
        self.tried(request, |failure| matches!(failure, Failure::Unreachable(_)) && first.replace(false))
    }

    /// A request is tried again for as long as `again` says that it may be.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn tried(
        &self,
        request: impl Fn() -> Built,
        again: impl Fn(&Failure) -> bool,
    ) -> Result<Value, Failure> {
        let deadline = Instant::now() + self.timeout * 2;
        let mut pause = Duration::from_millis(100);
        for left in (0..TRIES).rev() {
            let request = request().map_err(|error| {
                Failure::Refused(Error::new(ErrorCode::Bug, format!("a request to the cluster: {error}")))
            })?;
            let failure = match self.send(request) {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            let wait = match failure {
                Failure::Later(seconds, _) if seconds > 0 => Duration::from_secs(seconds.into()),
                _ => pause,
            };
            if left == 0 || !again(&failure) || Instant::now() + wait > deadline {
                return Err(failure);
            }
            std::thread::sleep(wait);
            pause *= 3;
        }
        Err(Failure::Unreachable("it was not asked".to_owned()))
    }

    fn send(&self, request: http::Request<Vec<u8>>) -> Result<Value, Failure> {
        self.runtime.block_on(async {
            match tokio::time::timeout(self.timeout, self.client.request::<Value>(request)).await {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(error)) => Err(Failure::of(&error)),
                Err(_) => {
                    Err(Failure::Unanswered(format!("no answer within {} ms", self.timeout.as_millis())))
                }
            }
        })
    }
}

/// Where a list goes on.
fn next(page: &Value) -> Option<String> {
    let token = page.pointer("/metadata/continue").and_then(Value::as_str);
    token.filter(|token| !token.is_empty()).map(str::to_owned)
}

fn no_client(error: &kube::Error) -> Error {
    let (Failure::Unreachable(text) | Failure::Unanswered(text)) = Failure::of(error) else {
        return Error::new(ErrorCode::Bug, "the client was refused before it asked anything");
    };
    let text = format!("no client for the cluster can be made: {text}");
    match error {
        kube::Error::ProxyProtocolDisabled { .. } | kube::Error::ProxyProtocolUnsupported { .. } => {
            Error::new(ErrorCode::InvalidConfiguration, text)
                .hint("irctl does not speak to a cluster through a proxy; name one that is reached directly")
        }
        _ => Error::new(ErrorCode::InvalidConfiguration, text)
            .hint("`kubectl get --raw /version` shows whether kubectl can use the same kubeconfig"),
    }
}
