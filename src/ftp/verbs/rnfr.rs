//! RNFR (RFC 959 §4.1.3): what the RNTO behind it renames.

use super::Argument;
use crate::ftp::reply::Reply;
use crate::ftp::session::Member;

pub(super) async fn handle(member: &mut Member, argument: &Argument) -> Result<Reply, Reply> {
    let path = member.path(argument)?;
    member.tree.stat(&path).await?;
    member.rename_from = Some(path);
    Ok(Reply::new(350, "And the new name?"))
}
