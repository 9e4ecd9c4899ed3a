//! SIZE (RFC 3659 §4): how many bytes a transfer would have, the same in both types, since no byte is ever changed.

use super::Argument;
use crate::ftp::reply::Reply;
use crate::ftp::session::Member;
use crate::vfs::{FileKind, VfsError};

pub(super) async fn handle(member: &mut Member, argument: &Argument) -> Result<Reply, Reply> {
    let path = member.path(argument)?;
    let metadata = member.tree.stat(&path).await?;
    match metadata.kind {
        FileKind::File => Ok(Reply::new(213, metadata.size.to_string())),
        FileKind::Folder => Err(VfsError::IsAFolder.into()),
    }
}
