//! Names that clients give a file while they send it, and take away when they are done.
//!
//! WinSCP writes `a.csv.filepart`, rclone and others `a.csv.part`, rsync-like tools `.in.a.csv.`, and rename it at the end.
//! What is under such a name is nobody's file yet: it is kept like any other, and other programs are told when it gets its
//! final name.

use serde::{Deserialize, Serialize};

/// How many patterns a preset may have.
const MOST: usize = 32;
/// The longest pattern, in characters.
const LONGEST: usize = 64;

/// Patterns of file names, compared without case (of ASCII letters); `*` stands for any text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TemporaryNames(Vec<String>);

/// A list of patterns that cannot be used, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemporaryNames {
    #[error("has at most {MOST} patterns")]
    TooMany,
    #[error("has patterns of 1 to {LONGEST} characters")]
    Length,
    #[error(
        "has patterns of names, such as \"*.part\": with * as the only wildcard, without /, ?, [ and control characters"
    )]
    NotAName,
    #[error("has patterns that say more than *, which would take every file for a temporary one")]
    Everything,
}

impl Default for TemporaryNames {
    fn default() -> Self {
        Self(["*.filepart", "*.part", "*.tmp", "*~", ".in.*"].map(String::from).to_vec())
    }
}

impl TemporaryNames {
    /// # Errors
    /// See [`Self::validate`].
    pub fn new(patterns: Vec<String>) -> Result<Self, InvalidTemporaryNames> {
        let names = Self(patterns);
        names.validate().map(|()| names)
    }

    pub fn patterns(&self) -> &[String] {
        &self.0
    }

    /// Checks number, lengths and characters.
    pub fn validate(&self) -> Result<(), InvalidTemporaryNames> {
        if self.0.len() > MOST {
            return Err(InvalidTemporaryNames::TooMany);
        }
        for pattern in &self.0 {
            if !(1..=LONGEST).contains(&pattern.chars().count()) {
                return Err(InvalidTemporaryNames::Length);
            }
            if pattern.chars().any(|one| matches!(one, '/' | '?' | '[') || one.is_control()) {
                return Err(InvalidTemporaryNames::NotAName);
            }
            if pattern.chars().all(|one| one == '*') {
                return Err(InvalidTemporaryNames::Everything);
            }
        }
        Ok(())
    }

    /// Whether a file of this name is still being sent.
    pub fn matches(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| fits(pattern.as_bytes(), name.as_bytes()))
    }
}

/// Whether a name fits a pattern. Takes at most the product of both lengths: it goes back to the last `*` alone.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Behind the last `*`, and how much of the name it stands for.
    let mut back = None;
    while seen < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                back = Some((at, seen));
            }
            Some(byte) if byte.eq_ignore_ascii_case(&name[seen]) => {
                at += 1;
                seen += 1;
            }
            _ => match back {
                Some((behind, taken)) => {
                    (at, seen) = (behind, taken + 1);
                    back = Some((behind, taken + 1));
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_write_under_is_known_and_other_names_are_not() {
        let names = TemporaryNames::default();
        for name in ["a.csv.filepart", "A.CSV.FILEPART", "a.part", "x.tmp", "a.csv~", ".in.a.csv.", "~"] {
            assert!(names.matches(name), "{name}");
        }
        for name in ["a.csv", "part", "a.parts", "tmp.csv", "~a", "in.a", "a.in.b", "a.tmp.csv"] {
            assert!(!names.matches(name), "{name}");
        }
    }

    #[test]
    fn a_star_stands_for_any_text_and_also_for_none() {
        let names = TemporaryNames::new(vec![String::from("a*b*é")]).unwrap();
        for (name, fits) in [("abé", true), ("aXbYé", true), ("ababbé", true), ("abe", false), ("abéX", false)] {
            assert_eq!(names.matches(name), fits, "{name}");
        }
    }

    #[test]
    fn a_pattern_that_is_none_is_refused() {
        let refused = |patterns: &[&str]| TemporaryNames::new(patterns.iter().map(|one| (*one).to_owned()).collect());
        assert_eq!(refused(&["*.part", ""]), Err(InvalidTemporaryNames::Length));
        assert_eq!(refused(&["x".repeat(65).as_str()]), Err(InvalidTemporaryNames::Length));
        for pattern in ["a/*", "?.tmp", "[ab].tmp", "a\n"] {
            assert_eq!(refused(&[pattern]), Err(InvalidTemporaryNames::NotAName), "{pattern}");
        }
        assert_eq!(refused(&["**"]), Err(InvalidTemporaryNames::Everything));
        assert_eq!(refused(&["a*"; 33]), Err(InvalidTemporaryNames::TooMany));
        assert!(refused(&[]).is_ok(), "none is a choice");
    }

    proptest::proptest! {
        #[test]
        fn it_agrees_with_the_plain_definition(pattern in "[ab*]{0,6}", name in "[ab]{0,8}") {
            fn plain(pattern: &[u8], name: &[u8]) -> bool {
                match pattern.split_first() {
                    None => name.is_empty(),
                    Some((b'*', rest)) => (0..=name.len()).any(|taken| plain(rest, &name[taken..])),
                    Some((byte, rest)) => name.first() == Some(byte) && plain(rest, &name[1..]),
                }
            }
            proptest::prop_assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), plain(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
