//! MLSD (RFC 3659 §7.2): a folder with exact facts, for machines. No flags, no patterns.

use super::Argument;
use crate::ftp::listing::{Form, Request};
use crate::ftp::reply::Reply;
use crate::ftp::session::{Member, Outcome};
use crate::ftp::transfer::Job;

pub(super) fn handle(member: &mut Member, argument: &Argument) -> Result<Outcome, Reply> {
    let form = Form::Facts(member.client.wanted);
    let request = Request { path: member.path(argument)?, pattern: None, all: false, prefix: String::new(), form };
    Ok(Outcome::Start(Job::Listing(request)))
}
