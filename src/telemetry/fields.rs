//! Values from the network, made fit for a log line.

use std::fmt;

/// How many characters of a value are shown.
const SHOWN: usize = 200;

/// `text` with control characters, quotes and what can turn a line around escaped, cut to 200 characters: whoever names a
/// file or a login cannot write log lines (CWE-117) nor move a terminal's cursor.
pub fn escaped(text: &str) -> impl fmt::Display + '_ {
    Escaped(text)
}

struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for (index, character) in self.0.chars().enumerate() {
            if index == SHOWN {
                return f.write_char('…');
            }
            match character {
                '\\' | '"' => write!(f, "\\{character}")?,
                // Marks of direction, which make a terminal show other text than there is, are no letters but
                // `is_control` does not count them.
                '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    write!(f, "{}", character.escape_unicode())?;
                }
                character if character.is_control() => write!(f, "{}", character.escape_default())?,
                character => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_cannot_write_a_line_of_its_own() {
        assert_eq!(escaped("a\nINFO Signed in").to_string(), "a\\nINFO Signed in");
        assert_eq!(escaped("\u{1b}[2J\"\\").to_string(), "\\u{1b}[2J\\\"\\\\");
        assert_eq!(escaped("été 2026 €").to_string(), "été 2026 €");
        assert_eq!(escaped("fdp.\u{202e}exe").to_string(), "fdp.\\u{202e}exe");
        assert_eq!(escaped(&"a".repeat(300)).to_string().chars().count(), 201);
    }

    proptest! {
        #[test]
        fn nothing_that_moves_a_cursor_is_left(text in "\\PC{0,40}|.{0,40}") {
            prop_assert!(!escaped(&text).to_string().chars().any(char::is_control));
        }
    }
}
