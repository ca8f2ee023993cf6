//! S3 and what speaks its language: which bucket, as whom, and what is asked of it.

mod failure;
mod profile;
mod wire;

use chrono::{DateTime, Utc};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::list::{PaginatedListOptions, PaginatedListStore as _};
use object_store::path::Path;
use object_store::{BackoffConfig, GetOptions, GetRange, ObjectStore as _, RetryConfig};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

pub use failure::{Failure, Kind};

use self::profile::Profile;
use self::wire::{Connector, Heard, Storage};
use crate::base::file::read_limited;
use crate::base::{Error, ErrorCode, Result, Secret, SecretReference, environment};

/// The most pages of a thousand objects that are listed: an endless list is no list.
const PAGES: usize = 1000;

/// Variables whose values must not come back in an error.
const HIDDEN: [&str; 3] = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"];

/// Variables that say who asks, before any profile does.
const SAYS_WHO: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE"];

/// The largest file of certificates that is read, in bytes.
const CERTIFICATES: u64 = 4 * 1024 * 1024;

/// Which bucket, and as whom.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The server; AWS itself otherwise, or what AWS_ENDPOINT_URL says.
    pub endpoint: Option<&'a str>,
    /// The region; AWS_REGION or AWS_DEFAULT_REGION otherwise, else `us-east-1`.
    pub region: Option<&'a str>,
    /// Whether the bucket stands in the path of addresses, and not in the host.
    pub path_style: Option<bool>,
    /// Key, secret, and the token of a session; without a key the environment says who asks.
    pub credentials: Option<Credentials<'a>>,
    /// Whether requests are not signed at all.
    pub anonymous: bool,
    /// How long all that is asked may take.
    pub timeout: Duration,
}

/// As whom.
#[derive(Debug, Clone, Copy)]
pub struct Credentials<'a> {
    /// The access key.
    pub access_key: &'a SecretReference,
    /// The secret that belongs to it.
    pub secret_key: &'a SecretReference,
    /// The token of a session, which ends.
    pub session_token: Option<&'a SecretReference>,
}

/// What stands under a prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// How many objects.
    pub objects: u64,
    /// Their sizes together, in bytes.
    pub bytes: u64,
    /// When the newest was written, and its key.
    pub newest: Option<(DateTime<Utc>, String)>,
}

/// What is known of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was written.
    pub modified: DateTime<Utc>,
}

/// A bucket that is asked. It has a small runtime of its own that ends with it.
pub struct Bucket {
    store: AmazonS3,
    heard: Arc<Heard>,
    timeout: Duration,
    /// Taken out when the bucket is dropped.
    runtime: Option<Runtime>,
}

impl Drop for Bucket {
    fn drop(&mut self) {
        // A name lookup that hangs must not keep the program from ending.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Bucket {
    /// Prepares to ask; secrets are fetched now, and nothing is sent yet.
    ///
    /// # Errors
    /// A secret that is not there, a name that is none, an endpoint that cannot be used.
    pub fn open(place: &Place<'_>) -> Result<Self> {
        bucket_name(place.bucket)?;
        // An error says that somebody installed one already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut hidden: Vec<Secret> =
            HIDDEN.iter().filter_map(|name| environment::variable(name)).map(Secret::new).collect();
        let mut builder = match &place.credentials {
            Some(credentials) => signed(credentials, &mut hidden)?,
            None if place.anonymous => AmazonS3Builder::new().with_skip_signature(true),
            None => AmazonS3Builder::from_env(),
        };
        let profile = if place.credentials.is_some() || place.anonymous { None } else { profile::read()? };
        let mut profile = profile.unwrap_or_default();
        if !SAYS_WHO.iter().any(|name| environment::variable(name).is_some()) {
            builder = as_profile(builder, &mut profile, &mut hidden);
        }
        let region = place.region.map(str::to_owned);
        let region = region.or_else(|| environment::variable("AWS_REGION"));
        let region = region.or_else(|| environment::variable("AWS_DEFAULT_REGION")).or(profile.region);
        if let Some(region) = region {
            builder = builder.with_region(region);
        }
        let said = |key| builder.get_config_value(&key);
        let from_environment =
            said(AmazonS3ConfigKey::S3Endpoint).or_else(|| said(AmazonS3ConfigKey::Endpoint));
        let endpoint = place.endpoint.map(str::to_owned).or(from_environment);
        let endpoint = endpoint.or_else(|| environment::variable("AWS_ENDPOINT_URL_S3"));
        let endpoint = endpoint.or_else(|| environment::variable("AWS_ENDPOINT_URL")).or(profile.endpoint);
        let path_style = place.path_style.unwrap_or(endpoint.is_some() || place.bucket.contains('.'));
        let storage = match &endpoint {
            Some(endpoint) => storage(endpoint)?,
            None => Storage { host: "amazonaws.com".to_owned(), port: None },
        };
        if let Some(endpoint) = &endpoint {
            let address = if path_style { endpoint.clone() } else { hosted(endpoint, place.bucket) };
            builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, address);
        }
        let heard = Arc::new(Heard::new(hidden));
        let authorities = environment::variable("AWS_CA_BUNDLE").or(profile.authorities);
        let authorities = authorities.as_deref().map(trusted).transpose()?;
        let connector = Connector { storage, timeout: place.timeout, authorities, heard: Arc::clone(&heard) };
        let retry =
            RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, retry_timeout: place.timeout };
        let store = builder
            .with_bucket_name(place.bucket)
            .with_virtual_hosted_style_request(!path_style)
            .with_retry(retry)
            .with_http_connector(connector)
            .build()
            .map_err(|error| wrong(&heard.scrubbed(&error.to_string())))?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::io("no runtime for S3 could be started", error))?;
        Ok(Self { store, heard, timeout: place.timeout, runtime: Some(runtime) })
    }

    /// Everything under a prefix; the bucket's objects where it is empty.
    ///
    /// # Errors
    /// See [`Kind`].
    pub fn list(&self, prefix: &str) -> Result<Listing, Failure> {
        self.run(async {
            let (mut listing, mut token) = (Listing::default(), None);
            for _ in 0..PAGES {
                let options = PaginatedListOptions { page_token: token, ..Default::default() };
                let under = Some(prefix).filter(|prefix| !prefix.is_empty());
                let page = self.store.list_paginated(under, options).await;
                let page = page.map_err(|error| self.heard.failure(&error))?;
                for object in page.result.objects {
                    listing.objects += 1;
                    listing.bytes = listing.bytes.saturating_add(object.size);
                    if listing.newest.as_ref().is_none_or(|(newest, _)| object.last_modified > *newest) {
                        listing.newest = Some((object.last_modified, object.location.to_string()));
                    }
                }
                token = page.page_token;
                if token.is_none() {
                    return Ok(listing);
                }
            }
            Err(Failure::new(Kind::TooMany, format!("more than {} objects", listing.objects)))
        })
    }

    /// What is known of an object; `None` where there is none of this name.
    ///
    /// # Errors
    /// See [`Kind`].
    pub fn head(&self, key: &str) -> Result<Option<Head>, Failure> {
        let path = Path::parse(key).map_err(|error| {
            Failure::new(Kind::Other, format!("this is no key that can be asked for: {error}"))
        })?;
        self.run(async {
            let head = GetOptions::new().with_head(true);
            let failure = match self.store.get_opts(&path, head).await {
                Ok(found) => {
                    return Ok(Some(Head { bytes: found.meta.size, modified: found.meta.last_modified }));
                }
                Err(error) => self.heard.failure(&error),
            };
            if !failure.is_mute() {
                return Err(failure);
            }
            // The answer to HEAD has no body that would say why; the answer to GET has. One byte is asked for.
            let byte = GetOptions { range: Some(GetRange::Bounded(0..1)), ..GetOptions::new() };
            match self.store.get_opts(&path, byte).await {
                Ok(_) => Err(failure),
                Err(error) => match self.heard.failure(&error) {
                    told if told.kind == Kind::NoObject => Ok(None),
                    told => Err(told),
                },
            }
        })
    }

    fn run<T>(&self, asking: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let Some(runtime) = &self.runtime else {
            return Err(Failure::new(Kind::Other, "the bucket was closed".to_owned()));
        };
        let limited = async { tokio::time::timeout(self.timeout, asking).await };
        runtime.block_on(limited).unwrap_or_else(|_| Err(self.heard.late(self.timeout)))
    }
}

fn signed(credentials: &Credentials<'_>, hidden: &mut Vec<Secret>) -> Result<AmazonS3Builder> {
    let key = credentials.access_key.resolve()?;
    let secret = credentials.secret_key.resolve()?;
    let mut builder =
        AmazonS3Builder::new().with_access_key_id(key.expose()).with_secret_access_key(secret.expose());
    if let Some(token) = credentials.session_token {
        let token = token.resolve()?;
        builder = builder.with_token(token.expose());
        hidden.push(token);
    }
    hidden.extend([key, secret]);
    Ok(builder)
}

/// As whom a profile asks, where it says so.
fn as_profile(builder: AmazonS3Builder, profile: &mut Profile, hidden: &mut Vec<Secret>) -> AmazonS3Builder {
    let mut builder = builder;
    if let Some((key, secret)) = profile.keys.take() {
        builder = builder.with_access_key_id(key.expose()).with_secret_access_key(secret.expose());
        if let Some(token) = profile.session_token.take() {
            builder = builder.with_token(token.expose());
            hidden.push(token);
        }
        hidden.extend([key, secret]);
    } else if let Some((file, role)) = profile.web_identity.take() {
        builder = builder
            .with_config(AmazonS3ConfigKey::WebIdentityTokenFile, file)
            .with_config(AmazonS3ConfigKey::RoleArn, role);
    }
    builder
}

/// The certificates of AWS_CA_BUNDLE, which are trusted in place of the system's.
fn trusted(file: &str) -> Result<Vec<reqwest::Certificate>> {
    let pem = read_limited(std::path::Path::new(file), CERTIFICATES)?;
    let read = reqwest::Certificate::from_pem_bundle(&pem).ok().filter(|all| !all.is_empty());
    read.ok_or_else(|| {
        let what = format!("{} (AWS_CA_BUNDLE) holds no certificates", file.escape_debug());
        Error::new(ErrorCode::InvalidConfiguration, what)
            .hint("it has to be PEM: -----BEGIN CERTIFICATE-----")
    })
}

/// Names of buckets: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>. They go into the
/// host of addresses.
fn bucket_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if (3..=255).contains(&name.len()) && name.chars().all(fits) && !name.starts_with('.') {
        return Ok(());
    }
    let what = format!("`{}` cannot be the name of a bucket", name.escape_debug());
    Err(Error::new(ErrorCode::InvalidConfiguration, what)
        .hint("letters, digits, `-` and `.`, at least three"))
}

fn storage(endpoint: &str) -> Result<Storage> {
    let url = reqwest::Url::parse(endpoint).map_err(|_| wrong("the endpoint is no address"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("the endpoint is no http or https address"));
    }
    let host = url.host_str().ok_or_else(|| wrong("the endpoint names no host"))?;
    Ok(Storage { host: host.to_owned(), port: url.port_or_known_default() })
}

/// The endpoint with the bucket in its host.
fn hosted(endpoint: &str, bucket: &str) -> String {
    match endpoint.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{bucket}.{rest}"),
        None => endpoint.to_owned(),
    }
}

fn wrong(why: &str) -> Error {
    Error::new(ErrorCode::InvalidConfiguration, format!("the bucket cannot be asked: {why}"))
        .hint("endpoint: https://s3.example.org:9000, region: eu-central-1, access_key: and secret_key: as references")
}
