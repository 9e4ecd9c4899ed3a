//! Passwords that were right a moment ago, so that software that signs in every minute does not pay for argon2 each
//! time.
//!
//! Nothing is kept from which a password could be found: only HMAC-SHA-256 of it, under a key that was made at start and
//! lives in memory alone, together with the credential and the stored hash that it matched. A changed, retired or
//! upgraded credential has another hash (or is not asked about any more), so what was remembered of it is dead at once,
//! also when the change was made by another process or while a verification ran.
//!
//! A hit is faster than a miss. It tells nothing to someone who does not know the password: only the right password
//! hits, and whoever shows it learns that by being let in. When the account's rules would refuse him all the same, this
//! memory is not asked, and the refusal costs what any other does (`verification`).

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use lru::LruCache;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::domain::{AccountId, CredentialId, Random, Secret, Timestamp};

/// How many passwords are remembered; beyond, the one longest unused is forgotten.
const MOST: NonZeroUsize = NonZeroUsize::new(8192).expect("it is not zero");

pub(super) struct Remembered {
    key: Secret<[u8; 32]>,
    term: Duration,
    entries: Mutex<LruCache<CredentialId, Entry>>,
}

struct Entry {
    account: AccountId,
    tag: [u8; 32],
    until: Timestamp,
}

impl Remembered {
    /// `term` zero: nothing is remembered.
    pub(super) fn new(term: Duration, random: &dyn Random) -> Self {
        let mut key = [0; 32];
        random.fill(&mut key);
        Self { key: Secret::new(key), term, entries: Mutex::new(LruCache::new(MOST)) }
    }

    /// Whether `password` is known to be the one of `credential`, whose stored hash is `hash`.
    pub(super) fn knows(
        &self,
        credential: CredentialId,
        hash: &str,
        password: &Secret<String>,
        now: Timestamp,
    ) -> bool {
        if self.term.is_zero() {
            return false;
        }
        let tag = self.tag(credential, hash, password);
        let mut entries = self.entries();
        match entries.get(&credential) {
            Some(entry) if now < entry.until => entry.tag.ct_eq(&tag).into(),
            Some(_) => {
                entries.pop(&credential);
                false
            }
            None => false,
        }
    }

    /// Argon2 has just found `password` to be the one of `credential`, whose stored hash is `hash`.
    pub(super) fn remember(
        &self,
        account: AccountId,
        credential: CredentialId,
        hash: &str,
        password: &Secret<String>,
        now: Timestamp,
    ) {
        if !self.term.is_zero() {
            let tag = self.tag(credential, hash, password);
            self.entries().put(credential, Entry { account, tag, until: now.plus(self.term) });
        }
    }

    /// Drops all that is known of an account's passwords.
    pub(super) fn forget(&self, account: AccountId) {
        self.entries().retain(|_, entry| entry.account != account);
    }

    fn tag(&self, credential: CredentialId, hash: &str, password: &Secret<String>) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.expose()).expect("HMAC takes a key of any length");
        // An id has one length and a PHC string no NUL, so no two triples are written alike.
        mac.update(credential.to_string().as_bytes());
        mac.update(hash.as_bytes());
        mac.update(&[0]);
        mac.update(password.expose().as_bytes());
        mac.finalize().into_bytes().into()
    }

    fn entries(&self) -> MutexGuard<'_, LruCache<CredentialId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::OsRandom;

    const NOON: Timestamp = Timestamp::from_seconds(1_000_000);

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn only_the_same_password_of_the_same_hash_is_known_and_only_for_the_term() {
        let remembered = Remembered::new(Duration::from_secs(300), &OsRandom);
        let (account, credential) = (AccountId::new(NOON, &OsRandom), CredentialId::new(NOON, &OsRandom));
        remembered.remember(account, credential, "hash", &secret("right"), NOON);
        assert!(remembered.knows(credential, "hash", &secret("right"), NOON));
        assert!(!remembered.knows(credential, "hash", &secret("wrong"), NOON));
        assert!(!remembered.knows(credential, "other hash", &secret("right"), NOON));
        assert!(!remembered.knows(CredentialId::new(NOON, &OsRandom), "hash", &secret("right"), NOON));
        assert!(!remembered.knows(credential, "hash", &secret("right"), NOON.plus(Duration::from_secs(300))));
    }

    #[test]
    fn an_account_is_forgotten_without_the_others() {
        let remembered = Remembered::new(Duration::from_secs(300), &OsRandom);
        let [first, second] = [1, 2].map(|_| (AccountId::new(NOON, &OsRandom), CredentialId::new(NOON, &OsRandom)));
        for (account, credential) in [first, second] {
            remembered.remember(account, credential, "hash", &secret("right"), NOON);
        }
        remembered.forget(first.0);
        assert!(!remembered.knows(first.1, "hash", &secret("right"), NOON));
        assert!(remembered.knows(second.1, "hash", &secret("right"), NOON));
    }

    #[test]
    fn nothing_is_remembered_when_the_term_is_zero() {
        let remembered = Remembered::new(Duration::ZERO, &OsRandom);
        let credential = CredentialId::new(NOON, &OsRandom);
        remembered.remember(AccountId::new(NOON, &OsRandom), credential, "hash", &secret("right"), NOON);
        assert!(!remembered.knows(credential, "hash", &secret("right"), NOON));
        assert_eq!(remembered.entries().len(), 0);
    }
}
