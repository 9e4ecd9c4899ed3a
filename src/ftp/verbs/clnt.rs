//! CLNT (no RFC; clients of the Windows world): which software the client is, for the records.

use super::Argument;
use crate::domain::ClientSoftware;
use crate::ftp::connection::Client;
use crate::ftp::reply::Reply;
use crate::ftp::session::Member;

/// What is kept of it.
const MOST: usize = 100;

pub(super) fn handle(client: &mut Client, argument: &Argument) -> Reply {
    client.software = Some(argument.secret().chars().take(MOST).collect());
    Reply::new(200, "Noted")
}

/// Many clients say it only once they have signed in: the session, and what is transferred from then on, bear it.
pub(super) fn member(member: &mut Member, argument: &Argument) -> Reply {
    let reply = handle(&mut member.client, argument);
    let client = ClientSoftware::said(member.client.software.as_deref().unwrap_or_default());
    member.presence.set_client(client.clone());
    member.tree = member.tree.known_as(client);
    reply
}
