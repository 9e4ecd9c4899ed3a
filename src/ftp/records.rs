//! The bytes below TLS, and where in them a record ends (RFC 8446 §5.1, RFC 5246 §6.2.1).
//!
//! A client that is done sends whole records; one that is killed, or cut off by something on the way, mostly stops
//! within one. TLS libraries do not tell the two apart, so the headers are read along: five bytes in sixteen thousand.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Type, version, length.
const HEADER: usize = 5;

/// A stream of TLS records, which knows whether one is under way in what was read.
pub(super) struct Records<S> {
    stream: S,
    place: Place,
}

/// Where in the records the reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// So many bytes of a header were read; of its length, the first.
    Header { read: usize, length: u8 },
    /// So many bytes of a record are missing, at least one.
    Body { left: usize },
}

impl<S> Records<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, place: Place::START }
    }

    /// What it reads from.
    pub(super) const fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Whether what was read so far ends in the middle of a record.
    pub(super) fn is_inside_one(&self) -> bool {
        self.place != Place::START
    }
}

impl Place {
    const START: Self = Self::Header { read: 0, length: 0 };

    /// Behind these bytes.
    fn after(mut self, mut bytes: &[u8]) -> Self {
        while let Some((first, rest)) = bytes.split_first() {
            self = match self {
                Self::Body { left } if left > bytes.len() => return Self::Body { left: left - bytes.len() },
                Self::Body { left } => {
                    bytes = &bytes[left..];
                    Self::START
                }
                Self::Header { read, length } => {
                    bytes = rest;
                    match read + 1 {
                        HEADER => match usize::from(u16::from_be_bytes([length, *first])) {
                            0 => Self::START,
                            left => Self::Body { left },
                        },
                        // The last but one: the length's first.
                        read => Self::Header { read, length: *first },
                    }
                }
            };
        }
        self
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Records<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        self.place = self.place.after(&into.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Records<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt;

    use super::*;

    fn record(length: u16) -> Vec<u8> {
        let mut bytes = vec![23, 3, 3];
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.resize(HEADER + usize::from(length), 0xff);
        bytes
    }

    #[tokio::test]
    async fn the_end_of_what_is_read_is_within_a_record_or_behind_one() {
        let bytes = [record(300), record(0), record(16_384 + 256)].concat();
        let ends = [0, 305, 310, bytes.len()];
        for end in (0..400).chain(bytes.len() - 400..=bytes.len()) {
            let mut records = Records::new(&bytes[..end]);
            let mut sink = Vec::new();
            records.read_to_end(&mut sink).await.unwrap();
            assert_eq!(sink, &bytes[..end]);
            assert_eq!(records.is_inside_one(), !ends.contains(&end), "{end}");
        }
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_place_is_the_same(
            lengths in prop::collection::vec(0_u16..600, 0..5),
            cuts in prop::collection::vec(1_usize..700, 0..12),
        ) {
            let bytes: Vec<u8> = lengths.iter().flat_map(|length| record(*length)).collect();
            let (mut place, mut rest) = (Place::START, &bytes[..]);
            for cut in cuts {
                let (piece, behind) = rest.split_at(cut.min(rest.len()));
                place = place.after(piece);
                let read = bytes.len() - behind.len();
                prop_assert_eq!(place == Place::START, Place::START.after(&bytes[..read]) == Place::START);
                rest = behind;
            }
            prop_assert_eq!(place.after(rest), Place::START);
        }
    }
}
