//! What is known of a file or folder.

use serde::{Deserialize, Serialize};

use crate::domain::{Rights, Timestamp};

use super::backend::Stat;

/// Links, devices and pipes do not exist for a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    File,
    Folder,
}

/// What stat and listings tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    pub kind: FileKind,
    pub size: u64,
    pub modified: Timestamp,
    pub accessed: Timestamp,
    /// What the login may do here (ancestors: list alone).
    pub rights: Rights,
    /// Tells files apart within an account (inode on a disk); for MLST `unique`.
    pub unique: u64,
    /// An unpublished upload of the login's own.
    pub incomplete: bool,
    /// A remote folder's root, or what leads to one: it can be neither renamed nor removed, whatever the rights.
    pub fixed: bool,
}

impl Metadata {
    pub(super) const fn whole(stat: Stat, rights: Rights) -> Self {
        Self {
            kind: stat.kind,
            size: stat.size,
            modified: stat.modified,
            accessed: stat.accessed,
            rights,
            unique: stat.unique,
            incomplete: false,
            fixed: false,
        }
    }

    pub(super) const fn fixed(stat: Stat, rights: Rights) -> Self {
        Self { fixed: true, ..Self::whole(stat, rights) }
    }

    pub(super) const fn incomplete(stat: Stat, rights: Rights) -> Self {
        Self { incomplete: true, ..Self::whole(stat, rights) }
    }
}

/// For statvfs, in bytes and inodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    pub block_size: u64,
    pub blocks: u64,
    pub blocks_free: u64,
    pub blocks_available: u64,
    pub files: u64,
    pub files_free: u64,
}

impl Space {
    /// With no more free than so many bytes and files. What is taken stays.
    pub(super) fn at_most(self, bytes: Option<u64>, files: Option<u64>) -> Self {
        let mut space = self;
        if let Some(blocks) = bytes.map(|bytes| bytes / self.block_size.max(1)) {
            space.blocks_available = self.blocks_available.min(blocks);
            space.blocks_free = self.blocks_free.min(blocks);
            space.blocks = self.blocks - (self.blocks_free - space.blocks_free);
        }
        if let Some(files) = files {
            space.files_free = self.files_free.min(files);
            space.files = self.files.saturating_sub(self.files_free - space.files_free);
        }
        space
    }
}
