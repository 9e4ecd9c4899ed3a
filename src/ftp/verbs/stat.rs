//! STAT (RFC 959 §4.1.3): the state of the session; with a path, LIST on the control connection.

use super::Argument;
use crate::ftp::listing::{Form, Request};
use crate::ftp::reply::Reply;
use crate::ftp::session::{Member, Outcome};
use crate::ftp::status;
use crate::ftp::transfer::Job;

pub(super) fn handle(member: &mut Member, argument: &Argument) -> Result<Outcome, Reply> {
    if argument.is_empty() {
        return Ok(status::of(member).into());
    }
    let now = member.client.shared.clock.now();
    let text = argument.text(&mut member.client.encoding);
    Ok(Outcome::Start(Job::Status(Request::parse(&text, &member.folder, Form::Long { now })?)))
}
