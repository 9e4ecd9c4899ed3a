//! What proves an identity: password hashes, the tokens of the management API, the SSH host keys;
//! and what must be had back, sealed.
//!
//! Nothing here decides who may sign in (that is `access`); it only answers whether a secret is the right one, with
//! work and memory that are bounded whoever asks.

mod argon2id;
mod hashing;
mod host_keys;
mod password;
mod sealed;
mod token;

pub use argon2id::Argon2Hasher;
pub use host_keys::{HostKeyError, HostKeys};
pub use password::{Candidate, HashError, Hasher, MAX_PASSWORD_BYTES, Match, Passwords, Verification};
pub use sealed::{MasterKeyError, MasterKeys, Purpose, UnsealError, key_of};
pub use token::{ApiToken, InvalidToken};
