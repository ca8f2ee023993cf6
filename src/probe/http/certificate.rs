//! The certificate that a server shows in its handshake, seen also where it is refused: one that has expired is refused,
//! and is just what somebody wants to know.

use chrono::{DateTime, Utc};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::base::clock::format_instant;
use crate::probe::Outcome;

/// Judges certificates as usual, and remembers which ones it was shown.
#[derive(Debug)]
pub(super) struct Witness {
    judge: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
    shown: Mutex<BTreeMap<String, Shown>>,
}

#[derive(Debug, Clone)]
struct Shown {
    certificate: Vec<u8>,
    /// Those that it came with.
    chain: Vec<Vec<u8>>,
}

/// What a server showed.
pub(super) struct Seen(Shown);

impl Witness {
    /// One that trusts whom the system trusts.
    pub fn of_the_system() -> Result<Arc<Self>, String> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let none = "https is not possible here: install the system's certificates (Debian, Ubuntu: apt-get install \
                    ca-certificates)";
        if roots.is_empty() { Err(none.to_owned()) } else { Self::trusting(roots) }
    }

    /// One that trusts the certificates of a PEM file, and no others.
    pub fn of(pem: &[u8]) -> Result<Arc<Self>, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| format!("it is not PEM: {error}"))?;
            roots.add(certificate).map_err(|error| format!("a certificate cannot be read: {error}"))?;
        }
        if roots.is_empty() { Err("it holds no certificate".to_owned()) } else { Self::trusting(roots) }
    }

    fn trusting(roots: RootCertStore) -> Result<Arc<Self>, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let judge = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let judge = judge.build().map_err(|error| format!("https is not possible here: {error}"))?;
        Ok(Arc::new(Self { judge, provider, shown: Mutex::default() }))
    }

    /// A configuration for connections that it watches. None resumes an earlier one: that would show no certificate.
    pub fn config(self: &Arc<Self>) -> ClientConfig {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)
            .unwrap_or_else(|_| ClientConfig::builder())
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(self) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        config
    }

    /// What the host of that name showed last.
    pub fn seen(&self, host: &str) -> Option<Seen> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned().map(Seen)
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = Shown {
            certificate: certificate.to_vec(),
            chain: chain.iter().map(|certificate| certificate.to_vec()).collect(),
        };
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_str().into_owned(), shown);
        self.judge.verify_server_cert(certificate, chain, host, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

impl Seen {
    /// Days from now until it expires; 0 once it has. One that is not yet valid is undecided.
    pub fn days_left(&self, now: DateTime<Utc>, outcome: &mut Outcome) -> Result<f64, String> {
        let (from, until) = validity(&self.0.certificate)?;
        outcome.fact("certificate", format!("{} to {}", format_instant(from), format_instant(until)));
        if from > now {
            return Err(format!("the certificate is valid from {} only", format_instant(from)));
        }
        let first = self.0.chain.iter().filter_map(|one| validity(one).ok()).map(|(_, until)| until).min();
        if let Some(first) = first.filter(|first| *first < until) {
            let why = "another certificate of its chain expires before it does";
            outcome.problem(None, format!("{why}: {}", format_instant(first)));
        }
        if until <= now {
            outcome.problem(None, format!("the certificate expired: {}", format_instant(until)));
            return Ok(0.0);
        }
        #[expect(clippy::cast_precision_loss, reason = "milliseconds until the year 9999")]
        Ok((until - now).num_milliseconds() as f64 / 86_400_000.0)
    }
}

/// The instants between which a certificate is valid.
fn validity(certificate: &[u8]) -> Result<(DateTime<Utc>, DateTime<Utc>), String> {
    let certificate = Certificate::from_der(certificate)
        .map_err(|error| format!("the certificate cannot be read: {error}"))?;
    let validity = certificate.tbs_certificate.validity;
    let instant = |time: x509_cert::time::Time| {
        let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok();
        let instant = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        instant.ok_or_else(|| "the certificate's dates cannot be read".to_owned())
    };
    Ok((instant(validity.not_before)?, instant(validity.not_after)?))
}
