//! STAT (RFC 959 §4.1.3): the state of the session; with a path, LIST on the control connection.

use super::Argument;
use crate::ftp::listing::{Form, Lines, Request};
use crate::ftp::reply::Reply;
use crate::ftp::session::Member;
use crate::ftp::status;

/// A reply is in memory as a whole: large folders are LIST's.
const MOST_BYTES: usize = 256 * 1024;

pub(super) async fn handle(member: &mut Member, argument: &Argument) -> Result<Reply, Reply> {
    if argument.is_empty() {
        return Ok(status::of(member));
    }
    let now = member.client.shared.clock.now();
    let text = argument.text(&mut member.client.encoding);
    let request = Request::parse(&text, &member.folder, Form::Long { now })?;
    let login = member.presence.login().to_string();
    // The reply is encoded as a whole when it is sent.
    let utf8 = crate::domain::NameEncoding::Utf8;
    let mut listing = Lines::open(&member.tree, request, utf8, login).await?;
    let mut bytes = Vec::new();
    loop {
        let more = listing.next().await?;
        if more.is_empty() {
            break;
        }
        bytes.extend_from_slice(&more);
        if bytes.len() > MOST_BYTES {
            return Err(Reply::new(450, "There is too much for STAT: use LIST or MLSD"));
        }
    }
    let lines = String::from_utf8_lossy(&bytes).lines().map(|line| format!(" {line}")).collect();
    Ok(Reply::lines(213, "Status", lines, "End"))
}
