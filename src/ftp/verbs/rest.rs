//! REST (RFC 3659 §5): where the next transfer, and it alone, starts.

use super::Argument;
use crate::ftp::reply::Reply;
use crate::ftp::session::Member;

pub(super) fn handle(member: &mut Member, argument: &Argument) -> Result<Reply, Reply> {
    let offset = argument.keyword().parse().map_err(|_| Reply::syntax("REST takes a number of bytes"))?;
    member.restart = offset;
    Ok(Reply::new(350, format!("The next transfer starts at {offset}")))
}
