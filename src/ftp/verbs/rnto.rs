//! RNTO (RFC 959 §4.1.3): renames. The RFC is silent about a file that has the new name; everywhere it is replaced, and
//! here too where the login may overwrite.

use super::Argument;
use crate::domain::{Right, VirtualPath};
use crate::ftp::reply::Reply;
use crate::ftp::session::Member;
use crate::vfs::Replace;

pub(super) async fn handle(
    member: &mut Member,
    argument: &Argument,
    from: Option<VirtualPath>,
) -> Result<Reply, Reply> {
    let from = from.ok_or_else(|| Reply::new(503, "Say RNFR first"))?;
    let to = member.path(argument)?;
    let may_overwrite = match member.tree.stat(&to).await {
        Ok(there) => there.rights.allows(Right::Overwrite),
        // Nothing there that may be seen: then nothing may be replaced unseen either.
        Err(_) => false,
    };
    let replace = if may_overwrite { Replace::Allow } else { Replace::Refuse };
    member.tree.rename(&from, &to, replace).await?;
    Ok(Reply::new(250, "Renamed"))
}
