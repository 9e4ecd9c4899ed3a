//! The file tree as its users meet it, on a real disk, with a ledger that can be told to fail.

mod arrival;
mod changes;
mod crashes;
mod endings;
mod escapes;
mod held;
mod housekeeping;
mod incomplete;
mod power;
mod quota_model;
mod quotas;
mod recorder;
mod recording;
mod retention;
mod rights;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tempfile::TempDir;

use super::backend::Backend;
use super::*;
use crate::config::StorageSettings;
use crate::domain::*;

pub(super) fn path(text: &str) -> VirtualPath {
    VirtualPath::parse(text).unwrap()
}

pub(super) const START_NEW: WriteOptions =
    WriteOptions { create: true, truncate: true, exclusive: false, read: false, append: false };
pub(super) const CONTINUE: WriteOptions =
    WriteOptions { create: true, truncate: false, exclusive: false, read: false, append: false };

/// Remembers what it was told, and fails when asked to.
#[derive(Default)]
pub(super) struct FakeLedger {
    pub(super) fails: AtomicBool,
    /// What ends up in this folder is not taken.
    pub(super) refused: Mutex<Option<FolderId>>,
    /// How often something was handed in.
    pub(super) asked: AtomicUsize,
    happenings: Mutex<Vec<Happening>>,
    notes: Mutex<Vec<TransferNote>>,
}

impl Ledger for FakeLedger {
    fn record(&self, told: Vec<Happening>) -> BoxFuture<'_, Vec<Result<(), LedgerError>>> {
        Box::pin(async move {
            self.asked.fetch_add(told.len(), Ordering::SeqCst);
            let mut stuck: Vec<FolderId> = self.refused.lock().unwrap().into_iter().collect();
            let record = |happening: Happening| {
                let waits = happening.folders().iter().any(|folder| stuck.contains(folder));
                if self.fails.load(Ordering::SeqCst) || waits {
                    stuck.extend(happening.folders());
                    return Err(LedgerError(String::from("the database is away")));
                }
                let mut happenings = self.happenings.lock().unwrap();
                if !happenings.iter().any(|known| known.event() == happening.event()) {
                    happenings.push(happening);
                }
                Ok(())
            };
            told.into_iter().map(record).collect()
        })
    }

    fn flush(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn noted(&self, note: TransferNote) {
        self.notes.lock().unwrap().push(note);
    }
}

impl FakeLedger {
    pub(super) fn happenings(&self) -> Vec<Happening> {
        self.happenings.lock().unwrap().clone()
    }

    pub(super) fn publications(&self) -> Vec<Publication> {
        let publication = |happening| match happening {
            Happening::Published(publication) => Some(publication),
            Happening::Changed(_) => None,
        };
        self.happenings().into_iter().filter_map(publication).collect()
    }

    pub(super) fn notes(&self) -> Vec<TransferNote> {
        self.notes.lock().unwrap().clone()
    }
}

/// A storage in a temporary directory, and one account in it.
pub(super) struct Place {
    directory: TempDir,
    pub(super) ledger: Arc<FakeLedger>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) storage: Arc<Storage>,
    pub(super) owner: TreeOwner,
}

impl Place {
    /// With these folders: path and rights.
    pub(super) fn with(folders: &[(&str, Rights)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Arc::new(FakeLedger::default());
        let now = Timestamp::parse("2026-11-23T18:00:00Z").unwrap();
        let clock = Arc::new(ManualClock::at(now));
        let storage = open(directory.path(), &ledger, &clock);
        let (instance, account) = (InstanceId::new(now, &OsRandom), AccountId::new(now, &OsRandom));
        let folder = |(at, rights): &(&str, Rights)| RemoteFolder {
            id: FolderId::new(now, &OsRandom),
            account,
            name: FolderName::parse("folder").unwrap(),
            path: path(at),
            rights: *rights,
            rules: FolderRules::default(),
        };
        let owner = TreeOwner::new(instance, account, folders.iter().map(folder).collect());
        Self { directory, ledger, clock, storage, owner }
    }

    /// With the folder `/in`, all rights.
    pub(super) fn new() -> Self {
        Self::with(&[("/in", Rights::all())])
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// As after a restart: nothing of the memory is left.
    pub(super) async fn restart(&mut self) -> Recovery {
        self.storage = open(self.directory(), &self.ledger, &self.clock);
        self.storage.recover().await.unwrap()
    }

    /// The same over another backend.
    pub(super) fn over(&self, backend: Arc<dyn Backend>) -> Arc<Storage> {
        let (settings, random) = (settings(self.directory()), Arc::new(OsRandom));
        Storage::over(backend, &settings, Arc::clone(&self.ledger) as _, Arc::clone(&self.clock) as _, random).unwrap()
    }

    pub(super) async fn login(&self) -> SessionTree {
        self.login_over(&self.storage).await
    }

    pub(super) async fn login_over(&self, storage: &Arc<Storage>) -> SessionTree {
        let actor = Actor::Login {
            session: SessionId::new(self.clock.now(), &OsRandom),
            login: LoginName::parse("acme-payroll").unwrap(),
            connection_type: ConnectionType::Sftp,
            address: "192.0.2.7".parse().unwrap(),
            client: ClientSoftware::said("SSH-2.0-OpenSSH_9.9"),
            algorithms: None,
        };
        SessionTree::mount(storage, self.owner.clone(), actor).await.unwrap()
    }

    pub(super) async fn operator(&self) -> OperatorTree {
        let actor = Actor::Operator { name: String::from("payroll-import") };
        OperatorTree::mount(&self.storage, self.owner.clone(), actor).await.unwrap()
    }

    /// Where a virtual path is on the disk.
    pub(super) fn disk(&self, at: &str) -> PathBuf {
        self.storage.directory_of(self.owner.instance, self.owner.account, &path(at))
    }

    /// What the disk holds at a virtual path.
    pub(super) fn content(&self, at: &str) -> Option<String> {
        std::fs::read_to_string(self.disk(at)).ok()
    }

    /// What would be told of what happened, in its order, when all of it is recorded.
    pub(super) async fn told(&self) -> Vec<String> {
        self.storage.settle().await;
        self.ledger.happenings().iter().filter_map(told).collect()
    }

    /// The publications that the ledger was told of, when it has been told everything.
    pub(super) async fn recorded(&self) -> Vec<Publication> {
        self.storage.settle().await;
        self.ledger.publications()
    }

    /// The names in the account's staging folder, when everything is recorded that can be.
    pub(super) async fn staging(&self) -> Vec<String> {
        self.storage.settle().await;
        let folder = self.directory().join(".staging").join(self.owner.account.to_string());
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// The event of a happening in short; `None`: it raises none.
pub(super) fn told(happening: &Happening) -> Option<String> {
    Some(match happening {
        Happening::Published(publication) if publication.temporary => return None,
        Happening::Published(publication) => format!("uploaded {} {}", publication.path, publication.bytes),
        Happening::Changed(change) => match &change.change {
            Change::Deleted => format!("deleted {} {}", change.path, change.bytes),
            Change::Renamed { ends_upload: true, .. } => format!("uploaded {} {}", change.path, change.bytes),
            Change::Renamed { from, .. } => format!("renamed {from} {} {}", change.path, change.bytes),
        },
    })
}

pub(super) fn settings(directory: &Path) -> StorageSettings {
    StorageSettings {
        directory: directory.to_owned(),
        incomplete: Duration::from_secs(24 * 3600),
        just_uploaded: Duration::from_secs(600),
        trash: Duration::from_secs(30 * 24 * 3600),
        sweep_every: Duration::from_secs(600),
    }
}

fn open(directory: &Path, ledger: &Arc<FakeLedger>, clock: &Arc<ManualClock>) -> Arc<Storage> {
    let (ledger, clock) = (Arc::clone(ledger), Arc::clone(clock));
    Storage::open(&settings(directory), ledger, clock, Arc::new(OsRandom)).unwrap()
}

pub(super) async fn put(tree: &SessionTree, at: &str, content: &str) -> Result<Published, VfsError> {
    let upload = tree.open_write(&path(at), START_NEW).await?;
    upload.write_at(0, content.as_bytes())?;
    upload.publish().await
}

/// Sends some bytes, then loses the connection.
pub(super) async fn put_cut(tree: &SessionTree, at: &str, content: &str) {
    let upload = tree.open_write(&path(at), START_NEW).await.unwrap();
    upload.write_at(0, content.as_bytes()).unwrap();
    upload.cut(CutReason::ConnectionLost).await;
}

pub(super) fn read_all(file: &ReadFile) -> String {
    let mut bytes = vec![0; usize::try_from(file.size()).unwrap() + 1];
    let read = file.read_at(0, &mut bytes).unwrap();
    String::from_utf8(bytes[..read].to_vec()).unwrap()
}

pub(super) async fn get(tree: &SessionTree, at: &str) -> Result<String, VfsError> {
    let file = tree.open_read(&path(at)).await?;
    Ok(read_all(&file))
}

pub(super) async fn get_as_operator(tree: &OperatorTree, at: &str) -> Result<String, VfsError> {
    let file = tree.open_read(&path(at)).await?;
    Ok(read_all(&file))
}

/// Names of a listing, sorted; an incomplete upload's with a `*`, a folder's with a `/`.
pub(super) async fn names(listing: Result<Listing, VfsError>) -> Result<String, VfsError> {
    let mut listing = listing?;
    let mut names = Vec::new();
    loop {
        let batch = listing.next_batch(3).await?;
        if batch.is_empty() {
            break;
        }
        names.extend(batch.into_iter().map(|entry| {
            let mark = match (entry.metadata.incomplete, entry.metadata.kind) {
                (true, _) => "*",
                (false, FileKind::Folder) => "/",
                (false, FileKind::File) => "",
            };
            format!("{}{mark}", entry.name)
        }));
    }
    names.sort();
    Ok(names.join(" "))
}

/// The variant's name, for tables of expected outcomes.
pub(super) fn outcome<T>(result: &Result<T, VfsError>) -> String {
    match result {
        Ok(_) => String::from("Ok"),
        Err(error) => format!("{error:?}").chars().take_while(char::is_ascii_alphanumeric).collect(),
    }
}
