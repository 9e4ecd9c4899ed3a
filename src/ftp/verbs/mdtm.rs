//! MDTM (RFC 3659 §3): when a file was changed.

use super::Argument;
use crate::ftp::reply::Reply;
use crate::ftp::session::Member;
use crate::ftp::time::time_val;
use crate::vfs::{FileKind, VfsError};

pub(super) async fn handle(member: &mut Member, argument: &Argument) -> Result<Reply, Reply> {
    let path = member.path(argument)?;
    let metadata = member.tree.stat(&path).await?;
    match metadata.kind {
        FileKind::File => Ok(Reply::new(213, time_val(metadata.modified))),
        FileKind::Folder => Err(VfsError::IsAFolder.into()),
    }
}
