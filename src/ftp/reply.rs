//! Replies (RFC 959 §4.2), and the one mapping from our errors to them.

use std::borrow::Cow;

use crate::domain::NameEncoding;
use crate::domain::virtual_path::InvalidPath;
use crate::vfs::VfsError;

/// A code and words, for a person; sometimes lines between the first and the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub code: u16,
    text: Cow<'static, str>,
    /// The lines before `text`: the first is the heading, the others are indented by whoever made them.
    before: Vec<String>,
}

impl Reply {
    pub(super) fn new(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, text: text.into(), before: Vec::new() }
    }

    /// A heading, lines (each begins with a space, so that none looks like the end), and the end.
    pub(super) fn lines(code: u16, heading: impl Into<String>, lines: Vec<String>, end: &'static str) -> Self {
        let mut before = Vec::with_capacity(lines.len() + 1);
        before.push(heading.into());
        before.extend(lines);
        Self { code, text: Cow::Borrowed(end), before }
    }

    pub(super) fn syntax(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(501, text)
    }

    /// As bytes of the wire.
    pub(super) fn encode(&self, encoding: NameEncoding) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64 + self.text.len());
        let code = self.code.to_string();
        for (index, line) in self.before.iter().enumerate() {
            if index == 0 {
                bytes.extend_from_slice(code.as_bytes());
                bytes.push(b'-');
            }
            push_line(&mut bytes, line, encoding);
        }
        bytes.extend_from_slice(code.as_bytes());
        bytes.push(b' ');
        push_line(&mut bytes, &self.text, encoding);
        bytes
    }
}

/// A line that stays one, whatever is in it, and whose 0xFF is no Telnet command (RFC 959 §3.1.1.5.2).
pub(super) fn push_line(bytes: &mut Vec<u8>, line: &str, encoding: NameEncoding) {
    for byte in encoding.encode(line).iter().copied() {
        match byte {
            b'\r' | b'\n' | 0 => bytes.push(b'?'),
            0xff => bytes.extend_from_slice(&[0xff, 0xff]),
            byte => bytes.push(byte),
        }
    }
    bytes.extend_from_slice(b"\r\n");
}

impl From<&VfsError> for Reply {
    /// What the tree's answer is on the wire. 4xx invites a retry, 5xx does not (RFC 959 §4.2): a busy file is 450.
    fn from(error: &VfsError) -> Self {
        let code = match error {
            VfsError::NotFound
            | VfsError::PermissionDenied
            | VfsError::AlreadyExists
            | VfsError::NotAFolder
            | VfsError::IsAFolder
            | VfsError::NotEmpty => 550,
            VfsError::Busy | VfsError::TooMany => 450,
            VfsError::NoSpace => 452,
            VfsError::OverQuota(_) => 552,
            VfsError::InvalidPath(_) => 553,
            VfsError::WrongMode | VfsError::Storage(_) | VfsError::Ledger(_) => 451,
        };
        Self::new(code, capitalised(&error.to_string()))
    }
}

impl From<VfsError> for Reply {
    fn from(error: VfsError) -> Self {
        Self::from(&error)
    }
}

impl From<InvalidPath> for Reply {
    fn from(error: InvalidPath) -> Self {
        Self::from(&VfsError::InvalidPath(error))
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// A path in a reply: within quotes, those in it doubled (RFC 959, Appendix II).
pub(super) fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::OverQuota;

    #[test]
    fn a_reply_has_its_code_on_the_first_and_the_last_line() {
        let reply = Reply::lines(211, "Features:", vec![" UTF8".into()], "End");
        assert_eq!(reply.encode(NameEncoding::Utf8), b"211-Features:\r\n UTF8\r\n211 End\r\n");
        assert_eq!(Reply::new(200, "Fine").encode(NameEncoding::Utf8), b"200 Fine\r\n");
    }

    #[test]
    fn nothing_in_a_name_makes_a_second_line_or_a_telnet_command() {
        let reply = Reply::new(257, "a\r\n226 b\0ÿ").encode(NameEncoding::Windows1252);
        assert_eq!(reply, b"257 a??226 b?\xff\xff\r\n");
    }

    #[test]
    fn quotes_in_a_path_are_doubled() {
        assert_eq!(quoted("/a \"b\"/c"), "\"/a \"\"b\"\"/c\"");
    }

    #[test]
    fn each_error_has_its_code_and_words_for_a_person() {
        for (error, code) in [
            (VfsError::NotFound, 550),
            (VfsError::PermissionDenied, 550),
            (VfsError::AlreadyExists, 550),
            (VfsError::Busy, 450),
            (VfsError::NoSpace, 452),
            (VfsError::OverQuota(OverQuota::Files { held: 3, limit: 3 }), 552),
            (VfsError::InvalidPath(InvalidPath::Backslash), 553),
            (VfsError::Storage(std::io::Error::other("/srv/data/secret: I/O error")), 451),
        ] {
            let reply = Reply::from(&error);
            assert_eq!(reply.code, code, "{error}");
            assert!(!reply.text.is_empty() && !reply.text.contains("/srv"), "{reply:?}");
        }
    }
}
