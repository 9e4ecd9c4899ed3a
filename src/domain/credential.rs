//! What an account proves itself with: passwords and keys, several at a time, each with its dates, so that a new one
//! can be brought into use before the old one ends.

use super::clock::Timestamp;
use super::ids::{AccountId, CredentialId};
use super::public_key::PublicKey;

/// From when until when a credential may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Validity {
    /// Not usable before; always was when `None`.
    pub not_before: Option<Timestamp>,
    /// Not usable from then on; never ends when `None`.
    pub not_after: Option<Timestamp>,
}

/// Dates that leave no moment between them.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the end must come after the beginning")]
pub struct EmptyValidity;

impl Validity {
    pub fn new(not_before: Option<Timestamp>, not_after: Option<Timestamp>) -> Result<Self, EmptyValidity> {
        match (not_before, not_after) {
            (Some(begin), Some(end)) if end <= begin => Err(EmptyValidity),
            _ => Ok(Self { not_before, not_after }),
        }
    }

    pub fn includes(self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|begin| begin <= now) && self.not_after.is_none_or(|end| now < end)
    }
}

/// What a credential is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialKind {
    /// A password, as its argon2 hash in PHC form.
    Password { hash: String },
    /// A public key.
    PublicKey(PublicKey),
}

/// Where and by what a credential was last used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    pub at: Timestamp,
    pub address: String,
    /// The software that the client said it is.
    pub client: String,
}

/// A password or a key of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub id: CredentialId,
    pub account: AccountId,
    pub kind: CredentialKind,
    /// A word for people: a key's comment, "rotation 2026".
    pub label: String,
    pub validity: Validity,
    pub created_at: Timestamp,
    pub last_use: Option<LastUse>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_credentials_overlap_during_a_rotation() {
        let at = Timestamp::from_seconds;
        let old = Validity::new(None, Some(at(200))).unwrap();
        let new = Validity::new(Some(at(100)), None).unwrap();
        assert!(old.includes(at(150)) && new.includes(at(150)));
        assert!(!old.includes(at(200)) && !new.includes(at(99)));
    }

    #[test]
    fn a_validity_without_a_moment_is_refused() {
        let at = Timestamp::from_seconds;
        assert_eq!(Validity::new(Some(at(2)), Some(at(2))), Err(EmptyValidity));
    }
}
