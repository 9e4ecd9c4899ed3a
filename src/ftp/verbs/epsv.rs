//! EPSV (RFC 2428 §3): the client opens the data connection to a port of the address that it already reached.

use super::Argument;
use crate::ftp::reply::Reply;
use crate::ftp::session::Member;

pub(super) fn handle(member: &mut Member, argument: &Argument) -> Result<Reply, Reply> {
    let of_family = |is_it: bool, this: &'static str| {
        if is_it { Ok(()) } else { Err(Reply::new(522, this)) }
    };
    match argument.keyword().as_str() {
        "" => {}
        "1" => of_family(member.client.local.is_ipv4(), "Network protocol not supported, use (2)")?,
        "2" => of_family(member.client.local.is_ipv6(), "Network protocol not supported, use (1)")?,
        "ALL" => {
            member.data.only_extended = true;
            return Ok(Reply::new(200, "Only EPSV from here on"));
        }
        _ => return Err(Reply::syntax("EPSV takes 1, 2, ALL or nothing")),
    }
    let port = super::pasv::wait(member)?;
    Ok(Reply::new(229, format!("Entering extended passive mode (|||{port}|)")))
}
