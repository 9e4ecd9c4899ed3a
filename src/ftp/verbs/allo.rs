//! ALLO (RFC 959 §4.1.3): the size of the next upload, checked at its end. Counted in bytes only under TYPE I; under A
//! clients count their own line ends, so it is not held against them.

use super::Argument;
use crate::ftp::reply::Reply;
use crate::ftp::session::Member;

pub(super) fn handle(member: &mut Member, argument: &Argument) -> Result<Reply, Reply> {
    // "ALLO 1000 R 80" has a record size behind it.
    let keyword = argument.keyword();
    let size = keyword.split(' ').next().and_then(|size| size.parse::<u64>().ok());
    let size = size.ok_or_else(|| Reply::syntax("ALLO takes a number of bytes"))?;
    if member.is_image {
        member.tree.check_quota(size)?;
    }
    member.announced = member.is_image.then_some(size);
    Ok(Reply::new(200, "Noted"))
}
