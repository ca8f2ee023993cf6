//! Short-lived certificates of an authority of their own, made with openssl.

use chrono::{DateTime, Utc};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

const SETTINGS: &str = "\
[ca]
default_ca = this
[this]
database = index.txt
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[leaf]
basicConstraints = CA:FALSE
subjectAltName = IP:127.0.0.1, DNS:localhost
";

/// An authority in a folder that goes away.
pub struct Authority {
    directory: tempfile::TempDir,
}

impl Authority {
    /// A new one, whom nobody trusts yet.
    pub fn new() -> Self {
        let authority = Self { directory: tempfile::tempdir().unwrap() };
        std::fs::write(authority.directory.path().join("settings"), SETTINGS).unwrap();
        std::fs::write(authority.directory.path().join("index.txt"), "").unwrap();
        std::fs::write(authority.directory.path().join("serial"), "01\n").unwrap();
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let subject =
            ["-x509", "-days", "2", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem"];
        authority.openssl(&[&["req"], &curve[..], &subject[..]].concat());
        let subject = ["-subj", "/CN=localhost", "-keyout", "leaf.key", "-out", "leaf.csr"];
        authority.openssl(&[&["req"], &curve[..], &subject[..]].concat());
        authority
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(self.directory.path())
            .output()
            .expect("openssl is needed: apt-get install openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Its own certificate.
    pub fn pem(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A server for localhost with a certificate that is valid between these instants.
    pub fn server(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Arc<rustls::ServerConfig> {
        let instant = |at: DateTime<Utc>| at.format("%Y%m%d%H%M%SZ").to_string();
        let (from, until) = (instant(from), instant(until));
        let files = ["-config", "settings", "-in", "leaf.csr", "-out", "leaf.pem", "-extensions", "leaf"];
        let dates = ["-startdate", &from, "-enddate", &until];
        self.openssl(&[&["ca", "-batch", "-notext"], &files[..], &dates[..]].concat());
        let certificate = CertificateDer::from_pem_file(self.directory.path().join("leaf.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(self.directory.path().join("leaf.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Arc::new(config)
    }
}
