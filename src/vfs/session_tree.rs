//! One login's view of its files.

use std::sync::Arc;

use crate::domain::{
    AccountId, ClientSoftware, InstanceId, Quota, RemoteFolder, TemporaryNames, Timestamp, VirtualPath,
};

use super::backend::Times;
use super::quota;
use super::storage::{blocking, small};
use super::view::View;
use super::{Actor, Listing, Metadata, Pace, ReadFile, Space, Storage, Upload, VfsError, Work, WriteOptions};

/// Whose files a tree shows.
#[derive(Debug, Clone)]
pub struct TreeOwner {
    pub instance: InstanceId,
    pub account: AccountId,
    pub folders: Vec<RemoteFolder>,
    /// Files of such names raise no events.
    pub temporary_names: TemporaryNames,
    /// How much the account may hold.
    pub quota: Quota,
}

impl TreeOwner {
    /// With the usual temporary names, and without a quota.
    pub fn new(instance: InstanceId, account: AccountId, folders: Vec<RemoteFolder>) -> Self {
        Self { instance, account, folders, temporary_names: TemporaryNames::default(), quota: Quota::default() }
    }
}

/// What a rename does to a target that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    Refuse,
    Allow,
}

/// One login's view. Cheap to clone. Every operation is one piece of work for the disk: on a blocking thread or, when it
/// only looks and the disk is prompt, in place ([`Pace`]).
#[derive(Clone)]
pub struct SessionTree {
    view: Arc<View>,
}

impl SessionTree {
    /// Only `access` may call this (tests/architecture.rs).
    pub async fn mount(storage: &Arc<Storage>, owner: TreeOwner, actor: Actor) -> Result<Self, VfsError> {
        let storage = Arc::clone(storage);
        Ok(Self { view: blocking(move || View::mount(&storage, &owner, actor)).await? })
    }

    /// The same tree for records that name this client: for who says only after signing in what it is. What is open
    /// stays recorded as it was.
    #[must_use]
    pub fn known_as(&self, client: ClientSoftware) -> Self {
        Self { view: self.view.known_as(client) }
    }

    /// Where a session starts: `/`.
    pub fn home(&self) -> VirtualPath {
        VirtualPath::root()
    }

    /// Needs list or read. In a folder where nothing is seen: the login's own unfinished and recent uploads.
    pub async fn stat(&self, path: &VirtualPath) -> Result<Metadata, VfsError> {
        let path = path.clone();
        self.look(move |view| view.stat(&path)).await
    }

    /// Needs list.
    pub async fn list(&self, path: &VirtualPath) -> Result<Listing, VfsError> {
        let path = path.clone();
        self.look(move |view| view.list(&path)).await
    }

    /// Needs read. `Busy` while an upload to this name is unfinished.
    pub async fn open_read(&self, path: &VirtualPath) -> Result<ReadFile, VfsError> {
        let path = path.clone();
        self.look(move |view| view.open_read(&path)).await
    }

    /// As [`Self::open_read`], to look at a file on this side alone (for its digest): no transfer is recorded.
    pub async fn open_to_check(&self, path: &VirtualPath) -> Result<ReadFile, VfsError> {
        Ok(self.open_read(path).await?.unrecorded())
    }

    /// Needs write for a name that is free, overwrite for one that is not.
    pub async fn open_write(&self, path: &VirtualPath, options: WriteOptions) -> Result<Upload, VfsError> {
        let path = path.clone();
        // Without truncation a whole file is copied, which may take long.
        if options.truncate {
            self.look(move |view| view.open_write(&path, options)).await
        } else {
            self.blocking(move |view| view.open_write(&path, options)).await
        }
    }

    /// Needs make folder. Durable when it resolves.
    pub async fn make_folder(&self, path: &VirtualPath) -> Result<(), VfsError> {
        let path = path.clone();
        self.blocking(move |view| view.make_folder(&path)).await
    }

    /// Needs delete. Durable when it resolves.
    pub async fn remove_folder(&self, path: &VirtualPath) -> Result<(), VfsError> {
        let path = path.clone();
        self.blocking(move |view| view.remove_folder(&path)).await
    }

    /// Needs delete. Where the login has an upload that is not published, that alone goes. Durable when it resolves, and
    /// recorded soon after.
    pub async fn remove_file(&self, path: &VirtualPath) -> Result<(), VfsError> {
        let path = path.clone();
        self.blocking(move |view| view.remove_file(&path)).await
    }

    /// Needs rename; into another remote folder also write there; over something overwrite there. Atomic, durable when it
    /// resolves, and recorded soon after. Of an upload that waits for it (a folder's rule): publishes it.
    pub async fn rename(&self, from: &VirtualPath, to: &VirtualPath, replace: Replace) -> Result<(), VfsError> {
        let (from, to) = (from.clone(), to.clone());
        let meter = self.view.core.quotas.find(self.view.account);
        if let Some(meter) = &meter
            && self.view.unfinished(&from).is_some()
        {
            // What is held is published by this, and then it counts.
            quota::ensure_counted(&self.view.core, meter).await?;
        }
        self.blocking(move |view| view.rename(&from, &to, replace, meter.as_ref())).await
    }

    /// Needs write or overwrite. An upload in flight keeps them through its publication.
    pub async fn set_times(
        &self,
        path: &VirtualPath,
        modified: Option<Timestamp>,
        accessed: Option<Timestamp>,
    ) -> Result<(), VfsError> {
        let path = path.clone();
        self.look(move |view| view.set_times(&path, Times { modified, accessed })).await
    }

    /// Needs overwrite. Published like any update in place.
    pub async fn set_size(&self, path: &VirtualPath, size: u64) -> Result<(), VfsError> {
        let path = path.clone();
        let upload = self.blocking(move |view| view.open_resized(&path, size)).await?;
        upload.publish().await.map(|_| ())
    }

    /// Of the filesystem that holds `path`.
    pub async fn space(&self, path: &VirtualPath) -> Result<Space, VfsError> {
        let path = path.clone();
        self.blocking(move |view| view.space(&path)).await
    }

    /// Whether the account's quota has room for a new file of so many bytes.
    pub fn check_quota(&self, bytes: u64) -> Result<(), VfsError> {
        let meter = self.view.core.quotas.find(self.view.account);
        meter.map_or(Ok(()), |meter| meter.allows(bytes, None)).map_err(VfsError::OverQuota)
    }

    /// For small work of an edge's own on open files.
    pub fn pace(&self) -> Arc<Pace> {
        Arc::clone(&self.view.core.pace)
    }

    async fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<View>) -> Result<T, VfsError> + Send + 'static,
    ) -> Result<T, VfsError> {
        let view = Arc::clone(&self.view);
        small(&self.view.core, Work::Look, move || work(&view)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<View>) -> Result<T, VfsError> + Send + 'static,
    ) -> Result<T, VfsError> {
        let view = Arc::clone(&self.view);
        blocking(move || work(&view)).await
    }
}
