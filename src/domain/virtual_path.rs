//! Paths as a login sees them: absolute, normalised, safe to join to a folder of the disk.
//!
//! A [`VirtualPath`] is parsed once, where bytes of the network become words. After that no part of it can be `.`,
//! `..`, empty, a control character or a backslash, and it is bounded in length and depth. `..` is resolved by the
//! text alone: there are no links that could make it mean something else.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// The longest name of a file or folder, in bytes of UTF-8, as on every common filesystem.
pub const MAX_NAME_BYTES: usize = 255;
/// The longest path, in bytes of UTF-8.
pub const MAX_PATH_BYTES: usize = 2048;
/// How many folders deep a path may go.
pub const MAX_DEPTH: usize = 32;

/// Why a text is no path or name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    #[error("a path is absolute: it starts with /, as in /dossier1/dossier2")]
    NotAbsolute,
    #[error("a name is neither empty nor \".\" nor \"..\" and holds no /")]
    NotAName,
    #[error("names hold no control character (NUL, newline, …)")]
    ControlCharacter,
    #[error("names hold no backslash; folders are separated by /")]
    Backslash,
    #[error("a name has at most {MAX_NAME_BYTES} bytes")]
    NameTooLong,
    #[error("a path has at most {MAX_PATH_BYTES} bytes")]
    PathTooLong,
    #[error("a path is at most {MAX_DEPTH} folders deep")]
    TooDeep,
}

/// The name of one file or folder, in Unicode normal form C.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);

impl FileName {
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        if text.is_empty() || text == "." || text == ".." || text.contains('/') {
            return Err(InvalidPath::NotAName);
        }
        if text.contains('\\') {
            return Err(InvalidPath::Backslash);
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidPath::ControlCharacter);
        }
        let name = match is_nfc_quick(text.chars()) {
            IsNormalized::Yes => text.to_owned(),
            IsNormalized::No | IsNormalized::Maybe => text.nfc().collect(),
        };
        if name.len() > MAX_NAME_BYTES {
            return Err(InvalidPath::NameTooLong);
        }
        Ok(Self(name))
    }

    /// A name as a disk keeps it; `None` when no path could say it, such as one in another normal form.
    pub fn as_kept(text: String) -> Option<Self> {
        // Nearly all names are of this kind.
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'\\') || byte == b' ';
        if text.bytes().all(plain) && !matches!(text.as_str(), "" | "." | "..") && text.len() <= MAX_NAME_BYTES {
            return Some(Self(text));
        }
        Self::parse(&text).ok().filter(|name| name.0 == text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// An absolute, normalised path: `/`, or `/name` one or more times.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualPath(String);

impl VirtualPath {
    /// `/`.
    pub fn root() -> Self {
        Self(String::from("/"))
    }

    /// Parses an absolute path.
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        if !text.starts_with('/') {
            return Err(InvalidPath::NotAbsolute);
        }
        Self::root().resolve(text)
    }

    /// What `text` means from here: absolute paths stand alone, others continue this one; `..` above `/` is `/`, as
    /// POSIX says.
    pub fn resolve(&self, text: &str) -> Result<Self, InvalidPath> {
        // Normal form C can make a text shorter, at most to a third; past that no name can become short enough.
        if text.len() > 3 * MAX_PATH_BYTES {
            return Err(InvalidPath::PathTooLong);
        }
        let mut path = if text.starts_with('/') { Self::root() } else { self.clone() };
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => path = path.parent().unwrap_or_else(Self::root),
                name => path = path.child_within_bounds(&FileName::parse(name)?)?,
            }
        }
        Ok(path)
    }

    /// The path of `name` in this folder.
    pub fn join(&self, name: &FileName) -> Result<Self, InvalidPath> {
        self.child_within_bounds(name)
    }

    fn child_within_bounds(&self, name: &FileName) -> Result<Self, InvalidPath> {
        let separator = if self.is_root() { "" } else { "/" };
        let child = format!("{}{separator}{name}", self.0);
        if child.len() > MAX_PATH_BYTES {
            return Err(InvalidPath::PathTooLong);
        }
        let child = Self(child);
        if child.depth() > MAX_DEPTH {
            return Err(InvalidPath::TooDeep);
        }
        Ok(child)
    }

    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// How many names the path has; 0 for `/`.
    pub fn depth(&self) -> usize {
        self.names().count()
    }

    /// The names from the top down.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|name| !name.is_empty())
    }

    /// The last name; `None` for `/`.
    pub fn name(&self) -> Option<FileName> {
        self.names().next_back().map(|name| FileName(name.to_owned()))
    }

    /// The folder that holds this; `None` for `/`.
    pub fn parent(&self) -> Option<Self> {
        match self.0.rfind('/') {
            _ if self.is_root() => None,
            Some(0) | None => Some(Self::root()),
            Some(slash) => Some(Self(self.0[..slash].to_owned())),
        }
    }

    /// Whether this is `folder` or lies in it.
    pub fn is_within(&self, folder: &Self) -> bool {
        self.below(folder).is_some()
    }

    /// What follows `folder` in this path, without a leading `/` (empty when they are the same); `None` when this
    /// does not lie in it.
    pub fn below<'a>(&'a self, folder: &Self) -> Option<&'a str> {
        if folder.is_root() {
            return Some(&self.0[1..]);
        }
        let rest = self.0.strip_prefix(&folder.0)?;
        match rest.strip_prefix('/') {
            Some(below) => Some(below),
            None if rest.is_empty() => Some(""),
            None => None,
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VirtualPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for VirtualPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl FromStr for VirtualPath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        Self::parse(text)
    }
}

impl Serialize for VirtualPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for VirtualPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> VirtualPath {
        VirtualPath::parse(text).unwrap()
    }

    #[test]
    fn paths_are_normalised() {
        for (text, normal) in [
            ("/", "/"),
            ("//", "/"),
            ("/a/b", "/a/b"),
            ("/a//b/", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/../../etc/passwd", "/etc/passwd"),
            ("/a/..", "/"),
            ("/...", "/..."),
            ("/cafe\u{301}", "/caf\u{e9}"),
        ] {
            assert_eq!(path(text).as_str(), normal, "{text}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused_with_its_reason() {
        let long_name = format!("/{}", "n".repeat(256));
        let deep = "/d".repeat(33);
        let long = format!("/{}", "n".repeat(250)).repeat(9);
        for (text, reason) in [
            ("", InvalidPath::NotAbsolute),
            ("a/b", InvalidPath::NotAbsolute),
            ("/a\0b", InvalidPath::ControlCharacter),
            ("/a\nb", InvalidPath::ControlCharacter),
            ("/a\u{85}b", InvalidPath::ControlCharacter),
            ("/a\\b", InvalidPath::Backslash),
            ("/..\\..\\x", InvalidPath::Backslash),
            (&long_name, InvalidPath::NameTooLong),
            (&deep, InvalidPath::TooDeep),
            (&long, InvalidPath::PathTooLong),
        ] {
            assert_eq!(VirtualPath::parse(text), Err(reason), "{text:?}");
        }
    }

    #[test]
    fn a_name_of_255_bytes_is_accepted() {
        assert!(VirtualPath::parse(&format!("/{}", "n".repeat(255))).is_ok());
    }

    #[test]
    fn below_is_by_whole_names() {
        assert_eq!(path("/a/bc").below(&path("/a/b")), None);
        assert_eq!(path("/a/b/c").below(&path("/a/b")), Some("c"));
        assert_eq!(path("/a/b").below(&path("/a/b")), Some(""));
        assert_eq!(path("/a/b").below(&path("/")), Some("a/b"));
    }

    #[test]
    fn relative_paths_continue_where_they_start() {
        assert_eq!(path("/a/b").resolve("../c").unwrap(), path("/a/c"));
        assert_eq!(path("/a/b").resolve("/c").unwrap(), path("/c"));
        assert_eq!(path("/a/b").resolve("").unwrap(), path("/a/b"));
    }

    proptest! {
        #[test]
        fn normalising_is_idempotent(text in "(/|[a-zé.\u{301}]){0,40}") {
            if let Ok(path) = VirtualPath::parse(&text) {
                prop_assert_eq!(VirtualPath::parse(path.as_str()), Ok(path));
            }
        }

        #[test]
        fn whatever_is_asked_below_a_mount_stays_in_it_or_leaves_it_by_name(text in "[a-z./\\PC]{0,60}") {
            let mount = path("/dossier1/dossier2");
            // A mount is asked with names only: without `..` nothing can leave it.
            if let Ok(resolved) = mount.resolve(text.replace("..", "").trim_start_matches('/')) {
                prop_assert!(resolved.is_within(&mount));
            }
        }

        #[test]
        fn no_part_of_a_path_can_climb_or_hide(text in "\\PC{0,60}") {
            if let Ok(path) = VirtualPath::root().resolve(&text) {
                for name in path.names() {
                    prop_assert!(name != "." && name != ".." && !name.contains(['/', '\\', '\0']));
                    prop_assert!(name.len() <= MAX_NAME_BYTES);
                }
                prop_assert!(path.depth() <= MAX_DEPTH);
                prop_assert_eq!(path.to_string().parse::<VirtualPath>(), Ok(path));
            }
        }

        #[test]
        fn joining_and_parent_are_inverse(names in prop::collection::vec("[a-z]{1,8}", 1..8)) {
            let mut path = VirtualPath::root();
            for name in &names {
                let child = path.join(&FileName::parse(name).unwrap()).unwrap();
                prop_assert_eq!(child.parent(), Some(path));
                path = child;
            }
        }
    }
}
