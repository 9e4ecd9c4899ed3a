//! USER (RFC 959 §4.1.1): whose password follows. The answer says nothing of whether the login is there.

use super::Argument;
use crate::ftp::reply::Reply;

/// The login, and what is said to it.
pub(in crate::ftp) fn guest(argument: &Argument) -> (Option<String>, Reply) {
    (Some(argument.secret()), Reply::new(331, "And the password?"))
}

/// One connection is one session: another login takes another connection.
pub(super) fn member() -> Reply {
    Reply::new(503, "You have signed in already")
}
