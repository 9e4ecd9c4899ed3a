//! Resumption by what the gateway keeps: by session id (TLS 1.2, RFC 5246 §7.3), for clients that take no tickets, as curl.
//!
//! Each control connection keeps its one session, for its data connections alone. So there is nothing that a crowd could
//! fill or evict, and an id that is found is this control connection's own.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::server::{ProducesTickets, StoresServerSessions};
use zeroize::Zeroizing;

use super::tls_tickets::DataTickets;

/// The session of a control connection, by its id.
#[derive(Default)]
pub(super) struct OneSession {
    session: OnceLock<(Vec<u8>, Zeroizing<Vec<u8>>)>,
}

impl OneSession {
    fn find(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.session.get().filter(|(own, _)| own == id).map(|(_, session)| session.to_vec())
    }
}

impl fmt::Debug for OneSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneSession")
    }
}

/// As the control connection sees it: it leaves its session, and takes up none, since an id is of one connection.
#[derive(Debug)]
pub(super) struct ControlSession(pub Arc<OneSession>);

impl StoresServerSessions for ControlSession {
    fn put(&self, id: Vec<u8>, session: Vec<u8>) -> bool {
        self.0.session.set((id, Zeroizing::new(session))).is_ok()
    }

    fn get(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn take(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn can_cache(&self) -> bool {
        true
    }
}

/// As data connections see it: they take it up, again and again, and leave none of their own.
#[derive(Debug)]
pub(super) struct DataSession {
    pub kept: Arc<OneSession>,
    pub tickets: Arc<DataTickets>,
}

impl StoresServerSessions for DataSession {
    fn put(&self, _: Vec<u8>, _: Vec<u8>) -> bool {
        false
    }

    fn get(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.kept.find(id)
    }

    /// The library asks for what a ticket of TLS 1.3 stands for here where tickets are not given out.
    fn take(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.tickets.decrypt(ticket)
    }

    /// No id is given out, which would take the place of the control connection's at the client.
    fn can_cache(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::tls_tickets::keys;

    fn data(kept: &Arc<OneSession>) -> DataSession {
        DataSession { kept: kept.clone(), tickets: Arc::new(DataTickets { keys: keys().unwrap(), only: None }) }
    }

    #[test]
    fn data_connections_find_their_own_control_connections_session_alone() {
        let kept: [Arc<OneSession>; 2] = Default::default();
        for (number, kept) in (0..).zip(&kept) {
            assert!(ControlSession(kept.clone()).put(vec![7, number], vec![number; 48]));
        }
        let data = data(&kept[0]);
        for _ in 0..2 {
            assert_eq!(data.get(&[7, 0]).unwrap(), [0; 48]);
        }
        assert_eq!(data.get(&[7, 1]), None);
        assert_eq!(data.get(&[]), None);
    }

    #[test]
    fn a_data_connection_takes_nothing_elses_place() {
        let kept: Arc<OneSession> = Arc::default();
        assert!(ControlSession(kept.clone()).put(vec![1], vec![2]));
        let data = data(&kept);
        assert!(!data.put(vec![3], vec![4]) && !data.can_cache());
        assert!(!ControlSession(kept).put(vec![3], vec![4]));
        assert_eq!(data.get(&[1]), Some(vec![2]));
    }
}
