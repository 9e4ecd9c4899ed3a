//! Tokens of the management API.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::domain::{Random, Secret};

const PREFIX: &str = "lgw_";
const RANDOM_CHARS: usize = 32;
const CHECKSUM_CHARS: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `lgw_`, 32 random characters (190 bits), 6 of checksum; stored as its SHA-256.
///
/// The prefix and the checksum let scanners of repositories and logs recognise a leaked token without false alarms,
/// and let the gateway tell a mistyped one without asking the database. A fast hash is enough to store it: unlike a
/// password it cannot be guessed.
pub struct ApiToken(Secret<String>);

/// A text that is no token: mistyped, cut, or of something else.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a token of this gateway")]
pub struct InvalidToken;

impl ApiToken {
    pub fn generate(random: &dyn Random) -> Self {
        let mut text = format!("{PREFIX}{}", random.text(RANDOM_CHARS, ALPHABET));
        text.push_str(&checksum(&text));
        Self(Secret::new(text))
    }

    /// Takes a text that has the form and the checksum of a token; says nothing of whether it exists.
    pub fn parse(text: &str) -> Result<Self, InvalidToken> {
        let body = text.strip_prefix(PREFIX).ok_or(InvalidToken)?;
        let well_formed =
            body.len() == RANDOM_CHARS + CHECKSUM_CHARS && body.bytes().all(|byte| ALPHABET.contains(&byte));
        if !well_formed {
            return Err(InvalidToken);
        }
        let (signed, claimed) = text.split_at(PREFIX.len() + RANDOM_CHARS);
        if checksum(signed) == claimed { Ok(Self(Secret::new(text.to_owned()))) } else { Err(InvalidToken) }
    }

    /// What is stored: SHA-256 of the whole token, in hexadecimal.
    pub fn hash(&self) -> String {
        hexadecimal(&Sha256::digest(self.0.expose()))
    }

    /// Whether `hash` is this token's, told in the same time wherever they differ.
    pub fn matches(&self, hash: &str) -> bool {
        self.hash().as_bytes().ct_eq(hash.as_bytes()).into()
    }

    /// The token itself, to be shown once to whoever asked for it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Six characters that depend on every character before them.
fn checksum(text: &str) -> String {
    let digest = Sha256::digest(text);
    let mut rest = digest.iter().take(4).fold(0usize, |sum, byte| (sum << 8) | usize::from(*byte));
    let mut characters = String::with_capacity(CHECKSUM_CHARS);
    for _ in 0..CHECKSUM_CHARS {
        characters.push(char::from(ALPHABET[rest % ALPHABET.len()]));
        rest /= ALPHABET.len();
    }
    characters
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::OsRandom;

    #[test]
    fn a_token_survives_being_handed_out_and_back() {
        let token = ApiToken::generate(&OsRandom);
        assert_eq!(token.expose().len(), 42);
        let back = ApiToken::parse(token.expose()).ok().unwrap();
        assert_eq!(back.hash(), token.hash());
        assert!(back.matches(&token.hash()));
        assert!(!ApiToken::generate(&OsRandom).matches(&token.hash()));
    }

    #[test]
    fn the_hash_is_sha_256_in_hexadecimal() {
        let token = ApiToken(Secret::new("abc".to_owned()));
        assert_eq!(token.hash(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_mistyped_token_is_recognised_without_the_database() {
        let token = ApiToken::generate(&OsRandom).expose().to_owned();
        for position in 0..token.len() {
            let mut wrong = token.clone().into_bytes();
            wrong[position] = if wrong[position] == b'x' { b'y' } else { b'x' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert_eq!(ApiToken::parse(&wrong).err(), Some(InvalidToken), "{wrong}");
        }
        for wrong in ["", "lgw_", &token[..41], &format!("{token}a"), &token.replace("lgw_", "ghp_"), "lgw_é"] {
            assert_eq!(ApiToken::parse(wrong).err(), Some(InvalidToken), "{wrong}");
        }
    }
}
