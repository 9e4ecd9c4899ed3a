//! PROT (RFC 4217 §9): P, private data connections, alone.

use super::Argument;
use crate::ftp::connection::Client;
use crate::ftp::reply::Reply;

pub(super) fn handle(client: &mut Client, argument: &Argument) -> Reply {
    match argument.keyword().as_str() {
        "P" if !client.has_buffer_size => Reply::new(503, "Say PBSZ 0 first"),
        "P" => {
            client.is_private = true;
            Reply::new(200, "Data connections are private")
        }
        "C" => Reply::new(534, "Data connections are private here: say PROT P"),
        "S" | "E" => Reply::new(536, "TLS knows PROT P alone"),
        _ => Reply::new(504, "Say PROT P"),
    }
}
