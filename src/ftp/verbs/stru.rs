//! STRU (RFC 959 §3.1.2): F, a file of bytes, alone.

use super::Argument;
use crate::ftp::reply::Reply;

pub(super) fn handle(argument: &Argument) -> Result<Reply, Reply> {
    match argument.keyword().as_str() {
        "F" => Ok(Reply::new(200, "STRU F")),
        _ => Err(Reply::new(504, "Only STRU F")),
    }
}
