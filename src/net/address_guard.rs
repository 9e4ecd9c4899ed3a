//! Which addresses the gateway dials for others: those of the public internet, and what the configuration adds.
//!
//! Whoever may name an address for the gateway to call could otherwise reach through it what only the gateway can reach:
//! its own ports, its neighbours, the metadata service of its cloud (server-side request forgery, CWE-918). A name says
//! nothing, since it may resolve to anything and to something else the next time: what is checked is the address that is
//! then dialled.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use crate::domain::AddressRange;

/// Ranges of IPv4 that are not of the public internet (RFC 6890 and what followed), and with them the metadata services
/// of clouds that have one at a link-local or shared address.
const NOT_PUBLIC_V4: [(Ipv4Addr, u8); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(168, 63, 129, 16), 32), // a public address by number, and a cloud's own host by use
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 3), // multicast, reserved, broadcast
];

/// All that is public of IPv6 is in 2000::/3 (RFC 4291); these lie in it and are not: transitions, which carry an IPv4
/// address inside, benchmarks and documentation.
const PUBLIC_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
const NOT_PUBLIC_V6: [(Ipv6Addr, u8); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Says which addresses may be dialled.
#[derive(Debug, Clone, Default)]
pub struct AddressGuard {
    allowed: Vec<AddressRange>,
}

impl AddressGuard {
    /// Besides public addresses, those of `allowed`.
    pub fn allowing(allowed: Vec<AddressRange>) -> Self {
        Self { allowed }
    }

    /// Whether `address` may be dialled. An IPv4 address inside an IPv6 one counts as what it is.
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if self.allowed.iter().any(|range| range.contains(address)) {
            return true;
        }
        is_public(address) && !is_own(address)
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|(network, length)| {
            let mask = u32::MAX << (32 - u32::from(*length));
            address.to_bits() & mask == network.to_bits()
        }),
        IpAddr::V6(address) => {
            let lies_in = |(network, length): &(Ipv6Addr, u8)| {
                let mask = u128::MAX << (128 - u32::from(*length));
                address.to_bits() & mask == network.to_bits()
            };
            lies_in(&PUBLIC_V6) && !NOT_PUBLIC_V6.iter().any(lies_in)
        }
    }
}

/// Whether it is one of this machine's, which may be public by number: the kernel lets a socket have it then.
fn is_own(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(guard: &AddressGuard, address: &str) -> bool {
        guard.allows(address.parse().unwrap())
    }

    #[test]
    fn what_is_not_public_is_refused_in_whatever_form() {
        let guard = AddressGuard::default();
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.19.0.1",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!allows(&guard, address), "{address}");
        }
        for address in ["1.1.1.1", "9.255.255.255", "100.128.0.1", "172.32.0.1", "223.255.255.254", "2a00:1450::1"] {
            assert!(allows(&guard, address), "{address}");
        }
    }

    #[test]
    fn what_the_configuration_names_is_allowed_and_no_more() {
        let guard = AddressGuard::allowing(vec!["10.1.0.0/16".parse().unwrap(), "::1".parse().unwrap()]);
        assert!(allows(&guard, "10.1.2.3") && allows(&guard, "::ffff:10.1.2.3") && allows(&guard, "::1"));
        assert!(!allows(&guard, "10.2.0.1") && !allows(&guard, "127.0.0.1"));
    }

    #[test]
    fn an_address_of_this_machine_is_known() {
        assert!(is_own("127.0.0.1".parse().unwrap()));
        assert!(!is_own("192.0.2.7".parse().unwrap()));
    }
}
