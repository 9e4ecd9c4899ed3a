//! What STAT tells without a path.

use super::reply::Reply;
use super::session::Member;

/// The state of a session, and of the transfer that runs.
pub(super) fn of(member: &Member) -> Reply {
    let mut lines = vec![
        format!(" Signed in as {}", member.presence.login()),
        format!(" Connected from {}", member.client.peer.ip()),
        String::from(if member.is_image { " TYPE I, STRU F, MODE S" } else { " TYPE A, STRU F, MODE S" }),
        String::from(if member.client.is_private { " Data connections are private" } else { " PROT P is missing" }),
    ];
    lines.push(match &member.running {
        Some(running) => format!(" A {} is under way, {} bytes so far", running.what, running.bytes()),
        None => String::from(" Nothing is transferred"),
    });
    Reply::lines(211, "Status", lines, "End")
}
