//! `config-reference`: every option; `docs/generated/config-reference.md` is its output.

use super::{CommandError, output};
use crate::config;

pub(super) fn run() -> Result<(), CommandError> {
    output::say(&config::reference())
}
