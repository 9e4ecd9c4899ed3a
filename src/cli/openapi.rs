//! `openapi`: the management API's document, for generators of clients; `docs/generated/openapi.json` is its output.

use super::{CommandError, output};
use crate::http;

pub(super) fn run() -> Result<(), CommandError> {
    output::say(&http::openapi())
}
