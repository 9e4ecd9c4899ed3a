//! Publications, changes and notes as the rows that are kept. The shapes of events' data are a promise to other programs
//! (docs/EVENTS.md).

use crate::domain::{
    AccountId, ConnectionType, EventKind, FolderId, SessionId, Timestamp, TransferDirection, TransferResult,
    VirtualPath,
};
use crate::store::{EventRow, TransferRow};
use crate::vfs::{
    Actor, Change, FileChange, FileKind, Happening, Publication, TransferNote, TransferOutcome, TrashEntry,
};

/// What is written of something that happened.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    pub(super) transfer: Option<TransferRow>,
    pub(super) event: Option<EventRow>,
    /// The event tells of a file that came under this name: which transfer brought it is to be looked up.
    pub(super) came_as: Option<Came>,
    pub(super) folders: [FolderId; 2],
}

/// Under which temporary name a file came, and until when it had it.
#[derive(Debug, Clone)]
pub(super) struct Came {
    pub(super) account: AccountId,
    pub(super) path: VirtualPath,
    pub(super) until: Timestamp,
}

pub(super) fn of_happening(happening: Happening) -> Rows {
    let folders = happening.folders();
    match happening {
        Happening::Published(publication) => {
            let (transfer, event) = of_publication(publication);
            Rows { transfer: Some(transfer), event, came_as: None, folders }
        }
        Happening::Changed(change) => {
            let came_as = came_as(&change);
            Rows { transfer: None, event: Some(of_change(&change)), came_as, folders }
        }
    }
}

/// The transfer and the event of a publication; under a client's temporary name it raises none.
pub(super) fn of_publication(publication: Publication) -> (TransferRow, Option<EventRow>) {
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
    let event = (!publication.temporary).then_some(event);
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

/// The event of a removal or a rename.
fn of_change(change: &FileChange) -> EventRow {
    let (account, folder, path) = (change.account, change.folder, change.path.as_str());
    let (bytes, actor) = (change.bytes, actor_data(&change.actor));
    let (kind, data) = match &change.change {
        Change::Deleted => {
            let data = serde_json::json!({
                "account": account, "folder": folder, "path": path, "bytes": bytes, "reason": reason(&change.actor),
                "trash": change.trashed.as_ref().map(TrashEntry::as_str), "actor": actor,
            });
            (EventKind::FileDeleted, data)
        }
        // The same shape as that of a publication: the transfer, and how sure its end is, are filled in where it is known.
        Change::Renamed { replaced, ends_upload: true, .. } => {
            let data = serde_json::json!({
                "account": account, "folder": folder, "path": path, "bytes": bytes, "replaced": replaced,
                "unproven_end": false, "transfer": null, "actor": actor,
            });
            (EventKind::FileUploaded, data)
        }
        Change::Renamed { from_folder, from, replaced, ends_upload: false } => {
            let (is, bytes) = match change.kind {
                FileKind::File => ("file", Some(bytes)),
                FileKind::Folder => ("folder", None),
            };
            let data = serde_json::json!({
                "account": account, "folder": folder, "path": path, "is": is, "bytes": bytes, "replaced": replaced,
                "from_folder": from_folder, "from_path": from.as_str(), "actor": actor,
            });
            (EventKind::FileRenamed, data)
        }
    };
    EventRow {
        id: change.event,
        kind,
        instance: change.instance,
        account: Some(account),
        folder: Some(folder),
        at: change.at,
        data,
    }
}

fn came_as(change: &FileChange) -> Option<Came> {
    match &change.change {
        Change::Renamed { from, ends_upload: true, .. } => {
            Some(Came { account: change.account, path: from.clone(), until: change.at })
        }
        Change::Renamed { .. } | Change::Deleted => None,
    }
}

/// Says in an event which transfer brought its file.
pub(super) fn tell_transfer(event: &mut EventRow, transfer: &TransferRow) {
    event.data["transfer"] = transfer.id.to_string().into();
    event.data["unproven_end"] = transfer.unproven_end.into();
}

/// The transfer and the event of a note. An upload's that succeeded is its publication, and never a note.
pub(super) fn of_note(note: TransferNote) -> (TransferRow, EventRow) {
    let (outcome, reason) = match note.outcome {
        TransferOutcome::Completed => (TransferResult::Completed, None),
        TransferOutcome::Failed { reason } => (TransferResult::Failed, Some(reason)),
    };
    let direction = if note.upload { TransferDirection::Upload } else { TransferDirection::Download };
    let (account, folder, path, bytes) = (note.account, note.folder, note.path.as_str(), note.bytes);
    let (transfer, actor) = (note.transfer, actor_data(&note.actor));
    let (kind, data) = match &reason {
        None => {
            let data = serde_json::json!({
                "account": account, "folder": folder, "path": path, "bytes": bytes, "transfer": transfer, "actor": actor,
            });
            (EventKind::FileDownloaded, data)
        }
        Some(reason) => {
            let data = serde_json::json!({
                "account": account, "folder": folder, "path": path, "bytes": bytes, "direction": direction.as_str(),
                "reason": reason, "transfer": transfer, "actor": actor,
            });
            (EventKind::TransferFailed, data)
        }
    };
    let event = EventRow {
        id: note.event,
        kind,
        instance: note.instance,
        account: Some(account),
        folder: Some(folder),
        at: note.ended_at,
        data,
    };
    let Who { actor, session, connection_type, address, client, algorithms } = note.actor.into();
    let transfer = TransferRow {
        id: note.transfer,
        instance: note.instance,
        account: note.account,
        actor,
        session,
        connection_type,
        address,
        client,
        algorithms,
        direction,
        path: note.path,
        bytes: note.bytes,
        started_at: note.started_at,
        ended_at: note.ended_at,
        outcome,
        reason,
        unproven_end: false,
    };
    (transfer, event)
}

/// Why a file was removed: somebody wanted it, or the rule of the gateway that did.
fn reason(actor: &Actor) -> &str {
    match actor {
        Actor::Login { .. } | Actor::Operator { .. } => "request",
        Actor::Gateway { rule } => rule,
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
        Actor::Gateway { rule } => serde_json::json!({ "gateway": rule }),
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
            Actor::Operator { name } => Self::without_connection(format!("operator {name}")),
            Actor::Gateway { rule } => Self::without_connection(format!("gateway: {rule}")),
        }
    }
}

impl Who {
    fn without_connection(actor: String) -> Self {
        Self { actor, session: None, connection_type: None, address: None, client: None, algorithms: None }
    }
}

/// The example of a kind's data in docs/EVENTS.md.
#[cfg(test)]
pub(crate) fn documented(kind: EventKind) -> serde_json::Value {
    let (_, section) = include_str!("../../docs/EVENTS.md").split_once(&format!("### `{kind}`")).expect("a section");
    let example = section.split("```").nth(1).and_then(|block| block.strip_prefix("json")).expect("an example");
    serde_json::from_str(example).expect("an example in JSON")
}

#[cfg(test)]
pub(crate) fn keys(data: &serde_json::Value) -> Vec<&String> {
    data.as_object().expect("an object").keys().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::samples::{change, note, operator, publication, renamed};

    #[test]
    fn an_event_tells_who_uploaded_what_and_how() {
        let published = publication(1);
        let (transfer, event) = of_publication(published.clone());
        let event = event.unwrap();
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
        assert_eq!((transfer.outcome, &event.unwrap().data["unproven_end"]), (TransferResult::Completed, &true.into()));
    }

    #[test]
    fn an_operators_event_names_the_operator_alone() {
        let (transfer, event) = of_publication(Publication { actor: operator(), ..publication(1) });
        assert_eq!(event.unwrap().data["actor"], serde_json::json!({ "operator": "hr-suite" }));
        assert_eq!(transfer.actor, "operator hr-suite");
        assert_eq!((transfer.session, transfer.connection_type, transfer.address), (None, None, None));
        assert_eq!((transfer.client, transfer.algorithms), (None, None));
    }

    #[test]
    fn each_shape_is_the_documented_one() {
        let publication = of_publication(publication(1)).1;
        let failed = TransferNote { outcome: TransferOutcome::Failed { reason: String::new() }, ..note(1) };
        let of_change = |change| of_happening(Happening::Changed(change)).event;
        let events = [
            publication,
            of_change(renamed(1, true)),
            of_change(renamed(1, false)),
            of_change(change(1, Change::Deleted)),
            Some(of_note(note(1)).1),
            Some(of_note(failed).1),
        ];
        for event in events.into_iter().flatten() {
            assert_eq!(keys(&event.data), keys(&documented(event.kind)), "{}", event.kind);
        }
    }

    #[test]
    fn under_a_temporary_name_only_the_transfer_is_told() {
        let (transfer, event) = of_publication(Publication { temporary: true, ..publication(1) });
        assert_eq!((transfer.outcome, event), (TransferResult::Completed, None));
    }

    #[test]
    fn a_note_keeps_why_a_transfer_failed() {
        let noted = TransferNote {
            upload: true,
            actor: operator(),
            outcome: TransferOutcome::Failed { reason: String::from("the connection was lost") },
            ..note(1)
        };
        let (cut, event) = of_note(noted.clone());
        assert_eq!((cut.direction, cut.outcome), (TransferDirection::Upload, TransferResult::Failed));
        assert_eq!(cut.reason.as_deref(), Some("the connection was lost"));
        let expected = serde_json::json!({
            "account": noted.account.to_string(),
            "folder": noted.folder.to_string(),
            "path": "/export/absences-1.csv",
            "bytes": 1024,
            "direction": "upload",
            "reason": "the connection was lost",
            "transfer": noted.transfer.to_string(),
            "actor": { "operator": "hr-suite" },
        });
        assert_eq!((event.kind.as_str(), event.id, event.data), ("transfer.failed", noted.event, expected));
    }

    #[test]
    fn a_download_that_is_over_is_told() {
        let noted = TransferNote { actor: operator(), ..note(2) };
        let (fetched, event) = of_note(noted.clone());
        assert_eq!((fetched.direction, fetched.outcome), (TransferDirection::Download, TransferResult::Completed));
        assert_eq!(fetched.reason, None);
        let expected = serde_json::json!({
            "account": noted.account.to_string(),
            "folder": noted.folder.to_string(),
            "path": "/export/absences-2.csv",
            "bytes": 1024,
            "transfer": noted.transfer.to_string(),
            "actor": { "operator": "hr-suite" },
        });
        assert_eq!((event.kind.as_str(), event.data), ("file.downloaded", expected));
    }

    #[test]
    fn a_removal_tells_what_was_removed() {
        let removed = change(1, Change::Deleted);
        let Rows { transfer, event, came_as, folders } = of_happening(Happening::Changed(removed.clone()));
        let event = event.unwrap();
        let expected = serde_json::json!({
            "account": removed.account.to_string(),
            "folder": removed.folder.to_string(),
            "path": "/export/absences-1.csv",
            "bytes": 1024,
            "reason": "request",
            "trash": null,
            "actor": { "operator": "hr-suite" },
        });
        assert_eq!((event.kind.as_str(), event.id, event.data), ("file.deleted", removed.event, expected));
        assert!(transfer.is_none() && came_as.is_none());
        assert_eq!(folders, [removed.folder; 2]);
    }

    #[test]
    fn a_removal_by_a_rule_of_the_gateway_says_which_and_where_the_file_is() {
        let actor = Actor::Gateway { rule: String::from("retention") };
        let entry = "2026-11-23T18.00.00Z-01937d0e-5f3c-7c3a-9d5e-2f4a1b6c8d7e";
        let trashed = serde_json::from_value(entry.into()).unwrap();
        let removed = FileChange { actor: actor.clone(), trashed: Some(trashed), ..change(1, Change::Deleted) };
        let data = of_happening(Happening::Changed(removed)).event.unwrap().data;
        assert_eq!((&data["reason"], &data["trash"]), (&"retention".into(), &entry.into()));
        assert_eq!(data["actor"], serde_json::json!({ "gateway": "retention" }));
        let (transfer, _) = of_note(TransferNote { actor, ..note(1) });
        assert_eq!((transfer.actor.as_str(), transfer.address), ("gateway: retention", None));
    }

    #[test]
    fn a_rename_tells_both_names() {
        let renamed = renamed(1, false);
        let Rows { transfer, event, came_as, folders } = of_happening(Happening::Changed(renamed.clone()));
        let event = event.unwrap();
        let expected = serde_json::json!({
            "account": renamed.account.to_string(),
            "folder": renamed.folder.to_string(),
            "path": "/export/absences-1.csv",
            "is": "file",
            "bytes": 1024,
            "replaced": true,
            "from_folder": folders[0].to_string(),
            "from_path": "/export/absences-1.csv.part",
            "actor": { "operator": "hr-suite" },
        });
        assert_eq!((event.kind.as_str(), event.data), ("file.renamed", expected));
        assert!(transfer.is_none() && came_as.is_none());
        assert_eq!(folders[1], renamed.folder);

        let folder = FileChange { kind: FileKind::Folder, bytes: 0, ..renamed };
        let data = of_happening(Happening::Changed(folder)).event.unwrap().data;
        assert_eq!((&data["is"], &data["bytes"]), (&"folder".into(), &serde_json::Value::Null));
    }

    #[test]
    fn the_rename_from_a_temporary_name_is_told_as_the_upload_that_it_ends() {
        let finished = renamed(1, true);
        let Rows { transfer, event, came_as, .. } = of_happening(Happening::Changed(finished.clone()));
        let mut event = event.unwrap();
        assert!(transfer.is_none(), "the transfer was recorded under the temporary name, and counts once");
        assert_eq!(came_as.unwrap().path.as_str(), "/export/absences-1.csv.part");
        let of_publication = of_publication(publication(1)).1.unwrap();
        assert_eq!(event.kind, of_publication.kind);
        assert_eq!(keys(&event.data), keys(&of_publication.data), "one shape");
        assert_eq!(event.data["transfer"], serde_json::Value::Null);

        let brought_by = super::of_publication(Publication { unproven_end: true, ..publication(1) }).0;
        tell_transfer(&mut event, &brought_by);
        assert_eq!(event.data["transfer"], brought_by.id.to_string());
        assert_eq!(event.data["unproven_end"], true);
        assert_eq!((&event.data["bytes"], &event.data["replaced"]), (&1024.into(), &true.into()));
    }
}
