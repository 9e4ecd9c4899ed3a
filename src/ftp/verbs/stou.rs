//! STOU (RFC 959 §4.1.3): upload under a name that is free; the reply names it (RFC 1123 §4.1.2.9).

use super::Argument;
use crate::ftp::reply::Reply;
use crate::ftp::session::{Member, Outcome};
use crate::ftp::transfer::Job;
use crate::ftp::upload::{Manner, Upload};

pub(super) fn handle(member: &mut Member, argument: &Argument) -> Result<Outcome, Reply> {
    member.restart = 0;
    let announced = member.announced.take();
    let path = if argument.is_empty() { member.folder.resolve("file")? } else { member.path(argument)? };
    Ok(Outcome::Start(Job::Upload(Upload { path, manner: Manner::Unique, announced })))
}
