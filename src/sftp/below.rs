//! What the edge asks of the layers below it, as traits.
//!
//! The one implementation is the product's: [`SessionTree`], [`Session`] and `access` (in `authentication`). The
//! traits are here so that the tests of this module can run the real server, with real clients, against a plain
//! folder of the test.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::access::{Needed, RefusalReason};
use crate::domain::{LoginName, PublicKey, Secret, Timestamp, VirtualPath};
use crate::sessions::{EndReason, Session};
use crate::vfs::{
    CutReason, Entry, Listing, Metadata, Pace, ReadFile, Replace, SessionTree, Space, Upload, VfsError, WriteOptions,
};

/// Where a connection signs in.
pub(super) trait Door: Send + 'static {
    type Tree: Tree;

    /// What the client says it is.
    fn set_client(&mut self, software: &str);

    /// What the key exchange agreed on.
    fn set_protocol_details(&mut self, algorithms: &str);

    /// Whether a signature by this key would be looked at.
    fn key_is_welcome(&mut self, login: &str, key: &PublicKey) -> impl Future<Output = bool> + Send;

    fn attempt(&mut self, login: &str, proof: Shown) -> impl Future<Output = Answer<Self::Tree>> + Send;
}

/// What a client shows to sign in.
pub(super) enum Shown {
    Password(Secret<String>),
    /// A signature by this key was checked.
    PublicKey(PublicKey),
}

/// What became of an attempt.
pub(super) enum Answer<T> {
    Entered(Entered<T>),
    MoreNeeded(Needed),
    Refused { reason: RefusalReason, end_connection: bool },
}

/// A signed-in connection: its session and what it sees.
pub(super) struct Entered<T> {
    pub presence: Arc<dyn Presence>,
    pub tree: T,
}

/// The session, as far as the edge tells it of its life and asks whether it goes on.
pub(super) trait Presence: Send + Sync + 'static {
    fn login(&self) -> &LoginName;
    fn ended(&self) -> &CancellationToken;
    fn end_reason(&self) -> Option<EndReason>;
    fn touch(&self);
    fn count_in(&self, bytes: u64);
    fn count_out(&self, bytes: u64);
    fn idle(&self) -> Duration;
}

impl dyn Presence {
    /// Why the uploads of this session are cut now.
    pub(super) fn cut_reason(&self) -> CutReason {
        match self.end_reason() {
            None => CutReason::ConnectionLost,
            Some(EndReason::ShuttingDown) => CutReason::ShuttingDown,
            Some(EndReason::OperatorAsked | EndReason::AccountChanged | EndReason::AccountRemoved) => {
                CutReason::ClosedByOperator
            }
        }
    }
}

/// The files of a login.
pub(super) trait Tree: Clone + Send + Sync + 'static {
    type Reader: Reader;
    type Writer: Writer;
    type Entries: Entries;

    fn home(&self) -> VirtualPath;
    /// Where small work on open files is done.
    fn pace(&self) -> Arc<Pace>;
    fn stat(&self, path: &VirtualPath) -> impl Future<Output = Result<Metadata, VfsError>> + Send;
    fn list(&self, path: &VirtualPath) -> impl Future<Output = Result<Self::Entries, VfsError>> + Send;
    fn open_read(&self, path: &VirtualPath) -> impl Future<Output = Result<Self::Reader, VfsError>> + Send;
    fn open_write(
        &self,
        path: &VirtualPath,
        options: WriteOptions,
    ) -> impl Future<Output = Result<Self::Writer, VfsError>> + Send;
    fn make_folder(&self, path: &VirtualPath) -> impl Future<Output = Result<(), VfsError>> + Send;
    fn remove_folder(&self, path: &VirtualPath) -> impl Future<Output = Result<(), VfsError>> + Send;
    fn remove_file(&self, path: &VirtualPath) -> impl Future<Output = Result<(), VfsError>> + Send;
    fn rename(
        &self,
        from: &VirtualPath,
        to: &VirtualPath,
        replace: Replace,
    ) -> impl Future<Output = Result<(), VfsError>> + Send;
    fn set_times(
        &self,
        path: &VirtualPath,
        modified: Option<Timestamp>,
        accessed: Option<Timestamp>,
    ) -> impl Future<Output = Result<(), VfsError>> + Send;
    fn set_size(&self, path: &VirtualPath, size: u64) -> impl Future<Output = Result<(), VfsError>> + Send;
    fn space(&self, path: &VirtualPath) -> impl Future<Output = Result<Space, VfsError>> + Send;
}

/// A file open for reading. All but `close` block.
pub(super) trait Reader: Send + Sync + 'static {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, VfsError>;
    /// Of bytes that do not go to the client.
    fn read_to_copy(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, VfsError>;
    fn metadata(&self) -> Result<Metadata, VfsError>;
    fn size(&self) -> u64;
    fn space(&self) -> Result<Space, VfsError>;
    /// `cut`: why it ends before the client closed it.
    fn close(self, cut: Option<&str>);
}

/// A file open for writing. All but `publish` and `cut` block.
pub(super) trait Writer: Send + Sync + 'static {
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), VfsError>;
    fn append(&self, data: &[u8]) -> Result<(), VfsError>;
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, VfsError>;
    fn metadata(&self) -> Result<Metadata, VfsError>;
    fn space(&self) -> Result<Space, VfsError>;
    fn set_size(&self, size: u64) -> Result<(), VfsError>;
    fn set_times(&self, modified: Option<Timestamp>, accessed: Option<Timestamp>) -> Result<(), VfsError>;
    fn sync(&self) -> Result<(), VfsError>;
    fn publish(&self) -> impl Future<Output = Result<(), VfsError>> + Send;
    fn cut(&self, reason: CutReason) -> impl Future<Output = ()> + Send;
}

/// The entries of an open folder.
pub(super) trait Entries: Send + 'static {
    /// Some more; empty at the end.
    fn next_batch(&mut self, most: usize) -> impl Future<Output = Result<Vec<Entry>, VfsError>> + Send;
}

impl Presence for Session {
    fn login(&self) -> &LoginName {
        Session::login(self)
    }
    fn ended(&self) -> &CancellationToken {
        Session::ended(self)
    }
    fn end_reason(&self) -> Option<EndReason> {
        Session::end_reason(self)
    }
    fn touch(&self) {
        Session::touch(self);
    }
    fn count_in(&self, bytes: u64) {
        Session::count_in(self, bytes);
    }
    fn count_out(&self, bytes: u64) {
        Session::count_out(self, bytes);
    }
    fn idle(&self) -> Duration {
        Session::idle(self)
    }
}

impl Tree for SessionTree {
    type Reader = ReadFile;
    type Writer = Upload;
    type Entries = Listing;

    fn home(&self) -> VirtualPath {
        SessionTree::home(self)
    }
    fn pace(&self) -> Arc<Pace> {
        SessionTree::pace(self)
    }
    async fn stat(&self, path: &VirtualPath) -> Result<Metadata, VfsError> {
        SessionTree::stat(self, path).await
    }
    async fn list(&self, path: &VirtualPath) -> Result<Listing, VfsError> {
        SessionTree::list(self, path).await
    }
    async fn open_read(&self, path: &VirtualPath) -> Result<ReadFile, VfsError> {
        SessionTree::open_read(self, path).await
    }
    async fn open_write(&self, path: &VirtualPath, options: WriteOptions) -> Result<Upload, VfsError> {
        SessionTree::open_write(self, path, options).await
    }
    async fn make_folder(&self, path: &VirtualPath) -> Result<(), VfsError> {
        SessionTree::make_folder(self, path).await
    }
    async fn remove_folder(&self, path: &VirtualPath) -> Result<(), VfsError> {
        SessionTree::remove_folder(self, path).await
    }
    async fn remove_file(&self, path: &VirtualPath) -> Result<(), VfsError> {
        SessionTree::remove_file(self, path).await
    }
    async fn rename(&self, from: &VirtualPath, to: &VirtualPath, replace: Replace) -> Result<(), VfsError> {
        SessionTree::rename(self, from, to, replace).await
    }
    async fn set_times(
        &self,
        path: &VirtualPath,
        modified: Option<Timestamp>,
        accessed: Option<Timestamp>,
    ) -> Result<(), VfsError> {
        SessionTree::set_times(self, path, modified, accessed).await
    }
    async fn set_size(&self, path: &VirtualPath, size: u64) -> Result<(), VfsError> {
        SessionTree::set_size(self, path, size).await
    }
    async fn space(&self, path: &VirtualPath) -> Result<Space, VfsError> {
        SessionTree::space(self, path).await
    }
}

impl Reader for ReadFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, VfsError> {
        ReadFile::read_at(self, offset, buffer)
    }
    fn read_to_copy(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, VfsError> {
        ReadFile::read_to_copy(self, offset, buffer)
    }
    fn metadata(&self) -> Result<Metadata, VfsError> {
        ReadFile::metadata(self)
    }
    fn size(&self) -> u64 {
        ReadFile::size(self)
    }
    fn space(&self) -> Result<Space, VfsError> {
        ReadFile::space(self)
    }
    fn close(self, cut: Option<&str>) {
        ReadFile::close(self, cut);
    }
}

impl Writer for Upload {
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), VfsError> {
        Upload::write_at(self, offset, data)
    }
    fn append(&self, data: &[u8]) -> Result<(), VfsError> {
        Upload::append(self, data)
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, VfsError> {
        Upload::read_at(self, offset, buffer)
    }
    fn metadata(&self) -> Result<Metadata, VfsError> {
        Upload::metadata(self)
    }
    fn space(&self) -> Result<Space, VfsError> {
        Upload::space(self)
    }
    fn set_size(&self, size: u64) -> Result<(), VfsError> {
        Upload::set_size(self, size)
    }
    fn set_times(&self, modified: Option<Timestamp>, accessed: Option<Timestamp>) -> Result<(), VfsError> {
        Upload::set_times(self, modified, accessed)
    }
    fn sync(&self) -> Result<(), VfsError> {
        Upload::sync(self)
    }
    async fn publish(&self) -> Result<(), VfsError> {
        Upload::publish(self).await.map(|_| ())
    }
    async fn cut(&self, reason: CutReason) {
        Upload::cut(self, reason).await;
    }
}

impl Entries for Listing {
    async fn next_batch(&mut self, most: usize) -> Result<Vec<Entry>, VfsError> {
        Listing::next_batch(self, most).await
    }
}
