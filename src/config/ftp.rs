//! `[ftp]`: the listeners of FTPS and FTPES, their certificates, and the bounds of one connection.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::api::TlsFiles;
use super::reader::{OptionValue, REQUIRED, Reader, any, lasting, section, some_path, within};
use crate::domain::{ConnectionType, PresetName, TlsResumption};

/// Where FTP is served when no listener is named: FTPS, then FTPES.
pub(super) const DEFAULT_LISTENERS: [(&str, FtpMode); 2] =
    [("0.0.0.0:990", FtpMode::Ftps), ("0.0.0.0:21", FtpMode::Ftpes)];

/// How a listener's connections come to be private.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FtpMode {
    /// TLS from the first byte (implicit).
    Ftps,
    /// `AUTH TLS` (explicit).
    Ftpes,
}

impl FtpMode {
    pub const fn connection_type(self) -> ConnectionType {
        match self {
            Self::Ftps => ConnectionType::Ftps,
            Self::Ftpes => ConnectionType::Ftpes,
        }
    }
}

/// The ports on which clients are told to open their data connections, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassivePorts {
    pub first: u16,
    pub last: u16,
}

impl PassivePorts {
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    pub const fn count(self) -> usize {
        self.last as usize - self.first as usize + 1
    }

    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        let ports = Self { first: first.trim().parse().ok()?, last: last.trim().parse().ok()? };
        (ports.first <= ports.last && ports.first >= 1024).then_some(ports)
    }
}

impl fmt::Display for PassivePorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// Host names (or addresses), each a fit subject of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostNames(pub Vec<String>);

/// A network, as in `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(pub ipnet::IpNet);

section! {
    /// An address on which FTPS or FTPES is served.
    FtpListener {
        /// The address and port. Without any `[[ftp.listeners]]`, FTPS is served at 0.0.0.0:990 and FTPES at 0.0.0.0:21.
        address: SocketAddr = "0.0.0.0:21", any();
        /// "ftps": TLS from the first byte. "ftpes": the client says `AUTH TLS` first.
        mode: FtpMode = "ftpes", any();
        /// The preset whose accounts alone may sign in here; "": those of every preset.
        preset: Option<PresetName> = "\"\"", any();
        /// Whether data connections must take up the TLS session of their control connection, which proves that both
        /// are one client's. Clients that cannot (PHP's and old ones) are refused then. Without it, an account's
        /// `tls_resumption` or its preset's decides.
        require_resumption: bool = "false", any();
        /// Whether `PORT` and `EPRT` are taken, to the client's own address alone. It cannot work through a NAT.
        active: bool = "false", any();
    }
}

impl FtpListener {
    /// What it demands of every account's data connections.
    pub const fn tls_resumption(&self) -> TlsResumption {
        if self.require_resumption { TlsResumption::Require } else { TlsResumption::Offered }
    }
}

section! {
    /// A certificate for host names of its own.
    FtpCertificate {
        /// The host names it is shown for, separated by commas.
        hosts: HostNames = REQUIRED, any();
        /// The certificate, and those between it and the authority's, in this order, in PEM.
        certificate: PathBuf = REQUIRED, some_path();
        /// Its private key, in PEM; only its owner may have access to the file.
        key: PathBuf = REQUIRED, some_path();
    }
}

section! {
    /// Which address clients of a network are told for data connections. Those that come by IPv6 are told none: their EPSV
    /// names a port alone.
    AdvertisedAddress {
        /// The clients' network.
        network: Network = REQUIRED, any();
        /// The gateway's address as they see it.
        address: Ipv4Addr = REQUIRED, any();
    }
}

section! {
    /// FTPS and FTPES.
    FtpSettings {
        /// The ports for data connections. Open them in the firewall; no listener may lie between them.
        passive_ports: PassivePorts = "50000-50999", any();
        /// The gateway's IPv4 address as clients see it, where a NAT stands in front; "": that of the control connection.
        advertised: Option<Ipv4Addr> = "\"\"", any();
        /// The host names for which a certificate that vouches for itself is made on first start, separated by commas.
        hosts: HostNames = "localhost", any();
        /// How long a TLS handshake may take, and how long a client of FTPES may take to begin one.
        tls_handshake: Duration = "20s", lasting("1s", "5m");
        /// How long a client may take to open a data connection.
        data_connect: Duration = "30s", lasting("1s", "10m");
        /// Commands that a connection may give before it has signed in.
        commands_before_sign_in: usize = "100", within(10, 10_000);
    }
    and {
        /// The addresses to serve on.
        listeners: Vec<FtpListener> = read_listeners;
        /// The certificate shown to clients that ask for none of the names below; without it, one that vouches for
        /// itself is made in `certs_dir`.
        certificate: Option<TlsFiles> = |reader: &mut Reader<'_>| reader.optional_section("certificate");
        /// Certificates by host name.
        certificates: Vec<FtpCertificate> = |reader: &mut Reader<'_>| Some(reader.sections("certificates")?.unwrap_or_default());
        /// Advertised addresses by client network; the first that fits.
        advertised_to: Vec<AdvertisedAddress> = |reader: &mut Reader<'_>| Some(reader.sections("advertised_to")?.unwrap_or_default());
    }
}

fn read_listeners(reader: &mut Reader<'_>) -> Option<Vec<FtpListener>> {
    match reader.sections("listeners")? {
        None => {
            let listener = |(address, mode): (&str, FtpMode)| FtpListener {
                address: address.parse().expect("the default listeners are written in this program"),
                mode,
                preset: None,
                require_resumption: false,
                active: false,
            };
            Some(DEFAULT_LISTENERS.map(listener).to_vec())
        }
        // An empty list is how FTP is not served at all.
        Some(listeners) => Some(listeners),
    }
}

/// Notes listeners of any protocol whose port lies among those for data connections: `taken` are all, with their keys.
pub(super) fn check_passive_ports(reader: &mut Reader<'_>, settings: &FtpSettings, taken: &[(String, SocketAddr)]) {
    let ports = settings.passive_ports;
    for (key, address) in taken.iter().filter(|(_, address)| ports.contains(address.port())) {
        reader.problem(key, format!("{address} lies in ftp.passive_ports ({ports}): move one of them"));
    }
}

impl OptionValue for FtpMode {
    const KIND: &'static str = "\"ftps\" or \"ftpes\"";
    const EXAMPLE: &'static str = "\"ftpes\"";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        match value.as_str()? {
            "ftps" => Some(Self::Ftps),
            "ftpes" => Some(Self::Ftpes),
            _ => None,
        }
    }
}

impl OptionValue for PassivePorts {
    const KIND: &'static str = "a range of ports from 1024 on";
    const EXAMPLE: &'static str = "\"50000-50999\"";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        Self::parse(value.as_str()?)
    }
}

impl OptionValue for HostNames {
    const KIND: &'static str = "host names";
    const EXAMPLE: &'static str = "\"files.example.net\"";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        let fit = |host: &str| {
            !host.is_empty()
                && host.len() <= 253
                && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:_".contains(c))
        };
        let hosts: Vec<String> = value.as_str()?.split(',').map(|host| host.trim().to_owned()).collect();
        hosts.iter().all(|host| fit(host)).then_some(Self(hosts))
    }
}

impl OptionValue for Network {
    const KIND: &'static str = "a network";
    const EXAMPLE: &'static str = "\"10.0.0.0/8\"";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        value.as_str()?.parse().ok().map(Self)
    }
}

impl OptionValue for Ipv4Addr {
    const KIND: &'static str = "an IPv4 address";
    const EXAMPLE: &'static str = "\"192.0.2.7\"";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        value.as_str()?.parse().ok()
    }
}

/// An address, or nothing: `""`.
impl OptionValue for Option<Ipv4Addr> {
    const KIND: &'static str = "an IPv4 address";
    const EXAMPLE: &'static str = "\"192.0.2.7\"";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        match value.as_str()? {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_ports_has_two_ends_in_order_above_the_privileged_ones() {
        assert_eq!(PassivePorts::parse("50000-50999"), Some(PassivePorts { first: 50_000, last: 50_999 }));
        assert_eq!(PassivePorts::parse("2000 - 2000").map(PassivePorts::count), Some(1));
        for text in ["", "50000", "50999-50000", "21-2100", "50000-70000", "a-b", "-"] {
            assert_eq!(PassivePorts::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_listener_among_the_data_ports_is_told() {
        let mut findings = super::super::reader::Findings::default();
        let mut reader = Reader::new("", toml::Table::new(), &mut findings);
        let settings = reader.section::<FtpSettings>("ftp").unwrap();
        let taken = [("sftp.listeners[0].address".to_owned(), "0.0.0.0:50100".parse().unwrap())];
        check_passive_ports(&mut reader, &settings, &taken);
        assert!(findings.problems[0].1.contains("50000-50999"), "{:?}", findings.problems);
    }
}
