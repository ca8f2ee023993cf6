//! The `s3` probe: objects of a bucket. It only reads.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::prometheus::ServerAddress;
use super::server::{about, add};
use super::{Emits, Outcome, Request, VersionSource, file};
use crate::base::clock::format_instant;
use crate::base::connect::s3::{Bucket, Credentials, Failure, Head, Kind as FailureKind, Listing, Place};
use crate::base::{Duration, Error, ErrorCode, SecretReference, Unit, process};

/// How long all that is asked may take, where nothing else is said.
const TIMEOUT: Duration = Duration::seconds(30);

/// Objects of a bucket of S3, or of what speaks its language.
///
/// Expired credentials, no access, a bucket that is not there, a network that fails and clocks that are apart are told
/// apart; all of them leave what was looked at undecided. `NAME_unavailable` (flag) is whether it was refused or not
/// answered, undecided where nothing could be asked.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "S3Probe")]
pub struct S3Config {
    /// The bucket.
    pub bucket: String,
    /// What is looked at.
    pub look: S3Look,
    /// The server; AWS otherwise, or what AWS_ENDPOINT_URL says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<ServerAddress>,
    /// The region; AWS_REGION or AWS_DEFAULT_REGION otherwise, else us-east-1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Whether the bucket stands in the path of addresses and not in the host; with an `endpoint` it does otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_style: Option<bool>,
    /// Where the access key is kept. Without it the environment says who asks: AWS_ACCESS_KEY_ID and its like, a web
    /// identity, the role of the container or of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key: Option<SecretReference>,
    /// Where the secret key is kept that belongs to `access_key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<SecretReference>,
    /// Where the token of a session is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<SecretReference>,
    /// Asks without credentials.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anonymous: bool,
    /// How long all that is asked may take; 30s otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Metric names of its own for parts of it: `{s3_unavailable: unavailable}`. The others are called `NAME_…` as above.
    #[serde(default, skip_serializing_if = "Emits::is_empty")]
    pub emits: Emits,
}

/// What is looked at.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum S3Look {
    /// All objects under a prefix: `NAME_objects` (count), `NAME_size` (bytes) and `NAME_age` (days since the newest was
    /// written).
    List(ListLook),
    /// One object: `NAME_exists` (flag), `NAME_size` (bytes) and `NAME_age` (days since it was written).
    Object(ObjectLook),
}

/// All objects under a prefix.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListLook {
    /// What their keys begin with, `/` included; all objects of the bucket otherwise.
    #[serde(default)]
    pub prefix: String,
}

/// One object.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectLook {
    /// Its key.
    pub key: String,
}

/// What was seen.
enum Seen {
    List(Listing),
    Object(Option<Head>),
}

/// Why nothing was seen.
enum Unseen {
    /// Nothing could be asked: the configuration, or a secret.
    Unasked(Error),
    /// It was refused, or not answered.
    Refused(Failure),
}

impl From<Error> for Unseen {
    fn from(error: Error) -> Self {
        Unseen::Unasked(error)
    }
}

impl S3Config {
    fn look(&self) -> Result<Seen, Unseen> {
        let credentials = match (&self.access_key, &self.secret_key) {
            (Some(access_key), Some(secret_key)) => {
                Some(Credentials { access_key, secret_key, session_token: self.session_token.as_ref() })
            }
            (None, None) if self.session_token.is_none() => None,
            _ => {
                let what = "`access_key` and `secret_key` belong together, and `session_token` to them";
                let error = Error::new(ErrorCode::InvalidConfiguration, what)
                    .hint("write both, or neither and let the environment say who asks");
                return Err(error.into());
            }
        };
        let endpoint = self.endpoint.as_ref().map(ToString::to_string);
        let bucket = Bucket::open(&Place {
            bucket: &self.bucket,
            endpoint: endpoint.as_deref(),
            region: self.region.as_deref(),
            path_style: self.path_style,
            credentials,
            anonymous: self.anonymous,
            timeout: process::within(self.timeout.unwrap_or(TIMEOUT).to_std()),
        })?;
        let seen = match &self.look {
            S3Look::List(look) => bucket.list(&look.prefix).map(Seen::List),
            S3Look::Object(look) => bucket.head(&look.key).map(Seen::Object),
        };
        seen.map_err(Unseen::Refused)
    }
}

/// The metrics that it emits.
pub(super) fn metrics(name: &str, config: &S3Config) -> Vec<(String, Unit)> {
    let first = match config.look {
        S3Look::List(_) => (format!("{name}_objects"), Unit::Count),
        S3Look::Object(_) => (format!("{name}_exists"), Unit::Flag),
    };
    vec![
        first,
        (format!("{name}_size"), Unit::Bytes),
        (format!("{name}_age"), Unit::Days),
        (format!("{name}_unavailable"), Unit::Flag),
    ]
}

/// Whether S3 is to blame, or the way to it; `None` where it did what it was asked, or that cannot be told.
const fn unavailable(kind: FailureKind) -> Option<bool> {
    match kind {
        FailureKind::Expired
        | FailureKind::UnknownKey
        | FailureKind::WrongSecret
        | FailureKind::Denied
        | FailureKind::NoBucket
        | FailureKind::Network
        | FailureKind::TimedOut
        | FailureKind::Overloaded
        | FailureKind::NotS3 => Some(true),
        // It answered, and there is an object or there are too many.
        FailureKind::NoObject | FailureKind::TooMany => Some(false),
        // Nobody says who asks, this machine's clock is off, the region is written wrongly: not a word about S3.
        FailureKind::NoCredentials | FailureKind::Skewed | FailureKind::Region | FailureKind::Other => None,
    }
}

/// Measures.
pub(super) fn measure(name: &str, config: &S3Config, request: &Request<'_>) -> Outcome {
    let asked = match &config.look {
        S3Look::List(look) if look.prefix.is_empty() => ("prefix", "all objects".to_owned()),
        S3Look::List(look) => ("prefix", look.prefix.clone()),
        S3Look::Object(look) => ("object", look.key.clone()),
    };
    let server = config.endpoint.as_ref().map_or_else(|| "AWS".to_owned(), ToString::to_string);
    let facts = [("server", server), ("bucket", config.bucket.clone()), asked];
    let measured = match config.look() {
        Ok(Seen::List(listing)) => listed(name, request, &listing),
        Ok(Seen::Object(head)) => looked(name, request, head.as_ref()),
        Err(Unseen::Unasked(error)) => refused(name, config, request, &error, None),
        Err(Unseen::Refused(failure)) => {
            let unavailable = unavailable(failure.kind);
            refused(name, config, request, &failure.into_error(&config.bucket), unavailable)
        }
    };
    about(measured, &facts)
}

/// Nothing was seen; whether that is because it is unavailable, where that is known.
fn refused(
    name: &str,
    config: &S3Config,
    request: &Request<'_>,
    error: &Error,
    unavailable: Option<bool>,
) -> Outcome {
    let hint = error.hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})"));
    let mut outcome =
        Outcome::undecided(name, &metrics(name, config), request, format!("{}{hint}", error.message));
    if let Some(unavailable) = unavailable {
        let metric = format!("{name}_unavailable");
        outcome.samples.retain(|sample| sample.metric != metric);
        outcome.samples.push(request.sample(name, &metric, f64::from(u8::from(unavailable)), Unit::Flag));
        outcome.version_source = Some(VersionSource::Adopted);
    }
    outcome
}

/// The outcome of a look that was answered.
fn begun(name: &str, request: &Request<'_>) -> Outcome {
    let mut outcome = Outcome { version_source: Some(VersionSource::Adopted), ..Outcome::new(name) };
    outcome.samples.push(request.sample(name, &format!("{name}_unavailable"), 0.0, Unit::Flag));
    outcome
}

fn listed(name: &str, request: &Request<'_>, listing: &Listing) -> Outcome {
    let mut outcome = begun(name, request);
    outcome.fact("objects", listing.objects.to_string());
    let [objects, size, age] = ["objects", "size", "age"].map(|part| format!("{name}_{part}"));
    let mut sample = request.sample(name, &objects, number(listing.objects), Unit::Count);
    sample.rows = listing.objects;
    add(&mut outcome, sample);
    let Some((newest, key)) = &listing.newest else {
        let why = "there is no object under this prefix";
        add(&mut outcome, request.undecided(name, &size, Unit::Bytes, why));
        add(&mut outcome, request.undecided(name, &age, Unit::Days, why));
        return outcome;
    };
    outcome.fact("newest", format!("{key}, {}", format_instant(*newest)));
    sized(name, request, &mut outcome, listing.bytes, *newest);
    outcome
}

fn looked(name: &str, request: &Request<'_>, head: Option<&Head>) -> Outcome {
    let mut outcome = begun(name, request);
    let exists = f64::from(u8::from(head.is_some()));
    add(&mut outcome, request.sample(name, &format!("{name}_exists"), exists, Unit::Flag));
    if let Some(head) = head {
        outcome.fact("written", format_instant(head.modified));
        sized(name, request, &mut outcome, head.bytes, head.modified);
        return outcome;
    }
    for (part, unit) in [("size", Unit::Bytes), ("age", Unit::Days)] {
        let metric = format!("{name}_{part}");
        outcome.samples.push(request.undecided(name, &metric, unit, "there is no such object"));
    }
    outcome
}

/// The size and the age of what was written.
fn sized(name: &str, request: &Request<'_>, outcome: &mut Outcome, bytes: u64, written: DateTime<Utc>) {
    outcome.fact("size", format!("{bytes} bytes"));
    add(outcome, request.sample(name, &format!("{name}_size"), number(bytes), Unit::Bytes));
    let metric = format!("{name}_age");
    let sample = match file::age(written, request.now) {
        Ok(days) => request.sample(name, &metric, days, Unit::Days),
        Err(why) => request.undecided(name, &metric, Unit::Days, why),
    };
    add(outcome, sample);
}

#[expect(clippy::cast_precision_loss, reason = "no bucket holds 2^53 objects or bytes")]
fn number(count: u64) -> f64 {
    count as f64
}
