//! What the tests of this module publish and note.

use std::time::Duration;

use crate::domain::{
    AccountId, ClientSoftware, ConnectionType, EventId, FolderId, InstanceId, OsRandom, SessionId, Timestamp,
    TransferId,
};
use crate::vfs::{Actor, Change, FileChange, FileKind, Publication, TransferNote, TransferOutcome};

pub(super) const STARTED: Timestamp = Timestamp::from_seconds(1_795_456_800);

pub(super) fn operator() -> Actor {
    Actor::Operator { name: String::from("hr-suite") }
}

pub(super) fn publication(number: u64) -> Publication {
    let id = STARTED.plus(Duration::from_secs(number));
    Publication {
        event: EventId::new(id, &OsRandom),
        transfer: TransferId::new(id, &OsRandom),
        instance: InstanceId::new(STARTED, &OsRandom),
        account: AccountId::new(STARTED, &OsRandom),
        folder: FolderId::new(STARTED, &OsRandom),
        path: format!("/export/absences-{number}.csv").parse().unwrap(),
        bytes: 1_024,
        replaced: false,
        unproven_end: false,
        temporary: false,
        actor: Actor::Login {
            session: SessionId::new(STARTED, &OsRandom),
            login: "Paie.Acme".parse().unwrap(),
            connection_type: ConnectionType::Sftp,
            address: "::ffff:203.0.113.7".parse().unwrap(),
            client: ClientSoftware::said("SSH-2.0-OpenSSH_9.9"),
            algorithms: Some(String::from("curve25519-sha256 ssh-ed25519 aes128-gcm@openssh.com")),
        },
        started_at: STARTED,
        published_at: id,
    }
}

pub(super) fn change(number: u64, change: Change) -> FileChange {
    let publication = publication(number);
    FileChange {
        event: publication.event,
        instance: publication.instance,
        account: publication.account,
        folder: publication.folder,
        path: publication.path,
        kind: FileKind::File,
        bytes: publication.bytes,
        change,
        trashed: None,
        actor: operator(),
        at: publication.published_at,
    }
}

/// From the name with `.part` behind it, in another folder.
pub(super) fn renamed(number: u64, ends_upload: bool) -> FileChange {
    let from_folder = FolderId::new(STARTED, &OsRandom);
    let from = format!("/export/absences-{number}.csv.part").parse().unwrap();
    change(number, Change::Renamed { from_folder, from, replaced: true, ends_upload })
}

pub(super) fn note(number: u64) -> TransferNote {
    let publication = publication(number);
    TransferNote {
        event: publication.event,
        transfer: publication.transfer,
        instance: publication.instance,
        account: publication.account,
        folder: publication.folder,
        path: publication.path,
        bytes: publication.bytes,
        upload: false,
        actor: publication.actor,
        started_at: publication.started_at,
        ended_at: publication.published_at,
        outcome: TransferOutcome::Completed,
    }
}
