//! An instance: a customer's tenant. Nothing of one instance is visible from another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::clock::Timestamp;
use super::ids::InstanceId;
use super::remote_folder::label;

label! {
    /// What people call an instance.
    InstanceName
}

/// The short text that stands for an instance in generated logins: lower-case letters, digits and `-`. Unique.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceKey(String);

/// A text that cannot be an instance's key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a key has 2 to 24 lower-case letters (a-z), digits or -, and starts with a letter or a digit, as in acme")]
pub struct InvalidInstanceKey;

impl InstanceKey {
    pub fn parse(text: &str) -> Result<Self, InvalidInstanceKey> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let well_formed = (2..=24).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-');
        if well_formed { Ok(Self(text.to_owned())) } else { Err(InvalidInstanceKey) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for InstanceKey {
    type Err = InvalidInstanceKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for InstanceKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for InstanceKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A customer's tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub id: InstanceId,
    pub key: InstanceKey,
    pub name: InstanceName,
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_can_stand_in_a_login() {
        assert!(InstanceKey::parse("acme-2").is_ok());
        for text in ["", "a", "Acme", "-acme", "é-co", &"a".repeat(25)] {
            assert_eq!(InstanceKey::parse(text), Err(InvalidInstanceKey), "{text:?}");
        }
    }
}
