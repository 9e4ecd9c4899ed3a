//! What a wire tells of TLS to whoever only listens: the version that both ends agreed on (RFC 5246 §7.4.1.3, RFC 8446
//! §4.1.3), read from the server's first bytes.

use super::TlsVersion;

const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
const SUPPORTED_VERSIONS: u16 = 43;

/// The version in the first ServerHello; lines of text may stand before it, as FTP's do before `AUTH TLS`. `None` when
/// there is none.
pub fn agreed_version(heard: &[u8]) -> Option<TlsVersion> {
    // No line of text holds this byte.
    let begin = heard.iter().position(|byte| *byte == HANDSHAKE)?;
    let mut record = Bytes(&heard[begin..]);
    record.take(5)?;
    (record.number(1)? == u32::from(SERVER_HELLO)).then_some(())?;
    let length = record.number(3)?;
    let mut hello = Bytes(record.take(length as usize)?);
    let version = hello.number(2)?;
    hello.take(32)?;
    let session = hello.number(1)?;
    hello.take(session as usize)?;
    // The suite, and the compression.
    hello.take(3)?;
    let mut extensions = Bytes(match hello.number(2) {
        Some(length) => hello.take(length as usize)?,
        None => &[],
    });
    while let Some(kind) = extensions.number(2) {
        let length = extensions.number(2)?;
        let mut extension = Bytes(extensions.take(length as usize)?);
        if kind == u32::from(SUPPORTED_VERSIONS) {
            return named(extension.number(2)?);
        }
    }
    named(version)
}

fn named(version: u32) -> Option<TlsVersion> {
    match version {
        0x0303 => Some(TlsVersion::Tls12),
        0x0304 => Some(TlsVersion::Tls13),
        _ => None,
    }
}

/// Bytes that are read from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of so many bytes, the highest first.
    fn number(&mut self, length: usize) -> Option<u32> {
        Some(self.take(length)?.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }
}
