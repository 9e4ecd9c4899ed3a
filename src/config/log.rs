//! `[log]`: how much the gateway says, and in which form.

use super::reader::{Check, any, section};

section! {
    /// The log, which goes to standard error.
    LogSettings {
        /// How much is said: off, error, warn, info, debug or trace; also by part of the program, as in
        /// `info,lucca_gateway::sftp=debug`.
        level: String = "info", levels();
        /// Whether each line is a JSON object.
        json: bool = "false", any();
    }
}

fn levels() -> Check<String> {
    Check::new(
        "one of off, error, warn, info, debug, trace, or several as in info,lucca_gateway::sftp=debug",
        |text: &String| {
            text.split(',').all(|directive| {
                let (target, level) = directive.split_once('=').unwrap_or(("any", directive));
                let is_target = |target: &str| {
                    !target.is_empty() && target.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
                };
                is_target(target.trim()) && ["off", "error", "warn", "info", "debug", "trace"].contains(&level.trim())
            })
        },
    )
}
