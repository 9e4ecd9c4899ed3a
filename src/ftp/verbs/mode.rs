//! MODE (RFC 959 §3.4): S, a stream, alone; compression and blocks (MODE Z, B, C) are not there.

use super::Argument;
use crate::ftp::reply::Reply;

pub(super) fn handle(argument: &Argument) -> Result<Reply, Reply> {
    match argument.keyword().as_str() {
        "S" => Ok(Reply::new(200, "MODE S")),
        _ => Err(Reply::new(504, "Only MODE S")),
    }
}
