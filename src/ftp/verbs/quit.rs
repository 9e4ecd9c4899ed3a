//! QUIT (RFC 959 §4.1.1): the end; a transfer that runs is waited for, as every command waits for it.

use crate::ftp::reply::Reply;

pub(in crate::ftp) fn reply() -> Reply {
    Reply::new(221, "Goodbye")
}
