//! Which remote folder a path lies in. Pure: nothing here touches a disk.
//!
//! Remote folders are mounted at their paths. What lies above them is made up: folders that lead to a mount, and
//! nothing else. A folder may be mounted inside another; the deepest one decides.

use std::collections::BTreeSet;

use crate::domain::{FileName, FolderId, RemoteFolder, Rights, VirtualPath};

/// A remote folder at its path.
#[derive(Debug, Clone)]
pub(super) struct Mount {
    pub(super) folder: FolderId,
    pub(super) path: VirtualPath,
    pub(super) rights: Rights,
    /// What a login uploads is published when it is renamed.
    pub(super) publish_on_rename: bool,
}

/// Where a path lies.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// In a remote folder.
    Inside {
        mount: &'a Mount,
        /// It is a remote folder's root, or holds one: it cannot be renamed, removed or replaced.
        fixed: bool,
    },
    /// Above the remote folders: listed and read-only.
    Ancestor,
    /// Nothing is there.
    Nowhere,
}

/// The remote folders of one tree.
#[derive(Debug, Clone)]
pub(super) struct MountTable {
    /// Sorted by path, so that of several that hold a path the deepest comes last.
    mounts: Vec<Mount>,
}

impl MountTable {
    pub(super) fn new(folders: &[RemoteFolder]) -> Self {
        let mount = |folder: &RemoteFolder| Mount {
            folder: folder.id,
            path: folder.path.clone(),
            rights: folder.rights,
            publish_on_rename: folder.rules.publish_on_rename,
        };
        let mut mounts: Vec<Mount> = folders.iter().map(mount).collect();
        mounts.sort_by(|one, other| one.path.cmp(&other.path));
        Self { mounts }
    }

    pub(super) fn locate(&self, path: &VirtualPath) -> Place<'_> {
        let holds_a_mount = self.mounts.iter().any(|mount| mount.path.is_within(path));
        match self.mounts.iter().rfind(|mount| path.is_within(&mount.path)) {
            Some(mount) => Place::Inside { mount, fixed: holds_a_mount },
            // `/` is there even when no folder is mounted yet.
            None if holds_a_mount || path.is_root() => Place::Ancestor,
            None => Place::Nowhere,
        }
    }

    /// Where a remote folder is mounted.
    pub(super) fn path_of(&self, folder: FolderId) -> Option<&VirtualPath> {
        self.mounts.iter().find(|mount| mount.folder == folder).map(|mount| &mount.path)
    }

    /// The names in `path` that are, or lead to, a remote folder below it.
    pub(super) fn names_towards_mounts(&self, path: &VirtualPath) -> BTreeSet<FileName> {
        let below = self.mounts.iter().filter_map(|mount| mount.path.below(path));
        below.filter_map(|rest| FileName::parse(rest.split('/').next()?).ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{AccountId, FolderName, FolderRules, OsRandom, ReadySet, Timestamp};

    fn path(text: &str) -> VirtualPath {
        VirtualPath::parse(text).unwrap()
    }

    fn table(paths: &[&str]) -> MountTable {
        let now = Timestamp::EPOCH;
        let folder = |text: &&str| RemoteFolder {
            id: FolderId::new(now, &OsRandom),
            account: AccountId::new(now, &OsRandom),
            name: FolderName::parse("x").unwrap(),
            path: path(text),
            rights: ReadySet::ReadWrite.rights(),
            rules: FolderRules::default(),
        };
        MountTable::new(&paths.iter().map(folder).collect::<Vec<_>>())
    }

    fn mount_of(table: &MountTable, text: &str) -> Option<String> {
        match table.locate(&path(text)) {
            Place::Inside { mount, .. } => Some(mount.path.to_string()),
            Place::Ancestor | Place::Nowhere => None,
        }
    }

    #[test]
    fn the_deepest_folder_decides() {
        let table = table(&["/a", "/a/b/c", "/a/b-c"]);
        for (asked, mount) in [
            ("/a", Some("/a")),
            ("/a/b", Some("/a")),
            ("/a/b/c", Some("/a/b/c")),
            ("/a/b/c/d", Some("/a/b/c")),
            ("/a/b-c/d", Some("/a/b-c")),
            ("/a/b-cd", Some("/a")),
            ("/ab", None),
        ] {
            assert_eq!(mount_of(&table, asked).as_deref(), mount, "{asked}");
        }
    }

    #[test]
    fn ancestors_show_only_the_way_to_folders() {
        let table = table(&["/d1/d2/in", "/d1/d2/out", "/other"]);
        let names = |text| {
            let names = table.names_towards_mounts(&path(text));
            names.iter().map(FileName::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("/"), "d1 other");
        assert_eq!(names("/d1/d2"), "in out");
        assert_eq!(names("/d1/d2/in"), "");
        assert!(matches!(table.locate(&path("/d1")), Place::Ancestor));
        assert!(matches!(table.locate(&path("/d1/x")), Place::Nowhere));
    }

    #[test]
    fn a_root_folder_leaves_no_ancestors() {
        let table = table(&["/", "/a"]);
        assert_eq!(mount_of(&table, "/").as_deref(), Some("/"));
        assert!(matches!(table.locate(&path("/")), Place::Inside { fixed: true, .. }));
        assert!(matches!(table.locate(&path("/b")), Place::Inside { fixed: false, .. }));
    }

    #[test]
    fn an_account_without_folders_has_an_empty_root() {
        let table = table(&[]);
        assert!(matches!(table.locate(&VirtualPath::root()), Place::Ancestor));
        assert!(table.names_towards_mounts(&VirtualPath::root()).is_empty());
    }

    proptest! {
        #[test]
        fn a_path_is_inside_exactly_the_longest_mount_that_holds_it(
            mounts in prop::collection::btree_set("(/[ab]){1,4}", 0..5),
            asked in "(/[ab]){0,5}",
        ) {
            let mounts: Vec<&str> = mounts.iter().map(String::as_str).collect();
            let asked = if asked.is_empty() { String::from("/") } else { asked };
            let longest = mounts.iter().filter(|mount| path(&asked).is_within(&path(mount))).max_by_key(|m| m.len());
            prop_assert_eq!(mount_of(&table(&mounts), &asked), longest.map(ToString::to_string));
        }

        #[test]
        fn every_mount_is_reached_from_the_top_by_what_is_shown(
            mounts in prop::collection::btree_set("(/[abc]){1,4}", 1..5),
        ) {
            let mounts: Vec<&str> = mounts.iter().map(String::as_str).collect();
            let table = table(&mounts);
            for mount in mounts {
                let mut at = VirtualPath::root();
                for name in path(mount).names() {
                    let name = FileName::parse(name).unwrap();
                    prop_assert!(table.names_towards_mounts(&at).contains(&name));
                    at = at.join(&name).unwrap();
                    prop_assert!(!matches!(table.locate(&at), Place::Nowhere));
                }
            }
        }

        #[test]
        fn an_ancestor_is_never_inside_and_always_leads_somewhere(
            mounts in prop::collection::btree_set("(/[ab]){1,4}", 1..4),
            asked in "(/[ab]){1,5}",
        ) {
            let mounts: Vec<&str> = mounts.iter().map(String::as_str).collect();
            let table = table(&mounts);
            let leads = !table.names_towards_mounts(&path(&asked)).is_empty();
            match table.locate(&path(&asked)) {
                Place::Ancestor => prop_assert!(leads),
                Place::Nowhere => prop_assert!(!leads),
                Place::Inside { fixed, .. } => prop_assert_eq!(fixed, leads || mounts.contains(&asked.as_str())),
            }
        }
    }
}
