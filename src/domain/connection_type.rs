//! How a login may connect: SFTP, FTPS (TLS from the first byte) or FTPES (`AUTH TLS`). Never clear-text FTP.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One way to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionType {
    /// SSH file transfer, protocol version 3.
    Sftp,
    /// FTP inside TLS from the first byte (implicit).
    Ftps,
    /// FTP upgraded by `AUTH TLS` (explicit, RFC 4217).
    Ftpes,
}

/// A text that names no connection type.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a connection type: use \"sftp\", \"ftps\" or \"ftpes\"")]
pub struct UnknownConnectionType;

impl ConnectionType {
    pub const ALL: [Self; 3] = [Self::Sftp, Self::Ftps, Self::Ftpes];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sftp => "sftp",
            Self::Ftps => "ftps",
            Self::Ftpes => "ftpes",
        }
    }
}

impl fmt::Display for ConnectionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ConnectionType {
    type Err = UnknownConnectionType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownConnectionType)
    }
}

/// The connection types that a login may use. May be empty: then it may use none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "Vec<ConnectionType>", into = "Vec<ConnectionType>")]
pub struct ConnectionTypes {
    sftp: bool,
    ftps: bool,
    ftpes: bool,
}

impl ConnectionTypes {
    pub const fn all() -> Self {
        Self { sftp: true, ftps: true, ftpes: true }
    }

    pub const fn contains(self, kind: ConnectionType) -> bool {
        match kind {
            ConnectionType::Sftp => self.sftp,
            ConnectionType::Ftps => self.ftps,
            ConnectionType::Ftpes => self.ftpes,
        }
    }

    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    pub fn iter(self) -> impl Iterator<Item = ConnectionType> {
        ConnectionType::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }

    /// The types in `self` that `offered` lacks.
    #[must_use]
    pub fn without(self, offered: Self) -> Self {
        self.iter().filter(|kind| !offered.contains(*kind)).collect()
    }
}

impl FromIterator<ConnectionType> for ConnectionTypes {
    fn from_iter<I: IntoIterator<Item = ConnectionType>>(kinds: I) -> Self {
        let mut set = Self::default();
        for kind in kinds {
            match kind {
                ConnectionType::Sftp => set.sftp = true,
                ConnectionType::Ftps => set.ftps = true,
                ConnectionType::Ftpes => set.ftpes = true,
            }
        }
        set
    }
}

impl From<Vec<ConnectionType>> for ConnectionTypes {
    fn from(kinds: Vec<ConnectionType>) -> Self {
        kinds.into_iter().collect()
    }
}

impl From<ConnectionTypes> for Vec<ConnectionType> {
    fn from(set: ConnectionTypes) -> Self {
        set.iter().collect()
    }
}

impl fmt::Display for ConnectionTypes {
    /// `sftp,ftpes`, also the form in the store.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, kind) in self.iter().enumerate() {
            write!(f, "{}{kind}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Debug for ConnectionTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

impl FromStr for ConnectionTypes {
    type Err = UnknownConnectionType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').filter(|kind| !kind.is_empty()).map(str::parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_survives_display_and_parse() {
        for text in ["", "sftp", "ftps,ftpes", "sftp,ftps,ftpes"] {
            assert_eq!(text.parse::<ConnectionTypes>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn clear_text_ftp_does_not_exist() {
        assert_eq!("ftp".parse::<ConnectionType>(), Err(UnknownConnectionType));
    }

    #[test]
    fn what_is_not_offered_is_told() {
        let asked = ConnectionTypes::all();
        let offered: ConnectionTypes = "sftp".parse().unwrap();
        assert_eq!(asked.without(offered).to_string(), "ftps,ftpes");
    }
}
