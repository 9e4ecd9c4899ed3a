//! A door that knows one login, and a tree that is a plain folder: the simplest things below the edge that behave as
//! the real ones do. Uploads are staged beside and published by a rename.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::access::{Needed, RefusalReason};
use crate::domain::{FileName, LoginName, PublicKey, ReadySet, Timestamp, VirtualPath};
use crate::sessions::EndReason;
use crate::sftp::below::{Answer, Door, Entered, Entries, Presence, Reader, Shown, Tree, Writer};
use crate::vfs::{CutReason, Entry, FileKind, Metadata, Pace, Replace, Space, VfsError, WriteOptions};

/// The session of a test, and what the test wants to know of it.
pub(super) struct Here {
    login: LoginName,
    ended: CancellationToken,
    /// How long nothing has happened.
    pub(super) idle: Mutex<Duration>,
    cut: Notify,
    published: Notify,
}

impl Here {
    pub(super) fn new(login: &str) -> Arc<Self> {
        Arc::new(Self {
            login: LoginName::parse(login).unwrap(),
            ended: CancellationToken::new(),
            idle: Mutex::default(),
            cut: Notify::new(),
            published: Notify::new(),
        })
    }

    pub(super) fn end(&self) {
        self.ended.cancel();
    }

    pub(super) async fn until_cut(&self) {
        tokio::time::timeout(Duration::from_secs(20), self.cut.notified()).await.expect("an upload is cut");
    }

    pub(super) async fn until_published(&self) {
        tokio::time::timeout(Duration::from_secs(20), self.published.notified()).await.expect("a file is published");
    }
}

impl Presence for Here {
    fn login(&self) -> &LoginName {
        &self.login
    }
    fn ended(&self) -> &CancellationToken {
        &self.ended
    }
    fn end_reason(&self) -> Option<EndReason> {
        self.ended.is_cancelled().then_some(EndReason::ShuttingDown)
    }
    fn touch(&self) {}
    fn count_in(&self, _bytes: u64) {}
    fn count_out(&self, _bytes: u64) {}
    fn idle(&self) -> Duration {
        *self.idle.lock().unwrap()
    }
}

/// Lets in the one login with the password `right` or the key; `both` needs the password and then the key, which it
/// has not got; `end` ends the connection.
#[derive(Clone)]
pub(super) struct FolderDoor {
    pub files: PathBuf,
    pub staging: PathBuf,
    pub here: Arc<Here>,
    pub key: Vec<u8>,
}

impl Door for FolderDoor {
    type Tree = Folder;

    fn set_client(&mut self, software: &str) {
        assert!(software.starts_with("SSH-2.0-"), "{software}");
    }

    fn set_protocol_details(&mut self, algorithms: &str) {
        assert!(algorithms.split(' ').nth(1) == Some("ssh-ed25519"), "{algorithms}");
    }

    async fn key_is_welcome(&mut self, _login: &str, key: &PublicKey) -> bool {
        key.to_blob() == self.key
    }

    async fn attempt(&mut self, login: &str, proof: Shown) -> Answer<Folder> {
        let right = match proof {
            Shown::Password(password) => password.expose() == "right",
            Shown::PublicKey(key) => key.to_blob() == self.key,
        };
        if right && login == "both" {
            return Answer::MoreNeeded(Needed { password: false, public_key: true });
        }
        if !right || login != self.here.login.as_str() {
            return Answer::Refused { reason: RefusalReason::WrongPassword, end_connection: login == "end" };
        }
        let tree = Folder {
            files: self.files.clone(),
            staging: self.staging.clone(),
            here: Arc::clone(&self.here),
            last: Arc::default(),
        };
        Answer::Entered(Entered { presence: Arc::clone(&self.here) as Arc<dyn Presence>, tree })
    }
}

#[derive(Clone)]
pub(super) struct Folder {
    files: PathBuf,
    staging: PathBuf,
    here: Arc<Here>,
    last: Arc<AtomicUsize>,
}

impl Folder {
    fn on_disk(&self, path: &VirtualPath) -> PathBuf {
        self.files.join(path.as_str().trim_start_matches('/'))
    }
}

fn failed(error: std::io::Error) -> VfsError {
    match error.kind() {
        std::io::ErrorKind::NotFound => VfsError::NotFound,
        std::io::ErrorKind::AlreadyExists => VfsError::AlreadyExists,
        std::io::ErrorKind::DirectoryNotEmpty => VfsError::NotEmpty,
        std::io::ErrorKind::IsADirectory => VfsError::IsAFolder,
        std::io::ErrorKind::NotADirectory => VfsError::NotAFolder,
        _ => VfsError::Storage(error),
    }
}

fn metadata(metadata: &fs::Metadata) -> Metadata {
    Metadata {
        kind: if metadata.is_dir() { FileKind::Folder } else { FileKind::File },
        size: metadata.len(),
        modified: Timestamp::from_seconds(metadata.mtime()),
        accessed: Timestamp::from_seconds(metadata.atime()),
        rights: ReadySet::ReadWrite.rights(),
        unique: metadata.ino(),
        incomplete: false,
        fixed: false,
    }
}

fn set_file_times(file: &File, modified: Option<Timestamp>, accessed: Option<Timestamp>) -> Result<(), VfsError> {
    let system = |time: Timestamp| {
        SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(time.as_seconds()).unwrap_or_default())
    };
    let mut times = FileTimes::new();
    if let Some(modified) = modified {
        times = times.set_modified(system(modified));
    }
    if let Some(accessed) = accessed {
        times = times.set_accessed(system(accessed));
    }
    file.set_times(times).map_err(failed)
}

const SPACE: Space =
    Space { block_size: 4096, blocks: 1000, blocks_free: 500, blocks_available: 500, files: 10, files_free: 5 };

impl Tree for Folder {
    type Reader = Open;
    type Writer = Staged;
    type Entries = std::vec::IntoIter<Entry>;

    fn home(&self) -> VirtualPath {
        VirtualPath::root()
    }
    fn pace(&self) -> Arc<Pace> {
        Arc::default()
    }
    async fn stat(&self, path: &VirtualPath) -> Result<Metadata, VfsError> {
        fs::metadata(self.on_disk(path)).map(|found| metadata(&found)).map_err(failed)
    }
    async fn list(&self, path: &VirtualPath) -> Result<Self::Entries, VfsError> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.on_disk(path)).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = FileName::parse(entry.file_name().to_str().unwrap())?;
            entries.push(Entry { name, metadata: metadata(&entry.metadata().map_err(failed)?) });
        }
        Ok(entries.into_iter())
    }
    async fn open_read(&self, path: &VirtualPath) -> Result<Open, VfsError> {
        let file = File::open(self.on_disk(path)).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        Ok(Open { file, size })
    }
    async fn open_write(&self, path: &VirtualPath, options: WriteOptions) -> Result<Staged, VfsError> {
        let target = self.on_disk(path);
        if options.exclusive && target.exists() {
            return Err(VfsError::AlreadyExists);
        }
        if !options.create && !target.exists() {
            return Err(VfsError::NotFound);
        }
        let staged = self.staging.join(self.last.fetch_add(1, Ordering::Relaxed).to_string());
        if !options.truncate && target.exists() {
            fs::copy(&target, &staged).map_err(failed)?;
        }
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&staged).map_err(failed)?;
        Ok(Staged { file, staged, target, here: Arc::clone(&self.here) })
    }
    async fn make_folder(&self, path: &VirtualPath) -> Result<(), VfsError> {
        fs::create_dir(self.on_disk(path)).map_err(failed)
    }
    async fn remove_folder(&self, path: &VirtualPath) -> Result<(), VfsError> {
        fs::remove_dir(self.on_disk(path)).map_err(failed)
    }
    async fn remove_file(&self, path: &VirtualPath) -> Result<(), VfsError> {
        fs::remove_file(self.on_disk(path)).map_err(failed)
    }
    async fn rename(&self, from: &VirtualPath, to: &VirtualPath, replace: Replace) -> Result<(), VfsError> {
        let to = self.on_disk(to);
        if replace == Replace::Refuse && to.exists() {
            return Err(VfsError::AlreadyExists);
        }
        fs::rename(self.on_disk(from), to).map_err(failed)
    }
    async fn set_times(
        &self,
        path: &VirtualPath,
        modified: Option<Timestamp>,
        accessed: Option<Timestamp>,
    ) -> Result<(), VfsError> {
        set_file_times(&File::open(self.on_disk(path)).map_err(failed)?, modified, accessed)
    }
    async fn set_size(&self, path: &VirtualPath, size: u64) -> Result<(), VfsError> {
        let file = File::options().write(true).open(self.on_disk(path)).map_err(failed)?;
        file.set_len(size).map_err(failed)
    }
    async fn space(&self, _path: &VirtualPath) -> Result<Space, VfsError> {
        Ok(SPACE)
    }
}

impl Entries for std::vec::IntoIter<Entry> {
    async fn next_batch(&mut self, most: usize) -> Result<Vec<Entry>, VfsError> {
        Ok(self.take(most).collect())
    }
}

pub(super) struct Open {
    file: File,
    size: u64,
}

impl Reader for Open {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, VfsError> {
        self.file.read_at(buffer, offset).map_err(failed)
    }
    fn read_to_copy(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, VfsError> {
        self.read_at(offset, buffer)
    }
    fn metadata(&self) -> Result<Metadata, VfsError> {
        self.file.metadata().map(|found| metadata(&found)).map_err(failed)
    }
    fn size(&self) -> u64 {
        self.size
    }
    fn space(&self) -> Result<Space, VfsError> {
        Ok(SPACE)
    }
    fn close(self, _cut: Option<&str>) {}
}

pub(super) struct Staged {
    file: File,
    staged: PathBuf,
    target: PathBuf,
    here: Arc<Here>,
}

impl Writer for Staged {
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), VfsError> {
        if self.target.ends_with("bottomless") {
            return Ok(());
        }
        self.file.write_all_at(data, offset).map_err(failed)
    }
    fn append(&self, data: &[u8]) -> Result<(), VfsError> {
        self.write_at(self.file.metadata().map_err(failed)?.len(), data)
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, VfsError> {
        self.file.read_at(buffer, offset).map_err(failed)
    }
    fn metadata(&self) -> Result<Metadata, VfsError> {
        self.file.metadata().map(|found| metadata(&found)).map_err(failed)
    }
    fn space(&self) -> Result<Space, VfsError> {
        Ok(SPACE)
    }
    fn set_size(&self, size: u64) -> Result<(), VfsError> {
        self.file.set_len(size).map_err(failed)
    }
    fn set_times(&self, modified: Option<Timestamp>, accessed: Option<Timestamp>) -> Result<(), VfsError> {
        set_file_times(&self.file, modified, accessed)
    }
    fn sync(&self) -> Result<(), VfsError> {
        self.file.sync_data().map_err(failed)
    }
    async fn publish(&self) -> Result<(), VfsError> {
        if self.target.ends_with("ended-meanwhile") {
            // The session is ended while a slow disk takes the file.
            self.here.end();
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        publish(&self.staged, &self.target)?;
        self.here.published.notify_one();
        Ok(())
    }
    async fn cut(&self, _reason: CutReason) {
        fs::remove_file(&self.staged).unwrap();
        self.here.cut.notify_one();
    }
}

fn publish(staged: &Path, target: &Path) -> Result<(), VfsError> {
    fs::rename(staged, target).map_err(failed)
}
