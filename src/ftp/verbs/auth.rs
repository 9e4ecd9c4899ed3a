//! AUTH (RFC 4217 §4): what follows the reply is TLS.

use super::Argument;
use crate::ftp::connection::Client;
use crate::ftp::connection::Phase;
use crate::ftp::reply::Reply;

pub(super) fn handle(client: &Client, argument: &Argument) -> Reply {
    if client.phase != Phase::Clear {
        return Reply::new(503, "TLS is there already");
    }
    match argument.keyword().as_str() {
        // TLS-C is the old name of the same (RFC 4217 §4.1).
        "TLS" | "TLS-C" => Reply::new(234, "Begin TLS"),
        _ => Reply::new(504, "Say AUTH TLS"),
    }
}
