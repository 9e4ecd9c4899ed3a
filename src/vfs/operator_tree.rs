//! The view of Lucca's own applications.

use std::sync::Arc;

use crate::domain::VirtualPath;

use super::storage::blocking;
use super::view::View;
use super::{Actor, Listing, Metadata, ReadFile, Storage, TreeOwner, Upload, VfsError, WriteOptions};

/// The view of Lucca's own applications on one account: published files only, all rights, the same publication.
/// Paths are the account's virtual paths (folder path + name); outside its remote folders there is nothing.
#[derive(Clone)]
pub struct OperatorTree {
    view: Arc<View>,
}

impl OperatorTree {
    /// Only `access` may call this (tests/architecture.rs).
    pub async fn mount(storage: &Arc<Storage>, owner: TreeOwner, actor: Actor) -> Result<Self, VfsError> {
        let storage = Arc::clone(storage);
        Ok(Self { view: blocking(move || View::mount(&storage, &owner, actor)).await? })
    }

    pub async fn stat(&self, path: &VirtualPath) -> Result<Metadata, VfsError> {
        let path = path.clone();
        self.blocking(move |view| view.stat(&path)).await
    }

    pub async fn list(&self, path: &VirtualPath) -> Result<Listing, VfsError> {
        let path = path.clone();
        self.blocking(move |view| view.list(&path)).await
    }

    /// The last whole version, whatever is being uploaded.
    pub async fn open_read(&self, path: &VirtualPath) -> Result<ReadFile, VfsError> {
        let path = path.clone();
        self.blocking(move |view| view.open_read(&path)).await
    }

    /// Missing folders between the remote folder and the file are made.
    pub async fn open_write(&self, path: &VirtualPath, options: WriteOptions) -> Result<Upload, VfsError> {
        let path = path.clone();
        self.blocking(move |view| view.open_write(&path, options)).await
    }

    /// Durable when it resolves, and recorded soon after. A login's unfinished upload to the same name stays.
    pub async fn remove_file(&self, path: &VirtualPath) -> Result<(), VfsError> {
        let path = path.clone();
        self.blocking(move |view| view.remove_file(&path)).await
    }

    pub(super) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<View>) -> Result<T, VfsError> + Send + 'static,
    ) -> Result<T, VfsError> {
        let view = Arc::clone(&self.view);
        blocking(move || work(&view)).await
    }
}
