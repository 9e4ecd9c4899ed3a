//! RMD (RFC 959 §4.1.3): removes an empty folder.

use super::Argument;
use crate::ftp::reply::Reply;
use crate::ftp::session::Member;

pub(super) async fn handle(member: &mut Member, argument: &Argument) -> Result<Reply, Reply> {
    let path = member.path(argument)?;
    member.tree.remove_folder(&path).await?;
    Ok(Reply::new(250, "Removed"))
}
