//! STOR (RFC 959 §4.1.3): upload; behind REST, the rest of one (RFC 3659 §5).

use super::Argument;
use crate::ftp::reply::Reply;
use crate::ftp::session::{Member, Outcome};
use crate::ftp::transfer::Job;
use crate::ftp::upload::{Manner, Upload};

pub(super) fn handle(member: &mut Member, argument: &Argument) -> Result<Outcome, Reply> {
    let manner = match std::mem::take(&mut member.restart) {
        0 => Manner::Store,
        offset => Manner::Resume(offset),
    };
    let announced = member.announced.take();
    let path = member.path(argument)?;
    Ok(Outcome::Start(Job::Upload(Upload { path, manner, announced })))
}
