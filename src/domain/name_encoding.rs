//! How a session says file names on the wire.
//!
//! Names are UTF-8. A client that sends a name that is not speaks the old Windows code page 1252: from then on, for
//! that session, names are read and written in it, so that accents arrive right in both directions. A character that
//! the code page cannot say becomes `_` in listings.

use std::borrow::Cow;

use encoding_rs::WINDOWS_1252;

/// The encoding of names in one session; starts as UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NameEncoding {
    #[default]
    Utf8,
    Windows1252,
}

impl NameEncoding {
    /// Reads a name or path as the client sent it. The first one that is not UTF-8 settles the session's encoding.
    pub fn decode<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, str> {
        if *self == Self::Utf8 {
            match std::str::from_utf8(bytes) {
                Ok(text) => return Cow::Borrowed(text),
                Err(_) => *self = Self::Windows1252,
            }
        }
        WINDOWS_1252.decode_without_bom_handling(bytes).0
    }

    /// Writes a name or path as this session's client understands it.
    pub fn encode(self, text: &str) -> Cow<'_, [u8]> {
        if self == Self::Utf8 || text.is_ascii() {
            return Cow::Borrowed(text.as_bytes());
        }
        let mut encoder = WINDOWS_1252.new_encoder();
        let mut bytes = vec![0u8; text.len()];
        let mut written = 0;
        let mut rest = text;
        loop {
            let (result, read, wrote) = encoder.encode_from_utf8_without_replacement(rest, &mut bytes[written..], true);
            written += wrote;
            rest = &rest[read..];
            match result {
                encoding_rs::EncoderResult::Unmappable(_) => {
                    // The character took two to four bytes of UTF-8, so there is room for one.
                    bytes[written] = b'_';
                    written += 1;
                }
                encoding_rs::EncoderResult::InputEmpty | encoding_rs::EncoderResult::OutputFull => break,
            }
        }
        bytes.truncate(written);
        Cow::Owned(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn utf8_stays_utf8() {
        let mut encoding = NameEncoding::default();
        assert_eq!(encoding.decode("congés.csv".as_bytes()), "congés.csv");
        assert_eq!(encoding, NameEncoding::Utf8);
    }

    #[test]
    fn a_name_that_is_not_utf8_switches_the_session() {
        let mut encoding = NameEncoding::default();
        assert_eq!(encoding.decode(b"cong\xe9s.csv"), "congés.csv");
        assert_eq!(encoding.encode("congés €.csv").as_ref(), b"cong\xe9s \x80.csv");
        assert_eq!(encoding.encode("日本é.csv").as_ref(), b"__\xe9.csv");
    }

    proptest! {
        #[test]
        fn any_bytes_come_back_as_they_were_sent(bytes in prop::collection::vec(1u8.., 0..40)) {
            let mut encoding = NameEncoding::default();
            let text = encoding.decode(&bytes).into_owned();
            prop_assert_eq!(encoding.encode(&text).into_owned(), bytes);
        }

        #[test]
        fn any_text_can_be_written(text in "\\PC{0,40}") {
            prop_assert!(NameEncoding::Windows1252.encode(&text).len() <= text.len());
        }
    }
}
