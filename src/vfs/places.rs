//! Where things are below the storage directory.
//!
//! ```text
//! <instance id>/<account id>/<virtual path>      published files
//! .staging/<account id>/<upload id>.data         what was received of an upload
//! .staging/<account id>/<upload id>.json         its sidecar
//! .trash/<date>-<id>/<instance id>/<account id>/<virtual path>
//! .lock                                          the gateway that works here (see `app`)
//! ```
//!
//! All on one filesystem, so that publishing, moving and trashing are renames.

use crate::domain::{AccountId, InstanceId, Timestamp, UploadId, VirtualPath};

/// A place below the storage directory: names with `/` between. Built from ids and virtual paths alone, so that it
/// can neither climb nor be absolute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct DiskPath(String);

impl DiskPath {
    /// The storage directory itself.
    pub(super) fn top() -> Self {
        Self(String::from("."))
    }

    /// A published file or folder.
    pub(super) fn of(instance: InstanceId, account: AccountId, path: &VirtualPath) -> Self {
        if path.is_root() { Self(format!("{instance}/{account}")) } else { Self(format!("{instance}/{account}{path}")) }
    }

    pub(super) fn staging() -> Self {
        Self(String::from(".staging"))
    }

    pub(super) fn staging_of(account: AccountId) -> Self {
        Self(format!(".staging/{account}"))
    }

    pub(super) fn staged(account: AccountId, upload: UploadId) -> Self {
        Self(format!(".staging/{account}/{upload}.data"))
    }

    pub(super) fn sidecar(account: AccountId, upload: UploadId) -> Self {
        Self(format!(".staging/{account}/{upload}.json"))
    }

    pub(super) fn trash() -> Self {
        Self(String::from(".trash"))
    }

    /// The place in an entry of the trash that mirrors a published one.
    pub(super) fn trashed(entry: &str, published: &Self) -> Self {
        Self(format!(".trash/{entry}/{}", published.0))
    }

    /// `name` in this folder. The name comes from a listing of the disk or from our own ids, never from a peer.
    pub(super) fn child(&self, name: &str) -> Self {
        debug_assert!(!name.contains('/') && name != ".." && !name.is_empty(), "a name is one part of a path");
        if self.0 == "." { Self(name.to_owned()) } else { Self(format!("{}/{name}", self.0)) }
    }

    /// The folder that holds this; the storage directory's is itself.
    pub(super) fn parent(&self) -> Self {
        self.0.rsplit_once('/').map_or_else(Self::top, |(parent, _)| Self(parent.to_owned()))
    }

    /// The last name.
    pub(super) fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a new entry of the trash: the date first, so that people find it and the sweep reads it.
pub(super) fn trash_entry(now: Timestamp, id: UploadId) -> String {
    // Whole seconds, and no colons: such names can be copied to any filesystem.
    format!("{}-{id}", Timestamp::from_seconds(now.as_seconds())).replace(':', ".")
}

/// When an entry of the trash was made; `None` for what is no entry of ours.
pub(super) fn trashed_at(entry: &str) -> Option<Timestamp> {
    // 2026-11-23T18.00.00Z-<id>: the date ends at the only Z.
    let (date, _) = entry.split_once("Z-")?;
    Timestamp::parse(&format!("{}Z", date.replace('.', ":"))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::OsRandom;

    #[test]
    fn the_date_of_a_trash_entry_is_read_back() {
        let now = Timestamp::from_seconds(1_795_456_800);
        let entry = trash_entry(now.plus(std::time::Duration::from_millis(300)), UploadId::new(now, &OsRandom));
        assert_eq!(trashed_at(&entry), Some(now), "{entry}");
        assert_eq!(trashed_at("lost+found"), None);
    }

    #[test]
    fn parent_and_name_take_a_place_apart() {
        let now = Timestamp::EPOCH;
        let (instance, account) = (InstanceId::new(now, &OsRandom), AccountId::new(now, &OsRandom));
        let place = DiskPath::of(instance, account, &VirtualPath::parse("/a/b").unwrap());
        assert_eq!(place.as_str(), format!("{instance}/{account}/a/b"));
        assert_eq!((place.name(), place.parent().name()), ("b", "a"));
        assert_eq!(DiskPath::of(instance, account, &VirtualPath::root()).as_str(), format!("{instance}/{account}"));
        assert_eq!(DiskPath::staging().parent(), DiskPath::top());
    }
}
