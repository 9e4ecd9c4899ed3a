//! File attributes as SFTP version 3 carries them (draft-ietf-secsh-filexfer-02 §5), and the `ls -l` line beside them
//! in listings.

use crate::domain::{NameEncoding, Right, Timestamp};
use crate::vfs::{FileKind, Metadata};

use super::packet::{Malformed, Parts};

const SIZE: u32 = 0x1;
const UID_GID: u32 = 0x2;
const PERMISSIONS: u32 = 0x4;
const ACCESS_AND_MODIFY_TIME: u32 = 0x8;
const EXTENDED: u32 = 0x8000_0000;

/// The number under which owner and group appear; `users-groups-by-id@openssh.com` names them.
pub(super) const OWNER: u32 = 1000;
/// The name of the group.
pub(super) const GROUP_NAME: &str = "lucca";
/// The width of the owner's column; longer names push the rest to the right, as `ls` does.
const COLUMN: usize = 8;

const TYPE_FOLDER: u32 = 0o040_000;
const TYPE_FILE: u32 = 0o100_000;

/// What a client asks to set. Owner and mode are read past: the gateway has its rights, not the client's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub size: Option<u64>,
    pub accessed: Option<Timestamp>,
    pub modified: Option<Timestamp>,
}

impl Wanted {
    pub(super) fn decode(parts: &mut Parts<'_>) -> Result<Self, Malformed> {
        let flags = parts.u32()?;
        let mut wanted = Self::default();
        if flags & SIZE != 0 {
            wanted.size = Some(parts.u64()?);
        }
        if flags & UID_GID != 0 {
            parts.u32()?;
            parts.u32()?;
        }
        if flags & PERMISSIONS != 0 {
            parts.u32()?;
        }
        if flags & ACCESS_AND_MODIFY_TIME != 0 {
            wanted.accessed = Some(Timestamp::from_seconds(i64::from(parts.u32()?)));
            wanted.modified = Some(Timestamp::from_seconds(i64::from(parts.u32()?)));
        }
        if flags & EXTENDED != 0 {
            // Each pair takes at least eight bytes, so a lie about their number ends at the end of the packet.
            for _ in 0..parts.u32()? {
                parts.bytes()?;
                parts.bytes()?;
            }
        }
        Ok(wanted)
    }

    pub(super) fn has_times(&self) -> bool {
        self.accessed.is_some() || self.modified.is_some()
    }
}

/// Writes what a file is.
pub(super) fn encode(metadata: &Metadata, to: &mut Vec<u8>) {
    to.extend((SIZE | UID_GID | PERMISSIONS | ACCESS_AND_MODIFY_TIME).to_be_bytes());
    to.extend(metadata.size.to_be_bytes());
    for number in [OWNER, OWNER, mode(metadata), seconds(metadata.accessed), seconds(metadata.modified)] {
        to.extend(number.to_be_bytes());
    }
}

/// Version 3 has 32 bits for a time.
fn seconds(time: Timestamp) -> u32 {
    u32::try_from(time.as_seconds().max(0)).unwrap_or(u32::MAX)
}

/// The permission bits that say in Unix's words what the login may do here.
fn mode(metadata: &Metadata) -> u32 {
    let allows = |any: &[Right]| any.iter().any(|right| metadata.rights.allows(*right));
    let (readable, writable, kind) = match metadata.kind {
        FileKind::Folder => (
            allows(&[Right::List]),
            allows(&[Right::Write, Right::Delete, Right::Rename, Right::MakeFolder]),
            TYPE_FOLDER | 0o111,
        ),
        FileKind::File => (allows(&[Right::Read]), allows(&[Right::Overwrite]) || metadata.incomplete, TYPE_FILE),
    };
    kind | if readable { 0o444 } else { 0 } | if writable { 0o200 } else { 0 }
}

/// The line that a client may show as it is: `-rw-r--r--    1 login    lucca        1234 Nov 23 17:02 name`.
pub(super) fn long_name(
    name: &str,
    metadata: &Metadata,
    login: &str,
    now: Timestamp,
    encoding: NameEncoding,
    to: &mut Vec<u8>,
) {
    let mode = mode(metadata);
    to.push(match metadata.kind {
        FileKind::Folder => b'd',
        FileKind::File => b'-',
    });
    for (index, letter) in b"rwxrwxrwx".iter().enumerate() {
        to.push(if mode & (0o400 >> index) != 0 { *letter } else { b'-' });
    }
    let line =
        format!("    1 {login:<COLUMN$} {GROUP_NAME:<COLUMN$} {:>12} {} ", metadata.size, date(metadata.modified, now));
    to.extend_from_slice(line.as_bytes());
    to.extend_from_slice(&encoding.encode(name));
}

/// As `ls`: the hour for the last six months, the year for what is older or to come. UTC.
fn date(time: Timestamp, now: Timestamp) -> String {
    const HALF_A_YEAR: i64 = 182 * 24 * 3600;
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let Ok(instant) = jiff::Timestamp::from_second(time.as_seconds()) else { return String::from("Jan  1  1970") };
    let civil = jiff::tz::Offset::UTC.to_datetime(instant);
    let month = usize::try_from(civil.month() - 1).ok().and_then(|month| MONTHS.get(month)).unwrap_or(&"???");
    let age = now.as_seconds().saturating_sub(time.as_seconds());
    if (0..HALF_A_YEAR).contains(&age) {
        format!("{month} {:>2} {:02}:{:02}", civil.day(), civil.hour(), civil.minute())
    } else {
        format!("{month} {:>2} {:>5}", civil.day(), civil.year())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ReadySet, Rights};

    fn metadata(kind: FileKind, rights: Rights) -> Metadata {
        let time = Timestamp::parse("2026-11-23T17:02:30Z").unwrap();
        Metadata {
            kind,
            size: 1234,
            modified: time,
            accessed: time,
            rights,
            unique: 7,
            incomplete: false,
            fixed: false,
        }
    }

    fn line(metadata: &Metadata, now: &str) -> String {
        let mut line = Vec::new();
        let now = Timestamp::parse(now).unwrap();
        long_name("congés.csv", metadata, "paie.acme", now, NameEncoding::Utf8, &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn long_names_read_like_ls() {
        let file = metadata(FileKind::File, ReadySet::ReadWrite.rights());
        assert_eq!(
            line(&file, "2026-11-24T00:00:00Z"),
            "-rw-r--r--    1 paie.acme lucca            1234 Nov 23 17:02 congés.csv"
        );
        assert_eq!(
            line(&file, "2028-11-24T00:00:00Z"),
            "-rw-r--r--    1 paie.acme lucca            1234 Nov 23  2026 congés.csv"
        );
        let ancestor = metadata(FileKind::Folder, Rights::none().with(Right::List));
        assert!(line(&ancestor, "2026-11-24T00:00:00Z").starts_with("dr-xr-xr-x    1 "));
    }

    #[test]
    fn permissions_say_what_the_login_may_do() {
        for (kind, rights, expected) in [
            (FileKind::Folder, ReadySet::ReadWrite.rights(), 0o040_755),
            (FileKind::Folder, Rights::none().with(Right::List), 0o040_555),
            (FileKind::File, ReadySet::ReadWrite.rights(), 0o100_644),
            (FileKind::File, ReadySet::PickUp.rights(), 0o100_444),
        ] {
            assert_eq!(mode(&metadata(kind, rights)), expected, "{kind:?} {rights:?}");
        }
    }

    #[test]
    fn attributes_are_encoded_as_version_3_has_them() {
        let mut bytes = Vec::new();
        encode(&metadata(FileKind::File, ReadySet::ReadWrite.rights()), &mut bytes);
        assert_eq!(bytes.len(), 4 + 8 + 5 * 4);
        assert_eq!(bytes[..4], [0, 0, 0, 0xf]);
        let wanted = Wanted::decode(&mut Parts::new(&bytes)).unwrap();
        assert_eq!(wanted.size, Some(1234));
        assert_eq!(wanted.modified, Timestamp::parse("2026-11-23T17:02:30Z").ok());
    }

    #[test]
    fn a_lie_about_the_number_of_extensions_is_malformed_and_quick() {
        let mut bytes = EXTENDED.to_be_bytes().to_vec();
        bytes.extend(u32::MAX.to_be_bytes());
        assert!(Wanted::decode(&mut Parts::new(&bytes)).is_err());
    }
}
