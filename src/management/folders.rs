//! Remote folders of an account: where its files are exchanged, and what its login may do there.

use crate::domain::preset::PresetFolder;
use crate::domain::{
    Account, AccountId, AuditAction, FolderId, FolderName, FolderRules, FolderRulesChange, RemoteFolder, Rights,
    VirtualPath,
};
use crate::sessions::EndReason;
use crate::vfs::{Departure, TreeOwner, VfsError};

use super::changing::Change;
use super::operator::account_for;
use super::shapes::FolderOf;
use super::{FieldError, Management, ManagementError, Operator};

/// The most remote folders of an account.
pub const MAX_FOLDERS: usize = 50;

const NO_SUCH: ManagementError = ManagementError::NotFound { what: "folder" };

/// What a remote folder is made from.
#[derive(Debug, Clone)]
pub struct NewFolder {
    pub name: FolderName,
    pub path: VirtualPath,
    pub rights: Rights,
    pub rules: FolderRules,
}

/// What to change of a folder; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct FolderChanges {
    pub name: Option<FolderName>,
    /// The files move along.
    pub path: Option<VirtualPath>,
    pub rights: Option<Rights>,
    pub rules: FolderRulesChange,
}

impl From<PresetFolder> for NewFolder {
    fn from(folder: PresetFolder) -> Self {
        let PresetFolder { name, path, rights, rules } = folder;
        Self { name, path, rights, rules }
    }
}

impl Management {
    /// By path.
    pub async fn list_folders(
        &self,
        operator: &Operator,
        account: AccountId,
    ) -> Result<Vec<RemoteFolder>, ManagementError> {
        Ok(self.find_account(operator, account).await?.1)
    }

    pub async fn find_folder(
        &self,
        operator: &Operator,
        account: AccountId,
        id: FolderId,
    ) -> Result<RemoteFolder, ManagementError> {
        let mut reader = self.store.read().await?;
        account_for(operator, reader.accounts(), account).await?;
        let found = reader.folders().find(id).await?;
        found.filter(|folder| folder.account == account).ok_or(NO_SUCH)
    }

    /// Adds a folder. The account's sessions end, so that the next ones see it.
    pub async fn add_folder(
        &self,
        operator: &Operator,
        account: AccountId,
        new: NewFolder,
    ) -> Result<RemoteFolder, ManagementError> {
        let mut unit = self.change(operator).await?;
        let account = account_for(operator, unit.accounts(), account).await?;
        let mut folders = unit.folders().of_account(account.id).await?;
        if folders.len() >= MAX_FOLDERS {
            let detail = format!("An account has at most {MAX_FOLDERS} remote folders.");
            return Err(ManagementError::conflict("path", detail));
        }
        let folder = self.draft_folder(account.id, new);
        unit.folders().insert(&folder).await?;
        folders.push(folder.clone());
        // Before the row is there for good: a folder that can be seen has its directory. A crash in between leaves an
        // empty directory.
        self.prepare_folders(&account, folders).await?;
        unit.commit([Change::created(AuditAction::FolderCreated, &FolderOf(&account, &folder))]).await?;
        self.end_sessions_of_changed_tree(account.id);
        tracing::info!(%operator, account = %account.id, folder = %folder.id, path = %folder.path, "Added a remote folder");
        Ok(folder)
    }

    /// Renames a folder, moves it with its files, or changes what the login may do in it or what happens to
    /// its files.
    pub async fn change_folder(
        &self,
        operator: &Operator,
        account: AccountId,
        id: FolderId,
        changes: FolderChanges,
    ) -> Result<RemoteFolder, ManagementError> {
        let mut unit = self.change(operator).await?;
        let account = account_for(operator, unit.accounts(), account).await?;
        let folders = unit.folders().of_account(account.id).await?;
        let before = folders.iter().find(|folder| folder.id == id).ok_or(NO_SUCH)?;
        let after = RemoteFolder {
            name: changes.name.unwrap_or_else(|| before.name.clone()),
            path: changes.path.unwrap_or_else(|| before.path.clone()),
            rights: changes.rights.unwrap_or(before.rights),
            rules: before.rules.changed(&changes.rules),
            ..before.clone()
        };
        let moves = after.path != before.path;
        if moves {
            check_move(&folders, before, &after.path)?;
        }
        unit.folders().update(&after).await?;
        let mut departure = None;
        if moves {
            departure = Some(self.begin_departure(account.id, &before.path, &[]).await?);
            self.move_files(&account, &before.path, &after.path).await?;
        }
        // A crash between the move and this leaves the files whole at the new path and the row at the old one; the
        // same request again finds nothing left to move and completes it.
        let change =
            Change::changed(AuditAction::FolderChanged, &FolderOf(&account, before), &FolderOf(&account, &after));
        if let Err(error) = unit.commit([change]).await {
            if moves && let Err(problem) = self.move_files(&account, &after.path, &before.path).await {
                tracing::error!(account = %account.id, folder = %id, %problem,
                    "A folder's change was not recorded and its files could not be moved back: repeat the change");
            }
            return Err(error.into());
        }
        if moves || after.rights != before.rights || after.rules != before.rules {
            self.end_sessions_of_changed_tree(account.id);
        }
        if let Some(departure) = departure {
            departure.complete();
        }
        tracing::info!(%operator, account = %account.id, folder = %id, path = %after.path, "Changed a remote folder");
        Ok(after)
    }

    /// Removes a folder; its files go to the trash, but for those of other folders inside it.
    pub async fn remove_folder(
        &self,
        operator: &Operator,
        account: AccountId,
        id: FolderId,
    ) -> Result<(), ManagementError> {
        let mut unit = self.change(operator).await?;
        let account = account_for(operator, unit.accounts(), account).await?;
        let (removed, kept): (Vec<_>, Vec<_>) =
            unit.folders().of_account(account.id).await?.into_iter().partition(|folder| folder.id == id);
        let folder = removed.first().ok_or(NO_SUCH)?;
        unit.folders().remove(id).await?;
        let keep: Vec<VirtualPath> = kept.into_iter().map(|folder| folder.path).collect();
        let departure = self.begin_departure(account.id, &folder.path, &keep).await?;
        // The files first: were the row gone before them, a crash in between would let them reappear in the next
        // folder made at this path. As it is, it leaves an empty folder, and the same request again removes it.
        match self.storage.trash_folder(account.instance, account.id, &folder.path, &keep).await {
            Ok(()) | Err(VfsError::NotFound) => {}
            Err(error) => return Err(ManagementError::of_path(error)),
        }
        unit.commit([Change::removed(AuditAction::FolderRemoved, &FolderOf(&account, folder))]).await?;
        self.end_sessions_of_changed_tree(account.id);
        departure.complete();
        tracing::info!(%operator, account = %account.id, folder = %id, path = %folder.path, "Removed a remote folder");
        Ok(())
    }

    pub(super) fn draft_folder(&self, account: AccountId, new: NewFolder) -> RemoteFolder {
        let NewFolder { name, path, rights, rules } = new;
        RemoteFolder { id: FolderId::new(self.clock.now(), &*self.random), account, name, path, rights, rules }
    }

    async fn prepare_folders(&self, account: &Account, folders: Vec<RemoteFolder>) -> Result<(), ManagementError> {
        let owner = TreeOwner::new(account.instance, account.id, folders);
        match self.storage.prepare(&owner).await {
            Err(VfsError::AlreadyExists | VfsError::NotAFolder) => {
                Err(ManagementError::conflict("path", "There is a file at this path, or at a part of it."))
            }
            outcome => outcome.map_err(ManagementError::of_path),
        }
    }

    async fn move_files(&self, account: &Account, from: &VirtualPath, to: &VirtualPath) -> Result<(), ManagementError> {
        match self.storage.move_folder(account.instance, account.id, from, to).await {
            // Nothing at the old path: an earlier try got this far.
            Ok(()) | Err(VfsError::NotFound) => Ok(()),
            Err(VfsError::AlreadyExists | VfsError::NotEmpty | VfsError::NotAFolder) => {
                Err(ManagementError::conflict("path", "There are files or folders at the new path: choose a free one."))
            }
            Err(error) => Err(ManagementError::of_path(error)),
        }
    }

    async fn begin_departure(
        &self,
        account: AccountId,
        path: &VirtualPath,
        keep: &[VirtualPath],
    ) -> Result<Departure, ManagementError> {
        self.storage.begin_departure(account, path, keep).await.map_err(ManagementError::of_path)
    }

    fn end_sessions_of_changed_tree(&self, account: AccountId) {
        self.access.account_changed(account);
        self.registry.disconnect_account(account, EndReason::AccountChanged);
    }
}

/// Whether a folder can move to `to`, as far as the account's folders tell.
fn check_move(folders: &[RemoteFolder], folder: &RemoteFolder, to: &VirtualPath) -> Result<(), ManagementError> {
    if folders.iter().any(|other| other.path == *to) {
        return Err(ManagementError::conflict("path", "Another folder of the account has this path."));
    }
    if to.is_within(&folder.path) {
        return Err(ManagementError::conflict("path", "A folder cannot move into itself."));
    }
    // On the disk a folder inside another lies inside it, and would be carried along.
    if let Some(inner) = folders.iter().find(|other| other.id != folder.id && other.path.is_within(&folder.path)) {
        let detail = format!("The folder holds another remote folder, {}: move or remove that one first.", inner.path);
        return Err(ManagementError::conflict("path", detail));
    }
    Ok(())
}

/// The folders of a request whose path or name an earlier one of it has.
pub(super) fn duplicate_problems(folders: &[NewFolder]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (index, folder) in folders.iter().enumerate() {
        let earlier = &folders[..index];
        if earlier.iter().any(|other| other.path == folder.path) {
            let field = format!("folders[{index}].path");
            errors.push(FieldError::new(field, "duplicate", "Another folder of the list has this path."));
        }
        if earlier.iter().any(|other| other.name == folder.name) {
            let field = format!("folders[{index}].name");
            errors.push(FieldError::new(field, "duplicate", "Another folder of the list has this name."));
        }
    }
    errors
}
