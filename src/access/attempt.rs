//! What a client shows, and what comes of it.

use super::grant::Grant;
use super::refusal::Refusal;
use crate::domain::{PublicKey, Secret};

/// What a client shows. Keyboard-interactive is another way to say a password: the edge asks, and hands it in as one.
pub enum Proof {
    Password(Secret<String>),
    /// The edge has checked a signature by this key.
    PublicKey(PublicKey),
}

/// What is still missing of a key-and-password account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needed {
    pub password: bool,
    pub public_key: bool,
}

/// What came of an attempt.
#[must_use]
#[derive(Debug)]
pub enum Outcome {
    Granted(Grant),
    /// This proof was right; another is needed.
    MoreNeeded(Needed),
    Refused(Refusal),
}
