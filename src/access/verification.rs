//! Whether a proof is one of the account's, at the same price whatever the account is.

use std::cmp::Reverse;

use super::accounts::SignInRecord;
use super::attempt::Proof;
use super::door::Access;
use super::records::Record;
use super::refusal::RefusalReason;
use crate::credentials::{Candidate, HashError};
use crate::domain::{Credential, CredentialId, CredentialKind, PublicKey, Secret, Timestamp, Validity};

/// How many verifications a password costs that lets nobody in, and so how many passwords of an account are tried.
///
/// The attack: someone sends passwords to many logins and compares the time (or, under load, how many attempts get
/// through). If a login that nobody has cost one verification, and an account in the middle of a rotation two, he would
/// read off which logins exist and which are being rotated. So every refused password costs two, made up by the dummy:
/// also one that was right, of an account that is disabled or used from elsewhere, since else a stolen password could be
/// checked from anywhere. The price is that guessing costs us twice what it must; the queue bounds it, and blocks end
/// it. A right password that is let in stops at its match, the most recently used being tried first, so that those who
/// know theirs pay once. Management lets no account have more passwords than this at a time.
pub(super) const PASSWORDS_TRIED: usize = 2;

/// The kinds of proof, once right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Factor {
    Password,
    PublicKey,
}

/// A credential of the account that the proof fits.
pub(super) struct Proven {
    pub(super) credential: CredentialId,
    pub(super) factor: Factor,
}

/// Why a proof was not taken.
pub(super) struct NotProven {
    pub(super) reason: RefusalReason,
    /// Whether it was a guess that failed, of which too many lead to a block.
    ///
    /// Keys are not guessed: an agent offers all it has, and counting those would lock out who has many. Nor is a
    /// password that was right once or will be: software that was not told of a rotation must not lock out the line
    /// that it shares.
    pub(super) is_guess: bool,
}

impl NotProven {
    const fn guess(reason: RefusalReason) -> Self {
        Self { reason, is_guess: true }
    }

    const fn no_guess(reason: RefusalReason) -> Self {
        Self { reason, is_guess: false }
    }
}

impl Access {
    /// `allowed`: whether the account's rules let a right proof in. Decided before, told after: see [`PASSWORDS_TRIED`].
    pub(super) async fn verify(
        &self,
        record: Option<&SignInRecord>,
        proof: Proof,
        allowed: bool,
        now: Timestamp,
    ) -> Result<Proven, NotProven> {
        match proof {
            Proof::Password(password) => self.verify_password(record, password, allowed, now).await,
            Proof::PublicKey(key) => verify_key(record, &key, now),
        }
    }

    async fn verify_password(
        &self,
        record: Option<&SignInRecord>,
        password: Secret<String>,
        allowed: bool,
        now: Timestamp,
    ) -> Result<Proven, NotProven> {
        let candidates = record.map(|record| candidates(record, now)).unwrap_or_default();
        let opens = |credential: &Credential| allowed && credential.validity.includes(now);
        for (credential, hash) in &candidates {
            if opens(credential) && self.remembered.knows(credential.id, hash, &password, now) {
                return Ok(Proven { credential: credential.id, factor: Factor::Password });
            }
        }
        let tried = candidates
            .iter()
            .map(|(credential, hash)| Candidate { hash: (*hash).to_owned(), opens: opens(credential) })
            .collect();
        let found = self.passwords.verify_any(password.clone(), tried, PASSWORDS_TRIED).await;
        let matched = found.map_err(|error| {
            if error != HashError::Overloaded {
                tracing::error!(%error, "A password could not be verified: the sign-in is refused");
                return NotProven::no_guess(RefusalReason::Unavailable);
            }
            NotProven::no_guess(RefusalReason::Overloaded)
        })?;
        let Some(matched) = matched else {
            let reason = if record.is_some() { RefusalReason::WrongPassword } else { RefusalReason::UnknownLogin };
            return Err(NotProven::guess(reason));
        };
        let Some((credential, hash)) = candidates.get(matched.index) else {
            return Err(NotProven::no_guess(RefusalReason::Unavailable));
        };
        check_validity(credential.validity, now).map_err(NotProven::no_guess)?;
        if !allowed {
            return Ok(Proven { credential: credential.id, factor: Factor::Password });
        }
        let current = matched.upgraded.as_deref().unwrap_or(hash);
        self.remembered.remember(credential.account, credential.id, current, &password, now);
        if let Some(new) = matched.upgraded {
            self.records.push(Record::Upgrade { credential: credential.id, old: (*hash).to_owned(), new });
        }
        Ok(Proven { credential: credential.id, factor: Factor::Password })
    }
}

/// The passwords to try, best first: usable ones before others, the most recently used before the rest, new before old.
///
/// Those that may not be used (any more, or yet) take places that the dummy would have: so operators read "ended", the
/// usual cause of a forgotten rotation, and not "wrong", for the same work.
fn candidates(record: &SignInRecord, now: Timestamp) -> Vec<(&Credential, &str)> {
    let mut passwords: Vec<(&Credential, &str)> = record
        .credentials
        .iter()
        .filter_map(|credential| match &credential.kind {
            CredentialKind::Password { hash } => Some((credential, hash.as_str())),
            CredentialKind::PublicKey(_) => None,
        })
        .collect();
    passwords.sort_by_key(|(credential, _)| {
        let last_use = credential.last_use.as_ref().map(|last_use| last_use.at);
        Reverse((credential.validity.includes(now), last_use, credential.created_at))
    });
    passwords.truncate(PASSWORDS_TRIED);
    passwords
}

fn verify_key(record: Option<&SignInRecord>, key: &PublicKey, now: Timestamp) -> Result<Proven, NotProven> {
    let Some(record) = record else { return Err(NotProven::no_guess(RefusalReason::UnknownLogin)) };
    let credential = key_of(record, key, now).ok_or(NotProven::no_guess(RefusalReason::WrongKey))?;
    check_validity(credential.validity, now).map_err(NotProven::no_guess)?;
    Ok(Proven { credential: credential.id, factor: Factor::PublicKey })
}

/// The account's credential with this key; a usable one before another.
pub(super) fn key_of<'a>(record: &'a SignInRecord, key: &PublicKey, now: Timestamp) -> Option<&'a Credential> {
    let same = |credential: &&Credential| matches!(&credential.kind, CredentialKind::PublicKey(own) if own == key);
    record.credentials.iter().filter(same).max_by_key(|credential| credential.validity.includes(now))
}

fn check_validity(validity: Validity, now: Timestamp) -> Result<(), RefusalReason> {
    if validity.includes(now) {
        Ok(())
    } else if validity.not_before.is_some_and(|begin| now < begin) {
        Err(RefusalReason::CredentialNotYetValid)
    } else {
        Err(RefusalReason::CredentialEnded)
    }
}
