//! What a TLS server shows and accepts: TLS 1.2 and 1.3, suites with forward secrecy only, keys that nobody else can read.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::TlsFiles;

/// A certificate or key that cannot be used, for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct TlsError {
    pub path: PathBuf,
    pub problem: String,
}

/// TLS 1.2 and 1.3, forward secrecy only, from PEM files. Blocking.
pub fn server_config(files: &TlsFiles, alpn: &[&[u8]]) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    let certificates = certificates(&files.certificate)?;
    let key = private_key(&files.key)?;
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("the provider has suites for both versions")
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| wrong(&files.certificate, format!("does not work with its key: {error}")))?;
    config.ignore_client_order = true;
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

/// The cryptography. All its suites agree on a fresh key (ECDHE) for each connection.
///
/// AES with 128 bits comes before AES with 256: it is as safe for decades to come, its hash (SHA-256) has instructions of its
/// own on servers, and clients that send small files shake hands once for each.
pub(super) fn provider() -> rustls::crypto::CryptoProvider {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| !format!("{:?}", suite.suite()).contains("AES_128_GCM"));
    provider
}

pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(|error| not_pem(path, &error))?;
    if certificates.is_empty() {
        return Err(wrong(path, "holds no certificate: give a PEM file with \"-----BEGIN CERTIFICATE-----\""));
    }
    Ok(certificates)
}

pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let metadata = std::fs::metadata(path).map_err(|error| wrong(path, format!("cannot be read: {error}")))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(wrong(path, "can be read by others than its owner: chmod 600"));
    }
    let text = zeroize::Zeroizing::new(read(path)?);
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            wrong(path, "holds no private key: give a PEM file (PKCS#8, PKCS#1 or SEC1) that no passphrase protects")
        }
        error => not_pem(path, &error),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| wrong(path, format!("cannot be read: {error}")))
}

fn not_pem(path: &Path, error: &pem::Error) -> TlsError {
    wrong(path, format!("is not PEM: {error}"))
}

pub(super) fn wrong(path: &Path, problem: impl Into<String>) -> TlsError {
    TlsError { path: path.to_owned(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Fixture {
        directory: tempfile::TempDir,
        certificate: String,
        key: String,
    }

    fn fixture() -> Fixture {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        Fixture {
            directory: tempfile::tempdir().unwrap(),
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        }
    }

    impl Fixture {
        fn config(&self, certificate: &str, key: &str, mode: u32) -> Result<Arc<rustls::ServerConfig>, TlsError> {
            let files = TlsFiles {
                certificate: self.directory.path().join("cert.pem"),
                key: self.directory.path().join("key.pem"),
            };
            fs::write(&files.certificate, certificate).unwrap();
            fs::write(&files.key, key).unwrap();
            fs::set_permissions(&files.key, fs::Permissions::from_mode(mode)).unwrap();
            server_config(&files, &[b"h2"])
        }
    }

    #[test]
    fn a_certificate_with_its_key_serves() {
        let fixture = fixture();
        let config = fixture.config(&fixture.certificate, &fixture.key, 0o600).unwrap();
        assert_eq!(config.alpn_protocols, [b"h2".to_vec()]);
        for suite in &config.crypto_provider().cipher_suites {
            let name = format!("{:?}", suite.suite());
            assert!(name.starts_with("TLS13_") || name.contains("ECDHE"), "{name} has no forward secrecy");
        }
        let first = config.crypto_provider().cipher_suites[0].suite();
        assert_eq!((first, config.ignore_client_order), (rustls::CipherSuite::TLS13_AES_128_GCM_SHA256, true));
    }

    #[test]
    fn what_cannot_serve_is_told_with_the_file_and_what_would_be_right() {
        let (fixture, other) = (fixture(), fixture());
        for (certificate, key, mode, file, problem) in [
            (&fixture.certificate, &fixture.key, 0o640, "key.pem", "chmod 600"),
            (&fixture.certificate, &fixture.key, 0o604, "key.pem", "chmod 600"),
            (&fixture.key, &fixture.key, 0o600, "cert.pem", "holds no certificate"),
            (&fixture.certificate, &fixture.certificate, 0o600, "key.pem", "holds no private key"),
            (&fixture.certificate, &other.key, 0o600, "cert.pem", "does not work with its key"),
            (&"-----BEGIN CERTIFICATE-----\n%\n".to_owned(), &fixture.key, 0o600, "cert.pem", "is not PEM"),
        ] {
            let error = fixture.config(certificate, key, mode).unwrap_err();
            assert!(error.path.ends_with(file), "{error}");
            assert!(error.to_string().contains(problem), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let files = TlsFiles { certificate: "/nowhere/c.pem".into(), key: "/nowhere/k.pem".into() };
        assert!(server_config(&files, &[]).unwrap_err().to_string().starts_with("/nowhere/c.pem: cannot be read"));
    }
}
