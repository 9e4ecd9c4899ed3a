//! Who may try at all: caps on connections that have not signed in yet.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::{ConnectionType, PresetName, TlsResumption};
use crate::sessions::Source;

/// A connection before anyone signed in on it.
#[derive(Debug, Clone)]
pub struct Connection {
    pub peer: SocketAddr,
    pub connection_type: ConnectionType,
    /// The preset that the listener is bound to: others' accounts are refused.
    pub preset: Option<PresetName>,
    /// What the listener itself demands of FTP's data connections: an account's rules may demand more, not less.
    pub tls_resumption: TlsResumption,
}

/// How many connections are not signed in, in total and by source.
pub(super) struct Admissions {
    total: usize,
    per_source: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    total: usize,
    by_source: HashMap<Source, usize>,
}

/// One connection's place among those not signed in, given back when dropped.
pub(super) struct Place {
    admissions: Arc<Admissions>,
    source: Source,
}

impl Admissions {
    pub(super) fn new(total: usize, per_source: usize) -> Arc<Self> {
        Arc::new(Self { total, per_source, waiting: Mutex::default() })
    }

    /// `None`: there are too many.
    pub(super) fn enter(self: &Arc<Self>, source: Source) -> Option<Place> {
        let mut waiting = self.waiting();
        let of_source = waiting.by_source.get(&source).copied().unwrap_or(0);
        if waiting.total >= self.total || of_source >= self.per_source {
            return None;
        }
        waiting.total += 1;
        waiting.by_source.insert(source, of_source + 1);
        Some(Place { admissions: self.clone(), source })
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.admissions.waiting();
        waiting.total -= 1;
        if let Some(count) = waiting.by_source.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                waiting.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    #[test]
    fn both_caps_hold_and_a_place_given_back_is_free() {
        let source = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
        let admissions = Admissions::new(3, 2);
        let first = admissions.enter(source("192.0.2.1"));
        let second = admissions.enter(source("192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(admissions.enter(source("192.0.2.1")).is_none(), "two of one address");
        let third = admissions.enter(source("192.0.2.2"));
        assert!(third.is_some());
        assert!(admissions.enter(source("192.0.2.3")).is_none(), "three in total");
        drop((first, third));
        assert!(admissions.enter(source("192.0.2.1")).is_some());
        drop(second);
        assert!(admissions.waiting().by_source.is_empty());
    }
}
