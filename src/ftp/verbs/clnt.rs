//! CLNT (no RFC; clients of the Windows world): which software the client is, for the records.

use super::Argument;
use crate::ftp::connection::Client;
use crate::ftp::reply::Reply;

/// What is kept of it.
const MOST: usize = 100;

pub(super) fn handle(client: &mut Client, argument: &Argument) -> Reply {
    client.software = Some(argument.secret().chars().take(MOST).collect());
    Reply::new(200, "Noted")
}
