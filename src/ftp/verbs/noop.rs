//! NOOP (RFC 959 §4.1.3): a sign of life.

use crate::ftp::reply::Reply;

pub(super) fn handle() -> Reply {
    Reply::new(200, "Here")
}
