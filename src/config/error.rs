//! Why a configuration is refused, for the operator who has to put it right: where, which option, what would be right.

use std::fmt;
use std::path::PathBuf;

/// A configuration that the gateway does not start with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{origin}: is not TOML: {problem}")]
    Syntax { origin: String, problem: String },
    /// Everything that is wrong, at once.
    #[error("{}", lines(.0))]
    Wrong(Vec<Problem>),
}

/// One option that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file or the environment variable that says it; `None` when nothing does (an option that is missing).
    pub origin: Option<String>,
    /// The key path: `sftp.listeners[0].address`.
    pub key: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        write!(f, "{}: {}", self.key, self.message)
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
