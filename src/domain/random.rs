//! Randomness as a value that is handed in. [`OsRandom`] is the one place that asks the operating system.

/// A source of unpredictable bytes.
pub trait Random: Send + Sync + 'static {
    fn fill(&self, buffer: &mut [u8]);
}

impl dyn Random {
    /// `length` characters drawn evenly from `alphabet`.
    ///
    /// # Panics
    /// When `alphabet` is empty or longer than 256: it is a constant of the program.
    pub fn text(&self, length: usize, alphabet: &[u8]) -> String {
        assert!((1..=256).contains(&alphabet.len()), "an alphabet has 1 to 256 characters");
        // Bytes past the last whole multiple of the alphabet are drawn again, so that no character is likelier.
        let fair = 256 - 256 % alphabet.len();
        let mut text = String::with_capacity(length);
        let mut bytes = [0u8; 32];
        while text.len() < length {
            self.fill(&mut bytes);
            let missing = length - text.len();
            let drawn = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair);
            text.extend(drawn.take(missing).map(|byte| char::from(alphabet[byte % alphabet.len()])));
        }
        text
    }
}

/// Letters and digits that cannot be taken for one another when read aloud or retyped.
pub const UNAMBIGUOUS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// Characters of generated passwords: safe in a shell, an URL and a configuration file.
pub const PASSWORD_ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789-_";

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    #[expect(clippy::disallowed_methods, reason = "the one home of the system's randomness")]
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the kernel's generator answers once the system has booted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_the_length_and_the_alphabet_asked_for() {
        let random: &dyn Random = &OsRandom;
        let text = random.text(200, UNAMBIGUOUS);
        assert_eq!(text.len(), 200);
        assert!(text.bytes().all(|byte| UNAMBIGUOUS.contains(&byte)));
    }
}
