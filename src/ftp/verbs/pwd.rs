//! PWD (RFC 959 §4.1.3, Appendix II): the current folder.

use crate::ftp::reply::{Reply, quoted};
use crate::ftp::session::Member;

pub(super) fn handle(member: &Member) -> Reply {
    Reply::new(257, format!("{} is the current folder", quoted(member.folder.as_str())))
}
