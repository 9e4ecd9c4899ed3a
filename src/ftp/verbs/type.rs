//! TYPE (RFC 959 §3.1.1): A and I, which differ in name alone: no byte is ever changed. A payroll file with a signature
//! that "ASCII mode" broke is the field's oldest complaint.

use super::Argument;
use crate::ftp::reply::Reply;
use crate::ftp::session::Member;

pub(super) fn handle(member: &mut Member, argument: &Argument) -> Result<Reply, Reply> {
    member.is_image = match argument.keyword().as_str() {
        "I" | "L 8" | "L8" => true,
        "A" | "A N" => false,
        _ => return Err(Reply::new(504, "Only TYPE I and TYPE A")),
    };
    Ok(Reply::new(200, if member.is_image { "TYPE I" } else { "TYPE A; bytes are stored as they come" }))
}
