//! PASV (RFC 959 §4.1.2): the client opens the data connection; IPv4 alone.

use std::net::IpAddr;

use tokio::time::Instant;
use tracing::warn;

use crate::ftp::passive::advertised;
use crate::ftp::reply::Reply;
use crate::ftp::session::Member;

pub(super) fn handle(member: &mut Member) -> Result<Reply, Reply> {
    if member.data.only_extended {
        return Err(Reply::new(503, "EPSV ALL was said: only EPSV"));
    }
    let client = &member.client;
    // By the IPv4 address that others are told, a client that came by IPv6 would be a stranger.
    let IpAddr::V4(local) = client.local else {
        return Err(Reply::new(522, "PASV cannot tell an IPv6 address: use EPSV"));
    };
    let address = advertised(&client.shared.settings, client.peer.ip(), local);
    let port = wait(member)?;
    let [a, b, c, d] = address.octets();
    let [high, low] = port.to_be_bytes();
    Ok(Reply::new(227, format!("Entering passive mode ({a},{b},{c},{d},{high},{low})")))
}

/// Waits on a port, which takes the place of the one before.
pub(super) fn wait(member: &mut Member) -> Result<u16, Reply> {
    member.data.active = None;
    member.data.passive = None;
    let shared = &member.client.shared;
    let waiting = shared.ports.open(member.client.local).map_err(|error| {
        warn!(%error, "No port for a data connection: is ftp.passive_ports large enough?");
        Reply::new(425, "No port is free for a data connection; please try again")
    })?;
    let port = waiting.port;
    member.data.passive = Some((waiting, Instant::now() + shared.settings.data_connect));
    Ok(port)
}
