//! PORT (RFC 959 §4.1.2): the client waits for the data connection. Off unless the listener allows it, and then to the
//! control connection's peer alone: a server that connects wherever it is told scans others' networks (the FTP bounce
//! attack, CERT CA-1997-27).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Argument;
use crate::ftp::reply::Reply;
use crate::ftp::session::Member;

/// Ports below belong to other services.
const LOWEST_PORT: u16 = 1024;

pub(super) fn handle(member: &mut Member, argument: &Argument) -> Result<Reply, Reply> {
    allowed(member)?;
    let keyword = argument.keyword();
    let numbers: Vec<u8> = keyword.split(',').map(str::parse).collect::<Result<_, _>>().unwrap_or_default();
    let &[a, b, c, d, high, low] = &numbers[..] else {
        return Err(Reply::syntax("PORT takes six numbers"));
    };
    wait_at(member, Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low]))
}

/// Whether the client may wait at all.
pub(super) fn allowed(member: &Member) -> Result<(), Reply> {
    if !member.client.shared.bound.active {
        return Err(Reply::new(502, "Active mode is off here: use passive mode (EPSV or PASV)"));
    }
    if member.data.only_extended {
        return Err(Reply::new(503, "EPSV ALL was said: only EPSV"));
    }
    Ok(())
}

/// Notes where the client waits.
pub(super) fn wait_at(member: &mut Member, address: IpAddr, port: u16) -> Result<Reply, Reply> {
    if address.to_canonical() != member.client.peer.ip() || port < LOWEST_PORT {
        return Err(Reply::new(504, "Data connections are opened to your own address alone, from port 1024 on"));
    }
    member.data.passive = None;
    member.data.active = Some(SocketAddr::new(address.to_canonical(), port));
    Ok(Reply::new(200, "Noted"))
}
