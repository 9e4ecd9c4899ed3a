//! Listings: which lines LIST, NLST, MLSD and STAT give, and from what.

use std::sync::Arc;

use super::below::{Entries, Tree};
use super::columns::{put_number, put_text};
use super::facts::{Place, Wanted, put_facts};
use super::pattern;
use super::time::put_ls_date;
use crate::domain::{FileName, NameEncoding, Right, Timestamp, VirtualPath};
use crate::vfs::{Entry, FileKind, Metadata, VfsError};

/// Entries that are asked for at a time.
const BATCH: usize = 500;

/// Room for a line, in bytes; longer ones find it.
const LINE: usize = 112;

/// How entries are written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// As `ls -l`.
    Long { now: Timestamp },
    /// Names alone.
    Names,
    /// Facts and names.
    Facts(Wanted),
}

/// What is to be listed.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub path: VirtualPath,
    /// Only names that fit.
    pub pattern: Option<String>,
    /// `.` and `..` too.
    pub all: bool,
    /// What stands before names, as the client wrote it: it gets back names that it can use.
    pub prefix: String,
    pub form: Form,
}

/// A listing under way.
pub(super) struct Lines {
    request: Request,
    encoding: NameEncoding,
    first: Vec<(String, Metadata, Place)>,
    entries: Option<Box<dyn Entries>>,
    login: String,
}

impl Request {
    /// Reads LIST's and NLST's argument: flags as of `ls`, and a path that may end in a pattern.
    pub(super) fn parse(argument: &str, cwd: &VirtualPath, form: Form) -> Result<Self, VfsError> {
        let (flags, path) = split_flags(argument);
        let form = match form {
            Form::Names if flags.contains('l') => return Self::parse_path(path, cwd, flags, form, true),
            form => form,
        };
        Self::parse_path(path, cwd, flags, form, false)
    }

    fn parse_path(path: &str, cwd: &VirtualPath, flags: &str, form: Form, long: bool) -> Result<Self, VfsError> {
        let form = if long { Form::Long { now: Timestamp::EPOCH } } else { form };
        let (folder, last) = path.rsplit_once('/').map_or(("", path), |(folder, last)| (&path[..=folder.len()], last));
        let all = flags.contains('a');
        if pattern::is_pattern(last) {
            let path = if folder.is_empty() { cwd.clone() } else { cwd.resolve(folder)? };
            return Ok(Self { path, pattern: Some(last.to_owned()), all: false, prefix: folder.to_owned(), form });
        }
        let prefix = match path {
            "" | "." => String::new(),
            path if path.ends_with('/') => path.to_owned(),
            path => format!("{path}/"),
        };
        Ok(Self { path: cwd.resolve(path)?, pattern: None, all, prefix, form })
    }

    /// The form that was asked for is `ls -l`, whose dates depend on today's.
    pub(super) fn at(mut self, now: Timestamp) -> Self {
        if let Form::Long { now: at } = &mut self.form {
            *at = now;
        }
        self
    }
}

/// `-la path` is flags and a path; a file named `-x` is reached as `./-x`.
fn split_flags(argument: &str) -> (&str, &str) {
    let mut rest = argument.trim_start();
    let mut end = 0;
    while rest.starts_with('-') {
        let length = rest.find(' ').unwrap_or(rest.len());
        rest = rest[length..].trim_start();
        end = argument.len() - rest.len();
    }
    if end == 0 { ("", argument) } else { (&argument[..end], rest) }
}

impl Lines {
    /// Opens what is listed: a folder, or one file.
    pub(super) async fn open(
        tree: &Arc<dyn Tree>,
        request: Request,
        encoding: NameEncoding,
        login: String,
    ) -> Result<Self, VfsError> {
        let mut lines = Self { request, encoding, first: Vec::new(), entries: None, login };
        let path = &lines.request.path;
        let metadata = match tree.stat(path).await {
            Ok(metadata) => metadata,
            // A folder may be listed where nothing may be known of it by itself.
            Err(VfsError::PermissionDenied) => {
                lines.entries = Some(tree.list(path).await?);
                return Ok(lines);
            }
            Err(error) => return Err(error),
        };
        match (metadata.kind, lines.request.form) {
            (FileKind::File, Form::Facts(_)) => return Err(VfsError::NotAFolder),
            (FileKind::File, _) => {
                let name = lines.request.prefix.trim_end_matches('/').to_owned();
                lines.request.prefix = String::new();
                lines.first.push((name, metadata, Place::Within));
            }
            (FileKind::Folder, form) => {
                lines.entries = Some(tree.list(path).await?);
                match form {
                    Form::Facts(_) => lines.first.push((String::from("."), metadata, Place::Itself)),
                    Form::Long { .. } | Form::Names if lines.request.all => {
                        lines.first.push((String::from(".."), metadata.clone(), Place::Itself));
                        lines.first.push((String::from("."), metadata, Place::Itself));
                    }
                    Form::Long { .. } | Form::Names => {}
                }
            }
        }
        Ok(lines)
    }

    /// Some more lines, as bytes; empty at the end.
    pub(super) async fn next(&mut self) -> Result<Vec<u8>, VfsError> {
        let mut bytes = Vec::new();
        while let Some((name, metadata, place)) = self.first.pop() {
            self.push(&mut bytes, &name, &metadata, place, "");
        }
        if !bytes.is_empty() {
            return Ok(bytes);
        }
        loop {
            let Some(entries) = &mut self.entries else { return Ok(bytes) };
            let batch = entries.next_batch(BATCH).await?;
            if batch.is_empty() {
                return Ok(bytes);
            }
            bytes.reserve(batch.len() * LINE);
            for Entry { name, metadata } in &batch {
                if self.wants(name) {
                    self.push(&mut bytes, name.as_str(), metadata, Place::Within, &self.request.prefix);
                }
            }
            if !bytes.is_empty() {
                return Ok(bytes);
            }
        }
    }

    fn wants(&self, name: &FileName) -> bool {
        self.request.pattern.as_ref().is_none_or(|pattern| pattern::fits(pattern, name.as_str()))
    }

    fn push(&self, line: &mut Vec<u8>, name: &str, metadata: &Metadata, place: Place, prefix: &str) {
        match self.request.form {
            Form::Long { now } => put_columns(line, metadata, &self.login, now),
            Form::Names => line.extend_from_slice(&self.encoding.encode(prefix)),
            Form::Facts(wanted) => {
                put_facts(line, metadata, place, wanted);
                line.push(b' ');
            }
        }
        line.extend_from_slice(&self.encoding.encode(name));
        line.extend_from_slice(b"\r\n");
    }
}

/// What stands before the name in a line of `ls -l`. The mode tells this login's rights; nobody else has any.
fn put_columns(line: &mut Vec<u8>, metadata: &Metadata, login: &str, now: Timestamp) {
    let has = |right, letter| if metadata.rights.allows(right) { letter } else { b'-' };
    match metadata.kind {
        FileKind::Folder => {
            line.extend_from_slice(&[b'd', has(Right::List, b'r'), has(Right::Write, b'w')]);
            line.extend_from_slice(b"x------   2 ");
        }
        FileKind::File => {
            line.extend_from_slice(&[b'-', has(Right::Read, b'r'), has(Right::Overwrite, b'w')]);
            line.extend_from_slice(b"-------   1 ");
        }
    }
    // A login may hold no space, so the columns stay.
    put_text(line, login, 8);
    line.extend_from_slice(b" lucca    ");
    put_number(line, metadata.size, 12, b' ');
    line.push(b' ');
    put_ls_date(line, metadata.modified, now);
    line.push(b' ');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(argument: &str) -> (String, Option<String>, bool, String) {
        let cwd = VirtualPath::parse("/in").unwrap();
        let request = Request::parse(argument, &cwd, Form::Names).unwrap();
        (request.path.to_string(), request.pattern, request.all, request.prefix)
    }

    #[test]
    fn arguments_are_flags_a_folder_and_a_pattern() {
        for (argument, path, pattern, all, prefix) in [
            ("", "/in", None, false, ""),
            ("-a", "/in", None, true, ""),
            ("-a -F", "/in", None, true, ""),
            ("-1a sub", "/in/sub", None, true, "sub/"),
            ("*.csv", "/in", Some("*.csv"), false, ""),
            ("/out/2026-??.csv", "/out", Some("2026-??.csv"), false, "/out/"),
            ("a - b", "/in/a - b", None, false, "a - b/"),
            ("./-x", "/in/-x", None, false, "./-x/"),
        ] {
            let expected = (path.to_owned(), pattern.map(str::to_owned), all, prefix.to_owned());
            assert_eq!(parse(argument), expected, "{argument}");
        }
    }

    #[test]
    fn a_long_line_has_the_columns_of_ls() {
        let time = Timestamp::parse("2026-11-23T17:02:30Z").unwrap();
        let rights = crate::domain::ReadySet::ReadWrite.rights();
        let metadata = Metadata {
            kind: FileKind::File,
            size: 1234,
            modified: time,
            accessed: time,
            rights,
            unique: 7,
            incomplete: false,
            fixed: false,
        };
        let line = |metadata: &Metadata, now| {
            let mut line = Vec::new();
            put_columns(&mut line, metadata, "acme", now);
            String::from_utf8(line).unwrap()
        };
        assert_eq!(line(&metadata, time), "-rw-------   1 acme     lucca            1234 Nov 23 17:02 ");
        let long_after = Timestamp::parse("2027-11-23T17:02:30Z").unwrap();
        assert_eq!(line(&metadata, long_after), "-rw-------   1 acme     lucca            1234 Nov 23  2026 ");
        let folder = Metadata { kind: FileKind::Folder, ..metadata };
        assert_eq!(line(&folder, time), "drwx------   2 acme     lucca            1234 Nov 23 17:02 ");
    }
}
