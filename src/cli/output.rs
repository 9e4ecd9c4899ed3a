//! Standard output, for what is asked for. A reader that has seen enough (`| head`) is no failure.

use std::io::{ErrorKind, Write};

use super::CommandError;

/// Writes text as it is.
pub(super) fn say(text: &str) -> Result<(), CommandError> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CommandError::Output(error)),
        _ => Ok(()),
    }
}
