//! What an account asks of a sign-in besides a right credential: from where, and with which proofs.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An address or a network from which an account may sign in.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressRange(IpNet);

/// A text that is neither an address nor a network.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an address or network: use 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32")]
pub struct InvalidAddressRange;

impl AddressRange {
    /// Whether `address` lies in it. An IPv4 address seen through an IPv6 socket counts as IPv4.
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for AddressRange {
    type Err = InvalidAddressRange;

    fn from_str(text: &str) -> Result<Self, InvalidAddressRange> {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(|network| Self(network.trunc())).map_err(|_| InvalidAddressRange)
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            write!(f, "{}", self.0.addr())
        } else {
            write!(f, "{}", self.0)
        }
    }
}

impl fmt::Debug for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for AddressRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AddressRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Which proofs open an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthenticationRule {
    /// A password or a key, whichever the account has.
    #[default]
    AnyCredential,
    /// A key and a password, in either order.
    KeyAndPassword,
}

/// A text that names no rule.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an authentication rule: use \"any_credential\" or \"key_and_password\"")]
pub struct UnknownAuthenticationRule;

impl AuthenticationRule {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AnyCredential => "any_credential",
            Self::KeyAndPassword => "key_and_password",
        }
    }
}

impl FromStr for AuthenticationRule {
    type Err = UnknownAuthenticationRule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::AnyCredential, Self::KeyAndPassword]
            .into_iter()
            .find(|rule| rule.as_str() == text)
            .ok_or(UnknownAuthenticationRule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_alone_is_a_network_of_one() {
        let range: AddressRange = "203.0.113.7".parse().unwrap();
        assert!(range.contains("203.0.113.7".parse().unwrap()));
        assert!(range.contains("::ffff:203.0.113.7".parse().unwrap()));
        assert!(!range.contains("203.0.113.8".parse().unwrap()));
        assert_eq!(range.to_string(), "203.0.113.7");
    }

    #[test]
    fn a_network_is_kept_without_its_host_part() {
        let range: AddressRange = "203.0.113.7/24".parse().unwrap();
        assert_eq!(range.to_string(), "203.0.113.0/24");
        assert!("acme.example".parse::<AddressRange>().is_err());
    }
}
