//! What the caps are counted by.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Which cap a new session would break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitReached {
    #[error("too many sessions of this account")]
    Account,
    #[error("too many sessions from this address")]
    Address,
    #[error("too many sessions")]
    Total,
}

/// Where a peer comes from, as limits and blocks count it: an IPv4 address, or the /64 network of an IPv6 address.
///
/// One customer's line is a whole /64; counting single IPv6 addresses would give each of its 2⁶⁴ a budget of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.into()),
            IpAddr::V6(address) => Self(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()),
        }
    }
}

impl fmt::Display for Source {
    /// `203.0.113.7` or `2001:db8:1:2::/64`, also the form in the store.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}"),
            IpAddr::V6(network) => write!(f, "{network}/64"),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_source_and_a_mapped_ipv4_address_is_itself() {
        let source = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(source("2001:db8:1:2::7"), source("2001:db8:1:2:ffff::1"));
        assert_ne!(source("2001:db8:1:2::7"), source("2001:db8:1:3::7"));
        assert_eq!(source("::ffff:203.0.113.7"), source("203.0.113.7"));
        assert_eq!(source("2001:db8:1:2::7").to_string(), "2001:db8:1:2::/64");
        assert_eq!(source("203.0.113.7").to_string(), "203.0.113.7");
    }
}
