//! NLST (RFC 959 §4.1.3): names alone, such as the client can use again.

use super::Argument;
use crate::ftp::listing::{Form, Request};
use crate::ftp::reply::Reply;
use crate::ftp::session::{Member, Outcome};
use crate::ftp::transfer::Job;

pub(super) fn handle(member: &mut Member, argument: &Argument) -> Result<Outcome, Reply> {
    let now = member.client.shared.clock.now();
    let text = argument.text(&mut member.client.encoding);
    let request = Request::parse(&text, &member.folder, Form::Names)?.at(now);
    Ok(Outcome::Start(Job::Listing(request)))
}
