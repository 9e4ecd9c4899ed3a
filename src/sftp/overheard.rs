//! What a client says in the clear before the key exchange: its identification (RFC 4253 §4.2) and its lists of
//! algorithms (RFC 4253 §7.1).
//!
//! russh tells the server neither the one, before the first sign-in, nor what was agreed on, ever. Both are heard on the
//! way to it: what is agreed on follows from the client's lists and ours. Nothing is decided by what is heard here, and a
//! client that cannot be followed is only not described.

use std::sync::{Arc, OnceLock};

use russh::server::Config;

use super::algorithms::negotiated;

/// The longest identification line (RFC 4253 §4.2).
const LONGEST_IDENTIFICATION: usize = 255;
/// The longest packet that every implementation takes (RFC 4253 §6.1); a KEXINIT is 1 to 2 KiB.
const LONGEST_PACKET: usize = 35_000;
/// How far is listened for a KEXINIT behind other packets.
const LONGEST_LISTENED: usize = 2 * LONGEST_PACKET;

// RFC 4250 §4.1.2.
const IGNORE: u8 = 2;
const UNIMPLEMENTED: u8 = 3;
const DEBUG: u8 = 4;
const KEXINIT: u8 = 20;

/// What a client has said, once it has.
#[derive(Debug, Default)]
pub(super) struct Introduction {
    identification: OnceLock<String>,
    algorithms: OnceLock<String>,
}

impl Introduction {
    /// How it names itself: `SSH-2.0-…`.
    pub(super) fn identification(&self) -> Option<&str> {
        self.identification.get().map(String::as_str)
    }

    /// What its first key exchange agrees on; see [`negotiated`].
    pub(super) fn algorithms(&self) -> Option<&str> {
        self.algorithms.get().map(String::as_str)
    }
}

/// Listens to a client until its lists are known, and never after.
pub(super) struct Listening {
    introduction: Arc<Introduction>,
    ours: Arc<Config>,
    heard: Vec<u8>,
    total: usize,
    expected: Expected,
}

#[derive(Clone, Copy)]
enum Expected {
    Identification,
    KeyExchange,
    Nothing,
}

impl Listening {
    /// `ours` is what the server negotiates by.
    pub(super) fn new(introduction: Arc<Introduction>, ours: Arc<Config>) -> Self {
        Self { introduction, ours, heard: Vec::new(), total: 0, expected: Expected::Identification }
    }

    /// The next bytes of the client.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        if matches!(self.expected, Expected::Nothing) {
            return;
        }
        self.total = self.total.saturating_add(bytes.len());
        self.heard.extend_from_slice(bytes);
        if matches!(self.expected, Expected::Identification) {
            self.hear_identification();
        }
        while matches!(self.expected, Expected::KeyExchange) && self.hear_packet() {}
        if self.total > LONGEST_LISTENED || matches!(self.expected, Expected::Nothing) {
            self.expected = Expected::Nothing;
            self.heard = Vec::new();
        }
    }

    fn hear_identification(&mut self) {
        let end = self.heard.iter().position(|byte| *byte == b'\n');
        if end.is_none() && self.heard.len() < LONGEST_IDENTIFICATION {
            return;
        }
        let line = &self.heard[..end.unwrap_or(self.heard.len()).min(LONGEST_IDENTIFICATION)];
        // Set by nobody else.
        let _ = self.introduction.identification.set(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
        match end {
            Some(end) => {
                self.heard.drain(..=end);
                self.expected = Expected::KeyExchange;
            }
            // russh ends it.
            None => self.expected = Expected::Nothing,
        }
    }

    /// Takes one packet without encryption (RFC 4253 §6), if it is there as a whole.
    fn hear_packet(&mut self) -> bool {
        let Some((length, rest)) = self.heard.split_first_chunk::<4>() else { return false };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > LONGEST_PACKET {
            self.expected = Expected::Nothing;
            return false;
        }
        let Some(packet) = rest.get(..length) else { return false };
        let payload = packet.split_first().and_then(|(padding, rest)| {
            let length = rest.len().checked_sub(usize::from(*padding))?;
            rest[..length].split_first()
        });
        match payload {
            Some((&KEXINIT, lists)) => {
                if let Some(agreed) = negotiated(&self.ours, lists) {
                    let _ = self.introduction.algorithms.set(agreed);
                }
                self.expected = Expected::Nothing;
            }
            // Without strict key exchange these may come at any time (RFC 4253 §11).
            Some((&(IGNORE | UNIMPLEMENTED | DEBUG), _)) => {}
            Some(_) | None => self.expected = Expected::Nothing,
        }
        self.heard.drain(..4 + length);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::algorithms::samples::{config, kexinit};
    use super::*;

    const LISTS: [&str; 4] = ["curve25519-sha256", "ssh-ed25519", "aes128-ctr", "hmac-sha2-256"];
    const AGREED: &str = "curve25519-sha256 ssh-ed25519 aes128-ctr hmac-sha2-256";

    fn packet(kind: u8, rest: &[u8]) -> Vec<u8> {
        let padding = 7;
        let length = u32::try_from(1 + 1 + rest.len() + usize::from(padding)).unwrap();
        let mut packet = length.to_be_bytes().to_vec();
        packet.extend([padding, kind]);
        packet.extend(rest);
        packet.extend(vec![0; usize::from(padding)]);
        packet
    }

    fn heard(pieces: &[&[u8]]) -> (Arc<Introduction>, Listening) {
        let introduction = Arc::<Introduction>::default();
        let mut listening = Listening::new(Arc::clone(&introduction), Arc::new(config()));
        pieces.iter().for_each(|piece| listening.hear(piece));
        (introduction, listening)
    }

    #[test]
    fn what_a_client_is_and_agrees_on_is_heard_however_it_comes() {
        let debug = packet(DEBUG, b"\0\0\0\0\0\0\0\0\0");
        let greeting = [
            b"SSH-2.0-WinSCP_6.3\r\n".as_slice(),
            &debug,
            &packet(KEXINIT, &kexinit(LISTS)),
            b"a guess, and what is encrypted",
        ]
        .concat();
        for size in [1, 2, 7, 100, greeting.len()] {
            let (introduction, listening) = heard(&greeting.chunks(size).collect::<Vec<_>>());
            assert_eq!(introduction.identification(), Some("SSH-2.0-WinSCP_6.3"), "{size}");
            assert_eq!(introduction.algorithms(), Some(AGREED), "{size}");
            assert_eq!(listening.heard.capacity(), 0, "nothing is kept");
        }
    }

    #[test]
    fn who_cannot_be_followed_is_not_described_and_costs_nothing() {
        let kexinit = packet(KEXINIT, &kexinit(LISTS));
        let long = packet(IGNORE, &vec![0; LONGEST_PACKET - 100]);
        let cases: [(&str, Vec<&[u8]>); 5] = [
            ("a packet before it that is no part of a key exchange", vec![b"SSH-2.0-x\n\0\0\0\x0c\x0a\x05", &kexinit]),
            ("too long a packet", vec![b"SSH-2.0-x\n\0\x01\0\0", &kexinit]),
            ("more padding than packet", vec![b"SSH-2.0-x\n\0\0\0\x02\xff\x14", &kexinit]),
            ("too much before it", vec![b"SSH-2.0-x\n", &long, &long, &long, &kexinit]),
            ("a line without end", vec![&[b'x'; 300], b"\n", &kexinit]),
        ];
        for (what, pieces) in cases {
            let (introduction, listening) = heard(&pieces);
            assert!(introduction.identification().is_some_and(|text| text.len() <= 255), "{what}");
            assert_eq!(introduction.algorithms(), None, "{what}");
            assert_eq!(listening.heard.capacity(), 0, "{what}");
        }
    }
}
