//! SYST (RFC 959 §4.1.3): what LIST's lines look like; clients look for nothing else in it.

use crate::ftp::reply::Reply;

pub(super) fn handle() -> Reply {
    Reply::new(215, "UNIX Type: L8")
}
