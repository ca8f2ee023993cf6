//! Why a bucket says nothing, each in its own words and with its own way out.

use crate::base::{Error, ErrorCode};

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nobody says who asks: no key, no role.
    NoCredentials,
    /// The session of whoever asks has ended.
    Expired,
    /// There is no such access key, or its token is not one.
    UnknownKey,
    /// The secret does not belong to the access key.
    WrongSecret,
    /// Whoever asks may not.
    Denied,
    /// There is no such bucket.
    NoBucket,
    /// There is no such object.
    NoObject,
    /// The clocks here and there are too far apart.
    Skewed,
    /// The bucket is in another region.
    Region,
    /// Nobody is reached.
    Network,
    /// There is no answer in time.
    TimedOut,
    /// The server cannot now.
    Overloaded,
    /// There are more objects than are listed.
    TooMany,
    /// Who answers does not speak S3.
    NotS3,
    /// Something else.
    Other,
}

impl Kind {
    /// From the code that S3 gives an error, and the status of HTTP where it gives none. The codes are those of
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>, those of STS among them.
    pub fn of(code: Option<&str>, status: u16) -> Self {
        match code {
            Some("ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "RequestExpired") => {
                Kind::Expired
            }
            Some(
                "InvalidAccessKeyId"
                | "InvalidToken"
                | "InvalidClientTokenId"
                | "NotSignedUp"
                | "UnrecognizedClientException"
                | "InvalidIdentityToken",
            ) => Kind::UnknownKey,
            Some("SignatureDoesNotMatch") => Kind::WrongSecret,
            Some(
                "AccessDenied"
                | "AllAccessDisabled"
                | "AccountProblem"
                | "AccessDeniedException"
                | "UnauthorizedAccess"
                | "InvalidObjectState",
            ) => Kind::Denied,
            Some("NoSuchBucket") => Kind::NoBucket,
            Some("NoSuchKey") => Kind::NoObject,
            Some("RequestTimeTooSkewed") => Kind::Skewed,
            Some(
                "PermanentRedirect"
                | "TemporaryRedirect"
                | "Redirect"
                | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException",
            ) => Kind::Region,
            Some("SlowDown" | "ServiceUnavailable" | "InternalError" | "Busy" | "RequestTimeout") => {
                Kind::Overloaded
            }
            Some(_) => Kind::Other,
            None => match status {
                301 | 302 | 307 | 308 => Kind::Region,
                401 | 403 => Kind::Denied,
                429 | 500..=599 => Kind::Overloaded,
                _ => Kind::Other,
            },
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Kind::NoCredentials => "no credentials for S3 are found",
            Kind::Expired => "the credentials for S3 have expired",
            Kind::UnknownKey => "S3 does not know the access key",
            Kind::WrongSecret => "the secret key does not belong to the access key",
            Kind::Denied => "S3 denies access",
            Kind::NoBucket => "there is no such bucket",
            Kind::NoObject => "there is no such object",
            Kind::Skewed => "the clock here and the clock of S3 are too far apart",
            Kind::Region => "the bucket is in another region, or at another address",
            Kind::Network => "S3 cannot be reached",
            Kind::TimedOut => "S3 does not answer in time",
            Kind::Overloaded => "S3 cannot answer now",
            Kind::TooMany => "there are too many objects to list",
            Kind::NotS3 => "who answers does not speak S3",
            Kind::Other => "S3 does not do what it was asked",
        }
    }

    /// The way out.
    pub const fn hint(self) -> &'static str {
        match self {
            Kind::NoCredentials => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write `access_key:` and `secret_key:` as references; \
                 `anonymous: true` asks without"
            }
            Kind::Expired => {
                "log in again (`aws sso login`, `aws sts …`), and renew AWS_SESSION_TOKEN or `session_token:`"
            }
            Kind::UnknownKey => "see whether the key was deleted, and whether it is one of this server",
            Kind::WrongSecret => "copy the secret key again; the access key exists",
            Kind::Denied => {
                "allow s3:ListBucket on the bucket for lists, and s3:GetObject on the object; without s3:ListBucket S3 also \
                 says this of an object that does not exist"
            }
            Kind::NoBucket => {
                "see the spelling of `bucket:`, and whether `endpoint:` is the server that has it"
            }
            Kind::NoObject => "see the spelling of the key; `/` at its beginning is a part of it",
            Kind::Skewed => {
                "set this machine's clock by NTP (`timedatectl`); ages that it measures are wrong as well"
            }
            Kind::Region => "write the bucket's `region:`, and `endpoint:` where it is not AWS",
            Kind::Network => {
                "see whether `endpoint:` is right and can be reached from here (name, port, proxy, TLS)"
            }
            Kind::TimedOut => "raise `timeout:`, or narrow the prefix",
            Kind::Overloaded => "it passes, or its operator knows; the next round asks again",
            Kind::TooMany => "narrow the prefix",
            Kind::NotS3 => "see whether `endpoint:` leads to S3, and not to a proxy's or a login page",
            Kind::Other => "see the documentation of the server for what it says",
        }
    }

    const fn code(self) -> ErrorCode {
        match self {
            Kind::NoCredentials => ErrorCode::SecretUnavailable,
            Kind::Expired | Kind::UnknownKey | Kind::WrongSecret | Kind::Denied | Kind::Skewed => {
                ErrorCode::NotPermitted
            }
            Kind::NoBucket | Kind::NoObject => ErrorCode::NotFound,
            Kind::Region => ErrorCode::InvalidConfiguration,
            Kind::Network | Kind::Overloaded => ErrorCode::Unavailable,
            Kind::TimedOut => ErrorCode::TimedOut,
            Kind::TooMany | Kind::NotS3 | Kind::Other => ErrorCode::InvalidData,
        }
    }
}

/// Why a bucket says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong.
    pub kind: Kind,
    /// What is known beyond that; no secrets, and escaped.
    pub detail: String,
    /// Whether the server could not say why: an answer without a body.
    mute: bool,
}

impl Failure {
    /// A failure.
    pub fn new(kind: Kind, detail: String) -> Self {
        Self { kind, detail, mute: false }
    }

    /// A failure of which only the status is known.
    pub fn mute(status: u16) -> Self {
        Self { kind: Kind::of(None, status), detail: format!("HTTP {status}"), mute: true }
    }

    /// Whether the server could not say why.
    pub fn is_mute(&self) -> bool {
        self.mute
    }

    /// As an error of a bucket.
    pub fn into_error(self, bucket: &str) -> Error {
        let detail = if self.detail.is_empty() { String::new() } else { format!(" ({})", self.detail) };
        let what = format!("bucket {}: {}{detail}", bucket.escape_debug(), self.kind.words());
        Error::new(self.kind.code(), what).hint(self.kind.hint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart() {
        let kinds = [
            ("ExpiredToken", 400, Kind::Expired),
            ("InvalidAccessKeyId", 403, Kind::UnknownKey),
            ("SignatureDoesNotMatch", 403, Kind::WrongSecret),
            ("AccessDenied", 403, Kind::Denied),
            ("NoSuchBucket", 404, Kind::NoBucket),
            ("NoSuchKey", 404, Kind::NoObject),
            ("RequestTimeTooSkewed", 403, Kind::Skewed),
            ("PermanentRedirect", 301, Kind::Region),
            ("SlowDown", 503, Kind::Overloaded),
            ("MethodNotAllowed", 405, Kind::Other),
        ];
        let mut words = std::collections::BTreeSet::new();
        for (code, status, kind) in kinds {
            assert_eq!(Kind::of(Some(code), status), kind, "{code}");
            let error = Failure::new(kind, String::new()).into_error("b");
            assert!(words.insert(error.message.clone()), "{} twice", error.message);
            assert!(error.hint.is_some());
        }
        assert_eq!(Kind::of(None, 403), Kind::Denied);
        assert_eq!(Kind::of(None, 503), Kind::Overloaded);
        assert_eq!(Kind::of(None, 404), Kind::Other, "a bucket or an object: not known which");
    }
}
