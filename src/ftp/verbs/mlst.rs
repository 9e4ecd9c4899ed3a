//! MLST (RFC 3659 §7.2): the exact facts of one file or folder, on the control connection.

use super::Argument;
use crate::ftp::facts::{Place, facts};
use crate::ftp::reply::Reply;
use crate::ftp::session::Member;

pub(super) async fn handle(member: &mut Member, argument: &Argument) -> Result<Reply, Reply> {
    let path = member.path(argument)?;
    let metadata = member.tree.stat(&path).await?;
    let place = if path == member.folder { Place::Itself } else { Place::Within };
    let line = format!(" {} {path}", facts(&metadata, place, member.client.wanted));
    Ok(Reply::lines(250, "Here it is", vec![line], "End"))
}
