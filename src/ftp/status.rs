//! What STAT tells: of the session, and of a path.

use super::listing::{Lines, Request};
use super::reply::{Reply, push_line};
use super::session::Member;
use super::transfer::{Broken, Context};
use crate::domain::NameEncoding;

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

/// Lists a path on the control connection (RFC 959 §4.1.3). However many entries there are, a few hundred are held at a
/// time, and each part must be taken as soon as any reply. `None`: it broke off within the reply, whose end would say
/// that this is all.
pub(super) async fn list(context: &Context, request: Request) -> Option<Result<Reply, Reply>> {
    let login = context.presence.login().to_string();
    // Encoded as a whole below, as control connections want it.
    let opened = Lines::open(&context.tree, request, NameEncoding::Utf8, login).await;
    let mut lines = match opened {
        Ok(lines) => lines,
        Err(error) => return Some(Err(error.into())),
    };
    let mut begun = false;
    loop {
        let listed = match lines.next().await {
            Ok(listed) => listed,
            Err(error) if !begun => return Some(Err(error.into())),
            Err(error) => {
                tracing::error!(%error, "A folder could not be listed to its end");
                return None;
            }
        };
        if listed.is_empty() {
            let nothing = || Reply::lines(213, "Status", Vec::new(), "End");
            return Some(Ok(if begun { Reply::new(213, "End") } else { nothing() }));
        }
        let mut part = if begun { Vec::new() } else { b"213-Status\r\n".to_vec() };
        for line in String::from_utf8_lossy(&listed).lines() {
            // The space keeps every line from looking like the end.
            push_line(&mut part, &format!(" {line}"), context.encoding);
        }
        if !context.part(part).await {
            let stopped = Broken::Stopped(context.stop.reason()).reply(false);
            // Whoever aborts it knows that it is not all.
            return Some(Err(if begun { Reply::new(213, "Stopped: this is not all") } else { stopped }));
        }
        begun = true;
    }
}
