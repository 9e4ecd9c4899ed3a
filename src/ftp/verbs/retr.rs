//! RETR (RFC 959 §4.1.3): download.

use super::Argument;
use crate::ftp::reply::Reply;
use crate::ftp::session::{Member, Outcome};
use crate::ftp::transfer::Job;

pub(super) fn handle(member: &mut Member, argument: &Argument) -> Result<Outcome, Reply> {
    let offset = std::mem::take(&mut member.restart);
    let path = member.path(argument)?;
    Ok(Outcome::Start(Job::Download { path, offset }))
}
