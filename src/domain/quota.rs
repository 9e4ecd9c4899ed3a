//! How much an account may hold.
//!
//! Each limit is a value of a preset, which an account may set for itself. What counts is what is published in the
//! account's remote folders; an upload under way counts nothing, but may not grow beyond what could be published.

use serde::{Deserialize, Serialize};

/// The largest limit: no disk is as large, and both databases keep it exactly.
pub const LARGEST_LIMIT: u64 = 1 << 60;

/// The limits of an account; `None`: there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quota {
    /// Of all files together.
    pub bytes: Option<u64>,
    pub files: Option<u64>,
    /// In bytes.
    pub largest_file: Option<u64>,
}

/// What to change of a quota; `None` stays as it is, `Some(None)` is as the preset says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuotaChange {
    pub bytes: Option<Option<u64>>,
    pub files: Option<Option<u64>>,
    pub largest_file: Option<Option<u64>>,
}

/// What an account holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    pub bytes: u64,
    pub files: u64,
}

/// The limit that an upload goes beyond, in words for operators; logins are told [`OverQuota::told`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverQuota {
    #[error("over the quota: the account holds {held} bytes, {more} more would come, and quota.bytes is {limit}")]
    Bytes { held: u64, more: u64, limit: u64 },
    #[error("over the quota: the account holds {held} files, one more would come, and quota.files is {limit}")]
    Files { held: u64, limit: u64 },
    #[error("over the quota: the file reaches {size} bytes, and quota.largest_file is {limit}")]
    LargestFile { size: u64, limit: u64 },
}

impl Quota {
    /// Whether nothing is limited.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// These limits, and `otherwise`'s where there is none.
    #[must_use]
    pub fn or(self, otherwise: Self) -> Self {
        Self {
            bytes: self.bytes.or(otherwise.bytes),
            files: self.files.or(otherwise.files),
            largest_file: self.largest_file.or(otherwise.largest_file),
        }
    }

    /// These limits with a change made to them.
    #[must_use]
    pub fn changed(self, change: QuotaChange) -> Self {
        Self {
            bytes: change.bytes.unwrap_or(self.bytes),
            files: change.files.unwrap_or(self.files),
            largest_file: change.largest_file.unwrap_or(self.largest_file),
        }
    }

    /// With each limit's name.
    pub fn limits(self) -> [(&'static str, Option<u64>); 3] {
        [("bytes", self.bytes), ("files", self.files), ("largest_file", self.largest_file)]
    }

    /// Whether a file may have so many bytes.
    pub fn allows_file(self, size: u64) -> Result<(), OverQuota> {
        match self.largest_file {
            Some(limit) if size > limit => Err(OverQuota::LargestFile { size, limit }),
            _ => Ok(()),
        }
    }

    /// Whether `more` may come to what is held. What brings nothing more always may, also where more is held already
    /// than the limit, since a quota may be lowered at any time.
    pub fn allows(self, held: Usage, more: Usage) -> Result<(), OverQuota> {
        match self.files {
            Some(limit) if more.files > 0 && held.files.saturating_add(more.files) > limit => {
                return Err(OverQuota::Files { held: held.files, limit });
            }
            _ => {}
        }
        match self.bytes {
            Some(limit) if more.bytes > 0 && held.bytes.saturating_add(more.bytes) > limit => {
                Err(OverQuota::Bytes { held: held.bytes, more: more.bytes, limit })
            }
            _ => Ok(()),
        }
    }
}

impl Usage {
    #[must_use]
    pub const fn plus(self, more: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(more.bytes), files: self.files.saturating_add(more.files) }
    }

    #[must_use]
    pub const fn minus(self, less: Self) -> Self {
        Self { bytes: self.bytes.saturating_sub(less.bytes), files: self.files.saturating_sub(less.files) }
    }

    /// A file of so many bytes.
    pub const fn file(bytes: u64) -> Self {
        Self { bytes, files: 1 }
    }
}

impl OverQuota {
    /// For the login, which may not be allowed to see what else there is.
    pub fn told(self) -> String {
        match self {
            Self::Bytes { limit, .. } => format!("over the quota: all files together may have {limit} bytes"),
            Self::Files { limit, .. } => format!("over the quota: there may be {limit} files"),
            Self::LargestFile { limit, .. } => format!("over the quota: a file may have {limit} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: Usage = Usage { bytes: 900, files: 9 };

    #[test]
    fn what_just_fits_is_allowed_and_one_more_is_not() {
        let quota = Quota { bytes: Some(1000), files: Some(10), largest_file: Some(100) };
        assert_eq!(quota.allows(HELD, Usage::file(100)), Ok(()));
        assert_eq!(quota.allows(HELD, Usage::file(101)), Err(OverQuota::Bytes { held: 900, more: 101, limit: 1000 }));
        let full = Usage { files: 10, ..HELD };
        assert_eq!(quota.allows(full, Usage::file(0)), Err(OverQuota::Files { held: 10, limit: 10 }));
        assert_eq!(quota.allows_file(100), Ok(()));
        assert_eq!(quota.allows_file(101), Err(OverQuota::LargestFile { size: 101, limit: 100 }));
        assert_eq!(Quota::default().allows(HELD, Usage { bytes: u64::MAX, files: u64::MAX }), Ok(()));
    }

    #[test]
    fn below_what_is_held_a_lowered_quota_lets_nothing_more_in_and_all_else_through() {
        let lowered = Quota { bytes: Some(10), files: Some(1), largest_file: None };
        assert_eq!(lowered.allows(HELD, Usage::default()), Ok(()));
        assert!(lowered.allows(HELD, Usage { bytes: 1, files: 0 }).is_err());
        assert!(lowered.allows(HELD, Usage { bytes: 0, files: 1 }).is_err());
    }

    #[test]
    fn each_limit_is_the_accounts_own_or_the_presets() {
        let own = Quota { files: Some(3), ..Quota::default() };
        let preset = Quota { bytes: Some(7), files: Some(5), largest_file: None };
        assert_eq!(own.or(preset), Quota { bytes: Some(7), files: Some(3), largest_file: None });
        let change = QuotaChange { files: Some(None), largest_file: Some(Some(1)), bytes: None };
        assert_eq!(own.changed(change), Quota { largest_file: Some(1), ..Quota::default() });
    }

    #[test]
    fn a_login_is_told_the_limit_and_not_what_is_there() {
        let over = OverQuota::Bytes { held: 912, more: 101, limit: 1000 };
        assert!(over.told().contains("1000") && !over.told().contains("912"), "{}", over.told());
        assert!(over.to_string().contains("quota.bytes is 1000") && over.to_string().contains("912"), "{over}");
    }
}
