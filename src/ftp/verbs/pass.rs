//! PASS (RFC 959 §4.1.1): the proof; the attempt itself is the guest's.

use super::Argument;
use crate::domain::Secret;

pub(in crate::ftp) fn password(argument: &Argument) -> Secret<String> {
    Secret::new(argument.secret())
}
