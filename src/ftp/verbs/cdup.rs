//! CDUP (RFC 959 §4.1.1): CWD to the folder above; above `/` is `/`.

use crate::domain::VirtualPath;
use crate::ftp::reply::Reply;
use crate::ftp::session::Member;

pub(super) async fn handle(member: &mut Member) -> Result<Reply, Reply> {
    let above = member.folder.parent().unwrap_or_else(VirtualPath::root);
    super::cwd::enter(member, above).await
}
