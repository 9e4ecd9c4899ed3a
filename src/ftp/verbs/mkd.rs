//! MKD (RFC 959 §4.1.3, Appendix II): makes a folder.

use super::Argument;
use crate::ftp::reply::{Reply, quoted};
use crate::ftp::session::Member;

pub(super) async fn handle(member: &mut Member, argument: &Argument) -> Result<Reply, Reply> {
    let path = member.path(argument)?;
    member.tree.make_folder(&path).await?;
    Ok(Reply::new(257, format!("{} is made", quoted(path.as_str()))))
}
