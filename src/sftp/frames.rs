//! From a stream of bytes to whole packets: each is preceded by its length (draft-ietf-secsh-filexfer-02 §3).

use super::spares::Spares;

/// The longest packet: 256 KiB of data, as OpenSSH's, and its header.
pub(super) const MAX_PACKET: usize = 256 * 1024 + 1024;

/// A length that no packet has. What follows cannot be found, so the channel has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a packet of {0} bytes was announced; 1 to {MAX_PACKET} are taken")]
pub(super) struct BadLength(pub u32);

/// Puts packets together from pieces of any size.
#[derive(Default)]
pub(super) struct Frames {
    /// Bytes of the length seen so far, then of the packet.
    length: [u8; 4],
    length_bytes: usize,
    packet: Vec<u8>,
    missing: usize,
}

impl Frames {
    /// Takes bytes off `data`, up to the end of a packet; the packet, when it became whole.
    pub(super) fn next(&mut self, data: &mut &[u8], spares: &Spares) -> Result<Option<Vec<u8>>, BadLength> {
        while self.missing == 0 {
            let Some((byte, rest)) = data.split_first() else { return Ok(None) };
            *data = rest;
            self.length[self.length_bytes] = *byte;
            self.length_bytes += 1;
            if self.length_bytes == self.length.len() {
                self.length_bytes = 0;
                let announced = u32::from_be_bytes(self.length);
                match usize::try_from(announced) {
                    Ok(length) if (1..=MAX_PACKET).contains(&length) => {
                        // Bounded by MAX_PACKET; the pages are touched only as data arrives.
                        self.packet = spares.take(length);
                        self.missing = length;
                    }
                    _ => return Err(BadLength(announced)),
                }
            }
        }
        let (taken, rest) = data.split_at(self.missing.min(data.len()));
        *data = rest;
        self.packet.extend_from_slice(taken);
        self.missing -= taken.len();
        Ok((self.missing == 0).then(|| std::mem::take(&mut self.packet)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(frames: &mut Frames, mut data: &[u8]) -> Result<Vec<Vec<u8>>, BadLength> {
        let mut packets = Vec::new();
        while !data.is_empty() {
            packets.extend(frames.next(&mut data, &Spares::default())?);
        }
        Ok(packets)
    }

    #[test]
    fn packets_come_out_whole_wherever_the_stream_is_split() {
        let stream = b"\0\0\0\x03abc\0\0\0\x01d\0\0\0\x05efghi";
        for split in 0..=stream.len() {
            let mut frames = Frames::default();
            let mut packets = all(&mut frames, &stream[..split]).unwrap();
            packets.extend(all(&mut frames, &stream[split..]).unwrap());
            assert_eq!(packets, [b"abc".to_vec(), b"d".to_vec(), b"efghi".to_vec()], "split at {split}");
        }
    }

    #[test]
    fn a_length_of_zero_or_past_the_bound_is_refused() {
        assert_eq!(all(&mut Frames::default(), b"\0\0\0\0"), Err(BadLength(0)));
        assert_eq!(all(&mut Frames::default(), b"\xff\xff\xff\xff"), Err(BadLength(u32::MAX)));
        let longest = u32::try_from(MAX_PACKET).unwrap();
        assert_eq!(all(&mut Frames::default(), &longest.to_be_bytes()), Ok(Vec::new()));
        assert_eq!(all(&mut Frames::default(), &(longest + 1).to_be_bytes()), Err(BadLength(longest + 1)));
    }

    proptest! {
        #[test]
        fn any_packets_in_any_pieces_come_out_as_they_went_in(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..8),
            piece in 1usize..64,
        ) {
            let mut stream = Vec::new();
            for packet in &packets {
                stream.extend(u32::try_from(packet.len()).unwrap().to_be_bytes());
                stream.extend(packet);
            }
            let mut frames = Frames::default();
            let mut seen = Vec::new();
            for piece in stream.chunks(piece) {
                seen.extend(all(&mut frames, piece).unwrap());
            }
            prop_assert_eq!(seen, packets);
        }
    }
}
