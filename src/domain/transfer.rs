//! Uploads and downloads, in the words of their records.

/// A text that names no value of the kind that belongs there.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown: use {0}")]
pub struct UnknownWord(pub(super) &'static str);

/// An enum whose variants are words: in records, in the API, in the configuration.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident, $choice:literal { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// The word in records, metrics and the API.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::transfer::UnknownWord;

            fn from_str(text: &str) -> Result<Self, $crate::domain::transfer::UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err($crate::domain::transfer::UnknownWord($choice)),
                }
            }
        }
    )*};
}
pub(super) use words;

words! {
    /// Which way a file went, as its login sees it.
    TransferDirection, "\"upload\" or \"download\"" {
        Upload = "upload",
        Download = "download",
    }

    /// How a transfer ended.
    TransferResult, "\"completed\" or \"failed\"" {
        Completed = "completed",
        Failed = "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_back_and_any_other_is_told_which_there_are() {
        for direction in [TransferDirection::Upload, TransferDirection::Download] {
            assert_eq!(direction.as_str().parse(), Ok(direction));
        }
        let unknown = "Completed".parse::<TransferResult>().unwrap_err();
        assert_eq!(unknown.to_string(), "unknown: use \"completed\" or \"failed\"");
    }
}
