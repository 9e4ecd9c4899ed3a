//! Retention: what has been in a remote folder for longer than the folder's term is removed, by rounds of maintenance.
//!
//! A round removes a bounded number of files, in small steps with pauses between: uploads go on beside it. What is left
//! over is the next round's. Whatever an operator changes about an account ends its part of the round: the rules may be
//! others now.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::domain::{AccountId, FolderId, RemoteFolder, Retention, RetentionAction, Timestamp, VirtualPath};
use crate::store::{self, Cursor};
use crate::telemetry::escaped;
use crate::vfs::{AgedFile, OperatorTree, TrashEntry, VfsError};

use super::accounts::NO_SUCH as NO_SUCH_ACCOUNT;
use super::{Management, ManagementError, Operator, Page, PageRequest};

/// The rule by which the gateway acts here, in events and records.
const RULE: &str = "retention";
/// How many accounts are read at a time.
const BATCH: u32 = 200;
/// How many files are removed without a pause.
const STEP: u64 = 32;
/// The pause: what was removed is recorded meanwhile.
const PAUSE: Duration = Duration::from_millis(50);
/// How many files that cannot be removed end an account's part of a round: it is the disk, and not a file.
const FAILURES: u64 = 10;

/// How much one round removes at most.
#[derive(Debug, Clone, Copy)]
pub struct RetentionLimits {
    /// Files of one account.
    pub of_an_account: u64,
    /// Files in all; a round ends behind the account with which it has as many.
    pub of_a_round: u64,
}

impl Default for RetentionLimits {
    fn default() -> Self {
        Self { of_an_account: 1_000, of_a_round: 10_000 }
    }
}

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetentionRound {
    /// Files that are gone.
    pub deleted: u64,
    /// Files that are in the trash.
    pub trashed: u64,
    /// The size of both.
    pub bytes: u64,
    /// Files that could not be removed.
    pub failed: u64,
    /// Accounts whose files could not be looked at to the end.
    pub failed_accounts: u64,
    /// Behind which account the next round begins; `None`: with the first.
    pub resume: Option<AccountId>,
}

impl RetentionRound {
    /// How many files it removed.
    pub fn removed(&self) -> u64 {
        self.deleted + self.trashed
    }
}

/// What a round now would do to a folder's files, and when the others' turn comes.
#[derive(Debug, Clone)]
pub struct RetentionPreview {
    /// The folder's rule, with the term that was asked about. Without one nothing is removed.
    pub retention: Option<Retention>,
    /// How many files are past their term, in the whole folder.
    pub due_files: u64,
    /// Their size.
    pub due_bytes: u64,
    /// The files, those that are removed first at first.
    pub files: Page<AgingFile>,
}

/// A file of a folder with a term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgingFile {
    pub path: VirtualPath,
    pub bytes: u64,
    /// Since when it counts.
    pub since: Timestamp,
    /// When its term is over.
    pub due_at: Timestamp,
    pub is_due: bool,
}

/// An account's part of a round.
struct Part<'a> {
    tree: OperatorTree,
    trash: TrashEntry,
    now: Timestamp,
    /// How many files it may remove yet.
    left: u64,
    failed: u64,
    round: &'a mut RetentionRound,
}

impl Management {
    /// A round of retention: removes what is past its folder's term at `now`, of the accounts behind `resume`, until all
    /// had their turn, the limits are reached or `end`. What fails of one account is told and keeps no other waiting.
    pub async fn apply_retention(
        &self,
        now: Timestamp,
        limits: &RetentionLimits,
        resume: Option<AccountId>,
        end: &CancellationToken,
    ) -> Result<RetentionRound, ManagementError> {
        let mut round = RetentionRound { resume, ..RetentionRound::default() };
        loop {
            let accounts = self.store.read().await?.folders().accounts_with_retention(round.resume, BATCH).await?;
            if accounts.is_empty() {
                round.resume = None;
                return Ok(round);
            }
            for account in accounts {
                if end.is_cancelled() || round.removed() >= limits.of_a_round {
                    return Ok(round);
                }
                if let Err(problem) = self.retain_account(account, now, limits, &mut round, end).await {
                    round.failed_accounts += 1;
                    tracing::error!(%account, %problem,
                        "What is past its term could not be removed from all folders of an account; the next rounds try again");
                }
                round.resume = Some(account);
            }
        }
    }

    async fn retain_account(
        &self,
        account: AccountId,
        now: Timestamp,
        limits: &RetentionLimits,
        round: &mut RetentionRound,
        end: &CancellationToken,
    ) -> Result<(), ManagementError> {
        let as_of = self.registry.moment();
        let is_over = || end.is_cancelled() || self.registry.was_changed_since(account, as_of);
        let folders = self.store.read().await?.folders().of_account(account).await?;
        let tree = match self.access.gateway_entry(RULE, account).await {
            Ok(Some(tree)) => tree,
            // Removed, or being changed right now.
            Ok(None) | Err(VfsError::Busy) => return Ok(()),
            Err(error) => return Err(ManagementError::of_path(error)),
        };
        let trash = tree.new_trash_entry();
        let mut part = Part { tree, trash, now, left: limits.of_an_account, failed: 0, round };
        let mut outcome = Ok(());
        for folder in folders {
            let Some(retention) = folder.rules.retention else { continue };
            if let Err(error) = part.retain_folder(&folder, retention, &is_over).await {
                // A folder that cannot be read keeps no other one waiting.
                outcome = Err(ManagementError::of_path(error));
            }
            if part.left == 0 || part.failed >= FAILURES || is_over() {
                break;
            }
        }
        outcome
    }

    /// What a round now would remove from a folder, and what comes due next, without removing anything. `after_days`: as if
    /// that were the term.
    pub async fn preview_retention(
        &self,
        operator: &Operator,
        account: AccountId,
        folder: FolderId,
        after_days: Option<u32>,
        page: &PageRequest,
    ) -> Result<RetentionPreview, ManagementError> {
        let page = page.checked()?;
        let after = page.after.as_ref().map(position).transpose()?;
        let folder = self.find_folder(operator, account, folder).await?;
        let retention = match (folder.rules.retention, after_days) {
            (rule, None) => rule,
            (rule, Some(days)) => {
                // What becomes of the files makes no difference here.
                let action = rule.map_or(RetentionAction::Trash, Retention::action);
                let asked = Retention::new(days, action);
                Some(asked.map_err(|problem| {
                    ManagementError::invalid("after_days", "out_of_range", super::sentence(&problem))
                })?)
            }
        };
        let Some(retention) = retention else {
            let files = Page { items: Vec::new(), next: None };
            return Ok(RetentionPreview { retention: None, due_files: 0, due_bytes: 0, files });
        };
        let tree = self.access.operator_entry(operator.name(), account).await.map_err(ManagementError::of_path)?;
        let mut ages = tree.ok_or(NO_SUCH_ACCOUNT)?.ages(folder.id).await.map_err(ManagementError::of_path)?;
        let now = self.clock.now();
        let mut preview = Preview { page: &page, after, oldest: BTreeMap::new(), due_files: 0, due_bytes: 0 };
        let latest = now.minus(retention.term());
        while let Some(batch) = ages.next_batch().await.map_err(ManagementError::of_path)? {
            batch.into_iter().for_each(|file| preview.take(file, latest));
        }
        let due = |file: AgedFile| AgingFile {
            due_at: file.since.plus(retention.term()),
            is_due: file.since <= latest,
            path: file.path,
            bytes: file.bytes,
            since: file.since,
        };
        let (due_files, due_bytes) = (preview.due_files, preview.due_bytes);
        let files = preview.finish().map(due);
        Ok(RetentionPreview { retention: Some(retention), due_files, due_bytes, files })
    }
}

impl Part<'_> {
    async fn retain_folder(
        &mut self,
        folder: &RemoteFolder,
        retention: Retention,
        is_over: &impl Fn() -> bool,
    ) -> Result<(), VfsError> {
        let latest = self.now.minus(retention.term());
        let mut files = self.tree.ages(folder.id).await?;
        let mut step = 0;
        while let Some(batch) = files.next_batch().await? {
            for file in batch.into_iter().filter(|file| file.since <= latest) {
                if self.left == 0 || self.failed >= FAILURES || is_over() {
                    return Ok(());
                }
                self.remove(folder, retention.action(), &file, latest).await?;
                step += 1;
                if step % STEP == 0 {
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        Ok(())
    }

    /// Fails when there is no use in going on.
    async fn remove(
        &mut self,
        folder: &RemoteFolder,
        action: RetentionAction,
        file: &AgedFile,
        latest: Timestamp,
    ) -> Result<(), VfsError> {
        let (trash, done) = match action {
            RetentionAction::Delete => (None, "Removed"),
            RetentionAction::Trash => (Some(&self.trash), "Moved to the trash"),
        };
        let (account, path) = (folder.account, escaped(file.path.as_str()));
        match self.tree.remove_if_older(&file.path, latest, trash).await {
            Ok(Some(bytes)) => {
                let count = match action {
                    RetentionAction::Delete => &mut self.round.deleted,
                    RetentionAction::Trash => &mut self.round.trashed,
                };
                *count += 1;
                self.round.bytes += bytes;
                self.left -= 1;
                let trash = trash.map(TrashEntry::as_str);
                tracing::info!(%account, folder = %folder.id, bytes, since = %file.since, trash,
                    "{done} what is past its folder's term: {path}");
            }
            // Another took its place, or it went, or its folder is about to leave.
            Ok(None) | Err(VfsError::NotFound | VfsError::IsAFolder | VfsError::Busy) => {}
            Err(error @ VfsError::Ledger(_)) => return Err(error),
            Err(error) => {
                self.failed += 1;
                self.round.failed += 1;
                tracing::error!(%account, folder = %folder.id, error = &error as &dyn std::error::Error,
                    "A file past its folder's term cannot be removed: {path}");
            }
        }
        Ok(())
    }
}

/// The files of a page, kept while all are looked at.
struct Preview<'a> {
    page: &'a store::PageRequest,
    after: Option<(i64, u64)>,
    /// Those of the page and one more, by age and what tells files apart.
    oldest: BTreeMap<(i64, u64), AgedFile>,
    due_files: u64,
    due_bytes: u64,
}

impl Preview<'_> {
    fn most(&self) -> usize {
        usize::try_from(self.page.limit).unwrap_or(usize::MAX)
    }

    fn take(&mut self, file: AgedFile, latest: Timestamp) {
        if file.since <= latest {
            self.due_files += 1;
            self.due_bytes += file.bytes;
        }
        let key = (file.since.as_micros(), file.unique);
        if self.after.is_none_or(|after| key > after) {
            self.oldest.insert(key, file);
            if self.oldest.len() > self.most() + 1 {
                self.oldest.pop_last();
            }
        }
    }

    fn finish(mut self) -> Page<AgedFile> {
        let is_last = self.oldest.len() <= self.most();
        if !is_last {
            self.oldest.pop_last();
        }
        let last = self.oldest.last_key_value().filter(|_| !is_last);
        let next = last.map(|((since, unique), _)| Cursor::after(&format!("{since} {unique}")).encode());
        Page { items: self.oldest.into_values().collect(), next }
    }
}

/// The age and the file behind which a page begins.
fn position(cursor: &Cursor) -> Result<(i64, u64), ManagementError> {
    let parts =
        cursor.key().split_once(' ').and_then(|(since, unique)| Some((since.parse().ok()?, unique.parse().ok()?)));
    parts.ok_or_else(|| ManagementError::invalid_cursor(&store::InvalidCursor))
}
