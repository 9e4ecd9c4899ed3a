//! CWD (RFC 959 §4.1.1): which folder relative paths start from.

use super::Argument;
use crate::domain::VirtualPath;
use crate::ftp::reply::{Reply, quoted};
use crate::ftp::session::Member;
use crate::vfs::{FileKind, VfsError};

pub(super) async fn handle(member: &mut Member, argument: &Argument) -> Result<Reply, Reply> {
    let path = member.path(argument)?;
    enter(member, path).await
}

/// Goes to `path`, which must be a folder.
pub(super) async fn enter(member: &mut Member, path: VirtualPath) -> Result<Reply, Reply> {
    match member.tree.stat(&path).await {
        Ok(metadata) if metadata.kind == FileKind::File => return Err(VfsError::NotAFolder.into()),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    let reply = Reply::new(250, format!("{} is the current folder", quoted(path.as_str())));
    member.folder = path;
    Ok(reply)
}
