//! LIST (RFC 959 §4.1.3): a folder as `ls -l` shows it, for people and old programs; machines ask MLSD.

use super::Argument;
use crate::ftp::listing::{Form, Request};
use crate::ftp::reply::Reply;
use crate::ftp::session::{Member, Outcome};
use crate::ftp::transfer::Job;

pub(super) fn handle(member: &mut Member, argument: &Argument) -> Result<Outcome, Reply> {
    let now = member.client.shared.clock.now();
    let text = argument.text(&mut member.client.encoding);
    let request = Request::parse(&text, &member.folder, Form::Long { now })?;
    Ok(Outcome::Start(Job::Listing(request)))
}
