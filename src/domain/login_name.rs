//! The identifier of an account on the wire.
//!
//! Neither SSH nor FTP knows tenants, so a login is unique over the whole gateway, and `Bob` and `bob` are one login.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest login.
pub const MAX_LENGTH: usize = 64;

/// A login as it was written; compared without case.
#[derive(Clone)]
pub struct LoginName {
    written: String,
    folded: String,
}

/// A text that cannot be a login.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "a login has 3 to {MAX_LENGTH} letters (a-z), digits or . _ - @, and starts with a letter or a digit, \
     as in epaye-acme-7kq2xw"
)]
pub struct InvalidLoginName;

impl LoginName {
    pub fn parse(text: &str) -> Result<Self, InvalidLoginName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte);
        let well_formed = (3..=MAX_LENGTH).contains(&text.len())
            && text.bytes().all(allowed)
            && text.starts_with(|first: char| first.is_ascii_alphanumeric());
        if !well_formed {
            return Err(InvalidLoginName);
        }
        Ok(Self { written: text.to_owned(), folded: text.to_ascii_lowercase() })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// In lower case: the form that is unique.
    pub fn folded(&self) -> &str {
        &self.folded
    }
}

impl PartialEq for LoginName {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}

impl Eq for LoginName {}

impl Hash for LoginName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded.hash(state);
    }
}

impl fmt::Display for LoginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Debug for LoginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.written)
    }
}

impl FromStr for LoginName {
    type Err = InvalidLoginName;

    fn from_str(text: &str) -> Result<Self, InvalidLoginName> {
        Self::parse(text)
    }
}

impl Serialize for LoginName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

impl<'de> Deserialize<'de> for LoginName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_makes_no_second_login() {
        assert_eq!(LoginName::parse("Paie.Acme"), LoginName::parse("paie.acme"));
        assert_eq!(LoginName::parse("Paie.Acme").unwrap().as_str(), "Paie.Acme");
    }

    #[test]
    fn what_cannot_be_a_login_is_refused() {
        for text in ["", "ab", ".abc", "-abc", "a b c", "é-paie", "a/b/c", "root\n", &"a".repeat(65)] {
            assert_eq!(LoginName::parse(text), Err(InvalidLoginName), "{text:?}");
        }
    }
}
