//! The one place where the edge chooses SFTP's status codes (draft-ietf-secsh-filexfer-02 §7).

use crate::vfs::VfsError;

/// The codes of version 3 that the gateway uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    Ok = 0,
    EndOfFile = 1,
    NoSuchFile = 2,
    PermissionDenied = 3,
    Failure = 4,
    BadMessage = 5,
    Unsupported = 8,
}

/// A status and the words with it, for the person in front of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    pub code: Code,
    pub message: String,
}

impl Status {
    fn new(code: Code, message: &str) -> Self {
        Self { code, message: String::from(message) }
    }

    pub(super) fn ok() -> Self {
        Self::new(Code::Ok, "Success")
    }

    pub(super) fn end_of_file() -> Self {
        Self::new(Code::EndOfFile, "End of file")
    }

    pub(super) fn bad_message() -> Self {
        Self::new(Code::BadMessage, "the request cannot be read")
    }

    pub(super) fn unsupported(what: &str) -> Self {
        Self::new(Code::Unsupported, what)
    }

    pub(super) fn failure(why: &str) -> Self {
        Self::new(Code::Failure, why)
    }

    pub(super) fn no_such_file() -> Self {
        Self::of(&VfsError::NotFound)
    }

    /// A handle that is not open: closed before, or never given.
    pub(super) fn invalid_handle() -> Self {
        Self::failure("invalid handle")
    }

    /// What the tree's answer is on the wire. The same codes as OpenSSH's, where it has the case.
    pub(super) fn of(error: &VfsError) -> Self {
        let code = match error {
            VfsError::NotFound | VfsError::NotAFolder => Code::NoSuchFile,
            VfsError::PermissionDenied => Code::PermissionDenied,
            VfsError::AlreadyExists
            | VfsError::IsAFolder
            | VfsError::NotEmpty
            | VfsError::Busy
            | VfsError::NoSpace
            // Version 3 has no status of its own for a quota (15 came with version 5).
            | VfsError::OverQuota(_)
            // Not "no such file": clients show this code's message, and the reason is what helps.
            | VfsError::InvalidPath(_)
            | VfsError::TooMany
            | VfsError::WrongMode
            | VfsError::Storage(_)
            | VfsError::Ledger(_) => Code::Failure,
        };
        Self { code, message: error.to_string() }
    }
}

impl From<VfsError> for Status {
    fn from(error: VfsError) -> Self {
        Self::of(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::virtual_path::InvalidPath;

    #[test]
    fn each_error_has_its_code_and_words_for_a_person() {
        for (error, code) in [
            (VfsError::NotFound, 2),
            (VfsError::NotAFolder, 2),
            (VfsError::PermissionDenied, 3),
            (VfsError::AlreadyExists, 4),
            (VfsError::Busy, 4),
            (VfsError::InvalidPath(InvalidPath::Backslash), 4),
            (VfsError::WrongMode, 4),
        ] {
            let status = Status::of(&error);
            assert_eq!(status.code as u32, code, "{error}");
            assert!(!status.message.is_empty());
        }
    }

    #[test]
    fn what_the_disk_said_is_not_told_to_the_client() {
        let error = VfsError::Storage(std::io::Error::other("/srv/data/secret: I/O error"));
        assert_eq!(Status::of(&error), Status::failure("the storage failed"));
    }
}
