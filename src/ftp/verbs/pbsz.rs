//! PBSZ (RFC 4217 §8): 0 is all that TLS needs.

use super::Argument;
use crate::ftp::connection::Client;
use crate::ftp::reply::Reply;

pub(super) fn handle(client: &mut Client, argument: &Argument) -> Reply {
    if argument.keyword().parse::<u32>().is_err() {
        return Reply::syntax("PBSZ takes a number");
    }
    client.has_buffer_size = true;
    // Whatever was asked for (RFC 2228 §3: the reply may name a smaller one).
    Reply::new(200, "PBSZ=0")
}
