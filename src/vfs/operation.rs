//! Which right each operation needs. One table for every protocol.

use crate::domain::{Right, Rights};

use super::VfsError;

/// What a login can ask of a path inside a remote folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Stat,
    List,
    OpenRead,
    /// Write under a name that is free.
    WriteNew,
    /// Write, truncate or resize what is there.
    WriteExisting,
    RemoveFile,
    /// Drop an incomplete upload of the login's own.
    DiscardUpload,
    RemoveFolder,
    MakeFolder,
    /// Take a name away by renaming.
    RenameFrom,
    /// Publish an upload of the login's own by renaming it.
    FinishUpload,
    /// Bring something into another remote folder by renaming.
    RenameInto,
    /// Replace by renaming.
    RenameOver,
    SetTimes,
}

impl Operation {
    /// Any one of these is enough.
    const fn needs(self) -> &'static [Right] {
        match self {
            Self::Stat => &[Right::List, Right::Read],
            Self::List => &[Right::List],
            Self::OpenRead => &[Right::Read],
            Self::WriteNew | Self::RenameInto => &[Right::Write],
            Self::WriteExisting | Self::RenameOver => &[Right::Overwrite],
            Self::RemoveFile | Self::RemoveFolder => &[Right::Delete],
            // Nobody else ever saw it: who may send a file may also take back what it sent of it.
            Self::DiscardUpload => &[Right::Delete, Right::Write, Right::Overwrite],
            // Where a rename ends an upload, it is part of the upload: drop-boxes have no other right.
            Self::FinishUpload => &[Right::Rename, Right::Write, Right::Overwrite],
            Self::MakeFolder => &[Right::MakeFolder],
            Self::RenameFrom => &[Right::Rename],
            Self::SetTimes => &[Right::Write, Right::Overwrite],
        }
    }

    pub(super) fn is_allowed(self, rights: Rights) -> bool {
        self.needs().iter().any(|right| rights.allows(*right))
    }

    pub(super) fn require(self, rights: Rights) -> Result<(), VfsError> {
        if self.is_allowed(rights) { Ok(()) } else { Err(VfsError::PermissionDenied) }
    }
}
