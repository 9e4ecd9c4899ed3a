//! What a use case can end in, as the edges tell operators.
//!
//! No text here names another tenant's account, a path of the disk or a secret: a login that another instance has is
//! "taken", no more. Causes of failures on our side are carried for the log, and never rendered.

use crate::credentials::HashError;
use crate::store::{Conflict, InvalidCursor, StoreError};
use crate::vfs::VfsError;

/// The technical reason of a failure on our side, for the log.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A field of a request that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Where it is, such as `folders[1].path`.
    pub field: String,
    /// What is wrong, for programs.
    pub code: &'static str,
    /// A sentence that says what would be right.
    pub detail: String,
}

impl FieldError {
    pub fn new(field: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { field: field.into(), code, detail: detail.into() }
    }
}

/// Why a use case did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ManagementError {
    #[error("there is no such {what}")]
    NotFound { what: &'static str },
    /// The operator may not do this, whatever is there.
    #[error("{detail}")]
    Forbidden { detail: &'static str },
    #[error("{}", all_details(.0))]
    Invalid(Vec<FieldError>),
    /// The request is right in itself, but not with what is there.
    #[error("{field}: {detail}")]
    Conflict { field: String, detail: String },
    /// What was asked for was there once, and is not kept any more.
    #[error("{detail}")]
    Gone { detail: &'static str },
    /// A file of this name is there, and the request asked not to replace one.
    #[error("a file of this name is there already")]
    AlreadyThere,
    /// The file is being uploaded, or too much is going on: trying again will help.
    #[error("busy: try again in a moment")]
    Busy,
    #[error("no space is left for files")]
    NoSpace,
    /// Something that the gateway needs does not answer: trying again may help.
    #[error("the gateway cannot do this at the moment")]
    Unavailable(#[source] Cause),
    #[error("the gateway failed")]
    Internal(#[source] Cause),
}

fn all_details(errors: &[FieldError]) -> String {
    errors.iter().map(|error| format!("{}: {}", error.field, error.detail)).collect::<Vec<_>>().join(" ")
}

impl ManagementError {
    pub fn invalid(field: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, code, detail)])
    }

    pub(super) fn invalid_cursor(problem: &InvalidCursor) -> Self {
        Self::invalid("cursor", "malformed", format!("This is {problem}."))
    }

    pub(super) fn conflict(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Conflict { field: field.into(), detail: detail.into() }
    }

    /// Of the files below a path that the operator named.
    pub(super) fn of_path(error: VfsError) -> Self {
        match error {
            VfsError::NotFound => Self::NotFound { what: "file or folder" },
            VfsError::PermissionDenied => Self::conflict("path", "This cannot be done with what is at this path."),
            VfsError::AlreadyExists => Self::AlreadyThere,
            VfsError::NotAFolder => Self::conflict("path", "A part of the path, or its end, is a file."),
            VfsError::IsAFolder => Self::conflict("path", "There is a folder at this path, not a file."),
            VfsError::NotEmpty => Self::conflict("path", "The folder is not empty."),
            VfsError::Busy => Self::Busy,
            VfsError::NoSpace => Self::NoSpace,
            VfsError::InvalidPath(problem) => Self::invalid("path", "malformed", sentence(&problem)),
            error @ (VfsError::TooMany | VfsError::Ledger(_)) => Self::Unavailable(error.into()),
            error @ (VfsError::WrongMode | VfsError::Storage(_)) => Self::Internal(error.into()),
        }
    }
}

impl From<StoreError> for ManagementError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(Conflict::InstanceKey) => {
                Self::conflict("key", "This key is taken: choose another one.")
            }
            StoreError::Conflict(Conflict::Login) => {
                Self::conflict("login", "This login is taken: choose another one.")
            }
            StoreError::Conflict(Conflict::FolderPath) => {
                Self::conflict("path", "Another folder of the account has this path.")
            }
            StoreError::Conflict(Conflict::FolderName) => {
                Self::conflict("name", "Another folder of the account has this name.")
            }
            StoreError::Conflict(Conflict::PublicKey) => {
                Self::conflict("public_key", "The account has this key already.")
            }
            // It went while we worked.
            StoreError::Conflict(Conflict::Parent) => Self::NotFound { what: "instance or account" },
            StoreError::InvalidCursor(problem) => Self::invalid_cursor(&problem),
            // The domain's types refuse it in nearly every text; a search or a name of a token's may still hold one.
            StoreError::NulCharacter(problem) => Self::invalid("request", "malformed", sentence(&problem)),
            error @ StoreError::Unavailable(_) => Self::Unavailable(error.into()),
            error @ (StoreError::Opening { .. }
            | StoreError::Inconsistent { .. }
            | StoreError::Migration(_)
            | StoreError::Database(_)) => Self::Internal(error.into()),
        }
    }
}

impl From<HashError> for ManagementError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Overloaded => Self::Busy,
            HashError::TooLong => Self::invalid("password", "too_long", sentence(&error)),
            error @ (HashError::Unreadable(_) | HashError::Failed(_)) => Self::Internal(error.into()),
        }
    }
}

/// A domain type's refusal ("a name has 1 to 100 …") as a sentence.
pub fn sentence(problem: &impl std::fmt::Display) -> String {
    let text = problem.to_string();
    let mut characters = text.chars();
    let Some(first) = characters.next() else { return text };
    let capitalised: String = first.to_uppercase().chain(characters).collect();
    if capitalised.ends_with(['.', '!', '?']) { capitalised } else { format!("{capitalised}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_becomes_a_sentence() {
        assert_eq!(sentence(&"a name has 1 to 3 characters"), "A name has 1 to 3 characters.");
        assert_eq!(sentence(&"État inconnu."), "État inconnu.");
        assert_eq!(sentence(&""), "");
    }

    #[test]
    fn a_taken_login_says_nothing_of_who_has_it() {
        let ManagementError::Conflict { field, detail } = StoreError::Conflict(Conflict::Login).into() else {
            panic!("a conflict")
        };
        assert_eq!((field.as_str(), detail.as_str()), ("login", "This login is taken: choose another one."));
    }

    #[test]
    fn a_failure_of_ours_keeps_its_cause_for_the_log_and_out_of_its_text() {
        let error = ManagementError::of_path(VfsError::Storage(std::io::Error::other("/srv/data/x: EIO")));
        assert!(!error.to_string().contains("/srv"));
        let mut cause = std::error::Error::source(&error);
        let mut deepest = String::new();
        while let Some(inner) = cause {
            deepest = inner.to_string();
            cause = inner.source();
        }
        assert_eq!(deepest, "/srv/data/x: EIO");
    }
}
