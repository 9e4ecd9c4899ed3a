//! Why a command failed, for the person who gave it.
#![expect(clippy::print_stderr, reason = "errors of a command are told on standard error, before or without a log")]

use std::error::Error;
use std::path::PathBuf;

use crate::app::{RunError, StartError};
use crate::config::ConfigError;
use crate::management::ManagementError;
use crate::management::audit::VerifyError;
use crate::net::BindError;
use crate::store::StoreError;
use crate::telemetry::logs::LogError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("starting the runtime")]
    Runtime(#[source] std::io::Error),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Start(#[from] Box<StartError>),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("making the demo accounts")]
    Management(#[from] ManagementError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The audit log is not as it was written; each line is a fault.
    #[error("the audit log is not as it was written:\n{}", .0.join("\n"))]
    Audit(Vec<String>),
    #[error("writing to standard output")]
    Output(#[source] std::io::Error),
    #[error("{}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    /// What was asked for cannot be done; the text says why and what would be right.
    #[error("{0}")]
    Refused(String),
}

impl From<StartError> for CommandError {
    fn from(error: StartError) -> Self {
        Self::Start(Box::new(error))
    }
}

/// Tells an error and its causes on standard error.
pub fn report(error: &CommandError) {
    eprintln!("lucca-gateway: {}", with_causes(error));
}

/// The error and what caused it, in one text, without saying anything twice.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if !text.contains(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once() {
        let source = std::io::Error::other("disk on fire");
        let error = CommandError::File { path: "/x".into(), source };
        assert_eq!(with_causes(&error), "/x: disk on fire");
        let bind = BindError { address: "127.0.0.1:1".parse().unwrap(), source: std::io::Error::other("no") };
        let told = with_causes(&CommandError::from(StartError::from(bind)));
        assert_eq!(told, "cannot listen on 127.0.0.1:1: no");
    }
}
