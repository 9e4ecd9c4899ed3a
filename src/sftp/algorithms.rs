//! What the server negotiates, and how russh is set up.
//!
//! The lists hold what current clients and the old ones of payroll vendors share without a known weakness. MACs that
//! authenticate the ciphertext come first; the plain ones stay for clients built on libssh2 1.10.

use std::borrow::Cow;
use std::time::Duration;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::server::Config;
use russh::{Limits, MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac};

use crate::config::SftpSettings;
use crate::credentials::HostKeys;

/// How the server names itself: what runs here, not in which version.
const IDENTIFICATION: &str = "SSH-2.0-lucca-gateway";

/// How far a client may send ahead on a channel.
const WINDOW: u32 = 4 * 1024 * 1024;
/// The largest packet that a client may send.
const PACKET: u32 = 64 * 1024;
/// Messages to the session loop that may wait: replies, by pieces of at most 64 KiB.
const EVENTS: usize = 64;
/// Keepalives that may stay unanswered.
const KEEPALIVES: usize = 3;
/// Far more than `access` lets pass: the bound for what it does not see, such as wrong signatures.
const ATTEMPTS: usize = 64;
/// russh refuses longer ways between two key exchanges; chacha20-poly1305 should not go further (RFC 4253 §9).
const LONGEST_REKEY_MIB: u64 = 1024;
/// And in time (RFC 4253 §9).
const REKEY_EVERY: Duration = Duration::from_secs(3600);

const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::DH_G16_SHA512,
    kex::DH_G18_SHA512,
    // RFC 8308: the client learns which signatures of RSA keys are taken.
    kex::EXTENSION_SUPPORT_AS_SERVER,
    // Against prefix truncation (Terrapin, CVE-2023-48795).
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];

/// Host keys, as far as there are some of the kind, and what `server-sig-algs` tells of users' keys. RSA by SHA-1
/// (`ssh-rsa`) is in neither.
const KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
];

const CIPHERS: &[cipher::Name] = &[
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

const MACS: &[mac::Name] = &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM, mac::HMAC_SHA256, mac::HMAC_SHA512];

/// The methods to sign in by.
pub(super) fn methods() -> MethodSet {
    MethodSet::from(&[MethodKind::PublicKey, MethodKind::Password, MethodKind::KeyboardInteractive][..])
}

/// russh's configuration for a listener.
pub(super) fn server_config(settings: &SftpSettings, host_keys: &HostKeys) -> Config {
    let rekey_bytes = settings.rekey_mib.clamp(1, LONGEST_REKEY_MIB) << 20;
    let rekey_bytes = usize::try_from(rekey_bytes).unwrap_or(1 << 30);
    Config {
        server_id: SshId::Standard(Cow::Borrowed(IDENTIFICATION)),
        methods: methods(),
        // `access` delays refusals, and it alone: two delays on top of each other would tell them apart.
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: host_keys.keys.clone(),
        limits: Limits::new(rekey_bytes, rekey_bytes, REKEY_EVERY),
        window_size: WINDOW,
        maximum_packet_size: PACKET,
        event_buffer_size: EVENTS,
        preferred: Preferred {
            kex: Cow::Borrowed(KEX),
            key: Cow::Borrowed(KEYS),
            host_key_certificates: Cow::Borrowed(&[]),
            cipher: Cow::Borrowed(CIPHERS),
            mac: Cow::Borrowed(MACS),
            compression: Cow::Borrowed(&[compression::NONE]),
        },
        max_auth_attempts: ATTEMPTS,
        // The server watches over idle sessions itself: it knows what a transfer is.
        inactivity_timeout: None,
        keepalive_interval: (!settings.keepalive.is_zero()).then_some(settings.keepalive),
        keepalive_max: KEEPALIVES,
        nodelay: true,
        ..Config::default()
    }
}
