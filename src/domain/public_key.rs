//! Public keys of accounts: Ed25519, ECDSA and RSA of at least 2048 bits, as partners have them at hand — the OpenSSH
//! line, the file of RFC 4716 (which PuTTYgen's *Save public key* writes), or the public part of a PuTTY `.ppk` file.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, HashAlg};

/// The fewest bits of an RSA key.
pub const MIN_RSA_BITS: u32 = 2048;
/// The most bits of an RSA key: checking a signature by a longer one costs too much.
pub const MAX_RSA_BITS: u32 = 16_384;
/// The longest text taken for a key.
const MAX_TEXT_BYTES: usize = 16 * 1024;

/// A public key that may open an account. Compared by the key alone, not by its comment.
#[derive(Clone)]
pub struct PublicKey(ssh_key::PublicKey);

/// Why a text is no key that the gateway takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPublicKey {
    #[error("this is a private key: keep it secret, hand over the public one only (and replace this key)")]
    Private,
    #[error(
        "not a public key: paste the line that starts with ssh-ed25519, ssh-rsa or ecdsa-sha2-…, or the file that \
         starts with ---- BEGIN SSH2 PUBLIC KEY ----"
    )]
    Unreadable,
    #[error("keys of this type are not accepted: use ed25519, rsa (2048 bits or more) or ecdsa")]
    Algorithm,
    #[error("an RSA key has {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")]
    RsaBits,
}

impl PublicKey {
    /// Reads any of the three forms.
    pub fn parse(text: &str) -> Result<Self, InvalidPublicKey> {
        let text = text.trim();
        if text.len() > MAX_TEXT_BYTES {
            return Err(InvalidPublicKey::Unreadable);
        }
        if text.contains("PRIVATE KEY-----") || text.contains("Private-Lines:") {
            return Err(InvalidPublicKey::Private);
        }
        let (blob, comment) = if text.starts_with("---- BEGIN SSH2 PUBLIC KEY ----") {
            rfc4716(text)
        } else if text.starts_with("PuTTY-User-Key-File-") {
            putty(text)
        } else {
            openssh(text)
        }
        .ok_or(InvalidPublicKey::Unreadable)?;
        Self::from_blob(&blob, &comment)
    }

    /// Reads the wire form of RFC 4253 §6.6.
    pub fn from_blob(blob: &[u8], comment: &str) -> Result<Self, InvalidPublicKey> {
        let mut key = ssh_key::PublicKey::from_bytes(blob).map_err(|_| InvalidPublicKey::Unreadable)?;
        match key.key_data() {
            KeyData::Ed25519(_) | KeyData::Ecdsa(_) => {}
            KeyData::Rsa(rsa) if (MIN_RSA_BITS..=MAX_RSA_BITS).contains(&rsa.key_size()) => {}
            KeyData::Rsa(_) => return Err(InvalidPublicKey::RsaBits),
            _ => return Err(InvalidPublicKey::Algorithm),
        }
        key.set_comment(comment);
        Ok(Self(key))
    }

    /// The wire form of RFC 4253 §6.6.
    pub fn to_blob(&self) -> Vec<u8> {
        self.0.to_bytes().expect("a key that was decoded can be encoded")
    }

    /// `ssh-ed25519`, `ssh-rsa`, `ecdsa-sha2-nistp256`, …
    pub fn algorithm(&self) -> String {
        self.0.algorithm().to_string()
    }

    pub fn is_rsa(&self) -> bool {
        matches!(self.0.algorithm(), Algorithm::Rsa { .. })
    }

    /// `SHA256:` and base64, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    pub fn comment(&self) -> String {
        String::from_utf8_lossy(self.0.comment().as_bytes()).into_owned()
    }
}

/// The base64 and comment of `type base64 comment`, also behind the options of an `authorized_keys` line.
fn openssh(text: &str) -> Option<(Vec<u8>, String)> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let kind = words
        .iter()
        .position(|word| word.starts_with("ssh-") || word.starts_with("ecdsa-sha2-") || word.starts_with("sk-"))?;
    let blob = BASE64.decode(words.get(kind + 1)?).ok()?;
    Some((blob, words[kind + 2..].join(" ")))
}

/// RFC 4716 §3: headers `Tag: value` that a trailing backslash continues, then base64.
fn rfc4716(text: &str) -> Option<(Vec<u8>, String)> {
    let mut comment = String::new();
    let mut base64 = String::new();
    let mut lines = text.lines().map(str::trim_end).skip(1);
    while let Some(line) = lines.next() {
        if line.starts_with("---- END SSH2 PUBLIC KEY ----") {
            return Some((BASE64.decode(base64).ok()?, comment));
        }
        match line.split_once(": ") {
            Some((tag, value)) => {
                let mut value = value.to_owned();
                while value.ends_with('\\') {
                    value.pop();
                    value.push_str(lines.next()?);
                }
                if tag.eq_ignore_ascii_case("comment") {
                    comment = value.trim_matches('"').to_owned();
                }
            }
            None => base64.push_str(line.trim()),
        }
    }
    None
}

/// The public half of a PuTTY key file: `Comment: …`, `Public-Lines: n`, then n lines of base64.
fn putty(text: &str) -> Option<(Vec<u8>, String)> {
    let mut comment = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(value) = line.strip_prefix("Comment: ") {
            value.trim().clone_into(&mut comment);
        } else if let Some(count) = line.strip_prefix("Public-Lines: ") {
            let count: usize = count.trim().parse().ok()?;
            let base64: String = lines.take(count).map(str::trim).collect();
            return Some((BASE64.decode(base64).ok()?, comment));
        }
    }
    None
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.key_data() == other.0.key_data()
    }
}

impl Eq for PublicKey {}

impl fmt::Display for PublicKey {
    /// The OpenSSH line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.0.to_openssh().map_err(|_| fmt::Error)?;
        f.write_str(&line)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint())
    }
}

impl FromStr for PublicKey {
    type Err = InvalidPublicKey;

    fn from_str(text: &str) -> Result<Self, InvalidPublicKey> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ paie@acme";

    fn base64() -> &'static str {
        LINE.split(' ').nth(1).unwrap()
    }

    #[test]
    fn the_three_forms_are_one_key() {
        let key = PublicKey::parse(LINE).unwrap();
        let (first, second) = base64().split_at(40);
        let rfc4716 = format!(
            "---- BEGIN SSH2 PUBLIC KEY ----\nComment: \"paie\\\n@acme\"\n{first}\n{second}\n\
             ---- END SSH2 PUBLIC KEY ----\n"
        );
        let putty = format!(
            "PuTTY-User-Key-File-3: ssh-ed25519\r\nEncryption: none\r\nComment: paie@acme\r\nPublic-Lines: 2\r\n\
             {first}\r\n{second}\r\n"
        );
        for text in [rfc4716, putty, format!("no-pty,from=\"10.0.0.1\" {LINE}")] {
            let other = PublicKey::parse(&text).unwrap();
            assert_eq!(other, key);
            assert_eq!(other.comment(), "paie@acme");
        }
        assert_eq!(key.to_string(), LINE);
    }

    #[test]
    fn a_private_key_is_refused_as_such() {
        let text = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----";
        assert_eq!(PublicKey::parse(text), Err(InvalidPublicKey::Private));
    }

    #[test]
    fn short_rsa_and_dsa_are_refused() {
        let mut short = Vec::new();
        for part in [b"ssh-rsa".as_slice(), &[1, 0, 1], &{
            let mut n = vec![0x7f; 128];
            n[127] = 0x0b;
            n
        }] {
            short.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            short.extend(part);
        }
        let refusal = PublicKey::from_blob(&short, "").unwrap_err();
        assert!(matches!(refusal, InvalidPublicKey::RsaBits | InvalidPublicKey::Unreadable), "{refusal}");
        assert_eq!(PublicKey::parse("ssh-dss AAAA"), Err(InvalidPublicKey::Unreadable));
        assert_eq!(PublicKey::parse("hello"), Err(InvalidPublicKey::Unreadable));
    }
}
