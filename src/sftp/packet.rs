//! SFTP version 3's requests from bytes, by hand (draft-ietf-secsh-filexfer-02; OpenSSH's PROTOCOL §4 for the
//! extensions). Names stay bytes here: what encoding they are in is the session's business.

use bytes::Bytes;

use super::attributes::Wanted;
use super::handles::HandleId;

/// A packet that ends before its fields do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the packet ends too early")]
pub(super) struct Malformed;

/// A request and the number by which the client knows its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packet {
    pub id: u32,
    pub request: Request,
    /// The bytes that it came in.
    length: usize,
}

/// What clients ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Open {
        path: Vec<u8>,
        flags: OpenFlags,
    },
    Close(HandleId),
    Read {
        handle: HandleId,
        offset: u64,
        length: u32,
    },
    Write {
        handle: HandleId,
        offset: u64,
        data: Bytes,
    },
    Fstat(HandleId),
    Setstat {
        path: Vec<u8>,
        wanted: Wanted,
    },
    Fsetstat {
        handle: HandleId,
        wanted: Wanted,
    },
    Opendir {
        path: Vec<u8>,
    },
    Readdir(HandleId),
    Remove {
        path: Vec<u8>,
    },
    Mkdir {
        path: Vec<u8>,
    },
    Rmdir {
        path: Vec<u8>,
    },
    Realpath {
        path: Vec<u8>,
    },
    /// STAT and LSTAT: there are no links, so they are one.
    Stat {
        path: Vec<u8>,
    },
    Rename {
        from: Vec<u8>,
        to: Vec<u8>,
    },
    Readlink {
        path: Vec<u8>,
    },
    Extended(Extended),
    /// A type or an extension that is not offered.
    Unsupported,
    /// Fields that do not fit in the packet.
    Malformed,
}

/// Requests beyond version 3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Extended {
    PosixRename { from: Vec<u8>, to: Vec<u8> },
    Statvfs { path: Vec<u8> },
    Fstatvfs(HandleId),
    Fsync(HandleId),
    Limits,
    ExpandPath { path: Vec<u8> },
    HomeDirectory { user: Vec<u8> },
    UsersGroupsById { users: Vec<u32>, groups: Vec<u32> },
    CopyData { from: HandleId, from_offset: u64, length: u64, to: HandleId, to_offset: u64 },
}

/// What a file is opened for (§6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenFlags {
    pub read: bool,
    pub write: bool,
    pub append: bool,
    pub create: bool,
    pub truncate: bool,
    pub exclusive: bool,
}

impl From<u32> for OpenFlags {
    fn from(bits: u32) -> Self {
        let has = |bit: u32| bits & bit != 0;
        Self {
            read: has(0x01),
            write: has(0x02),
            append: has(0x04),
            create: has(0x08),
            truncate: has(0x10),
            exclusive: has(0x20),
        }
    }
}

/// The first packet of a channel.
pub(super) enum First {
    /// INIT, whatever version the client would like: the answer is 3.
    Init,
    Other,
}

/// Whether a packet is INIT (§4), which has a version in place of an id.
pub(super) fn first(packet: &[u8]) -> First {
    if packet.first() == Some(&1) && packet.len() >= 5 { First::Init } else { First::Other }
}

impl Packet {
    /// Reads a packet. `None`: it does not even hold an id to answer to.
    pub(super) fn decode(packet: Vec<u8>) -> Option<Self> {
        let packet = Bytes::from(packet);
        let mut parts = Parts::new(&packet);
        let kind = parts.u8().ok()?;
        let id = parts.u32().ok()?;
        let request = Request::decode(kind, &mut parts, &packet).unwrap_or(Request::Malformed);
        Some(Self { id, request, length: packet.len() })
    }

    /// What it costs to keep until it is served.
    pub(super) fn cost(&self) -> usize {
        let held = match &self.request {
            // Its data is a part of the packet and keeps all of it, whatever else the client put there.
            Request::Write { .. } => self.length,
            request => request.held(),
        };
        held + size_of::<Self>()
    }
}

impl Request {
    /// What comes after the last field is passed over, as OpenSSH does.
    fn decode(kind: u8, parts: &mut Parts<'_>, packet: &Bytes) -> Result<Self, Malformed> {
        Ok(match kind {
            3 => {
                let (path, flags) = (parts.owned()?, parts.u32()?.into());
                Wanted::decode(parts)?;
                Self::Open { path, flags }
            }
            4 => Self::Close(parts.handle()?),
            5 => Self::Read { handle: parts.handle()?, offset: parts.u64()?, length: parts.u32()? },
            6 => {
                let (handle, offset, data) = (parts.handle()?, parts.u64()?, parts.bytes()?);
                Self::Write { handle, offset, data: packet.slice_ref(data) }
            }
            7 | 17 => Self::Stat { path: parts.owned()? },
            8 => Self::Fstat(parts.handle()?),
            9 => Self::Setstat { path: parts.owned()?, wanted: Wanted::decode(parts)? },
            10 => Self::Fsetstat { handle: parts.handle()?, wanted: Wanted::decode(parts)? },
            11 => Self::Opendir { path: parts.owned()? },
            12 => Self::Readdir(parts.handle()?),
            13 => Self::Remove { path: parts.owned()? },
            14 => {
                let path = parts.owned()?;
                Wanted::decode(parts)?;
                Self::Mkdir { path }
            }
            15 => Self::Rmdir { path: parts.owned()? },
            16 => Self::Realpath { path: parts.owned()? },
            18 => Self::Rename { from: parts.owned()?, to: parts.owned()? },
            19 => Self::Readlink { path: parts.owned()? },
            200 => match parts.bytes()? {
                b"posix-rename@openssh.com" => {
                    Self::Extended(Extended::PosixRename { from: parts.owned()?, to: parts.owned()? })
                }
                b"statvfs@openssh.com" => Self::Extended(Extended::Statvfs { path: parts.owned()? }),
                b"fstatvfs@openssh.com" => Self::Extended(Extended::Fstatvfs(parts.handle()?)),
                b"fsync@openssh.com" => Self::Extended(Extended::Fsync(parts.handle()?)),
                b"limits@openssh.com" => Self::Extended(Extended::Limits),
                b"expand-path@openssh.com" => Self::Extended(Extended::ExpandPath { path: parts.owned()? }),
                b"home-directory" => Self::Extended(Extended::HomeDirectory { user: parts.owned()? }),
                b"users-groups-by-id@openssh.com" => {
                    Self::Extended(Extended::UsersGroupsById { users: parts.ids()?, groups: parts.ids()? })
                }
                b"copy-data" => Self::Extended(Extended::CopyData {
                    from: parts.handle()?,
                    from_offset: parts.u64()?,
                    length: parts.u64()?,
                    to: parts.handle()?,
                    to_offset: parts.u64()?,
                }),
                // As SETSTAT: there are no links that it could be about.
                b"lsetstat@openssh.com" => Self::Setstat { path: parts.owned()?, wanted: Wanted::decode(parts)? },
                _ => Self::Unsupported,
            },
            _ => Self::Unsupported,
        })
    }

    /// The bytes of its fields.
    fn held(&self) -> usize {
        match self {
            Self::Write { data, .. } => data.len(),
            Self::Open { path, .. }
            | Self::Setstat { path, .. }
            | Self::Opendir { path }
            | Self::Remove { path }
            | Self::Mkdir { path }
            | Self::Rmdir { path }
            | Self::Realpath { path }
            | Self::Stat { path }
            | Self::Readlink { path } => path.len(),
            Self::Rename { from, to } => from.len() + to.len(),
            Self::Extended(extended) => match extended {
                Extended::PosixRename { from, to } => from.len() + to.len(),
                Extended::Statvfs { path } | Extended::ExpandPath { path } => path.len(),
                Extended::HomeDirectory { user } => user.len(),
                Extended::UsersGroupsById { users, groups } => 4 * (users.len() + groups.len()),
                Extended::Fstatvfs(_) | Extended::Fsync(_) | Extended::Limits | Extended::CopyData { .. } => 0,
            },
            Self::Close(_)
            | Self::Read { .. }
            | Self::Fstat(_)
            | Self::Fsetstat { .. }
            | Self::Readdir(_)
            | Self::Unsupported
            | Self::Malformed => 0,
        }
    }
}

/// Reads fields off the front of a packet.
pub(super) struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    pub(super) fn new(packet: &'a [u8]) -> Self {
        Self(packet)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*array)
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.u32()?).map_err(|_| Malformed)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn owned(&mut self) -> Result<Vec<u8>, Malformed> {
        self.bytes().map(<[u8]>::to_vec)
    }

    fn handle(&mut self) -> Result<HandleId, Malformed> {
        self.bytes().map(HandleId::from_wire)
    }

    fn ids(&mut self) -> Result<Vec<u32>, Malformed> {
        let (ids, rest) = self.bytes()?.as_chunks::<4>();
        if rest.is_empty() { Ok(ids.iter().map(|id| u32::from_be_bytes(*id)).collect()) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::replies::put_bytes;
    use super::*;

    fn text(bytes: &[u8]) -> Vec<u8> {
        let mut encoded = Vec::new();
        put_bytes(&mut encoded, bytes);
        encoded
    }

    fn packet(kind: u8, fields: &[&[u8]]) -> Option<Packet> {
        Packet::decode([&[kind][..], &7u32.to_be_bytes(), &fields.concat()].concat())
    }

    fn request(kind: u8, fields: &[&[u8]]) -> Request {
        let packet = packet(kind, fields).unwrap();
        assert_eq!(packet.id, 7);
        packet.request
    }

    #[test]
    fn requests_are_read_field_by_field() {
        let handle = HandleId::from_wire(&5u32.to_be_bytes());
        let handle_bytes = text(&5u32.to_be_bytes());
        assert_eq!(
            request(5, &[&handle_bytes, &u64::MAX.to_be_bytes(), &u32::MAX.to_be_bytes()]),
            Request::Read { handle, offset: u64::MAX, length: u32::MAX }
        );
        assert_eq!(
            request(6, &[&handle_bytes, &9u64.to_be_bytes(), &text(b"data")]),
            Request::Write { handle, offset: 9, data: Bytes::from_static(b"data") }
        );
        assert_eq!(
            request(18, &[&text(b"cong\xe9s"), &text(b"b")]),
            Request::Rename { from: b"cong\xe9s".to_vec(), to: b"b".to_vec() }
        );
        assert_eq!(
            request(3, &[&text(b"/a"), &0x1au32.to_be_bytes(), &0u32.to_be_bytes()]),
            Request::Open { path: b"/a".to_vec(), flags: OpenFlags::from(0x1a) }
        );
        assert_eq!(request(200, &[&text(b"limits@openssh.com")]), Request::Extended(Extended::Limits));
    }

    #[test]
    fn a_write_costs_its_packet_even_when_little_of_it_is_data() {
        let fields: [&[u8]; 4] = [&text(&5u32.to_be_bytes()), &9u64.to_be_bytes(), &text(b"x"), &[0; 200_000]];
        assert!(packet(6, &fields).unwrap().cost() > 200_000);
    }

    #[test]
    fn what_is_not_known_keeps_its_id() {
        assert_eq!(request(99, &[]), Request::Unsupported);
        assert_eq!(request(20, &[&text(b"/link"), &text(b"/target")]), Request::Unsupported);
        assert_eq!(request(200, &[&text(b"hardlink@openssh.com"), &text(b"a"), &text(b"b")]), Request::Unsupported);
    }

    #[test]
    fn what_cannot_be_read_keeps_its_id_when_it_has_one() {
        assert_eq!(request(5, &[b"\0\0\0\x09short"]), Request::Malformed);
        assert_eq!(request(3, &[&u32::MAX.to_be_bytes()]), Request::Malformed);
        assert_eq!(Packet::decode(vec![5, 0, 0]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_can_do_harm(kind in prop_oneof![0u8..25, Just(200), any::<u8>()], bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut packet = vec![kind];
            packet.extend(&bytes);
            let length = packet.len();
            if let Some(packet) = Packet::decode(packet) {
                // Never more is kept than was sent, but for the fixed part.
                prop_assert!(packet.cost() <= length + size_of::<Packet>());
            }
        }

        #[test]
        fn no_extension_can_do_harm(name in 0usize..11, bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let names: [&[u8]; 11] = [
                b"posix-rename@openssh.com", b"statvfs@openssh.com", b"fstatvfs@openssh.com", b"fsync@openssh.com",
                b"limits@openssh.com", b"expand-path@openssh.com", b"home-directory",
                b"users-groups-by-id@openssh.com", b"copy-data", b"lsetstat@openssh.com", b"?",
            ];
            prop_assert!(packet(200, &[&text(names[name]), &bytes]).is_some());
        }
    }
}
