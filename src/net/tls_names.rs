//! Which certificate a TLS server shows: one by the host name that the client asked for (SNI, RFC 6066 §3), or the
//! default. Files that change are read again, and taken when all of them are right together.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::tls::{TlsError, certificates, private_key, wrong};
use crate::config::TlsFiles;

/// The certificates of a server.
#[derive(Debug, Clone)]
pub struct NamedCertificates {
    /// Shown to who asks for no name, or for one that is not here.
    pub default: TlsFiles,
    /// Host names, without case, and what is shown for them.
    pub named: Vec<(Vec<String>, TlsFiles)>,
}

/// Shows certificates by name.
#[derive(Debug)]
pub(super) struct Names {
    files: NamedCertificates,
    shown: RwLock<Arc<Shown>>,
}

/// A set that was read, whole.
#[derive(Debug)]
struct Shown {
    default: Arc<CertifiedKey>,
    named: HashMap<String, Arc<CertifiedKey>>,
    stamps: Vec<Option<Stamp>>,
}

/// What changes with a file.
type Stamp = (SystemTime, u64);

impl Names {
    /// Blocking.
    pub(super) fn read(files: NamedCertificates, provider: &CryptoProvider) -> Result<Self, TlsError> {
        let shown = Shown::read(&files, provider)?;
        Ok(Self { files, shown: RwLock::new(Arc::new(shown)) })
    }

    /// Reads the files again when one has changed; whether it did. What cannot be used changes nothing. Blocking.
    pub(super) fn refresh(&self, provider: &CryptoProvider) -> Result<bool, TlsError> {
        if stamps(&self.files) == self.shown().stamps {
            return Ok(false);
        }
        let fresh = Arc::new(Shown::read(&self.files, provider)?);
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(true)
    }

    fn shown(&self) -> Arc<Shown> {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.shown();
        let named = hello.server_name().and_then(|name| shown.named.get(&name.to_ascii_lowercase()));
        Some(named.unwrap_or(&shown.default).clone())
    }
}

impl Shown {
    fn read(files: &NamedCertificates, provider: &CryptoProvider) -> Result<Self, TlsError> {
        // Before the files: a change while they are read is found at the next look.
        let stamps = stamps(files);
        let default = Arc::new(certified(&files.default, provider)?);
        let mut named = HashMap::new();
        for (hosts, files) in &files.named {
            let key = Arc::new(certified(files, provider)?);
            named.extend(hosts.iter().map(|host| (host.to_ascii_lowercase(), key.clone())));
        }
        Ok(Self { default, named, stamps })
    }
}

fn certified(files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = provider
        .key_provider
        .load_private_key(private_key(&files.key)?)
        .map_err(|error| wrong(&files.key, format!("cannot be used: {error}")))?;
    let certified = CertifiedKey::new(chain, key);
    certified
        .keys_match()
        .map_err(|error| wrong(&files.certificate, format!("does not work with its key: {error}")))?;
    Ok(certified)
}

fn stamps(files: &NamedCertificates) -> Vec<Option<Stamp>> {
    let pairs = std::iter::once(&files.default).chain(files.named.iter().map(|(_, files)| files));
    let paths = pairs.flat_map(|files| [&files.certificate, &files.key]);
    paths.map(stamp).collect()
}

fn stamp(path: &PathBuf) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Looks for changed files every `interval` until `stop`.
pub(super) async fn watch(
    names: Arc<Names>,
    provider: Arc<CryptoProvider>,
    interval: Duration,
    stop: CancellationToken,
) {
    let mut told = None;
    while stop.run_until_cancelled(tokio::time::sleep(interval)).await.is_some() {
        let (look, with) = (names.clone(), provider.clone());
        match tokio::task::spawn_blocking(move || look.refresh(&with)).await {
            Ok(Ok(true)) => {
                told = None;
                info!("Certificates have changed: new connections are shown the new ones");
            }
            Ok(Ok(false)) => {}
            Ok(Err(problem)) => {
                let problem = problem.to_string();
                // A pair is often replaced one file after the other: once is enough.
                if told.as_ref() != Some(&problem) {
                    error!(problem, "Changed certificates cannot be used, the old ones stay: {problem}");
                    told = Some(problem);
                }
            }
            Err(failure) => error!(%failure, "Looking for changed certificates failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::domain::Timestamp;
    use crate::net::certificates;

    fn provider() -> CryptoProvider {
        rustls::crypto::aws_lc_rs::default_provider()
    }

    fn pair(directory: &Path, host: &str) -> TlsFiles {
        fs::create_dir_all(directory).unwrap();
        let now = Timestamp::from_seconds(1_795_456_800);
        certificates::load_or_create(directory, &[host.to_owned()], now).unwrap()
    }

    #[test]
    fn a_changed_pair_is_taken_and_half_a_change_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let files = pair(&directory.path().join("a"), "a.example");
        let other = pair(&directory.path().join("b"), "b.example");
        let set = NamedCertificates { default: files.clone(), named: vec![(vec!["B.example".into()], other.clone())] };
        let names = Names::read(set, &provider()).unwrap();
        let before = names.shown().default.cert.clone();
        assert!(names.shown().named.contains_key("b.example"));
        assert!(!names.refresh(&provider()).unwrap());

        fs::write(&files.certificate, [&fs::read(&other.certificate).unwrap()[..], b"\n"].concat()).unwrap();
        assert!(names.refresh(&provider()).unwrap_err().to_string().contains("does not work with its key"));
        assert_eq!(names.shown().default.cert, before);

        fs::write(&files.key, fs::read(&other.key).unwrap()).unwrap();
        assert!(names.refresh(&provider()).unwrap());
        assert_ne!(names.shown().default.cert, before);
    }
}
