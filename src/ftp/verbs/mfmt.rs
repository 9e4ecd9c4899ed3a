//! MFMT (draft-somers-ftp-mfxx-04 §3): sets when a file was changed.

use super::Argument;
use crate::ftp::reply::Reply;
use crate::ftp::session::Member;
use crate::ftp::time::{parse_time_val, time_val};

pub(super) async fn handle(member: &mut Member, argument: &Argument) -> Result<Reply, Reply> {
    let text = argument.text(&mut member.client.encoding);
    let parts = text.split_once(' ').and_then(|(time, path)| Some((parse_time_val(time)?, path)));
    let (time, name) = parts.ok_or_else(|| Reply::syntax("MFMT is YYYYMMDDHHMMSS and a path"))?;
    let path = member.folder.resolve(name)?;
    member.tree.set_modified(&path, time).await?;
    Ok(Reply::new(213, format!("Modify={}; {name}", time_val(time))))
}
