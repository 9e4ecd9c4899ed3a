//! APPE (RFC 959 §4.1.3): upload behind what there is, whole or incomplete.

use super::Argument;
use crate::ftp::reply::Reply;
use crate::ftp::session::{Member, Outcome};
use crate::ftp::transfer::Job;
use crate::ftp::upload::{Manner, Upload};

pub(super) fn handle(member: &mut Member, argument: &Argument) -> Result<Outcome, Reply> {
    member.restart = 0;
    let announced = member.announced.take();
    let path = member.path(argument)?;
    Ok(Outcome::Start(Job::Upload(Upload { path, manner: Manner::Append, announced })))
}
