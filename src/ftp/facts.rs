//! The facts of MLST and MLSD (RFC 3659 §7.5): exact, for machines.

use super::columns::{put_hex, put_number};
use super::time::put_time_val;
use crate::domain::Right;
use crate::vfs::{FileKind, Metadata};

/// A fact that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fact {
    Kind,
    Size,
    Modify,
    Perm,
    Unique,
}

impl Fact {
    const ALL: [Self; 5] = [Self::Kind, Self::Size, Self::Modify, Self::Perm, Self::Unique];

    const fn name(self) -> &'static str {
        match self {
            Self::Kind => "type",
            Self::Size => "size",
            Self::Modify => "modify",
            Self::Perm => "perm",
            Self::Unique => "unique",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The facts that a session wants; all at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted(u8);

impl Default for Wanted {
    fn default() -> Self {
        Self(Fact::ALL.iter().fold(0, |all, fact| all | fact.bit()))
    }
}

impl Wanted {
    /// Reads OPTS MLST's list; facts that are unknown are left out (RFC 3659 §7.9).
    pub(super) fn parse(list: &str) -> Self {
        let asked = |fact: &Fact| list.split(';').any(|name| name.trim().eq_ignore_ascii_case(fact.name()));
        Self(Fact::ALL.iter().filter(|fact| asked(fact)).fold(0, |all, fact| all | fact.bit()))
    }

    fn has(self, fact: Fact) -> bool {
        self.0 & fact.bit() != 0
    }

    /// `type;size;` as OPTS answers.
    pub(super) fn list(self) -> String {
        Fact::ALL.into_iter().filter(|fact| self.has(*fact)).map(|fact| format!("{};", fact.name())).collect()
    }

    /// `type*;size*;modify*;` as FEAT tells: a star by what is wanted now.
    pub(super) fn feature(self) -> String {
        let star = |fact| if self.has(fact) { "*" } else { "" };
        Fact::ALL.into_iter().map(|fact| format!("{}{};", fact.name(), star(fact))).collect()
    }
}

/// What an entry is to the folder that is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The folder itself.
    Itself,
    /// Something in it, or asked for by name.
    Within,
}

/// The facts of an entry, each with its semicolon, without the space and the name that follow.
pub(super) fn facts(metadata: &Metadata, place: Place, wanted: Wanted) -> String {
    let mut line = Vec::with_capacity(80);
    put_facts(&mut line, metadata, place, wanted);
    // ASCII, all of it.
    String::from_utf8(line).unwrap_or_default()
}

/// As [`facts`], into a line.
pub(super) fn put_facts(line: &mut Vec<u8>, metadata: &Metadata, place: Place, wanted: Wanted) {
    for fact in Fact::ALL.into_iter().filter(|fact| wanted.has(*fact)) {
        // Of a folder the disk has a size too, but it means nothing to a client.
        if fact == Fact::Size && metadata.kind == FileKind::Folder {
            continue;
        }
        line.extend_from_slice(fact.name().as_bytes());
        line.push(b'=');
        match fact {
            Fact::Kind => line.extend_from_slice(kind(metadata.kind, place).as_bytes()),
            Fact::Size => put_number(line, metadata.size, 0, b' '),
            Fact::Modify => put_time_val(line, metadata.modified),
            Fact::Perm => put_perm(line, metadata),
            Fact::Unique => put_hex(line, metadata.unique),
        }
        line.push(b';');
    }
}

const fn kind(kind: FileKind, place: Place) -> &'static str {
    match (kind, place) {
        (FileKind::File, _) => "file",
        (FileKind::Folder, Place::Itself) => "cdir",
        (FileKind::Folder, Place::Within) => "dir",
    }
}

/// What may be done (RFC 3659 §7.5.5), from the rights. Roots of remote folders stay where they are.
fn put_perm(line: &mut Vec<u8>, metadata: &Metadata) {
    let letters: &[(u8, Right)] = match metadata.kind {
        FileKind::File => &[
            (b'a', Right::Overwrite),
            (b'd', Right::Delete),
            (b'f', Right::Rename),
            (b'r', Right::Read),
            (b'w', Right::Overwrite),
        ],
        FileKind::Folder => &[
            (b'c', Right::Write),
            (b'd', Right::Delete),
            (b'f', Right::Rename),
            (b'l', Right::List),
            (b'm', Right::MakeFolder),
            (b'p', Right::Delete),
        ],
    };
    let may = |(letter, right): &(u8, Right)| {
        metadata.rights.allows(*right) && !(metadata.fixed && matches!(letter, b'd' | b'f'))
    };
    line.extend(letters.iter().filter(|letter| may(letter)).map(|(letter, _)| *letter));
    if metadata.kind == FileKind::Folder {
        // Whoever sees a folder may enter it.
        line.push(b'e');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ReadySet, Timestamp};

    fn metadata(kind: FileKind) -> Metadata {
        let time = Timestamp::parse("2026-11-23T17:02:30Z").unwrap();
        let rights = ReadySet::ReadWrite.rights();
        Metadata {
            kind,
            size: 1234,
            modified: time,
            accessed: time,
            rights,
            unique: 255,
            incomplete: false,
            fixed: false,
        }
    }

    fn perm(metadata: &Metadata) -> String {
        let mut line = Vec::new();
        put_perm(&mut line, metadata);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn facts_are_exact_and_only_those_wanted() {
        let all = Wanted::default();
        assert_eq!(
            facts(&metadata(FileKind::File), Place::Within, all),
            "type=file;size=1234;modify=20261123170230;perm=adfrw;unique=ff;"
        );
        assert_eq!(
            facts(&metadata(FileKind::Folder), Place::Itself, all),
            "type=cdir;modify=20261123170230;perm=cdflmpe;unique=ff;"
        );
        let few = Wanted::parse("Size;type;nonsense;");
        assert_eq!(facts(&metadata(FileKind::File), Place::Within, few), "type=file;size=1234;");
        assert_eq!(few.list(), "type;size;");
        assert_eq!(few.feature(), "type*;size*;modify;perm;unique;");
        assert_eq!(Wanted::parse("").list(), "");
    }

    #[test]
    fn a_login_that_may_only_write_is_told_so() {
        let drop_box = |kind| Metadata { rights: ReadySet::DropBox.rights(), ..metadata(kind) };
        assert!(!perm(&drop_box(FileKind::File)).contains('r'));
        assert!(!perm(&drop_box(FileKind::Folder)).contains('l'));
    }

    #[test]
    fn a_remote_folders_root_is_offered_for_everything_but_its_removal_and_renaming() {
        assert_eq!(perm(&Metadata { fixed: true, ..metadata(FileKind::Folder) }), "clmpe");
    }
}
