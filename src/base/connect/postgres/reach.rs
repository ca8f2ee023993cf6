//! How a PostgreSQL server is reached: from a connection string that is a secret, or from its parts. Nothing of a
//! secret is repeated in an error.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::{PostgresConfig, TlsMode};
use crate::base::{Error, ErrorCode, Result};

/// What is needed to connect.
pub struct Reach {
    /// Where, and as whom.
    pub config: Config,
    /// Whether it is encrypted, and whether it is proven who answers.
    pub tls: TlsMode,
    /// The certificates that are trusted; those of the machine otherwise.
    pub roots: Option<PathBuf>,
}

/// Reads the configuration and fetches its secrets.
///
/// # Errors
/// A secret that is not there, and a connection string that cannot be read (without repeating it).
pub fn reach(configured: &PostgresConfig) -> Result<Reach> {
    let (mut config, mut tls, mut roots) = (Config::new(), None, None);
    if let Some(reference) = &configured.url {
        let secret = reference.resolve()?;
        let taken = take_tls(secret.expose());
        tls = taken.mode;
        roots = taken.roots;
        let unreadable = || {
            // The parser's own words could repeat a part of the string.
            Error::new(ErrorCode::InvalidConfiguration, format!("the connection string in `{reference}` cannot be read"))
                .hint("postgresql://user:password@host:5432/database?sslmode=verify-full; encode `@`, `/` and `:` in a password as %40, %2F and %3A")
        };
        if taken.unknown_mode {
            return Err(unreadable().hint("sslmode is disable, prefer, require or verify-full"));
        }
        config = taken.text.parse().map_err(|_| unreadable())?;
    }
    if let Some(host) = &configured.host {
        config.host(host);
    }
    if let Some(port) = configured.port {
        config.port(port);
    }
    if let Some(user) = &configured.user {
        config.user(user);
    }
    if let Some(database) = &configured.database {
        config.dbname(database);
    }
    if let Some(password) = &configured.password {
        config.password(password.resolve()?.expose());
    }
    if config.get_hosts().is_empty() {
        return Err(Error::new(ErrorCode::InvalidConfiguration, "`postgres:` names no host")
            .hint("{postgres: {url: env:DATABASE_URL}} or {postgres: {host: …, user: …, database: …}}"));
    }
    let tls = configured.tls.or(tls).unwrap_or(TlsMode::Prefer);
    config.ssl_mode(match tls {
        TlsMode::Disable => SslMode::Disable,
        TlsMode::Prefer => SslMode::Prefer,
        TlsMode::Require | TlsMode::VerifyFull => SslMode::Require,
    });
    config.application_name("irctl").keepalives_idle(std::time::Duration::from_secs(10));
    Ok(Reach { config, tls, roots: configured.root_certificate.clone().or(roots) })
}

/// What a connection string says of TLS, and the rest of it.
struct Taken {
    text: String,
    mode: Option<TlsMode>,
    roots: Option<PathBuf>,
    unknown_mode: bool,
}

/// Takes out what the client library does not know: `sslmode=verify-full` and `sslrootcert`.
fn take_tls(text: &str) -> Taken {
    let mut taken = Taken { text: String::new(), mode: None, roots: None, unknown_mode: false };
    let mut note = |setting: &str| -> bool {
        if let Some(mode) = setting.strip_prefix("sslmode=") {
            taken.mode = match mode.trim_matches('\'') {
                "disable" => Some(TlsMode::Disable),
                "allow" | "prefer" => Some(TlsMode::Prefer),
                "require" => Some(TlsMode::Require),
                "verify-ca" | "verify-full" => Some(TlsMode::VerifyFull),
                _ => None,
            };
            taken.unknown_mode = taken.mode.is_none();
            true
        } else if let Some(path) = setting.strip_prefix("sslrootcert=") {
            let path = path.trim_matches('\'');
            taken.roots =
                (path != "system").then(|| PathBuf::from(path.replace("%2F", "/").replace("%2f", "/")));
            true
        } else {
            false
        }
    };
    let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
    if is_url {
        let (address, query) = text.split_once('?').unwrap_or((text, ""));
        let rest: Vec<_> = query.split('&').filter(|setting| !note(setting)).collect();
        let query = rest.join("&");
        taken.text = if query.is_empty() { address.to_owned() } else { format!("{address}?{query}") };
    } else if text.contains("sslmode=") || text.contains("sslrootcert=") {
        let rest: Vec<_> = text.split_whitespace().filter(|setting| !note(setting)).collect();
        taken.text = rest.join(" ");
    } else {
        taken.text = text.to_owned();
    }
    taken
}

/// What encrypts the connection.
pub(super) fn encryption(tls: TlsMode, roots: Option<&Path>) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(ring::default_provider());
    if tls != TlsMode::VerifyFull {
        return Ok(MakeRustlsConnect::new(
            builder(&provider)?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
                .with_no_client_auth(),
        ));
    }
    let Some(path) = roots else {
        // It reads the process's provider; another one that was installed before does as well.
        let _ = ring::default_provider().install_default();
        return MakeRustlsConnect::with_native_certs().map(|(connect, _)| connect).map_err(|_| {
            Error::new(ErrorCode::InvalidConfiguration, "this machine has no certificates that are trusted")
                .hint("install ca-certificates, or name a file: `root_certificate: …`")
        });
    };
    let unreadable = |why: String| {
        let what = format!("the certificates in {} cannot be read: {why}", path.display());
        Error::new(ErrorCode::InvalidConfiguration, what).hint("it must hold certificates as PEM")
    };
    let mut store = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        store.add(certificate).map_err(|error| unreadable(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(unreadable("there is none".to_owned()));
    }
    Ok(MakeRustlsConnect::new(builder(&provider)?.with_root_certificates(store).with_no_client_auth()))
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;

fn builder(provider: &Arc<CryptoProvider>) -> Result<Builder> {
    ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorCode::Bug, format!("TLS cannot be set up: {error}")))
}

/// Encrypts without asking who answers, as `sslmode=require` does everywhere.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SecretReference;

    fn from(url: &str) -> Result<Reach> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), url).unwrap();
        let url = Some(SecretReference::File(file.path().to_path_buf()));
        reach(&PostgresConfig { url, ..PostgresConfig::default() })
    }

    #[test]
    fn what_the_string_says_of_tls_is_heeded() {
        for (query, mode, roots) in [
            ("", TlsMode::Prefer, None),
            ("?sslmode=require", TlsMode::Require, None),
            ("?sslmode=verify-full&sslrootcert=/a/b.pem", TlsMode::VerifyFull, Some("/a/b.pem")),
            ("?connect_timeout=3&sslmode=disable", TlsMode::Disable, None),
        ] {
            let reach = from(&format!("postgresql://ada:pw@db.example.org:6543/acis{query}")).unwrap();
            assert_eq!(reach.tls, mode, "{query}");
            assert_eq!(reach.roots.as_deref(), roots.map(Path::new), "{query}");
            assert_eq!(reach.config.get_dbname(), Some("acis"));
            assert_eq!(reach.config.get_ports(), [6543]);
        }
        let reach = from("host=db.example.org user=ada sslmode=verify-full").unwrap();
        assert_eq!((reach.tls, reach.config.get_user()), (TlsMode::VerifyFull, Some("ada")));
    }

    #[test]
    fn no_part_of_the_string_is_repeated() {
        for url in [
            "postgresql://ada:hunter2@db.example.org:hunter2/acis",
            "postgresql://ada:hunter2@db.example.org/acis?sslmode=hunter2",
            "postgresql://ada@db.example.org/acis?hunter2=hunter2",
            "password=hunter2",
            "hunter2",
        ] {
            let Err(error) = from(url) else { panic!("{url} is taken") };
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
            assert_eq!(error.code, ErrorCode::InvalidConfiguration);
        }
    }

    #[test]
    fn certificates_that_are_none_are_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = |path: &Path| encryption(TlsMode::VerifyFull, Some(path)).err().unwrap();
        assert!(refused(file.path()).message.contains("there is none"));
        assert!(refused(Path::new("/nonexistent")).hint.is_some());
        assert!(encryption(TlsMode::Require, None).is_ok());
    }
}
