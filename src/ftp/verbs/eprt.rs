//! EPRT (RFC 2428 §2): the client waits for the data connection; see PORT.

use super::Argument;
use crate::ftp::reply::Reply;
use crate::ftp::session::Member;

pub(super) fn handle(member: &mut Member, argument: &Argument) -> Result<Reply, Reply> {
    super::port::allowed(member)?;
    // |1|132.235.1.2|6275|, whatever the delimiter.
    let text = argument.secret();
    let delimiter = text.chars().next().ok_or_else(|| Reply::syntax("EPRT needs an address"))?;
    let mut parts = text.split(delimiter).skip(1);
    let (family, address, port) = (parts.next(), parts.next(), parts.next());
    if !matches!(family, Some("1" | "2")) {
        return Err(Reply::new(522, "Network protocol not supported, use (1,2)"));
    }
    let address = address.and_then(|address| address.parse().ok());
    let port = port.and_then(|port| port.parse().ok());
    match (address, port) {
        (Some(address), Some(port)) => super::port::wait_at(member, address, port),
        _ => Err(Reply::syntax("EPRT is |family|address|port|")),
    }
}
