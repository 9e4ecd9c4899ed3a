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

/// What stands in a list of key exchanges and is none: a client's are not agreed on, whatever it names them.
const NO_KEY_EXCHANGES: &[kex::Name] = &[
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];

/// Ciphers that prove what they carry by themselves (RFC 5647 §5.1; OpenSSH's PROTOCOL §1.6): the MAC agreed on beside
/// them is not used.
const WITHOUT_MAC: &[cipher::Name] = &[cipher::AES_128_GCM, cipher::AES_256_GCM, cipher::CHACHA20_POLY1305];

/// What a server with this configuration and a client that sent this KEXINIT (what follows its message number) agree on
/// by RFC 4253 §7.1: key exchange, host key, cipher and, where the cipher needs one, MAC, parted by spaces; two MACs,
/// parted by a slash, where that to the server is another than that to the client. `None`: nothing, or that is no KEXINIT.
///
/// The client's first that the server has too is taken. russh does the same, with one liberty that is repeated here: the
/// client's list of ciphers to the server holds for both ways.
pub(super) fn negotiated(ours: &Config, kexinit: &[u8]) -> Option<String> {
    const COOKIE: usize = 16;
    let mut rest = kexinit.get(COOKIE..)?;
    let Preferred { kex, key, cipher, mac, .. } = &ours.preferred;
    let exchanges: Vec<_> = kex.iter().filter(|name| !NO_KEY_EXCHANGES.contains(name)).collect();
    let keys: Vec<_> = key.iter().filter(|algorithm| has_key(ours, algorithm)).map(ToString::to_string).collect();
    let exchange = agreed(name_list(&mut rest)?, &exchanges)?;
    let key = agreed(name_list(&mut rest)?, &keys)?;
    let cipher = agreed(name_list(&mut rest)?, cipher)?;
    let _to_the_client = name_list(&mut rest)?;
    let words = format!("{exchange} {key} {cipher}");
    if WITHOUT_MAC.iter().any(|name| name.as_ref() == cipher) {
        return Some(words);
    }
    let to_the_server = agreed(name_list(&mut rest)?, mac)?;
    let to_the_client = agreed(name_list(&mut rest)?, mac)?;
    Some(if to_the_client == to_the_server {
        format!("{words} {to_the_server}")
    } else {
        format!("{words} {to_the_server}/{to_the_client}")
    })
}

/// Whether there is a host key for it: others are not offered.
fn has_key(config: &Config, algorithm: &Algorithm) -> bool {
    config.keys.iter().any(|key| match algorithm {
        Algorithm::Rsa { .. } => key.algorithm().is_rsa(),
        other => key.algorithm() == *other,
    })
}

/// The client's first that is among ours.
fn agreed<'a>(theirs: &str, ours: &'a [impl AsRef<str>]) -> Option<&'a str> {
    theirs.split(',').find_map(|name| ours.iter().map(AsRef::as_ref).find(|own| *own == name))
}

/// RFC 4251 §5: a length, and that many bytes of ASCII.
fn name_list<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let (length, behind) = rest.split_first_chunk::<4>()?;
    let (list, behind) = behind.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    *rest = behind;
    std::str::from_utf8(list).ok()
}

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

/// What the tests of key exchanges work with.
#[cfg(test)]
pub(super) mod samples {
    use russh::keys::PrivateKey;
    use russh::keys::ssh_key::private::Ed25519Keypair;

    use super::*;

    /// With an Ed25519 host key alone.
    pub(in crate::sftp) fn config() -> Config {
        let keys = vec![PrivateKey::from(Ed25519Keypair::from_seed(&[9; 32]))];
        let settings = SftpSettings {
            listeners: Vec::new(),
            keepalive: Duration::from_secs(60),
            channels: 10,
            handles: 128,
            rekey_mib: 1024,
            scp: true,
        };
        server_config(&settings, &HostKeys { keys })
    }

    /// A KEXINIT behind its message number: the same ciphers and MACs both ways.
    pub(in crate::sftp) fn kexinit([kex, key, cipher, mac]: [&str; 4]) -> Vec<u8> {
        kexinit_of([kex, key, cipher, cipher, mac, mac])
    }

    pub(in crate::sftp) fn kexinit_of(lists: [&str; 6]) -> Vec<u8> {
        let mut bytes = vec![7; 16];
        for list in lists.into_iter().chain(["none", "none", "", ""]) {
            bytes.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
            bytes.extend(list.as_bytes());
        }
        bytes.extend([0; 5]);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{config, kexinit, kexinit_of};
    use super::*;

    #[test]
    fn the_clients_first_that_the_server_has_too_is_agreed_on() {
        let openssh = [
            "sntrup761x25519-sha512@openssh.com,mlkem768x25519-sha256,curve25519-sha256,ext-info-c,\
             kex-strict-c-v00@openssh.com",
            "ssh-ed25519-cert-v01@openssh.com,rsa-sha2-512,ssh-ed25519",
            "chacha20-poly1305@openssh.com,aes128-ctr",
            "umac-64-etm@openssh.com,hmac-sha2-256-etm@openssh.com",
        ];
        let cases = [
            // Of the host keys only those that are there; a cipher that needs no MAC.
            (openssh, Some("mlkem768x25519-sha256 ssh-ed25519 chacha20-poly1305@openssh.com")),
            (
                [openssh[0], openssh[1], "3des-cbc,aes128-ctr", openssh[3]],
                Some("mlkem768x25519-sha256 ssh-ed25519 aes128-ctr hmac-sha2-256-etm@openssh.com"),
            ),
            // Marks that a client puts first are no key exchanges.
            (
                [
                    "kex-strict-s-v00@openssh.com,ext-info-s,curve25519-sha256",
                    "ssh-ed25519",
                    "aes256-ctr",
                    "hmac-sha2-512",
                ],
                Some("curve25519-sha256 ssh-ed25519 aes256-ctr hmac-sha2-512"),
            ),
            (["ext-info-s", "ssh-ed25519", "aes256-ctr", "hmac-sha2-512"], None),
            (["curve25519-sha256", "rsa-sha2-512", "aes256-ctr", "hmac-sha2-512"], None),
            (["curve25519-sha256", "ssh-ed25519", "aes256-ctr", "hmac-sha1"], None),
            (["", "", "", ""], None),
        ];
        for (lists, expected) in cases {
            assert_eq!(negotiated(&config(), &kexinit(lists)).as_deref(), expected, "{lists:?}");
        }
    }

    #[test]
    fn two_ways_with_two_macs_are_both_told() {
        let lists = ["curve25519-sha256", "ssh-ed25519", "aes128-ctr", "aes256-ctr", "hmac-sha2-256", "hmac-sha2-512"];
        let told = negotiated(&config(), &kexinit_of(lists));
        assert_eq!(told.as_deref(), Some("curve25519-sha256 ssh-ed25519 aes128-ctr hmac-sha2-256/hmac-sha2-512"));
    }

    #[test]
    fn what_is_cut_off_agrees_on_nothing() {
        let whole = kexinit(["curve25519-sha256", "ssh-ed25519", "aes128-ctr", "hmac-sha2-256"]);
        assert!(negotiated(&config(), &whole).is_some());
        let needed = whole.len() - 5 - 4 - 4 - 8 - 8;
        for length in 0..needed {
            assert_eq!(negotiated(&config(), &whole[..length]), None, "{length}");
        }
    }
}
