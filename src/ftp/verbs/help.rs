//! HELP (RFC 959 §4.1.3): the verbs there are.

use super::TABLE;
use crate::ftp::reply::Reply;

pub(super) fn handle() -> Reply {
    let lines = TABLE.chunks(8).map(|row| row.iter().map(|rule| format!(" {:<4}", rule.name)).collect());
    Reply::lines(214, "Commands", lines.collect(), "End")
}
