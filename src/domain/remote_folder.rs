//! A remote folder (*dossier distant*): a name and a path; files land in the last folder of the path.

use super::folder_rules::FolderRules;
use super::ids::{AccountId, FolderId};
use super::rights::Rights;
use super::virtual_path::VirtualPath;

/// The longest name of a folder, account or instance, in characters.
pub const MAX_LABEL_CHARS: usize = 100;

/// A text that cannot be a display name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a name has 1 to {MAX_LABEL_CHARS} characters, no control characters, and no space at its ends")]
pub struct InvalidLabel;

/// Checks a name that people read: of a folder, an account, an instance.
pub(super) fn check_label(text: &str) -> Result<(), InvalidLabel> {
    let length = text.chars().count();
    let well_formed =
        (1..=MAX_LABEL_CHARS).contains(&length) && !text.chars().any(char::is_control) && text.trim() == text;
    if well_formed { Ok(()) } else { Err(InvalidLabel) }
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            pub fn parse(text: &str) -> Result<Self, $crate::domain::remote_folder::InvalidLabel> {
                $crate::domain::remote_folder::check_label(text)?;
                Ok(Self(text.to_owned()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::remote_folder::InvalidLabel;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(super) use label;

label! {
    /// What people call a remote folder.
    FolderName
}

/// A folder tree that a login can reach, and what it may do there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFolder {
    pub id: FolderId,
    pub account: AccountId,
    pub name: FolderName,
    /// Unique among the account's folders. May lie inside another's: the deepest one decides the rights.
    pub path: VirtualPath,
    pub rights: Rights,
    pub rules: FolderRules,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_for_people_and_bounded() {
        assert!(FolderName::parse("Export des absences").is_ok());
        for text in ["", " x", "x ", "a\nb", &"x".repeat(101)] {
            assert_eq!(FolderName::parse(text), Err(InvalidLabel), "{text:?}");
        }
    }
}
