//! The facts of MLST and MLSD (RFC 3659 §7.5): exact, for machines.

use std::fmt::Write;

use super::time::time_val;
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
    let mut line = String::with_capacity(80);
    for fact in Fact::ALL.into_iter().filter(|fact| wanted.has(*fact)) {
        // Writing to a text does not fail.
        let _ = match fact {
            Fact::Kind => write!(line, "type={};", kind(metadata.kind, place)),
            // Of a folder the disk has a size too, but it means nothing to a client.
            Fact::Size if metadata.kind == FileKind::Folder => Ok(()),
            Fact::Size => write!(line, "size={};", metadata.size),
            Fact::Modify => write!(line, "modify={};", time_val(metadata.modified)),
            Fact::Perm => write!(line, "perm={};", perm(metadata)),
            Fact::Unique => write!(line, "unique={:x};", metadata.unique),
        };
    }
    line
}

const fn kind(kind: FileKind, place: Place) -> &'static str {
    match (kind, place) {
        (FileKind::File, _) => "file",
        (FileKind::Folder, Place::Itself) => "cdir",
        (FileKind::Folder, Place::Within) => "dir",
    }
}

/// What may be done (RFC 3659 §7.5.5), from the rights. Roots of remote folders stay where they are.
fn perm(metadata: &Metadata) -> String {
    let letters: &[(char, Right)] = match metadata.kind {
        FileKind::File => &[
            ('a', Right::Overwrite),
            ('d', Right::Delete),
            ('f', Right::Rename),
            ('r', Right::Read),
            ('w', Right::Overwrite),
        ],
        FileKind::Folder => &[
            ('c', Right::Write),
            ('d', Right::Delete),
            ('f', Right::Rename),
            ('l', Right::List),
            ('m', Right::MakeFolder),
            ('p', Right::Delete),
        ],
    };
    let may = |(letter, right): &(char, Right)| {
        metadata.rights.allows(*right) && !(metadata.fixed && matches!(letter, 'd' | 'f'))
    };
    let mut perm: String = letters.iter().filter(|letter| may(letter)).map(|(letter, _)| *letter).collect();
    if metadata.kind == FileKind::Folder {
        // Whoever sees a folder may enter it.
        perm.push('e');
    }
    perm
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
