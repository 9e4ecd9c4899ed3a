//! What the edge asks of the layers below it, as traits.
//!
//! The one implementation is the product's: [`SessionTree`], [`Session`] and `access` (in `authentication`). The traits
//! are here so that this list, and no more, is what FTP needs; the tests run the real server over the real layers.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::access::{Connection, Refusal, RefusalReason};
use crate::domain::{ClientSoftware, FtpRules, LoginName, Secret, Timestamp, UnprovenEnd, VirtualPath};
use crate::sessions::{EndReason, Session};
use crate::vfs::{
    CutReason, Entry, Listing, Metadata, Pace, ReadFile, Replace, SessionTree, Upload, VfsError, WriteOptions,
};

/// What a call on a tree comes to.
pub(super) type Asked<'a, T> = BoxFuture<'a, Result<T, VfsError>>;

/// Who lets connections try to sign in.
pub(super) trait Gate: Send + Sync + 'static {
    fn admit(&self, connection: Connection) -> Result<Box<dyn Door>, Refusal>;
}

/// Where a connection signs in.
pub(super) trait Door: Send + 'static {
    /// What the client says it is.
    fn set_client(&mut self, software: &str);

    /// TLS's version and suite.
    fn set_protocol_details(&mut self, algorithms: &str);

    fn attempt<'a>(&'a mut self, login: &'a str, password: Secret<String>) -> BoxFuture<'a, Answer>;
}

/// What became of an attempt.
pub(super) enum Answer {
    Entered(Entered),
    Refused {
        reason: RefusalReason,
        end_connection: bool,
    },
    /// The password was right, and FTP has no way to show the key that is asked for too.
    KeyNeeded,
}

/// A signed-in connection: its session and what it sees.
pub(super) struct Entered {
    pub presence: Arc<dyn Presence>,
    pub tree: Arc<dyn Tree>,
}

/// The session, as far as the edge tells it of its life and asks whether it goes on.
pub(super) trait Presence: Send + Sync + 'static {
    fn login(&self) -> &LoginName;
    /// What the client says it is, where it says so only now.
    fn set_client(&self, client: ClientSoftware);
    fn rules(&self) -> FtpRules;
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
pub(super) trait Tree: Send + Sync + 'static {
    /// Where small work on open files is done.
    fn pace(&self) -> Arc<Pace>;
    fn home(&self) -> VirtualPath;
    /// The same for records that name this client.
    fn known_as(&self, client: ClientSoftware) -> Arc<dyn Tree>;
    fn stat<'a>(&'a self, path: &'a VirtualPath) -> Asked<'a, Metadata>;
    fn list<'a>(&'a self, path: &'a VirtualPath) -> Asked<'a, Box<dyn Entries>>;
    fn open_read<'a>(&'a self, path: &'a VirtualPath) -> Asked<'a, Box<dyn Reader>>;
    /// For a look at it on this side: no transfer.
    fn open_to_check<'a>(&'a self, path: &'a VirtualPath) -> Asked<'a, Box<dyn Reader>>;
    fn open_write<'a>(&'a self, path: &'a VirtualPath, options: WriteOptions) -> Asked<'a, Arc<dyn Writer>>;
    fn make_folder<'a>(&'a self, path: &'a VirtualPath) -> Asked<'a, ()>;
    fn remove_folder<'a>(&'a self, path: &'a VirtualPath) -> Asked<'a, ()>;
    fn remove_file<'a>(&'a self, path: &'a VirtualPath) -> Asked<'a, ()>;
    fn rename<'a>(&'a self, from: &'a VirtualPath, to: &'a VirtualPath, replace: Replace) -> Asked<'a, ()>;
    fn set_modified<'a>(&'a self, path: &'a VirtualPath, modified: Timestamp) -> Asked<'a, ()>;
    /// Whether the account's quota has room for a new file of so many bytes.
    fn check_quota(&self, bytes: u64) -> Result<(), VfsError>;
}

/// A file open for reading.
pub(super) trait Reader: Send + Sync + 'static {
    /// Blocking.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, VfsError>;
    fn size(&self) -> u64;
    /// `cut`: why it ends before all that was asked for has gone.
    fn close(self: Box<Self>, cut: Option<&str>);
}

/// A file open for writing. All but the two ways to publish it and `cut` block.
pub(super) trait Writer: Send + Sync + 'static {
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), VfsError>;
    fn size(&self) -> Result<u64, VfsError>;
    fn set_size(&self, size: u64) -> Result<(), VfsError>;
    fn publish(&self) -> Asked<'_, ()>;
    fn publish_unproven(&self, leave: UnprovenEnd) -> Asked<'_, ()>;
    fn cut(&self, reason: CutReason) -> BoxFuture<'_, ()>;
}

/// The entries of an open folder.
pub(super) trait Entries: Send + 'static {
    /// Some more; empty at the end.
    fn next_batch(&mut self, most: usize) -> Asked<'_, Vec<Entry>>;
}

impl Presence for Session {
    fn login(&self) -> &LoginName {
        Session::login(self)
    }
    fn set_client(&self, client: ClientSoftware) {
        Session::set_client(self, client);
    }
    fn rules(&self) -> FtpRules {
        Session::ftp_rules(self)
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
    fn pace(&self) -> Arc<Pace> {
        SessionTree::pace(self)
    }
    fn home(&self) -> VirtualPath {
        SessionTree::home(self)
    }
    fn known_as(&self, client: ClientSoftware) -> Arc<dyn Tree> {
        Arc::new(SessionTree::known_as(self, client))
    }
    fn stat<'a>(&'a self, path: &'a VirtualPath) -> Asked<'a, Metadata> {
        Box::pin(SessionTree::stat(self, path))
    }
    fn list<'a>(&'a self, path: &'a VirtualPath) -> Asked<'a, Box<dyn Entries>> {
        Box::pin(async { Ok(Box::new(SessionTree::list(self, path).await?) as Box<dyn Entries>) })
    }
    fn open_read<'a>(&'a self, path: &'a VirtualPath) -> Asked<'a, Box<dyn Reader>> {
        Box::pin(async { Ok(Box::new(SessionTree::open_read(self, path).await?) as Box<dyn Reader>) })
    }
    fn open_to_check<'a>(&'a self, path: &'a VirtualPath) -> Asked<'a, Box<dyn Reader>> {
        Box::pin(async { Ok(Box::new(SessionTree::open_to_check(self, path).await?) as Box<dyn Reader>) })
    }
    fn open_write<'a>(&'a self, path: &'a VirtualPath, options: WriteOptions) -> Asked<'a, Arc<dyn Writer>> {
        Box::pin(async move { Ok(Arc::new(SessionTree::open_write(self, path, options).await?) as Arc<dyn Writer>) })
    }
    fn make_folder<'a>(&'a self, path: &'a VirtualPath) -> Asked<'a, ()> {
        Box::pin(SessionTree::make_folder(self, path))
    }
    fn remove_folder<'a>(&'a self, path: &'a VirtualPath) -> Asked<'a, ()> {
        Box::pin(SessionTree::remove_folder(self, path))
    }
    fn remove_file<'a>(&'a self, path: &'a VirtualPath) -> Asked<'a, ()> {
        Box::pin(SessionTree::remove_file(self, path))
    }
    fn rename<'a>(&'a self, from: &'a VirtualPath, to: &'a VirtualPath, replace: Replace) -> Asked<'a, ()> {
        Box::pin(SessionTree::rename(self, from, to, replace))
    }
    fn set_modified<'a>(&'a self, path: &'a VirtualPath, modified: Timestamp) -> Asked<'a, ()> {
        Box::pin(SessionTree::set_times(self, path, Some(modified), None))
    }
    fn check_quota(&self, bytes: u64) -> Result<(), VfsError> {
        SessionTree::check_quota(self, bytes)
    }
}

impl Reader for ReadFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, VfsError> {
        ReadFile::read_at(self, offset, buffer)
    }
    fn size(&self) -> u64 {
        ReadFile::size(self)
    }
    fn close(self: Box<Self>, cut: Option<&str>) {
        match cut {
            None => ReadFile::finish(*self),
            Some(reason) => ReadFile::close(*self, Some(reason)),
        }
    }
}

impl Writer for Upload {
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), VfsError> {
        Upload::write_at(self, offset, data)
    }
    fn size(&self) -> Result<u64, VfsError> {
        Upload::metadata(self).map(|metadata| metadata.size)
    }
    fn set_size(&self, size: u64) -> Result<(), VfsError> {
        Upload::set_size(self, size)
    }
    fn publish(&self) -> Asked<'_, ()> {
        Box::pin(async { Upload::publish(self).await.map(|_| ()) })
    }
    fn publish_unproven(&self, leave: UnprovenEnd) -> Asked<'_, ()> {
        Box::pin(async { Upload::publish_unproven(self, leave).await.map(|_| ()) })
    }
    fn cut(&self, reason: CutReason) -> BoxFuture<'_, ()> {
        Box::pin(Upload::cut(self, reason))
    }
}

impl Entries for Listing {
    fn next_batch(&mut self, most: usize) -> Asked<'_, Vec<Entry>> {
        Box::pin(Listing::next_batch(self, most))
    }
}
