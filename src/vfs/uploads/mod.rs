//! Which uploads there are that nobody but their login sees: in flight, cut short, just published.
//!
//! The index lives in memory and is rebuilt from the sidecars at start-up. Its lock is held for moments only, never
//! over disk work: methods that end uploads answer the ids whose files the caller then removes.

mod held;
mod pending;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::{AccountId, FileName, Timestamp, UploadId, VirtualPath};

use super::backend::{OpenFile, Times};
use super::sidecar::Held;

pub(super) use pending::Pending;

/// Incomplete uploads kept for an account, and uploads remembered for those who may only write. The oldest go first.
const KEPT_PER_ACCOUNT: usize = 1_000;
/// Large whole files that an account has open to be edited in a copy, at a time.
const COPIES_PER_ACCOUNT: usize = 16;

/// An upload in flight.
pub(super) struct Staged {
    pub(super) id: UploadId,
    pub(super) account: AccountId,
    pub(super) path: VirtualPath,
    pub(super) file: Arc<dyn OpenFile>,
    /// To be set when it is published: writes would undo them before.
    pub(super) times: Mutex<Times>,
    #[expect(dead_code, reason = "held, not read")]
    pub(super) room: Option<RoomForACopy>,
}

/// Held by an upload that began as a large copy, as long as its handle lives.
pub(super) struct RoomForACopy {
    copies: Copies,
    account: AccountId,
}

/// How many large copies are open, by account.
type Copies = Arc<Mutex<HashMap<AccountId, usize>>>;

impl Drop for RoomForACopy {
    fn drop(&mut self) {
        let mut copies = lock(&self.copies);
        if let Some(count) = copies.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                copies.remove(&self.account);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here leaves what it changes half changed, so a panic elsewhere under the lock spoils nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An upload that ended without publishing.
#[derive(Debug, Clone, Copy)]
struct Incomplete {
    id: UploadId,
    cut_at: Timestamp,
}

/// What an account just uploaded, for a login that cannot look.
#[derive(Debug, Clone)]
pub(super) struct JustUploaded {
    pub(super) path: VirtualPath,
    pub(super) stat: super::backend::Stat,
    pub(super) until: Timestamp,
}

/// An unfinished upload as the account's logins see it.
#[derive(Clone)]
pub(super) enum Unfinished {
    InFlight(Arc<Staged>),
    Incomplete(UploadId),
    /// Whole, and published when it is renamed.
    Held(UploadId),
}

#[derive(Default)]
struct OfAccount {
    /// In the order in which they were opened.
    in_flight: Vec<Arc<Staged>>,
    incomplete: HashMap<VirtualPath, Incomplete>,
    held: HashMap<VirtualPath, (UploadId, Held)>,
    just_uploaded: VecDeque<JustUploaded>,
}

#[derive(Default)]
struct Index {
    accounts: HashMap<AccountId, OfAccount>,
    /// Every upload with files in staging that some handle answers for; the sweep leaves these alone.
    live: HashSet<UploadId>,
    /// Happened, not recorded yet.
    pending: HashMap<UploadId, Pending>,
}

/// What a rename did to the incomplete uploads of an account.
#[derive(Default)]
pub(super) struct Moves {
    /// With their new paths, and whether they are held.
    pub(super) followed: Vec<(UploadId, VirtualPath, bool)>,
    /// Those whose place was taken: their files go.
    pub(super) gave_way: Vec<UploadId>,
}

/// The index of all accounts.
#[derive(Default)]
pub(super) struct Uploads {
    index: Mutex<Index>,
    copies: Copies,
}

impl Uploads {
    fn index(&self) -> MutexGuard<'_, Index> {
        lock(&self.index)
    }

    /// Room for one more large copy, unless the account has [`COPIES_PER_ACCOUNT`].
    pub(super) fn room_for_a_copy(&self, account: AccountId) -> Option<RoomForACopy> {
        let mut copies = lock(&self.copies);
        let count = copies.entry(account).or_default();
        if *count >= COPIES_PER_ACCOUNT {
            return None;
        }
        *count += 1;
        Some(RoomForACopy { copies: Arc::clone(&self.copies), account })
    }

    /// Announces files in staging before they are made.
    pub(super) fn begin(&self, id: UploadId) {
        self.index().live.insert(id);
    }

    /// The files of this upload are gone, or were never made.
    pub(super) fn forget(&self, id: UploadId) {
        self.index().live.remove(&id);
    }

    /// Whether anything still needs the files of this upload.
    pub(super) fn knows(&self, account: AccountId, id: UploadId) -> bool {
        let index = self.index();
        let incomplete = |of: &OfAccount| {
            of.incomplete.values().any(|upload| upload.id == id) || of.held.values().any(|(held, _)| *held == id)
        };
        index.live.contains(&id)
            || index.pending.contains_key(&id)
            || index.accounts.get(&account).is_some_and(incomplete)
    }

    /// From now on the account's logins see this upload.
    pub(super) fn show(&self, staged: &Arc<Staged>) {
        self.index().accounts.entry(staged.account).or_default().in_flight.push(Arc::clone(staged));
    }

    /// The latest opened upload of a path, else the incomplete one, else the one that waits for its rename.
    pub(super) fn unfinished(&self, account: AccountId, path: &VirtualPath) -> Option<Unfinished> {
        self.index().accounts.get(&account)?.unfinished(path)
    }

    /// As [`Self::unfinished`], but an incomplete upload is handed over: it is the caller's to continue, and live. One that
    /// waits for its rename stays: it is whole, and what replaces it is made beside it.
    pub(super) fn take_over(&self, account: AccountId, path: &VirtualPath) -> Option<Unfinished> {
        let mut index = self.index();
        let of_account = index.accounts.get_mut(&account)?;
        let found = of_account.unfinished(path)?;
        if let Unfinished::Incomplete(id) = found {
            of_account.incomplete.remove(path);
            index.live.insert(id);
        }
        Some(found)
    }

    /// The unfinished uploads whose place is directly in `folder`.
    pub(super) fn in_folder(&self, account: AccountId, folder: &VirtualPath) -> HashMap<FileName, Unfinished> {
        let index = self.index();
        let Some(of_account) = index.accounts.get(&account) else { return HashMap::new() };
        let name_in_folder = |path: &VirtualPath| {
            let below = path.below(folder)?;
            if below.contains('/') { None } else { path.name() }
        };
        let held = of_account.held.iter().map(|(path, (id, _))| (path, Unfinished::Held(*id)));
        let incomplete = of_account.incomplete.iter().map(|(path, upload)| (path, Unfinished::Incomplete(upload.id)));
        // Later ones replace earlier ones: the latest opened is seen.
        let in_flight = of_account.in_flight.iter().map(|one| (&one.path, Unfinished::InFlight(Arc::clone(one))));
        held.chain(incomplete)
            .chain(in_flight)
            .filter_map(|(path, upload)| Some((name_in_folder(path)?, upload)))
            .collect()
    }

    /// Whether an upload in flight is for a path below `folder`.
    pub(super) fn any_in_flight_below(&self, account: AccountId, folder: &VirtualPath) -> bool {
        let index = self.index();
        index.accounts.get(&account).is_some_and(|of| of.in_flight.iter().any(|one| one.path.is_within(folder)))
    }

    /// Ends an upload without keeping anything of it. Its files are the caller's to remove.
    pub(super) fn discard(&self, staged: &Staged) {
        self.index().of(staged.account).leave(staged.id);
    }

    /// Keeps an upload that was cut short. Answers the uploads that give way to it, whose files the caller removes.
    #[must_use]
    pub(super) fn keep(&self, staged: &Staged, now: Timestamp) -> Vec<UploadId> {
        let mut index = self.index();
        index.live.remove(&staged.id);
        let of_account = index.of(staged.account);
        of_account.leave(staged.id);
        of_account.keep(staged.path.clone(), Incomplete { id: staged.id, cut_at: now })
    }

    /// Puts back what start-up found, or what [`Self::take_over`] took in vain. Answers the uploads that give way.
    #[must_use]
    pub(super) fn restore(
        &self,
        account: AccountId,
        path: VirtualPath,
        id: UploadId,
        cut_at: Timestamp,
    ) -> Vec<UploadId> {
        let mut index = self.index();
        index.live.remove(&id);
        index.of(account).keep(path, Incomplete { id, cut_at })
    }

    /// Ends a login's upload that is visible now; answers the other ones of its path, which are obsolete.
    pub(super) fn published(&self, staged: &Staged, memory: Option<JustUploaded>) -> Vec<UploadId> {
        let mut index = self.index();
        let of_account = index.of(staged.account);
        of_account.leave(staged.id);
        if let Some(memory) = memory {
            of_account.remember(memory);
        }
        let incomplete = of_account.incomplete.remove(&staged.path).map(|upload| upload.id);
        incomplete.into_iter().chain(of_account.held.remove(&staged.path).map(|(id, _)| id)).collect()
    }

    pub(super) fn just_uploaded(&self, account: AccountId, path: &VirtualPath, now: Timestamp) -> Option<JustUploaded> {
        let index = self.index();
        let remembered = &index.accounts.get(&account)?.just_uploaded;
        remembered.iter().rfind(|memory| memory.path == *path && memory.until > now).cloned()
    }

    /// What was uploaded to a path is gone.
    pub(super) fn forget_just_uploaded(&self, account: AccountId, path: &VirtualPath) {
        if let Some(of_account) = self.index().accounts.get_mut(&account) {
            of_account.just_uploaded.retain(|memory| memory.path != *path);
        }
    }

    /// Gives up the incomplete upload of a path, and the memory of having uploaded it. Its files are the caller's to
    /// remove.
    #[must_use]
    pub(super) fn remove(&self, account: AccountId, path: &VirtualPath) -> Option<UploadId> {
        let mut index = self.index();
        let of_account = index.accounts.get_mut(&account)?;
        of_account.just_uploaded.retain(|memory| memory.path != *path);
        of_account.incomplete.remove(path).map(|upload| upload.id)
    }

    /// Gives up the uploads that are not published at and below a path, but for those in `keep`.
    pub(super) fn remove_below(&self, account: AccountId, path: &VirtualPath, keep: &[VirtualPath]) -> Vec<UploadId> {
        let goes = |at: &VirtualPath| at.is_within(path) && !keep.iter().any(|kept| at.is_within(kept));
        let mut index = self.index();
        let Some(of_account) = index.accounts.get_mut(&account) else { return Vec::new() };
        of_account.just_uploaded.retain(|memory| !goes(&memory.path));
        let held: Vec<_> = of_account.held.extract_if(|at, _| goes(at)).map(|(_, (id, _))| id).collect();
        let incomplete = of_account.incomplete.extract_if(|at, _| goes(at)).map(|(_, upload)| upload.id);
        incomplete.chain(held).collect()
    }

    /// A file or folder has another path: what was kept at and below it follows.
    pub(super) fn moved(&self, account: AccountId, from: &VirtualPath, to: &VirtualPath) -> Moves {
        let follow = |path: &VirtualPath| match path.below(from)? {
            "" => Some(to.clone()),
            below => to.resolve(below).ok(),
        };
        let mut index = self.index();
        let mut moves = Moves::default();
        let Some(of_account) = index.accounts.get_mut(&account) else { return moves };
        for memory in &mut of_account.just_uploaded {
            if let Some(path) = follow(&memory.path) {
                memory.path = path;
            }
        }
        let leaving: Vec<_> = of_account.incomplete.extract_if(|path, _| path.is_within(from)).collect();
        for (path, upload) in leaving {
            // What would lie too deep now stays under its old path, where its term ends it.
            let path = match follow(&path) {
                Some(new) => {
                    moves.followed.push((upload.id, new.clone(), false));
                    new
                }
                None => path,
            };
            // One that was cut for the new path meanwhile gives way, as to any later one.
            moves.gave_way.extend(of_account.incomplete.insert(path, upload).map(|older| older.id));
        }
        let leaving: Vec<_> = of_account.held.extract_if(|path, _| path.is_within(from)).collect();
        for (path, (id, held)) in leaving {
            let new = follow(&path);
            moves.followed.extend(new.clone().map(|new| (id, new, true)));
            let older = of_account.held.insert(new.unwrap_or(path), (id, held));
            moves.gave_way.extend(older.map(|(older, _)| older));
        }
        moves
    }

    /// Takes out the incomplete uploads that were cut before `until`, and forgets what needs no memory any more.
    pub(super) fn expire(&self, until: Timestamp, now: Timestamp) -> Vec<(AccountId, UploadId)> {
        let mut expired = Vec::new();
        let mut index = self.index();
        index.accounts.retain(|account, of_account| {
            let past = of_account.incomplete.extract_if(|_, upload| upload.cut_at <= until);
            expired.extend(past.map(|(_, upload)| (*account, upload.id)));
            of_account.just_uploaded.retain(|memory| memory.until > now);
            !of_account.is_empty()
        });
        expired
    }

    /// The account is gone: answers its uploads that are not published.
    pub(super) fn remove_account(&self, account: AccountId) -> Vec<UploadId> {
        self.remove_below(account, &VirtualPath::root(), &[])
    }
}

impl Index {
    fn of(&mut self, account: AccountId) -> &mut OfAccount {
        self.accounts.entry(account).or_default()
    }
}

impl OfAccount {
    fn unfinished(&self, path: &VirtualPath) -> Option<Unfinished> {
        let in_flight = self.in_flight.iter().rfind(|staged| staged.path == *path);
        let in_flight = in_flight.map(|staged| Unfinished::InFlight(Arc::clone(staged)));
        let incomplete = || self.incomplete.get(path).map(|upload| Unfinished::Incomplete(upload.id));
        let held = || self.held.get(path).map(|(id, _)| Unfinished::Held(*id));
        in_flight.or_else(incomplete).or_else(held)
    }

    fn leave(&mut self, id: UploadId) {
        self.in_flight.retain(|staged| staged.id != id);
    }

    fn keep(&mut self, path: VirtualPath, upload: Incomplete) -> Vec<UploadId> {
        let mut give_way: Vec<UploadId> =
            self.incomplete.insert(path, upload).map(|older| older.id).into_iter().collect();
        while self.incomplete.len() > KEPT_PER_ACCOUNT {
            let oldest = self.incomplete.iter().min_by_key(|(_, upload)| (upload.cut_at, upload.id));
            let Some(path) = oldest.map(|(path, _)| path.clone()) else { break };
            give_way.extend(self.incomplete.remove(&path).map(|upload| upload.id));
        }
        give_way
    }

    fn remember(&mut self, memory: JustUploaded) {
        self.just_uploaded.retain(|older| older.path != memory.path);
        self.just_uploaded.push_back(memory);
        if self.just_uploaded.len() > KEPT_PER_ACCOUNT {
            self.just_uploaded.pop_front();
        }
    }

    fn is_empty(&self) -> bool {
        self.in_flight.is_empty() && self.incomplete.is_empty() && self.held.is_empty() && self.just_uploaded.is_empty()
    }
}

/// When an upload whose data was last written at `modified` was cut: never in the future, or it would stay for ever.
pub(super) fn cut_at(modified: Timestamp, now: Timestamp) -> Timestamp {
    modified.min(now)
}

/// When what was cut before is past its term.
pub(super) fn expiry(now: Timestamp, term: Duration) -> Timestamp {
    now.minus(term)
}
