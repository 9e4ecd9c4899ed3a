//! SFTP version 3's answers to bytes (draft-ietf-secsh-filexfer-02 §7).

use super::handles::HandleId;
use super::status::Status;

/// Writes replies, one after the other, each behind its length.
#[derive(Default)]
pub(super) struct Replies(Vec<u8>);

impl Replies {
    /// A reply of `kind`, whose body `write` adds.
    fn packet(&mut self, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.0.len();
        self.0.extend([0, 0, 0, 0, kind]);
        write(&mut self.0);
        self.close_packet(start);
    }

    fn close_packet(&mut self, start: usize) {
        let length = u32::try_from(self.0.len() - start - 4).expect("replies are at most 256 KiB and a little");
        self.0[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// VERSION 3 and the extensions (§4).
    pub(super) fn version(&mut self, extensions: &[(&str, &str)]) {
        self.packet(2, |body| {
            body.extend(3u32.to_be_bytes());
            for (name, version) in extensions {
                put_bytes(body, name.as_bytes());
                put_bytes(body, version.as_bytes());
            }
        });
    }

    pub(super) fn status(&mut self, id: u32, status: &Status) {
        self.packet(101, |body| {
            body.extend(id.to_be_bytes());
            body.extend((status.code as u32).to_be_bytes());
            put_bytes(body, status.message.as_bytes());
            put_bytes(body, b"en");
        });
    }

    pub(super) fn handle(&mut self, id: u32, handle: HandleId) {
        self.packet(102, |body| {
            body.extend(id.to_be_bytes());
            put_bytes(body, &handle.to_wire());
        });
    }

    /// DATA of at most `most` bytes that `read` fills straight into place; returns how many. Nothing is added when it
    /// reads nothing or fails.
    pub(super) fn data<E>(
        &mut self,
        id: u32,
        most: usize,
        read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        const HEADER: usize = 4 + 1 + 4 + 4;
        let start = self.0.len();
        self.0.resize(start + HEADER + most, 0);
        let result = read(&mut self.0[start + HEADER..]).map(|count| count.min(most));
        let Ok(count @ 1..) = result else {
            self.0.truncate(start);
            return result;
        };
        self.0.truncate(start + HEADER + count);
        self.0[start + 4] = 103;
        self.0[start + 5..start + 9].copy_from_slice(&id.to_be_bytes());
        let length = u32::try_from(count).expect("a read is at most 255 KiB");
        self.0[start + 9..start + HEADER].copy_from_slice(&length.to_be_bytes());
        self.close_packet(start);
        Ok(count)
    }

    /// NAME with the names that `write` adds (name, long name, attributes) and counts.
    pub(super) fn names(&mut self, id: u32, write: impl FnOnce(&mut Vec<u8>) -> u32) {
        self.packet(104, |body| {
            body.extend(id.to_be_bytes());
            let count_at = body.len();
            body.extend([0; 4]);
            let count = write(body);
            body[count_at..count_at + 4].copy_from_slice(&count.to_be_bytes());
        });
    }

    /// NAME with one path and no attributes, as REALPATH answers.
    pub(super) fn path(&mut self, id: u32, path: &[u8]) {
        self.names(id, |body| {
            put_bytes(body, path);
            put_bytes(body, path);
            body.extend([0; 4]);
            1
        });
    }

    pub(super) fn attributes(&mut self, id: u32, encode: impl FnOnce(&mut Vec<u8>)) {
        self.packet(105, |body| {
            body.extend(id.to_be_bytes());
            encode(body);
        });
    }

    /// EXTENDED_REPLY.
    pub(super) fn extended(&mut self, id: u32, encode: impl FnOnce(&mut Vec<u8>)) {
        self.packet(201, |body| {
            body.extend(id.to_be_bytes());
            encode(body);
        });
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// A string of the protocol: its length, its bytes.
pub(super) fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("names and messages are short");
    to.extend(length.to_be_bytes());
    to.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_read_into_place_and_leaves_nothing_when_there_is_none() {
        let mut replies = Replies::default();
        let count = replies.data::<()>(7, 10, |buffer| {
            buffer[..3].copy_from_slice(b"abc");
            Ok(3)
        });
        assert_eq!(count, Ok(3));
        assert_eq!(replies.data::<()>(8, 10, |_| Ok(0)), Ok(0));
        assert_eq!(replies.data(9, 10, |_| Err("disk")), Err("disk"));
        assert_eq!(replies.into_bytes(), b"\0\0\0\x0c\x67\0\0\0\x07\0\0\0\x03abc");
    }

    #[test]
    fn a_status_has_its_id_code_and_words() {
        let mut replies = Replies::default();
        replies.status(7, &Status::end_of_file());
        assert_eq!(replies.into_bytes(), b"\0\0\0\x1e\x65\0\0\0\x07\0\0\0\x01\0\0\0\x0bEnd of file\0\0\0\x02en");
    }
}
