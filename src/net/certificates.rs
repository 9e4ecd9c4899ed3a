//! Certificates that the gateway makes itself: one that vouches for itself, so that FTP over TLS can be served before
//! anyone bought a certificate, and a small authority for `try`, so that clients can verify what they talk to.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::tls::TlsError;
use crate::config::TlsFiles;
use crate::domain::Timestamp;

/// How long a certificate that vouches for itself is good: nobody can renew it behind the partners' backs, since they
/// pin it.
const SELF_SIGNED_YEARS: i64 = 10;
/// How long those of the authority for `try` are.
const DEMO_DAYS: i64 = 365;
/// Some partners' clocks are behind.
const BACKDATED: i64 = 3_600;
const DAY: i64 = 86_400;

/// A certificate and its key, in PEM.
pub struct MadeCertificate {
    pub certificate: String,
    pub key: zeroize::Zeroizing<String>,
}

/// Where the certificate for `try` is, and who vouches for it.
pub struct DemoCertificate {
    pub files: TlsFiles,
    /// The authority's certificate: what clients are to trust.
    pub authority: std::path::PathBuf,
}

/// Makes a certificate for `hosts` (names or addresses) that vouches for itself: ECDSA on P-256.
pub fn self_signed(hosts: &[String], now: Timestamp) -> Result<MadeCertificate, rcgen::Error> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let certificate = server_params(hosts, now, SELF_SIGNED_YEARS * 365 * DAY)?.self_signed(&key)?;
    Ok(MadeCertificate { certificate: certificate.pem(), key: key.serialize_pem().into() })
}

/// The certificate in `directory`, made on first start; never made again over one that is there. Blocking.
pub fn load_or_create(directory: &Path, hosts: &[String], now: Timestamp) -> Result<TlsFiles, TlsError> {
    let files = TlsFiles { certificate: directory.join("ftp-cert.pem"), key: directory.join("ftp-key.pem") };
    match (files.certificate.exists(), files.key.exists()) {
        (true, true) => return Ok(files),
        (false, false) => {}
        // Half of a pair is an accident; a new pair would be one too, since partners pinned the old certificate.
        (true, false) => return Err(missing(&files.key, &files.certificate)),
        (false, true) => return Err(missing(&files.certificate, &files.key)),
    }
    let made = self_signed(hosts, now).map_err(|error| failed(&files.certificate, &error))?;
    // The key first: a crash in between leaves a key alone, and that is told.
    write_new(&files.key, &made.key)?;
    write_new(&files.certificate, &made.certificate)?;
    tracing::warn!(
        certificate = %files.certificate.display(),
        hosts = hosts.join(", "),
        "Made a certificate that vouches for itself; partners' programs will ask whether to trust it until you configure \
         one of an authority"
    );
    Ok(files)
}

/// Makes an authority and a certificate by it for `hosts` in `directory`, for `try`, or finds those of the start before.
/// The authority's key is never written. Blocking.
pub fn demo_ca(directory: &Path, hosts: &[String], now: Timestamp) -> Result<DemoCertificate, TlsError> {
    let files = TlsFiles { certificate: directory.join("demo-cert.pem"), key: directory.join("demo-key.pem") };
    let authority = directory.join("demo-ca.pem");
    if [&files.certificate, &files.key, &authority].iter().all(|path| path.exists()) {
        return Ok(DemoCertificate { files, authority });
    }
    let make = || -> Result<_, rcgen::Error> {
        let mut params = dated(CertificateParams::default(), now, DEMO_DAYS * DAY);
        params.distinguished_name = named("lucca-gateway demonstration authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let ca = params.self_signed(&ca_key)?;
        let issuer = Issuer::new(params, ca_key);
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut params = server_params(hosts, now, DEMO_DAYS * DAY)?;
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok((ca.pem(), certificate.pem(), zeroize::Zeroizing::new(key.serialize_pem())))
    };
    let (ca, certificate, key) = make().map_err(|error| failed(&files.certificate, &error))?;
    write_new(&files.key, &key)?;
    write_new(&files.certificate, &certificate)?;
    write_new(&authority, &ca)?;
    Ok(DemoCertificate { files, authority })
}

fn server_params(hosts: &[String], now: Timestamp, seconds: i64) -> Result<CertificateParams, rcgen::Error> {
    let mut params = dated(CertificateParams::new(hosts.to_vec())?, now, seconds);
    params.distinguished_name = named(hosts.first().map_or("lucca-gateway", String::as_str));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn dated(mut params: CertificateParams, now: Timestamp, seconds: i64) -> CertificateParams {
    let date = |seconds: i64| {
        let date = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::from_second(seconds).unwrap_or_default());
        let part = |number: i8| u8::try_from(number).unwrap_or(1);
        rcgen::date_time_ymd(i32::from(date.year()), part(date.month()), part(date.day()))
    };
    params.not_before = date(now.as_seconds() - BACKDATED);
    // Dates are whole days: one more, so that it never ends early.
    params.not_after = date(now.as_seconds() + seconds + DAY);
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// Writes a file that only its owner can read, and that is whole on the disk when this returns.
fn write_new(path: &Path, text: &str) -> Result<(), TlsError> {
    let write = || -> io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        path.parent().map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all())
    };
    write().map_err(|error| failed(path, &error))
}

fn missing(path: &Path, other: &Path) -> TlsError {
    TlsError {
        path: path.to_owned(),
        problem: format!(
            "is missing beside {}: restore it from a copy, or remove the other for a new pair",
            other.display()
        ),
    }
}

fn failed(path: &Path, error: &dyn std::error::Error) -> TlsError {
    TlsError { path: path.to_owned(), problem: format!("cannot be made: {error}") }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_456_800);

    #[test]
    fn the_first_start_makes_a_pair_that_later_starts_keep() {
        let directory = tempfile::tempdir().unwrap();
        let hosts = [String::from("files.example.net"), String::from("192.0.2.7")];
        let files = load_or_create(directory.path(), &hosts, NOW).unwrap();
        let first = fs::read(&files.certificate).unwrap();
        assert_eq!(fs::metadata(&files.key).unwrap().permissions().mode() & 0o777, 0o600);
        load_or_create(directory.path(), &hosts, NOW).unwrap();
        assert_eq!(fs::read(&files.certificate).unwrap(), first);
        super::super::tls::server_config(&files, &[]).unwrap();
    }

    #[test]
    fn half_a_pair_is_told_and_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let files = load_or_create(directory.path(), &[String::from("localhost")], NOW).unwrap();
        fs::remove_file(&files.key).unwrap();
        let error = load_or_create(directory.path(), &[String::from("localhost")], NOW).unwrap_err();
        assert!(error.to_string().contains("ftp-key.pem: is missing beside"), "{error}");
        assert!(!files.key.exists());
    }
}
