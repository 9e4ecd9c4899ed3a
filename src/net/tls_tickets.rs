//! Session tickets (RFC 5077, RFC 8446 §4.6.1) that know which control connection they were given to.
//!
//! FTP's data connections resume the TLS session of their control connection; a server that insists on it can be sure
//! that both are one client's, since nobody else has the ticket's secret. Two things are needed for that which a plain
//! ticketer does not give. A ticket must live as long as the control connection, which is longer than the half day of
//! the library's own. And a resumed data connection must be told from one that resumed *another* control connection's
//! ticket: every ticket carries, encrypted with the rest, the mark of the connection it was given to.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use rustls::server::ProducesTickets;
use rustls::ticketer::TicketRotator;

/// How long one key gives out tickets; they are taken for as long again. Seven days together, the longest life that a
/// ticket may have (RFC 8446 §4.6.1).
const KEY_LIFE_SECONDS: u32 = 7 * 86_400 / 2;

const MARK_BYTES: usize = 16;

/// Which control connection a ticket was given to.
pub(super) type Mark = [u8; MARK_BYTES];

/// The keys of all tickets of the gateway: one for every listener, so that a client may resume on either.
pub(super) fn keys() -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
    Ok(Arc::new(TicketRotator::new(KEY_LIFE_SECONDS, || match Sealer::new() {
        Some(sealer) => Ok(Box::new(sealer)),
        None => Err(rustls::crypto::GetRandomFailed),
    })?))
}

/// Tickets of one key.
struct Sealer {
    key: RandomizedNonceKey,
}

impl Sealer {
    fn new() -> Option<Self> {
        let mut bytes = zeroize::Zeroizing::new([0; 32]);
        SystemRandom::new().fill(&mut *bytes).ok()?;
        Some(Self { key: RandomizedNonceKey::new(&AES_256_GCM, &*bytes).ok()? })
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

impl ProducesTickets for Sealer {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        2 * KEY_LIFE_SECONDS
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = plain.to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::empty(), &mut sealed).ok()?;
        sealed.extend_from_slice(nonce.as_ref());
        Some(sealed)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (sealed, nonce) = ticket.split_at_checked(ticket.len().checked_sub(NONCE_LEN)?)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut plain = sealed.to_vec();
        let length = self.key.open_in_place(nonce, Aad::empty(), &mut plain).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }
}

/// Tickets as a control connection gives them out: with its mark. It takes those of any.
#[derive(Debug)]
pub(super) struct ControlTickets {
    pub keys: Arc<dyn ProducesTickets>,
    pub mark: Mark,
}

impl ProducesTickets for ControlTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.keys.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.keys.encrypt(&[&self.mark, plain].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        Some(self.keys.decrypt(ticket)?.split_at_checked(MARK_BYTES)?.1.to_vec())
    }
}

/// Tickets as a data connection takes them. It gives none: a client that only sends never reads them, and its close
/// then becomes a reset, which turns a good upload into a failed one.
#[derive(Debug)]
pub(super) struct DataTickets {
    pub keys: Arc<dyn ProducesTickets>,
    /// Take those with this mark alone.
    pub only: Option<Mark>,
}

impl ProducesTickets for DataTickets {
    /// Nothing is said of tickets then (RFC 5077 §3.2). A server that announces one and gives an empty one says the same
    /// (§3.3), but Go puts the empty one in the place of the one it has, and resumes no more.
    fn enabled(&self) -> bool {
        false
    }

    fn lifetime(&self) -> u32 {
        0
    }

    fn encrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let plain = self.keys.decrypt(ticket)?;
        let (mark, plain) = plain.split_at_checked(MARK_BYTES)?;
        // A ticket of another session is no ticket: the handshake is a full one then, and seen to be.
        self.only.is_none_or(|only| only == mark).then(|| plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_comes_back_as_it_was_and_no_other_is_taken() {
        let keys = keys().unwrap();
        let ticket = keys.encrypt(b"session").unwrap();
        assert_eq!(keys.decrypt(&ticket).unwrap(), b"session");
        let mut forged = ticket.clone();
        forged[0] ^= 1;
        for wrong in [&forged[..], &ticket[1..], b"", b"short"] {
            assert!(keys.decrypt(wrong).is_none());
        }
        assert_ne!(ticket, keys.encrypt(b"session").unwrap());
    }

    #[test]
    fn a_bound_data_connection_takes_its_own_control_connections_tickets_alone() {
        let keys = keys().unwrap();
        let control = |mark| ControlTickets { keys: keys.clone(), mark };
        let (own, other) = (control([1; MARK_BYTES]), control([2; MARK_BYTES]));
        let data = DataTickets { keys: keys.clone(), only: Some([1; MARK_BYTES]) };
        assert_eq!(data.decrypt(&own.encrypt(b"s").unwrap()).unwrap(), b"s");
        assert!(data.decrypt(&other.encrypt(b"s").unwrap()).is_none());
        let any = DataTickets { keys: keys.clone(), only: None };
        assert_eq!(any.decrypt(&other.encrypt(b"s").unwrap()).unwrap(), b"s");
        assert!(data.encrypt(b"s").is_none());
    }

    #[test]
    fn tickets_live_a_week() {
        assert_eq!(keys().unwrap().lifetime(), 604_800);
    }
}
