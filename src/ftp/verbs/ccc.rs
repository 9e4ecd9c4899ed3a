//! CCC (RFC 2228 §3): would go back to the clear; never done.

use crate::ftp::reply::Reply;

pub(super) fn handle() -> Reply {
    Reply::new(534, "The control connection stays private")
}
