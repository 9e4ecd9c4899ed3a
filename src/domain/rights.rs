//! What a login may do in a remote folder: seven rights, and three ready sets that cover nearly every exchange.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One thing that a login may be allowed to do in a remote folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// See which files and folders there are.
    List,
    /// Read what a file holds.
    Read,
    /// Upload a file under a name that is free.
    Write,
    /// Replace or change a file that is there.
    Overwrite,
    /// Remove a file or an empty folder.
    Delete,
    /// Give a file or a folder another name or place.
    Rename,
    /// Make a folder.
    MakeFolder,
}

/// A text that names no right.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "not a right: use \"list\", \"read\", \"write\", \"overwrite\", \"delete\", \"rename\" or \"make_folder\", \
     or a ready set: \"read-write\", \"pick-up\" or \"drop-box\""
)]
pub struct UnknownRight;

impl Right {
    pub const ALL: [Self; 7] =
        [Self::List, Self::Read, Self::Write, Self::Overwrite, Self::Delete, Self::Rename, Self::MakeFolder];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Read => "read",
            Self::Write => "write",
            Self::Overwrite => "overwrite",
            Self::Delete => "delete",
            Self::Rename => "rename",
            Self::MakeFolder => "make_folder",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Right {
    type Err = UnknownRight;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|right| right.as_str() == text).ok_or(UnknownRight)
    }
}

/// The rights of a login in one remote folder.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(into = "Vec<Right>", try_from = "RightsInput")]
pub struct Rights(u8);

/// What configuration and API accept for rights: a ready set's name, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum RightsInput {
    Named(String),
    Listed(Vec<String>),
}

impl Rights {
    pub const fn none() -> Self {
        Self(0)
    }

    pub const fn all() -> Self {
        Self(0b111_1111)
    }

    pub const fn allows(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }

    #[must_use]
    pub const fn with(self, right: Right) -> Self {
        Self(self.0 | right.bit())
    }

    #[must_use]
    pub const fn without(self, right: Right) -> Self {
        Self(self.0 & !right.bit())
    }

    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.allows(*right))
    }

    /// The ready set with exactly these rights.
    pub fn ready_set(self) -> Option<ReadySet> {
        ReadySet::ALL.into_iter().find(|set| set.rights() == self)
    }

    /// Whether files here are handed in unseen: they can be written, but neither listed nor read back.
    pub const fn is_write_only(self) -> bool {
        self.allows(Right::Write) && !self.allows(Right::List) && !self.allows(Right::Read)
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        rights.into_iter().fold(Self::none(), Self::with)
    }
}

impl From<Rights> for Vec<Right> {
    fn from(rights: Rights) -> Self {
        rights.iter().collect()
    }
}

impl TryFrom<RightsInput> for Rights {
    type Error = UnknownRight;

    fn try_from(input: RightsInput) -> Result<Self, UnknownRight> {
        match input {
            RightsInput::Named(set) => set.parse::<ReadySet>().map(ReadySet::rights),
            RightsInput::Listed(rights) => rights.iter().map(|right| right.parse::<Right>()).collect(),
        }
    }
}

impl fmt::Display for Rights {
    /// `list,read`, also the form in the store.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, right) in self.iter().enumerate() {
            write!(f, "{}{right}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

impl FromStr for Rights {
    type Err = UnknownRight;

    /// A ready set's name, or rights with commas between.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<ReadySet>() {
            Ok(set) => Ok(set.rights()),
            Err(_) => text.split(',').filter(|right| !right.is_empty()).map(str::parse::<Right>).collect(),
        }
    }
}

/// Rights that go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadySet {
    /// Everything.
    ReadWrite,
    /// List, read and delete: files are fetched and taken away.
    PickUp,
    /// Write only: nothing is listed or read back.
    DropBox,
}

impl ReadySet {
    pub const ALL: [Self; 3] = [Self::ReadWrite, Self::PickUp, Self::DropBox];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadWrite => "read-write",
            Self::PickUp => "pick-up",
            Self::DropBox => "drop-box",
        }
    }

    pub const fn rights(self) -> Rights {
        match self {
            Self::ReadWrite => Rights::all(),
            Self::PickUp => Rights::none().with(Right::List).with(Right::Read).with(Right::Delete),
            Self::DropBox => Rights::none().with(Right::Write),
        }
    }
}

impl FromStr for ReadySet {
    type Err = UnknownRight;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|set| set.as_str() == text).ok_or(UnknownRight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_sets_are_what_they_say() {
        assert_eq!(ReadySet::ReadWrite.rights(), Rights::all());
        assert_eq!(ReadySet::PickUp.rights().to_string(), "list,read,delete");
        assert_eq!(ReadySet::DropBox.rights().to_string(), "write");
        assert!(ReadySet::DropBox.rights().is_write_only());
        assert!(!ReadySet::ReadWrite.rights().is_write_only());
    }

    #[test]
    fn every_combination_survives_display_and_parse() {
        for bits in 0..=0b111_1111 {
            let rights = Rights(bits);
            assert_eq!(rights.to_string().parse(), Ok(rights));
        }
    }

    #[test]
    fn a_name_or_a_list_is_read_from_json() {
        assert_eq!(serde_json::from_str::<Rights>("\"pick-up\"").unwrap(), ReadySet::PickUp.rights());
        assert_eq!(serde_json::from_str::<Rights>("[\"write\"]").unwrap(), ReadySet::DropBox.rights());
        assert!(serde_json::from_str::<Rights>("[\"execute\"]").is_err());
    }
}
