//! Publications and notes as the rows that are kept.

use crate::domain::{ConnectionType, EventKind, SessionId, TransferDirection, TransferResult};
use crate::store::{EventRow, TransferRow};
use crate::vfs::{Actor, Publication, TransferNote, TransferOutcome};

/// The transfer and the event of a publication.
pub(super) fn of_publication(publication: Publication) -> (TransferRow, EventRow) {
    let data = serde_json::json!({
        "account": publication.account,
        "folder": publication.folder,
        "path": publication.path.as_str(),
        "bytes": publication.bytes,
        "replaced": publication.replaced,
        "unproven_end": publication.unproven_end,
        "transfer": publication.transfer,
        "actor": actor_data(&publication.actor),
    });
    let event = EventRow {
        id: publication.event,
        kind: EventKind::FileUploaded,
        instance: publication.instance,
        account: Some(publication.account),
        folder: Some(publication.folder),
        at: publication.published_at,
        data,
    };
    let Who { actor, session, connection_type, address, client, algorithms } = publication.actor.into();
    let transfer = TransferRow {
        id: publication.transfer,
        instance: publication.instance,
        account: publication.account,
        actor,
        session,
        connection_type,
        address,
        client,
        algorithms,
        direction: TransferDirection::Upload,
        path: publication.path,
        bytes: publication.bytes,
        started_at: publication.started_at,
        ended_at: publication.published_at,
        outcome: TransferResult::Completed,
        reason: None,
        unproven_end: publication.unproven_end,
    };
    (transfer, event)
}

/// The transfer of a note.
pub(super) fn of_note(note: TransferNote) -> TransferRow {
    let Who { actor, session, connection_type, address, client, algorithms } = note.actor.into();
    let (outcome, reason) = match note.outcome {
        TransferOutcome::Completed => (TransferResult::Completed, None),
        TransferOutcome::Failed { reason } => (TransferResult::Failed, Some(reason)),
    };
    TransferRow {
        id: note.transfer,
        instance: note.instance,
        account: note.account,
        actor,
        session,
        connection_type,
        address,
        client,
        algorithms,
        direction: if note.upload { TransferDirection::Upload } else { TransferDirection::Download },
        path: note.path,
        bytes: note.bytes,
        started_at: note.started_at,
        ended_at: note.ended_at,
        outcome,
        reason,
        unproven_end: false,
    }
}

fn actor_data(actor: &Actor) -> serde_json::Value {
    match actor {
        Actor::Login { session, login, connection_type, address, .. } => serde_json::json!({
            "login": login,
            "connection_type": connection_type,
            "address": address.to_canonical(),
            "session": session,
        }),
        Actor::Operator { name } => serde_json::json!({ "operator": name }),
    }
}

/// What a transfer tells of whoever worked.
struct Who {
    actor: String,
    // A login's connection; operators have none.
    session: Option<SessionId>,
    connection_type: Option<ConnectionType>,
    address: Option<String>,
    client: Option<String>,
    algorithms: Option<String>,
}

impl From<Actor> for Who {
    fn from(actor: Actor) -> Self {
        match actor {
            Actor::Login { session, login, connection_type, address, client, algorithms } => Self {
                actor: format!("login {login}"),
                session: Some(session),
                connection_type: Some(connection_type),
                address: Some(address.to_canonical().to_string()),
                client: Some(client.to_string()),
                algorithms,
            },
            Actor::Operator { name } => Self {
                actor: format!("operator {name}"),
                session: None,
                connection_type: None,
                address: None,
                client: None,
                algorithms: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::samples::{note, operator, publication};

    #[test]
    fn an_event_tells_who_uploaded_what_and_how() {
        let published = publication(1);
        let (transfer, event) = of_publication(published.clone());
        let Actor::Login { session, .. } = published.actor else { panic!("a login uploads") };
        let expected = serde_json::json!({
            "account": published.account.to_string(),
            "folder": published.folder.to_string(),
            "path": "/export/absences-1.csv",
            "bytes": 1024,
            "replaced": false,
            "unproven_end": false,
            "transfer": published.transfer.to_string(),
            "actor": {
                "login": "Paie.Acme",
                "connection_type": "sftp",
                "address": "203.0.113.7",
                "session": session.to_string(),
            },
        });
        assert_eq!((event.kind.as_str(), event.data), ("file.uploaded", expected));
        assert_eq!(transfer.actor, "login Paie.Acme");
        assert_eq!(transfer.address.as_deref(), Some("203.0.113.7"));
        assert_eq!(transfer.client.as_deref(), Some("SSH-2.0-OpenSSH_9.9"));
        assert_eq!(transfer.algorithms.as_deref(), Some("curve25519-sha256 ssh-ed25519 aes128-gcm@openssh.com"));
    }

    #[test]
    fn an_unproven_end_is_told_in_the_transfer_and_in_the_event() {
        let (transfer, event) = of_publication(Publication { unproven_end: true, ..publication(1) });
        assert!(transfer.unproven_end);
        assert_eq!((transfer.outcome, &event.data["unproven_end"]), (TransferResult::Completed, &true.into()));
    }

    #[test]
    fn an_operators_event_names_the_operator_alone() {
        let (transfer, event) = of_publication(Publication { actor: operator(), ..publication(1) });
        assert_eq!(event.data["actor"], serde_json::json!({ "operator": "hr-suite" }));
        assert_eq!(transfer.actor, "operator hr-suite");
        assert_eq!((transfer.session, transfer.connection_type, transfer.address), (None, None, None));
        assert_eq!((transfer.client, transfer.algorithms), (None, None));
    }

    #[test]
    fn a_note_keeps_why_a_transfer_failed() {
        let cut = of_note(TransferNote {
            upload: true,
            outcome: TransferOutcome::Failed { reason: String::from("the connection was lost") },
            ..note(1)
        });
        assert_eq!((cut.direction, cut.outcome), (TransferDirection::Upload, TransferResult::Failed));
        assert_eq!(cut.reason.as_deref(), Some("the connection was lost"));
        let fetched = of_note(note(2));
        assert_eq!((fetched.direction, fetched.outcome), (TransferDirection::Download, TransferResult::Completed));
        assert_eq!(fetched.reason, None);
    }
}
