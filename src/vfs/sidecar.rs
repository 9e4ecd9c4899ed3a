//! What is written beside a staging file, so that it means something after a crash.
//!
//! A sidecar is a list of JSON lines that only grows, because appending a line and syncing it once is the cheapest
//! durable note there is. The first line says whose upload it is; a later *intent* line says that it is being
//! published, and whatever follows an intent ends it. A line that was torn by a crash is no line.
//!
//! A removal or a rename that is to be told has a sidecar too, without data: its first line is the intent.

use std::io;

use serde::{Deserialize, Serialize};

use crate::domain::{AccountId, EventId, FolderId, InstanceId, Timestamp, TransferId, UploadId, VirtualPath};

use super::Actor;
use super::backend::{Backend, OpenFile};
use super::ledger::{FileChange, Publication};
use super::places::DiskPath;

/// How much of a sidecar is read from its beginning and from its end. A few lines are all that most have; one grows
/// with every cut and resumption, and then the first line and the last ones say everything.
const END_BYTES: u64 = 64 * 1024;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Opened(Opened),
    /// The folder that the upload is for has another path now.
    Moved {
        path: VirtualPath,
    },
    Intent(Box<Intent>),
    /// It was cut short, and the first so many bytes of its data are synced.
    Kept {
        bytes: u64,
    },
    /// All came, and all is synced; it is published when its login renames it.
    Held(Held),
    /// The publication failed before the file was visible, and the upload is what it was before; or the change failed.
    Withdrawn,
    /// A change that is about to happen.
    Change(Box<Announced>),
    /// The change happened, whatever its old path names by now.
    Made,
}

/// Whose upload it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Opened {
    pub(super) instance: InstanceId,
    pub(super) account: AccountId,
    pub(super) path: VirtualPath,
    pub(super) started: Timestamp,
    pub(super) actor: Actor,
    /// The backend's era in which it receives data that nothing syncs.
    #[serde(default)]
    pub(super) era: String,
}

/// An upload that waits for the rename which publishes it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) transfer: TransferId,
    pub(super) bytes: u64,
    pub(super) unproven_end: bool,
    pub(super) started_at: Timestamp,
    /// When its client ended it.
    pub(super) at: Timestamp,
}

/// A change, and what it is made to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Announced {
    /// The inode at its old path.
    pub(super) unique: u64,
    pub(super) change: FileChange,
}

impl Announced {
    /// The change that a sidecar announces, and whether it says how that ended. `None`: it is no such sidecar, or one
    /// that a crash tore.
    pub(super) fn read(backend: &dyn Backend, path: &DiskPath) -> io::Result<Option<(Self, Option<bool>)>> {
        let file = backend.open_file(path)?;
        let text = text_at(file.as_ref(), 0, file.stat()?.size.min(END_BYTES))?;
        let mut lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        let Some(Line::Change(announced)) = lines.next() else { return Ok(None) };
        let made = lines.fold(None, |made, line| match line {
            Line::Made => Some(true),
            Line::Withdrawn => Some(false),
            _ => made,
        });
        Ok(Some((*announced, made)))
    }
}

/// Everything that the record of the publication will say, and which file it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Intent {
    pub(super) event: EventId,
    pub(super) transfer: TransferId,
    pub(super) instance: InstanceId,
    pub(super) account: AccountId,
    pub(super) folder: FolderId,
    pub(super) path: VirtualPath,
    pub(super) bytes: u64,
    /// The staged file's inode, for who has to look at the disk by hand.
    pub(super) unique: u64,
    pub(super) replaced: bool,
    #[serde(default)]
    pub(super) unproven_end: bool,
    #[serde(default)]
    pub(super) temporary: bool,
    pub(super) actor: Actor,
    pub(super) started_at: Timestamp,
    pub(super) published_at: Timestamp,
}

impl Intent {
    pub(super) fn publication(self) -> Publication {
        Publication {
            event: self.event,
            transfer: self.transfer,
            instance: self.instance,
            account: self.account,
            folder: self.folder,
            path: self.path,
            bytes: self.bytes,
            replaced: self.replaced,
            unproven_end: self.unproven_end,
            temporary: self.temporary,
            actor: self.actor,
            started_at: self.started_at,
            published_at: self.published_at,
        }
    }
}

/// A sidecar as it was found.
#[derive(Debug)]
pub(super) struct Sidecar {
    /// With the path of the last move.
    pub(super) opened: Opened,
    /// The intent that nothing ended.
    pub(super) intent: Option<Intent>,
    /// All came, and nothing was added since.
    pub(super) held: Option<Held>,
    /// How much of the data is synced for sure.
    kept: u64,
}

impl Sidecar {
    /// `None` when there is no whole first line.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        let Some(Line::Opened(opened)) = lines.next() else { return None };
        let mut sidecar = Self { opened, intent: None, held: None, kept: 0 };
        for line in lines {
            sidecar.intent = None;
            match line {
                Line::Opened(again) => {
                    sidecar.opened = again;
                    sidecar.held = None;
                    sidecar.kept = 0;
                }
                Line::Moved { path } => sidecar.opened.path = path,
                Line::Intent(intent) => {
                    // Written after the data was synced.
                    sidecar.kept = intent.bytes;
                    sidecar.intent = Some(*intent);
                }
                Line::Kept { bytes } => sidecar.kept = bytes,
                Line::Held(held) => {
                    sidecar.kept = held.bytes;
                    sidecar.held = Some(held);
                }
                Line::Withdrawn | Line::Change(_) | Line::Made => {}
            }
        }
        Some(sidecar)
    }

    /// How much of `size` bytes of data is as the client sent it. Without a loss of power since they came that is all
    /// of them; else a client that resumed at their end would put good data behind bytes that never reached the disk.
    pub(super) fn sound(&self, size: u64, era: &str) -> u64 {
        let nothing_was_lost = !era.is_empty() && self.opened.era == era;
        if nothing_was_lost { size } else { size.min(self.kept) }
    }

    pub(super) fn read(backend: &dyn Backend, path: &DiskPath) -> io::Result<Option<Self>> {
        let file = backend.open_file(path)?;
        let size = file.stat()?.size;
        if size <= 2 * END_BYTES {
            return Ok(Self::parse(&text_at(file.as_ref(), 0, size)?));
        }
        let (begin, end) =
            (text_at(file.as_ref(), 0, END_BYTES)?, text_at(file.as_ref(), size - END_BYTES, END_BYTES)?);
        let first = begin.lines().find(|line| !line.is_empty()).unwrap_or_default();
        // Where the end begins, a line was cut apart.
        let last = end.split_once('\n').map_or("", |(_, lines)| lines);
        Ok(Self::parse(&format!("{first}\n{last}")))
    }
}

fn text_at(file: &dyn OpenFile, start: u64, length: u64) -> io::Result<String> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(start + filled as u64, &mut bytes[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(String::from_utf8_lossy(&bytes[..filled]).into_owned())
}

impl Line {
    /// Starts a sidecar with this line.
    pub(super) fn create(&self, backend: &dyn Backend, path: &DiskPath) -> io::Result<()> {
        backend.create_file(path)?.write_at(0, &self.bytes()?)
    }

    /// As [`Self::create`], and what is written is durable (but for the file's name).
    pub(super) fn create_lasting(&self, backend: &dyn Backend, path: &DiskPath) -> io::Result<()> {
        let file = backend.create_file(path)?;
        file.write_at(0, &self.bytes()?)?;
        file.sync()
    }

    /// Adds this line to a sidecar that is there; durable (but for the file's name) when `sync`.
    pub(super) fn append(&self, backend: &dyn Backend, path: &DiskPath, sync: bool) -> io::Result<()> {
        let file = backend.reopen_file(path)?;
        file.write_at(file.stat()?.size, &self.bytes()?)?;
        if sync { file.sync() } else { Ok(()) }
    }

    fn bytes(&self) -> io::Result<Vec<u8>> {
        // The newline comes first as well: a line that a crash tore must not swallow this one.
        let mut bytes = vec![b'\n'];
        serde_json::to_writer(&mut bytes, self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// The upload that a name in a staging folder belongs to, and whether it is its data.
pub(super) fn staging_name(name: &str) -> Option<(UploadId, bool)> {
    let (id, kind) = name.split_once('.')?;
    match kind {
        "data" => Some((id.parse().ok()?, true)),
        "json" => Some((id.parse().ok()?, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ClientSoftware, ConnectionType, LoginName, OsRandom, SessionId};

    fn opened() -> Opened {
        let now = Timestamp::from_seconds(1_000);
        Opened {
            instance: InstanceId::new(now, &OsRandom),
            account: AccountId::new(now, &OsRandom),
            path: VirtualPath::parse("/in/a.csv").unwrap(),
            started: now,
            actor: Actor::Operator { name: String::from("payroll") },
            era: String::from("this one"),
        }
    }

    fn intent() -> Line {
        let (now, opened) = (Timestamp::from_seconds(1_000), opened());
        Line::Intent(Box::new(Intent {
            event: EventId::new(now, &OsRandom),
            transfer: TransferId::new(now, &OsRandom),
            instance: opened.instance,
            account: opened.account,
            folder: FolderId::new(now, &OsRandom),
            path: opened.path,
            bytes: 3,
            unique: 7,
            replaced: false,
            unproven_end: false,
            temporary: false,
            actor: opened.actor,
            started_at: now,
            published_at: now,
        }))
    }

    fn text(lines: &[Line]) -> String {
        lines.iter().map(|line| String::from_utf8(line.bytes().unwrap()).unwrap()).collect()
    }

    #[test]
    fn the_last_line_decides_whether_there_is_an_intent() {
        let has_intent = |lines: &[Line]| Sidecar::parse(&text(lines)).unwrap().intent.is_some();
        assert!(!has_intent(&[Line::Opened(opened())]));
        assert!(has_intent(&[Line::Opened(opened()), intent()]));
        assert!(!has_intent(&[Line::Opened(opened()), intent(), Line::Withdrawn]));
        assert!(has_intent(&[Line::Opened(opened()), intent(), Line::Withdrawn, intent()]));
    }

    #[test]
    fn after_a_loss_of_power_only_synced_data_counts() {
        let sound = |lines: &[Line], era: &str| Sidecar::parse(&text(lines)).unwrap().sound(10, era);
        assert_eq!(sound(&[Line::Opened(opened())], "this one"), 10);
        assert_eq!(sound(&[Line::Opened(opened())], "the next"), 0);
        assert_eq!(sound(&[Line::Opened(opened()), Line::Kept { bytes: 7 }], "the next"), 7);
        assert_eq!(sound(&[Line::Opened(opened()), intent(), Line::Withdrawn], "the next"), 3);
        let continued = [Line::Opened(opened()), Line::Kept { bytes: 7 }, Line::Opened(opened())];
        assert_eq!(sound(&continued, "the next"), 0);
        let unknown = Opened { era: String::new(), ..opened() };
        assert_eq!(sound(&[Line::Opened(unknown)], ""), 0, "an era that is not known is no era");
    }

    #[test]
    fn a_torn_intent_is_no_intent_and_swallows_nothing() {
        let whole = text(&[Line::Opened(opened()), intent()]);
        for length in 0..whole.len() - 2 {
            let torn = &whole[..length];
            if let Some(sidecar) = Sidecar::parse(torn) {
                assert!(sidecar.intent.is_none(), "{torn}");
                assert!(Sidecar::parse(&(torn.to_owned() + &text(&[intent()]))).unwrap().intent.is_some());
            }
        }
    }

    #[test]
    fn an_intent_of_before_clients_were_kept_is_read() {
        let Line::Intent(intent) = intent() else { panic!("it is one") };
        let actor = Actor::Login {
            session: SessionId::new(Timestamp::from_seconds(1_000), &OsRandom),
            login: LoginName::parse("acme-payroll").unwrap(),
            connection_type: ConnectionType::Sftp,
            address: "192.0.2.7".parse().unwrap(),
            client: ClientSoftware::default(),
            algorithms: None,
        };
        let now = text(&[Line::Opened(opened()), Line::Intent(Box::new(Intent { actor, ..*intent }))]);
        let before = now.replace(r#","client":"","algorithms":null"#, "");
        assert_ne!(before, now);
        let read = Sidecar::parse(&before).unwrap().intent.unwrap();
        assert!(matches!(read.actor, Actor::Login { client, algorithms: None, .. } if client.as_str().is_empty()));
    }

    #[test]
    fn an_intent_of_before_there_were_unproven_ends_is_read() {
        let text = text(&[Line::Opened(opened()), intent()]).replace(r#""unproven_end":false,"#, "");
        assert!(!text.contains("unproven_end"));
        assert!(!Sidecar::parse(&text).unwrap().intent.unwrap().unproven_end);
    }

    #[test]
    fn a_moved_upload_has_its_new_path() {
        let path = VirtualPath::parse("/out/a.csv").unwrap();
        let sidecar = Sidecar::parse(&text(&[Line::Opened(opened()), Line::Moved { path: path.clone() }])).unwrap();
        assert_eq!(sidecar.opened.path, path);
    }
}
