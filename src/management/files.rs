//! Files of a remote folder, for Lucca's own applications: list, read, write, remove.
//!
//! An operator works in a tree of [`access`](crate::access)'s making that allows everything a login may be denied
//! (Lucca writes into pick-up folders and reads drop-boxes), shows published files only, and publishes by the same
//! rules: a file appears whole, or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::task::spawn_blocking;

use crate::domain::virtual_path::InvalidPath;
use crate::domain::{AccountId, FileName, FolderId, Timestamp, VirtualPath};
use crate::store::Cursor;
use crate::vfs::{CutReason, FileKind, Metadata, OperatorTree, ReadFile, Upload, VfsError, WriteOptions};

use super::accounts::NO_SUCH as NO_SUCH_ACCOUNT;
use super::{Management, ManagementError, Operator, Page, PageRequest, sentence};

/// How much is read or written with one hop to a blocking thread.
const CHUNK_BYTES: usize = 512 * 1024;
/// How many entries of a folder are looked at with one hop to a blocking thread.
const LISTING_BATCH: usize = 1000;

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Folder,
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    pub name: FileName,
    pub kind: EntryKind,
    pub size: u64,
    pub modified: Timestamp,
    /// Differs between two versions of a file, but for ones of equal size, time and place on the disk.
    pub version: String,
}

/// A file that was just published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    pub file: FileInfo,
    /// Whether it took the place of another.
    pub replaced: bool,
}

/// Why the rest of a file did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abandonment {
    ConnectionLost,
    Stalled,
}

impl Management {
    /// The entries of a folder, or of one below it, by name.
    pub async fn list_files(
        &self,
        operator: &Operator,
        account: AccountId,
        folder: FolderId,
        below: &str,
        page: &PageRequest,
    ) -> Result<Page<FileInfo>, ManagementError> {
        let page = page.checked()?;
        let (tree, path) = self.enter(operator, account, folder, below).await?;
        let after = page.after.as_ref().map(|cursor| cursor.key().to_owned());
        let most = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let mut listing = tree.list(&path).await.map_err(ManagementError::of_path)?;
        // A disk lists in any order. Keeping the smallest names that follow the cursor, and one more to know whether
        // there is a next page, takes the memory of a page, however many files there are.
        let mut smallest: BTreeMap<FileName, Metadata> = BTreeMap::new();
        loop {
            let batch = listing.next_batch(LISTING_BATCH).await.map_err(ManagementError::of_path)?;
            if batch.is_empty() {
                break;
            }
            for entry in batch {
                if after.as_deref().is_none_or(|after| entry.name.as_str() > after) {
                    smallest.insert(entry.name, entry.metadata);
                    if smallest.len() > most + 1 {
                        smallest.pop_last();
                    }
                }
            }
        }
        let is_last = smallest.len() <= most;
        let items: Vec<FileInfo> =
            smallest.into_iter().take(most).map(|(name, metadata)| FileInfo::of(name, &metadata)).collect();
        let next = items.last().filter(|_| !is_last).map(|last| Cursor::after(last.name.as_str()).encode());
        Ok(Page { items, next })
    }

    /// What a file is, without reading it.
    pub async fn find_file(
        &self,
        operator: &Operator,
        account: AccountId,
        folder: FolderId,
        below: &str,
    ) -> Result<FileInfo, ManagementError> {
        let (tree, path) = self.enter(operator, account, folder, below).await?;
        let metadata = tree.stat(&path).await.map_err(ManagementError::of_path)?;
        match (path.name(), metadata.kind) {
            (Some(name), FileKind::File) => Ok(FileInfo::of(name, &metadata)),
            (_, FileKind::Folder) | (None, _) => Err(ManagementError::of_path(VfsError::IsAFolder)),
        }
    }

    /// Opens a file for reading: the version that is there now, whatever replaces it meanwhile.
    pub async fn open_file(
        &self,
        operator: &Operator,
        account: AccountId,
        folder: FolderId,
        below: &str,
    ) -> Result<Download, ManagementError> {
        let (tree, path) = self.enter(operator, account, folder, below).await?;
        let name = path.name().ok_or(VfsError::IsAFolder).map_err(ManagementError::of_path)?;
        let file = tree.open_read(&path).await.map_err(ManagementError::of_path)?;
        let (file, metadata) = blocking(move || {
            let metadata = file.metadata();
            (file, metadata)
        })
        .await?;
        let metadata = metadata.map_err(ManagementError::of_path)?;
        let info = FileInfo::of(name, &metadata);
        Ok(Download { end: info.size, offset: 0, info, file: Some(file) })
    }

    /// Begins to write a file; nobody sees it before [`IncomingFile::publish`]. With `exclusive`, a file that is there
    /// is not replaced.
    pub async fn begin_file(
        &self,
        operator: &Operator,
        account: AccountId,
        folder: FolderId,
        below: &str,
        exclusive: bool,
    ) -> Result<IncomingFile, ManagementError> {
        operator.may_change()?;
        let (tree, path) = self.enter(operator, account, folder, below).await?;
        let name = path.name().ok_or(VfsError::IsAFolder).map_err(ManagementError::of_path)?;
        let replaced = match tree.stat(&path).await {
            Ok(_) => true,
            Err(VfsError::NotFound) => false,
            Err(error) => return Err(ManagementError::of_path(error)),
        };
        let options = WriteOptions { create: true, truncate: true, exclusive, ..WriteOptions::default() };
        let upload = tree.open_write(&path, options).await.map_err(ManagementError::of_path)?;
        let buffer = BytesMut::new();
        Ok(IncomingFile { upload: Arc::new(upload), tree, path, name, replaced, buffer, written: 0 })
    }

    /// Removes a file. Not into the trash: it is what consumers do with each file that they took.
    pub async fn remove_file(
        &self,
        operator: &Operator,
        account: AccountId,
        folder: FolderId,
        below: &str,
    ) -> Result<(), ManagementError> {
        operator.may_change()?;
        let (tree, path) = self.enter(operator, account, folder, below).await?;
        tree.remove_file(&path).await.map_err(ManagementError::of_path)?;
        tracing::info!(%operator, %account, %folder, "Removed a file");
        Ok(())
    }

    /// The account's tree, and the path in it of what lies `below` the folder.
    async fn enter(
        &self,
        operator: &Operator,
        account: AccountId,
        folder: FolderId,
        below: &str,
    ) -> Result<(OperatorTree, VirtualPath), ManagementError> {
        let folder = self.find_folder(operator, account, folder).await?;
        let path = path_below(&folder.path, below)
            .map_err(|problem| ManagementError::invalid("path", "malformed", sentence(&problem)))?;
        let tree = self.access.operator_entry(operator.name(), account).await.map_err(ManagementError::of_path)?;
        Ok((tree.ok_or(NO_SUCH_ACCOUNT)?, path))
    }
}

/// A path inside a folder: every part is a name, so that no `..` leads out of it. Empty: the folder itself.
fn path_below(folder: &VirtualPath, below: &str) -> Result<VirtualPath, InvalidPath> {
    if below.is_empty() {
        return Ok(folder.clone());
    }
    below.split('/').try_fold(folder.clone(), |path, part| path.join(&FileName::parse(part)?))
}

impl FileInfo {
    fn of(name: FileName, metadata: &Metadata) -> Self {
        let Metadata { kind, size, modified, unique, .. } = metadata;
        let (kind, size) = match kind {
            FileKind::File => (EntryKind::File, *size),
            // What a disk says of a folder's size means nothing to anyone.
            FileKind::Folder => (EntryKind::Folder, 0),
        };
        let version = format!("{unique:x}-{size:x}-{:x}", modified.as_micros());
        Self { name, kind, size, modified: *modified, version }
    }
}

/// A file being read, whole or a part of it. Dropped before its end: recorded as cut.
pub struct Download {
    info: FileInfo,
    /// Gone while a chunk is read, and at the end.
    file: Option<ReadFile>,
    offset: u64,
    end: u64,
}

impl Download {
    pub fn info(&self) -> &FileInfo {
        &self.info
    }

    /// Limits it to the bytes from `first` up to, not including, `end`; both within the file.
    pub fn limit_to(&mut self, first: u64, end: u64) {
        self.end = end.min(self.info.size);
        self.offset = first.min(self.end);
    }

    /// The next bytes; `None` at the end.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, ManagementError> {
        let left = self.end - self.offset;
        if left == 0 {
            if let Some(file) = self.file.take() {
                file.finish();
            }
            return Ok(None);
        }
        let Some(file) = self.file.take() else { return Ok(None) };
        let wanted = usize::try_from(left).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        let offset = self.offset;
        let (file, outcome) = blocking(move || {
            let mut chunk = BytesMut::zeroed(wanted);
            let outcome = file.read_at(offset, &mut chunk).map(|count| {
                chunk.truncate(count);
                chunk.freeze()
            });
            (file, outcome)
        })
        .await?;
        match outcome {
            Ok(chunk) if chunk.is_empty() => {
                file.close(Some("the file ended before its size"));
                Err(ManagementError::Internal("a published file became shorter while it was read".into()))
            }
            Ok(chunk) => {
                self.file = Some(file);
                // At most `wanted`, which was a u64 before.
                self.offset += chunk.len() as u64;
                Ok(Some(chunk))
            }
            Err(error) => {
                file.close(Some("the storage failed"));
                Err(ManagementError::of_path(error))
            }
        }
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            if self.offset == self.end {
                file.finish();
            } else {
                file.close(Some("the connection was lost"));
            }
        }
    }
}

/// A file being written. Dropped before it is published: nothing happened.
pub struct IncomingFile {
    upload: Arc<Upload>,
    tree: OperatorTree,
    path: VirtualPath,
    name: FileName,
    replaced: bool,
    /// Small pieces from the network, gathered; never more than a chunk and one piece.
    buffer: BytesMut,
    written: u64,
}

impl IncomingFile {
    /// Takes the next bytes.
    pub async fn write(&mut self, data: &[u8]) -> Result<(), ManagementError> {
        self.buffer.extend_from_slice(data);
        if self.buffer.len() >= CHUNK_BYTES { self.flush().await } else { Ok(()) }
    }

    /// How many bytes will come; refused when the account's quota has no room for them.
    pub async fn announce(&self, bytes: u64) -> Result<(), ManagementError> {
        let upload = self.upload.clone();
        blocking(move || upload.announce(bytes)).await?.map_err(ManagementError::of_path)
    }

    /// How many bytes it has taken.
    pub fn received(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Makes the file visible, durably, as what was written and nothing else.
    pub async fn publish(mut self) -> Result<StoredFile, ManagementError> {
        self.flush().await?;
        let upload = self.upload.clone();
        let staged = blocking(move || upload.metadata()).await?.map_err(ManagementError::of_path)?;
        self.upload.publish().await.map_err(ManagementError::of_path)?;
        // A consumer may have taken the file already, which is no failure of ours: then it is told as it was staged.
        let metadata = self.tree.stat(&self.path).await.unwrap_or(staged);
        Ok(StoredFile { file: FileInfo::of(self.name, &metadata), replaced: self.replaced })
    }

    /// Forgets it.
    pub async fn abandon(self, why: Abandonment) {
        let reason = match why {
            Abandonment::ConnectionLost => CutReason::ConnectionLost,
            Abandonment::Stalled => CutReason::Stalled,
        };
        self.upload.cut(reason).await;
    }

    async fn flush(&mut self) -> Result<(), ManagementError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let (upload, offset, data) = (self.upload.clone(), self.written, self.buffer.split());
        self.written += data.len() as u64;
        let (data, outcome) = blocking(move || {
            let outcome = upload.write_at(offset, &data);
            (data, outcome)
        })
        .await?;
        // The same memory again for the next chunk.
        self.buffer = data;
        self.buffer.clear();
        outcome.map_err(ManagementError::of_path)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ManagementError> {
    spawn_blocking(work).await.map_err(|problem| ManagementError::Internal(problem.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out_of_a_folder() {
        let folder = VirtualPath::parse("/paie/import").unwrap();
        let below = |text: &str| path_below(&folder, text).map(|path| path.as_str().to_owned());
        assert_eq!(below(""), Ok("/paie/import".into()));
        assert_eq!(below("a/été.csv"), Ok("/paie/import/a/été.csv".into()));
        for text in ["..", "../x", "a/../../x", "/etc/passwd", "a//b", "a/", ".", "a/./b"] {
            assert_eq!(below(text), Err(InvalidPath::NotAName), "{text}");
        }
        assert_eq!(below("a\\b"), Err(InvalidPath::Backslash));
        assert_eq!(below("a\0"), Err(InvalidPath::ControlCharacter));
    }

    proptest::proptest! {
        #[test]
        fn any_text_below_a_folder_stays_in_it(text in "[a-z./\\\\\u{0}é]{0,40}") {
            let folder = VirtualPath::parse("/paie/import").unwrap();
            if let Ok(path) = path_below(&folder, &text) {
                proptest::prop_assert!(path.is_within(&folder));
            }
        }
    }
}
